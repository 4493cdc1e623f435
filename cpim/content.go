package cpim

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"
)

// A MIMEField is one field of a MIME header, unfolded, without white space
// around its value. Names are compared without regard to case.
type MIMEField struct{ Name, Value string }

// A Content is the MIME entity in a message (section 2.4).
type Content struct {
	Header []MIMEField
	Body   []byte // as received, any transfer encoding included
}

// NewText returns text as text/plain in UTF-8.
func NewText(text string) Content {
	return Content{
		Header: []MIMEField{{"Content-Type", "text/plain; charset=utf-8"}},
		Body:   []byte(text),
	}
}

// Content returns the content of the message. The octets of its body belong to
// the message and must not be changed.
func (m *Message) Content() Content {
	block := m.head[min(m.content, len(m.head)):]
	c := Content{Body: m.body[:len(m.body):len(m.body)]}
	for block != "" && block != crlf {
		f, err := cutField(block, 0)
		if err != nil {
			break // cannot be: the block has been checked
		}
		c.Header = append(c.Header, MIMEField{f.name, unfold(f.value)})
		block = block[f.size:]
		if strings.HasPrefix(block, crlf) {
			break
		}
	}
	return c
}

// Get returns the value of the first field of that name, or "".
func (c Content) Get(name string) string {
	for _, f := range c.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// ContentType returns the media type in lower case and its parameters, comments
// dropped. The error is for a field that is absent or malformed; in a parsed
// message only parameters can be.
func (c Content) ContentType() (mediatype string, params map[string]string, err error) {
	value := dropComments(c.Get("Content-Type"))
	if _, ok := mediaType(value); !ok {
		return "", nil, errors.New("cpim: no type/subtype in Content-Type")
	}
	mediatype, params, err = mime.ParseMediaType(value)
	if err != nil {
		return "", nil, fmt.Errorf("cpim: Content-Type: %w", err)
	}
	return mediatype, params, nil
}

// ContentID returns the identifier of the content without its angle brackets,
// or "" if there is none.
func (c Content) ContentID() string {
	id := strings.TrimSpace(dropComments(c.Get("Content-ID")))
	id, ok := strings.CutPrefix(id, "<")
	id, ok2 := strings.CutSuffix(id, ">")
	if !ok || !ok2 {
		return ""
	}
	return id
}

// Decode returns the body with its Content-Transfer-Encoding undone, which is
// the body itself for 7bit, 8bit, binary and none. The error is for an unknown
// encoding and for octets that are not of it.
func (c Content) Decode() ([]byte, error) {
	switch encoding := c.transferEncoding(); encoding {
	case "", "7bit", "8bit", "binary":
		return c.Body, nil
	case "base64":
		b, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(c.Body)))
		if err != nil {
			return nil, fmt.Errorf("cpim: content: %w", err)
		}
		return b, nil
	case "quoted-printable":
		b, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(c.Body)))
		if err != nil {
			return nil, fmt.Errorf("cpim: content: %w", err)
		}
		return b, nil
	default:
		return nil, errors.New("cpim: content has an unknown transfer encoding")
	}
}

// Text returns the text of content that is text/plain in UTF-8 or US-ASCII,
// decoded. The error is for any other type and for octets that are not UTF-8.
func (c Content) Text() (string, error) {
	mediatype, params, err := c.ContentType()
	if err != nil {
		return "", err
	}
	charset := strings.ToLower(params["charset"])
	if mediatype != "text/plain" || charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return "", errors.New("cpim: content is not text/plain in UTF-8 or US-ASCII")
	}
	b, err := c.Decode()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", errors.New("cpim: text is not UTF-8")
	}
	return string(b), nil
}

func (c Content) transferEncoding() string {
	return strings.ToLower(strings.TrimSpace(dropComments(c.Get("Content-Transfer-Encoding"))))
}

// A field is one field at the front of a MIME header block.
type field struct {
	name, value string // the value as written, folds included
	size, lines int
}

// cutField reads the field at the front of s: a name of printable US-ASCII, a
// colon, and a value that may be folded over lines (RFC 2822 section 2.2). The
// obsolete forms are refused: white space before the colon, and continuation
// lines of white space alone, which look like the end of the header. UTF-8 in
// values is read (RFC 6532).
func cutField(s string, num int) (field, error) {
	bad := func(msg string) (field, error) { return field{}, &SyntaxError{num, "RFC 3862 2.4", msg} }
	colon := 0
	for colon < len(s) && s[colon] > ' ' && s[colon] < 0x7f && s[colon] != ':' {
		colon++
	}
	if colon == 0 || colon == len(s) || s[colon] != ':' {
		return bad("not a MIME header field")
	}
	f := field{name: s[:colon]}
	for i := colon + 1; ; {
		n := strings.IndexByte(s[i:], '\n')
		if n < 1 || s[i+n-1] != '\r' {
			return bad("MIME header line does not end in CR LF")
		}
		text := s[i : i+n-1]
		for j := range len(text) {
			if c := text[j]; c < 0x20 && c != '\t' || c == 0x7f {
				return bad("control character in a MIME header field")
			}
		}
		if !utf8.ValidString(text) {
			return bad("MIME header field is not UTF-8")
		}
		if f.lines > 0 && strings.Trim(text, " \t") == "" {
			return bad("MIME header field continued by white space alone")
		}
		i += n + 1
		f.lines++
		num++
		if i == len(s) || s[i] != ' ' && s[i] != '\t' {
			f.value, f.size = s[colon+1:i-len(crlf)], i
			return f, nil
		}
	}
}

