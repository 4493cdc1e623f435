package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

const (
	pemKey         = "PRIVATE KEY"
	pemCertificate = "CERTIFICATE"
)

func encodeKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw})
}

// decodeKey reads a PKCS #8 private key of the kind K.
func decodeKey[K any](block *pem.Block) (key K, err error) {
	if block.Type != pemKey {
		return key, fmt.Errorf("%q where a private key should be", block.Type)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return key, errors.New("damaged private key")
	}
	key, ok := parsed.(K)
	if !ok {
		return key, errors.New("private key of another kind")
	}
	return key, nil
}

func decodeCertificate(block *pem.Block) (*x509.Certificate, error) {
	if block.Type != pemCertificate {
		return nil, fmt.Errorf("%q where a certificate should be", block.Type)
	}
	return x509.ParseCertificate(block.Bytes)
}

// decodePEM splits a file into blocks and refuses anything between or after them.
func decodePEM(data []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block
	for len(data) > 0 {
		if !bytes.HasPrefix(data, []byte("-----BEGIN ")) {
			return nil, errors.New("not PEM from end to end")
		}
		block, rest := pem.Decode(data)
		if block == nil || len(block.Headers) > 0 {
			return nil, errors.New("cut off or damaged")
		}
		blocks = append(blocks, block)
		data = rest
	}
	return blocks, nil
}

func readPEM(path string) ([]*pem.Block, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return decodePEM(data)
}

// readFile reads a key file that nobody but its owner may read.
func readFile(path string) ([]byte, error) {
	if err := private(path, 0o600); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%s: larger than %d octets", path, maxKeyFile)
	}
	return data, nil
}

// private refuses a file or directory that others than its owner may use. Windows has no such mode bits.
func private(path string, want os.FileMode) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %04o): run chmod %o %s", path, info.Mode().Perm(), want, path)
	}
	return nil
}

// writeFile replaces a file at once: after a crash the old content is there or the new, whole.
func writeFile(path string, data []byte) error {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes renames in a directory last. Windows does so by itself and cannot open directories.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
