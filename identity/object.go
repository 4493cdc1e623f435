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

// Device gives the device that the object says has signed it, a claim only; the zero DeviceID if it names its signer in another way.
func (s Signed) Device() (id DeviceID) {
	if s.parsed != nil {
		if key := s.parsed.SignerKeyID(); len(key) == len(id) {
			copy(id[:], key)
		}
	}
	return id
}

// Bare gives the same object without the certificates that travel beside the signature, for a reader who has the signer's card. The signature stays
// as it is.
func (s Signed) Bare() (Signed, error) {
	if s.IsZero() {
		return Signed{}, errors.New("nothing signed")
	}
	der, err := cms.Bare(s.raw)
	if err != nil {
		return Signed{}, fmt.Errorf("leave certificates out: %w", err)
	}
	return ParseSigned(der)
}

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
	Tuples  []string          // the ids of the only tuples that device may publish; nil: no limit
	Listed  bool              // the known card of From lists the device, or no card of From is known
	Time    time.Time         // when the signer says it signed, to the second
	Digest  [32]byte          // SHA-256 of Raw
	Sealing *x509.Certificate // sealing certificate of the signer's device, if carried or in the known card; else nil
}

// Verify checks a signed object at the time now. The signer's certificate comes from the object or from the card of the supposed signer, if known; From is
// what the certificate proves, so compare it. It demands the signature, the chain up to the key of the domain in the address, validity within
// 10 minutes both now and at the signing time, the scope of what is signed (doc/spec/identity.md), and that the newest known card of From lists the device.
// Errors are [ErrSignature], [ErrExpired], [ErrUnknownSigner], [ErrUnlisted], [ErrRevoked], [*UnknownDomainError] and others.
func Verify(s Signed, known Known, now time.Time) (*Opened, error) {
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
func verifyContent(content []byte, typ asn1.ObjectIdentifier, known Known, now time.Time) (*Opened, error) {
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
func verifySigner(parsed *cms.Signed, content []byte, check func(*x509.Certificate) error, known Known, now time.Time) (*Opened, error) {
	if !parsed.Type.Equal(oidData) || parsed.SigningTime.IsZero() {
		return nil, errors.New("want id-data and a signing time")
	}
	loose := append([]*x509.Certificate{}, parsed.Certificates...)
	loose = append(loose, known.certificatesOf(parsed.SignerKeyID())...)
	problem := ErrUnknownSigner
	for _, leaf := range loose {
		if !parsed.SignedBy(leaf) {
			continue
		}
		if problem = check(leaf); problem != nil {
			continue
		}
		o := &Opened{Raw: content, Time: parsed.SigningTime, Digest: sha256.Sum256(content)}
		if problem = o.attribute(leaf, loose, known, now); problem != nil {
			continue
		}
		return o, nil
	}
	return nil, problem
}

// attribute fills in who signed, once the signature has been verified with leaf.
func (o *Opened) attribute(leaf *x509.Certificate, loose []*x509.Certificate, known Known, now time.Time) (err error) {
	if o.Entity, err = ParseEntity(o.Raw); err != nil {
		return err
	}
	if o.From, err = certifiedAddress(leaf); err != nil {
		return err
	}
	if o.Device, err = keyID(leaf.RawSubjectPublicKeyInfo); err != nil {
		return err
	}
	domainKey, err := known.domainKey(o.From)
	if err != nil {
		return err
	}
	card := known.card(o.From)
	if card != nil {
		loose = append(loose, card.chain...)
	}
	chain, err := findChain(leaf, loose, o.From, domainKey, now)
	if err != nil {
		return fmt.Errorf("signer %s: %w", o.From.Short(), err)
	}
	if !validAt(leaf, o.Time) {
		return fmt.Errorf("signer %s at the time of signing: %w", o.From.Short(), ErrExpired)
	}
	if err := o.permit(leaf, card, known.Unlisted); err != nil {
		return fmt.Errorf("signer %s: %w", o.From.Short(), err)
	}
	o.Sealing = sealingFor(o, chain[0], loose, card, now)
	return nil
}

// permit checks that the device is one of the person's and may sign what it signed.
func (o *Opened) permit(leaf *x509.Certificate, card *Card, unlisted bool) (err error) {
	o.Listed = true
	if card != nil {
		err := card.Admits(o.Device)
		o.Listed = err == nil
		if err != nil && !(unlisted && errors.Is(err, ErrUnlisted)) {
			return err
		}
	}
	if o.Scopes, err = leafScopes(leaf); err != nil {
		return err
	}
	if want := o.Entity.scope(); !o.Scopes.Has(want) {
		return fmt.Errorf("device %s has no scope for %s", o.Device.Short(), o.Entity.Type)
	}
	o.Tuples, err = leafTuples(leaf)
	return err
}

// scope is what a device must be allowed in order to sign e. Entities of other types carry their own rules, which their readers check against
// [Opened.Scopes].
func (e Entity) scope() Scopes {
	switch typ, _ := e.mediaType(); typ {
	case "application/pidf+xml", "application/pidf-diff+xml", "application/vnd.kith.lease", "application/vnd.kith.notify":
		return ScopePublish
	case "message/cpim":
		return ScopeSend
	case "application/vnd.kith.subscribe", "application/vnd.kith.sync":
		return ScopeRead
	}
	return 0
}

// sealingFor gives the newest valid sealing certificate below the signer's account among those carried and that of the device in card.
func sealingFor(o *Opened, account *x509.Certificate, loose []*x509.Certificate, card *Card, now time.Time) *x509.Certificate {
	var candidates []*x509.Certificate
	for _, c := range loose {
		if c.KeyUsage == x509.KeyUsageKeyAgreement {
			candidates = append(candidates, c)
		}
	}
	if card != nil {
		if d, ok := card.device(o.Device); ok {
			candidates = append(candidates, d.Sealing)
		}
	}
	var best *x509.Certificate
	for _, c := range candidates {
		if best != nil && !c.NotBefore.After(best.NotBefore) {
			continue
		}
		if _, err := checkLeaf(c, account, o.From, sealingUse, now); err == nil {
			best = c
		}
	}
	return best
}
