package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// R3859-4-aes-preferred, R3859-4-aes-may, R3860-4-aes-preferred and
// R3860-4-aes-may: openssl decrypts what we seal, and names AES as all there is.
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
		o.names("sealed.der", "id-ecPublicKey", "dhSinglePass-stdDH-sha256kdf-scheme", "aes-256-gcm")
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
	o.names("kek.der", "id-aes256-wrap", "aes-256-gcm")
	got := o.must("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "kek.der",
		"-secretkey", hex.EncodeToString(kek.Key[:]), "-secretkeyid", hex.EncodeToString(kek.ID))
	if !bytes.Equal(got, content) {
		t.Errorf("key-encryption key: openssl shows %q, want %q", got, content)
	}
}

// names checks which algorithms openssl sees in an object, in its order.
func (o referee) names(file string, want ...string) {
	o.t.Helper()
	text := string(o.must("cms", "-cmsout", "-print", "-inform", "DER", "-in", file))
	var got []string
	for line := range strings.Lines(text) {
		if _, name, found := strings.Cut(strings.TrimSpace(line), "algorithm: "); found {
			name, _, _ = strings.Cut(name, " ")
			got = append(got, name)
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		o.t.Errorf("openssl sees other algorithms in %s (-got +want):\n%s", file, diff)
	}
}

// openSSLRecipients are two keys for openssl to encrypt to, and what to encrypt.
func openSSLRecipients(t *testing.T) (o referee, d device, content []byte) {
	t.Helper()
	o = newOpenSSL(t)
	ca := newAuthority(t)
	d = ca.device(t, 2, x509.KeyUsageKeyAgreement)
	o.writeCert("d", d.cert, d.key)
	o.writeCert("other", ca.device(t, 3, x509.KeyUsageKeyAgreement).cert, nil)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	o.writeCert("rsa", ca.leaf(t, 4, rsaKey.Public(), x509.KeyUsageKeyEncipherment), nil)
	content = []byte(cpimPart)
	o.write("content", content)
	return o, d, content
}

func (o referee) encrypt(args ...string) []byte {
	o.t.Helper()
	return o.must(append([]string{"cms", "-encrypt", "-binary", "-in", "content", "-outform", "DER"}, args...)...)
}

// recip is how openssl derives the key-wrap key as RFC 8551 demands.
func recip(wrap string) []string {
	return []string{"-recip", "d.pem", "-keyopt", "ecdh_kdf_md:sha256", "-" + wrap}
}

// R3859-4-baseline-algorithms, R3860-4-baseline-algorithms: key agreement on
// P-256 with AES-GCM decrypts.
func TestOpenSSLEncryptsForUs(t *testing.T) {
	o, d, content := openSSLRecipients(t)
	secret := []string{"-secretkey", hex.EncodeToString(make([]byte, 32)), "-secretkeyid", "0102"}
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"AES-256", append([]string{"-aes-256-gcm"}, recip("aes256-wrap")...)},
		{"AES-128", append([]string{"-aes-128-gcm"}, recip("aes128-wrap")...)},
		{"AES-256, small wrap", append([]string{"-aes-256-gcm"}, recip("aes128-wrap")...)},
		{"key identifier", append([]string{"-aes-256-gcm", "-keyid"}, recip("aes256-wrap")...)},
		{"two recipients", append([]string{"-aes-256-gcm", "-recip", "other.pem"}, recip("aes256-wrap")...)},
		{"and RSA", append([]string{"-aes-256-gcm", "-recip", "rsa.pem"}, recip("aes256-wrap")...)},
		{"and a key-encryption key", slices.Concat([]string{"-aes-256-gcm"}, secret, recip("aes256-wrap"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := must(ParseSealed(o.encrypt(tt.args...)))(t)
			got, typ, err := s.Open(d.cert, d.ecdh(t))
			if err != nil || !bytes.Equal(got, content) || !typ.Equal(typeData) {
				t.Errorf("%q, %v, %v", got, typ, err)
			}
		})
	}
	for id, size := range map[string]int{"01": 1, "0102": 2, strings.Repeat("ab", MaxKeyID): MaxKeyID} {
		kek := KEK{ID: must(hex.DecodeString(id))(t), Key: [32]byte{7}}
		s := must(ParseSealed(o.encrypt("-aes-256-gcm", "-secretkey", hex.EncodeToString(kek.Key[:]), "-secretkeyid", id)))(t)
		if got, _, err := s.OpenWith(kek); err != nil || !bytes.Equal(got, content) {
			t.Errorf("key-encryption key with a name of %d octets: %q, %v", size, got, err)
		}
	}
}

