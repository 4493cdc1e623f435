package cms

import (
	"bytes"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// attributes are the members of an attribute set that this package acts on.
// Unknown ones are checked for form and then ignored.
type attributes struct {
	contentType   []byte // OBJECT IDENTIFIER content octets; nil if absent
	messageDigest []byte // nil if absent
	signingTime   time.Time
}

// readAttributes reads the inside of a SET OF Attribute (RFC 5652 section 5.3):
// at least one, in DER order, each type once.
func readAttributes(set cryptobyte.String) (attributes, error) {
	var found attributes
	var seen [MaxAttributes]string
	if set.Empty() {
		return found, fault(ErrMalformed, "empty attribute set")
	}
	members := setOf{rest: set}
	for n := 0; !members.rest.Empty(); n++ {
		if n == MaxAttributes {
			return found, fault(ErrTooLarge, "more than %d attributes", MaxAttributes)
		}
		member, _, ok := members.next()
		if !ok {
			return found, fault(ErrMalformed, "attributes are not in DER order")
		}
		var attr, typ, values cryptobyte.String
		if !member.ReadASN1(&attr, cbasn1.SEQUENCE) ||
			!attr.ReadASN1(&typ, cbasn1.OBJECT_IDENTIFIER) || typ.Empty() ||
			!attr.ReadASN1(&values, cbasn1.SET) || !attr.Empty() {
			return found, fault(ErrMalformed, "attribute")
		}
		if slices.Contains(seen[:n], string(typ)) {
			return found, fault(ErrMalformed, "attribute present twice")
		}
		seen[n] = string(typ)
		if err := found.read(string(typ), values); err != nil {
			return found, err
		}
	}
	return found, nil
}

// read takes the values of one attribute. The three known types have exactly
// one value (RFC 5652 sections 11.1 to 11.3).
func (a *attributes) read(typ string, values cryptobyte.String) error {
	var value cryptobyte.String
	ok := true
	switch typ {
	case oidContentType:
		ok = values.ReadASN1(&value, cbasn1.OBJECT_IDENTIFIER) && values.Empty()
		a.contentType = value
	case oidMessageDigest:
		ok = values.ReadASN1(&value, cbasn1.OCTET_STRING) && values.Empty()
		a.messageDigest = value
	case oidSigningTime:
		a.signingTime, ok = readTime(&values)
		ok = ok && values.Empty()
	default:
		ok = !values.Empty()
		for set := (setOf{rest: values}); ok && !set.rest.Empty(); {
			_, _, ok = set.next()
		}
	}
	if !ok {
		return fault(ErrMalformed, "attribute value")
	}
	return nil
}

// Layouts of RFC 5652 section 11.3: UTC, seconds present, no fraction.
const (
	layoutUTC         = "060102150405Z"
	layoutGeneralized = "20060102150405Z"
)

// readTime reads a signing time: UTCTime for 1950 to 2049, GeneralizedTime for
// every other year. Formatting it again catches what time.Parse forgives.
func readTime(in *cryptobyte.String) (time.Time, bool) {
	var text cryptobyte.String
	if in.PeekASN1Tag(cbasn1.UTCTime) {
		if !in.ReadASN1(&text, cbasn1.UTCTime) || len(text) != len(layoutUTC) {
			return time.Time{}, false
		}
		t, err := time.Parse(layoutUTC, string(text))
		if err != nil || t.Format(layoutUTC) != string(text) {
			return time.Time{}, false
		}
		if t.Year() >= 2050 { // time.Parse takes 50 to 68 for 2050 to 2068
			t = t.AddDate(-100, 0, 0)
		}
		return t, true
	}
	if !in.ReadASN1(&text, cbasn1.GeneralizedTime) || len(text) != len(layoutGeneralized) {
		return time.Time{}, false
	}
	t, err := time.Parse(layoutGeneralized, string(text))
	if err != nil || t.Format(layoutGeneralized) != string(text) || isUTCTimeYear(t) {
		return time.Time{}, false
	}
	return t, true
}

// isUTCTimeYear reports whether RFC 5652 section 11.3 demands UTCTime for t.
func isUTCTimeYear(t time.Time) bool {
	return 1950 <= t.Year() && t.Year() <= 2049
}

// attribute is an attribute to write, with a single value.
type attribute struct {
	typ   string // OBJECT IDENTIFIER content octets
	tag   cbasn1.Tag
	value []byte // content octets of the value, short
}

// timeAttribute is the signing time t, which is in UTC and has a year of four
// digits.
func timeAttribute(t time.Time) attribute {
	if isUTCTimeYear(t) {
		return attribute{oidSigningTime, cbasn1.UTCTime, []byte(t.Format(layoutUTC))}
	}
	return attribute{oidSigningTime, cbasn1.GeneralizedTime, []byte(t.Format(layoutGeneralized))}
}

// append appends the DER of a.
func (a attribute) append(dst []byte) []byte {
	var header [5]byte
	value := len(appendHeader(header[:0], a.tag, len(a.value))) + len(a.value)
	set := len(appendHeader(header[:0], cbasn1.SET, value)) + value
	typ := len(appendHeader(header[:0], cbasn1.OBJECT_IDENTIFIER, len(a.typ))) + len(a.typ)
	dst = appendHeader(dst, cbasn1.SEQUENCE, typ+set)
	dst = append(appendHeader(dst, cbasn1.OBJECT_IDENTIFIER, len(a.typ)), a.typ...)
	dst = appendHeader(dst, cbasn1.SET, value)
	return append(appendHeader(dst, a.tag, len(a.value)), a.value...)
}

// marshalAttributes encodes a SET OF Attribute in DER order.
func marshalAttributes(attrs ...attribute) []byte {
	members := make([][]byte, len(attrs))
	size := 0
	for i, a := range attrs {
		members[i] = a.append(make([]byte, 0, 96))
		size += len(members[i])
	}
	slices.SortFunc(members, bytes.Compare)
	set := appendHeader(make([]byte, 0, size+4), cbasn1.SET, size)
	for _, m := range members {
		set = append(set, m...)
	}
	return set
}
