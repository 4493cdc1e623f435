package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
)

// confuse makes the forgery: the attributes of an honest signature, presented as
// the content of a signature without attributes, bear that very signature.
// Whoever accepts both forms accepts content that nobody signed.
func confuse(t testing.TB, der []byte) (forged, content, signature []byte) {
	t.Helper()
	root := parseNode(t, der)
	info := root.at(1, 0, -1, 0)
	content = info.at(3).bytes()
	content[0] = 0x31
	info.remove(3)
	encap := root.at(1, 0, 2)
	encap.children = append(encap.children[:1:1], group(0xa0, leaf(0x04, content...)))
	return root.bytes(), content, info.at(4).data
}

// verifies reports whether the signature alone, without CMS, is good.
func verifies(pub crypto.PublicKey, content, signature []byte) bool {
	sum := sha256.Sum256(content)
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(pub, content, signature)
	}
	return false
}

func TestAttributeConfusion(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards := ca.leaf(t, 3, key.Public(), x509.KeyUsageDigitalSignature)
	p256, rsaCert := vectorCert(t, "p256.crt"), vectorCert(t, "rsa.crt")
	for _, tt := range []struct {
		name string
		der  []byte
		cert *x509.Certificate
	}{
		{"our own", must(Sign([]byte("hello"), nil, d.signer(), noon))(t), d.cert},
		{"our own, detached", must(SignDetached([]byte("hello"), d.signer(), noon))(t), d.cert},
		{"our own, other type", must(Sign([]byte("hello"), typeSigned, d.signer(), noon))(t), d.cert},
		{"Ed25519", signEd25519(t, []byte("hello"), edwards, key).bytes(), edwards},
		{"openssl, P-256", readVector(t, "p256-opaque.der"), p256},
		{"openssl, P-256, detached", readVector(t, "p256-detached.der"), p256},
		{"openssl, RSA", readVector(t, "rsa-opaque.der"), rsaCert},
	} {
		forged, content, signature := confuse(t, tt.der)
		if !verifies(tt.cert.PublicKey, content, signature) {
			t.Errorf("%s: the forgery is not a good one", tt.name)
		}
		if s, err := ParseSigned(forged); !errors.Is(err, ErrUnsupported) || s != nil {
			t.Errorf("%s: %v, want %v", tt.name, err, ErrUnsupported)
		}
		// With an empty set of attributes, or those of somebody else's choice.
		for _, attrs := range []*node{group(0xa0), group(0xa0, group(0x30, leaf(0x06, 0x2a), group(0x31, leaf(0x05))))} {
			root := parseNode(t, forged)
			root.at(1, 0, -1, 0).insert(3, attrs)
			if s, err := ParseSigned(root.bytes()); !errors.Is(err, ErrMalformed) || s != nil {
				t.Errorf("%s, with other attributes: %v, want %v", tt.name, err, ErrMalformed)
			}
		}
	}
}

// That the forgery is dangerous shows in a verifier that knows both forms.
func TestOpenSSLAcceptsConfusion(t *testing.T) {
	o := newOpenSSL(t)
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	o.writeCert("ca", ca.cert, nil)
	o.writeCert("d", d.cert, d.key)
	o.write("content", []byte("hello"))
	theirs := o.must("cms", "-sign", "-nodetach", "-md", "sha256", "-binary", "-in", "content", "-outform", "DER",
		"-signer", "d.pem", "-inkey", "d.key")
	for name, der := range map[string][]byte{"openssl": theirs, "ours": must(Sign([]byte("hello"), nil, d.signer(d.cert), noon))(t)} {
		forged, content, _ := confuse(t, der)
		o.write("forged.der", forged)
		got, err := o.run("cms", "-verify", "-binary", "-inform", "DER", "-in", "forged.der", "-CAfile", "ca.pem", "-purpose", "any")
		if err != nil || !bytes.Equal(got, content) {
			t.Logf("signed by %s: this openssl refuses the forgery", name)
		}
		if s, err := ParseSigned(forged); !errors.Is(err, ErrUnsupported) || s != nil {
			t.Errorf("signed by %s: %v, want %v", name, err, ErrUnsupported)
		}
	}
}

// The twin of an ECDSA signature, with n - s for s, is as good and cannot be
// refused, as other writers do not choose the smaller one: nothing may rest on
// the octets of a signature.
func TestSignatureTwin(t *testing.T) {
	d := newAuthority(t).device(t, 2, x509.KeyUsageDigitalSignature)
	root := parseNode(t, must(Sign([]byte("hello"), nil, d.signer(), noon))(t))
	signature := parseNode(t, root.at(signedInfo...).at(5).data)
	s := new(big.Int).SetBytes(signature.at(1).data)
	s.Sub(elliptic.P256().Params().N, s)
	signature.at(1).data = s.FillBytes(make([]byte, 33))
	for len(signature.at(1).data) > 1 && signature.at(1).data[0] == 0 && signature.at(1).data[1] < 0x80 {
		signature.at(1).data = signature.at(1).data[1:]
	}
	root.at(signedInfo...).at(5).data = signature.bytes()
	if err := must(ParseSigned(root.bytes()))(t).Verify(d.cert); err != nil {
		t.Error(err)
	}
}
