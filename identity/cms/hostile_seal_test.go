package cms

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
)

// Positions in an AuthEnvelopedData of ours to certificates.
var (
	sealedBody  = []int{1, 0}             // AuthEnvelopedData
	sealedKARI  = []int{1, 0, 1, 0}       // KeyAgreeRecipientInfo
	sealedPoint = []int{1, 0, 1, 0, 1, 0} // originatorKey
	sealedKeys  = []int{1, 0, 1, 0, 3}    // recipientEncryptedKeys
	sealedInfo  = []int{1, 0, 2}          // EncryptedContentInfo
)

func TestSealedTruncated(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	for _, typ := range []asn1.ObjectIdentifier{typeData, typeSigned} {
		der := must(SealTo([]byte("hello"), typ, []*x509.Certificate{d.cert}))(t)
		for n := range der {
			if s, err := ParseSealed(der[:n]); !errors.Is(err, ErrMalformed) || s != nil {
				t.Errorf("first %d octets: %v, want %v", n, err, ErrMalformed)
			}
		}
		if s, err := ParseSealed(append(der, 0)); !errors.Is(err, ErrMalformed) || s != nil {
			t.Errorf("one octet more: %v, want %v", err, ErrMalformed)
		}
	}
}

// With a single recipient no bit is without meaning: whatever is flipped, the
// object opens no more.
func TestSealedBitFlips(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	key := d.ecdh(t)
	kek := KEK{ID: []byte("epoch"), Key: [32]byte{9}}
	for _, typ := range []asn1.ObjectIdentifier{typeData, typeSigned} {
		agreed := must(SealTo([]byte("hello"), typ, []*x509.Certificate{d.cert}))(t)
		shared := must(SealWith([]byte("hello"), typ, kek))(t)
		for _, der := range [][]byte{agreed, shared} {
			for i := range der {
				for bit := range 8 {
					bad := slices.Clone(der)
					bad[i] ^= 1 << bit
					s, err := ParseSealed(bad)
					if err != nil {
						continue
					}
					if got, _, err := s.Open(d.cert, key); err == nil || got != nil {
						t.Errorf("key: opens as %q with bit %d of octet %d flipped", got, bit, i)
					}
					if got, gotType, err := s.OpenWith(kek); err == nil || got != nil {
						t.Errorf("kek: opens as %q, %v with bit %d of octet %d flipped", got, gotType, bit, i)
					}
				}
			}
		}
	}
}

