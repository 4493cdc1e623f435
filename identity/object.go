package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity/cms"
)

// maxSealed is the largest object that crosses a network, in octets.
const maxSealed = 300 << 10

// ErrNotForMe tells that an object is not sealed to this device or epoch, or that the key it is sealed to has been deleted.
var ErrNotForMe = errors.New("not sealed to this device")

// ErrUnknownSigner tells that the certificate of a signer or of its account was neither carried by the object nor in the known card: a newer
// card may help.
var ErrUnknownSigner = errors.New("certificate of the signer neither known nor carried")

var oidData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}

// Signed is an entity with its signature, a DER SignedData. What it says is unknown until [Verify].
type Signed struct {
	raw    []byte
	parsed *cms.Signed
}

// ParseSigned reads the form of a Signed, of at most 300 KiB. It verifies nothing.
func ParseSigned(b []byte) (Signed, error) {
	parsed, err := cms.ParseSigned(b)
	if err != nil {
		return Signed{}, fmt.Errorf("signed object: %w", err)
	}
	return Signed{b, parsed}, nil
}

// Bytes gives the DER encoding, which the caller must not change.
func (s Signed) Bytes() []byte { return s.raw }

// IsZero tells whether s holds nothing.
func (s Signed) IsZero() bool { return s.parsed == nil }

// Sealed is a signed object that only its recipients can open, a DER AuthEnvelopedData. It and [SignedCard] are all that crosses a network.
type Sealed struct {
	raw    []byte
	parsed *cms.Sealed
}

// ParseSealed reads the form of a Sealed, of at most 300 KiB. Whether it opens, and who wrote it, it does not say.
func ParseSealed(b []byte) (Sealed, error) {
	if len(b) > maxSealed {
		return Sealed{}, fmt.Errorf("sealed object of %d octets: at most %d", len(b), maxSealed)
	}
	return newSealed(b)
}

func newSealed(der []byte) (Sealed, error) {
	parsed, err := cms.ParseSealed(der)
	if err != nil {
		return Sealed{}, fmt.Errorf("sealed object: %w", err)
	}
	return Sealed{der, parsed}, nil
}

// Bytes gives the DER encoding, which the caller must not change.
func (s Sealed) Bytes() []byte { return s.raw }

// IsZero tells whether s holds nothing.
func (s Sealed) IsZero() bool { return s.parsed == nil }

// KEKID gives the name of the epoch key that s is sealed under, nil if it is sealed to devices.
func (s Sealed) KEKID() []byte {
	if s.parsed == nil {
		return nil
	}
	if ids := s.parsed.KEKIDs(); len(ids) > 0 {
		return ids[0]
	}
	return nil
}

// Digest is the SHA-256 of [Sealed.Bytes], a name for these very octets.
func (s Sealed) Digest() [32]byte { return sha256.Sum256(s.raw) }

// Opened is a signed entity whose signature, certificate chain and scope have been verified. From is who wrote it. Whether it was
// meant for the reader, is new, or names From in its own headers, the entity says and the caller compares: a recipient can seal
// what it got, signature and all, to somebody else.
type Opened struct {
	Entity  Entity
	Raw     []byte // the octets that were signed
	Signed  Signed // zero if the signature was detached
	From    Address
	Device  DeviceID
	Scopes  Scopes            // of the signing device
	Time    time.Time         // when the signer says it signed, to the second
	Digest  [32]byte          // SHA-256 of Raw
	Sealing *x509.Certificate // sealing certificate of the signer's device, if carried or in the known card; else nil
}

// Verify checks a signed object at the time now. The signer's certificate comes from the object or from known, a card of the supposed
// signer (nil if there is none); From is what the certificate proves, so compare it. It demands the signature, the chain up to the key in the
// address, validity within 10 minutes both now and at the signing time, and the scope: [ScopePublish] for a PIDF document, [ScopeSend] for a CPIM
// message, and some scope for everything else. Errors are [ErrSignature], [ErrExpired] and others. A device that known does not list is
// accepted if it brings its certificates: cards may be older than devices.
func Verify(s Signed, known *Card, now time.Time) (*Opened, error) {
	if s.IsZero() {
		return nil, errors.New("verify: nothing signed")
	}
	o, err := verifySigner(s.parsed, s.parsed.Content, s.parsed.Verify, known, now)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	o.Signed = s
	return o, nil
}

