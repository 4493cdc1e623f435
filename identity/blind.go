package identity

import (
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"time"

	"filippo.io/edwards25519"
)

// Contexts of the two hashes of doc/spec/address-record.md, 2.
const (
	blindContext  = "kith blind v1\x00"
	prefixContext = "kith blind prefix v1\x00"
)

// slotsPerDay is the number of independent slots an address has each day.
const slotsPerDay = 3

// blinding is what one blinded key of an address depends on besides the key.
type blinding struct {
	local string // canonical, at most 255 octets
	day   string // YYYY-MM-DD in UTC
	salt  byte
}

// utcDay gives the day of t as the formats write it.
func utcDay(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// start is the first second of the day.
func (b blinding) start() (time.Time, error) { return time.Parse(time.DateOnly, b.day) }

// hash is SHA-512 over a context, something of 32 octets, and the blinding with the key.
func (b blinding) hash(context string, head []byte, key ...byte) [64]byte {
	text := append([]byte(context), head...)
	text = append(text, key...)
	text = append(text, byte(len(b.local)))
	text = append(text, b.local...)
	text = append(text, b.day...)
	return sha512.Sum512(append(text, b.salt))
}

// factor is the scalar h that both halves of a key are multiplied by.
func (b blinding) factor(key []byte) *edwards25519.Scalar {
	sum := b.hash(blindContext, key)
	h, err := new(edwards25519.Scalar).SetUniformBytes(sum[:])
	if err != nil {
		panic("identity: a SHA-512 sum is not of 64 octets") // excluded by the type
	}
	return h
}

// public gives the blinded public key hA. It is a plain Ed25519 key; without knowing A and the local part nobody can tell whose.
func (b blinding) public(key ed25519.PublicKey) (ed25519.PublicKey, error) {
	point, err := parsePoint(key)
	if err != nil {
		return nil, fmt.Errorf("blind: %w", err)
	}
	return b.multiply(key, point), nil
}

// multiply is public for a key that is parsed already.
func (b blinding) multiply(key ed25519.PublicKey, point *edwards25519.Point) ed25519.PublicKey {
	return new(edwards25519.Point).ScalarMult(b.factor(key), point).Bytes()
}

// blindedKey signs for a blinded public key.
type blindedKey struct {
	scalar *edwards25519.Scalar
	prefix []byte // what RFC 8032, 5.1.6 calls the second half of the hash
	public []byte
}

// private gives the blinded private key of an account key.
func (b blinding) private(account ed25519.PrivateKey) (blindedKey, error) {
	public := account[ed25519.SeedSize:]
	expanded := sha512.Sum512(account[:ed25519.SeedSize])
	scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(expanded[:32])
	if err != nil {
		return blindedKey{}, fmt.Errorf("blind: %w", err)
	}
	scalar.Multiply(b.factor(public), scalar)
	prefix := b.hash(prefixContext, expanded[32:], public...)
	return blindedKey{
		scalar: scalar,
		prefix: prefix[:32],
		public: new(edwards25519.Point).ScalarBaseMult(scalar).Bytes(),
	}, nil
}

// sign makes a signature of RFC 8032, 5.1.6 from the expanded key.
func (k blindedKey) sign(message []byte) ([]byte, error) {
	nonce, err := uniform(k.prefix, message)
	if err != nil {
		return nil, err
	}
	commitment := new(edwards25519.Point).ScalarBaseMult(nonce).Bytes()
	challenge, err := uniform(commitment, k.public, message)
	if err != nil {
		return nil, err
	}
	response := new(edwards25519.Scalar).MultiplyAdd(challenge, k.scalar, nonce)
	return append(commitment, response.Bytes()...), nil
}

// uniform is SHA-512 of the parts, modulo the order of the group.
func uniform(parts ...[]byte) (*edwards25519.Scalar, error) {
	h := sha512.New()
	for _, part := range parts {
		h.Write(part)
	}
	return new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
}
