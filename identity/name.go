package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Layout and limits of a name (doc/spec/address-record.md, 4).
const (
	nameContext       = "kith name v1\x00"
	nameNonceContext  = "kith name nonce v1\x00"
	nameOffsetContext = "kith name offset v1\x00"
	nameLead          = 23 * time.Hour // from the earliest visible issue time of a record to the start of its day
	maxNameSerial     = 3600
	maxName           = 1 << 10 // octets
)

// nameTag tells a name from a card, which is a SEQUENCE.
var nameTag = cbasn1.Tag(1).ContextSpecific().Constructed()

// Name is what the holder of a domain states about one address under it: which account key it has. Only [OpenRecord] gives one that is not
// zero, so it is the domain's own word. Of two names the one with the higher serial holds.
type Name struct {
	Address Address
	Account ed25519.PublicKey // nil: the address is no longer a member of its domain
	Serial  uint64            // 1 to 3600, rises with every statement about the address
	Issued  time.Time
	Until   time.Time // the statement holds no longer
}

// IsZero tells whether n is the zero value, which states nothing.
func (n Name) IsZero() bool { return n.Address.IsZero() }

// signedName is a name with the octets that were signed.
type signedName struct {
	Name
	raw []byte // statement and signature
}

// isName tells whether what a record held is a name, good or bad, and not a card.
func isName(raw []byte) bool { return len(raw) > 0 && raw[0] == byte(nameTag) }

// parseName reads and verifies a name by the key of its domain, at now.
func parseName(raw []byte, domain ed25519.PublicKey, now time.Time) (signedName, error) {
	if len(raw) > maxName {
		return signedName{}, fmt.Errorf("name of %d octets: at most %d", len(raw), maxName)
	}
	in := cryptobyte.String(bytes.Clone(raw))
	var outer cryptobyte.String
	var statement, signature []byte
	if !in.ReadASN1(&outer, nameTag) || !in.Empty() || !outer.ReadASN1Bytes(&statement, cbasn1.OCTET_STRING) ||
		!outer.ReadASN1Bytes(&signature, cbasn1.OCTET_STRING) || !outer.Empty() || len(signature) != ed25519.SignatureSize {
		return signedName{}, errors.New("malformed name")
	}
	if !ed25519.Verify(domain, append([]byte(nameContext), statement...), signature) {
		return signedName{}, fmt.Errorf("name: %w", ErrSignature)
	}
	name, err := parseStatement(statement)
	if err != nil {
		return signedName{}, fmt.Errorf("name: %w", err)
	}
	switch key, overlay := name.Address.DomainKey(); {
	case overlay && !key.Equal(domain):
		return signedName{}, fmt.Errorf("name of %s signed by the key of another domain", name.Address.Short())
	case domain.Equal(name.Account):
		return signedName{}, errors.New("name gives the account the key of the domain")
	case now.Before(name.Issued.Add(-clockSkew)) || now.After(name.Until.Add(clockSkew)):
		return signedName{}, fmt.Errorf("name of %s: %w", name.Address.Short(), ErrExpired)
	}
	return signedName{name, bytes.Clone(raw)}, nil
}

// parseStatement reads DER. What it gives marshals to the same octets.
func parseStatement(statement []byte) (Name, error) {
	in := cryptobyte.String(statement)
	var body, address, account cryptobyte.String
	var version int64
	var member bool
	var n Name
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) {
		return Name{}, errors.New("malformed statement")
	}
	if version != 1 {
		return Name{}, fmt.Errorf("version %d is not known", version)
	}
	if !body.ReadASN1(&address, cbasn1.UTF8String) || !body.ReadASN1Integer(&n.Serial) ||
		!body.ReadASN1GeneralizedTime(&n.Issued) || !body.ReadASN1GeneralizedTime(&n.Until) ||
		!body.ReadOptionalASN1(&account, &member, cbasn1.Tag(0).ContextSpecific()) || !body.Empty() {
		return Name{}, errors.New("malformed statement")
	}
	var err error
	if n.Address, err = ParseAddress(string(address)); err != nil {
		return Name{}, err
	}
	if member {
		n.Account = ed25519.PublicKey(bytes.Clone(account))
	}
	n.Issued, n.Until = n.Issued.UTC(), n.Until.UTC()
	again, err := n.marshal()
	if err != nil {
		return Name{}, err
	}
	if !bytes.Equal(again, statement) {
		return Name{}, errors.New("not in canonical form")
	}
	return n, nil
}

