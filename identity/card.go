package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
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
	maxCard       = 16 << 10       // octets of a signed card; packed it must fit a record
	maxRevoked    = 64             // devices a card can name as revoked
)

// extRevoked is the id of the card extension that names revoked devices.
const extRevoked = 5

const cardContext = "kith card v1\x00"

// ErrSignature tells that a signature is not that of the key it should be of: the octets were altered or somebody else made them.
var ErrSignature = cms.ErrSignature

// Errors about devices that are not, or not any more, a person's.
var (
	// ErrRevoked tells that a person has declared a device none of theirs for good.
	ErrRevoked = errors.New("the device was revoked by its owner")
	// ErrUnlisted tells that the newest known card of a person does not list a device: a newer card may.
	ErrUnlisted = errors.New("the device is not in the newest known card of its owner")
)

// Reach says how a device can be reached. Only package overlay looks inside; at most 1024 octets.
type Reach []byte

// Card is what others need to reach a principal and to seal to it (doc/spec/address-record.md). Cards are shared: do not change one.
type Card struct {
	Address Address
	Serial  uint64 // rises with every card of the principal
	Issued  time.Time
	Expires time.Time // at most 48 h after Issued; the reader compares it
	Devices []DeviceCard
	Revoked []DeviceID // devices that never come back, sorted
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

// ParseSignedCard reads and verifies a card of at most 16 KiB: its signature, its certificates at the time of its issue, up to the key of the domain in
// its address, and its limits. Expiry is for the caller to compare. Domain gives the keys of DNS domains, nil for those not known; a nil
// func knows none. A card under such a domain is refused with an [*UnknownDomainError].
func ParseSignedCard(b []byte, domain func(string) ed25519.PublicKey) (SignedCard, error) {
	return parseSignedCard(b, func(c *Card) (ed25519.PublicKey, error) { return Known{Domain: domain}.domainKey(c.Address) })
}

// ParseKeptCard is [ParseSignedCard] for a card that was verified before it was kept in one's own store: of a DNS domain it believes the key that the card
// itself has.
func ParseKeptCard(b []byte) (SignedCard, error) {
	return parseSignedCard(b, func(c *Card) (ed25519.PublicKey, error) {
		if key, ok := c.Address.DomainKey(); ok {
			return key, nil
		}
		key, ok := c.chain[len(c.chain)-1].PublicKey.(ed25519.PublicKey)
		if !ok {
			return nil, errors.New("domain key is not Ed25519")
		}
		return key, nil
	})
}

func parseSignedCard(b []byte, anchor func(*Card) (ed25519.PublicKey, error)) (SignedCard, error) {
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
	domainKey, err := anchor(card)
	if err == nil {
		err = card.check(domainKey)
	}
	if err != nil {
		return SignedCard{}, fmt.Errorf("card of %s: %w", card.Address.Short(), err)
	}
	if !ed25519.Verify(card.AccountKey(), append([]byte(cardContext), raw...), signature) {
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

// Records gives the values to put in the DHT, for today and tomorrow in three slots each. Only a card fresh from [Keys.SignCard] or one that was given
// them by [SignedCard.WithRecords] has them.
func (c SignedCard) Records() []Record { return c.records }

// WithRecords gives the same card with records made elsewhere by its account, for a device that cannot make them. It refuses records that are not of
// this card or the person's name, and leaves those out that are not good at now.
func (c SignedCard) WithRecords(records []Record, now time.Time) (SignedCard, error) {
	if c.IsZero() {
		return SignedCard{}, errors.New("records of no card")
	}
	if len(records) > 4*slotsPerDay {
		return SignedCard{}, fmt.Errorf("%d records of one card: at most %d", len(records), 4*slotsPerDay)
	}
	member := c.card.Locator()
	c.records = nil
	for _, r := range records {
		found, err := OpenRecord(member, r.Key, r.Value, now)
		switch {
		case errors.Is(err, ErrExpired):
			continue
		case err != nil:
			return SignedCard{}, err
		case found.Card.IsZero() && !member.Account.Equal(found.Name.Account), !found.Card.IsZero() && !bytes.Equal(found.Card.raw, c.raw):
			return SignedCard{}, errors.New("record of another card")
		}
		c.records = append(c.records, r)
	}
	return c, nil
}

// Locator gives what finds a newer card of the same person.
func (c *Card) Locator() Locator {
	return Locator{Address: c.Address, Domain: c.DomainKey(), Account: c.AccountKey()}
}

// DomainKey gives the key of the domain that vouches for the account; for a person who is their own domain it is the account key.
func (c *Card) DomainKey() ed25519.PublicKey {
	return c.chain[len(c.chain)-1].PublicKey.(ed25519.PublicKey) // checkAuthorities demands this type
}

// AccountKey gives the key that signed the card.
func (c *Card) AccountKey() ed25519.PublicKey {
	return c.Account.PublicKey.(ed25519.PublicKey) // checkAuthorities demands this type
}

// Admits tells whether the card lists a device: nil, [ErrUnlisted] or [ErrRevoked].
func (c *Card) Admits(id DeviceID) error {
	if slices.Contains(c.Revoked, id) {
		return fmt.Errorf("device %s: %w", id.Short(), ErrRevoked)
	}
	if _, ok := c.device(id); !ok {
		return fmt.Errorf("device %s: %w", id.Short(), ErrUnlisted)
	}
	return nil
}

// check verifies everything in a card that needs no key but the one in its address.
func (c *Card) check(domainKey ed25519.PublicKey) error {
	if c.Expires.Before(c.Issued) || c.Expires.Sub(c.Issued) > cardLifetime {
		return fmt.Errorf("expires %s after issue: want 0 to %s", c.Expires.Sub(c.Issued), cardLifetime)
	}
	if err := checkAuthorities(c.chain, c.Address, domainKey, c.Issued); err != nil {
		return err
	}
	seen := make(map[DeviceID]bool, len(c.Devices))
	for _, d := range c.Devices {
		if seen[d.ID] {
			return fmt.Errorf("device %s twice", d.ID.Short())
		}
		seen[d.ID] = true
		if slices.Contains(c.Revoked, d.ID) {
			return fmt.Errorf("device %s both listed and revoked", d.ID.Short())
		}
		if err := d.check(c.Account, c.Address, c.Issued); err != nil {
			return fmt.Errorf("device %s: %w", d.ID.Short(), err)
		}
	}
	return nil
}

// check verifies the certificates of a device below an account.
func (d DeviceCard) check(account *x509.Certificate, a Address, at time.Time) error {
	if _, err := checkLeaf(d.Signing, account, a, signingUse, at); err != nil {
		return err
	}
	_, err := checkLeaf(d.Sealing, account, a, sealingUse, at)
	return err
}

// Scopes says what the device may sign.
func (d DeviceCard) Scopes() Scopes {
	scopes, err := leafScopes(d.Signing)
	if err != nil {
		return 0 // excluded by check
	}
	return scopes
}

// Reads tells whether what is sealed to the person is sealed to this device.
func (d DeviceCard) Reads() bool {
	scopes, err := leafScopes(d.Sealing)
	return err == nil && scopes.Has(ScopeRead)
}

// ValidAt tells whether both certificates of the device are valid at a time.
func (d DeviceCard) ValidAt(at time.Time) bool {
	return validAt(d.Signing, at) && validAt(d.Sealing, at)
}

// Bytes gives the DER encoding, as in a card.
func (d DeviceCard) Bytes() ([]byte, error) {
	var b cryptobyte.Builder
	d.add(&b)
	return b.Bytes()
}

func (d DeviceCard) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(d.Signing.Raw)
		b.AddBytes(d.Sealing.Raw)
		b.AddASN1OctetString(d.Reach)
	})
}

