package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"filippo.io/edwards25519"
)

// overlaySuffix ends every overlay domain; RFC 9476 keeps .alt out of the DNS.
const overlaySuffix = ".kith.alt"

// keyNameLen is the length of the text form of an Ed25519 key: the multibase letter k and 61 digits of base 36.
const keyNameLen = 62

// keyNamePrefix stands before the 32 octets of the key: CIDv1, codec libp2p-key (0x72), identity multihash of 36 octets, and the head
// of libp2p's protobuf PublicKey (type Ed25519, data of 32 octets).
var keyNamePrefix = [8]byte{0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20}

func overlayDomain(key ed25519.PublicKey) (string, error) {
	if _, err := parsePoint(key); err != nil {
		return "", err
	}
	n := new(big.Int).SetBytes(append(keyNamePrefix[:], key...))
	return "k" + n.Text(36) + overlaySuffix, nil
}

// parseKeyName reads the first label of an overlay domain, already in lower case, and holds the key to parsePoint.
func parseKeyName(s string) (ed25519.PublicKey, error) {
	key, err := decodeKeyName(s)
	if err != nil {
		return nil, err
	}
	if _, err := parsePoint(key); err != nil {
		return nil, fmt.Errorf("key name: %w", err)
	}
	return key, nil
}

func decodeKeyName(s string) (ed25519.PublicKey, error) {
	if len(s) != keyNameLen || s[0] != 'k' || strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return nil, fmt.Errorf("key name: want k and %d characters of base 36", keyNameLen-1)
	}
	n, ok := new(big.Int).SetString(s[1:], 36)
	if !ok || n.BitLen() > 8*40 {
		return nil, errors.New("key name: not a CIDv1 of an Ed25519 key")
	}
	cid := n.FillBytes(make([]byte, 40))
	key, found := bytes.CutPrefix(cid, keyNamePrefix[:])
	if !found {
		return nil, errors.New("key name: not a CIDv1 of an Ed25519 key")
	}
	return key, nil
}

// parsePoint decodes an Ed25519 public key that is safe to blind: the canonical encoding of a point of prime order. A key with a
// component of small order would have several blinded forms that verify the same signatures.
func parsePoint(key []byte) (*edwards25519.Point, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, errors.New("not an Ed25519 key of 32 octets")
	}
	p, err := new(edwards25519.Point).SetBytes(key)
	if err != nil || !bytes.Equal(p.Bytes(), key) {
		return nil, errors.New("not the canonical encoding of a point")
	}
	if p.Equal(edwards25519.NewIdentityPoint()) == 1 || !primeOrder(p) {
		return nil, errors.New("not a point of prime order")
	}
	return p, nil
}

// primeOrder tells whether (L-1)p = -p, L being the order of the base point: true exactly for points without a torsion component.
func primeOrder(p *edwards25519.Point) bool {
	one := make([]byte, 32)
	one[0] = 1
	scalar, err := new(edwards25519.Scalar).SetCanonicalBytes(one)
	if err != nil {
		return false
	}
	scalar.Negate(scalar)
	q := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(scalar, p, edwards25519.NewScalar())
	return q.Equal(new(edwards25519.Point).Negate(p)) == 1
}
