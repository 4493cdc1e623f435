package cms

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	typeData   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	typeSigned = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	noon       = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// authority is an Ed25519 certificate authority.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "account"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	return authority{cert: issue(t, template, template, key.Public(), key), key: key}
}

// leaf certifies pub for usage.
func (a authority) leaf(t testing.TB, serial int64, pub crypto.PublicKey, usage x509.KeyUsage) *x509.Certificate {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "device"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     usage,
		SubjectKeyId: spki[len(spki)-20:],
	}
	return issue(t, template, a.cert, pub, a.key)
}

func issue(t testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// device is a P-256 key with its certificate.
type device struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a authority) device(t testing.TB, serial int64, usage x509.KeyUsage) device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return device{cert: a.leaf(t, serial, key.Public(), usage), key: key}
}

func (d device) signer(include ...*x509.Certificate) Signer {
	return Signer{Certificate: d.cert, Key: d.key, Include: include}
}

func (d device) ecdh(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := d.key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// must returns v of a call that may not fail.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSignRoundTrip(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	for _, tt := range []struct {
		name    string
		content []byte
		typ     asn1.ObjectIdentifier
		include []*x509.Certificate
	}{
		{name: "plain", content: []byte("hello")},
		{name: "empty", content: nil},
		{name: "certificates, one twice", content: []byte("hello"), include: []*x509.Certificate{d.cert, ca.cert, d.cert}},
		{name: "other type", content: []byte("hello"), typ: asn1.ObjectIdentifier{2, 999, 5}},
		{name: "large", content: make([]byte, 256<<10)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der := must(Sign(tt.content, tt.typ, d.signer(tt.include...), noon))(t)
			s := must(ParseSigned(der))(t)
			if err := s.Verify(d.cert); err != nil {
				t.Fatal(err)
			}
			if !s.SignedBy(d.cert) || s.SignedBy(ca.cert) {
				t.Errorf("SignedBy: device %v, authority %v", s.SignedBy(d.cert), s.SignedBy(ca.cert))
			}
			if s.Content == nil || string(s.Content) != string(tt.content) {
				t.Errorf("content %.20q, want %.20q", s.Content, tt.content)
			}
			want := tt.typ
			if want == nil {
				want = typeData
			}
			if !s.Type.Equal(want) {
				t.Errorf("type %v, want %v", s.Type, want)
			}
			if !s.SigningTime.Equal(noon) {
				t.Errorf("signing time %v, want %v", s.SigningTime, noon)
			}
			if got, want := len(s.Certificates), min(len(tt.include), 2); got != want {
				t.Errorf("%d certificates, want %d", got, want)
			}
			if err := s.VerifyDetached(tt.content, d.cert); err == nil {
				t.Error("attached content verified as detached")
			}
		})
	}
}

func TestSignDetached(t *testing.T) {
	d := newAuthority(t).device(t, 2, x509.KeyUsageDigitalSignature)
	content := []byte("From: <im:a@example.com>\r\n\r\nhello")
	s := must(ParseSigned(must(SignDetached(content, d.signer(), noon))(t)))(t)
	if s.Content != nil {
		t.Errorf("content %q in a detached object", s.Content)
	}
	if err := s.VerifyDetached(content, d.cert); err != nil {
		t.Error(err)
	}
	if err := s.VerifyDetached(append(content, '.'), d.cert); !errors.Is(err, ErrSignature) {
		t.Errorf("other content: %v, want %v", err, ErrSignature)
	}
	if err := s.Verify(d.cert); !errors.Is(err, ErrUnsupported) {
		t.Errorf("detached verified as attached: %v, want %v", err, ErrUnsupported)
	}
}

func TestSigningTime(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	for _, year := range []int{1, 1949, 1950, 1951, 1968, 1969, 1999, 2000, 2026, 2049, 2050, 9999} {
		at := time.Date(year, 2, 28, 23, 59, 58, 7, time.UTC)
		s := must(ParseSigned(must(SignDetached(nil, d.signer(), at))(t)))(t)
		if got, want := s.SigningTime, at.Truncate(time.Second); !got.Equal(want) {
			t.Errorf("year %d: %v, want %v", year, got, want)
		}
	}
	for _, at := range []time.Time{{}, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if der, err := SignDetached(nil, d.signer(), at); err == nil {
			t.Errorf("%v: %d octets, want an error", at, len(der))
		}
	}
}

