package cpim

import (
	"strings"
	"time"

	"github.com/kith-im/kith/internal/rfc3339"
)

// DefaultLang is the language of text that has no language tag (section 3.3).
const DefaultLang = "i-default"

// A Mailbox is the value of From, To and cc: a URI that addresses somebody,
// and a name for people to read. The name is what the sender typed. It proves
// nothing and identifies nobody.
type Mailbox struct {
	Name string // "" if absent
	URI  string // an absolute URI of any scheme
}

// A Subject is one Subject header.
type Subject struct {
	Lang string // a language tag; [DefaultLang] where the header has none
	Text string
}

// A Namespace is one NS header: a prefix, "" for the default namespace, and
// the URI it means.
type Namespace struct{ Prefix, URI string }

// From returns the From headers. The format allows any number of them, the
// profile exactly one; see [CheckProfile].
func (m *Message) From() []Mailbox { return m.mailboxes(kindFrom) }

// To returns the To headers.
func (m *Message) To() []Mailbox { return m.mailboxes(kindTo) }

// Cc returns the cc headers: the sender's statement of who else gets a copy.
func (m *Message) Cc() []Mailbox { return m.mailboxes(kindCc) }

// DateTime returns the time of sending, with the offset it was written in, and
// whether there is one. Of several it returns the first.
func (m *Message) DateTime() (time.Time, bool) {
	t, err := rfc3339.ParseFold(m.DateTimeRaw())
	return t, err == nil
}

// DateTimeRaw returns the first DateTime as written, which tells an offset of
// -00:00 (local offset unknown) and digits beyond the nanosecond; "" if absent.
func (m *Message) DateTimeRaw() string {
	for _, l := range m.lines {
		if l.kind == kindDateTime {
			return m.raw(l)
		}
	}
	return ""
}

// Subjects returns the Subject headers, one for each language as a rule.
func (m *Message) Subjects() []Subject {
	var subjects []Subject
	for _, l := range m.lines {
		if l.kind == kindSubject {
			lang := strings.TrimPrefix(m.params(l), ";lang=")
			if lang == "" {
				lang = DefaultLang
			}
			subjects = append(subjects, Subject{lang, unescape(m.raw(l))})
		}
	}
	return subjects
}

// NS returns the namespace declarations.
func (m *Message) NS() []Namespace {
	var spaces []Namespace
	for _, l := range m.lines {
		if l.kind == kindNS {
			prefix, uri, _ := splitNS(m.raw(l))
			spaces = append(spaces, Namespace{prefix, uri})
		}
	}
	return spaces
}

// Require returns the names that the sender wants understood (section 3.5),
// each in its namespace. [CheckRequire] is what a recipient calls.
func (m *Message) Require() []Name {
	var names []Name
	sc := newScope()
	for _, l := range m.lines {
		switch l.kind {
		case kindNS:
			prefix, uri, _ := splitNS(m.raw(l))
			sc.declare(prefix, uri)
		case kindRequire:
			for name := range strings.SplitSeq(m.raw(l), ",") {
				at, _, _ := scanName(name)
				space, _ := sc.lookup(strings.TrimSuffix(name[:at], "."))
				names = append(names, Name{sc.spaces[space], name[at:]})
			}
		}
	}
	return names
}

// MessageID returns the first imdn.Message-ID (RFC 5438 section 6.3), or "" if
// there is none that is a Token.
func (m *Message) MessageID() string {
	for _, l := range m.lines {
		if m.isMessageID(l) {
			if id := m.raw(l); l.value == l.colon+2 && isToken(id) {
				return id
			}
			return ""
		}
	}
	return ""
}

func (m *Message) isMessageID(l line) bool {
	return m.head[l.name:l.colon] == "Message-ID" && m.spaces[l.space] == NSIMDN
}

func (m *Message) mailboxes(k kind) []Mailbox {
	var boxes []Mailbox
	for _, l := range m.lines {
		if l.kind == k {
			box, _ := splitMailbox(m.raw(l))
			boxes = append(boxes, box)
		}
	}
	return boxes
}

func (m *Message) count(k kind) (n int) {
	for _, l := range m.lines {
		if l.kind == k {
			n++
		}
	}
	return n
}

// A kind is one of the headers of section 4.
type kind uint8

const (
	kindOther kind = iota
	kindFrom
	kindTo
	kindCc
	kindDateTime
	kindSubject
	kindNS
	kindRequire
)

