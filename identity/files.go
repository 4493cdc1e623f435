package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Files of an identity (doc/spec/identity.md, 6). The directory keys is made under another name and renamed when it is complete.
const (
	keysDir       = "keys"
	unfinishedDir = "keys.unfinished"
	accountKey    = "account.key"
	accountPEM    = "account.pem"
	transportKey  = "transport.key"
	signingPEM    = "signing.pem"
	sealingPEM    = "sealing.pem"
	nextKey       = "sealing.next" // waits for its certificate
	nameFile      = "name.bin"     // of a member of a domain

	maxKeyFile = 64 << 10
	maxRing    = 16 // sealing keys kept at most
)

// Create makes an identity in dir: an account key, whose overlay domain the address is under, and the keys of this device, in files of mode
// 0600 in dir/keys. With a passphrase the account key is encrypted by age (scrypt). LOCAL is the plain text of the local part. It refuses to
// overwrite an identity; what an interrupted Create left is begun anew.
func Create(dir, local string, pass []byte, now time.Time) (*Keys, error) {
	if err := vacant(dir); err != nil {
		return nil, fmt.Errorf("create identity in %w", err)
	}
	k, err := New(local, now)
	if err == nil {
		err = k.create(dir, pass, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("create identity: %w", err)
	}
	return k, nil
}

// vacant fails with [fs.ErrExist] if there is an identity in dir.
func vacant(dir string) error {
	final := filepath.Join(dir, keysDir)
	if _, err := os.Lstat(final); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return fmt.Errorf("%s: %w", final, err)
	}
	return nil
}

// create writes all files of the keys to dir, whole or not at all. Name is what a domain gave its member, nil if there is none.
func (k *Keys) create(dir string, pass, name []byte) error {
	if err := vacant(dir); err != nil {
		return err
	}
	unfinished, final := filepath.Join(dir, unfinishedDir), filepath.Join(dir, keysDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return err
	}
	if err := k.saveAll(unfinished, pass, name); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, final); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	k.dir = final
	return nil
}

func (k *Keys) saveAll(dir string, pass, name []byte) error {
	transport, err := encodeKey(k.transport)
	if err != nil {
		return err
	}
	defer clear(transport)
	var account []byte
	if k.Administers() {
		if account, err = encodeAccount(k.account, pass, workFactor); err != nil {
			return err
		}
		defer clear(account)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{accountKey, account}, {transportKey, transport}, {nameFile, name}} {
		if len(f.data) == 0 {
			continue
		}
		if err := writeFile(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	if err := saveChain(dir, k.chain); err != nil {
		return err
	}
	if err := saveLeaves(dir, &k.signing, k.sealing); err != nil {
		return err
	}
	return syncDir(dir)
}

// saveChain replaces the certificates above the device's.
func saveChain(dir string, chain []*x509.Certificate) error {
	var text []byte
	for _, c := range chain {
		text = append(text, encodeCertificate(c)...)
	}
	return writeFile(filepath.Join(dir, accountPEM), text)
}

// saveLeaves replaces the files of what is not nil. Each file holds keys with their certificates, so that one rename changes both.
func saveLeaves(dir string, signing *signingLeaf, sealing []sealingLeaf) error {
	if signing != nil {
		key, err := encodeKey(signing.key)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, signingPEM), append(key, encodeCertificate(signing.certificate)...)); err != nil {
			return err
		}
	}
	if sealing == nil {
		return nil
	}
	var data []byte
	for _, leaf := range sealing {
		key, err := encodeKey(leaf.key)
		if err != nil {
			return err
		}
		data = append(append(data, key...), encodeCertificate(leaf.certificate)...)
	}
	return writeFile(filepath.Join(dir, sealingPEM), data)
}