// marshal gives the statement. It refuses what must not be stated.
func (n Name) marshal() ([]byte, error) {
	if n.Serial < 1 || n.Serial > maxNameSerial {
		return nil, fmt.Errorf("serial %d: want 1 to %d", n.Serial, maxNameSerial)
	}
	if !n.Until.After(n.Issued) {
		return nil, errors.New("ends before it begins")
	}
	if n.Account != nil {
		if _, err := parsePoint(n.Account); err != nil {
			return nil, fmt.Errorf("account key: %w", err)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(n.Address.String())) })
		b.AddASN1Uint64(n.Serial)
		b.AddASN1GeneralizedTime(n.Issued)
		b.AddASN1GeneralizedTime(n.Until)
		if n.Account != nil {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(n.Account) })
		}
	})
	return b.Bytes()
}

// sign makes the statement of the domain.
func (n Name) sign(domain ed25519.PrivateKey) (signedName, error) {
	n.Issued, n.Until = n.Issued.UTC().Truncate(time.Second), n.Until.UTC().Truncate(time.Second)
	statement, err := n.marshal()
	if err != nil {
		return signedName{}, fmt.Errorf("name of %s: %w", n.Address.Short(), err)
	}
	signature := ed25519.Sign(domain, append([]byte(nameContext), statement...))
	var b cryptobyte.Builder
	b.AddASN1(nameTag, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(statement)
		b.AddASN1OctetString(signature)
	})
	raw, err := b.Bytes()
	return signedName{n, raw}, err
}

// body gives the octets of the record for one slot up to its signature. They follow from the signed statement and the slot, so that the member
// can make them again and the domain need give no more than the signature. The nonce is a hash of all that is encrypted, so one key never
// encrypts two plaintexts under it.
func (n signedName) body(b blinding, blinded []byte) ([]byte, error) {
	day, err := b.start()
	if err != nil {
		return nil, err
	}
	text, err := store(n.raw)
	if err != nil {
		return nil, err
	}
	slot := sha256.Sum256(blinded)
	var nonce [recordNonce]byte
	copy(nonce[:], slotHash(nameNonceContext, n.raw, slot))
	offset := binary.BigEndian.Uint64(slotHash(nameOffsetContext, []byte(n.Address.String()), slot)) % offsetSpan
	issued := day.Add(-nameLead + time.Duration(n.Serial+offset)*time.Second)
	return b.sealText(n.Address, blinded, issued, day.Add(recordSpan), nonce, text)
}

func slotHash(context string, text []byte, slot [32]byte) []byte {
	h := sha256.New()
	h.Write([]byte(context))
	h.Write(text)
	h.Write(slot[:])
	return h.Sum(nil)
}

// seal makes the record for one slot with the domain key. All that a member needs of it is the signature.
func (n signedName) seal(b blinding, domain ed25519.PrivateKey) (Record, error) {
	key, err := b.private(domain)
	if err != nil {
		return Record{}, err
	}
	body, err := n.body(b, key.public)
	if err != nil {
		return Record{}, err
	}
	signature, err := key.sign(signedPart(body))
	return Record{slotKey(key.public), append(body, signature...)}, err
}

// record makes the record for one slot from its signature. It fails with [ErrSignature] if the signature is another.
func (n signedName) record(b blinding, domain ed25519.PublicKey, signature []byte) (Record, error) {
	blinded, err := b.public(domain)
	if err != nil {
		return Record{}, err
	}
	body, err := n.body(b, blinded)
	if err != nil {
		return Record{}, err
	}
	if len(signature) != ed25519.SignatureSize || !ed25519.Verify(blinded, signedPart(body), signature) {
		return Record{}, fmt.Errorf("record of the name %s: %w", n.Address.Short(), ErrSignature)
	}
	return Record{slotKey(blinded), append(body, signature...)}, nil
}
