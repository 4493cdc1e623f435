package cms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"testing"
)

// A message/cpim part (RFC 3862) in canonical form.
const cpimPart = "Content-Type: message/cpim\r\n\r\n" +
	"From: <im:alice@example.com>\r\nTo: <im:bob@example.com>\r\nDateTime: 2026-11-20T12:00:00Z\r\n\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße, Bob.\r\n"

func TestOpenSSLVerifiesOurs(t *testing.T) {
	o := newOpenSSL(t)
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	o.writeCert("ca", ca.cert, nil)
	o.writeCert("device", d.cert, nil)
	content := []byte(cpimPart)
	o.write("content", content)
	trust := []string{"-CAfile", "ca.pem", "-purpose", "any"}
	verify := func(args ...string) []byte {
		t.Helper()
		return o.must(append(append([]string{"cms", "-verify"}, args...), trust...)...)
	}
	check := func(name string, got []byte) {
		t.Helper()
		if !bytes.Equal(got, content) {
			t.Errorf("%s: openssl shows %q, want %q", name, got, content)
		}
	}

	o.write("opaque.der", must(Sign(content, nil, d.signer(d.cert), noon))(t))
	check("opaque", verify("-binary", "-inform", "DER", "-in", "opaque.der"))

	o.write("typed.der", must(Sign(content, asn1.ObjectIdentifier{1, 2, 3, 4}, d.signer(d.cert, ca.cert), noon))(t))
	check("other type", verify("-binary", "-inform", "DER", "-in", "typed.der"))

	o.write("cut.der", must(Bare(must(Sign(content, nil, d.signer(d.cert), noon))(t)))(t))
	check("certificate cut away", verify("-binary", "-inform", "DER", "-in", "cut.der", "-certfile", "device.pem"))

	_, taken, err := Detach(must(Sign(content, nil, d.signer(d.cert), noon))(t))
	if err != nil {
		t.Fatal(err)
	}
	o.write("taken.der", taken)
	check("content taken out", verify("-binary", "-inform", "DER", "-in", "taken.der", "-content", "content"))

	o.write("bare.der", must(Sign(content, nil, d.signer(), noon))(t))
	check("without certificate", verify("-binary", "-inform", "DER", "-in", "bare.der", "-certfile", "device.pem"))

	detached := must(SignDetached(content, d.signer(d.cert), noon))(t)
	o.write("detached.der", detached)
	check("detached", verify("-binary", "-inform", "DER", "-in", "detached.der", "-content", "content"))

	var mail bytes.Buffer
	mail.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\";" +
		" micalg=sha-256; boundary=b1\r\n\r\n--b1\r\n")
	mail.Write(content)
	mail.WriteString("\r\n--b1\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n")
	for text := base64.StdEncoding.EncodeToString(detached); text != ""; {
		n := min(len(text), 64)
		mail.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	mail.WriteString("--b1--\r\n")
	o.write("signed.eml", mail.Bytes())
	check("multipart/signed", verify("-inform", "SMIME", "-in", "signed.eml"))
	o.write("forged.eml", bytes.Replace(mail.Bytes(), []byte("Bob."), []byte("Eve."), 1))
	if out, err := o.run(append([]string{"cms", "-verify", "-inform", "SMIME", "-in", "forged.eml"}, trust...)...); err == nil {
		t.Errorf("openssl verifies the forgery: %q", out)
	}
}

// R3859-4-baseline-algorithms, R3860-4-baseline-algorithms: ECDSA P-256 and RSA
// PKCS #1 v1.5 with SHA-256 and SHA-512 verify; SHA-1 is refused.
func TestOpenSSLSignsForUs(t *testing.T) {
	o := newOpenSSL(t)
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	other := ca.device(t, 3, x509.KeyUsageDigitalSignature)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	rsaCert := ca.leaf(t, 4, rsaKey.Public(), x509.KeyUsageDigitalSignature)
	o.writeCert("ca", ca.cert, nil)
	o.writeCert("p256", d.cert, d.key)
	o.writeCert("rsa", rsaCert, rsaKey)
	content := []byte(cpimPart)
	o.write("content", content)
	for _, tt := range []struct {
		name, digest string
		cert         *x509.Certificate
	}{{"p256", "sha256", d.cert}, {"rsa", "sha256", rsaCert}, {"rsa", "sha512", rsaCert}} {
		for _, form := range [][]string{{}, {"-keyid"}, {"-nocerts"}, {"-nosmimecap"}, {"-certfile", "ca.pem"}} {
			sign := append([]string{"cms", "-sign", "-md", tt.digest, "-binary", "-in", "content", "-outform", "DER",
				"-signer", tt.name + ".pem", "-inkey", tt.name + ".key"}, form...)
			label := fmt.Sprintf("%s %s %q", tt.name, tt.digest, form)

			s := must(ParseSigned(o.must(append(sign, "-nodetach")...)))(t)
			if err := s.Verify(tt.cert); err != nil {
				t.Errorf("%s: %v", label, err)
			}
			if !bytes.Equal(s.Content, content) || s.SigningTime.IsZero() || !s.Type.Equal(typeData) {
				t.Errorf("%s: content %q, time %v, type %v", label, s.Content, s.SigningTime, s.Type)
			}
			if s.SignedBy(other.cert) || s.Verify(other.cert) == nil {
				t.Errorf("%s: verifies with another certificate", label)
			}

			s = must(ParseSigned(o.must(sign...)))(t)
			if err := s.VerifyDetached(content, tt.cert); err != nil {
				t.Errorf("%s, detached: %v", label, err)
			}
			if err := s.VerifyDetached(content[1:], tt.cert); err == nil {
				t.Errorf("%s, detached: other content verifies", label)
			}
		}
	}
	typed := must(ParseSigned(o.must("cms", "-sign", "-nodetach", "-md", "sha256", "-binary", "-in", "content", "-outform", "DER",
		"-signer", "p256.pem", "-inkey", "p256.key", "-econtent_type", "1.2.3.4")))(t)
	if err := typed.Verify(d.cert); err != nil || !typed.Type.Equal(asn1.ObjectIdentifier{1, 2, 3, 4}) {
		t.Errorf("other type: %v, %v", typed.Type, err)
	}
	for name, form := range map[string][]string{
		"no attributes": {"-noattr"},
		"indefinite":    {"-stream"},
		"SHA-1":         {"-md", "sha1"},
		"SHA-384":       {"-md", "sha384"},
		"SHA-512":       {"-md", "sha512"}, // with ECDSA P-256
		"two signers":   {"-signer", "rsa.pem", "-inkey", "rsa.key"},
	} {
		der := o.must(append([]string{"cms", "-sign", "-nodetach", "-binary", "-in", "content", "-outform", "DER",
			"-signer", "p256.pem", "-inkey", "p256.key"}, form...)...)
		if s, err := ParseSigned(der); err == nil || s != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	pss := o.must("cms", "-sign", "-nodetach", "-binary", "-in", "content", "-outform", "DER",
		"-signer", "rsa.pem", "-inkey", "rsa.key", "-keyopt", "rsa_padding_mode:pss")
	if _, err := ParseSigned(pss); err == nil {
		t.Error("RSA-PSS: accepted")
	}
}