func TestSignRefuses(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageDigitalSignature)
	other := ca.device(t, 3, x509.KeyUsageDigitalSignature)
	sealing := ca.device(t, 4, x509.KeyUsageKeyAgreement)
	nameless := *d.cert
	nameless.SubjectKeyId = nil
	many := make([]*x509.Certificate, MaxCertificates+1)
	for i := range many {
		many[i] = ca.leaf(t, int64(i+10), d.key.Public(), 0)
	}
	for _, tt := range []struct {
		name    string
		signer  Signer
		content []byte
		typ     asn1.ObjectIdentifier
		want    error // nil: any
	}{
		{name: "nothing", signer: Signer{}},
		{name: "key of another", signer: Signer{Certificate: d.cert, Key: other.key}},
		{name: "Ed25519 key", signer: Signer{Certificate: ca.cert, Key: ca.key}, want: ErrUnsupported},
		{name: "no key identifier", signer: Signer{Certificate: &nameless, Key: d.key}, want: ErrUnsupported},
		{name: "sealing key", signer: sealing.signer(), want: ErrSigner},
		{name: "too many certificates", signer: d.signer(many...), want: ErrTooLarge},
		{name: "too large", signer: d.signer(), content: make([]byte, MaxSize), want: ErrTooLarge},
		{name: "far too large", signer: d.signer(), content: make([]byte, 2*MaxSize), want: ErrTooLarge},
		{name: "no such type", signer: d.signer(), typ: asn1.ObjectIdentifier{9, 9}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der, err := Sign(tt.content, tt.typ, tt.signer, noon)
			if err == nil || der != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%d octets, %v, want %v", len(der), err, tt.want)
			}
		})
	}
	s := must(ParseSigned(must(Sign(nil, nil, d.signer(many[1:]...), noon))(t)))(t)
	if got := len(s.Certificates); got != MaxCertificates {
		t.Errorf("%d certificates, want %d", got, MaxCertificates)
	}
}