// kindOf returns the kind of a name in the namespace NSCore. Names match
// exactly: from and CC are other headers.
func kindOf(name string) kind {
	switch name {
	case "From":
		return kindFrom
	case "To":
		return kindTo
	case "cc":
		return kindCc
	case "DateTime":
		return kindDateTime
	case "Subject":
		return kindSubject
	case "NS":
		return kindNS
	case "Require":
		return kindRequire
	}
	return kindOther
}

// checkKind holds the parameters and the value of a header to its definition.
func checkKind(k kind, params, value string, num int, sc *scope) error {
	if k == kindSubject {
		lang, ok := strings.CutPrefix(params, ";lang=")
		if params != "" && (!ok || !isLanguageTag(lang)) {
			return &SyntaxError{num, "RFC 3862 4.5", "Subject has a parameter that is not one language tag"}
		}
		return nil
	}
	if k != kindOther && params != "" {
		return &SyntaxError{num, "RFC 3862 4", "parameter on a header that has none"}
	}
	var section, reason string
	switch k {
	case kindFrom, kindTo, kindCc:
		section = [...]string{kindFrom: "RFC 3862 4.1", kindTo: "RFC 3862 4.2", kindCc: "RFC 3862 4.3"}[k]
		_, reason = splitMailbox(value)
	case kindDateTime:
		section = "RFC 3339 5.6"
		if _, err := rfc3339.ParseFold(value); err != nil {
			reason = "DateTime is not an RFC 3339 date-time"
		}
	case kindNS:
		section, reason = "RFC 3862 4.6", declareNS(value, sc)
	case kindRequire:
		section, reason = "RFC 3862 4.7", checkRequire(value, sc)
	}
	if reason != "" {
		return &SyntaxError{num, section, reason}
	}
	return nil
}

// splitMailbox reads [ Formal-name ] "<" URI ">". A quoted name may be followed
// by one space, which the grammar lacks and practice has. Of the text, only
// the name is unescaped, after it has been cut out.
func splitMailbox(s string) (Mailbox, string) {
	i := 0
	var name string
	if s != "" && s[0] == '"' {
		if i = scanString(s); i == 0 {
			return Mailbox{}, "quoted name without end"
		}
		name = s[1 : i-1]
		if i < len(s) && s[i] == ' ' {
			i++
		}
	} else {
		for i < len(s) && s[i] != '<' {
			n := span(s[i:], tokenChar)
			if n == 0 || i+n == len(s) || s[i+n] != ' ' {
				return Mailbox{}, "name is neither tokens each followed by one space nor one quoted string"
			}
			i += n + 1
		}
		name = strings.TrimSuffix(s[:i], " ")
	}
	uri, ok := cutURI(s[i:])
	if !ok {
		return Mailbox{}, "no absolute URI in angle brackets at the end of the value"
	}
	return Mailbox{unescape(name), uri}, ""
}

// cutURI reads "<" URI ">", which must be all of s.
func cutURI(s string) (string, bool) {
	if len(s) < 2 || s[0] != '<' || s[len(s)-1] != '>' {
		return "", false
	}
	uri := s[1 : len(s)-1]
	return uri, isAbsoluteURI(uri)
}

// splitNS reads [ Name-prefix ] "<" URI ">". The grammar has no space before
// the bracket, every example has one: both are read.
func splitNS(s string) (prefix, uri, reason string) {
	n := span(s, nameChar)
	prefix, s = s[:n], s[n:]
	if prefix != "" {
		s = strings.TrimPrefix(s, " ")
	}
	uri, ok := cutURI(s)
	if !ok {
		return "", "", "NS is not an optional prefix and an absolute URI in angle brackets"
	}
	return prefix, uri, ""
}

func declareNS(value string, sc *scope) (reason string) {
	prefix, uri, reason := splitNS(value)
	if reason == "" && !sc.declare(prefix, uri) {
		return "prefix declared twice with different URIs"
	}
	return reason
}

// checkRequire reads Header-name *( "," Header-name ).
func checkRequire(value string, sc *scope) (reason string) {
	for name := range strings.SplitSeq(value, ",") {
		at, end, bad := scanName(name)
		if bad != "" || end != len(name) {
			return "Require is not header names separated by commas alone"
		}
		if _, ok := sc.lookup(strings.TrimSuffix(name[:at], ".")); !ok {
			return "required name has a prefix that no NS header before it declares"
		}
	}
	return ""
}
