package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/kith-im/kith/identity/cms"
)

// Keys are one person's private keys on one device: the device's keys to sign, to open and to be known on the network by, and on a device that
// administers the account key too. They may be used from several goroutines. Printing or logging them shows the address only.
type Keys struct {
	address   Address
	chain     []*x509.Certificate // account and, if its key is another one, domain
	account   ed25519.PrivateKey  // nil on a device that does not administer
	transport ed25519.PrivateKey
	device    DeviceID
	dir       string // of the files; "" if in memory only

	mu       sync.Mutex // for what follows
	signing  signingLeaf
	sealing  []sealingLeaf     // newest first, at least one
	next     *ecdsa.PrivateKey // sealing key that waits for its certificate; nil if none
	rotating bool
}

// New makes keys in memory only, for tests, demonstrations and examples. LOCAL is the plain text of the local part; the domain is an overlay
// domain of the account key.
func New(local string, now time.Time) (*Keys, error) {
	_, account, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	k, err := newKeys(local, account, now)
	if err != nil {
		return nil, fmt.Errorf("new keys: %w", err)
	}
	return k, nil
}

// newKeys makes the certificates and device keys below an account key that is also the domain key.
func newKeys(local string, account ed25519.PrivateKey, now time.Time) (*Keys, error) {
	public := account.Public().(ed25519.PublicKey)
	address, err := NewAddress(local, public)
	if err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Second)
	certificate, err := accountCertificate(address, public, nil, account)
	if err != nil {
		return nil, err
	}
	return newDevice(address, account, []*x509.Certificate{certificate}, now)
}

// newDevice makes device keys below an account.
func newDevice(a Address, account ed25519.PrivateKey, chain []*x509.Certificate, now time.Time) (*Keys, error) {
	k := &Keys{address: a, chain: chain, account: account}
	p, err := NewPending()
	if err != nil {
		return nil, err
	}
	k.transport, k.signing.key = p.transport, p.signing
	k.signing.certificate, err = k.certify(leafTemplate{
		&p.signing.PublicKey, signingUse, allScopes, nil, now.Add(-backdate), now.Add(signingLifetime),
	})
	if err != nil {
		return nil, err
	}
	if k.device, err = keyID(k.signing.certificate.RawSubjectPublicKeyInfo); err != nil {
		return nil, err
	}
	leaf, err := k.newSealing(p.sealing, now)
	if err != nil {
		return nil, err
	}
	k.sealing = []sealingLeaf{leaf}
	return k, nil
}

// newSealing certifies a sealing key of this device.
func (k *Keys) newSealing(key *ecdsa.PrivateKey, now time.Time) (sealingLeaf, error) {
	private, err := key.ECDH()
	if err != nil {
		return sealingLeaf{}, err
	}
	certificate, err := k.certify(leafTemplate{
		&key.PublicKey, sealingUse, ScopeRead, nil, now.Add(-backdate), now.Add(sealingPeriod + sealingGrace),
	})
	return sealingLeaf{private, certificate}, err
}

// Address gives the address of the principal.
func (k *Keys) Address() Address { return k.address }

// Device gives the name of this device; it stays the same when certificates are renewed.
func (k *Keys) Device() DeviceID { return k.device }

// Administers tells whether this device holds the account key, and so can sign cards and certify devices.
func (k *Keys) Administers() bool { return k.account != nil }

// Locator gives what others find the principal's card by.
func (k *Keys) Locator() Locator {
	top := k.chain[len(k.chain)-1]
	return Locator{Address: k.address, Domain: top.PublicKey.(ed25519.PublicKey), Account: k.accountKey()} // checkAuthorities demands this type
}

func (k *Keys) accountKey() ed25519.PublicKey { return k.chain[0].PublicKey.(ed25519.PublicKey) }

// DeviceCard gives this device as a card lists it.
func (k *Keys) DeviceCard(reach Reach) DeviceCard {
	signing, sealing := k.current()
	return DeviceCard{k.device, signing.certificate, sealing, slices.Clone(reach)}
}

