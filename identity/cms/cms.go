// Package cms reads and writes the part of the Cryptographic Message Syntax
// (RFC 5652) that kith uses: signed data with exactly one signer, and
// authenticated-enveloped data (RFC 5083) with AES-GCM (RFC 5084). It turns
// octets into values and back. Whom a key belongs to, whether a certificate is
// trusted and what a content means is the caller's to decide.
//
// To sign call [Sign] or [SignDetached]; to check call [ParseSigned], choose a
// certificate with [Signed.SignerKeyID] or [Signed.SignedBy], and call
// [Signed.Verify] or [Signed.VerifyDetached]. [Bare] leaves the certificates out
// for a reader who has them, [Detach] takes the content out. To seal call
// [SealTo] or [SealWith]; to open call [ParseSealed] and then [Sealed.Open] or
// [Sealed.OpenWith]. Sign first, then seal: a sealed object alone says nothing
// about its sender. [OpenEnveloped] is for bridges to mail alone.
//
// Reading is strict. Lengths are definite and minimal, attributes are in DER
// order, and nothing follows the object. Unknown versions, algorithms and
// choices are refused, and so is what no signature or seal would cover: unsigned
// and unauthenticated attributes, revocation lists, originator information.
// Three things are left to an attacker. Certificates beside a signature are
// hints: they may be altered, added or removed. An ECDSA signature has a twin
// that is as good. And recipients may be added to or taken from a sealed object,
// or its integrity check value cut to 12 octets, without any effect on the
// content that opens. So two objects with different octets may say the same.
// The whole profile, with vectors, is doc/spec/smime-profile.md.
//
// A value returned by a parser shares memory with its input, which the caller
// must not change afterwards. Nothing here keeps state, so all of it may be
// used from several goroutines.
package cms

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits on what is read and written. An object beyond one of them is refused
// with [ErrTooLarge] before memory is allocated for it.
const (
	// MaxSize is the largest CMS object read or written, in octets.
	MaxSize = 300 << 10
	// MaxCertificates is the most certificates beside a signature.
	MaxCertificates = 16
	// MaxRecipients is the most recipients of a sealed object, of all kinds together.
	MaxRecipients = 128
	// MaxAttributes is the most attributes in one attribute set.
	MaxAttributes = 16
	// MaxKeyID is the longest key identifier, in octets.
	MaxKeyID = 64
	// MaxUKM is the longest user keying material read, in octets. None is written.
	MaxUKM = 256
)

// maxType is the longest content type written, in octets.
const maxType = 64

// Errors that callers branch on, matched with errors.Is.
var (
	// ErrMalformed: the octets are not DER of the expected structure, or they
	// break a rule of the RFC that a conforming writer keeps.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported: the object may be good CMS, but is outside this profile
	// (algorithm, content type, number of signers, optional field).
	ErrUnsupported = errors.New("outside the profile")
	// ErrTooLarge: the object is beyond a limit of this package.
	ErrTooLarge = errors.New("too large")
	// ErrSignature: the content or the signature is not what the signer signed.
	ErrSignature = errors.New("signature does not verify")
	// ErrSigner: the certificate given is not the one that the signature names,
	// or its key may not sign.
	ErrSigner = errors.New("not the signer's certificate")
	// ErrNotRecipient: the object is sealed, but not to the key given.
	ErrNotRecipient = errors.New("not a recipient")
	// ErrDecrypt: the object names the key given but does not open with it: it
	// was altered, or another key bears this name. It never says which step
	// failed, so that answers built on it are no decryption oracle.
	ErrDecrypt = errors.New("does not open")
)

// fault says what is wrong and which kind of wrong it is.
func fault(kind error, format string, args ...any) error {
	return fmt.Errorf("cms: %s: %w", fmt.Sprintf(format, args...), kind)
}

// Tags that RFC 5652 and 5083 use. A context tag is primitive unless it holds
// other elements.
const (
	tagContext0  = cbasn1.Tag(0x80)
	tagExplicit0 = cbasn1.Tag(0xa0)
	tagExplicit1 = cbasn1.Tag(0xa1)
	tagExplicit2 = cbasn1.Tag(0xa2)
	tagExplicit3 = cbasn1.Tag(0xa3)
	tagExplicit4 = cbasn1.Tag(0xa4)
)

