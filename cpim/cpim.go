// Package cpim reads and writes Message/CPIM, the instant message format of
// RFC 3862: metadata headers under a strict grammar, then any MIME content.
//
// Call [Parse] on the octets of a received message/cpim object, or
// [ParseEntity] if its own MIME header stands in front (what S/MIME signs).
// Then [CheckRequire], before anything is shown, and [CheckProfile] for what
// kith demands beyond the format. To write, fill a [Draft] and call [New].
//
// A [Message] is immutable (section 9) and valid, since only Parse and New
// make one. It keeps the octets it was read from: Marshal returns exactly
// those, so that signatures over them hold. Only one form is accepted where
// RFC 3862 has one: CR LF, one space after the colon, exact case, declared
// prefixes, absolute URIs. Every refusal is a [*SyntaxError] that names the
// line and the section, or [ErrTooLarge].
//
// Limits: [MaxSize] octets a message, headers and content together; the MIME
// header in front of it, if any, may have 4 KiB more. There is no limit on the length of a line or on the number of headers. Parsing is
// linear in the input and holds at most a small multiple of it. Nothing is
// ever fetched from a URI that a message names.
package cpim

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxSize is the largest message that is read or written, in octets.
const MaxSize = 256 << 10

// The namespaces of headers that this package knows. Mind the final colon of
// the first, which the second lacks.
const (
	NSCore = "urn:ietf:params:cpim-headers:" // RFC 3862 section 4
	NSIMDN = "urn:ietf:params:imdn"          // RFC 5438 section 10
)

// ErrTooLarge is returned for a message of more than [MaxSize] octets.
var ErrTooLarge = errors.New("cpim: message larger than 256 KiB")

// A SyntaxError says why octets are not a Message/CPIM object.
type SyntaxError struct {
	Line    int    // of the input, counted from 1
	Section string // the rule that is broken, such as "RFC 3862 2.2"
	Msg     string // never quotes the input
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("cpim: line %d: %s (%s)", e.Line, e.Msg, e.Section)
}

// A Message is one Message/CPIM object. It does not change, and it may be
// used by several goroutines at once. Its zero value is not a message.
type Message struct {
	head    string // message headers, blank line, content headers, blank line
	content int    // where the content headers begin in head
	body    []byte // of the content
	entity  string // the MIME header of the object, with its blank line, if given
	lines   []line
	spaces  []string // namespaces; line.space is an index
}

// A line is one message header as offsets into head:
// start prefix "." name ":" params " " value end.
type line struct {
	start, name, colon, value, end int32
	space                          int32
	kind                           kind
}

const crlf = "\r\n"

// maxEntityHeader is the largest MIME header in front of an object. It does not
// count against MaxSize, so that every message that New makes fits in an entity.
const maxEntityHeader = 4 << 10

// Parse reads a message/cpim object: message headers, a blank line, and the
// MIME content (RFC 3862 section 2). It keeps nothing of b. On error the
// message is nil and the error is [ErrTooLarge] or a [*SyntaxError].
func Parse(b []byte) (*Message, error) {
	if len(b) > MaxSize {
		return nil, ErrTooLarge
	}
	return parse(b, 1)
}

// ParseEntity reads a MIME entity that is a Message/CPIM object: its MIME
// header with Content-Type: Message/CPIM (section 2.1), a blank line, and what
// [Parse] reads. A transfer encoding that changes octets (base64,
// quoted-printable) is refused: who received the entity undoes it first
// (sections 7.1 and 9).
func ParseEntity(b []byte) (*Message, error) {
	if len(b) > maxEntityHeader+MaxSize {
		return nil, ErrTooLarge
	}
	end := blankLine(b, 0)
	entity := string(b[:end])
	next, err := checkEntityHeader(entity)
	if err != nil {
		return nil, err
	}
	if end > maxEntityHeader || len(b)-end > MaxSize {
		return nil, ErrTooLarge
	}
	m, err := parse(b[end:], next)
	if err != nil {
		return nil, err
	}
	m.entity = entity
	return m, nil
}

