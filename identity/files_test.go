package identity

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func mustCreate(t *testing.T, pass string) (string, *Keys) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kith")
	k, err := Create(dir, "alice", []byte(pass), testTime)
	if err != nil {
		t.Fatal(err)
	}
	return dir, k
}

func TestCreateOpen(t *testing.T) {
	dir, k := mustCreate(t, "")
	again, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.Address() != k.Address() || again.Device() != k.Device() || !again.TransportKey().Equal(k.TransportKey()) ||
		!again.signing.key.Equal(k.signing.key) || !again.sealing[0].key.Equal(k.sealing[0].key) {
		t.Error("other keys than were made")
	}
	card, err := again.SignCard(CardDraft{Serial: 1}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := again.SealTo(mustSign(t, again, message("x"), true), card.Card())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(sealed, Known{}, testTime); err != nil {
		t.Error(err)
	}
	if _, err := Create(dir, "bob", nil, testTime); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwrite: %v", err)
	}
	if _, err := Open(t.TempDir(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]fs.FileMode{
		dir: 0o700, filepath.Join(dir, keysDir): 0o700, keyFile(dir, accountKey): 0o600, keyFile(dir, accountPEM): 0o600,
		keyFile(dir, transportKey): 0o600, keyFile(dir, signingPEM): 0o600, keyFile(dir, sealingPEM): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func keyFile(dir, name string) string { return filepath.Join(dir, keysDir, name) }

func TestPassphrase(t *testing.T) {
	dir, k := mustCreate(t, "open sesame")
	asked := 0
	answer := func(s string) func() ([]byte, error) {
		return func() ([]byte, error) { asked++; return []byte(s), nil }
	}
	data, err := os.ReadFile(keyFile(dir, accountKey))
	if err != nil || !bytes.HasPrefix(data, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) {
		t.Fatalf("account key file %.40q, %v", data, err)
	}
	if again, err := Open(dir, answer("open sesame")); err != nil || again.Address() != k.Address() || asked != 1 {
		t.Errorf("right passphrase: %v, asked %d times", err, asked)
	}
	refused := errors.New("no terminal")
	for name, test := range map[string]struct {
		pass func() ([]byte, error)
		want error
	}{
		"wrong":   {answer("open barley"), ErrPassphrase},
		"empty":   {answer(""), ErrPassphrase},
		"none":    {nil, ErrPassphrase},
		"refused": {func() ([]byte, error) { return nil, refused }, refused},
	} {
		if again, err := Open(dir, test.pass); !errors.Is(err, test.want) || again != nil {
			t.Errorf("%s: %v; want %v", name, err, test.want)
		}
	}
	if err := SetPassphrase(dir, answer("open barley"), nil); !errors.Is(err, ErrPassphrase) {
		t.Errorf("set by a wrong one: %v", err)
	}
	if err := SetPassphrase(dir, answer("open sesame"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); err != nil {
		t.Errorf("passphrase removed: %v", err)
	}
	if err := SetPassphrase(dir, nil, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, answer("new")); err != nil {
		t.Errorf("passphrase set: %v", err)
	}
}

func TestOpenDamaged(t *testing.T) {
	otherDir, _ := mustCreate(t, "")
	for _, name := range []string{accountKey, accountPEM, transportKey, signingPEM, sealingPEM} {
		dir, _ := mustCreate(t, "")
		path := keyFile(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(data []byte) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for n := 0; n < len(data); n += 37 {
			write(data[:n])
			if k, err := Open(dir, nil); err == nil || k != nil {
				t.Errorf("%s cut to %d octets: opened", name, n)
			}
		}
		foreign, err := os.ReadFile(keyFile(otherDir, name))
		if err != nil {
			t.Fatal(err)
		}
		for what, content := range map[string][]byte{
			"of another person": foreign,
			"twice":             append(bytes.Clone(data), data...),
			"text behind":       append(bytes.Clone(data), "x"...),
			"text before":       append([]byte("x\n"), data...),
			"large":             bytes.Repeat([]byte("x"), maxKeyFile+1),
			"age":               []byte("-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n"),
		} {
			if name == transportKey && what == "of another person" || name == sealingPEM && what == "twice" {
				continue // belongs to no certificate; two keys are a ring
			}
			write(content)
			k, err := Open(dir, func() ([]byte, error) { return []byte("x"), nil })
			if err == nil || k != nil {
				t.Errorf("%s %s: opened", name, what)
			} else if !strings.Contains(err.Error(), name) && what != "of another person" {
				t.Errorf("%s %s: error does not name the file: %v", name, what, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s missing: %v", name, err)
		}
	}
}

func TestOpenReadableByOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no mode bits")
	}
	dir, _ := mustCreate(t, "")
	for _, name := range []string{".", accountKey, accountPEM, transportKey, signingPEM, sealingPEM} {
		own := fs.FileMode(0o600)
		if name == "." {
			own = 0o700
		}
		for _, mode := range []fs.FileMode{0o040, 0o004, 0o020} {
			if err := os.Chmod(keyFile(dir, name), own|mode); err != nil {
				t.Fatal(err)
			}
			if k, err := Open(dir, nil); err == nil || k != nil || !strings.Contains(err.Error(), "chmod") {
				t.Errorf("%s with mode %o: %v", name, own|mode, err)
			}
		}
		if err := os.Chmod(keyFile(dir, name), own); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInterrupted leaves what a kill at each step of Create and of a replacement would.
func TestInterrupted(t *testing.T) {
	for _, kept := range [][]string{nil, {accountKey}, {accountKey, accountPEM, transportKey, signingPEM}, {accountKey, accountPEM, transportKey, signingPEM, sealingPEM}} {
		dir := t.TempDir()
		half := filepath.Join(dir, unfinishedDir)
		if err := os.Mkdir(half, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range kept {
			if err := os.WriteFile(filepath.Join(half, name), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(dir, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("%v: %v", kept, err)
		}
		if _, err := Create(dir, "alice", nil, testTime); err != nil {
			t.Errorf("%v: %v", kept, err)
		}
		if _, err := Open(dir, nil); err != nil {
			t.Errorf("%v: %v", kept, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%v: %v left, %v", kept, entries, err)
		}
	}
	dir, k := mustCreate(t, "")
	if err := os.WriteFile(keyFile(dir, sealingPEM+".new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); err != nil {
		t.Errorf("beside half a file: %v", err)
	}
	if changed, err := k.Rotate(testTime.Add(sealingPeriod)); err != nil || !changed {
		t.Errorf("rotate over half a file: %v, %v", changed, err)
	}
	if _, err := os.Stat(keyFile(dir, sealingPEM+".new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a file is left: %v", err)
	}
}

func TestRotate(t *testing.T) {
	dir, k := mustCreate(t, "")
	day := 24 * time.Hour
	first := mustCard(t, k, 1).Card()
	old, err := k.SealTo(mustSign(t, k, message("old"), true), first)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at      time.Duration
		changed bool
		live    int
	}{
		{0, false, 1}, {7*day - time.Second, false, 1}, {7 * day, true, 2}, {7 * day, false, 2}, {14 * day, true, 3},
		{21*day - time.Second, false, 3}, {21 * day, true, 3}, {22 * day, false, 3}, {60 * day, true, 2}, {74 * day, true, 2}, {75 * day, false, 2},
	} {
		changed, err := k.Rotate(testTime.Add(step.at))
		if err != nil || changed != step.changed || len(k.sealing) != step.live {
			t.Errorf("after %v: changed %v, %d keys, %v; want %v, %d", step.at, changed, len(k.sealing), err, step.changed, step.live)
		}
		again, err := Open(dir, nil)
		if err != nil || len(again.sealing) != len(k.sealing) || again.Device() != k.Device() {
			t.Fatalf("after %v: files: %v", step.at, err)
		}
		_, err = again.Open(old, first.Known(), testTime)
		if readable := step.at < 21*day; (err == nil) != readable || !readable && !errors.Is(err, ErrNotForMe) {
			t.Errorf("after %v: old message: %v", step.at, err)
		}
		if _, err := k.SignCard(CardDraft{Serial: 2}, testTime.Add(step.at)); err != nil {
			t.Errorf("after %v: card: %v", step.at, err)
		}
	}
}

// TestRenewal: the device keeps its name and its signing key, and what the old certificate signed verifies by the new one.
func TestRenewal(t *testing.T) {
	k := mustNew(t, "alice")
	at := testTime.Add(signingLifetime - signingRenewal)
	bare, err := k.Sign(message("in flight"), false, at)
	if err != nil {
		t.Fatal(err)
	}
	device, certificate := k.Device(), k.signing.certificate
	if _, err := k.Rotate(at); err != nil || k.signing.certificate != certificate {
		t.Fatalf("renewed early: %v", err)
	}
	if _, err := k.Rotate(at.Add(time.Hour)); err != nil || k.signing.certificate.Equal(certificate) || k.Device() != device {
		t.Fatalf("not renewed: %v", err)
	}
	card, err := k.SignCard(CardDraft{Serial: 2}, at.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if o, err := Verify(bare, card.Card().Known(), at.Add(48*time.Hour)); err != nil || o.Device != device {
		t.Errorf("signed before the renewal: %v", err)
	}
}

// TestClockSetBack: keys made while the clock was years ahead are replaced when it is right again.
func TestClockSetBack(t *testing.T) {
	k := mustNew(t, "alice")
	if _, err := k.Rotate(testTime.AddDate(3, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := k.SignCard(CardDraft{Serial: 1}, testTime); !errors.Is(err, ErrExpired) {
		t.Errorf("card by certificates from the future: %v", err)
	}
	if changed, err := k.Rotate(testTime); err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if _, err := k.SignCard(CardDraft{Serial: 1}, testTime); err != nil {
		t.Error(err)
	}
}

func TestRotateCannotWrite(t *testing.T) {
	dir, k := mustCreate(t, "")
	before := k.sealing[0].certificate
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if changed, err := k.Rotate(testTime.Add(sealingPeriod)); err == nil || changed || k.sealing[0].certificate != before {
		t.Errorf("keys used that are in no file: %v, %v", changed, err)
	}
}

func TestCreateNames(t *testing.T) {
	for name, good := range map[string]bool{"alice": true, "Alice Liddell": true, `a"b\c`: true, "": false, "a\nb": false, "é": false, strings.Repeat("a", 65): false} {
		dir := t.TempDir()
		k, err := Create(dir, name, nil, testTime)
		if (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil {
			if entries, _ := os.ReadDir(dir); len(entries) > 0 {
				t.Errorf("%q: files left", name)
			}
			continue
		}
		if again, err := ParseAddress(k.Address().IM()); err != nil || again != k.Address() {
			t.Errorf("%q: address %s: %v", name, k.Address(), err)
		}
		if _, err := k.SignCard(CardDraft{Serial: 1}, testTime); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