// verifyContent verifies what came out of a sealed object: seals prove nothing about the sender, so a signature is demanded.
func verifyContent(content []byte, typ asn1.ObjectIdentifier, known *Card, now time.Time) (*Opened, error) {
	if !typ.Equal(oidData) {
		return nil, errors.New("open: sealed content is not id-data")
	}
	s, err := ParseSigned(content)
	if err != nil {
		return nil, fmt.Errorf("open: no %w", err)
	}
	return Verify(s, known, now)
}

// verifySigner finds the certificate that the signature names, checks the signature by it with check, and then whom it speaks for.
func verifySigner(parsed *cms.Signed, content []byte, check func(*x509.Certificate) error, known *Card, now time.Time) (*Opened, error) {
	if !parsed.Type.Equal(oidData) || parsed.SigningTime.IsZero() {
		return nil, errors.New("want id-data and a signing time")
	}
	loose := parsed.Certificates
	if known != nil {
		loose = append([]*x509.Certificate{}, loose...)
		loose = append(loose, known.chain...)
		for _, d := range known.Devices {
			loose = append(loose, d.Signing)
		}
	}
	problem := ErrUnknownSigner
	for _, leaf := range loose {
		if !parsed.SignedBy(leaf) {
			continue
		}
		if problem = check(leaf); problem != nil {
			continue
		}
		o := &Opened{Raw: content, Time: parsed.SigningTime, Digest: sha256.Sum256(content)}
		var account *x509.Certificate
		if account, problem = o.attribute(leaf, loose, now); problem != nil {
			continue
		}
		o.Sealing = sealingFor(o, account, loose, known, now)
		return o, nil
	}
	return nil, problem
}

// attribute fills in who signed, once the signature has been verified with leaf, and gives the account certificate above it.
func (o *Opened) attribute(leaf *x509.Certificate, loose []*x509.Certificate, now time.Time) (account *x509.Certificate, err error) {
	if o.Entity, err = ParseEntity(o.Raw); err != nil {
		return nil, err
	}
	if o.From, err = certifiedAddress(leaf); err != nil {
		return nil, err
	}
	if o.Device, err = keyID(leaf.RawSubjectPublicKeyInfo); err != nil {
		return nil, err
	}
	chain, err := findChain(leaf, loose, o.From, now)
	if err != nil {
		return nil, fmt.Errorf("signer %s: %w", o.From.Short(), err)
	}
	if !validAt(leaf, o.Time) {
		return nil, fmt.Errorf("signer %s at the time of signing: %w", o.From.Short(), ErrExpired)
	}
	if o.Scopes, err = leafScopes(leaf); err != nil {
		return nil, fmt.Errorf("signer %s: %w", o.From.Short(), err)
	}
	if want := o.Entity.scope(); !o.Scopes.Has(want) {
		return nil, fmt.Errorf("signer %s: device %s has no scope for %s", o.From.Short(), o.Device.Short(), o.Entity.Type)
	}
	return chain[0], nil
}

// scope is what a device must be allowed in order to sign e. Entities of other types carry their own rules, which their readers check against
// [Opened.Scopes].
func (e Entity) scope() Scopes {
	switch typ, _ := e.mediaType(); typ {
	case "application/pidf+xml", "application/pidf-diff+xml":
		return ScopePublish
	case "message/cpim":
		return ScopeSend
	}
	return 0
}

// sealingFor gives the newest valid sealing certificate below the signer's account among those carried and that of the device in known.
func sealingFor(o *Opened, account *x509.Certificate, loose []*x509.Certificate, known *Card, now time.Time) *x509.Certificate {
	var candidates []*x509.Certificate
	for _, c := range loose {
		if c.KeyUsage == x509.KeyUsageKeyAgreement {
			candidates = append(candidates, c)
		}
	}
	if known != nil && known.Address == o.From {
		if d, ok := known.device(o.Device); ok {
			candidates = append(candidates, d.Sealing)
		}
	}
	var best *x509.Certificate
	for _, c := range candidates {
		if best != nil && !c.NotBefore.After(best.NotBefore) {
			continue
		}
		if scopes, err := checkLeaf(c, account, o.From, sealingUse, now); err == nil && scopes.Has(ScopeRead) {
			best = c
		}
	}
	return best
}
