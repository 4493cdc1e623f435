package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// openssl is the command-line tool as a referee, with a directory of its own.
type openssl struct {
	t   *testing.T
	dir string
}

func newOpenSSL(t *testing.T) openssl {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: it is the referee of this test")
	}
	return openssl{t: t, dir: t.TempDir()}
}

// run runs openssl in its directory and returns what it printed.
func (o openssl) run(args ...string) ([]byte, error) {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), "openssl", args...)
	cmd.Dir = o.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		o.t.Logf("openssl %q: %v\n%s", args, err, &stderr)
	}
	return out, err
}

// must is run for a call that may not fail.
func (o openssl) must(args ...string) []byte {
	o.t.Helper()
	out, err := o.run(args...)
	if err != nil {
		o.t.FailNow()
	}
	return out
}

func (o openssl) write(name string, data []byte) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), data, 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// writeCert writes certificate and, unless nil, private key as PEM.
func (o openssl) writeCert(name string, cert *x509.Certificate, key crypto.PrivateKey) {
	o.t.Helper()
	o.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	if key != nil {
		der := must(x509.MarshalPKCS8PrivateKey(key))(o.t)
		o.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
}

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
		name string
		cert *x509.Certificate
	}{{"p256", d.cert}, {"rsa", rsaCert}} {
		for _, form := range [][]string{{}, {"-keyid"}, {"-nocerts"}, {"-nosmimecap"}, {"-certfile", "ca.pem"}} {
			sign := append([]string{"cms", "-sign", "-md", "sha256", "-binary", "-in", "content", "-outform", "DER",
				"-signer", tt.name + ".pem", "-inkey", tt.name + ".key"}, form...)

			s := must(ParseSigned(o.must(append(sign, "-nodetach")...)))(t)
			if err := s.Verify(tt.cert); err != nil {
				t.Errorf("%s %q: %v", tt.name, form, err)
			}
			if !bytes.Equal(s.Content, content) || s.SigningTime.IsZero() || !s.Type.Equal(typeData) {
				t.Errorf("%s %q: content %q, time %v, type %v", tt.name, form, s.Content, s.SigningTime, s.Type)
			}
			if s.SignedBy(other.cert) || s.Verify(other.cert) == nil {
				t.Errorf("%s %q: verifies with another certificate", tt.name, form)
			}

			s = must(ParseSigned(o.must(sign...)))(t)
			if err := s.VerifyDetached(content, tt.cert); err != nil {
				t.Errorf("%s %q detached: %v", tt.name, form, err)
			}
			if err := s.VerifyDetached(content[1:], tt.cert); err == nil {
				t.Errorf("%s %q detached: other content verifies", tt.name, form)
			}
		}
	}
	for name, form := range map[string][]string{
		"no attributes": {"-noattr"},
		"indefinite":    {"-stream"},
		"SHA-1":         {"-md", "sha1"},
		"SHA-384":       {"-md", "sha384"},
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

func TestOpenSSLDecryptsOurs(t *testing.T) {
	o := newOpenSSL(t)
	ca := newAuthority(t)
	content := []byte(cpimPart)
	names := []string{"a", "b", "c"}
	var to []*x509.Certificate
	for i, name := range names {
		d := ca.device(t, int64(i+2), x509.KeyUsageKeyAgreement)
		o.writeCert(name, d.cert, d.key)
		to = append(to, d.cert)
	}
	for n := 1; n <= len(to); n++ {
		o.write("sealed.der", must(SealTo(content, nil, to[:n]))(t))
		for _, name := range names[:n] {
			got := o.must("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed.der",
				"-recip", name+".pem", "-inkey", name+".key")
			if !bytes.Equal(got, content) {
				t.Errorf("%d recipients, %s: openssl shows %q, want %q", n, name, got, content)
			}
		}
	}
	kek := KEK{ID: []byte{1, 2, 3, 4}, Key: [32]byte{5, 6}}
	o.write("kek.der", must(SealWith(content, nil, kek))(t))
	got := o.must("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "kek.der",
		"-secretkey", hex.EncodeToString(kek.Key[:]), "-secretkeyid", hex.EncodeToString(kek.ID))
	if !bytes.Equal(got, content) {
		t.Errorf("key-encryption key: openssl shows %q, want %q", got, content)
	}
}

func TestOpenSSLEncryptsForUs(t *testing.T) {
	o := newOpenSSL(t)
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageKeyAgreement)
	other := ca.device(t, 3, x509.KeyUsageKeyAgreement)
	o.writeCert("d", d.cert, d.key)
	o.writeCert("other", other.cert, other.key)
	content := []byte(cpimPart)
	o.write("content", content)
	encrypt := []string{"cms", "-encrypt", "-binary", "-in", "content", "-outform", "DER"}
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"AES-256, defaults", []string{"-aes-256-gcm", "-recip", "d.pem"}},
		{"AES-128, defaults", []string{"-aes-128-gcm", "-recip", "d.pem"}},
		{"key identifier", []string{"-aes-256-gcm", "-keyid", "-recip", "d.pem"}},
		{"SHA-256", []string{"-aes-256-gcm", "-recip", "d.pem", "-keyopt", "ecdh_kdf_md:sha256", "-aes256-wrap"}},
		{"SHA-256, small wrap", []string{"-aes-256-gcm", "-recip", "d.pem", "-keyopt", "ecdh_kdf_md:sha256", "-aes128-wrap"}},
		{"two recipients", []string{"-aes-256-gcm", "-recip", "other.pem", "-recip", "d.pem"}},
		{"and a key-encryption key", []string{"-aes-256-gcm", "-secretkey", hex.EncodeToString(make([]byte, 32)),
			"-secretkeyid", "0102", "-recip", "d.pem"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := must(ParseSealed(o.must(append(encrypt, tt.args...)...)))(t)
			got, typ, err := s.Open(d.cert, d.ecdh(t))
			if err != nil || !bytes.Equal(got, content) || !typ.Equal(typeData) {
				t.Errorf("%q, %v, %v", got, typ, err)
			}
		})
	}
	kek := KEK{ID: []byte{1, 2}, Key: [32]byte{7}}
	s := must(ParseSealed(o.must(append(encrypt, "-aes-256-gcm",
		"-secretkey", hex.EncodeToString(kek.Key[:]), "-secretkeyid", "0102")...)))(t)
	if got, _, err := s.OpenWith(kek); err != nil || !bytes.Equal(got, content) {
		t.Errorf("key-encryption key: %q, %v", got, err)
	}
	for name, args := range map[string][]string{
		"AES-CBC": {"-aes-256-cbc", "-recip", "d.pem"},
		"AES-192": {"-aes-192-gcm", "-recip", "d.pem"},
		"stream":  {"-aes-256-gcm", "-stream", "-recip", "d.pem"},
	} {
		if s, err := ParseSealed(o.must(append(encrypt, args...)...)); err == nil || s != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A key on another curve beside ours must not hide ours.
func TestOpenSSLOtherRecipients(t *testing.T) {
	o := newOpenSSL(t)
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageKeyAgreement)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	o.writeCert("d", d.cert, d.key)
	o.writeCert("p384", ca.leaf(t, 3, p384.Public(), x509.KeyUsageKeyAgreement), nil)
	o.writeCert("rsa", ca.leaf(t, 4, rsaKey.Public(), x509.KeyUsageKeyEncipherment), nil)
	o.write("content", []byte("hello"))
	s := must(ParseSealed(o.must("cms", "-encrypt", "-binary", "-in", "content", "-outform", "DER", "-aes-256-gcm",
		"-recip", "p384.pem", "-recip", "rsa.pem", "-recip", "d.pem")))(t)
	if got, _, err := s.Open(d.cert, d.ecdh(t)); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}
