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
	for _, n := range []int{1, 10, 100} {
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
	for _, n := range []int{1, 10, 100} {
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

// BenchmarkLarge is a message of 200 KiB on its whole way.
func BenchmarkLarge(b *testing.B) {
	content := make([]byte, 200<<10)
	d, to := recipientsOf(b, 1)
	key := d.ecdh(b)
	signer := newAuthority(b).device(b, 2, 0)
	signed := must(Sign(content, nil, signer.signer(), noon))(b)
	sealed := must(SealTo(signed, nil, to))(b)
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("sign", func() error {
		_, err := Sign(content, nil, signer.signer(), noon)
		return err
	})
	run("verify", func() error {
		s, err := ParseSigned(signed)
		if err != nil {
			return err
		}
		return s.Verify(signer.cert)
	})
	run("seal", func() error {
		_, err := SealTo(signed, nil, to)
		return err
	})
	run("open", func() error {
		s, err := ParseSealed(sealed)
		if err != nil {
			return err
		}
		_, _, err = s.Open(d.cert, key)
		return err
	})
}
