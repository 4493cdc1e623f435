package cms

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os/exec"
	"testing"
)

// newGnuTLS is the second referee, certtool of GnuTLS, which knows Ed25519 where
// the openssl of Debian 12 does not.
func newGnuTLS(t *testing.T) referee {
	t.Helper()
	if _, err := exec.LookPath("certtool"); err != nil {
		t.Skip("certtool (gnutls-bin) is not installed: it is the referee of this test, and the only one for Ed25519")
	}
	return referee{t: t, dir: t.TempDir(), program: "certtool"}
}

// gnuTLSKeys writes the keys that sign, and the certificate of the authority.
func gnuTLSKeys(t *testing.T, r referee) (ca authority, d device, edwards *x509.Certificate, key ed25519.PrivateKey) {
	t.Helper()
	ca = newAuthority(t)
	r.writeCert("ca", ca.cert, nil)
	d = ca.device(t, 2, x509.KeyUsageDigitalSignature)
	r.writeCert("p256", d.cert, d.key)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards = ca.leaf(t, 3, key.Public(), x509.KeyUsageDigitalSignature)
	r.writeCert("edwards", edwards, key)
	return ca, d, edwards, key
}

// R3859-4-baseline-algorithms, R3860-4-baseline-algorithms: Ed25519 verifies.
func TestGnuTLSSignsForUs(t *testing.T) {
	r := newGnuTLS(t)
	ca, d, edwards, _ := gnuTLSKeys(t, r)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	rsaCert := ca.leaf(t, 4, rsaKey.Public(), x509.KeyUsageDigitalSignature)
	r.writeCert("rsa", rsaCert, rsaKey)
	content := []byte(cpimPart)
	r.write("content", content)
	for _, tt := range []struct {
		name, hash string
		cert       *x509.Certificate
	}{{"edwards", "sha512", edwards}, {"p256", "sha256", d.cert}, {"rsa", "sha256", rsaCert}, {"rsa", "sha512", rsaCert}} {
		sign := func(args ...string) []byte {
			r.must(append(args, "--load-privkey", tt.name+".key", "--load-certificate", tt.name+".pem", "--hash", tt.hash,
				"--infile", "content", "--outder", "--outfile", "signed.der")...)
			return r.read("signed.der")
		}
		s := must(ParseSigned(sign("--p7-sign", "--p7-time")))(t)
		if err := s.Verify(tt.cert); err != nil || !bytes.Equal(s.Content, content) || s.SigningTime.IsZero() {
			t.Errorf("%s %s: %v, content %q, time %v", tt.name, tt.hash, err, s.Content, s.SigningTime)
		}
		if s.Verify(ca.cert) == nil {
			t.Errorf("%s %s: verifies with another certificate", tt.name, tt.hash)
		}
		s = must(ParseSigned(sign("--p7-detached-sign", "--p7-time")))(t)
		if err := s.VerifyDetached(content, tt.cert); err != nil {
			t.Errorf("%s %s, detached: %v", tt.name, tt.hash, err)
		}
		if err := s.VerifyDetached(content[1:], tt.cert); !errors.Is(err, ErrSignature) {
			t.Errorf("%s %s, detached, other content: %v, want %v", tt.name, tt.hash, err, ErrSignature)
		}
		if s, err := ParseSigned(sign("--p7-sign")); !errors.Is(err, ErrUnsupported) || s != nil {
			t.Errorf("%s %s, without attributes: %v, want %v", tt.name, tt.hash, err, ErrUnsupported)
		}
	}
}

func TestGnuTLSVerifiesOurs(t *testing.T) {
	r := newGnuTLS(t)
	_, d, edwards, key := gnuTLSKeys(t, r)
	content := []byte(cpimPart)
	r.write("content", content)
	r.write("other", append(content, '.'))
	verify := func(der []byte, signer string, args ...string) error {
		r.write("signed.der", der)
		_, err := r.run(append([]string{"--p7-verify", "--load-ca-certificate", "ca.pem", "--load-certificate", signer + ".pem",
			"--inder", "--infile", "signed.der"}, args...)...)
		return err
	}
	for _, tt := range []struct {
		signer           string
		opaque, detached []byte
	}{
		{"p256", must(Sign(content, nil, d.signer(d.cert), noon))(t), must(SignDetached(content, d.signer(d.cert), noon))(t)},
		{"p256", must(Sign(content, nil, d.signer(), noon))(t), must(SignDetached(content, d.signer(), noon))(t)},
		{"edwards", signEd25519(t, content, edwards, key).bytes(), nil},
	} {
		if tt.detached == nil {
			_, detached, err := Detach(tt.opaque)
			if err != nil {
				t.Fatal(err)
			}
			tt.detached = detached
		}
		if err := verify(tt.opaque, tt.signer); err != nil {
			t.Errorf("%s: %v", tt.signer, err)
		}
		if err := verify(tt.detached, tt.signer, "--load-data", "content"); err != nil {
			t.Errorf("%s, detached: %v", tt.signer, err)
		}
		if err := verify(tt.detached, tt.signer, "--load-data", "other"); err == nil {
			t.Errorf("%s, detached: certtool verifies other content", tt.signer)
		}
	}
}
