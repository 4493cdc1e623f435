package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
)

// Positions in a SignedData of ours, attached, without certificates.
var (
	signedBody   = []int{1, 0}           // SignedData
	signedInfo   = []int{1, 0, -1, 0}    // SignerInfo
	signedAttrsN = []int{1, 0, -1, 0, 3} // signedAttrs
)

func TestSignedTruncated(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	der := must(Sign([]byte("hello"), nil, d.signer(d.cert), noon))(t)
	for n := range der {
		if s, err := ParseSigned(der[:n]); !errors.Is(err, ErrMalformed) || s != nil {
			t.Errorf("first %d octets: %v, want %v", n, err, ErrMalformed)
		}
	}
	if s, err := ParseSigned(append(der, 0)); !errors.Is(err, ErrMalformed) || s != nil {
		t.Errorf("one octet more: %v, want %v", err, ErrMalformed)
	}
}

func TestSignedBitFlips(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	content := []byte("hello")
	for _, attached := range []bool{true, false} {
		der := must(d.signer().sign(content, oidData, attached, noon))(t)
		for i := range der {
			for bit := range 8 {
				bad := slices.Clone(der)
				bad[i] ^= 1 << bit
				s, err := ParseSigned(bad)
				if err != nil {
					continue
				}
				if s.Verify(d.cert) == nil || s.VerifyDetached(content, d.cert) == nil {
					t.Errorf("attached %v: verifies with bit %d of octet %d flipped", attached, bit, i)
				}
			}
		}
	}
}

// A flip inside a certificate that comes along is not the signature's to find,
// but it changes nothing that the signature says.
func TestSignedBitFlipsBesideCertificates(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	der := must(Sign([]byte("hello"), nil, d.signer(d.cert), noon))(t)
	start := bytes.Index(der, d.cert.Raw)
	for i := range der {
		bad := slices.Clone(der)
		bad[i] ^= 1
		s, err := ParseSigned(bad)
		if err != nil || s.Verify(d.cert) != nil {
			continue
		}
		if i < start || i >= start+len(d.cert.Raw) {
			t.Errorf("verifies with octet %d flipped", i)
		}
		if string(s.Content) != "hello" || !s.SigningTime.Equal(noon) {
			t.Errorf("octet %d flipped: content %q, time %v", i, s.Content, s.SigningTime)
		}
	}
}

// resign replaces the signature by a good one over the attributes as they are.
func resign(t testing.TB, root *node, key *ecdsa.PrivateKey) {
	t.Helper()
	signed := root.at(signedAttrsN...).bytes()
	signed[0] = 0x31
	sum := sha256.Sum256(signed)
	info := root.at(signedInfo...)
	info.at(5).data = must(ecdsa.SignASN1(rand.Reader, key, sum[:]))(t)
}

