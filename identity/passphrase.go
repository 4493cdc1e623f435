package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// workFactor is log2 of scrypt's N for passphrases: about a second on a small computer.
const workFactor = 18

// ErrPassphrase tells that a passphrase does not open the account key.
var ErrPassphrase = errors.New("wrong passphrase")

// SetPassphrase puts the account key in dir under another passphrase, or under none if it is empty. Old is as in [Open].
func SetPassphrase(dir string, old func() ([]byte, error), new []byte) error {
	path := filepath.Join(dir, keysDir, accountKey)
	account, err := readAccount(path, old)
	if err != nil {
		return fmt.Errorf("set passphrase: %w", err)
	}
	data, err := encodeAccount(account, new, workFactor)
	if err != nil {
		return fmt.Errorf("set passphrase: %w", err)
	}
	if err := writeFile(path, data); err != nil {
		return fmt.Errorf("set passphrase: %w", err)
	}
	return nil
}

// readAccount reads the account key, in the clear or under a passphrase.
func readAccount(path string, pass func() ([]byte, error)) (ed25519.PrivateKey, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte(armor.Header)) {
		if data, err = decrypt(data, pass); err != nil {
			return nil, fmt.Errorf("%s: %w", accountKey, err)
		}
	}
	defer clear(data)
	blocks, err := decodePEM(data)
	if err != nil || len(blocks) != 1 {
		return nil, fmt.Errorf("%s: not one whole key", accountKey)
	}
	key, err := decodeKey[ed25519.PrivateKey](blocks[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", accountKey, err)
	}
	return key, nil
}

func decrypt(data []byte, pass func() ([]byte, error)) ([]byte, error) {
	if pass == nil {
		return nil, fmt.Errorf("a passphrase is needed: %w", ErrPassphrase)
	}
	word, err := pass()
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	if len(word) == 0 {
		return nil, ErrPassphrase
	}
	scrypt, err := age.NewScryptIdentity(string(word))
	if err != nil {
		return nil, err
	}
	scrypt.SetMaxWorkFactor(workFactor + 2)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), scrypt)
	if mismatch := new(age.NoIdentityMatchError); errors.As(err, &mismatch) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxKeyFile))
}

func encodeAccount(key ed25519.PrivateKey, pass []byte, work int) ([]byte, error) {
	text, err := encodeKey(key)
	if err != nil || len(pass) == 0 {
		return text, err
	}
	defer clear(text)
	recipient, err := age.NewScryptRecipient(string(pass))
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(work)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := armored.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
