package cpim

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Classes of octets, by section 3.6 and, for URIs, RFC 2396 with the brackets
// of RFC 2732.
const (
	nameChar  = 1 << iota // NAMECHAR
	tokenChar             // TOKENCHAR; octets of UCS-high included, as text is UTF-8
	uriChar               // uric, with the percent sign that begins an escape
)

var classes = makeClasses()

func makeClasses() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		if isAlnum(b) {
			t[c] |= nameChar | tokenChar | uriChar
		}
		if c >= 0x80 {
			t[c] |= tokenChar
		}
	}
	for _, c := range []byte("!#$%&'*+-^_`|~") {
		t[c] |= nameChar | tokenChar
	}
	t['.'] |= tokenChar
	for _, c := range []byte(";/?:@&=+$,[]-_.!~*'()%") {
		t[c] |= uriChar
	}
	return t
}

func is(c byte, class uint8) bool { return classes[c]&class != 0 }

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }

// span returns how many octets at the front of s are of a class.
func span(s string, class uint8) int {
	i := 0
	for i < len(s) && is(s[i], class) {
		i++
	}
	return i
}

// isToken reports whether s is a Token, isName whether it is a Name.
func isToken(s string) bool { return s != "" && span(s, tokenChar) == len(s) }
func isName(s string) bool  { return s != "" && span(s, nameChar) == len(s) }

// scanString returns the size of the String at the front of s, which begins
// with a double quote, or 0. A backslash takes the character after it, known
// escape or not (section 2.3.1), so that only a bare quote ends the string.
func scanString(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// isAbsoluteURI reports whether s is an absoluteURI of RFC 2396 section 3:
// scheme, colon, and at least one more character; no fragment.
func isAbsoluteURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || !isAlpha(scheme[0]) || rest == "" {
		return false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	for i := 0; i < len(rest); i++ {
		if !is(rest[i], uriChar) {
			return false
		}
		if rest[i] == '%' {
			if i+2 >= len(rest) || hexValue(rest[i+1]) < 0 || hexValue(rest[i+2]) < 0 {
				return false
			}
			i += 2
		}
	}
	return strings.IndexByte(rest, '[') < 0 && strings.IndexByte(rest, ']') < 0 || bracketsFit(rest)
}

// bracketsFit reports whether the brackets in s, what follows the scheme of a
// URI, stand where RFC 2732 lets them: around an IPv6 address, in a query, and in
// an opaque part but for its first character.
func bracketsFit(s string) bool {
	if s[0] != '/' {
		return s[0] != '[' && s[0] != ']'
	}
	s, _, _ = strings.Cut(s, "?")
	authority, ok := strings.CutPrefix(s, "//")
	if !ok {
		return !strings.ContainsAny(s, "[]")
	}
	authority, path, _ := strings.Cut(authority, "/")
	user, host, ok := strings.Cut(authority, "@")
	if !ok {
		user, host = "", authority
	}
	if strings.ContainsAny(path, "[]") || strings.ContainsAny(user, "[]") {
		return false
	}
	host, ok = strings.CutPrefix(host, "[")
	if !ok {
		return !strings.ContainsAny(host, "[]")
	}
	address, port, ok := strings.Cut(host, "]")
	return ok && address != "" && strings.Trim(address, "0123456789ABCDEFabcdef:.") == "" &&
		(port == "" || port[0] == ':' && strings.Trim(port[1:], "0123456789") == "")
}

// isLanguageTag reports whether s is a Language-Tag of RFC 3066 section 2.1.
func isLanguageTag(s string) bool {
	for first := true; ; first = false {
		sub, rest, more := strings.Cut(s, "-")
		if len(sub) < 1 || len(sub) > 8 {
			return false
		}
		for i := range len(sub) {
			if !isAlpha(sub[i]) && (first || !isDigit(sub[i])) {
				return false
			}
		}
		if !more {
			return true
		}
		s = rest
	}
}

func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// unescape resolves the escapes of section 2.3 in s, from left to right. By
// 2.3.1 an unknown escape stands for the character after the backslash, and a
// backslash at the end for nothing. The escapes name UCS-2 characters: a
// surrogate pair is one character, a lone surrogate is U+FFFD.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i >= 0 {
		b = append(b, s[:i]...)
		s = s[i+1:]
		if s == "" {
			return string(b)
		}
		switch s[0] {
		case 'b':
			b = append(b, '\b')
		case 't':
			b = append(b, '\t')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 'u':
			r, n := unescapeUCS(s)
			b = utf8.AppendRune(b, r)
			s = s[n-1:]
		default: // the character itself; its further octets follow as text
			b = append(b, s[0])
		}
		s = s[1:]
		i = strings.IndexByte(s, '\\')
	}
	return string(append(b, s...))
}

// unescapeUCS reads the numeric escape in s, which begins after its backslash,
// and returns the size of what it read: 1 for a u without four digits.
func unescapeUCS(s string) (rune, int) {
	r, ok := hex4(s)
	if !ok {
		return 'u', 1
	}
	if utf16.IsSurrogate(r) && len(s) >= 11 && s[5] == '\\' {
		if low, ok := hex4(s[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 11
			}
		}
	}
	return r, 5 // AppendRune writes a lone surrogate as U+FFFD
}

// hex4 reads u and four hexadecimal digits.
func hex4(s string) (r rune, ok bool) {
	if len(s) < 5 || s[0] != 'u' {
		return 0, false
	}
	for i := 1; i < 5; i++ {
		v := hexValue(s[i])
		if v < 0 {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, true
}

// Escape returns text as it stands in a header by section 2.3.1: backslashes
// and control characters escaped, and nothing else.
func Escape(text string) string { return string(appendEscaped(nil, text, 0)) }

// Quote returns text as a string between two delim, which are double or single
// quotes, for the value of a header whose definition has such strings.
func Quote(text string, delim byte) string {
	b := append(make([]byte, 0, len(text)+2), delim)
	return string(append(appendEscaped(b, text, delim), delim))
}

// appendEscaped appends text to b, with the delimiter escaped as well.
func appendEscaped(b []byte, text string, delim byte) []byte {
	const hex = "0123456789abcdef"
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\\', c == delim && delim != 0:
			b = append(b, '\\', c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c < 0x20 || c == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