func TestSizeLimit(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	over := len(must(SealWith(make([]byte, 200<<10), nil, KEK{ID: []byte{1}}))(t)) - 200<<10
	content := make([]byte, MaxSize-over)
	kek := KEK{ID: []byte{1}}
	der := must(SealWith(content, nil, kek))(t)
	if len(der) != MaxSize {
		t.Fatalf("%d octets, want %d", len(der), MaxSize)
	}
	if _, _, err := must(ParseSealed(der))(t).OpenWith(kek); err != nil {
		t.Error(err)
	}
	if _, err := SealWith(append(content, 0), nil, kek); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one octet more: %v, want %v", err, ErrTooLarge)
	}
	if _, err := SealTo(make([]byte, MaxSize+1), nil, []*x509.Certificate{d.cert}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large content: %v, want %v", err, ErrTooLarge)
	}
	if _, err := ParseSealed(make([]byte, MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large sealed object: %v, want %v", err, ErrTooLarge)
	}
	if _, err := ParseSigned(make([]byte, MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large signed object: %v, want %v", err, ErrTooLarge)
	}
}

func TestSignedSizeLimit(t *testing.T) {
	s := newAuthority(t).device(t, 2, 0).signer()
	// The length of an ECDSA signature varies by an octet or two: try until two
	// in a row agree.
	for {
		der := must(Sign(make([]byte, 200<<10), nil, s, noon))(t)
		content := make([]byte, MaxSize-(len(der)-200<<10))
		der, err := Sign(content, nil, s, noon)
		if errors.Is(err, ErrTooLarge) || err == nil && len(der) < MaxSize {
			continue
		}
		if _, err := ParseSigned(der); err != nil {
			t.Errorf("%d octets: %v", len(der), err)
		}
		return
	}
}

func TestKeyIDLimit(t *testing.T) {
	d := newAuthority(t).device(t, 2, 0)
	cert := *d.cert
	for _, tt := range []struct {
		octets int
		want   error
	}{{1, nil}, {MaxKeyID, nil}, {MaxKeyID + 1, ErrUnsupported}} {
		cert.SubjectKeyId = make([]byte, tt.octets)
		der, err := Sign(nil, nil, Signer{Certificate: &cert, Key: d.key}, noon)
		if !errors.Is(err, tt.want) {
			t.Errorf("sign, %d octets: %v, want %v", tt.octets, err, tt.want)
		}
		if err == nil {
			if err := must(ParseSigned(der))(t).Verify(&cert); err != nil {
				t.Errorf("verify, %d octets: %v", tt.octets, err)
			}
		}
		der, err = SealTo(nil, nil, []*x509.Certificate{&cert})
		if !errors.Is(err, tt.want) {
			t.Errorf("seal, %d octets: %v, want %v", tt.octets, err, tt.want)
		}
		if err == nil {
			if _, _, err := must(ParseSealed(der))(t).Open(&cert, d.ecdh(t)); err != nil {
				t.Errorf("open, %d octets: %v", tt.octets, err)
			}
		}
	}
}

func TestSealTo(t *testing.T) {
	ca := newAuthority(t)
	var all []device
	var certs []*x509.Certificate
	var ids [][]byte
	for i := range int64(MaxRecipients) {
		d := ca.device(t, i+2, x509.KeyUsageKeyAgreement)
		all, certs, ids = append(all, d), append(certs, d.cert), append(ids, d.cert.SubjectKeyId)
	}
	stranger := ca.device(t, 100, x509.KeyUsageKeyAgreement)
	for _, n := range []int{1, 2, MaxRecipients} {
		for _, typ := range []asn1.ObjectIdentifier{nil, typeSigned} {
			content := []byte("for your eyes only")
			s := must(ParseSealed(must(SealTo(content, typ, certs[:n]))(t)))(t)
			if diff := cmp.Diff(s.KeyIDs(), ids[:n]); diff != "" {
				t.Errorf("key ids (-got +want):\n%s", diff)
			}
			for _, d := range all[:n] {
				got, gotType, err := s.Open(d.cert, d.ecdh(t))
				if err != nil || string(got) != string(content) {
					t.Fatalf("%d recipients: %q, %v", n, got, err)
				}
				if typ == nil && !gotType.Equal(typeData) || typ != nil && !gotType.Equal(typ) {
					t.Errorf("type %v, want %v", gotType, typ)
				}
			}
			if got, _, err := s.Open(stranger.cert, stranger.ecdh(t)); !errors.Is(err, ErrNotRecipient) || got != nil {
				t.Errorf("stranger: %q, %v, want %v", got, err, ErrNotRecipient)
			}
			if _, _, err := s.Open(all[0].cert, stranger.ecdh(t)); err == nil {
				t.Error("key of another opened")
			}
			if _, _, err := s.OpenWith(KEK{ID: ids[0]}); !errors.Is(err, ErrNotRecipient) {
				t.Errorf("key-encryption key: %v, want %v", err, ErrNotRecipient)
			}
		}
	}
	if _, err := SealTo(nil, nil, append(certs, stranger.cert)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many recipients: %v, want %v", err, ErrTooLarge)
	}
}

func TestSealToRefuses(t *testing.T) {
	ca := newAuthority(t)
	d := ca.device(t, 2, x509.KeyUsageKeyAgreement)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	nameless := *d.cert
	nameless.SubjectKeyId = nil
	for _, tt := range []struct {
		name string
		to   []*x509.Certificate
	}{
		{"nobody", nil},
		{"twice the same", []*x509.Certificate{d.cert, d.cert}},
		{"signing key", []*x509.Certificate{ca.device(t, 3, x509.KeyUsageDigitalSignature).cert}},
		{"Ed25519 key", []*x509.Certificate{ca.leaf(t, 4, ca.key.Public(), x509.KeyUsageKeyAgreement)}},
		{"P-384 key", []*x509.Certificate{ca.leaf(t, 5, p384.Public(), x509.KeyUsageKeyAgreement)}},
		{"no key identifier", []*x509.Certificate{&nameless}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if der, err := SealTo([]byte("x"), nil, tt.to); err == nil || der != nil {
				t.Errorf("%d octets, %v, want an error", len(der), err)
			}
		})
	}
	if _, err := SealTo(nil, asn1.ObjectIdentifier{1}, []*x509.Certificate{d.cert}); err == nil {
		t.Error("sealed with a content type that does not exist")
	}
}

func TestSealWith(t *testing.T) {
	kek := KEK{ID: []byte("epoch 7"), Key: [32]byte{1, 2, 3}}
	for _, typ := range []asn1.ObjectIdentifier{typeData, typeSigned} {
		for _, content := range []string{"", "away"} {
			s := must(ParseSealed(must(SealWith([]byte(content), typ, kek))(t)))(t)
			got, gotType, err := s.OpenWith(kek)
			if err != nil || string(got) != content || !gotType.Equal(typ) {
				t.Errorf("%q, %v, %v, want %q, %v", got, gotType, err, content, typ)
			}
			if diff := cmp.Diff(s.KEKIDs(), [][]byte{kek.ID}); diff != "" {
				t.Errorf("key ids (-got +want):\n%s", diff)
			}
			if _, _, err := s.OpenWith(KEK{ID: []byte("epoch 8"), Key: kek.Key}); !errors.Is(err, ErrNotRecipient) {
				t.Errorf("other name: %v, want %v", err, ErrNotRecipient)
			}
			if got, _, err := s.OpenWith(KEK{ID: kek.ID}); !errors.Is(err, ErrDecrypt) || got != nil {
				t.Errorf("other key: %q, %v, want %v", got, err, ErrDecrypt)
			}
		}
	}
	for _, n := range []int{0, MaxKeyID + 1} {
		if _, err := SealWith(nil, nil, KEK{ID: make([]byte, n)}); err == nil {
			t.Errorf("identifier of %d octets accepted", n)
		}
	}
}
