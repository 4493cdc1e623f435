package identity

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Lifetimes of certificates (doc/spec/identity.md). Each begins an hour before it is made, for receivers whose clock is behind.
const (
	backdate        = time.Hour
	signingLifetime = 400 * 24 * time.Hour
	signingRenewal  = 40 * 24 * time.Hour // renewed this long before its end
	sealingPeriod   = 7 * 24 * time.Hour  // a new sealing key this often
	sealingGrace    = 14 * 24 * time.Hour // the private half lives on this long after its replacement
	clockSkew       = 10 * time.Minute    // tolerated in every comparison of times
)

// An account certificate has no planned end (RFC 5280, 4.1.2.5) and, not to tell when the account was made, no honest beginning.
var (
	noBeginning = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	noExpiry    = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// oidScopes names the scopes extension, in the arc that needs no registration (doc/decisions/004-der-and-oid-arc.md).
var oidScopes = asn1.ObjectIdentifier{2, 999, 2778, 1, 1}

// oidTuples names the extension that limits what a device may publish, in the same arc.
var oidTuples = asn1.ObjectIdentifier{2, 999, 2778, 1, 2}

// Limits of the tuples extension.
const (
	maxTuples  = 16
	maxTupleID = 64 // octets
)

// Scopes says what a device certificate lets its device do for the principal.
type Scopes uint8

// The bits of the scopes extension, in its order.
const (
	ScopePublish    Scopes = 1 << iota // presence documents and leases
	ScopeSend                          // messages
	ScopeRead                          // what is sealed to the principal
	ScopeAdminister                    // rules, devices and watchers
)

const allScopes = ScopePublish | ScopeSend | ScopeRead | ScopeAdminister

// Has tells whether s holds all of want.
func (s Scopes) Has(want Scopes) bool { return s&want == want }

// marshal gives the extension value: a BIT STRING as a named bit list, without trailing zero bits (X.690, 11.2.2).
func (s Scopes) marshal() []byte {
	var octet byte
	unused := 8
	for i := range 8 {
		if s&(1<<i) != 0 {
			octet |= 0x80 >> i
			unused = 7 - i
		}
	}
	if octet == 0 {
		return []byte{0x03, 0x01, 0x00}
	}
	return []byte{0x03, 0x02, byte(unused), octet}
}

// parseScopes reads the extension value. Bits beyond the four known ones are ignored.
func parseScopes(der []byte) (Scopes, error) {
	var bits asn1.BitString
	in := cryptobyte.String(der)
	if !in.ReadASN1BitString(&bits) || !in.Empty() || bits.BitLength > 64 {
		return 0, errors.New("bad scopes extension")
	}
	if bits.BitLength > 0 && bits.At(bits.BitLength-1) == 0 {
		return 0, errors.New("scopes extension is not DER")
	}
	var s Scopes
	for i := range min(bits.BitLength, 4) {
		if bits.At(i) == 1 {
			s |= 1 << i
		}
	}
	return s, nil
}

// marshalTuples gives the value of the tuples extension: SEQUENCE OF UTF8String.
func marshalTuples(ids []string) ([]byte, error) {
	if len(ids) > maxTuples {
		return nil, fmt.Errorf("%d tuple ids: at most %d", len(ids), maxTuples)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, id := range ids {
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(id)) })
		}
	})
	der, err := b.Bytes()
	if err == nil {
		_, err = parseTuples(der)
	}
	return der, err
}

// parseTuples reads the value of the tuples extension: 1 to 16 ids of 1 to 64 octets.
func parseTuples(der []byte) ([]string, error) {
	in := cryptobyte.String(der)
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errors.New("bad tuples extension")
	}
	var ids []string
	for !list.Empty() {
		var id cryptobyte.String
		if len(ids) == maxTuples || !list.ReadASN1(&id, cbasn1.UTF8String) || len(id) < 1 || len(id) > maxTupleID || !utf8.Valid(id) {
			return nil, errors.New("bad tuples extension")
		}
		ids = append(ids, string(id))
	}
	if len(ids) == 0 {
		return nil, errors.New("empty tuples extension")
	}
	return ids, nil
}

// DeviceID names a device for good: it is the subject key identifier of its signing certificate.
type DeviceID [20]byte

// String gives 40 hexadecimal digits.
func (d DeviceID) String() string { return hex.EncodeToString(d[:]) }

