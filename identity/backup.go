package identity

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// The parts of a backup beside the keys, in their order. They are opaque here.
const (
	BackupRules = "rules"
	BackupPeers = "peers"
	BackupStore = "kith.db"
)

// The entries of a backup in their order, and how many octets each may have (doc/spec/backup.md, 2). A tar header holds sizes below 8 GiB.
const (
	backupFormat   = 1
	backupManifest = "manifest.json"

	maxManifest = 4 << 10
	maxText     = 4 << 20
	maxStore    = 8<<30 - 1
)

// backupHead begins every age file whose first recipient is a passphrase.
const backupHead = "age-encryption.org/v1\n-> scrypt "

// Origin says where a backup is from.
type Origin struct {
	Address   Address   `json:"address"`
	Device    DeviceID  `json:"device"`    // that made it, and whose keys it does not hold
	Made      time.Time `json:"made"`      // in seconds
	Program   string    `json:"program"`   // that made it: kith and its version
	Protected bool      `json:"protected"` // the account key was under a passphrase there, too
}

// Part is one file of a backup beside the keys.
type Part struct {
	Name string // one of the constants
	Size int64  // octets that Data has; at most 4 MiB, of a store below 8 GiB
	Data io.Reader
}

// WriteBackup writes a backup under a passphrase, which may not be empty: the account key with its certificates, and the parts, in the order of their
// constants. The keys of this device are not in it. Memory use does not depend on the size of the parts. On a device without the account
// key it fails with [ErrNotAdministrator].
func (k *Keys) WriteBackup(w io.Writer, pass []byte, program string, now time.Time, parts ...Part) error {
	if err := k.writeBackup(w, pass, workFactor, program, now, parts); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

func (k *Keys) writeBackup(w io.Writer, pass []byte, work int, program string, now time.Time, parts []Part) error {
	if !k.Administers() {
		return ErrNotAdministrator
	}
	if len(pass) == 0 {
		return errors.New("a backup needs a passphrase")
	}
	own, err := k.backupParts(program, now)
	if err != nil {
		return err
	}
	sealed, err := encryptWriter(w, pass, work)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(sealed)
	last := -1
	for _, p := range append(own, parts...) {
		at := entryOf(p.Name)
		if at <= last || p.Size < 0 || p.Size > entries[at].limit {
			return fmt.Errorf("%.40q of %d octets is too large or out of order", p.Name, p.Size)
		}
		last = at
		h := &tar.Header{Typeflag: tar.TypeReg, Name: p.Name, Size: p.Size, Mode: 0o600, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		n, err := io.Copy(archive, p.Data)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if n != p.Size {
			return fmt.Errorf("%s: %d octets of %d", p.Name, n, p.Size)
		}
	}
	return errors.Join(archive.Close(), sealed.Close())
}

// entries of a backup, in order.
var entries = []struct {
	name  string
	limit int64
}{
	{backupManifest, maxManifest}, {accountKey, maxKeyFile}, {accountPEM, maxKeyFile}, {nameFile, maxKeyFile},
	{BackupRules, maxText}, {BackupPeers, maxText}, {BackupStore, maxStore},
}

// entryOf gives the place of a name in entries, -1 if it has none.
func entryOf(name string) int {
	for i, e := range entries {
		if e.name == name {
			return i
		}
	}
	return -1
}

// backupParts gives what a backup holds of the keys.
func (k *Keys) backupParts(program string, now time.Time) ([]Part, error) {
	o := Origin{Address: k.address, Device: k.device, Made: now.UTC().Truncate(time.Second), Program: program}
	var name []byte
	var err error
	if k.dir != "" {
		if o.Protected, err = Protected(filepath.Dir(k.dir)); err != nil {
			return nil, err
		}
		if name, err = readFile(filepath.Join(k.dir, nameFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	manifest, err := json.Marshal(manifest{backupFormat, o})
	if err != nil {
		return nil, err
	}
	key, err := encodeKey(k.account)
	if err != nil {
		return nil, err
	}
	var chain []byte
	for _, c := range k.chain {
		chain = append(chain, encodeCertificate(c)...)
	}
	part := func(name string, data []byte) Part { return Part{name, int64(len(data)), bytes.NewReader(data)} }
	parts := []Part{part(backupManifest, append(manifest, '\n')), {accountKey, int64(len(key)), &clearing{key, 0}}, part(accountPEM, chain)}
	if name != nil {
		parts = append(parts, part(nameFile, name))
	}
	return parts, nil
}

// clearing reads octets once and leaves zeros.
type clearing struct {
	data []byte
	at   int
}

func (c *clearing) Read(b []byte) (int, error) {
	if c.at == len(c.data) {
		return 0, io.EOF
	}
	n := copy(b, c.data[c.at:])
	clear(c.data[c.at : c.at+n])
	c.at += n
	return n, nil
}

// manifest is the first entry. Its format is read before anything else of it.
type manifest struct {
	Format int `json:"format"`
	Origin
}

// Backup is an opened backup file, whose parts are still to be read.
type Backup struct {
	Origin
	account ed25519.PrivateKey
	chain   []*x509.Certificate
	name    []byte

	plain   io.Reader
	archive *tar.Reader
	ahead   *tar.Header // read, not yet given; nil if none
	last    int         // in entries
}

// ReadBackup opens a backup and reads the keys in it, checked against each other; a wrong passphrase is [ErrPassphrase]. The caller reads the parts by
// [Backup.Next], until that says that the file is whole, and then closes the backup.
func ReadBackup(r io.Reader, pass []byte) (*Backup, error) {
	buffered := bufio.NewReader(r)
	if head, err := buffered.Peek(len(backupHead)); err != nil || string(head) != backupHead {
		return nil, errors.New("read backup: not a backup of kith, or cut off")
	}
	plain, err := decryptReader(buffered, pass)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	b, err := readArchive(plain)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	return b, nil
}

func readArchive(plain io.Reader) (*Backup, error) {
	b := &Backup{plain: plain, archive: tar.NewReader(plain), last: -1}
	if err := b.readOwn(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Backup) readOwn() error {
	data, err := b.need(backupManifest)
	if err != nil {
		return err
	}
	if b.Origin, err = parseManifest(data); err != nil {
		return fmt.Errorf("%s: %w", backupManifest, err)
	}
	if data, err = b.need(accountKey); err != nil {
		return err
	}
	b.account, err = parseAccount(data)
	clear(data)
	if err != nil {
		return err
	}
	if data, err = b.need(accountPEM); err != nil {
		return err
	}
	if err := b.readChain(data); err != nil {
		return fmt.Errorf("%s: %w", accountPEM, err)
	}
	b.ahead, err = b.header()
	if err == io.EOF {
		return nil // Next finds it again
	}
	if err == nil && b.ahead.Name == nameFile {
		b.name, err = b.need(nameFile)
	}
	return err
}

func parseManifest(data []byte) (Origin, error) {
	var format struct{ Format int }
	if err := json.Unmarshal(data, &format); err != nil {
		return Origin{}, errors.New("damaged")
	}
	if format.Format > backupFormat {
		return Origin{}, fmt.Errorf("format %d is from a newer kith, this one knows %d", format.Format, backupFormat)
	}
	var m manifest
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(&m); err != nil || m.Format != backupFormat || m.Address.IsZero() || m.Made.IsZero() {
		return Origin{}, errors.New("damaged")
	}
	return m.Origin, nil
}

// readChain reads the certificates of the account, which must be those of its key and of the address.
func (b *Backup) readChain(data []byte) error {
	blocks, err := decodePEM(data)
	if err != nil {
		return err
	}
	if len(blocks) < 1 || len(blocks) > 2 {
		return errors.New("want the certificate of the account and, if distinct, of the domain")
	}
	for _, block := range blocks {
		c, err := decodeCertificate(block)
		if err != nil {
			return err
		}
		b.chain = append(b.chain, c)
	}
	if !isKey(b.chain[0], b.account.Public().(ed25519.PublicKey)) {
		return errors.New("not the certificate of the account key")
	}
	at := slices.MaxFunc(b.chain, func(x, y *x509.Certificate) int { return x.NotBefore.Compare(y.NotBefore) }).NotBefore
	domainKey, err := claimedDomainKey(b.Address, b.chain)
	if err != nil {
		return err
	}
	return checkAuthorities(b.chain, b.Address, domainKey, at)
}

// need reads the next entry, which must have this name.
func (b *Backup) need(name string) ([]byte, error) {
	h, err := b.ahead, error(nil)
	if h == nil {
		h, err = b.header()
	}
	b.ahead = nil
	if err == io.EOF || err == nil && h.Name != name {
		return nil, fmt.Errorf("%s is missing", name)
	}
	if err != nil {
		return nil, err
	}
	data := make([]byte, h.Size) // header has checked it
	if _, err := io.ReadFull(b.archive, data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, whole(err))
	}
	return data, nil
}

// header gives the next header, of a plain file that belongs there, or io.EOF when the backup has ended as it should.
func (b *Backup) header() (*tar.Header, error) {
	h, err := b.archive.Next()
	if err == io.EOF {
		switch n, err := io.Copy(io.Discard, io.LimitReader(b.plain, 1)); {
		case err != nil:
			return nil, whole(err)
		case n > 0:
			return nil, errors.New("something follows its end")
		}
		return nil, io.EOF
	}
	if err != nil {
		return nil, whole(err)
	}
	at := entryOf(h.Name)
	if at <= b.last || h.Typeflag != tar.TypeReg || h.Linkname != "" || len(h.PAXRecords) > 0 || h.Format&tar.FormatUSTAR == 0 {
		return nil, fmt.Errorf("%.40q does not belong there", h.Name)
	}
	if h.Size > entries[at].limit {
		return nil, fmt.Errorf("%s of %d octets: at most %d", h.Name, h.Size, entries[at].limit)
	}
	b.last = at
	return h, nil
}

// whole says what the end of a file before its time means.
func whole(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("cut off")
	}
	return err
}

// Next gives the next part, whose data are valid until the following call, and io.EOF once the file has been found whole to its end. Until
// then, nothing of it may be trusted to be all that was there.
func (b *Backup) Next() (Part, error) {
	h, err := b.ahead, error(nil)
	if h == nil {
		h, err = b.header()
	}
	b.ahead = nil
	if err == io.EOF {
		return Part{}, io.EOF
	}
	if err != nil {
		return Part{}, fmt.Errorf("read backup: %w", err)
	}
	return Part{h.Name, h.Size, b.archive}, nil
}

// String names the principal and shows no key.
func (b *Backup) String() string { return "backup of " + b.Address.Short() + " (redacted)" }

// GoString is [Backup.String].
func (b *Backup) GoString() string { return b.String() }

// Close clears the account key in memory.
func (b *Backup) Close() {
	clear(b.account)
	b.account = nil
}

// Restore makes an identity in dir, as [Create] does, of a backup that is not closed: the same account with the same certificates, on a new device.
func Restore(dir string, b *Backup, pass []byte, now time.Time) (*Keys, error) {
	if b.account == nil {
		return nil, errors.New("restore identity: the backup is closed")
	}
	k, err := newDevice(b.Address, slices.Clone(b.account), b.chain, now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, fmt.Errorf("restore identity: %w", err)
	}
	if err := k.create(dir, pass, b.name); err != nil {
		return nil, fmt.Errorf("restore identity: %w", err)
	}
	return k, nil
}