// Marshal returns the octets of the message/cpim object, those that were
// parsed or made by [New]. The only error is for the zero Message.
func (m *Message) Marshal() ([]byte, error) {
	if m.head == "" {
		return nil, errors.New("cpim: marshal of an empty message")
	}
	return m.append(make([]byte, 0, len(m.head)+len(m.body))), nil
}

// MarshalEntity returns the object with its MIME header in front: the header
// that [ParseEntity] read, octet by octet, else the single field
// Content-Type: Message/CPIM. This is what a signature covers (section 5.2).
func (m *Message) MarshalEntity() ([]byte, error) {
	if m.head == "" {
		return nil, errors.New("cpim: marshal of an empty message")
	}
	entity := m.entity
	if entity == "" {
		entity = "Content-Type: Message/CPIM\r\n\r\n"
	}
	b := make([]byte, 0, len(entity)+len(m.head)+len(m.body))
	return m.append(append(b, entity...)), nil
}

func (m *Message) append(b []byte) []byte {
	return append(append(b, m.head...), m.body...)
}

// parse reads the object in b, whose first line has the number first.
func parse(b []byte, first int) (*Message, error) {
	content := blankLine(b, 0)
	body := blankLine(b, content)
	m := &Message{head: string(b[:body]), content: content}
	next, err := m.readHeaders(first)
	if err != nil {
		return nil, err
	}
	if err := checkContentHeader(m.head[content:], next); err != nil {
		return nil, err
	}
	m.body = bytes.Clone(b[body:])
	return m, nil
}

// blankLine returns where what follows the first empty line from at begins,
// or the length of b if there is none.
func blankLine(b []byte, at int) int {
	if bytes.HasPrefix(b[at:], []byte(crlf)) {
		return at + len(crlf)
	}
	if i := bytes.Index(b[at:], []byte(crlf+crlf)); i >= 0 {
		return at + i + 2*len(crlf)
	}
	return len(b)
}

// readHeaders reads the message headers and the blank line that must be all of
// m.head[:m.content], and returns the number of the line after them.
func (m *Message) readHeaders(num int) (int, error) {
	block := m.head[:m.content]
	m.lines = make([]line, 0, strings.Count(block, "\n"))
	sc := newScope()
	for at := 0; ; num++ {
		text, size, err := cutLine(block[at:], num)
		if err != nil {
			return 0, err
		}
		if text == "" {
			m.spaces = sc.spaces
			return num + 1, nil
		}
		l, err := readHeader(text, num, &sc)
		if err != nil {
			return 0, err
		}
		m.lines = append(m.lines, l.moved(at))
		at += size
	}
}

// cutLine returns the line at the front of s and its size with the line end.
func cutLine(s string, num int) (text string, size int, err error) {
	i := strings.IndexByte(s, '\n')
	switch {
	case i < 0 && s == "":
		return "", 0, &SyntaxError{num, "RFC 3862 2", "no blank line after the message headers"}
	case i < 0:
		return "", 0, &SyntaxError{num, "RFC 3862 2.2", "line without CR LF"}
	case i == 0 || s[i-1] != '\r':
		return "", 0, &SyntaxError{num, "RFC 3862 2.2", "line ends in LF without CR"}
	}
	return s[:i-1], i + 1, nil
}

// checkText holds a line to what section 2.2 says of all lines: UTF-8, no
// control characters, no white space at either end. The space that ends a
// header with an empty value is left to readHeader.
func checkText(text string, num int) error {
	if text[0] == ' ' || text[0] == '\t' {
		return &SyntaxError{num, "RFC 3862 2.2", "white space at the beginning of a line (headers are not folded)"}
	}
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == 0x7f {
			return &SyntaxError{num, "RFC 3862 2.2", "control character in a header"}
		}
	}
	if !utf8.ValidString(text) {
		return &SyntaxError{num, "RFC 3862 2.2", "header is not UTF-8"}
	}
	return nil
}
