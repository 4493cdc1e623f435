package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrNotAdministrator tells that this device does not hold the account key: another of the person's devices must do it.
var ErrNotAdministrator = errors.New("this device does not hold the account key")

const (
	deviceContext = "kith device v1\x00"
	maxRequest    = 1 << 10  // octets of a device's request
	maxGrant      = 64 << 10 // octets of the answer
)

// Pending are the keys of a new device that waits to be certified as one of a person's.
type Pending struct {
	transport ed25519.PrivateKey
	signing   *ecdsa.PrivateKey
	sealing   *ecdsa.PrivateKey
}

// NewPending makes the keys of a new device.
func NewPending() (*Pending, error) {
	p := new(Pending)
	var err error
	if _, p.transport, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	if p.signing, err = generateKey(); err != nil {
		return nil, err
	}
	p.sealing, err = generateKey()
	return p, err
}

// TransportKey gives the key by which the device is and will be known to the network.
func (p *Pending) TransportKey() ed25519.PrivateKey { return bytes.Clone(p.transport) }

// Request gives what the device asks to be certified (doc/spec/identity.md): its public keys, signed by its signing key.
func (p *Pending) Request() ([]byte, error) { return deviceRequest(p.signing, &p.sealing.PublicKey) }

func deviceRequest(signing *ecdsa.PrivateKey, sealing *ecdsa.PublicKey) ([]byte, error) {
	a, err := x509.MarshalPKIXPublicKey(&signing.PublicKey)
	if err != nil {
		return nil, err
	}
	b, err := x509.MarshalPKIXPublicKey(sealing)
	if err != nil {
		return nil, err
	}
	keys := append(a, b...)
	digest := sha256.Sum256(append([]byte(deviceContext), keys...))
	signature, err := ecdsa.SignASN1(rand.Reader, signing, digest[:])
	if err != nil {
		return nil, err
	}
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(out *cryptobyte.Builder) {
		out.AddASN1Int64(1)
		out.AddBytes(keys)
		out.AddASN1OctetString(signature)
	})
	return out.Bytes()
}

// parseDeviceRequest gives the two public keys of a request, once its signature has shown that the first is the requester's.
func parseDeviceRequest(der []byte) (signing, sealing *ecdsa.PublicKey, err error) {
	malformed := errors.New("malformed request of a device")
	if len(der) > maxRequest {
		return nil, nil, malformed
	}
	in := cryptobyte.String(der)
	var body, a, b, signature cryptobyte.String
	var version int64
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1Element(&a, cbasn1.SEQUENCE) || !body.ReadASN1Element(&b, cbasn1.SEQUENCE) ||
		!body.ReadASN1(&signature, cbasn1.OCTET_STRING) || !body.Empty() {
		return nil, nil, malformed
	}
	if signing, err = parseP256(a); err != nil {
		return nil, nil, fmt.Errorf("request of a device: signing key: %w", err)
	}
	if sealing, err = parseP256(b); err != nil {
		return nil, nil, fmt.Errorf("request of a device: sealing key: %w", err)
	}
	digest := sha256.Sum256(append([]byte(deviceContext), append(bytes.Clone(a), b...)...))
	if !ecdsa.VerifyASN1(signing, digest[:], signature) {
		return nil, nil, fmt.Errorf("request of a device: %w", ErrSignature)
	}
	return signing, sealing, nil
}

func parseP256(spki []byte) (*ecdsa.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	p, ok := key.(*ecdsa.PublicKey)
	if !ok || p.Curve != elliptic.P256() {
		return nil, errors.New("not a P-256 key")
	}
	return p, nil
}

// Permit says what a device is certified for.
type Permit struct {
	Scopes  Scopes      // [ScopeAdminister] is added or left out as Account says
	Tuples  []string    // the only tuple ids it may publish, at most 16 of 64 octets; nil: any
	Account bool        // hand the account key over: that device administers too, and cannot be revoked for good
	Renews  *DeviceCard // the same device as certified before: its scopes, tuples and beginning stay, and the above is ignored
}

