package xmlscan

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Parse reads a document. The error is an *Error; the Doc is nil with it.
func Parse(src []byte, opt Options) (*Doc, error) {
	if len(src) > min(opt.MaxSize, 1<<30) {
		return nil, &Error{Offset: opt.MaxSize, Line: 1, Msg: "document is too large"}
	}
	s := scanner{opt: opt, src: string(src)}
	if err := s.characters(src); err != nil {
		return nil, err
	}
	if err := s.document(); err != nil {
		return nil, err
	}
	return s.doc, nil
}

// scanner holds the state of one Parse.
type scanner struct {
	opt   Options
	src   string
	pos   int
	doc   *Doc
	depth int
	open  [MaxDepth]int32 // indexes of the open elements
	last  [MaxDepth]int32 // for each, its youngest child so far
}

func (s *scanner) fail(off int, msg string) error {
	return &Error{Offset: off, Line: lineAt(s.src, off), Msg: msg}
}

// document reads: byte order mark, declaration, misc, root, misc.
func (s *scanner) document() error {
	s.doc = &Doc{
		src:   s.src,
		elems: make([]Elem, 0, len(s.src)/36+2),
	}
	s.doc.binds = append(s.doc.few[:0], binding{}, binding{})
	s.doc.binds[1] = binding{prefix: "xml", uri: XML}
	if !s.opt.Fragment {
		s.pos += len(s.src) - len(strings.TrimPrefix(s.src, "\uFEFF"))
		if rest := s.src[s.pos:]; len(rest) > 5 && rest[:5] == "<?xml" && IsSpace(rest[5]) {
			if err := s.declaration(); err != nil {
				return err
			}
		}
	}
	for s.pos < len(s.src) {
		if err := s.step(); err != nil {
			return err
		}
	}
	switch {
	case s.depth > 0:
		return s.fail(len(s.src), "document ends inside element "+s.doc.elems[s.open[s.depth-1]].Name)
	case len(s.doc.elems) == 0:
		return s.fail(len(s.src), "no element")
	}
	return nil
}

// characters checks that the whole input, src, is UTF-8 and made of the
// characters that XML allows, so that nobody later has to. It passes over eight
// octets at once if all are ASCII and none is below the space.
func (s *scanner) characters(src []byte) error {
	const high, spaces = 0x8080808080808080, 0x2020202020202020
	ascii := true
	for i := 0; i < len(src); i++ {
		for i+8 < len(src) {
			word := binary.LittleEndian.Uint64(src[i:])
			if (word|(word-spaces))&high != 0 {
				break
			}
			i += 8
		}
		switch c := src[i]; {
		case c >= utf8.RuneSelf:
			ascii = false
		case c < ' ' && c != '\n' && c != '\t' && c != '\r':
			if i < 2 && c == 0 {
				return s.fail(i, "encoding is not UTF-8")
			}
			return s.fail(i, "control character")
		}
	}
	if ascii {
		return nil
	}
	if strings.HasPrefix(s.src, "\xFE\xFF") || strings.HasPrefix(s.src, "\xFF\xFE") {
		return s.fail(0, "encoding is UTF-16, only UTF-8 is supported")
	}
	for i, r := range s.src {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s.src[i:]); n == 1 {
				return s.fail(i, "not UTF-8")
			}
		} else if r == 0xFFFE || r == 0xFFFF {
			return s.fail(i, "character that XML excludes")
		}
	}
	return nil
}

// step reads character data up to the next markup, then that markup.
func (s *scanner) step() error {
	start := s.pos
	n := strings.IndexByte(s.src[start:], '<')
	if n < 0 {
		n = len(s.src) - start
	}
	if n > 0 {
		if err := s.text(start, start+n); err != nil {
			return err
		}
		s.pos = start + n
		return nil
	}
	rest := s.src[start:]
	switch {
	case len(rest) < 2:
		return s.fail(start, "document ends inside a tag")
	case rest[1] == '/':
		return s.endTag()
	case rest[1] == '?':
		return s.instruction()
	case strings.HasPrefix(rest, "<!--"):
		return s.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		return s.cdata()
	case rest[1] == '!':
		return s.fail(start, "DOCTYPE and other declarations are refused")
	}
	return s.startTag()
}