// ParseDeviceCard reads what [DeviceCard.Bytes] gives. It verifies no signature: a [Card] with the device in it is what proves anything.
func ParseDeviceCard(der []byte) (DeviceCard, error) {
	in := cryptobyte.String(bytes.Clone(der))
	d, err := readDevice(&in)
	if err == nil && !in.Empty() {
		err = errors.New("malformed device")
	}
	if err != nil {
		return DeviceCard{}, err
	}
	return d, nil
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
				d.add(b)
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
	if c.Revoked, err = readRevoked(c.extensions); err != nil {
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
		if len(devices) == maxDevices {
			return nil, fmt.Errorf("more than %d devices", maxDevices)
		}
		d, err := readDevice(&in)
		if err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	if len(devices) == 0 {
		return nil, errors.New("no device")
	}
	return devices, nil
}

func readDevice(in *cryptobyte.String) (DeviceCard, error) {
	var one, reach cryptobyte.String
	if !in.ReadASN1(&one, cbasn1.SEQUENCE) {
		return DeviceCard{}, errors.New("malformed device")
	}
	signing, err := readCertificate(&one)
	if err != nil {
		return DeviceCard{}, err
	}
	sealing, err := readCertificate(&one)
	if err != nil {
		return DeviceCard{}, err
	}
	if !one.ReadASN1(&reach, cbasn1.OCTET_STRING) || !one.Empty() || len(reach) > maxReach {
		return DeviceCard{}, errors.New("malformed reach")
	}
	id, err := keyID(signing.RawSubjectPublicKeyInfo)
	if err != nil {
		return DeviceCard{}, err
	}
	return DeviceCard{id, signing, sealing, Reach(reach)}, nil
}

// readRevoked reads the extension that names revoked devices: 1 to 64 ids of 20 octets, rising.
func readRevoked(extensions []extension) ([]DeviceID, error) {
	for _, e := range extensions {
		if e.id != extRevoked {
			continue
		}
		const size = len(DeviceID{})
		if len(e.value) == 0 || len(e.value)%size != 0 || len(e.value) > maxRevoked*size {
			return nil, errors.New("malformed list of revoked devices")
		}
		var ids []DeviceID
		for v := e.value; len(v) > 0; v = v[size:] {
			id := DeviceID(v[:size])
			if len(ids) > 0 && bytes.Compare(ids[len(ids)-1][:], id[:]) >= 0 {
				return nil, errors.New("revoked devices not in order")
			}
			ids = append(ids, id)
		}
		return ids, nil
	}
	return nil, nil
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
