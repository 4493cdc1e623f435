package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// workFactor is log2 of scrypt's N for passphrases: about a second on a small computer.
const workFactor = 18

// ErrPassphrase tells that a passphrase does not open the account key, or a backup.
var ErrPassphrase = errors.New("wrong passphrase")

// Protected tells whether the account key in dir is under a passphrase. On a device without the account key it fails with [ErrNotAdministrator].
func Protected(dir string) (bool, error) {
	data, err := readAccountFile(dir)
	if err != nil {
		return false, fmt.Errorf("account key: %w", err)
	}
	defer clear(data)
	return protected(data), nil
}

func protected(data []byte) bool { return bytes.HasPrefix(data, []byte(armor.Header)) }

// SetPassphrase puts the account key in dir under another passphrase, or under none if it is empty. Old is as in [Open]. The file is replaced at
// once: after a crash the key is under the old passphrase or under the new one. A node that runs on dir is not disturbed.
func SetPassphrase(dir string, old func() ([]byte, error), new []byte) error {
	data, err := readAccountFile(dir)
	if err != nil {
		return fmt.Errorf("set passphrase: %w", err)
	}
	account, err := decodeAccount(data, old)
	if err != nil {
		return fmt.Errorf("set passphrase: %w", err)
	}
	defer clear(account)
	data, err = encodeAccount(account, new, workFactor)
	if err != nil {
		return fmt.Errorf("set passphrase: %w", err)
	}
	defer clear(data)
	if err := writeFile(filepath.Join(dir, keysDir, accountKey), data); err != nil {
		return fmt.Errorf("set passphrase: %w", err)
	}
	return nil
}

// readAccountFile reads the file of the account key below dir, and tells a device that has none from a place without an identity.
func readAccountFile(dir string) ([]byte, error) {
	data, err := readFile(filepath.Join(dir, keysDir, accountKey))
	if errors.Is(err, fs.ErrNotExist) && private(filepath.Join(dir, keysDir, signingPEM), 0o600) == nil {
		return nil, ErrNotAdministrator
	}
	return data, err
}

// readAccount reads the account key, in the clear or under a passphrase.
func readAccount(path string, pass func() ([]byte, error)) (ed25519.PrivateKey, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return decodeAccount(data, pass)
}

// decodeAccount reads the content of the file of the account key, and clears it.
func decodeAccount(data []byte, pass func() ([]byte, error)) (ed25519.PrivateKey, error) {
	defer clear(data)
	if protected(data) {
		plain, err := decrypt(data, pass)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", accountKey, err)
		}
		defer clear(plain)
		data = plain
	}
	return parseAccount(data)
}

// parseAccount reads the account key in the clear.
func parseAccount(data []byte) (ed25519.PrivateKey, error) {
	blocks, err := decodePEM(data)
	for _, block := range blocks {
		defer clear(block.Bytes)
	}
	if err != nil || len(blocks) != 1 {
		return nil, fmt.Errorf("%s: not one whole key", accountKey)
	}
	key, err := decodeKey[ed25519.PrivateKey](blocks[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", accountKey, err)
	}
	return key, nil
}

// decrypt asks for the passphrase of an armoured age file, opens that, and clears the passphrase.
func decrypt(data []byte, pass func() ([]byte, error)) ([]byte, error) {
	if pass == nil {
		return nil, fmt.Errorf("a passphrase is needed: %w", ErrPassphrase)
	}
	word, err := pass()
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	defer clear(word)
	r, err := decryptReader(armor.NewReader(bytes.NewReader(data)), word)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, maxKeyFile) // made once: no copies are left behind as it grows
	n, err := io.ReadFull(r, plain)
	if err != io.ErrUnexpectedEOF {
		clear(plain)
		return nil, errors.New("damaged")
	}
	return plain[:n], nil
}

// decryptReader opens an age file under a passphrase; a wrong one is [ErrPassphrase].
func decryptReader(r io.Reader, pass []byte) (io.Reader, error) {
	if len(pass) == 0 {
		return nil, ErrPassphrase
	}
	scrypt, err := age.NewScryptIdentity(string(pass))
	if err != nil {
		return nil, err
	}
	scrypt.SetMaxWorkFactor(workFactor + 2)
	plain, err := age.Decrypt(r, scrypt)
	if _, mismatch := errors.AsType[*age.NoIdentityMatchError](err); mismatch {
		return nil, ErrPassphrase
	}
	return plain, err
}

// encryptWriter puts what is written under a passphrase; the caller closes it.
func encryptWriter(w io.Writer, pass []byte, work int) (io.WriteCloser, error) {
	recipient, err := age.NewScryptRecipient(string(pass))
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(work)
	return age.Encrypt(w, recipient)
}

// encodeAccount makes the content of the file of the account key.
func encodeAccount(key ed25519.PrivateKey, pass []byte, work int) ([]byte, error) {
	text, err := encodeKey(key)
	if err != nil || len(pass) == 0 {
		return text, err
	}
	defer clear(text)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := encryptWriter(armored, pass, work)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
