package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zalando/go-keyring"
)

// The passphrase of the account key may be one that nobody knows, in the
// keyring of the operating system. A file in the home directory names the
// entry, so that without it no keyring is ever asked.
const (
	keyringService = "kith"
	keyringFile    = "keyring"
)

// keyringError tells that the keyring of the system does not do its part.
type keyringError struct{ cause error }

// Error gives the cause.
func (e *keyringError) Error() string { return "the keyring does not work: " + e.cause.Error() }

// keyringEntry returns the name of the keyring's entry for a home directory.
func keyringEntry(home string) (string, bool) {
	b, err := os.ReadFile(filepath.Join(home, keyringFile))
	entry := strings.TrimSpace(string(b))
	return entry, err == nil && entry != ""
}

// entryName is the name under which a home directory's passphrase is put.
func entryName(address, home string) string { return address + " " + home }

// fromKeyring returns the passphrase in an entry.
func fromKeyring(entry string) ([]byte, error) {
	word, err := keyring.Get(keyringService, entry)
	if err != nil {
		return nil, &keyringError{err}
	}
	return []byte(word), nil
}

// intoKeyring makes a passphrase of 32 random octets, puts it in an entry and
// sees that it is there. The caller clears it.
func intoKeyring(home, entry string) ([]byte, error) {
	var secret [32]byte
	rand.Read(secret[:])
	word := base64.RawURLEncoding.AppendEncode(nil, secret[:])
	clear(secret[:])
	if err := keyring.Set(keyringService, entry, string(word)); err != nil {
		return nil, &keyringError{err}
	}
	back, err := fromKeyring(entry)
	if err == nil && subtle.ConstantTimeCompare(word, back) != 1 {
		err = &keyringError{errors.New("it gives back something else")}
	}
	clear(back)
	if err == nil {
		err = replaceFile(filepath.Join(home, keyringFile), []byte(entry+"\n"))
	}
	if err != nil {
		clear(word)
		return nil, errors.Join(err, keyring.Delete(keyringService, entry))
	}
	return word, nil
}

// leaveKeyring forgets the entry of a home directory. One that was made for
// another directory, of which this one is a copy, stays.
func leaveKeyring(home, entry string) error {
	if err := os.Remove(filepath.Join(home, keyringFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the keyring: %w", err)
	}
	if !strings.HasSuffix(entry, " "+home) {
		return nil
	}
	if err := keyring.Delete(keyringService, entry); err != nil && !errors.Is(err, keyring.ErrNotFound) {
		return fmt.Errorf("delete the entry of the keyring: %w", err)
	}
	return nil
}