func TestSealedHostile(t *testing.T) {
	ca := newAuthority(t)
	a, b := ca.device(t, 2, x509.KeyUsageKeyAgreement), ca.device(t, 3, x509.KeyUsageKeyAgreement)
	point := func(r *node) *node { return r.at(sealedPoint...).at(1) }
	params := func(r *node) *node { return r.at(sealedInfo...).at(1, 1) }
	octets := func(n int) *node { return leaf(0x04, make([]byte, n)...) }
	sealedOID := []byte(oidData)
	for _, tt := range []struct {
		name   string
		change func(r *node)
		parse  error // of ParseSealed
		open   error // of Open by the first recipient, if it parses
	}{
		{"nothing", func(*node) {}, nil, nil},
		{"version 1", func(r *node) { r.at(1, 0, 0).data[0] = 1 }, ErrMalformed, nil},
		{"originator information", func(r *node) { r.at(sealedBody...).insert(1, group(0xa0)) }, ErrUnsupported, nil},
		{"no recipients", func(r *node) { r.at(1, 0, 1).children = nil }, ErrMalformed, nil},
		{"unknown kind of recipient", func(r *node) { r.at(1, 0, 1).insert(1, group(0xa5)) }, ErrMalformed, nil},
		{"other kinds beside", func(r *node) { r.at(1, 0, 1).insert(1, group(0xa3), group(0xa4), group(0x30)) }, nil, nil},
		{"other kinds only", func(r *node) { r.at(1, 0, 1).children = []*node{group(0xa3)} }, nil, ErrNotRecipient},
		{"64 recipients", func(r *node) {
			r.at(1, 0, 1).insert(1, slices.Repeat([]*node{group(0x30)}, MaxRecipients-2)...)
		}, nil, nil},
		{"65 recipients", func(r *node) {
			r.at(1, 0, 1).insert(1, slices.Repeat([]*node{group(0x30)}, MaxRecipients-1)...)
		}, ErrTooLarge, nil},
		{"65 keys", func(r *node) {
			k := r.at(sealedKeys...)
			k.insert(1, slices.Repeat([]*node{k.at(0)}, MaxRecipients)...)
		}, ErrTooLarge, nil},
		{"recipient of version 2", func(r *node) { r.at(sealedKARI...).at(0).data[0] = 2 }, ErrMalformed, nil},
		{"originator named by certificate", func(r *node) { r.at(sealedKARI...).at(1).children[0] = leaf(0x80, 1) }, nil, ErrUnsupported},
		{"no originator", func(r *node) { r.at(sealedKARI...).at(1).children = nil }, ErrMalformed, nil},
		{"curve P-384", func(r *node) {
			r.at(sealedPoint...).at(0).insert(1, leaf(0x06, 0x2b, 0x81, 4, 0, 34))
		}, nil, ErrUnsupported},
		{"curve X25519", func(r *node) { r.at(sealedPoint...).children[0] = parseNode(t, []byte(algX25519)) }, nil, ErrUnsupported},
		{"curve P-256, said again", func(r *node) {
			r.at(sealedPoint...).children[0] = parseNode(t, []byte(algECPublicKeyP256))
		}, nil, nil},
		{"legacy NULL", func(r *node) { r.at(sealedPoint...).children[0] = parseNode(t, []byte(algECPublicKeyNULL)) }, nil, nil},
		{"point not on the curve", func(r *node) { point(r).data[65] ^= 1 }, nil, ErrDecrypt},
		{"point at infinity", func(r *node) { point(r).data = []byte{0, 0} }, nil, ErrDecrypt},
		{"point of zeros", func(r *node) { point(r).data = append([]byte{0, 4}, make([]byte, 64)...) }, nil, ErrDecrypt},
		{"no point", func(r *node) { point(r).data = []byte{0} }, nil, ErrDecrypt},
		{"short point", func(r *node) { point(r).data = point(r).data[:65] }, nil, ErrDecrypt},
		{"compressed point", func(r *node) {
			x, y := new(big.Int).SetBytes(point(r).data[2:34]), new(big.Int).SetBytes(point(r).data[34:])
			point(r).data = append([]byte{0}, elliptic.MarshalCompressed(elliptic.P256(), x, y)...)
		}, nil, ErrDecrypt},
		{"hybrid point", func(r *node) { point(r).data[1] = 6 | point(r).data[65]&1 }, nil, ErrDecrypt},
		{"another point", func(r *node) { copy(point(r).data[1:], b.ecdh(t).PublicKey().Bytes()) }, nil, ErrDecrypt},
		{"point with unused bits", func(r *node) { point(r).data[0] = 1 }, ErrMalformed, nil},
		{"keying material added", func(r *node) { r.at(sealedKARI...).insert(2, group(0xa1, octets(8))) }, nil, ErrDecrypt},
		{"long keying material", func(r *node) { r.at(sealedKARI...).insert(2, group(0xa1, octets(MaxUKM+1))) }, ErrTooLarge, nil},
		{"other key derivation", func(r *node) { r.at(sealedKARI...).at(2, 0).data = []byte(oidStdDHHKDF256) }, nil, ErrDecrypt},
		{"key derivation with SHA-1", func(r *node) { r.at(sealedKARI...).at(2, 0).data = []byte(oidStdDHSHA1) }, nil, ErrUnsupported},
		{"unknown key derivation", func(r *node) { r.at(sealedKARI...).at(2, 0).data[5] = 3 }, nil, ErrUnsupported},
		{"other key wrap", func(r *node) { r.at(sealedKARI...).at(2, 1, 0).data[8] = 5 }, nil, ErrDecrypt},
		{"unknown key wrap", func(r *node) { r.at(sealedKARI...).at(2, 1, 0).data[8] = 25 }, nil, ErrUnsupported},
		{"key wrap with parameters", func(r *node) { r.at(sealedKARI...).at(2, 1).insert(1, leaf(0x05)) }, nil, ErrUnsupported},
		{"no key wrap", func(r *node) { r.at(sealedKARI...).at(2).remove(1) }, ErrMalformed, nil},
		{"no keys", func(r *node) { r.at(sealedKeys...).children = nil }, ErrMalformed, nil},
		{"key identifier with a date", func(r *node) {
			r.at(sealedKeys...).at(0, 0).insert(1, leaf(0x18, []byte("20261120120000Z")...))
		}, ErrMalformed, nil},
		{"recipients swapped", func(r *node) {
			k := r.at(sealedKeys...)
			k.at(0).children[0], k.at(1).children[0] = k.at(1).children[0], k.at(0).children[0]
		}, nil, ErrDecrypt},
		{"recipient replaced", func(r *node) { r.at(sealedKeys...).remove(0) }, nil, ErrNotRecipient},
		{"wrapped key of no octets", func(r *node) { r.at(sealedKeys...).at(0, 1).data = nil }, ErrMalformed, nil},
		{"wrapped key of 8 octets", func(r *node) { r.at(sealedKeys...).at(0).children[1] = octets(8) }, ErrMalformed, nil},
		{"wrapped key for AES-128", func(r *node) { r.at(sealedKeys...).at(0).children[1] = octets(24) }, ErrMalformed, nil},
		{"wrapped key of 48 octets", func(r *node) { r.at(sealedKeys...).at(0).children[1] = octets(48) }, ErrMalformed, nil},
		{"wrapped key of zeros", func(r *node) { r.at(sealedKeys...).at(0).children[1] = octets(40) }, nil, ErrDecrypt},
		{"content type swapped", func(r *node) { r.at(sealedInfo...).at(0).data = []byte(oidSignedData) }, ErrMalformed, nil},
		{"AES-128-GCM", func(r *node) { r.at(sealedInfo...).at(1, 0).data[8] = 6 }, ErrMalformed, nil},
		{"AES-256-CBC", func(r *node) { r.at(sealedInfo...).at(1, 0).data[8] = 42 }, ErrUnsupported, nil},
		{"no parameters", func(r *node) { r.at(sealedInfo...).at(1).remove(1) }, ErrMalformed, nil},
		{"nonce of no octets", func(r *node) { params(r).at(0).data = nil }, ErrUnsupported, nil},
		{"nonce of 16 octets", func(r *node) { params(r).children[0] = octets(16) }, ErrUnsupported, nil},
		{"another nonce", func(r *node) { params(r).at(0).data[0] ^= 1 }, nil, ErrDecrypt},
		{"default length", func(r *node) { params(r).remove(1) }, ErrMalformed, nil},
		{"length 12 spelt out", func(r *node) { params(r).at(1).data[0] = 12 }, ErrMalformed, nil},
		{"length 11", func(r *node) { params(r).at(1).data[0] = 11 }, ErrMalformed, nil},
		{"length 17", func(r *node) { params(r).at(1).data[0] = 17 }, ErrMalformed, nil},
		{"length 0", func(r *node) { params(r).at(1).data[0] = 0 }, ErrMalformed, nil},
		{"check value of 0 octets", func(r *node) { r.at(1, 0, 3).data = nil }, ErrMalformed, nil},
		{"check value of 15 octets", func(r *node) { r.at(1, 0, 3).data = r.at(1, 0, 3).data[:15] }, ErrMalformed, nil},
		{"check value cut to the announced 12", func(r *node) {
			params(r).remove(1)
			r.at(1, 0, 3).data = r.at(1, 0, 3).data[:12]
		}, nil, nil}, // GCM: a prefix of the tag is the shorter tag
		{"no encrypted content", func(r *node) { r.at(sealedInfo...).remove(2) }, ErrMalformed, nil},
		{"constructed encrypted content", func(r *node) { r.at(sealedInfo...).children[2] = group(0xa0, octets(5)) }, ErrMalformed, nil},
		{"shorter content", func(r *node) { r.at(sealedInfo...).at(2).data = nil }, nil, ErrDecrypt},
		{"attributes added", func(r *node) {
			r.at(sealedBody...).insert(3, group(0xa1, group(0x30, leaf(0x06, []byte(oidContentType)...), group(0x31, leaf(0x06, sealedOID...)))))
		}, nil, ErrDecrypt},
		{"attributes without content-type", func(r *node) {
			r.at(sealedBody...).insert(3, group(0xa1, group(0x30, leaf(0x06, 0x2a), group(0x31, leaf(0x05)))))
		}, ErrMalformed, nil},
		{"empty attributes", func(r *node) { r.at(sealedBody...).insert(3, group(0xa1)) }, ErrMalformed, nil},
		{"unauthenticated attributes", func(r *node) { r.at(sealedBody...).insert(4, group(0xa2)) }, ErrUnsupported, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := parseNode(t, must(SealTo([]byte("hello"), nil, []*x509.Certificate{a.cert, b.cert}))(t))
			tt.change(root)
			s, err := ParseSealed(root.bytes())
			if !errors.Is(err, tt.parse) || (err != nil) != (s == nil) {
				t.Fatalf("parse: %v, want %v", err, tt.parse)
			}
			if err != nil {
				return
			}
			got, _, err := s.Open(a.cert, a.ecdh(t))
			if !errors.Is(err, tt.open) || (err == nil) != (string(got) == "hello") {
				t.Errorf("open: %q, %v, want %v", got, err, tt.open)
			}
		})
	}
}