// Certify certifies the keys in a device's request and gives the grant that the device is to get, and the device as a card lists it, without reach. The
// grant holds the account key if the permit says so: seal it. It fails with [ErrNotAdministrator] on a device without the account key.
func (k *Keys) Certify(request []byte, p Permit, now time.Time) (grant []byte, d DeviceCard, err error) {
	if !k.Administers() {
		return nil, d, ErrNotAdministrator
	}
	signing, sealing, err := parseDeviceRequest(request)
	if err != nil {
		return nil, d, err
	}
	now = now.UTC().Truncate(time.Second)
	from := now.Add(-backdate)
	scopes := p.Scopes &^ ScopeAdminister & allScopes
	if p.Account {
		scopes |= ScopeAdminister
	}
	if p.Renews != nil {
		if !signing.Equal(p.Renews.Signing.PublicKey) {
			return nil, d, errors.New("renewal with another signing key")
		}
		scopes, from, p.Account = p.Renews.Scopes(), p.Renews.Signing.NotBefore, false
		if p.Tuples, err = leafTuples(p.Renews.Signing); err != nil {
			return nil, d, err
		}
	}
	if scopes == 0 {
		return nil, d, errors.New("a device without any scope")
	}
	d.Signing, err = k.certify(leafTemplate{signing, signingUse, scopes, p.Tuples, from, now.Add(signingLifetime)})
	if err != nil {
		return nil, d, err
	}
	sealed := scopes & ScopeRead
	if sealed == 0 {
		sealed = scopes // answers are sealed to it, messages are not
	}
	d.Sealing, err = k.certify(leafTemplate{sealing, sealingUse, sealed, nil, now.Add(-backdate), now.Add(sealingPeriod + sealingGrace)})
	if err != nil {
		return nil, d, err
	}
	if d.ID, err = keyID(d.Signing.RawSubjectPublicKeyInfo); err != nil {
		return nil, d, err
	}
	grant, err = k.writeGrant(d, p.Account)
	return grant, d, err
}

// Tags of the optional parts of a grant.
var (
	tagSeed = cbasn1.Tag(0).ContextSpecific()
	tagName = cbasn1.Tag(1).ContextSpecific()
)

func (k *Keys) writeGrant(d DeviceCard, account bool) ([]byte, error) {
	var name []byte
	if account && k.dir != "" && !k.ownDomain() {
		var err error
		if name, err = readFile(filepath.Join(k.dir, nameFile)); err != nil {
			return nil, err
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, c := range k.chain {
				b.AddBytes(c.Raw)
			}
		})
		b.AddBytes(d.Signing.Raw)
		b.AddBytes(d.Sealing.Raw)
		if account {
			b.AddASN1(tagSeed, func(b *cryptobyte.Builder) { b.AddBytes(k.account.Seed()) })
		}
		if len(name) > 0 {
			b.AddASN1(tagName, func(b *cryptobyte.Builder) { b.AddBytes(name) })
		}
	})
	return b.Bytes()
}

// deviceGrant is what a device gets when it is certified.
type deviceGrant struct {
	chain            []*x509.Certificate
	signing, sealing *x509.Certificate
	seed, name       []byte // nil if not handed over
}

func parseGrant(der []byte) (*deviceGrant, error) {
	malformed := errors.New("malformed grant")
	if len(der) > maxGrant {
		return nil, malformed
	}
	in := cryptobyte.String(bytes.Clone(der))
	var body, chain, seed, name cryptobyte.String
	var version int64
	var seeded, named bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 || !body.ReadASN1(&chain, cbasn1.SEQUENCE) {
		return nil, malformed
	}
	g := new(deviceGrant)
	for !chain.Empty() && len(g.chain) <= 2 {
		c, err := readCertificate(&chain)
		if err != nil {
			return nil, err
		}
		g.chain = append(g.chain, c)
	}
	var err error
	if g.signing, err = readCertificate(&body); err != nil {
		return nil, err
	}
	if g.sealing, err = readCertificate(&body); err != nil {
		return nil, err
	}
	if len(g.chain) < 1 || len(g.chain) > 2 || !body.ReadOptionalASN1(&seed, &seeded, tagSeed) || !body.ReadOptionalASN1(&name, &named, tagName) || !body.Empty() {
		return nil, malformed
	}
	if seeded {
		if len(seed) != ed25519.SeedSize {
			return nil, malformed
		}
		g.seed = seed
	}
	if named {
		g.name = name
	}
	return g, nil
}

