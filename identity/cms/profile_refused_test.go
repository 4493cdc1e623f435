package cms

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
)

// alteration makes a bad object of a good one.
type alteration struct {
	name, err string
	change    func(r *node)
	resign    bool // with a good signature over what came out
}

// signedAlterations are of an opaque object of ours without certificates.
func signedAlterations() []alteration {
	attrs := func(r *node) *node { return r.at(signedAttrsN...) }
	return []alteration{
		{"no signed attributes", "unsupported", func(r *node) { r.at(signedInfo...).remove(3) }, false},
		{"no attribute", "malformed", func(r *node) { attrs(r).children = nil }, true},
		{"attributes not in DER order", "malformed", func(r *node) { slices.Reverse(attrs(r).children) }, true},
		{"no content-type attribute", "malformed", func(r *node) { attrs(r).remove(0) }, true},
		{"no message-digest attribute", "malformed", func(r *node) { attrs(r).remove(2) }, true},
		{"content-type attribute of another type", "malformed", func(r *node) { attrs(r).at(0, 1, 0).data[8] = 2 }, true},
		{"message-digest attribute twice, two values", "malformed", func(r *node) {
			attrs(r).insert(3, group(0x30, leaf(0x06, []byte(oidMessageDigest)...), group(0x31, leaf(0x04, bytes.Repeat([]byte{255}, 32)...))))
		}, true},
		{"message-digest attribute with two values", "malformed", func(r *node) { attrs(r).at(2, 1).insert(0, leaf(0x04, 'x')) }, true},
		{"unsigned attributes", "unsupported", func(r *node) {
			r.at(signedInfo...).insert(6, group(0xa1, group(0x30, leaf(0x06, []byte(oidContentType)...), group(0x31, leaf(0x06, []byte(oidData)...)))))
		}, false},
		{"two signers", "unsupported", func(r *node) { r.at(1, 0, 3).insert(0, r.at(signedInfo...)) }, false},
		{"no signer", "unsupported", func(r *node) { r.at(1, 0, 3).children = nil }, false},
		{"two digest algorithms", "malformed", func(r *node) { r.at(1, 0, 1).insert(0, r.at(1, 0, 1, 0)) }, false},
		{"revocation lists", "unsupported", func(r *node) { r.at(signedBody...).insert(3, group(0xa1)) }, false},
		{"version 1 with a key identifier", "malformed", func(r *node) { r.at(signedInfo...).at(0).data[0] = 1 }, false},
		{"ECDSA with SHA-512", "unsupported", func(r *node) { r.at(signedInfo...).at(4, 0).data[7] = 4 }, false},
		{"ECDSA with parameters", "unsupported", func(r *node) { r.at(signedInfo...).at(4).insert(1, leaf(0x05)) }, false},
		{"constructed content", "malformed", func(r *node) {
			r.at(1, 0, 2, 1).children[0] = group(0x24, leaf(0x04, 'h', 'e'), leaf(0x04, 'l', 'l', 'o'))
		}, false},
		{"content altered", "signature", func(r *node) { r.at(1, 0, 2, 1, 0).data = []byte("hullo") }, false},
		{"signing time altered", "signature", func(r *node) { attrs(r).at(1, 1, 0).data[0] ^= 1 }, false},
		{"signed by another key", "signer", func(r *node) { r.at(signedInfo...).at(1).data[0] ^= 1 }, false},
	}
}

