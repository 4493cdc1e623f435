package cpim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/rfc3339"
)

// A Draft is what [New] makes a message from. Zero fields write nothing, but a
// content with a Content-Type must be there. For a message that passes
// [CheckProfile] give From, To, DateTime and MessageID.
type Draft struct {
	From      Mailbox
	To, Cc    []Mailbox
	DateTime  time.Time // years 0000 to 9999
	MessageID string    // see [NewMessageID]
	Subjects  []Subject // Lang "" and [DefaultLang] write no language tag
	Require   []Name

	// Extra headers stand last, in this order. Raw is written as it is: use
	// [Escape] for plain text, [Quote] within values that have strings. A header
	// in a foreign namespace uses Prefix, or a prefix that New chooses. NS
	// headers are written by New itself, in front of all others.
	Extra []Header

	Content Content
}

// New writes a message in the one form that RFC 3862 has for it: declarations
// first, names as tokens where they can be, escapes where section 2.3.1 demands
// them and nowhere else, white space around names and subjects trimmed. The
// error says which part of the draft cannot be written; a line feed in a URI or
// a parameter, say, is an error and never a further header.
func New(d Draft) (*Message, error) {
	var w writer
	if err := w.declare(&d); err != nil {
		return nil, fmt.Errorf("cpim: draft: %w", err)
	}
	if err := w.headers(&d); err != nil {
		return nil, fmt.Errorf("cpim: draft: %w", err)
	}
	if err := w.contentHeader(d.Content.Header); err != nil {
		return nil, fmt.Errorf("cpim: draft: %w", err)
	}
	if len(w.b)+len(d.Content.Body) > MaxSize {
		return nil, ErrTooLarge
	}
	m, err := Parse(append(w.b, d.Content.Body...))
	if err != nil {
		return nil, fmt.Errorf("cpim: draft: %w", err)
	}
	return m, nil
}

// A writer builds the octets of a message in front of its body.
type writer struct {
	b        []byte
	prefixes []Namespace
}

// declare chooses a prefix for every namespace but NSCore and writes the NS
// headers. Every prefix stands before its use (section 3.4).
func (w *writer) declare(d *Draft) error {
	if d.MessageID != "" {
		w.prefixes = append(w.prefixes, Namespace{"imdn", NSIMDN})
	}
	for _, h := range d.Extra {
		if h.Prefix != "" {
			if err := w.bind(h.Prefix, orCore(h.NS)); err != nil {
				return err
			}
		}
	}
	for _, h := range d.Extra {
		w.choose(h.NS)
	}
	for _, n := range d.Require {
		w.choose(n.NS)
	}
	for _, ns := range w.prefixes {
		if !isName(ns.Prefix) {
			return errors.New("prefix is not a name")
		}
		if !isAbsoluteURI(ns.URI) {
			return errors.New("namespace is not an absolute URI")
		}
		w.b = fmt.Appendf(w.b, "NS: %s <%s>\r\n", ns.Prefix, ns.URI)
	}
	return nil
}

func (w *writer) bind(prefix, uri string) error {
	for _, ns := range w.prefixes {
		if ns.Prefix == prefix {
			if ns.URI != uri {
				return errors.New("one prefix for two namespaces")
			}
			return nil
		}
	}
	w.prefixes = append(w.prefixes, Namespace{prefix, uri})
	return nil
}

// choose makes sure that there is a prefix for a namespace.
func (w *writer) choose(uri string) {
	if uri = orCore(uri); uri == NSCore || w.prefix(uri) != "" {
		return
	}
	if uri == NSIMDN && w.bind("imdn", uri) == nil {
		return
	}
	for i := 1; w.bind("n"+strconv.Itoa(i), uri) != nil; i++ {
	}
}

// prefix returns the first prefix of a namespace, with its full stop.
func (w *writer) prefix(uri string) string {
	if orCore(uri) == NSCore {
		return ""
	}
	for _, ns := range w.prefixes {
		if ns.URI == uri {
			return ns.Prefix + "."
		}
	}
	return ""
}

func orCore(uri string) string {
	if uri == "" {
		return NSCore
	}
	return uri
}

