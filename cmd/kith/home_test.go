package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
)

// backupFile makes a home directory with a message and a backup of it under
// the passphrase "horse".
func backupFile(t *testing.T) (file []byte, keys *identity.Keys) {
	t.Helper()
	old := t.TempDir()
	keys, err := identity.Create(old, "alice", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(old, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Deliver(t.Context(), node.Message{Person: keys.Address(), MessageID: "1", Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	snapshot := filepath.Join(old, "snapshot")
	if err := errors.Join(s.Snapshot(t.Context(), snapshot), s.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	part := func(name string, data []byte) identity.Part {
		return identity.Part{Name: name, Size: int64(len(data)), Data: bytes.NewReader(data)}
	}
	err = keys.WriteBackup(&out, []byte("horse"), "kith test", time.Now(),
		part(identity.BackupRules, []byte("allow contacts watch\n")), part(identity.BackupStore, data))
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), keys
}

func openBytes(t *testing.T, file []byte) *identity.Backup {
	t.Helper()
	b, err := identity.ReadBackup(bytes.NewReader(file), []byte("horse"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stages gives what a restore does, in pieces, so that a test can stop where a
// kill might.
func stages(t *testing.T, h home, b *identity.Backup) []func() error {
	var device identity.DeviceID
	return h.steps(t.Context(), b, nil, store.Restored{From: b.Device, Revoke: true, At: time.Now()}, &device, io.Discard)
}

// Wherever a restore is killed, there is no home, a node says so, and the next
// restore does all of it.
func TestRestoreKilled(t *testing.T) {
	file, old := backupFile(t)
	count := len(stages(t, home{}, new(identity.Backup)))
	for n := range count {
		a := &app{home: filepath.Join(t.TempDir(), "kith"), err: io.Discard}
		if n%2 == 1 {
			if err := os.Mkdir(a.home, 0o700); err != nil { // an empty one is as good as none
				t.Fatal(err)
			}
		}
		h, err := a.emptyHome()
		if err != nil {
			t.Fatal(err)
		}
		b := new(identity.Backup)
		if n > 1 { // the first step does not read it
			b = openBytes(t, file)
		}
		for _, step := range stages(t, h, b)[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if entries, err := os.ReadDir(a.home); len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("killed after %d steps: the home has %v, %v", n, entries, err)
		}
		if n > 0 {
			_, err := open(t.Context(), settings{home: a.home, name: "somebody"})
			if explained(a, err) != "restoring "+a.home+" was interrupted" {
				t.Errorf("killed after %d steps: a node starts: %v", n, err)
			}
		}
		if h, err = a.emptyHome(); err != nil {
			t.Fatal(err)
		}
		device, err := h.fill(t.Context(), openBytes(t, file), nil, time.Now(), true, io.Discard)
		if err != nil {
			t.Fatalf("killed after %d steps: %v", n, err)
		}
		whole(t, a.home, old, device)
	}
}

func explained(a *app, err error) string {
	if err == nil {
		return ""
	}
	return a.explain(err).msg
}

// whole checks a restored home directory.
func whole(t *testing.T, path string, old *identity.Keys, device identity.DeviceID) {
	t.Helper()
	keys, err := identity.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if keys.Address() != old.Address() || keys.Device() != device || device == old.Device() {
		t.Errorf("%v, device %v; want %v and another device than %v", keys.Address(), keys.Device(), old.Address(), old.Device())
	}
	s, err := store.Open(filepath.Join(path, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if all, err := s.History(t.Context(), node.Query{}, 10); err != nil || len(all) != 1 {
		t.Errorf("history: %v, %v", all, err)
	}
	if text, err := s.Setting(t.Context(), store.KeepRestored); err != nil || !bytes.Contains(text, []byte(old.Device().String())) {
		t.Errorf("setting: %s, %v", text, err)
	}
	if _, err := os.Lstat(unfinishedHome(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the unfinished home is left: %v", err)
	}
}

// A part that cannot be written, or a backup that ends too early, leaves nothing.
func TestRestoreFails(t *testing.T) {
	file, _ := backupFile(t)
	a := &app{home: filepath.Join(t.TempDir(), "kith"), err: io.Discard}
	h, err := a.emptyHome()
	if err != nil {
		t.Fatal(err)
	}
	b := openBytes(t, file[:len(file)-100])
	_, err = h.fill(t.Context(), b, nil, time.Now(), true, io.Discard)
	if err == nil {
		t.Fatal("restored from half a backup")
	}
	if err := a.restoreFailed(t.Context(), h, err); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(filepath.Dir(a.home)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What looks like the rest of a restore and has something else is not deleted.
func TestRestoreSparesOthers(t *testing.T) {
	a := &app{home: filepath.Join(t.TempDir(), "kith")}
	letters := filepath.Join(unfinishedHome(a.home), "letters")
	if err := errors.Join(os.Mkdir(unfinishedHome(a.home), 0o700), os.WriteFile(letters, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	h, err := a.emptyHome()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.begin(); err == nil {
		t.Error("begun over other files")
	}
	if _, err := os.Stat(letters); err != nil {
		t.Error(err)
	}
}

// A home directory may be a symbolic link, which stays one.
func TestRestoreThroughLink(t *testing.T) {
	file, old := backupFile(t)
	dir := t.TempDir()
	real, link := filepath.Join(dir, "disk"), filepath.Join(dir, "kith")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	h, err := (&app{home: link}).emptyHome()
	if err != nil {
		t.Fatal(err)
	}
	device, err := h.fill(t.Context(), openBytes(t, file), nil, time.Now(), true, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	whole(t, link, old, device)
	if to, err := os.Readlink(link); err != nil || to != real {
		t.Errorf("the link goes to %s, %v", to, err)
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 141526: "142 kB", 999400: "999 kB", 999600: "1.0 MB", 1 << 30: "1.1 GB"} {
		if got := octets(n); got != want {
			t.Errorf("octets(%d) = %s, want %s", n, got, want)
		}
	}
}