// Attributes of a type other than id-data are bound to the content.
func TestSealedAttributes(t *testing.T) {
	kek := KEK{ID: []byte("k")}
	other := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	root := parseNode(t, must(SealWith([]byte("hello"), typeSigned, kek))(t))
	root.at(1, 0, 2, 0).data[8] = 3
	root.at(1, 0, 3, 0, 1, 0).data[8] = 3
	s := must(ParseSealed(root.bytes()))(t)
	if got, typ, err := s.OpenWith(kek); !errors.Is(err, ErrDecrypt) {
		t.Errorf("type changed to %v: %q, %v, %v, want %v", other, got, typ, err, ErrDecrypt)
	}
	root = parseNode(t, must(SealWith([]byte("hello"), typeSigned, kek))(t))
	root.at(1, 0).remove(3)
	if _, err := ParseSealed(root.bytes()); !errors.Is(err, ErrMalformed) {
		t.Errorf("attributes removed: %v, want %v", err, ErrMalformed)
	}
	root.at(1, 0, 2, 0).data = []byte(oidData)
	s = must(ParseSealed(root.bytes()))(t)
	if _, _, err := s.OpenWith(kek); !errors.Is(err, ErrDecrypt) {
		t.Errorf("attributes removed, type id-data: %v, want %v", err, ErrDecrypt)
	}
}