// sealedAlterations are of an object of ours to two recipients, the first of
// whom opens it.
func sealedAlterations() []alteration {
	kari := func(r *node) *node { return r.at(sealedKARI...) }
	params := func(r *node) *node { return r.at(sealedInfo...).at(1, 1) }
	point := func(r *node) *node { return r.at(sealedPoint...).at(1) }
	return []alteration{
		{"version 1", "malformed", func(r *node) { r.at(1, 0, 0).data[0] = 1 }, false},
		{"originator information", "unsupported", func(r *node) { r.at(sealedBody...).insert(1, group(0xa0)) }, false},
		{"unauthenticated attributes", "unsupported", func(r *node) { r.at(sealedBody...).insert(4, group(0xa2)) }, false},
		{"type without authenticated attributes", "malformed", func(r *node) { r.at(sealedInfo...).at(0).data = []byte(oidSignedData) }, false},
		{"key derivation with SHA-1", "unsupported", func(r *node) { kari(r).at(2, 0).data = []byte(oidStdDHSHA1) }, false},
		{"triple DES key wrap", "unsupported", func(r *node) {
			kari(r).at(2).children[1] = group(0x30, leaf(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x06), leaf(0x05))
		}, false},
		{"triple DES", "unsupported", func(r *node) {
			r.at(sealedInfo...).children[1] = group(0x30, leaf(0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07), leaf(0x04, make([]byte, 8)...))
		}, false},
		{"AES-256-CBC", "unsupported", func(r *node) { r.at(sealedInfo...).at(1, 0).data[8] = 42 }, false},
		{"nonce of 16 octets", "unsupported", func(r *node) { params(r).at(0).data = make([]byte, 16) }, false},
		{"length 12 of the integrity check value spelt out", "malformed", func(r *node) { params(r).at(1).data[0] = 12 }, false},
		{"length 17 of the integrity check value", "malformed", func(r *node) { params(r).at(1).data[0] = 17 }, false},
		{"integrity check value shorter than announced", "malformed", func(r *node) { r.at(1, 0, 3).data = r.at(1, 0, 3).data[:15] }, false},
		{"originator named by certificate", "unsupported", func(r *node) { kari(r).at(1).children[0] = leaf(0x80, 1) }, false},
		{"key identifier with a date", "malformed", func(r *node) {
			r.at(sealedKeys...).at(0, 0).insert(1, leaf(0x18, []byte("20261120120000Z")...))
		}, false},
		{"wrapped key of 24 octets", "malformed", func(r *node) { r.at(sealedKeys...).at(0, 1).data = make([]byte, 24) }, false},
		{"point not on the curve", "decrypt", func(r *node) { point(r).data[65] ^= 1 }, false},
		{"point at infinity", "decrypt", func(r *node) { point(r).data = []byte{0, 0} }, false},
		{"compressed point", "decrypt", func(r *node) {
			point(r).data = slices.Concat([]byte{0, 2 | point(r).data[65]&1}, point(r).data[2:34])
		}, false},
		{"integrity check value altered", "decrypt", func(r *node) { r.at(1, 0, 3).data[0] ^= 1 }, false},
		{"content altered", "decrypt", func(r *node) { r.at(sealedInfo...).at(2).data[0] ^= 1 }, false},
		{"wrapped keys swapped", "decrypt", func(r *node) {
			k := r.at(sealedKeys...)
			k.at(0).children[1], k.at(1).children[1] = k.at(1).children[1], k.at(0).children[1]
		}, false},
		{"first recipient taken away", "not a recipient", func(r *node) { r.at(sealedKeys...).remove(0) }, false},
	}
}

// ber are encodings that are no DER.
func ber(t testing.TB, der []byte) map[string][]byte {
	t.Helper()
	root := parseNode(t, der)
	body := slices.Concat(root.at(0).bytes(), root.at(1).bytes())
	return map[string][]byte{
		"indefinite length":     slices.Concat([]byte{0x30, 0x80}, body, []byte{0, 0}),
		"an octet behind":       append(bytes.Clone(der), 0),
		"length not minimal":    slices.Concat([]byte{0x30, 0x83, 0, byte(len(body) >> 8), byte(len(body))}, body),
		"the last octet absent": der[:len(der)-1],
	}
}

func TestUpdateRefused(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	ca := newAuthority(t)
	d, first, second := ca.device(t, 2, x509.KeyUsageDigitalSignature), ca.device(t, 3, x509.KeyUsageKeyAgreement), ca.device(t, 4, x509.KeyUsageKeyAgreement)
	signed := must(Sign([]byte("hello"), nil, d.signer(), noon))(t)
	sealed := must(SealTo(bytes.Repeat([]byte("hello "), 30), nil, []*x509.Certificate{first.cert, second.cert}))(t)
	private := must(x509.MarshalPKCS8PrivateKey(first.key))(t)
	var all []objectVector
	addSigned := func(name, err string, der []byte) {
		all = append(all, objectVector{Name: "signed: " + name, Kind: "signed", Certificate: d.cert.Raw, Error: err, Object: der})
	}
	addSealed := func(name, err string, der []byte) {
		all = append(all, objectVector{Name: "sealed: " + name, Kind: "sealed", Certificate: first.cert.Raw, Key: private, Error: err, Object: der})
	}
	forged, _, _ := confuse(t, signed)
	addSigned("attributes passed off as content", "unsupported", forged)
	for _, a := range signedAlterations() {
		root := parseNode(t, bytes.Clone(signed))
		a.change(root)
		if a.resign {
			resign(t, root, d.key)
		}
		addSigned(a.name, a.err, root.bytes())
	}
	for _, a := range sealedAlterations() {
		root := parseNode(t, bytes.Clone(sealed))
		a.change(root)
		addSealed(a.name, a.err, root.bytes())
	}
	for name, der := range ber(t, signed) {
		addSigned(name, "malformed", der)
	}
	for name, der := range ber(t, sealed) {
		addSealed(name, "malformed", der)
	}
	addSigned("a sealed object", "unsupported", sealed)
	addSealed("a signed object", "unsupported", signed)
	slices.SortStableFunc(all, func(a, b objectVector) int { return strings.Compare(a.Kind, b.Kind) })
	writeProfile(t, "refused.json", all)
}
