package cms

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

// addSeeds adds the objects of the vectors, and halves of some.
func addSeeds(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.der"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		der := must(os.ReadFile(file))(f)
		f.Add(der)
		f.Add(der[:len(der)/2])
	}
	for _, file := range []string{"foreign.json", "refused.json"} {
		for _, v := range readProfile[objectVector](f, file) {
			f.Add([]byte(v.Object))
		}
	}
	d := vectorDevice(f)
	f.Add(must(Sign([]byte("hello"), typeSigned, d.signer(), noon))(f))
	f.Add(must(SealWith([]byte("hello"), typeSigned, vectorKEK()))(f))
	f.Add([]byte{0x30, 0x80, 0, 0})
}

// Whatever verifies under a known key is content that this key signed.
func FuzzParseSigned(f *testing.F) {
	addSeeds(f)
	content := readVector(f, "content")
	p256, rsa := vectorCert(f, "p256.crt"), vectorCert(f, "rsa.crt")
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ParseSigned(der)
		if err != nil {
			if s != nil {
				t.Error("a value beside an error")
			}
			return
		}
		if len(s.Certificates) > MaxCertificates || len(s.Content) > len(der) {
			t.Errorf("%d certificates, content of %d octets", len(s.Certificates), len(s.Content))
		}
		for _, cert := range append(s.Certificates, p256, rsa) {
			err := s.Verify(cert)
			if err == nil && !s.SignedBy(cert) {
				t.Error("verifies with a certificate that is not named")
			}
			if err == nil && (cert == p256 || cert == rsa) &&
				!bytes.Equal(s.Content, content) && string(s.Content) != "hello" {
				t.Errorf("verifies: %q", s.Content)
			}
			if s.Verify(cert) == nil && s.VerifyDetached(s.Content, cert) == nil {
				t.Error("both attached and detached")
			}
		}
	})
}

// Whatever opens with a known key-encryption key is content sealed with it.
func FuzzParseSealed(f *testing.F) {
	addSeeds(f)
	content := readVector(f, "content")
	d := vectorDevice(f)
	key, kek := d.ecdh(f), vectorKEK()
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ParseSealed(der)
		if err != nil {
			if s != nil {
				t.Error("a value beside an error")
			}
			return
		}
		if n := len(s.KeyIDs()) + len(s.KEKIDs()); n > MaxRecipients {
			t.Errorf("%d recipients", n)
		}
		if got, typ, err := s.Open(d.cert, key); (err == nil) != (typ != nil) || err != nil && got != nil ||
			err == nil && !bytes.Equal(got, content) {
			t.Errorf("opens: %q, %v, %v", got, typ, err)
		}
		if got, typ, err := s.OpenWith(kek); (err == nil) != (typ != nil) || err != nil && got != nil ||
			err == nil && !bytes.Equal(got, content) && string(got) != "hello" {
			t.Errorf("opens: %q, %v, %v", got, typ, err)
		}
	})
}

// Whatever opens for a bridge is shorter than what came, and a good object is
// content sealed to the key.
func FuzzOpenEnveloped(f *testing.F) {
	addSeeds(f)
	d := vectorDevice(f)
	key := d.ecdh(f)
	for _, v := range everyVariant() {
		if v.curve == key.Curve() && len(v.ukm) < 8 {
			f.Add(v.seal(f, []byte("hello"), d.cert).bytes())
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		got, typ, err := OpenEnveloped(der, d.cert, key)
		if (err == nil) != (typ != nil) || err != nil && got != nil || len(got) >= len(der) && len(der) > 0 {
			t.Errorf("opens: %q, %v, %v", got, typ, err)
		}
		s, strict := ParseSealed(der)
		if strict != nil {
			return
		}
		if content, _, strict := s.Open(d.cert, key); strict == nil && (err != nil || !bytes.Equal(content, got)) {
			t.Errorf("opens as %q, but for a bridge as %q, %v", content, got, err)
		}
	})
}

// Bare and Detach change nothing that a signature covers.
func FuzzBare(f *testing.F) {
	addSeeds(f)
	content := readVector(f, "content")
	certs := []*x509.Certificate{vectorCert(f, "p256.crt"), vectorCert(f, "rsa.crt")}
	f.Fuzz(func(t *testing.T, der []byte) {
		bare, bareErr := Bare(der)
		attached, detached, detachErr := Detach(der)
		if bareErr != nil && bare != nil || detachErr != nil && (attached != nil || detached != nil) {
			t.Error("a value beside an error")
		}
		s, err := ParseSigned(der)
		if err != nil {
			return
		}
		if bareErr != nil || (detachErr == nil) != (s.Content != nil) {
			t.Fatalf("parses, but: %v, %v", bareErr, detachErr)
		}
		b := must(ParseSigned(bare))(t)
		if len(b.Certificates) != 0 || !bytes.Equal(b.Content, s.Content) || !bytes.Equal(b.SignerKeyID(), s.SignerKeyID()) {
			t.Error("Bare changes more than certificates")
		}
		for _, cert := range certs {
			if s.Content == nil {
				if (s.VerifyDetached(content, cert) == nil) != (b.VerifyDetached(content, cert) == nil) {
					t.Error("Bare changes the verdict")
				}
				continue
			}
			d := must(ParseSigned(detached))(t)
			if good := s.Verify(cert) == nil; good != (b.Verify(cert) == nil) || good != (d.VerifyDetached(attached, cert) == nil) {
				t.Error("Bare or Detach changes the verdict")
			}
		}
	})
}