// What openssl writes by default opens for a bridge that calls OpenEnveloped.
func TestOpenSSLEnvelopsForBridges(t *testing.T) {
	o, d, content := openSSLRecipients(t)
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"GCM, defaults", []string{"-aes-256-gcm", "-recip", "d.pem"}},
		{"GCM, AES-128, defaults", []string{"-aes-128-gcm", "-recip", "d.pem"}},
		{"GCM, SHA-256", append([]string{"-aes-256-gcm"}, recip("aes256-wrap")...)},
		{"CBC, AES-256, defaults", []string{"-aes-256-cbc", "-recip", "d.pem"}},
		{"CBC, AES-128, defaults", []string{"-aes-128-cbc", "-recip", "d.pem"}},
		{"CBC, key identifier", []string{"-aes-256-cbc", "-keyid", "-recip", "d.pem"}},
		{"CBC, AES-256, SHA-256", append([]string{"-aes-256-cbc"}, recip("aes256-wrap")...)},
		{"CBC, AES-128, SHA-256", append([]string{"-aes-128-cbc"}, recip("aes128-wrap")...)},
		{"CBC, two recipients", []string{"-aes-256-cbc", "-recip", "other.pem", "-recip", "d.pem"}},
		{"CBC, and RSA", []string{"-aes-256-cbc", "-recip", "rsa.pem", "-recip", "d.pem"}},
		{"CBC, and a password", []string{"-aes-256-cbc", "-pwri_password", "x", "-recip", "d.pem"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der := o.encrypt(tt.args...)
			got, typ, err := OpenEnveloped(der, d.cert, d.ecdh(t))
			if err != nil || !bytes.Equal(got, content) || !typ.Equal(typeData) {
				t.Errorf("%q, %v, %v", got, typ, err)
			}
			sha256 := slices.Contains(tt.args, "-keyopt")
			s, err := ParseSealed(der)
			if strings.HasPrefix(tt.name, "CBC") {
				if !errors.Is(err, ErrUnsupported) || s != nil {
					t.Errorf("ParseSealed: %v, want %v", err, ErrUnsupported)
				}
			} else if got, _, err := s.Open(d.cert, d.ecdh(t)); sha256 != (err == nil) || !sha256 && !errors.Is(err, ErrUnsupported) {
				t.Errorf("Open: %q, %v", got, err)
			}
		})
	}
}

// R3859-4-aes-preferred, R3859-4-aes-may, R3860-4-aes-preferred and
// R3860-4-aes-may: nothing opens but AES, and the 2004 set (SHA-1, triple DES) is
// refused.
func TestOpenSSLOtherCiphers(t *testing.T) {
	o, d, _ := openSSLRecipients(t)
	for _, args := range [][]string{
		{"-des3", "-recip", "d.pem"},
		append([]string{"-des3"}, recip("des3-wrap")...),
		append([]string{"-aes-256-gcm"}, recip("des3-wrap")...),
		{"-camellia256", "-recip", "d.pem"},
		{"-aes-192-cbc", "-recip", "d.pem"},
		{"-aes-192-gcm", "-recip", "d.pem"},
		{"-aes-256-gcm", "-recip", "d.pem", "-keyopt", "ecdh_kdf_md:sha384"},
		{"-aes-256-gcm", "-recip", "d.pem", "-keyopt", "ecdh_cofactor_mode:1"},
		{"-aes-256-cbc", "-recip", "d.pem", "-keyopt", "ecdh_kdf_md:sha512"},
	} {
		der, err := o.run(append([]string{"cms", "-encrypt", "-binary", "-in", "content", "-outform", "DER"}, args...)...)
		if err != nil {
			t.Logf("%q: this openssl cannot", args)
			continue
		}
		if got, _, err := OpenEnveloped(der, d.cert, d.ecdh(t)); !errors.Is(err, ErrUnsupported) || got != nil {
			t.Errorf("%q: OpenEnveloped: %q, %v, want %v", args, got, err, ErrUnsupported)
		}
		s, err := ParseSealed(der)
		if err == nil {
			_, _, err = s.Open(d.cert, d.ecdh(t))
		}
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: %v, want %v", args, err, ErrUnsupported)
		}
	}
	for _, args := range [][]string{{"-aes-256-gcm"}, {"-aes-256-cbc"}} {
		der := o.encrypt(append(args, "-stream", "-recip", "d.pem")...)
		if s, err := ParseSealed(der); !errors.Is(err, ErrMalformed) || s != nil {
			t.Errorf("%q with indefinite lengths: %v, want %v", args, err, ErrMalformed)
		}
		if got, _, err := OpenEnveloped(der, d.cert, d.ecdh(t)); !errors.Is(err, ErrMalformed) || got != nil {
			t.Errorf("%q with indefinite lengths: %v, want %v", args, err, ErrMalformed)
		}
	}
	for _, args := range [][]string{{"-aes-256-cbc", "-recip", "rsa.pem"}, {"-aes-256-cbc", "-recip", "other.pem"},
		{"-aes-256-cbc", "-secretkey", strings.Repeat("00", 32), "-secretkeyid", "01"}, {"-aes-256-cbc", "-pwri_password", "x"}} {
		if got, _, err := OpenEnveloped(o.encrypt(args...), d.cert, d.ecdh(t)); !errors.Is(err, ErrNotRecipient) || got != nil {
			t.Errorf("%q: %q, %v, want %v", args, got, err, ErrNotRecipient)
		}
	}
}

// A key on another curve beside ours must not hide ours.
func TestOpenSSLOtherCurve(t *testing.T) {
	o, d, content := openSSLRecipients(t)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	o.writeCert("p384", newAuthority(t).leaf(t, 3, p384.Public(), x509.KeyUsageKeyAgreement), nil)
	s := must(ParseSealed(o.encrypt(append([]string{"-aes-256-gcm", "-recip", "p384.pem"}, recip("aes256-wrap")...)...)))(t)
	if got, _, err := s.Open(d.cert, d.ecdh(t)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q, %v", got, err)
	}
}