func TestKEKHostile(t *testing.T) {
	kek := KEK{ID: []byte("epoch"), Key: [32]byte{9}}
	recipient := func(r *node) *node { return r.at(sealedKARI...) }
	octets := func(n int) *node { return leaf(0x04, make([]byte, n)...) }
	for _, tt := range []struct {
		name   string
		change func(r *node)
		parse  error // of ParseSealed
		open   error // of OpenWith, if it parses
	}{
		{"nothing", func(*node) {}, nil, nil},
		{"version 3", func(r *node) { recipient(r).at(0).data[0] = 3 }, ErrMalformed, nil},
		{"no identifier", func(r *node) { recipient(r).at(1).children = nil }, ErrMalformed, nil},
		{"identifier of no octets", func(r *node) { recipient(r).at(1).children[0] = octets(0) }, ErrMalformed, nil},
		{"identifier of 64 octets", func(r *node) { recipient(r).at(1).children[0] = octets(MaxKeyID) }, nil, ErrNotRecipient},
		{"identifier of 65 octets", func(r *node) { recipient(r).at(1).children[0] = octets(MaxKeyID + 1) }, ErrMalformed, nil},
		{"identifier with a date", func(r *node) {
			recipient(r).at(1).insert(1, leaf(0x18, []byte("20261120120000Z")...))
		}, ErrMalformed, nil},
		{"triple DES wrap", func(r *node) {
			recipient(r).children[2] = group(0x30, leaf(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x06), leaf(0x05))
		}, nil, ErrUnsupported},
		{"AES-128 wrap", func(r *node) { recipient(r).children[2] = parseNode(t, []byte(algAES128Wrap)) }, nil, ErrUnsupported},
		{"wrapped key of 24 octets", func(r *node) { recipient(r).children[3] = octets(24) }, ErrMalformed, nil},
		{"wrapped key of zeros", func(r *node) { recipient(r).children[3] = octets(40) }, nil, ErrDecrypt},
		{"something behind", func(r *node) { recipient(r).insert(4, leaf(0x05)) }, ErrMalformed, nil},
		{"the same twice, the first one bad", func(r *node) {
			bad := parseNode(t, recipient(r).bytes())
			bad.at(3).data = make([]byte, 40)
			r.at(1, 0, 1).insert(0, bad)
		}, nil, ErrDecrypt},
		{"64 keys", func(r *node) {
			r.at(1, 0, 1).insert(1, slices.Repeat([]*node{recipient(r)}, MaxRecipients-1)...)
		}, nil, nil},
		{"65 keys", func(r *node) {
			r.at(1, 0, 1).insert(1, slices.Repeat([]*node{recipient(r)}, MaxRecipients)...)
		}, ErrTooLarge, nil},
	} {
		root := parseNode(t, must(SealWith([]byte("hello"), nil, kek))(t))
		tt.change(root)
		s, err := ParseSealed(root.bytes())
		if !errors.Is(err, tt.parse) || (err != nil) != (s == nil) {
			t.Errorf("%s: parse: %v, want %v", tt.name, err, tt.parse)
		}
		if s == nil {
			continue
		}
		if got, _, err := s.OpenWith(kek); !errors.Is(err, tt.open) || (err == nil) != (string(got) == "hello") {
			t.Errorf("%s: open: %q, %v, want %v", tt.name, got, err, tt.open)
		}
	}
}