// Close overwrites the account key and the transport key in memory, and lets go of the device's signing and sealing keys: the standard library keeps those,
// and copies of them, where nobody can overwrite them. Keys cannot be used after it.
func (k *Keys) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.account)
	clear(k.transport)
	k.account, k.signing.key, k.sealing, k.next = nil, nil, nil, nil
}

// TransportKey gives the key by which this device is known to the network, for package overlay only. It signs no content and cannot be
// derived from the address.
func (k *Keys) TransportKey() ed25519.PrivateKey { return slices.Clone(k.transport) }

// String names the principal and shows no key.
func (k *Keys) String() string { return "keys of " + k.address.Short() + " (redacted)" }

// GoString is [Keys.String].
func (k *Keys) GoString() string { return k.String() }

// LogValue is [Keys.String].
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// current gives what to sign with and the newest sealing certificate.
func (k *Keys) current() (signingLeaf, *x509.Certificate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.signing, k.sealing[0].certificate
}

// CardDraft is what a card is to say beside the device that signs it.
type CardDraft struct {
	Serial  uint64       // must exceed that of all earlier cards of the principal
	Reach   Reach        // of this device; at most 1024 octets
	Others  []DeviceCard // the principal's other devices, as they last told; at most 7
	Revoked []DeviceID   // devices that never come back; at most 64
}