// readContentInfo returns the inside of the SEQUENCE that a ContentInfo of the
// wanted type holds (RFC 5652 section 3).
func readContentInfo(der []byte, want string) (cryptobyte.String, error) {
	typ, body, err := readAnyContentInfo(der)
	if err != nil {
		return nil, err
	}
	if typ != want {
		return nil, fault(ErrUnsupported, "content type of the object")
	}
	return body, nil
}

// readAnyContentInfo is readContentInfo for every type that is a SEQUENCE.
func readAnyContentInfo(der []byte) (typ string, body cryptobyte.String, err error) {
	if len(der) > MaxSize {
		return "", nil, fault(ErrTooLarge, "object of %d octets", len(der))
	}
	in := cryptobyte.String(der)
	var info, oid, content cryptobyte.String
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) {
		return "", nil, fault(ErrMalformed, "content info")
	}
	if !in.Empty() {
		return "", nil, fault(ErrMalformed, "%d octets after the object", len(in))
	}
	if !info.ReadASN1(&content, tagExplicit0) || !info.Empty() ||
		!content.ReadASN1(&body, cbasn1.SEQUENCE) || !content.Empty() {
		return "", nil, fault(ErrMalformed, "content info")
	}
	return string(oid), body, nil
}

// marshalContentInfo wraps the SEQUENCE that body writes, and holds it to
// MaxSize. The size hint is in octets.
func marshalContentInfo(typ string, size int, body cryptobyte.BuilderContinuation) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, size))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, typ)
		b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, body)
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("cms: encode: %w", err)
	}
	if len(der) > MaxSize {
		return nil, fault(ErrTooLarge, "object of %d octets", len(der))
	}
	return der, nil
}

// contentType returns typ in DER, without tag and length; nil means id-data.
func contentType(typ asn1.ObjectIdentifier) (string, error) {
	if typ == nil {
		return oidData, nil
	}
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(typ)
	der, err := b.Bytes()
	if err != nil {
		return "", fmt.Errorf("cms: content type %v: %w", typ, err)
	}
	var oid cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || len(oid) > maxType {
		return "", fault(ErrUnsupported, "content type %v", typ)
	}
	return string(oid), nil
}

// readType reads an OBJECT IDENTIFIER both raw and as a value.
func readType(in *cryptobyte.String) (raw cryptobyte.String, typ asn1.ObjectIdentifier, ok bool) {
	again := *in
	ok = in.ReadASN1(&raw, cbasn1.OBJECT_IDENTIFIER) && again.ReadASN1ObjectIdentifier(&typ)
	return raw, typ, ok
}

// appendHeader appends the tag and the length, below 2^24, of a DER element.
func appendHeader(dst []byte, tag cbasn1.Tag, n int) []byte {
	dst = append(dst, byte(tag))
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n < 0x100:
		return append(dst, 0x81, byte(n))
	case n < 0x10000:
		return append(dst, 0x82, byte(n>>8), byte(n))
	}
	return append(dst, 0x83, byte(n>>16), byte(n>>8), byte(n))
}

// addElement writes an element whose content octets are at hand. Unlike the
// Builder's own methods it needs no second Builder, and half of a signed object
// is such elements.
func addElement[T string | []byte](b *cryptobyte.Builder, tag cbasn1.Tag, data T) {
	var header [5]byte
	b.AddBytes(appendHeader(header[:0], tag, len(data)))
	b.AddBytes([]byte(data))
}

// addOID writes an OBJECT IDENTIFIER whose content octets are oid.
func addOID(b *cryptobyte.Builder, oid string) {
	addElement(b, cbasn1.OBJECT_IDENTIFIER, oid)
}

// setOf reads the members of a SET OF one by one and demands DER order, which
// also excludes two equal members (X.690 section 11.6).
type setOf struct {
	rest, last cryptobyte.String
}

// next returns the next member with its tag and length; ok is false at a
// member that is not DER or not in order. Call it only while rest is not empty.
func (s *setOf) next() (member cryptobyte.String, tag cbasn1.Tag, ok bool) {
	if !s.rest.ReadAnyASN1Element(&member, &tag) {
		return nil, 0, false
	}
	if s.last != nil && string(s.last) >= string(member) {
		return nil, 0, false
	}
	s.last = member
	return member, tag, true
}