// unfold returns the value on one line, without white space around it.
func unfold(value string) string {
	return strings.Trim(strings.ReplaceAll(value, crlf, ""), " \t")
}

// The fields that the grammar of RFC 2045 section 3 and RFC 2183 have once. Two of them
// would let two readers see two types.
var single = [...]string{"Content-Type", "Content-Transfer-Encoding", "Content-ID", "Content-Description", "Content-Disposition"}

// checkFields reads the MIME header at the front of block, up to its blank line
// or the end of block, calls visit for each field, and returns the number of the
// line after it.
func checkFields(block string, num int, visit func(f field, num int) error) (next int, blank bool, err error) {
	var seen [len(single)]bool
	for block != "" {
		if strings.HasPrefix(block, crlf) {
			return num + 1, true, nil
		}
		f, err := cutField(block, num)
		if err != nil {
			return 0, false, err
		}
		for i, name := range single {
			if strings.EqualFold(f.name, name) {
				if seen[i] {
					return 0, false, &SyntaxError{num, "RFC 2045 3", "MIME header field occurs twice"}
				}
				seen[i] = true
			}
		}
		if err := visit(f, num); err != nil {
			return 0, false, err
		}
		block = block[f.size:]
		num += f.lines
	}
	return num, false, nil
}

// checkContentHeader holds the header of the content to section 2.4.
func checkContentHeader(block string, num int) error {
	typed := false
	_, _, err := checkFields(block, num, func(f field, num int) error {
		if strings.EqualFold(f.name, "Content-Type") {
			typed = true
			if _, ok := mediaType(dropComments(unfold(f.value))); !ok {
				return &SyntaxError{num, "RFC 2045 5.1", "no type/subtype in the Content-Type of the content"}
			}
		}
		return nil
	})
	if err == nil && !typed {
		return &SyntaxError{num, "RFC 3862 2.4", "content headers without Content-Type"}
	}
	return err
}

// checkEntityHeader holds the header of the whole object to section 2.1.
func checkEntityHeader(block string) (next int, err error) {
	typed := false
	next, blank, err := checkFields(block, 1, func(f field, num int) error {
		value := strings.ToLower(dropComments(unfold(f.value)))
		switch {
		case strings.EqualFold(f.name, "Content-Type"):
			if mt, ok := mediaType(value); !ok || mt != "message/cpim" {
				return &SyntaxError{num, "RFC 3862 2.1", "Content-Type is not Message/CPIM"}
			}
			typed = true
		case strings.EqualFold(f.name, "Content-Transfer-Encoding"):
			if v := strings.TrimSpace(value); v != "7bit" && v != "8bit" && v != "binary" {
				return &SyntaxError{num, "RFC 3862 9", "transfer encoding of the object has not been undone"}
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case !typed:
		return 0, &SyntaxError{1, "RFC 3862 2.1", "no Content-Type: Message/CPIM"}
	case !blank:
		return 0, &SyntaxError{next, "RFC 3862 2", "no blank line after the MIME header"}
	}
	return next, nil
}

// mediaType returns the type/subtype at the front of a Content-Type, if it is
// one and ends there or before a semicolon.
func mediaType(value string) (string, bool) {
	mt, _, _ := strings.Cut(value, ";")
	mt = strings.Trim(mt, " \t")
	t, sub, ok := strings.Cut(mt, "/")
	return mt, ok && isMIMEToken(t) && isMIMEToken(sub)
}

// isMIMEToken reports whether s is a token of RFC 2045 section 5.1.
func isMIMEToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// dropComments removes the comments of RFC 2822 section 3.2.3 from a field
// value; they nest, and parentheses in quoted strings do not begin one.
func dropComments(value string) string {
	if strings.IndexByte(value, '(') < 0 {
		return value
	}
	b := make([]byte, 0, len(value))
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(value):
			if depth == 0 {
				b = append(b, c, value[i+1])
			}
			i++
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			depth++
		case c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			b = append(b, c)
		}
	}
	return string(b)
}
