package xmlscan

import (
	"strings"
	"unicode/utf8"
)

// IsSpace reports whether c is white space of XML.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func skipSpace(s string, i int) int {
	for i < len(s) && IsSpace(s[i]) {
		i++
	}
	return i
}

// TrimSpace removes the white space of XML, and no other, from both ends.
func TrimSpace(s string) string {
	for len(s) > 0 && IsSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && IsSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// IsName reports whether s is an XML name without colon.
func IsName(s string) bool {
	end := ncname(s, 0)
	return end > 0 && end == len(s)
}

// IsText reports whether s is UTF-8 and made of characters that XML allows.
func IsText(s string) bool {
	plain := 0
	for plain < len(s) && s[plain] >= ' ' && s[plain] < utf8.RuneSelf {
		plain++
	}
	s = s[plain:]
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
		if !isChar(r) {
			return false
		}
	}
	return true
}

// isChar is the production Char of XML 1.0.
func isChar(r rune) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r <= 0xD7FF:
		return true
	case r < 0xE000:
		return false
	}
	return r <= 0xFFFD || (r >= 0x10000 && r <= utf8.MaxRune)
}

// qname reads a qualified name from i on. end is 0 if there is none.
func qname(s string, i int) (prefix, local string, end int) {
	end = ncname(s, i)
	if end == 0 || end >= len(s) || s[end] != ':' {
		return "", s[i:max(i, end)], end
	}
	colon := end
	end = ncname(s, colon+1)
	if end == 0 || (end < len(s) && s[end] == ':') {
		return "", "", 0
	}
	return s[i:colon], s[colon+1 : end], end
}

// ncname returns the end of the colon-free name that starts at i, or 0.
func ncname(s string, i int) int {
	start := i
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
			if !letter && (i == start || c != '-' && c != '.' && (c < '0' || c > '9')) {
				break
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if !nameStart(r) && (i == start || !nameMore(r)) {
			break
		}
		i += n
	}
	if i == start {
		return 0
	}
	return i
}

// nameStart is NameStartChar of XML 1.0 beyond ASCII.
func nameStart(r rune) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF:
		return r != 0xD7 && r != 0xF7
	case r >= 0x370 && r <= 0x1FFF:
		return r != 0x37E
	case r == 0x200C, r == 0x200D:
		return true
	case r >= 0x2070 && r <= 0x218F, r >= 0x2C00 && r <= 0x2FEF, r >= 0x3001 && r <= 0xD7FF:
		return true
	case r >= 0xF900 && r <= 0xFDCF, r >= 0xFDF0 && r <= 0xFFFD, r >= 0x10000 && r <= 0xEFFFF:
		return true
	}
	return false
}

// nameMore is what NameChar adds beyond ASCII.
func nameMore(r rune) bool {
	return r == 0xB7 || (r >= 0x300 && r <= 0x36F) || r == 0x203F || r == 0x2040
}

// encodingName is the production EncName.
func encodingName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '-' && c != '.' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// reference decodes the reference at the start of s, which begins with &.
// n is its length, 0 if it is malformed, unknown, or to an excluded character.
func reference(s string) (r rune, n int) {
	end := strings.IndexByte(s[:min(len(s), 64)], ';')
	if end < 2 {
		return 0, 0
	}
	body := s[1:end]
	switch body {
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "apos":
		return '\'', end + 1
	case "quot":
		return '"', end + 1
	}
	if body[0] != '#' {
		return 0, 0
	}
	digits, base := body[1:], rune(10)
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	if digits == "" {
		return 0, 0
	}
	for i := 0; i < len(digits); i++ {
		v := digit(digits[i])
		if v >= base || r > utf8.MaxRune {
			return 0, 0
		}
		r = r*base + v
	}
	if !isChar(r) {
		return 0, 0
	}
	return r, end + 1
}

// digit returns the value of a hexadecimal digit, 16 for anything else.
func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return 16
}

// normalize applies attribute-value normalization to raw. bad is the offset of
// a malformed reference, or -1.
func normalize(raw string) (value string, bad int) {
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case '&':
			r, n := reference(raw[i:])
			if n == 0 {
				return "", i
			}
			b.WriteRune(r)
			i += n
			continue
		case '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			b.WriteByte(' ')
		case '\n', '\t':
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
		i++
	}
	return b.String(), -1
}