// text checks the character data src[i:end] and notes its kind.
func (s *scanner) text(i, end int) error {
	if s.depth == 0 {
		for ; i < end; i++ {
			if !IsSpace(s.src[i]) || s.opt.Fragment {
				return s.fail(i, "text outside the root element")
			}
		}
		return nil
	}
	kind := hasText
	for i < end {
		switch c := s.src[i]; {
		case c == '&':
			r, n := reference(s.src[i:end])
			if n == 0 {
				return s.fail(i, "unknown entity or malformed reference")
			}
			kind |= needsWork
			if r > ' ' || !IsSpace(byte(r)) {
				kind |= hasInk
			}
			i += n
			continue
		case c == ']' && strings.HasPrefix(s.src[i:], "]]>"):
			return s.fail(i, "]]> outside CDATA")
		case c == '\r':
			kind |= needsWork
		case !IsSpace(c):
			kind |= hasInk
		}
		i++
	}
	s.note(kind)
	return nil
}

// note records a kind of content with the innermost open element.
func (s *scanner) note(kind textKind) {
	if s.depth > 0 {
		s.doc.elems[s.open[s.depth-1]].text |= kind
	}
}

func (s *scanner) cdata() error {
	const head, tail = "<![CDATA[", "]]>"
	if s.depth == 0 {
		return s.fail(s.pos, "CDATA outside the root element")
	}
	n := strings.Index(s.src[s.pos:], tail)
	if n < 0 {
		return s.fail(s.pos, "CDATA without end")
	}
	kind := needsWork
	if n > len(head) {
		kind |= hasText
	}
	for i := s.pos + len(head); i < s.pos+n; i++ {
		if !IsSpace(s.src[i]) {
			kind |= hasInk
			break
		}
	}
	s.note(kind)
	s.pos += n + len(tail)
	return nil
}

func (s *scanner) comment() error {
	if s.opt.Fragment && s.depth == 0 {
		return s.fail(s.pos, "comment beside the element")
	}
	n := strings.Index(s.src[s.pos+4:], "--")
	if n < 0 || !strings.HasPrefix(s.src[s.pos+4+n:], "-->") {
		return s.fail(s.pos, "comment without proper end")
	}
	s.note(needsWork)
	s.pos += 4 + n + 3
	return nil
}

func (s *scanner) instruction() error {
	target, _, end := qname(s.src, s.pos+2)
	n := strings.Index(s.src[s.pos:], "?>")
	switch {
	case s.opt.Fragment && s.depth == 0:
		return s.fail(s.pos, "processing instruction beside the element")
	case n < 0:
		return s.fail(s.pos, "processing instruction without end")
	case end == 0 || target != "" || (end < s.pos+n && !IsSpace(s.src[end])):
		return s.fail(s.pos, "malformed processing instruction")
	case strings.EqualFold(s.src[s.pos+2:end], "xml"):
		return s.fail(s.pos, "XML declaration is not at the very start")
	}
	s.note(needsWork)
	s.pos += n + 2
	return nil
}

func (s *scanner) endTag() error {
	if s.depth == 0 {
		return s.fail(s.pos, "end tag without start tag")
	}
	e := &s.doc.elems[s.open[s.depth-1]]
	name := s.src[e.start+1 : e.nameEnd]
	i := s.pos + 2
	if !strings.HasPrefix(s.src[i:], name) {
		return s.fail(s.pos, "end tag does not match "+name)
	}
	i = skipSpace(s.src, i+len(name))
	if i >= len(s.src) || s.src[i] != '>' {
		return s.fail(s.pos, "end tag does not match "+name)
	}
	e.close, e.end = int32(s.pos), int32(i+1)
	s.pos = i + 1
	s.depth--
	return nil
}
