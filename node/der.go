package node

import (
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity"
)

// maxSeconds bounds every duration on the wire: 366 days.
const maxSeconds = 366 * 24 * 60 * 60

// sequence opens the one SEQUENCE that body must be.
func sequence(body []byte) (cryptobyte.String, bool) {
	in := cryptobyte.String(body)
	var inner cryptobyte.String
	ok := in.ReadASN1(&inner, asn1.SEQUENCE) && in.Empty()
	return inner, ok
}

func addText(b *cryptobyte.Builder, s string) {
	b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
}

// readText reads a text of at most maxNote octets.
func readText(in *cryptobyte.String, out *string) bool {
	var raw cryptobyte.String
	if !in.ReadASN1(&raw, asn1.UTF8String) || len(raw) > maxNote || !utf8.Valid(raw) {
		return false
	}
	*out = string(raw)
	return true
}

// readPres reads a pres: URI in its canonical spelling.
func readPres(in *cryptobyte.String, out *identity.Address) bool {
	var raw cryptobyte.String
	if !in.ReadASN1(&raw, asn1.UTF8String) || !strings.HasPrefix(string(raw), "pres:") {
		return false
	}
	a, err := identity.ParseAddress(string(raw))
	if err != nil || a.Pres() != string(raw) {
		return false
	}
	*out = a
	return true
}

func addSeconds(b *cryptobyte.Builder, d time.Duration) {
	b.AddASN1Uint64(uint64(max(d, 0) / time.Second))
}

func readSeconds(in *cryptobyte.String, out *time.Duration) bool {
	var n uint64
	if !readUint(in, &n) || n > maxSeconds {
		return false
	}
	*out = time.Duration(n) * time.Second
	return true
}

func readUint(in *cryptobyte.String, out *uint64) bool {
	return in.ReadASN1Integer(out)
}

// readFixed reads an OCTET STRING of exactly len(out) octets.
func readFixed(in *cryptobyte.String, out []byte) bool {
	var raw []byte
	if !in.ReadASN1Bytes(&raw, asn1.OCTET_STRING) || len(raw) != len(out) {
		return false
	}
	copy(out, raw)
	return true
}

func addOptional(b *cryptobyte.Builder, tag asn1.Tag, value []byte) {
	if len(value) > 0 {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
	}
}

func readOptional(in *cryptobyte.String, tag asn1.Tag, out *[]byte) bool {
	if !in.PeekASN1Tag(tag) {
		return true
	}
	return in.ReadASN1Bytes(out, tag)
}
