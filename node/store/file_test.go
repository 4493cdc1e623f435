package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	first := openIn(t, dir)
	if _, err := store.Open(filepath.Join(dir, "kith.db")); !errors.Is(err, store.ErrLocked) {
		t.Errorf("second opener: got error %v, want %v", err, store.ErrLocked)
	}
	// The refusal leaves the first one as it was.
	if err := first.PutSetting(t.Context(), "status", []byte("open")); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openIn(t, dir).Close(); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	s := openIn(t, t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Contacts(t.Context()); err == nil {
		t.Error("a closed store was read")
	}
	if _, err := s.Enqueue(t.Context(), message(1)); err == nil {
		t.Error("a closed store was written")
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kith.db")
	if err := openIn(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, dir)
	defer s.Close()
	if _, err := s.Enqueue(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode(); mode != 0o600 {
			t.Errorf("%s has mode %v, want 0600", entry.Name(), mode)
		}
		names = append(names, entry.Name())
	}
	if got, want := strings.Join(names, " "), "kith.db kith.db-shm kith.db-wal kith.db.lock"; got != want {
		t.Errorf("got files %s, want %s", got, want)
	}
}

func TestPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my home?mode=ro&x#1 %41 'ü")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := openIn(t, dir).Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "kith.db")); err != nil {
		t.Error(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "none", "kith.db")} {
		if s, err := store.Open(path); err == nil || s != nil {
			t.Errorf("open %s: got %v, %v, want an error", path, s, err)
		}
	}
}

// What is left of a process killed while it made the store is no hindrance,
// but the end of a store that is gone is not put onto a new one.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"kith.db.new", "kith.db.new-wal", "kith.db.new-shm"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := openIn(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) != 2 {
		t.Errorf("got files %v, %v, want the store and its lock", names, err)
	}

	path := filepath.Join(t.TempDir(), "kith.db")
	if err := os.WriteFile(path+"-wal", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(path); err == nil || !strings.Contains(err.Error(), "kith.db-wal belongs to") {
		t.Errorf("got error %v, want one about kith.db-wal", err)
	}
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Errorf("the old end was removed: %v", err)
	}
}

// filled makes a closed store of a few hundred KiB and returns its file.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := openIn(t, dir)
	for i := range 200 {
		m := message(i)
		m.Text = strings.Repeat(fmt.Sprint("word", i, " "), 100)
		if _, err := s.Enqueue(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "kith.db")
}

// A damaged file is an error when it is opened or, at the latest, when the
// damaged part is read; it is never a panic.
func TestDamage(t *testing.T) {
	whole, err := os.ReadFile(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(from, to int) []byte {
		b := append([]byte(nil), whole...)
		clear(b[from:to])
		return b
	}
	tests := []struct {
		name string
		file []byte
	}{
		{"half", whole[:len(whole)/2]},
		{"without the last page", whole[:len(whole)-4096]},
		{"one page", whole[:4096]},
		{"part of a page", whole[:1000]},
		{"nothing", nil},
		{"one octet", whole[:1]},
		{"text", []byte(strings.Repeat("this is no database\n", 1000))},
		{"header of zeros", zeros(0, 100)},
		{"schema of zeros", zeros(100, 4096)},
		{"zeros from the second page", zeros(4096, len(whole))},
		{"noise", noise(whole)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kith.db")
			if err := os.WriteFile(path, test.file, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(path)
			if err == nil {
				_, err = s.History(t.Context(), node.Query{}, 1000)
				s.Close()
			}
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), "damaged") {
				t.Errorf("error does not say what happened: %v", err)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(test.file) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
		})
	}
}

// noise changes every 97th octet behind the header.
func noise(file []byte) []byte {
	b := append([]byte(nil), file...)
	for i := 100; i < len(b); i += 97 {
		b[i] ^= 0x5a
	}
	return b
}

// Cut anywhere and changed anywhere, a file opens or does not, and whatever it
// then says is not a panic.
func FuzzDamage(f *testing.F) {
	f.Add(uint16(0), uint32(18), byte(1))
	f.Add(uint16(1), uint32(4096), byte(0xff))
	f.Add(uint16(4095), uint32(100), byte(0x80))
	dir := f.TempDir()
	s, err := store.Open(filepath.Join(dir, "kith.db"))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := s.Enqueue(f.Context(), message(1)); err != nil {
		f.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "kith.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, cut uint16, at uint32, change byte) {
		b := append([]byte(nil), whole[:len(whole)-int(cut)%len(whole)]...)
		b[int(at)%len(b)] ^= change
		path := filepath.Join(t.TempDir(), "kith.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(path)
		if err != nil {
			if s != nil {
				t.Error("a store beside an error")
			}
			return
		}
		defer s.Close()
		all, err := s.History(t.Context(), node.Query{Text: "hello"}, 10)
		if err != nil && all != nil {
			t.Error("messages beside an error")
		}
		_, _ = s.Enqueue(t.Context(), message(2))
	})
}
