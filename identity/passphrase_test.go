package identity

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestProtected(t *testing.T) {
	dir, _ := mustCreate(t, "")
	if got, err := Protected(dir); err != nil || got {
		t.Errorf("in the clear: %v, %v", got, err)
	}
	if err := SetPassphrase(dir, nil, []byte("open sesame")); err != nil {
		t.Fatal(err)
	}
	if got, err := Protected(dir); err != nil || !got {
		t.Errorf("under a passphrase: %v, %v", got, err)
	}
	if _, err := Protected(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no identity: %v", err)
	}
	if err := os.Remove(keyFile(dir, accountKey)); err != nil {
		t.Fatal(err)
	}
	if _, err := Protected(dir); !errors.Is(err, ErrNotAdministrator) {
		t.Errorf("no account key: %v", err)
	}
	if err := SetPassphrase(dir, nil, nil); !errors.Is(err, ErrNotAdministrator) {
		t.Errorf("set without account key: %v", err)
	}
}

// What was given as a passphrase does not stay in memory.
func TestPassphraseCleared(t *testing.T) {
	dir, _ := mustCreate(t, "open sesame")
	word := []byte("open sesame")
	if _, err := Open(dir, func() ([]byte, error) { return word, nil }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(word, make([]byte, len(word))) {
		t.Errorf("left in memory: %q", word)
	}
}

// A change of passphrase that was interrupted leaves the old one, and the next one is not in its way.
func TestSetPassphraseInterrupted(t *testing.T) {
	dir, k := mustCreate(t, "")
	half := keyFile(dir, accountKey) + ".new"
	if err := os.WriteFile(half, []byte("-----BEGIN AGE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(dir, nil); err != nil || again.Address() != k.Address() {
		t.Fatalf("after an interruption: %v", err)
	}
	if err := SetPassphrase(dir, nil, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", half, err)
	}
}
