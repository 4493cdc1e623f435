package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity/cms"
)

// Limits of a card.
const (
	maxReach      = 1024           // octets for each device
	maxDevices    = 8              // of one principal
	maxExtensions = 16             // of one card
	cardLifetime  = 48 * time.Hour // from issue to expiry
	maxCard       = maxRecord - recordOverhead - 2
)

const cardContext = "kith card v1\x00"

// ErrSignature tells that a signature is not that of the key it should be of: the octets were altered or somebody else made them.
var ErrSignature = cms.ErrSignature

// Reach says how a device can be reached. Only package overlay looks inside; at most 1024 octets.
type Reach []byte

// Card is what others need to reach a principal and to seal to it (doc/spec/record.md). Cards are shared: do not change one.
type Card struct {
	Address Address
	Serial  uint64 // rises with every card of the principal
	Issued  time.Time
	Expires time.Time // at most 48 h after Issued; the reader compares it
	Devices []DeviceCard
	Account *x509.Certificate

	chain      []*x509.Certificate // account and, if its key is another one, domain
	extensions []extension
}

// DeviceCard is one device of a principal. Its certificates were valid when the card was issued.
type DeviceCard struct {
	ID      DeviceID
	Signing *x509.Certificate
	Sealing *x509.Certificate
	Reach   Reach
}

// extension is an element that later versions may understand: it is kept and ignored.
type extension struct {
	id    int64
	value []byte
}

// SignedCard is a card signed by the account key. Only [Keys.SignCard], [ParseSignedCard] and [OpenRecord] make one, so the card in
// a non-zero value is the principal's own word. Check that it has not expired and that its serial does not fall.
type SignedCard struct {
	card    *Card
	raw     []byte
	records []Record
}

// ParseSignedCard reads and verifies a card: its signature, its certificates at the time of its issue, up to the key in its address, and
// its limits. Expiry is for the caller to compare. It refuses addresses under DNS domains, whose key it cannot know.
func ParseSignedCard(b []byte) (SignedCard, error) {
	if len(b) > maxCard {
		return SignedCard{}, fmt.Errorf("card of %d octets: at most %d", len(b), maxCard)
	}
	in := cryptobyte.String(bytes.Clone(b))
	var outer cryptobyte.String
	var raw, signature []byte
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1Bytes(&raw, cbasn1.OCTET_STRING) ||
		!outer.ReadASN1Bytes(&signature, cbasn1.OCTET_STRING) || !outer.Empty() || len(signature) != ed25519.SignatureSize {
		return SignedCard{}, errors.New("malformed signed card")
	}
	card, err := parseCard(raw)
	if err != nil {
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	if err := card.check(); err != nil {
		return SignedCard{}, fmt.Errorf("card of %s: %w", card.Address.Short(), err)
	}
	key := card.Account.PublicKey.(ed25519.PublicKey) // checkAuthorities demands this type
	if !ed25519.Verify(key, append([]byte(cardContext), raw...), signature) {
		return SignedCard{}, fmt.Errorf("card of %s: %w", card.Address.Short(), ErrSignature)
	}
	return SignedCard{card: card, raw: bytes.Clone(b)}, nil
}

// Card gives the card, nil for the zero value.
func (c SignedCard) Card() *Card { return c.card }

// Bytes gives the DER encoding, which the caller must not change.
func (c SignedCard) Bytes() []byte { return c.raw }

// IsZero tells whether c holds no card.
func (c SignedCard) IsZero() bool { return c.card == nil }

// Records gives the values to put in the DHT, for today and tomorrow in three slots each. Only a card fresh from [Keys.SignCard] has them.
func (c SignedCard) Records() []Record { return c.records }

// check verifies everything in a card that needs no key but the one in its address.
func (c *Card) check() error {
	if c.Expires.Before(c.Issued) || c.Expires.Sub(c.Issued) > cardLifetime {
		return fmt.Errorf("expires %s after issue: want 0 to %s", c.Expires.Sub(c.Issued), cardLifetime)
	}
	if err := checkAuthorities(c.chain, c.Address, c.Issued); err != nil {
		return err
	}
	seen := make(map[DeviceID]bool, len(c.Devices))
	for _, d := range c.Devices {
		if seen[d.ID] {
			return fmt.Errorf("device %s twice", d.ID.Short())
		}
		seen[d.ID] = true
		if _, err := checkLeaf(d.Signing, c.Account, c.Address, signingUse, c.Issued); err != nil {
			return fmt.Errorf("device %s: %w", d.ID.Short(), err)
		}
		scopes, err := checkLeaf(d.Sealing, c.Account, c.Address, sealingUse, c.Issued)
		if err != nil {
			return fmt.Errorf("device %s: %w", d.ID.Short(), err)
		}
		if !scopes.Has(ScopeRead) {
			return fmt.Errorf("device %s: sealing certificate without the scope read", d.ID.Short())
		}
	}
	return nil
}

// device gives the device of that id.
func (c *Card) device(id DeviceID) (DeviceCard, bool) {
	for _, d := range c.Devices {
		if d.ID == id {
			return d, true
		}
	}
	return DeviceCard{}, false
}

func (c *Card) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(c.Address.String())) })
		b.AddASN1Uint64(c.Serial)
		b.AddASN1GeneralizedTime(c.Issued)
		b.AddASN1GeneralizedTime(c.Expires)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, certificate := range c.chain {
				b.AddBytes(certificate.Raw)
			}
		})
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, d := range c.Devices {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(d.Signing.Raw)
					b.AddBytes(d.Sealing.Raw)
					b.AddASN1OctetString(d.Reach)
				})
			}
		})
		if len(c.extensions) == 0 {
			return
		}
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			for _, e := range c.extensions {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1Int64(e.id)
					b.AddASN1OctetString(e.value)
				})
			}
		})
	})
	return b.Bytes()
}