// Accept takes the grant that certifies the device as one of the person with that address, checks that all of it belongs together and to these keys, and
// writes the identity to dir as [Create] does. A handed over account key is put under the passphrase, if there is one.
func (p *Pending) Accept(dir string, a Address, grant, pass []byte, now time.Time) (*Keys, error) {
	g, err := parseGrant(grant)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	k := &Keys{address: a, chain: g.chain, transport: p.transport}
	if err := p.adopt(k, g, now); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	if err := k.create(dir, pass, g.name); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return k, nil
}

func (p *Pending) adopt(k *Keys, g *deviceGrant, now time.Time) error {
	domainKey, err := claimedDomainKey(k.address, k.chain)
	if err != nil {
		return err
	}
	if err := checkAuthorities(k.chain, k.address, domainKey, now); err != nil {
		return err
	}
	if !p.signing.PublicKey.Equal(g.signing.PublicKey) || !p.sealing.PublicKey.Equal(g.sealing.PublicKey) {
		return errors.New("grant for other keys")
	}
	d := DeviceCard{Signing: g.signing, Sealing: g.sealing}
	if err := d.check(k.chain[0], k.address, now); err != nil {
		return err
	}
	if scopes, err := leafScopes(g.signing); err != nil || scopes.Has(ScopeAdminister) != (g.seed != nil) {
		return errors.Join(errors.New("the scope to administer and the account key come together"), err)
	}
	if g.seed != nil {
		k.account = ed25519.NewKeyFromSeed(g.seed)
		clear(g.seed)
		if !k.accountKey().Equal(k.account.Public()) {
			return errors.New("the account key handed over is another one")
		}
	}
	private, err := p.sealing.ECDH()
	if err != nil {
		return err
	}
	k.signing = signingLeaf{p.signing, g.signing}
	k.sealing = []sealingLeaf{{private, g.sealing}}
	k.device, err = keyID(g.signing.RawSubjectPublicKeyInfo)
	return err
}

// Renewal gives the request to send to a device with the account key when certificates of this one are due: its next sealing key, which [Keys.Rotate] made, or its signing
// certificate. Due is false on a device that renews its certificates itself.
func (k *Keys) Renewal(now time.Time) (request []byte, due bool, err error) {
	k.mu.Lock()
	next, signing := k.next, k.signing
	k.mu.Unlock()
	if k.Administers() || next == nil {
		return nil, false, nil
	}
	request, err = deviceRequest(signing.key, &next.PublicKey)
	return request, err == nil, err
}

// Renew takes the grant that answers a [Keys.Renewal]; certificates of the account that its domain has renewed come with it, and count from the next
// start. The files are replaced before the keys are used.
func (k *Keys) Renew(grant []byte, now time.Time) error {
	g, err := parseGrant(grant)
	if err != nil {
		return fmt.Errorf("renew certificates: %w", err)
	}
	k.mu.Lock()
	next, signing, sealing := k.next, k.signing, k.sealing
	k.mu.Unlock()
	if next == nil || !next.PublicKey.Equal(g.sealing.PublicKey) || !signing.key.PublicKey.Equal(g.signing.PublicKey) {
		return errors.New("renew certificates: not what was asked for")
	}
	if err := checkAuthorities(g.chain, k.address, k.Locator().Domain, now); err != nil {
		return fmt.Errorf("renew certificates: %w", err)
	}
	if !isKey(g.chain[0], k.accountKey()) {
		return errors.New("renew certificates: of another account key")
	}
	if err := (DeviceCard{Signing: g.signing, Sealing: g.sealing}).check(g.chain[0], k.address, now); err != nil {
		return fmt.Errorf("renew certificates: %w", err)
	}
	private, err := next.ECDH()
	if err != nil {
		return fmt.Errorf("renew certificates: %w", err)
	}
	signing.certificate = g.signing
	sealing = append([]sealingLeaf{{private, g.sealing}}, sealing...)
	sealing = sealing[:min(len(sealing), maxRing)]
	if k.dir != "" {
		if err := saveChain(k.dir, g.chain); err != nil {
			return fmt.Errorf("renew certificates: %w", err)
		}
		if err := saveLeaves(k.dir, &signing, sealing); err != nil {
			return fmt.Errorf("renew certificates: %w", err)
		}
		if err := os.Remove(filepath.Join(k.dir, nextKey)); err != nil {
			return fmt.Errorf("renew certificates: %w", err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signing, k.sealing, k.next = signing, sealing, nil
	return nil
}
