package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age/armor"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of a domain's file (doc/spec/address-record.md, 6).
const (
	pemDomain     = "KITH DOMAIN"
	maxMembers    = 10_000
	maxDomainFile = 8 << 20
)

// ErrDomainBusy tells that another process has a domain's file open.
var ErrDomainBusy = errors.New("the domain's file is in use by another process")

// Domain is what the holder of a domain has: the domain key, and a list of the members. It is one file, which can be kept away from every network:
// all that leaves it are grants and expired names. [OpenDomain] and [CreateDomain] make one; Close it. It is not for several goroutines.
type Domain struct {
	name        string
	key         ed25519.PrivateKey
	certificate *x509.Certificate
	members     []Member // by address

	path string
	pass []byte // none: the file is not encrypted
	work int    // log2 of scrypt's N
	lock *os.File
}

// Member is one address under a domain.
type Member struct {
	Address  Address
	Account  string    // identifier of the account key: 40 hexadecimal digits
	Serial   uint64    // of the newest name
	Enrolled time.Time // when this account key first got the address
	Until    time.Time // end of the account certificate and the name
	Signed   time.Time // end of the last day for which the member has records of the name
	Expired  bool

	key    ed25519.PublicKey
	issued time.Time // of the newest name
}

// CreateDomain makes a new domain key and writes it to a file of mode 0600. DNS is the name of a DNS domain whose zone is going to publish the key, or
// "" for the overlay domain of the key. With a passphrase the file is encrypted (age, scrypt); without one whoever reads the file is the domain, so
// warn. An existing file is [fs.ErrExist].
func CreateDomain(path, dns string, pass []byte) (*Domain, error) {
	d, err := createDomain(path, dns, pass, workFactor)
	if err != nil {
		return nil, fmt.Errorf("create domain: %w", err)
	}
	return d, nil
}

func createDomain(path, dns string, pass []byte, work int) (*Domain, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	name := dns
	if dns == "" {
		name, err = overlayDomain(public)
	} else if name, err = canonicalDomain(dns); err == nil && strings.HasSuffix(name, overlaySuffix) {
		err = fmt.Errorf("%s names a key already: a new key is another domain", name)
	}
	if err != nil {
		return nil, err
	}
	d := &Domain{name: name, key: key, path: path, pass: bytes.Clone(pass), work: work}
	if d.certificate, err = domainCertificate(key); err != nil {
		return nil, err
	}
	if d.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	if _, err = os.Lstat(path); err == nil {
		err = fmt.Errorf("%s: %w", path, fs.ErrExist)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = d.save(nil)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// OpenDomain reads a domain's file. Pass is asked for a passphrase only if the file is under one; nil then fails with [ErrPassphrase], as does a wrong
// one; Close clears what it gave. A file that others than its owner may read is refused, and so is one that another process has open: [ErrDomainBusy].
func OpenDomain(path string, pass func() ([]byte, error)) (*Domain, error) {
	d, err := openDomain(path, pass, workFactor)
	if err != nil {
		return nil, fmt.Errorf("open domain: %w", err)
	}
	return d, nil
}

func openDomain(path string, pass func() ([]byte, error), work int) (*Domain, error) {
	if err := private(path, 0o600); err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	d := &Domain{path: path, work: work, lock: lock}
	if err := d.read(pass); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Base(path), err), d.Close())
	}
	return d, nil
}

// Close forgets the key and lets others open the file.
func (d *Domain) Close() error {
	clear(d.key)
	clear(d.pass)
	return d.lock.Close()
}

// Name gives the domain: what stands after the @ of its members.
func (d *Domain) Name() string { return d.name }

// Key gives the public key of the domain, which the zone of a DNS domain is to publish.
func (d *Domain) Key() ed25519.PublicKey { return d.key.Public().(ed25519.PublicKey) }

// KeyName gives the public key as text: 62 characters, the first label of an overlay domain.
func (d *Domain) KeyName() (string, error) {
	name, err := overlayDomain(d.Key())
	return strings.TrimSuffix(name, overlaySuffix), err
}

// Certificate gives the certificate of the domain, which follows from its key alone.
func (d *Domain) Certificate() *x509.Certificate { return d.certificate }

// Members gives all members, expired ones too, by address.
func (d *Domain) Members() []Member { return slices.Clone(d.members) }

// member finds an address in the list.
func (d *Domain) member(a Address) (int, bool) {
	return slices.BinarySearchFunc(d.members, a, func(m Member, a Address) int { return strings.Compare(m.Address.local, a.local) })
}

// domainCertificate makes the CA certificate of a domain key. It names no DNS domain: the zone says which key is whose.
func domainCertificate(key ed25519.PrivateKey) (*x509.Certificate, error) {
	public := key.Public().(ed25519.PublicKey)
	id, err := publicKeyID(public)
	if err != nil {
		return nil, err
	}
	name, err := overlayDomain(public)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serialNumber(id[:8]),
		Subject:               pkix.Name{CommonName: strings.TrimSuffix(name, overlaySuffix)},
		NotBefore:             noBeginning,
		NotAfter:              noExpiry,
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            1,
		SubjectKeyId:          id[:],
	}
	return issue(template, template, public, key)
}

