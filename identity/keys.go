package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/kith-im/kith/identity/cms"
)

// Keys are one person's private keys on one device: the account key, and the device's keys to sign, to open and to be known on the
// network by. They may be used from several goroutines. Printing or logging them shows the address only.
type Keys struct {
	address   Address
	chain     []*x509.Certificate // account and, if its key is another one, domain
	account   ed25519.PrivateKey
	transport ed25519.PrivateKey
	device    DeviceID
	dir       string // of the files; "" if in memory only

	mu       sync.Mutex // for what follows
	signing  signingLeaf
	sealing  []sealingLeaf // newest first, at least one
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
	var err error
	if _, k.transport, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	if k.signing.key, err = generateKey(); err != nil {
		return nil, err
	}
	k.signing.certificate, err = k.leaf(&k.signing.key.PublicKey, signingUse, allScopes, now.Add(-backdate), now.Add(signingLifetime))
	if err != nil {
		return nil, err
	}
	if k.device, err = keyID(k.signing.certificate.RawSubjectPublicKeyInfo); err != nil {
		return nil, err
	}
	leaf, err := k.newSealing(now)
	if err != nil {
		return nil, err
	}
	k.sealing = []sealingLeaf{leaf}
	return k, nil
}

func (k *Keys) newSealing(now time.Time) (sealingLeaf, error) {
	key, err := generateKey()
	if err != nil {
		return sealingLeaf{}, err
	}
	private, err := key.ECDH()
	if err != nil {
		return sealingLeaf{}, err
	}
	certificate, err := k.leaf(&key.PublicKey, sealingUse, ScopeRead, now.Add(-backdate), now.Add(sealingPeriod+sealingGrace))
	return sealingLeaf{private, certificate}, err
}

// Address gives the address of the principal.
func (k *Keys) Address() Address { return k.address }

// Device gives the name of this device; it stays the same when certificates are renewed.
func (k *Keys) Device() DeviceID { return k.device }

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

// SignCard makes the card of this device and its records in the DHT for the UTC day of now and the next. Serial must exceed that of all
// earlier cards of the principal; reach is at most 1024 octets. Call [Keys.Rotate] first: it fails with [ErrExpired] when the certificates are not
// valid at now.
func (k *Keys) SignCard(serial uint64, reach Reach, now time.Time) (SignedCard, error) {
	if len(reach) > maxReach {
		return SignedCard{}, fmt.Errorf("card: reach of %d octets: at most %d", len(reach), maxReach)
	}
	now = now.UTC().Truncate(time.Second)
	signing, sealing := k.current()
	card := &Card{
		Address: k.address,
		Serial:  serial,
		Issued:  now,
		Expires: now.Add(cardLifetime),
		Devices: []DeviceCard{{k.device, signing.certificate, sealing, slices.Clone(reach)}},
		Account: k.chain[0],
		chain:   k.chain,
	}
	if err := card.check(); err != nil {
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	signed, err := signCard(card, k.account)
	if err != nil {
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	if !k.ownDomain() {
		return signed, nil // found by a name record, not by the address alone
	}
	if signed.records, err = records(signed, k.account, now); err != nil {
		return SignedCard{}, fmt.Errorf("card: %w", err)
	}
	return signed, nil
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

// SealTo seals a signed object to every device of every card, at most 64 devices. It fails if the result exceeds 300 KiB. Whether the
// cards have expired the caller knows.
func (k *Keys) SealTo(s Signed, to ...*Card) (Sealed, error) {
	var certificates []*x509.Certificate
	for _, card := range to {
		for _, d := range card.Devices {
			if !slices.ContainsFunc(certificates, d.Sealing.Equal) {
				certificates = append(certificates, d.Sealing)
			}
		}
	}
	return seal(s, certificates)
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
func (k *Keys) Open(s Sealed, known *Card, now time.Time) (*Opened, error) {
	if s.IsZero() {
		return nil, errors.New("open: nothing sealed")
	}
	k.mu.Lock()
	ring := slices.Clone(k.sealing)
	k.mu.Unlock()
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
