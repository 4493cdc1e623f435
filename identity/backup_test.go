package identity

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
)

// quick is a work factor for tests that are not about guessing.
const quick = 10

var testPass = []byte("correct horse")

func textPart(name, text string) Part { return Part{name, int64(len(text)), strings.NewReader(text)} }

// mustBackup makes a backup of a person with files on disk.
func mustBackup(t testing.TB, parts ...Part) ([]byte, *Keys, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kith")
	k, err := Create(dir, "alice", nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := k.writeBackup(&file, testPass, quick, "kith test", testTime.Add(time.Millisecond), parts); err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), k, dir
}

// readAll reads a backup to its end.
func readAll(b *Backup) (map[string]string, error) {
	all := make(map[string]string)
	for {
		p, err := b.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(p.Data)
		if err != nil {
			return nil, err
		}
		if int64(len(data)) != p.Size {
			return nil, errors.New("another size than was said")
		}
		all[p.Name] = string(data)
	}
}

func TestBackupRoundTrip(t *testing.T) {
	store := strings.Repeat("row ", 300<<10)
	file, k, dir := mustBackup(t, textPart(BackupRules, "allow anyone watch\n"), textPart(BackupPeers, ""), textPart(BackupStore, store))
	b, err := ReadBackup(bytes.NewReader(file), testPass)
	if err != nil {
		t.Fatal(err)
	}
	want := Origin{Address: k.Address(), Device: k.Device(), Made: testTime, Program: "kith test"}
	if diff := cmp.Diff(want, b.Origin, cmp.AllowUnexported(Address{})); diff != "" {
		t.Errorf("origin (-want +got):\n%s", diff)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got, want := fmt.Sprintf(verb, b), "backup of "+k.Address().Short()+" (redacted)"; got != want {
			t.Errorf("%s shows %q, want %q", verb, got, want)
		}
	}
	parts, err := readAll(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{BackupRules: "allow anyone watch\n", BackupPeers: "", BackupStore: store}, parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if _, err := b.Next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}

	empty := filepath.Join(t.TempDir(), "new")
	again, err := Restore(empty, b, []byte("new"), testTime.AddDate(3, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if again.Address() != k.Address() || again.Device() == k.Device() || again.TransportKey().Equal(k.TransportKey()) {
		t.Errorf("address %v, want %v; device %v, want another than %v", again.Address(), k.Address(), again.Device(), k.Device())
	}
	got, err1 := os.ReadFile(keyFile(empty, accountPEM))
	old, err2 := os.ReadFile(keyFile(dir, accountPEM))
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, old) {
		t.Errorf("another account certificate, %v", err)
	}
	b.Close()
	if again.account.Equal(b.account) || bytes.Equal(again.account, make([]byte, 64)) {
		t.Error("closing the backup took the key of the identity")
	}
	if opened, err := Open(empty, func() ([]byte, error) { return []byte("new"), nil }); err != nil || opened.Device() != again.Device() {
		t.Errorf("not on disk under its passphrase: %v", err)
	}
	if protected, err := Protected(empty); err != nil || !protected {
		t.Errorf("Protected = %v, %v", protected, err)
	}
	if _, err := Restore(t.TempDir(), b, nil, testTime); err == nil {
		t.Error("restored from a closed backup")
	}
}

// The file is what age says it is: its own program opens it, and tar what is inside.
func TestBackupIsAgeAndTar(t *testing.T) {
	file, _, dir := mustBackup(t, textPart(BackupStore, "rows"))
	scrypt, err := age.NewScryptIdentity(string(testPass))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(bytes.NewReader(file), scrypt)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	in := tar.NewReader(plain)
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Mode != 0o600 || !h.ModTime.Equal(time.Unix(0, 0)) || h.Uname != "" {
			t.Errorf("%s: mode %o of %q at %v", h.Name, h.Mode, h.Uname, h.ModTime)
		}
	}
	if diff := cmp.Diff([]string{"manifest.json", "account.key", "account.pem", "kith.db"}, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for _, name := range []string{transportKey, signingPEM, sealingPEM, accountKey} {
		secret, err := os.ReadFile(keyFile(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(file, secret[:64]) {
			t.Errorf("%s is readable in the backup", name)
		}
	}
}

func TestBackupRefusesToWrite(t *testing.T) {
	k := mustNew(t, "alice")
	for name, test := range map[string]struct {
		pass  string
		parts []Part
	}{
		"no passphrase":   {"", nil},
		"unknown part":    {"x", []Part{textPart("keys", "x")}},
		"our own part":    {"x", []Part{textPart(accountKey, "x")}},
		"twice":           {"x", []Part{textPart(BackupRules, "x"), textPart(BackupRules, "x")}},
		"other order":     {"x", []Part{textPart(BackupStore, "x"), textPart(BackupRules, "x")}},
		"too long":        {"x", []Part{{BackupRules, maxText + 1, strings.NewReader("x")}}},
		"store of 8 GiB":  {"x", []Part{{BackupStore, maxStore + 1, strings.NewReader("x")}}},
		"negative":        {"x", []Part{{BackupRules, -1, strings.NewReader("x")}}},
		"less than said":  {"x", []Part{{BackupRules, 2, strings.NewReader("x")}}},
		"more than said":  {"x", []Part{{BackupRules, 2, strings.NewReader("xyz")}}},
		"cannot be read":  {"x", []Part{{BackupRules, 2, io.MultiReader(strings.NewReader("x"), failing{})}}},
		"nothing to read": {"x", []Part{{BackupRules, 2, failing{}}}},
	} {
		if err := k.writeBackup(io.Discard, []byte(test.pass), quick, "", testTime, test.parts); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	linked := &Keys{address: k.address, chain: k.chain}
	if err := linked.WriteBackup(io.Discard, testPass, "", testTime); !errors.Is(err, ErrNotAdministrator) {
		t.Errorf("without the account key: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk is on fire") }

func TestReadBackupDamaged(t *testing.T) {
	file, _, _ := mustBackup(t, textPart(BackupRules, "rules"), textPart(BackupStore, strings.Repeat("x", 100<<10)))
	open := func(data []byte) error {
		b, err := ReadBackup(bytes.NewReader(data), testPass)
		if err != nil {
			if b != nil {
				t.Errorf("a backup beside %v", err)
			}
			return err
		}
		_, err = readAll(b)
		return err
	}
	if err := open(file); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(file); n += 997 {
		if open(file[:n]) == nil {
			t.Errorf("cut to %d octets: read", n)
		}
	}
	if err := open(file[:len(file)-1]); err == nil {
		t.Error("without its last octet: read")
	}
	for n := 0; n < len(file); n += 1009 {
		data := bytes.Clone(file)
		data[n] ^= 1
		if open(data) == nil {
			t.Errorf("octet %d changed: read", n)
		}
	}
	if open(append(bytes.Clone(file), 'x')) == nil {
		t.Error("with something behind: read")
	}
	if err := open([]byte("SQLite format 3\x00")); err == nil || !strings.Contains(err.Error(), "not a backup") {
		t.Errorf("another file: %v", err)
	}
	for _, pass := range []string{"", "wrong horse"} {
		if b, err := ReadBackup(bytes.NewReader(file), []byte(pass)); !errors.Is(err, ErrPassphrase) || b != nil {
			t.Errorf("passphrase %q: %v", pass, err)
		}
	}
}

// A member of somebody's domain takes along what the domain gave it.
func TestBackupOfMember(t *testing.T) {
	domain := newDomain(t, "bob", func(*x509.Certificate) {})
	bob := domain.member(t, domain.name)
	dir, empty := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "new")
	if err := bob.create(dir, nil, []byte("pre-signed names")); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := bob.writeBackup(&file, testPass, quick, "", testTime, nil); err != nil {
		t.Fatal(err)
	}
	b, err := ReadBackup(&file, testPass)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(empty, b, nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if again.Address() != bob.Address() || again.Device() == bob.Device() || len(again.chain) != 2 {
		t.Errorf("%v, device %v, %d certificates", again.Address(), again.Device(), len(again.chain))
	}
	for _, name := range []string{accountPEM, nameFile} {
		got, err1 := os.ReadFile(keyFile(empty, name))
		want, err2 := os.ReadFile(keyFile(dir, name))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is another, %v", name, err)
		}
	}
}

// zeros reads as so many zeros, and looks now and then at how much memory is in use.
type zeros struct {
	left, seen int64
	most       uint64
}

func (z *zeros) Read(b []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), z.left)
	clear(b[:n])
	z.left -= n
	if z.seen += n; z.seen >= 8<<20 {
		z.seen = 0
		z.most = max(z.most, inUse())
	}
	return int(n), nil
}

// inUse gives the octets of memory that are not garbage.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Memory does not depend on how large a store is.
func TestBackupMemory(t *testing.T) {
	k := mustNew(t, "alice")
	const size = 64 << 20
	store := &zeros{left: size}
	before := inUse()
	in, out := io.Pipe()
	written := make(chan error, 1)
	go func() { // ends when the reader has read all
		written <- errors.Join(k.writeBackup(out, testPass, quick, "", testTime, []Part{{BackupStore, size, store}}), out.Close())
	}()
	b, err := ReadBackup(in, testPass)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Next()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, p.Data); err != nil || n != size {
		t.Fatalf("%d octets, %v; want %d", n, err, size)
	}
	if _, err := b.Next(); err != io.EOF {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if store.most == 0 || store.most > before+8<<20 {
		t.Errorf("%d octets of memory in use at %d, %d before", store.most, size, before)
	}
}

func BenchmarkBackup(b *testing.B) {
	k := mustNew(b, "alice")
	const size = 16 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := k.writeBackup(io.Discard, testPass, quick, "", testTime, []Part{{BackupStore, size, &zeros{left: size}}}); err != nil {
			b.Fatal(err)
		}
	}
}

// vectorPass is the passphrase of the backup in testdata/vectors.
const vectorPass = "kith test passphrase"

// The file is one that kith wrote: later ones must go on reading it.
func TestBackupVector(t *testing.T) {
	const path = "testdata/vectors/backup.kith"
	if *update {
		k, err := newKeys("alice", testAccount(), testTime)
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		parts := []Part{textPart(BackupRules, "allow contacts watch\n"), textPart(BackupStore, "not a database")}
		if err := k.writeBackup(&file, []byte(vectorPass), quick, "kith test", testTime, parts); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b, err := ReadBackup(file, []byte(vectorPass))
	if err != nil {
		t.Fatal(err)
	}
	address, err := NewAddress("alice", testAccount().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if b.Address != address || !b.account.Equal(testAccount()) || !b.Made.Equal(testTime) || b.Program != "kith test" || b.Protected {
		t.Errorf("%+v of %v", b.Origin, b)
	}
	parts, err := readAll(b)
	if diff := cmp.Diff(map[string]string{BackupRules: "allow contacts watch\n", BackupStore: "not a database"}, parts); diff != "" || err != nil {
		t.Errorf("parts: %v (-want +got):\n%s", err, diff)
	}
}