// save replaces the file by one with these members, and then the list.
func (d *Domain) save(members []Member) error {
	der, err := d.marshal(members)
	if err != nil {
		return err
	}
	defer clear(der)
	text := encodeArmour(pemDomain, der)
	defer clear(text)
	if len(d.pass) > 0 {
		if text, err = encryptDomain(text, d.pass, d.work); err != nil {
			return err
		}
	}
	if len(text) > maxDomainFile {
		return fmt.Errorf("file of %d octets: at most %d", len(text), maxDomainFile)
	}
	if err := writeFile(d.path, text); err != nil {
		return err
	}
	d.members = members
	return nil
}

func (d *Domain) read(pass func() ([]byte, error)) error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxDomainFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if len(text) > maxDomainFile {
		return fmt.Errorf("larger than %d octets", maxDomainFile)
	}
	if protected(text) {
		if pass == nil {
			return fmt.Errorf("a passphrase is needed: %w", ErrPassphrase)
		}
		word, err := pass()
		if err != nil {
			return fmt.Errorf("passphrase: %w", err)
		}
		d.pass = bytes.Clone(word) // whoever gave it may overwrite it
		r, err := decryptReader(armor.NewReader(bytes.NewReader(text)), d.pass)
		if err != nil {
			return err
		}
		if text, err = io.ReadAll(io.LimitReader(r, maxDomainFile)); err != nil {
			return err
		}
	}
	defer clear(text)
	der, err := decodeArmour(text, pemDomain, maxDomainFile)
	if err != nil {
		return err
	}
	defer clear(der)
	return d.parse(der)
}

func encryptDomain(text, pass []byte, work int) ([]byte, error) {
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := encryptWriter(armored, pass, work)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(text)
	if err = errors.Join(err, w.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// marshal gives the DER form, with the private key in it.
func (d *Domain) marshal(members []Member) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(d.name)) })
		b.AddASN1OctetString(d.key.Seed())
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, m := range members {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(m.Address.local)) })
					b.AddASN1OctetString(m.key)
					b.AddASN1Uint64(m.Serial)
					for _, t := range []time.Time{m.Enrolled, m.issued, m.Until, m.Signed} {
						b.AddASN1GeneralizedTime(t)
					}
					b.AddASN1Boolean(m.Expired)
				})
			}
		})
	})
	return b.Bytes()
}

// parse reads what marshal gives and nothing else.
func (d *Domain) parse(der []byte) error {
	malformed := errors.New("malformed domain")
	in := cryptobyte.String(der)
	var body, name, seed, list cryptobyte.String
	var version int64
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) {
		return malformed
	}
	if version != 1 {
		return fmt.Errorf("version %d is not known", version)
	}
	if !body.ReadASN1(&name, cbasn1.UTF8String) || !body.ReadASN1(&seed, cbasn1.OCTET_STRING) || len(seed) != ed25519.SeedSize ||
		!body.ReadASN1(&list, cbasn1.SEQUENCE) || !body.Empty() {
		return malformed
	}
	d.name, d.key = string(name), ed25519.NewKeyFromSeed(seed)
	canonical, err := canonicalDomain(d.name)
	if err != nil || canonical != d.name {
		return fmt.Errorf("bad name of a domain %.80q", d.name)
	}
	if own, err := overlayDomain(d.Key()); err != nil || strings.HasSuffix(d.name, overlaySuffix) && d.name != own {
		return errors.New("the key is not the one that the domain names")
	}
	if d.certificate, err = domainCertificate(d.key); err != nil {
		return err
	}
	for !list.Empty() {
		m, err := d.readMember(&list)
		if err != nil {
			return err
		}
		if n := len(d.members); n == maxMembers || n > 0 && d.members[n-1].Address.local >= m.Address.local {
			return fmt.Errorf("members: want at most %d, in order", maxMembers)
		}
		d.members = append(d.members, m)
	}
	again, err := d.marshal(d.members)
	defer clear(again)
	if err != nil || !bytes.Equal(again, der) {
		return errors.New("not in canonical form")
	}
	return nil
}

func (d *Domain) readMember(in *cryptobyte.String) (Member, error) {
	var one, local, key cryptobyte.String
	var m Member
	if !in.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1(&local, cbasn1.UTF8String) || !one.ReadASN1(&key, cbasn1.OCTET_STRING) ||
		!one.ReadASN1Integer(&m.Serial) || !one.ReadASN1GeneralizedTime(&m.Enrolled) || !one.ReadASN1GeneralizedTime(&m.issued) ||
		!one.ReadASN1GeneralizedTime(&m.Until) || !one.ReadASN1GeneralizedTime(&m.Signed) || !one.ReadASN1Boolean(&m.Expired) || !one.Empty() {
		return Member{}, errors.New("malformed member")
	}
	var err error
	if m.Address, err = ParseAddress(string(local) + "@" + d.name); err != nil {
		return Member{}, err
	}
	m.key = bytes.Clone(key)
	if _, err := parsePoint(m.key); err != nil {
		return Member{}, fmt.Errorf("account key of %s: %w", m.Address.Short(), err)
	}
	id, err := publicKeyID(m.key)
	m.Account = id.String()
	return m, err
}