// parseCard reads DER. What it gives marshals to the same octets; no signature has been looked at.
func parseCard(raw []byte) (*Card, error) {
	in := cryptobyte.String(raw)
	var body, address, chain, devices, extensions cryptobyte.String
	var version int64
	var extended bool
	c := new(Card)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) {
		return nil, errors.New("malformed")
	}
	if version != 1 {
		return nil, fmt.Errorf("version %d is not known", version)
	}
	if !body.ReadASN1(&address, cbasn1.UTF8String) || !body.ReadASN1Integer(&c.Serial) ||
		!body.ReadASN1GeneralizedTime(&c.Issued) || !body.ReadASN1GeneralizedTime(&c.Expires) ||
		!body.ReadASN1(&chain, cbasn1.SEQUENCE) || !body.ReadASN1(&devices, cbasn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&extensions, &extended, cbasn1.Tag(0).ContextSpecific().Constructed()) || !body.Empty() {
		return nil, errors.New("malformed")
	}
	var err error
	if c.Address, err = ParseAddress(string(address)); err != nil {
		return nil, err
	}
	for !chain.Empty() && len(c.chain) <= 2 {
		certificate, err := readCertificate(&chain)
		if err != nil {
			return nil, err
		}
		c.chain = append(c.chain, certificate)
	}
	if len(c.chain) < 1 || len(c.chain) > 2 {
		return nil, errors.New("want one or two certificates above the devices")
	}
	c.Account = c.chain[0]
	if c.Devices, err = readDevices(devices); err != nil {
		return nil, err
	}
	if c.extensions, err = readExtensions(extensions); err != nil {
		return nil, err
	}
	if again, err := c.marshal(); err != nil || !bytes.Equal(again, raw) {
		return nil, errors.New("not in canonical form")
	}
	return c, nil
}

func readDevices(in cryptobyte.String) ([]DeviceCard, error) {
	var devices []DeviceCard
	for !in.Empty() {
		var one, reach cryptobyte.String
		if len(devices) == maxDevices {
			return nil, fmt.Errorf("more than %d devices", maxDevices)
		}
		if !in.ReadASN1(&one, cbasn1.SEQUENCE) {
			return nil, errors.New("malformed device")
		}
		signing, err := readCertificate(&one)
		if err != nil {
			return nil, err
		}
		sealing, err := readCertificate(&one)
		if err != nil {
			return nil, err
		}
		if !one.ReadASN1(&reach, cbasn1.OCTET_STRING) || !one.Empty() || len(reach) > maxReach {
			return nil, errors.New("malformed reach")
		}
		id, err := keyID(signing.RawSubjectPublicKeyInfo)
		if err != nil {
			return nil, err
		}
		devices = append(devices, DeviceCard{id, signing, sealing, Reach(reach)})
	}
	if len(devices) == 0 {
		return nil, errors.New("no device")
	}
	return devices, nil
}

func readExtensions(in cryptobyte.String) ([]extension, error) {
	var extensions []extension
	for !in.Empty() {
		var one, value cryptobyte.String
		var id int64
		if !in.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1Integer(&id) || !one.ReadASN1(&value, cbasn1.OCTET_STRING) || !one.Empty() {
			return nil, errors.New("malformed extension")
		}
		if len(extensions) == maxExtensions || id < 1 || len(extensions) > 0 && id <= extensions[len(extensions)-1].id {
			return nil, fmt.Errorf("extensions: want at most %d with rising positive ids", maxExtensions)
		}
		extensions = append(extensions, extension{id, value})
	}
	return extensions, nil
}

func readCertificate(in *cryptobyte.String) (*x509.Certificate, error) {
	var der cryptobyte.String
	if !in.ReadASN1Element(&der, cbasn1.SEQUENCE) || len(der) > maxCertificate {
		return nil, errors.New("malformed certificate")
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return certificate, nil
}

// signCard encodes and signs a card with the account key.
func signCard(c *Card, account ed25519.PrivateKey) (SignedCard, error) {
	raw, err := c.marshal()
	if err != nil {
		return SignedCard{}, err
	}
	signature := ed25519.Sign(account, append([]byte(cardContext), raw...))
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(raw)
		b.AddASN1OctetString(signature)
	})
	signed, err := b.Bytes()
	if err != nil {
		return SignedCard{}, err
	}
	if len(signed) > maxCard {
		return SignedCard{}, fmt.Errorf("card of %d octets: at most %d", len(signed), maxCard)
	}
	return SignedCard{card: c, raw: signed}, nil
}
