package pidf

import (
	"strings"
	"unicode/utf8"
)

const xsi = "http://www.w3.org/2001/XMLSchema-instance"

// isEntity reports whether s is a pres: URI (RFC 3859 appendix A) that names a
// presentity: a mailbox and no headers.
func isEntity(s string) bool {
	rest, ok := cutScheme(s, "pres")
	if !ok || !isURIText(rest) || strings.ContainsAny(rest, "?/,;:") {
		return false
	}
	local, domain, ok := strings.Cut(rest, "@")
	return ok && isLocalPart(local) && isDomain(domain)
}

// cutScheme removes scheme and colon from s, in any case of letters.
func cutScheme(s, scheme string) (rest string, ok bool) {
	n := len(scheme)
	if len(s) <= n || s[n] != ':' || !strings.EqualFold(s[:n], scheme) {
		return "", false
	}
	return s[n+1:], true
}

// isLocalPart is the dot-atom of RFC 2822, with what a URI must escape
// escaped; an escaped control character is refused.
func isLocalPart(s string) bool {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' && (s[i+1] < '2' || s[i+1] == '7' && s[i+2]|0x20 == 'f') {
			return false
		}
	}
	return s != "" && !strings.ContainsAny(s, "()@") && s[0] != '.' && s[len(s)-1] != '.' &&
		!strings.Contains(s, "..")
}

// isDomain is a name of letter-digit-hyphen labels.
func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; c != '-' && !isLetter(c) && !isDigit(c) {
				return false
			}
		}
	}
	return true
}

// isAbsoluteURI reports whether s is an absolute URI by RFC 2396, without
// fragment.
func isAbsoluteURI(s string) bool {
	n := schemeLen(s)
	return n > 0 && len(s) > n+1 && isURIText(s[n+1:])
}

// isResource reports whether s is an absolute URI that may have a fragment and
// characters beyond ASCII, as RFC 4482 section 7 allows. A fetch takes no part
// in that.
func isResource(s string) bool {
	n := schemeLen(s)
	if n == 0 || len(s) <= n+1 || s[n+1] == '#' {
		return false
	}
	rest, fragment, _ := strings.Cut(s[n+1:], "#")
	return isIRIText(rest) && isIRIText(fragment)
}

// isIRIText is isURIText with all characters beyond ASCII.
func isIRIText(s string) bool {
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			if !isURIText(s[from:i]) {
				return false
			}
			from = i + 1
		}
	}
	return isURIText(s[from:])
}

// schemeLen returns the length of the scheme of s, 0 if there is none.
func schemeLen(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isLetter(c):
		case i > 0 && c == ':':
			return i
		case i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.':
			return 0
		}
	}
	return 0
}

// isURIText reports whether s consists of the characters uric of RFC 2396.
func isURIText(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isLetter(c) || isDigit(c):
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		case strings.IndexByte(";/?:@&=+$,-_.!~*'()", c) < 0:
			return false
		}
	}
	return true
}

// isLanguage reports whether s has the form of an RFC 3066 language tag.
func isLanguage(s string) bool {
	part, first := 0, true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '-' && part > 0:
			part, first = 0, false
			continue
		case !isLetter(c) && (first || !isDigit(c)):
			return false
		}
		if part++; part > 8 {
			return false
		}
	}
	return part > 0
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
