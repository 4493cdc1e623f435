package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The files of testdata/openssl, described by the README there.
const vectorDir = "testdata/openssl"

func readVector(t testing.TB, name string) []byte {
	t.Helper()
	return must(os.ReadFile(filepath.Join(vectorDir, name)))(t)
}

func vectorCert(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	return must(x509.ParseCertificate(readVector(t, name)))(t)
}

// vectorDevice is the P-256 key of the vectors.
func vectorDevice(t testing.TB) device {
	t.Helper()
	key := must(x509.ParsePKCS8PrivateKey(readVector(t, "p256.key")))(t)
	return device{cert: vectorCert(t, "p256.crt"), key: key.(*ecdsa.PrivateKey)}
}

// vectorKEK opens sealed-kek.der.
func vectorKEK() KEK {
	kek := KEK{ID: []byte{1, 2}}
	for i := range kek.Key {
		kek.Key[i] = byte(i)
	}
	return kek
}

func TestSignedVectors(t *testing.T) {
	content := readVector(t, "content")
	for _, tt := range []struct {
		file, cert string
		certs      int
	}{
		{"p256-opaque.der", "p256.crt", 1},
		{"p256-detached.der", "p256.crt", 1},
		{"rsa-opaque.der", "rsa.crt", 1},
		{"rsa-detached.der", "rsa.crt", 0},
	} {
		s := must(ParseSigned(readVector(t, tt.file)))(t)
		cert := vectorCert(t, tt.cert)
		err := s.Verify(cert)
		if s.Content == nil {
			err = s.VerifyDetached(content, cert)
		} else if !bytes.Equal(s.Content, content) {
			t.Errorf("%s: content %q, want %q", tt.file, s.Content, content)
		}
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
		if len(s.Certificates) != tt.certs {
			t.Errorf("%s: %d certificates, want %d", tt.file, len(s.Certificates), tt.certs)
		}
	}
}

func TestSealedVectors(t *testing.T) {
	content := readVector(t, "content")
	d := vectorDevice(t)
	for file, want := range map[string]error{"sealed-default.der": ErrUnsupported, "sealed-aes128.der": ErrUnsupported, "sealed-sha256.der": nil} {
		der := readVector(t, file)
		got, typ, err := must(ParseSealed(der))(t).Open(d.cert, d.ecdh(t))
		if !errors.Is(err, want) || err == nil && (!bytes.Equal(got, content) || !typ.Equal(typeData)) {
			t.Errorf("%s: %q, %v, %v, want %v", file, got, typ, err, want)
		}
		if got, typ, err = OpenEnveloped(der, d.cert, d.ecdh(t)); err != nil || !bytes.Equal(got, content) || !typ.Equal(typeData) {
			t.Errorf("%s for a bridge: %q, %v, %v", file, got, typ, err)
		}
	}
	s := must(ParseSealed(readVector(t, "sealed-kek.der")))(t)
	if got, _, err := s.OpenWith(vectorKEK()); err != nil || !bytes.Equal(got, content) {
		t.Errorf("sealed-kek.der: %q, %v", got, err)
	}
}

// signEd25519 makes a signature by RFC 8419 section 3.1 out of one of ours.
func signEd25519(t testing.TB, content []byte, cert *x509.Certificate, key ed25519.PrivateKey) *node {
	t.Helper()
	d := newAuthority(t).device(t, 2, 0)
	root := parseNode(t, must(Sign(content, nil, d.signer(), noon))(t))
	sum := sha512.Sum512(content)
	root.at(1, 0, 1).children = []*node{parseNode(t, []byte(algSHA512))}
	info := root.at(signedInfo...)
	info.at(1).data = cert.SubjectKeyId
	info.children[2] = parseNode(t, []byte(algSHA512))
	info.at(3, 2, 1, 0).data = sum[:]
	info.children[4] = parseNode(t, []byte(algEd25519))
	signed := info.at(3).bytes()
	signed[0] = 0x31
	info.at(5).data = ed25519.Sign(key, signed)
	return root
}

func TestVerifyEd25519(t *testing.T) {
	ca := newAuthority(t)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := ca.leaf(t, 5, key.Public(), x509.KeyUsageDigitalSignature)
	root := signEd25519(t, []byte("hello"), cert, key)
	s := must(ParseSigned(root.bytes()))(t)
	if err := s.Verify(cert); err != nil {
		t.Error(err)
	}
	posing := *vectorCert(t, "p256.crt")
	posing.SubjectKeyId = cert.SubjectKeyId
	if err := s.Verify(&posing); !errors.Is(err, ErrUnsupported) {
		t.Errorf("with a P-256 key: %v, want %v", err, ErrUnsupported)
	}
	root.at(1, 0, 2, 1, 0).data = []byte("hullo")
	s = must(ParseSigned(root.bytes()))(t)
	if err := s.Verify(cert); !errors.Is(err, ErrSignature) {
		t.Errorf("content swapped: %v, want %v", err, ErrSignature)
	}
	root.at(1, 0, 2, 1, 0).data = []byte("hello")
	root.at(signedInfo...).at(5).data[0] ^= 1
	s = must(ParseSigned(root.bytes()))(t)
	if err := s.Verify(cert); !errors.Is(err, ErrSignature) {
		t.Errorf("signature altered: %v, want %v", err, ErrSignature)
	}
	root.at(signedInfo...).at(2).insert(1, leaf(0x05))
	if _, err := ParseSigned(root.bytes()); !errors.Is(err, ErrUnsupported) {
		t.Errorf("SHA-512 with parameters: %v, want %v", err, ErrUnsupported)
	}
}

func TestRSASizes(t *testing.T) {
	s := must(ParseSigned(readVector(t, "rsa-opaque.der")))(t)
	cert := *vectorCert(t, "rsa.crt")
	pub := *cert.PublicKey.(*rsa.PublicKey)
	cert.PublicKey = &pub
	if err := s.Verify(&cert); err != nil {
		t.Fatal(err)
	}
	for _, bits := range []uint{minRSA - 1, maxRSA + 1} {
		pub.N = pub.N.Lsh(pub.N.SetInt64(1), bits-1)
		if err := s.Verify(&cert); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%d bits: %v, want %v", bits, err, ErrUnsupported)
		}
	}
}
