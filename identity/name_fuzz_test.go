package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func FuzzParseName(f *testing.F) {
	domain := testDomain()
	f.Add(mustName(f, testName(f, "alice")).raw)
	n := testName(f, "fred flint")
	n.Account = nil
	f.Add(mustName(f, n).raw)
	f.Add([]byte{0xa1, 0x00})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := parseName(raw, domain.Public().(ed25519.PublicKey), testTime)
		if err == nil {
			again, err := got.Name.sign(domain)
			if err != nil || !bytes.Equal(again.raw, raw) {
				t.Fatalf("%x signed again: %x, %v", raw, again.raw, err)
			}
		} else if !got.IsZero() || got.raw != nil {
			t.Fatal("a name beside an error")
		}
	})
}

// FuzzParseStatement reaches what is behind the signature.
func FuzzParseStatement(f *testing.F) {
	for _, n := range []Name{testName(f, "alice"), testName(f, "fred flint"), {Address: testName(f, "a").Address, Serial: 1, Issued: testTime, Until: noExpiry}} {
		statement, err := n.marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(statement)
	}
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x02})
	f.Fuzz(func(t *testing.T, statement []byte) {
		n, err := parseStatement(statement)
		if err != nil {
			if !n.IsZero() {
				t.Fatal("a name beside an error")
			}
			return
		}
		again, err := n.marshal()
		if err != nil || !bytes.Equal(again, statement) {
			t.Fatalf("%x, %v", again, err)
		}
	})
}

func FuzzParsePresigned(f *testing.F) {
	domain := testDomain().Public().(ed25519.PublicKey)
	signed := mustName(f, testName(f, "alice"))
	p := presigned{signed, testTime.Truncate(day), bytes.Repeat([]byte{7}, signaturesADay)}
	der, err := p.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(der[:len(der)-1])
	f.Fuzz(func(t *testing.T, der []byte) {
		p, err := parsePresigned(der, domain, testTime)
		if err != nil {
			if p.signatures != nil {
				t.Fatal("names beside an error")
			}
			return
		}
		if again, err := p.marshal(); err != nil || !bytes.Equal(again, der) {
			t.Fatalf("%x, %v", again, err)
		}
	})
}

func TestParsePresignedHostile(t *testing.T) {
	domain := testDomain().Public().(ed25519.PublicKey)
	signed := mustName(t, testName(t, "alice"))
	write := func(version int64, first string, signatures int, more ...byte) []byte {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(version)
			b.AddBytes(signed.raw)
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(first)) })
			b.AddASN1OctetString(make([]byte, signatures))
			b.AddBytes(more)
		})
		return b.BytesOrPanic()
	}
	for name, test := range map[string]struct {
		der  []byte
		good bool
	}{
		"one day":        {write(1, "2026-11-20", signaturesADay), true},
		"300 days":       {write(1, "2026-11-20", maxNameDays*signaturesADay), true},
		"301 days":       {write(1, "2026-11-20", (maxNameDays+1)*signaturesADay), false},
		"no day":         {write(1, "2026-11-20", 0), false},
		"part of a day":  {write(1, "2026-11-20", signaturesADay-1), false},
		"version 2":      {write(2, "2026-11-20", signaturesADay), false},
		"no such day":    {write(1, "2026-11-31", signaturesADay), false},
		"day of 5 years": {write(1, "12026-11-20", signaturesADay), false},
		"more":           {write(1, "2026-11-20", signaturesADay, 5, 0), false},
		"empty":          {nil, false},
	} {
		p, err := parsePresigned(test.der, domain, testTime)
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if _, err := p.records(testTime, domain); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: records from signatures that are none: %v", name, err)
		}
		for _, day := range []time.Time{testTime.Add(-day), p.end()} {
			if _, err := p.records(day, domain); !errors.Is(err, ErrExpired) {
				t.Errorf("%s: records of %s: %v", name, utcDay(day), err)
			}
		}
	}
}