// SignCard makes the card of the principal and its records in the DHT for the UTC day of now and the next, with those of the name for a member of a domain as
// long as there are any ([Keys.NameRecords] tells until when). Others whose certificates are not valid at now, or
// who are revoked, are left out. Call [Keys.Rotate] first: it fails with [ErrExpired] when this device's certificates are not valid at now, and with
// [ErrNotAdministrator] on a device without the account key.
func (k *Keys) SignCard(d CardDraft, now time.Time) (SignedCard, error) {
	if !k.Administers() {
		return SignedCard{}, fmt.Errorf("card: %w", ErrNotAdministrator)
	}
	if len(d.Reach) > maxReach {
		return SignedCard{}, fmt.Errorf("card: reach of %d octets: at most %d", len(d.Reach), maxReach)
	}
	if len(d.Revoked) > maxRevoked {
		return SignedCard{}, fmt.Errorf("card: %d revoked devices: at most %d", len(d.Revoked), maxRevoked)
	}
	now = now.UTC().Truncate(time.Second)
	card := &Card{
		Address: k.address,
		Serial:  d.Serial,
		Issued:  now,
		Expires: now.Add(cardLifetime),
		Devices: []DeviceCard{k.DeviceCard(d.Reach)},
		Account: k.chain[0],
		chain:   k.chain,
	}
	card.revoke(d.Revoked)
	for _, other := range d.Others {
		if other.ID != k.device && other.ValidAt(now) && !slices.Contains(card.Revoked, other.ID) {
			card.Devices = append(card.Devices, other)
		}
	}
	if len(card.Devices) > maxDevices {
		return SignedCard{}, fmt.Errorf("card: %d devices: at most %d", len(card.Devices), maxDevices)
	}
	if err := card.check(k.Locator().Domain); err != nil {
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	signed, err := signCard(card, k.account)
	if err != nil {
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	if signed.records, err = records(signed, k.account, now); err != nil {
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	names, _, err := k.NameRecords(now)
	if err != nil && !errors.Is(err, ErrExpired) { // who knows the account key finds the card without a name
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	signed.records = append(signed.records, names...)
	return signed, nil
}

// revoke names devices in the card, in order and once each.
func (c *Card) revoke(ids []DeviceID) {
	if len(ids) == 0 {
		return
	}
	c.Revoked = slices.Clone(ids)
	slices.SortFunc(c.Revoked, func(a, b DeviceID) int { return bytes.Compare(a[:], b[:]) })
	c.Revoked = slices.Compact(c.Revoked)
	var value []byte
	for _, id := range c.Revoked {
		value = append(value, id[:]...)
	}
	c.extensions = []extension{{extRevoked, value}}
}

// ownDomain tells whether the account key is the key of the domain.
func (k *Keys) ownDomain() bool { return len(k.chain) == 1 }

// Sign signs an entity with the device's signing key; now becomes the signing time, to the second. With certificates, the object carries those of
// the signer, the account and its domain, and the sealing certificate to reply to: at first contact, and later without.
func (k *Keys) Sign(e Entity, certificates bool, now time.Time) (Signed, error) {
	content, err := e.Marshal()
	if err != nil {
		return Signed{}, fmt.Errorf("sign: %w", err)
	}
	der, err := cms.Sign(content, nil, k.signer(certificates), now)
	if err != nil {
		return Signed{}, fmt.Errorf("sign: %w", err)
	}
	return ParseSigned(der)
}

func (k *Keys) signer(certificates bool) cms.Signer {
	signing, sealing := k.current()
	s := cms.Signer{Certificate: signing.certificate, Key: signing.key}
	if certificates {
		s.Include = append([]*x509.Certificate{signing.certificate, sealing}, k.chain...)
	}
	return s
}

// SealTo seals a signed object to every device of every card that may read what is sealed to its person, at most 128 devices. It fails if there is none, or the
// result exceeds 300 KiB. Whether the cards have expired the caller knows.
func (k *Keys) SealTo(s Signed, to ...*Card) (Sealed, error) {
	var certificates []*x509.Certificate
	for _, card := range to {
		for _, d := range card.Devices {
			if d.Reads() && !slices.ContainsFunc(certificates, d.Sealing.Equal) {
				certificates = append(certificates, d.Sealing)
			}
		}
	}
	return seal(s, certificates)
}

// SealToDevice seals a signed object to one device, for what is between devices.
func (k *Keys) SealToDevice(s Signed, d DeviceCard) (Sealed, error) {
	return seal(s, []*x509.Certificate{d.Sealing})
}

// SealReply seals a signed object to the device that signed a request, by the sealing certificate that the request carried.
func (k *Keys) SealReply(s Signed, to *Opened) (Sealed, error) {
	if to == nil || to.Sealing == nil {
		return Sealed{}, errors.New("seal: the request carries no sealing certificate")
	}
	return seal(s, []*x509.Certificate{to.Sealing})
}

func seal(s Signed, to []*x509.Certificate) (Sealed, error) {
	if s.IsZero() {
		return Sealed{}, errors.New("seal: nothing signed")
	}
	der, err := cms.SealTo(s.raw, nil, to)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal to %d devices: %w", len(to), err)
	}
	return ParseSealed(der)
}

// Open opens an object sealed to this device, with one of its last sealing keys, and verifies the signature inside as [Verify] does. It returns
// [ErrNotForMe] if s is sealed to others or its key is gone.
func (k *Keys) Open(s Sealed, known Known, now time.Time) (*Opened, error) {
	if s.IsZero() {
		return nil, errors.New("open: nothing sealed")
	}
	ring, err := k.openers()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	for _, leaf := range ring {
		content, typ, err := s.parsed.Open(leaf.certificate, leaf.key)
		if errors.Is(err, cms.ErrNotRecipient) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open: %w", err)
		}
		return verifyContent(content, typ, known, now)
	}
	return nil, ErrNotForMe
}

// openers lists the sealing keys that open what is sealed to this device. The one that waits for its certificate is among them: who certifies it may
// seal to it before the certificate has arrived, even what brings it.
func (k *Keys) openers() ([]sealingLeaf, error) {
	k.mu.Lock()
	ring, next := slices.Clone(k.sealing), k.next
	k.mu.Unlock()
	if next == nil {
		return ring, nil
	}
	id, err := publicKeyID(&next.PublicKey)
	if err != nil {
		return nil, err
	}
	private, err := next.ECDH()
	if err != nil {
		return nil, err
	}
	names := &x509.Certificate{SubjectKeyId: id[:], PublicKey: &next.PublicKey, SerialNumber: new(big.Int)} // all that a recipient is found by
	return append(ring, sealingLeaf{private, names}), nil
}
