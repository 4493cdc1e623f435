package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxLink = 8 << 10 // octets of a link

// Link is an im: or pres: URI with its headers, as a web page or a mail may hold it. It is a wish of whoever wrote the page: show it,
// and never send without asking.
type Link struct {
	Scheme  string  // "im" or "pres"
	Address Address // zero in a link without a mailbox, which opens an empty composition
	Subject string  // one line of UTF-8
	Body    string  // UTF-8
}

// ParseLink reads a URI of at most 8 KiB by RFC 3859 and 3860, appendix A. Headers are split at "&", then at their first "=", which each must
// have; only subject and body are honoured, in any case and once each, and others are dropped.
func ParseLink(s string) (Link, error) {
	if len(s) > maxLink {
		return Link{}, fmt.Errorf("link longer than %d octets", maxLink)
	}
	scheme, rest := cutScheme(s)
	if scheme == "" {
		return Link{}, fmt.Errorf("link %.80q: scheme is neither im nor pres", s)
	}
	link := Link{Scheme: scheme}
	mailbox, headers, found := strings.Cut(rest, "?")
	if mailbox != "" || !found && rest != "" {
		var err error
		if link.Address, err = parseMailbox(mailbox); err != nil {
			return Link{}, fmt.Errorf("link %.80q: %w", s, err)
		}
	}
	if !found {
		return link, nil
	}
	if err := link.parseHeaders(headers); err != nil {
		return Link{}, fmt.Errorf("link %.80q: %w", s, err)
	}
	return link, nil
}

func (l *Link) parseHeaders(s string) error {
	var subject, body bool
	for header := range strings.SplitSeq(s, "&") {
		name, value, found := strings.Cut(header, "=")
		if !found {
			return fmt.Errorf("header %.40q without =", header)
		}
		name, err := unescape(name)
		if err != nil {
			return fmt.Errorf("header name: %w", err)
		}
		value, err = unescape(value)
		if err != nil {
			return fmt.Errorf("header %.40q: %w", name, err)
		}
		name = strings.ToLower(name)
		if honoured := name == "subject" || name == "body"; honoured && (!utf8.ValidString(value) || strings.ContainsRune(value, 0)) {
			return fmt.Errorf("header %s: not text", name)
		}
		switch name {
		case "subject":
			if subject || strings.ContainsAny(value, "\r\n") {
				return errors.New("subject must be one line, once")
			}
			subject, l.Subject = true, value
		case "body":
			if body {
				return errors.New("body more than once")
			}
			body, l.Body = true, value
		}
	}
	return nil
}

// rawInURI are the characters besides letters and digits that RFC 2396 lets stand for themselves in a URI (uric), without "?", which
// ends a mailbox, and with "@" left to the callers, who cut at it.
const rawInURI = "-_.!~*'();/:@&=+$,?"

// unescape decodes percent-encoding and refuses what may not stand in a URI.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if len(s)-i < 3 {
				return "", errors.New("bare percent sign")
			}
			octet, err := hex.DecodeString(s[i+1 : i+3])
			if err != nil {
				return "", errors.New("bare percent sign")
			}
			b.WriteByte(octet[0])
			i += 2
		case alphanumeric(c) || strings.IndexByte(rawInURI, c) >= 0:
			b.WriteByte(c)
		default:
			return "", fmt.Errorf("%q must be percent-encoded", c)
		}
	}
	return b.String(), nil
}

// escape gives the one encoding of a local part that kith writes: letters, digits and -._~!$&'*+= stand for themselves.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if alphanumeric(c) || strings.IndexByte("-._~!$&'*+=", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
