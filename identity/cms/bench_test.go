package cms

import (
	"crypto/x509"
	"testing"
)

func BenchmarkSign(b *testing.B) {
	s := newAuthority(b).device(b, 2, 0).signer()
	content := make([]byte, 500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(content, nil, s, noon); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	d := newAuthority(b).device(b, 2, 0)
	der := must(Sign(make([]byte, 500), nil, d.signer(), noon))(b)
	b.ReportAllocs()
	for b.Loop() {
		s, err := ParseSigned(der)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(d.cert); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	to := []*x509.Certificate{newAuthority(b).device(b, 2, 0).cert}
	content := make([]byte, 500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := SealTo(content, nil, to); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	d := newAuthority(b).device(b, 2, 0)
	key := d.ecdh(b)
	der := must(SealTo(make([]byte, 500), nil, []*x509.Certificate{d.cert}))(b)
	b.ReportAllocs()
	for b.Loop() {
		s, err := ParseSealed(der)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Open(d.cert, key); err != nil {
			b.Fatal(err)
		}
	}
}
