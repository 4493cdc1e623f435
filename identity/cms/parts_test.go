package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"testing"
)

func TestBare(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	content := []byte("hello")
	for _, attached := range []bool{true, false} {
		full := must(d.signer(d.cert, ca.cert).sign(content, oidData, attached, noon))(t)
		before := bytes.Clone(full)
		bare := must(Bare(full))(t)
		if !bytes.Equal(full, before) {
			t.Error("the object given was changed")
		}
		if want := len(d.cert.Raw) + len(ca.cert.Raw); len(full)-len(bare) < want {
			t.Errorf("%d of %d octets left, want at least %d fewer", len(bare), len(full), want)
		}
		s := must(ParseSigned(bare))(t)
		if len(s.Certificates) != 0 {
			t.Errorf("%d certificates left", len(s.Certificates))
		}
		verify := s.Verify
		if !attached {
			verify = func(c *x509.Certificate) error { return s.VerifyDetached(content, c) }
		}
		if err := verify(d.cert); err != nil {
			t.Error(err)
		}
		if again := must(Bare(bare))(t); !bytes.Equal(again, bare) {
			t.Errorf("a second time: %x, want %x", again, bare)
		}
		whole := parseNode(t, full)
		whole.at(signedBody...).remove(3)
		if !bytes.Equal(bare, whole.bytes()) {
			t.Errorf("%x, want %x", bare, whole.bytes())
		}
	}
}

// Whoever signed: nothing but certificates differs.
func TestBareOfOpenSSL(t *testing.T) {
	content := readVector(t, "content")
	for _, file := range []string{"p256-opaque.der", "p256-detached.der", "rsa-opaque.der", "rsa-detached.der"} {
		s := must(ParseSigned(must(Bare(readVector(t, file)))(t)))(t)
		cert := vectorCert(t, "p256.crt")
		if file[0] == 'r' {
			cert = vectorCert(t, "rsa.crt")
		}
		err := s.Verify(cert)
		if s.Content == nil {
			err = s.VerifyDetached(content, cert)
		}
		if err != nil || len(s.Certificates) != 0 {
			t.Errorf("%s: %v, %d certificates", file, err, len(s.Certificates))
		}
	}
}

func TestDetach(t *testing.T) {
	d := newAuthority(t).device(t, 2, x509.KeyUsageDigitalSignature)
	for _, typ := range []asn1.ObjectIdentifier{nil, {2, 999, 5}} {
		for _, text := range []string{"", "hello"} {
			opaque := must(Sign([]byte(text), typ, d.signer(d.cert), noon))(t)
			content, detached, err := Detach(opaque)
			if err != nil || string(content) != text {
				t.Fatalf("%q, %v, want %q", content, err, text)
			}
			s := must(ParseSigned(detached))(t)
			if err := s.VerifyDetached(content, d.cert); err != nil || len(s.Certificates) != 1 {
				t.Errorf("%v, %d certificates", err, len(s.Certificates))
			}
			if content, again, err := Detach(detached); !errors.Is(err, ErrUnsupported) || content != nil || again != nil {
				t.Errorf("a second time: %v, want %v", err, ErrUnsupported)
			}
		}
	}
}

func TestPartsHostile(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	der := must(Sign([]byte("hello"), nil, d.signer(d.cert), noon))(t)
	check := func(name string, der []byte, want error) {
		t.Helper()
		if bare, err := Bare(der); !errors.Is(err, want) || bare != nil {
			t.Errorf("bare, %s: %v, want %v", name, err, want)
		}
		if content, detached, err := Detach(der); !errors.Is(err, want) || content != nil || detached != nil {
			t.Errorf("detach, %s: %v, want %v", name, err, want)
		}
	}
	for n := range der {
		check("truncated", der[:n], ErrMalformed)
	}
	check("too large", make([]byte, MaxSize+1), ErrTooLarge)
	check("sealed", must(SealWith(nil, nil, KEK{ID: []byte{1}}))(t), ErrUnsupported)
	root := parseNode(t, der)
	root.at(signedBody...).insert(4, group(0xa1))
	check("revocation lists", root.bytes(), ErrUnsupported)
	root = parseNode(t, der)
	root.at(signedBody...).insert(5, leaf(0x05))
	check("something after the signers", root.bytes(), ErrMalformed)
}

func TestSignerKeyID(t *testing.T) {
	for file, want := range map[string][]byte{
		"p256-opaque.der":   vectorCert(t, "p256.crt").SubjectKeyId,
		"p256-detached.der": nil, // by issuer and serial number
	} {
		if got := must(ParseSigned(readVector(t, file)))(t).SignerKeyID(); !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %x, want %x", file, got, want)
		}
	}
}