func TestSignedHostile(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	oid := func(s string) *node { return leaf(0x06, []byte(s)...) }
	attrs := func(root *node) *node { return root.at(signedAttrsN...) }
	for _, tt := range []struct {
		name   string
		change func(root *node)
		want   error // of ParseSigned, after a new and good signature
	}{
		{"nothing", func(*node) {}, nil},
		{"other content type outside", func(r *node) { r.at(0).data[8] = 3 }, ErrUnsupported},
		{"wrong version for the type", func(r *node) { r.at(1, 0, 0).data[0] = 1 }, ErrMalformed},
		{"version 4", func(r *node) { r.at(1, 0, 0).data[0] = 4 }, ErrMalformed},
		{"version 5", func(r *node) { r.at(1, 0, 0).data[0] = 5 }, ErrMalformed},
		{"no digest algorithm", func(r *node) { r.at(1, 0, 1).children = nil }, ErrMalformed},
		{"another digest algorithm", func(r *node) { r.at(1, 0, 1, 0, 0).data[8] = 3 }, ErrMalformed},
		{"two digest algorithms", func(r *node) { r.at(1, 0, 1).insert(0, r.at(1, 0, 1, 0)) }, ErrMalformed},
		{"empty content type", func(r *node) { r.at(1, 0, 2, 0).data = nil }, ErrMalformed},
		{"content type swapped", func(r *node) { r.at(1, 0, 2, 0).data[8] = 2 }, ErrMalformed},
		{"two contents", func(r *node) { r.at(1, 0, 2, 1).insert(0, leaf(0x04, 'x')) }, ErrMalformed},
		{"constructed content", func(r *node) {
			r.at(1, 0, 2, 1).children[0] = group(0x24, leaf(0x04, 'h', 'e'), leaf(0x04, 'l', 'l', 'o'))
		}, ErrMalformed},
		{"revocation lists", func(r *node) { r.at(signedBody...).insert(3, group(0xa1)) }, ErrUnsupported},
		{"attribute certificate", func(r *node) { r.at(signedBody...).insert(3, group(0xa0, group(0xa2))) }, ErrUnsupported},
		{"no certificate", func(r *node) { r.at(signedBody...).insert(3, group(0xa0, group(0x30))) }, ErrMalformed},
		{"17 certificates", func(r *node) {
			c := parseNode(t, d.cert.Raw)
			r.at(signedBody...).insert(3, group(0xa0, slices.Repeat([]*node{c}, MaxCertificates+1)...))
		}, ErrTooLarge},
		{"two signers", func(r *node) { r.at(1, 0, 3).insert(0, r.at(signedInfo...)) }, ErrUnsupported},
		{"signer info of version 1", func(r *node) { r.at(signedInfo...).at(0).data[0] = 1 }, ErrMalformed},
		{"empty key identifier", func(r *node) { r.at(signedInfo...).at(1).data = nil }, ErrMalformed},
		{"long key identifier", func(r *node) { r.at(signedInfo...).at(1).data = make([]byte, MaxKeyID+1) }, ErrMalformed},
		{"unsigned attributes", func(r *node) {
			r.at(signedInfo...).insert(6, group(0xa1, group(0x30, oid(oidContentType), group(0x31, oid(oidData)))))
		}, ErrUnsupported},
		{"something after the signature", func(r *node) { r.at(signedInfo...).insert(6, leaf(0x05)) }, ErrMalformed},
		{"ECDSA with parameters", func(r *node) { r.at(signedInfo...).at(4).insert(1, leaf(0x05)) }, ErrUnsupported},
		{"ECDSA with SHA-512", func(r *node) { r.at(signedInfo...).at(4, 0).data[7] = 4 }, ErrUnsupported},
		{"Ed25519 with SHA-256", func(r *node) {
			r.at(signedInfo...).children[4] = parseNode(t, []byte(algEd25519))
		}, ErrUnsupported},
		{"no attribute", func(r *node) { attrs(r).children = nil }, ErrMalformed},
		{"attributes reordered", func(r *node) { slices.Reverse(attrs(r).children) }, ErrMalformed},
		{"attribute twice", func(r *node) { attrs(r).insert(0, attrs(r).at(0)) }, ErrMalformed},
		{"type twice, other value", func(r *node) {
			attrs(r).insert(3, group(0x30, oid(oidMessageDigest), group(0x31, leaf(0x04, bytes.Repeat([]byte{255}, 32)...))))
		}, ErrMalformed},
		{"no content-type", func(r *node) { attrs(r).remove(0) }, ErrMalformed},
		{"no message-digest", func(r *node) { attrs(r).remove(2) }, ErrMalformed},
		{"no signing-time", func(r *node) { attrs(r).remove(1) }, nil},
		{"content-type of another type", func(r *node) { attrs(r).at(0, 1, 0).data[8] = 2 }, ErrMalformed},
		{"content-type without value", func(r *node) { attrs(r).at(0, 1).children = nil }, ErrMalformed},
		{"message-digest with two values", func(r *node) { attrs(r).at(2, 1).insert(0, leaf(0x04, 'x')) }, ErrMalformed},
		{"short message-digest", func(r *node) { attrs(r).at(2, 1, 0).data = attrs(r).at(2, 1, 0).data[:31] }, ErrMalformed},
		{"time without seconds", func(r *node) { attrs(r).at(1, 1, 0).data = []byte("2611201200Z") }, ErrMalformed},
		{"time with an offset", func(r *node) { attrs(r).at(1, 1, 0).data = []byte("2611201200+01") }, ErrMalformed},
		{"time that does not exist", func(r *node) { attrs(r).at(1, 1, 0).data = []byte("260230120000Z") }, ErrMalformed},
		{"generalized time in 2026", func(r *node) {
			attrs(r).at(1, 1).children[0] = leaf(0x18, []byte("20261120120000Z")...)
		}, ErrMalformed},
		{"16 attributes", func(r *node) {
			for i := range byte(MaxAttributes - 3) {
				attrs(r).insert(int(i), group(0x30, leaf(0x06, 0x2a, i), group(0x31, leaf(0x05))))
			}
		}, nil},
		{"17 attributes", func(r *node) {
			for i := range byte(MaxAttributes - 2) {
				attrs(r).insert(int(i), group(0x30, leaf(0x06, 0x2a, i), group(0x31, leaf(0x05))))
			}
		}, ErrTooLarge},
		{"unknown attribute without value", func(r *node) {
			attrs(r).insert(0, group(0x30, leaf(0x06, 0x2a), group(0x31)))
		}, ErrMalformed},
		{"unknown attribute", func(r *node) {
			attrs(r).insert(0, group(0x30, leaf(0x06, 0x2a), group(0x31, leaf(0x05))))
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := parseNode(t, must(Sign([]byte("hello"), nil, d.signer(), noon))(t))
			tt.change(root)
			if root.at(signedInfo...).children[3].tag == 0xa0 && len(root.at(signedInfo...).children) > 5 {
				resign(t, root, d.key)
			}
			s, err := ParseSigned(root.bytes())
			if tt.want != nil {
				if !errors.Is(err, tt.want) || s != nil {
					t.Errorf("%v, want %v", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(d.cert); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	other := ca.device(t, 3, x509.KeyUsageDigitalSignature)
	der := must(Sign([]byte("hello"), nil, d.signer(), noon))(t)

	s := must(ParseSigned(der))(t)
	if err := s.Verify(other.cert); !errors.Is(err, ErrSigner) {
		t.Errorf("certificate of another: %v, want %v", err, ErrSigner)
	}
	posing := *other.cert
	posing.SubjectKeyId = d.cert.SubjectKeyId
	if err := s.Verify(&posing); !errors.Is(err, ErrSignature) {
		t.Errorf("another key by the same name: %v, want %v", err, ErrSignature)
	}
	posing = *ca.cert
	posing.SubjectKeyId, posing.KeyUsage = d.cert.SubjectKeyId, 0
	if err := s.Verify(&posing); !errors.Is(err, ErrUnsupported) {
		t.Errorf("another kind of key by the same name: %v, want %v", err, ErrUnsupported)
	}
	sealing := *d.cert
	sealing.KeyUsage = x509.KeyUsageKeyAgreement
	if err := s.Verify(&sealing); !errors.Is(err, ErrSigner) {
		t.Errorf("certificate for sealing: %v, want %v", err, ErrSigner)
	}

	for _, content := range []string{"", "hullo", "hello "} {
		root := parseNode(t, der)
		root.at(1, 0, 2, 1, 0).data = []byte(content)
		s := must(ParseSigned(root.bytes()))(t)
		if err := s.Verify(d.cert); !errors.Is(err, ErrSignature) {
			t.Errorf("content swapped for %q: %v, want %v", content, err, ErrSignature)
		}
	}
	root := parseNode(t, der)
	root.at(signedInfo...).at(5).data = nil
	s = must(ParseSigned(root.bytes()))(t)
	if err := s.Verify(d.cert); !errors.Is(err, ErrSignature) {
		t.Errorf("empty signature: %v, want %v", err, ErrSignature)
	}
}

// Encodings that are BER but not DER, and lengths that lie.
func TestNotDER(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	kek := KEK{ID: []byte("k")}
	signed := must(Sign([]byte("hello"), nil, d.signer(), noon))(t)
	sealed := must(SealWith([]byte("hello"), nil, kek))(t)
	for _, tt := range []struct {
		name   string
		change func(der []byte) []byte
	}{
		{"indefinite length", func(der []byte) []byte {
			header := len(der) - len(parseNode(t, der).children[0].bytes()) - len(parseNode(t, der).children[1].bytes())
			return slices.Concat([]byte{0x30, 0x80}, der[header:], []byte{0, 0})
		}},
		{"length in more octets than needed", func(der []byte) []byte {
			root := parseNode(t, der)
			body := slices.Concat(root.children[0].bytes(), root.children[1].bytes())
			return slices.Concat([]byte{0x30, 0x83, 0, byte(len(body) >> 8), byte(len(body))}, body)
		}},
		{"long form for a short length", func(der []byte) []byte {
			return bytes.Replace(der, []byte{0x06, 0x09}, []byte{0x06, 0x81, 0x09}, 1)
		}},
		{"length of 2^32-1", func(der []byte) []byte { return slices.Concat([]byte{0x30, 0x84, 255, 255, 255, 255}, der[4:]) }},
		{"length of 2^64-1", func(der []byte) []byte {
			return slices.Concat([]byte{0x30, 0x88}, bytes.Repeat([]byte{255}, 8), der[4:])
		}},
		{"length of 2^31", func(der []byte) []byte { return slices.Concat([]byte{0x30, 0x84, 0x80, 0, 0, 0}, der[4:]) }},
		{"high tag number", func(der []byte) []byte { return slices.Concat([]byte{0x3f}, der[1:]) }},
		{"nothing", func([]byte) []byte { return nil }},
		{"zeros", func(der []byte) []byte { return make([]byte, len(der)) }},
		{"ones", func(der []byte) []byte { return bytes.Repeat([]byte{255}, len(der)) }},
		{"trailing garbage", func(der []byte) []byte { return append(slices.Clone(der), "garbage"...) }},
		{"itself again", func(der []byte) []byte { return slices.Concat(der, der) }},
		{"trailing garbage inside", func(der []byte) []byte {
			root := parseNode(t, der)
			root.insert(2, leaf(0x05))
			return root.bytes()
		}},
		{"trailing garbage at the end of the structure", func(der []byte) []byte {
			root := parseNode(t, der)
			body := root.at(1, 0)
			body.insert(len(body.children), leaf(0x05))
			return root.bytes()
		}},
		{"negative version", func(der []byte) []byte {
			root := parseNode(t, der)
			root.at(1, 0, 0).data = []byte{255}
			return root.bytes()
		}},
		{"huge version", func(der []byte) []byte {
			root := parseNode(t, der)
			root.at(1, 0, 0).data = bytes.Repeat([]byte{1}, 100)
			return root.bytes()
		}},
		{"version with a leading zero", func(der []byte) []byte {
			root := parseNode(t, der)
			root.at(1, 0, 0).data = append([]byte{0}, root.at(1, 0, 0).data...)
			return root.bytes()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := ParseSigned(tt.change(signed)); !errors.Is(err, ErrMalformed) || s != nil {
				t.Errorf("signed: %v, want %v", err, ErrMalformed)
			}
			if s, err := ParseSealed(tt.change(sealed)); !errors.Is(err, ErrMalformed) || s != nil {
				t.Errorf("sealed: %v, want %v", err, ErrMalformed)
			}
		})
	}
	if _, err := ParseSigned(sealed); !errors.Is(err, ErrUnsupported) {
		t.Errorf("sealed read as signed: %v, want %v", err, ErrUnsupported)
	}
	if _, err := ParseSealed(signed); !errors.Is(err, ErrUnsupported) {
		t.Errorf("signed read as sealed: %v, want %v", err, ErrUnsupported)
	}
}