// Short gives the first 8 digits, for people to tell their own devices apart.
func (d DeviceID) Short() string { return d.String()[:8] }

// MarshalText gives 40 hexadecimal digits.
func (d DeviceID) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 40 hexadecimal digits.
func (d *DeviceID) UnmarshalText(b []byte) error {
	raw, err := hex.DecodeString(string(b[:min(len(b), 41)]))
	if err != nil || len(raw) != len(d) {
		return errors.New("device id: want 40 hexadecimal digits")
	}
	copy(d[:], raw)
	return nil
}

// keyID is the identifier of RFC 7093, 2, method 1: the leftmost 160 bits of the SHA-256 of the subjectPublicKey.
func keyID(subjectPublicKeyInfo []byte) (id DeviceID, err error) {
	var info cryptobyte.String
	var key []byte
	in := cryptobyte.String(subjectPublicKeyInfo)
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&key) {
		return id, errors.New("bad public key")
	}
	sum := sha256.Sum256(key)
	copy(id[:], sum[:])
	return id, nil
}

// publicKeyID is keyID of a public key that x509 can encode.
func publicKeyID(key crypto.PublicKey) (DeviceID, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return DeviceID{}, err
	}
	return keyID(der)
}

// sanURIs are the two names of every account and device (RFC 3859 and 3860, 4).
func sanURIs(a Address) []*url.URL {
	return []*url.URL{{Scheme: "im", Opaque: a.String()}, {Scheme: "pres", Opaque: a.String()}}
}

// accountCertificate makes the CA certificate of an account, issued by a domain CA or, if that is nil, by the account key itself. It follows from the
// address and the keys alone, so a restored account key has the same one, and no clock can spoil it.
func accountCertificate(a Address, key ed25519.PublicKey, domain *x509.Certificate, issuer ed25519.PrivateKey) (*x509.Certificate, error) {
	id, err := publicKeyID(key)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serialNumber(id[:8]),
		Subject:               pkix.Name{CommonName: a.Local()[:min(len(a.Local()), 64)]},
		NotBefore:             noBeginning,
		NotAfter:              noExpiry,
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          id[:],
		URIs:                  sanURIs(a),
	}
	if domain == nil {
		domain = template
	}
	return issue(template, domain, key, issuer)
}

// leafTemplate is what a device certificate is to say.
type leafTemplate struct {
	key         *ecdsa.PublicKey
	use         leafUse
	scopes      Scopes
	tuples      []string // nil: no limit
	from, until time.Time
}

// certify makes a certificate for a key of one of the account's devices: for signing (digitalSignature) or sealing (keyAgreement).
func (k *Keys) certify(t leafTemplate) (*x509.Certificate, error) {
	if !k.Administers() {
		return nil, ErrNotAdministrator
	}
	id, err := publicKeyID(t.key)
	if err != nil {
		return nil, err
	}
	var serial [8]byte
	rand.Read(serial[:])
	template := &x509.Certificate{
		SerialNumber:    serialNumber(serial[:]),
		Subject:         pkix.Name{OrganizationalUnit: []string{t.use.String()}},
		NotBefore:       t.from,
		NotAfter:        t.until,
		KeyUsage:        x509.KeyUsageDigitalSignature,
		SubjectKeyId:    id[:],
		URIs:            sanURIs(k.address),
		ExtraExtensions: []pkix.Extension{{Id: oidScopes, Value: t.scopes.marshal()}},
	}
	if t.use == sealingUse {
		template.KeyUsage = x509.KeyUsageKeyAgreement
	}
	if t.tuples != nil {
		value, err := marshalTuples(t.tuples)
		if err != nil {
			return nil, err
		}
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidTuples, Value: value})
	}
	return issue(template, k.chain[0], t.key, k.account)
}

func issue(template, parent *x509.Certificate, key crypto.PublicKey, issuer ed25519.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, issuer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// serialNumber makes a positive serial number of at most 63 bits.
func serialNumber(b []byte) *big.Int {
	return new(big.Int).SetUint64(binary.BigEndian.Uint64(b)&(1<<63-1) | 1)
}

// signingLeaf and sealingLeaf are the two private keys of a device with their certificates.
type signingLeaf struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

type sealingLeaf struct {
	key         *ecdh.PrivateKey
	certificate *x509.Certificate
}

// created is when the leaf was made; its certificate begins earlier.
func (l sealingLeaf) created() time.Time { return l.certificate.NotBefore.Add(backdate) }

func generateKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
