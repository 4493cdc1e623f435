package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
)

const (
	maxAddress = 512 // octets of any textual form, before anything is decoded
	maxLocal   = 64  // octets of a local part once unescaped (RFC 5321, 4.5.3.1.1)
	maxDomain  = 253 // octets of a domain name
)

// Address names one principal: LOCAL@DOMAIN, the mailbox of an im: or pres: URI (RFC 3859 and 3860, appendix A). Only [ParseAddress]
// and [NewAddress] make one, so a non-zero value is valid and canonical: two addresses are the same principal exactly if they are ==.
// The local part is compared exactly, the domain without regard to case.
type Address struct{ local, domain string }

// ParseAddress reads "im:l@d", "pres:l@d" or bare "l@d", of at most 512 octets. Schemes and domains may be in any case and characters may
// be percent-encoded. Headers, fragments, display names, comments, domain literals, non-ASCII and a missing local part are refused.
// DOMAIN is either an overlay domain, <key>.kith.alt, or a fully qualified DNS domain (doc/spec/address.md).
func ParseAddress(s string) (Address, error) {
	_, rest := cutScheme(s)
	a, err := parseMailbox(rest)
	if err != nil {
		return Address{}, fmt.Errorf("address %.80q: %w", s, err)
	}
	return a, nil
}

// NewAddress gives the address of LOCAL under the overlay domain of a domain key. LOCAL is the plain text of the local part, as in
// "fred" or "fred flint", of at most 64 printable ASCII characters.
func NewAddress(local string, domainKey ed25519.PublicKey) (Address, error) {
	domain, err := overlayDomain(domainKey)
	if err != nil {
		return Address{}, err
	}
	if local == "" || len(local) > maxLocal || !printable(local) {
		return Address{}, fmt.Errorf("local part %.80q: want 1 to %d printable ASCII characters", local, maxLocal)
	}
	if !dotAtom(local) {
		local = quote(local)
		if len(local) > maxLocal {
			return Address{}, fmt.Errorf("local part %.80q: longer than %d octets once quoted", local, maxLocal)
		}
	}
	return Address{escape(local), domain}, nil
}

// IM gives the URI of the instant inbox, "im:l@d" (RFC 3860, 3.2).
func (a Address) IM() string { return "im:" + a.String() }

// Pres gives the URI of the presentity, "pres:l@d" (RFC 3859, 3.2).
func (a Address) Pres() string { return "pres:" + a.String() }

// String gives the canonical "l@d", percent-encoded as in a URI; the zero address gives "".
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	return a.local + "@" + a.domain
}

// Local gives the canonical local part, percent-encoded as in a URI.
func (a Address) Local() string { return a.local }

// Domain gives the domain in lower case.
func (a Address) Domain() string { return a.domain }

// Short gives a form for people, with the key of an overlay domain abbreviated: "alice@k51qzi…x7f2". It identifies nobody; compare
// addresses, not short forms.
func (a Address) Short() string {
	key, overlay := strings.CutSuffix(a.domain, overlaySuffix)
	if !overlay {
		return a.String()
	}
	return a.local + "@" + key[:6] + "…" + key[len(key)-4:]
}

// DomainKey gives the Ed25519 key that an overlay domain names, and false for a DNS domain, whose key only its zone knows.
func (a Address) DomainKey() (ed25519.PublicKey, bool) {
	name, overlay := strings.CutSuffix(a.domain, overlaySuffix)
	if !overlay {
		return nil, false
	}
	key, err := decodeKeyName(name) // whoever made a has checked the point
	return key, err == nil
}

// IsZero tells whether a is the zero value, which names nobody.
func (a Address) IsZero() bool { return a == Address{} }

// MarshalText gives the canonical form, empty for the zero address.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is [ParseAddress]; an empty text gives the zero address.
func (a *Address) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := ParseAddress(string(b))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// cutScheme splits off "im:" or "pres:" in any case and gives the scheme in lower case, or "" and the whole of s.
func cutScheme(s string) (scheme, rest string) {
	for _, scheme := range []string{"im", "pres"} {
		n := len(scheme)
		if len(s) > n && s[n] == ':' && strings.EqualFold(s[:n], scheme) {
			return scheme, s[n+1:]
		}
	}
	return "", s
}

// parseMailbox reads the encoded addr-spec of RFC 2822, 3.4.1, without the obsolete forms, comments and domain literals.
func parseMailbox(s string) (Address, error) {
	if len(s) > maxAddress {
		return Address{}, fmt.Errorf("longer than %d octets", maxAddress)
	}
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return Address{}, fmt.Errorf("%q has no place in an address", s[i])
	}
	rawLocal, rawDomain, found := strings.Cut(s, "@")
	if !found {
		return Address{}, errors.New("no @")
	}
	local, err := unescape(rawLocal)
	if err != nil {
		return Address{}, fmt.Errorf("local part: %w", err)
	}
	if local, err = canonicalLocal(local); err != nil {
		return Address{}, fmt.Errorf("local part: %w", err)
	}
	domain, err := unescape(rawDomain)
	if err != nil {
		return Address{}, fmt.Errorf("domain: %w", err)
	}
	if domain, err = canonicalDomain(domain); err != nil {
		return Address{}, fmt.Errorf("domain: %w", err)
	}
	return Address{escape(local), domain}, nil
}

// canonicalLocal checks a dot-atom or quoted-string and gives its shortest form: a quoted string that need not be one is a dot-atom.
func canonicalLocal(s string) (string, error) {
	if len(s) > maxLocal {
		return "", fmt.Errorf("longer than %d octets", maxLocal)
	}
	if dotAtom(s) {
		return s, nil
	}
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", errors.New("neither a dot-atom nor a quoted string")
	}
	var text strings.Builder
	for inner := s[1 : len(s)-1]; inner != ""; inner = inner[1:] {
		if inner[0] == '\\' {
			inner = inner[1:]
		} else if inner[0] == '"' {
			return "", errors.New("bare quote in a quoted string")
		}
		if inner == "" || !printable(inner[:1]) {
			return "", errors.New("bad character in a quoted string")
		}
		text.WriteByte(inner[0])
	}
	switch {
	case text.Len() == 0:
		return "", errors.New("empty")
	case dotAtom(text.String()):
		return text.String(), nil
	}
	return quote(text.String()), nil
}

// canonicalDomain checks a fully qualified name (RFC 3861, 3) and gives it in lower case.
func canonicalDomain(s string) (string, error) {
	if len(s) > maxDomain {
		return "", fmt.Errorf("longer than %d octets", maxDomain)
	}
	s = strings.ToLower(s)
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if !hostLabel(label) {
			return "", fmt.Errorf("bad label %q", label)
		}
	}
	last := labels[len(labels)-1]
	switch {
	case len(labels) < 2:
		return "", errors.New("not fully qualified")
	case strings.Trim(last, "0123456789") == "":
		return "", errors.New("an IP address is not a domain")
	case last != "alt":
		return s, nil
	}
	name, found := strings.CutSuffix(s, overlaySuffix)
	if !found {
		return "", errors.New("only <key>.kith.alt is known under .alt")
	}
	_, err := parseKeyName(name)
	return s, err
}

func hostLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// dotAtom tells whether s is a dot-atom-text of RFC 2822, 3.2.4.
func dotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			if !alphanumeric(c) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return false
			}
		}
	}
	return true
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