// Open reads the identity in dir. Pass is asked for a passphrase only if the account key is there and under one; nil then fails with [ErrPassphrase],
// as does a wrong one. Without an account key the device is one that does not administer. Files that others than the owner may read are refused, and so is whatever does not belong together.
func Open(dir string, pass func() ([]byte, error)) (*Keys, error) {
	k, err := open(filepath.Join(dir, keysDir), pass)
	if errors.Is(err, fs.ErrNotExist) {
		if _, unfinished := os.Stat(filepath.Join(dir, unfinishedDir)); unfinished == nil {
			return nil, fmt.Errorf("open identity: making one in %s was interrupted; make it again: %w", dir, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	return k, nil
}

func open(dir string, pass func() ([]byte, error)) (*Keys, error) {
	if err := private(dir, 0o700); err != nil {
		return nil, err
	}
	k := &Keys{dir: dir}
	var err error
	missing := error(nil)
	if k.account, err = readAccount(filepath.Join(dir, accountKey), pass); errors.Is(err, fs.ErrNotExist) {
		missing = err // as it should be on a device that does not administer
	} else if err != nil {
		return nil, err
	}
	if err := k.readChain(filepath.Join(dir, accountPEM)); err != nil {
		return nil, fmt.Errorf("%s: %w", accountPEM, err)
	}
	if err := k.readTransport(filepath.Join(dir, transportKey)); err != nil {
		return nil, fmt.Errorf("%s: %w", transportKey, err)
	}
	if err := k.readSigning(filepath.Join(dir, signingPEM)); err != nil {
		return nil, fmt.Errorf("%s: %w", signingPEM, err)
	}
	if err := k.readSealing(filepath.Join(dir, sealingPEM)); err != nil {
		return nil, fmt.Errorf("%s: %w", sealingPEM, err)
	}
	if scopes, err := leafScopes(k.signing.certificate); missing != nil && (err != nil || scopes.Has(ScopeAdminister)) {
		return nil, errors.Join(missing, err)
	}
	if err := k.readNext(filepath.Join(dir, nextKey)); err != nil {
		return nil, fmt.Errorf("%s: %w", nextKey, err)
	}
	return k, nil
}

// readNext reads the sealing key that waits for its certificate, if there is one. One that has its certificate already was about to be removed.
func (k *Keys) readNext(path string) error {
	blocks, err := readPEM(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(blocks) != 1 {
		return errors.New("want one key")
	}
	next, err := decodeKey[*ecdsa.PrivateKey](blocks[0])
	if err != nil {
		return err
	}
	if !next.PublicKey.Equal(k.sealing[0].certificate.PublicKey) {
		k.next = next
	}
	return nil
}

func (k *Keys) readChain(path string) error {
	blocks, err := readPEM(path)
	if err != nil {
		return err
	}
	for _, block := range blocks {
		certificate, err := decodeCertificate(block)
		if err != nil {
			return err
		}
		k.chain = append(k.chain, certificate)
	}
	if len(k.chain) == 0 {
		return errors.New("no certificate")
	}
	if k.Administers() && !isKey(k.chain[0], k.account.Public().(ed25519.PublicKey)) {
		return errors.New("not the certificate of the account key")
	}
	if k.address, err = certifiedAddress(k.chain[0]); err != nil {
		return err
	}
	at := k.chain[0].NotBefore
	if above := k.chain[len(k.chain)-1].NotBefore; above.After(at) {
		at = above
	}
	domainKey, err := claimedDomainKey(k.address, k.chain)
	if err != nil {
		return err
	}
	return checkAuthorities(k.chain, k.address, domainKey, at)
}

func (k *Keys) readTransport(path string) error {
	blocks, err := readPEM(path)
	if err != nil {
		return err
	}
	if len(blocks) != 1 {
		return errors.New("want one key")
	}
	k.transport, err = decodeKey[ed25519.PrivateKey](blocks[0])
	return err
}

func (k *Keys) readSigning(path string) error {
	blocks, err := readPEM(path)
	if err != nil {
		return err
	}
	if len(blocks) != 2 {
		return errors.New("want one key and its certificate")
	}
	if k.signing.key, err = decodeKey[*ecdsa.PrivateKey](blocks[0]); err != nil {
		return err
	}
	c, err := k.readLeaf(blocks[1], &k.signing.key.PublicKey, signingUse)
	if err != nil {
		return err
	}
	k.signing.certificate = c
	k.device, err = keyID(c.RawSubjectPublicKeyInfo)
	return err
}

func (k *Keys) readSealing(path string) error {
	blocks, err := readPEM(path)
	if err != nil {
		return err
	}
	if len(blocks) < 2 || len(blocks)%2 != 0 || len(blocks) > 2*maxRing {
		return errors.New("want keys, each with its certificate")
	}
	for ; len(blocks) > 0; blocks = blocks[2:] {
		key, err := decodeKey[*ecdsa.PrivateKey](blocks[0])
		if err != nil {
			return err
		}
		certificate, err := k.readLeaf(blocks[1], &key.PublicKey, sealingUse)
		if err != nil {
			return err
		}
		private, err := key.ECDH()
		if err != nil {
			return err
		}
		k.sealing = append(k.sealing, sealingLeaf{private, certificate})
	}
	return nil
}

// readLeaf decodes a device certificate and checks it at the time of its making: whether it has expired since, Rotate deals with.
func (k *Keys) readLeaf(block *pem.Block, key *ecdsa.PublicKey, use leafUse) (*x509.Certificate, error) {
	certificate, err := decodeCertificate(block)
	if err != nil {
		return nil, err
	}
	if !key.Equal(certificate.PublicKey) || key.Curve != elliptic.P256() {
		return nil, errors.New("key and certificate do not belong together")
	}
	_, err = checkLeaf(certificate, k.chain[0], k.address, use, certificate.NotBefore.Add(backdate))
	return certificate, err
}
