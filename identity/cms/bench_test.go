package cms

import (
	"crypto/x509"
	"fmt"
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

// recipientsOf makes n certificates to seal to, the first one's key given.
func recipientsOf(b *testing.B, n int) (device, []*x509.Certificate) {
	b.Helper()
	ca := newAuthority(b)
	first := ca.device(b, 2, x509.KeyUsageKeyAgreement)
	to := []*x509.Certificate{first.cert}
	for len(to) < n {
		to = append(to, ca.device(b, int64(len(to)+2), x509.KeyUsageKeyAgreement).cert)
	}
	return first, to
}

func BenchmarkSealTo(b *testing.B) {
	for _, n := range []int{1, 10, MaxRecipients} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, to := recipientsOf(b, n)
			content := make([]byte, 500)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := SealTo(content, nil, to); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, 10, MaxRecipients} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d, to := recipientsOf(b, n)
			key := d.ecdh(b)
			der := must(SealTo(make([]byte, 500), nil, to))(b)
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
		})
	}
}

func BenchmarkSealWith(b *testing.B) {
	kek := vectorKEK()
	content := make([]byte, 500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := SealWith(content, nil, kek); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenWith(b *testing.B) {
	kek := vectorKEK()
	der := must(SealWith(make([]byte, 500), nil, kek))(b)
	b.ReportAllocs()
	for b.Loop() {
		s, err := ParseSealed(der)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.OpenWith(kek); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBare(b *testing.B) {
	d := newAuthority(b).device(b, 2, 0)
	der := must(Sign(make([]byte, 500), nil, d.signer(d.cert), noon))(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Bare(der); err != nil {
			b.Fatal(err)
		}
	}
}