func (w *writer) headers(d *Draft) error {
	if d.From != (Mailbox{}) {
		if err := w.mailbox("From: ", d.From); err != nil {
			return err
		}
	}
	for _, b := range d.To {
		if err := w.mailbox("To: ", b); err != nil {
			return err
		}
	}
	for _, b := range d.Cc {
		if err := w.mailbox("cc: ", b); err != nil {
			return err
		}
	}
	if !d.DateTime.IsZero() {
		s := rfc3339.Format(d.DateTime)
		if s == "" {
			return errors.New("DateTime outside the years 0000 to 9999")
		}
		w.line("DateTime: ", s)
	}
	if d.MessageID != "" {
		if !isToken(d.MessageID) || !utf8.ValidString(d.MessageID) {
			return errors.New("MessageID is not a token")
		}
		w.line(w.prefix(NSIMDN)+"Message-ID: ", d.MessageID)
	}
	for _, s := range d.Subjects {
		if err := w.subject(s); err != nil {
			return err
		}
	}
	if err := w.require(d.Require); err != nil {
		return err
	}
	for _, h := range d.Extra {
		if err := w.extra(h); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) line(name, value string) {
	w.b = append(append(append(w.b, name...), value...), crlf...)
}

// mailbox writes [ Formal-name ] "<" URI ">", without a space between a quoted
// name and the bracket, since the grammar has none.
func (w *writer) mailbox(name string, b Mailbox) error {
	if !isAbsoluteURI(b.URI) {
		return errors.New(name + "not an absolute URI")
	}
	if !utf8.ValidString(b.Name) {
		return errors.New(name + "name is not UTF-8")
	}
	w.b = append(w.b, name...)
	switch text := strings.Trim(b.Name, " "); {
	case text == "":
	case isTokens(text):
		w.b = append(append(w.b, text...), ' ')
	default:
		w.b = append(w.b, Quote(text, '"')...)
	}
	w.b = append(append(append(w.b, '<'), b.URI...), ">\r\n"...)
	return nil
}

// isTokens reports whether s is tokens with one space between them.
func isTokens(s string) bool {
	for word := range strings.SplitSeq(s, " ") {
		if !isToken(word) {
			return false
		}
	}
	return true
}

func (w *writer) subject(s Subject) error {
	text := strings.Trim(s.Text, " ")
	switch {
	case !utf8.ValidString(text):
		return errors.New("Subject is not UTF-8")
	case text == "":
		return errors.New("Subject is empty")
	case s.Lang == "" || s.Lang == DefaultLang:
		w.b = append(w.b, "Subject: "...)
	case !isLanguageTag(s.Lang):
		return errors.New("Subject has a malformed language tag")
	default:
		w.b = append(append(append(w.b, "Subject:;lang="...), s.Lang...), ' ')
	}
	w.b = append(appendEscaped(w.b, text, 0), crlf...)
	return nil
}

func (w *writer) require(names []Name) error {
	for i, n := range names {
		if !isName(n.Local) {
			return errors.New("required name is not a name")
		}
		sep := ","
		if i == 0 {
			sep = "Require: "
		}
		w.b = append(append(append(w.b, sep...), w.prefix(n.NS)...), n.Local...)
	}
	if len(names) > 0 {
		w.b = append(w.b, crlf...)
	}
	return nil
}

func (w *writer) extra(h Header) error {
	prefix := w.prefix(h.NS)
	if h.Prefix != "" {
		prefix = h.Prefix + "."
	}
	if !isName(h.Local) {
		return errors.New("header name is not a name")
	}
	if orCore(h.NS) == NSCore && kindOf(h.Local) == kindNS {
		return errors.New("NS headers are written as needed and not given")
	}
	if h.Raw == "" {
		return errors.New("header without a value")
	}
	if err := checkText(h.Raw, 0); err != nil {
		return errors.New("header value is not UTF-8, has an unescaped control character, or begins with a space")
	}
	w.b = append(append(append(w.b, prefix...), h.Local...), ':')
	for _, p := range h.Params {
		if !isName(p.Name) || !utf8.ValidString(p.Value) {
			return errors.New("malformed parameter")
		}
		w.b = append(append(append(w.b, ';'), p.Name...), '=')
		if isToken(p.Value) {
			w.b = append(w.b, p.Value...)
		} else {
			w.b = append(w.b, Quote(p.Value, '"')...)
		}
	}
	w.line(" ", h.Raw)
	return nil
}

// contentHeader writes the MIME header of the content and the blank lines on
// both sides of it. What it writes is US-ASCII and is not folded.
func (w *writer) contentHeader(fields []MIMEField) error {
	w.b = append(w.b, crlf...)
	for _, f := range fields {
		for i := range len(f.Name) {
			if c := f.Name[i]; c <= ' ' || c >= 0x7f || c == ':' {
				return errors.New("name of a MIME field is malformed")
			}
		}
		value := strings.Trim(f.Value, " \t")
		for i := range len(value) {
			if c := value[i]; c < ' ' && c != '\t' || c >= 0x7f {
				return errors.New("value of a MIME field is not printable US-ASCII")
			}
		}
		if f.Name == "" {
			return errors.New("MIME field without a name")
		}
		w.line(f.Name+": ", value)
	}
	w.b = append(w.b, crlf...)
	return nil
}
