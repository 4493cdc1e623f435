package cpim

import (
	"iter"
	"strings"
)

// A Name is the name of a header, or a feature, in its namespace.
type Name struct {
	NS    string // an absolute URI
	Local string // without prefix
}

// URN returns the URI of a header by section 7.2: the namespace and the name,
// in which characters that a URN cannot hold are percent-escaped.
func (n Name) URN() string {
	const hex = "0123456789ABCDEF"
	b := []byte(n.NS)
	for i := range len(n.Local) {
		c := n.Local[i]
		if isAlnum(c) || strings.IndexByte("()+,-.:=@;$_!*'", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// A Header is one message header, known to this package or not.
type Header struct {
	Name
	Prefix string  // as written, "" for the default namespace; of no meaning beyond the message
	Params []Param // in the order written
	Raw    string  // the value as written, escapes included; what a structured value is split by
}

// Value returns the text of the header: Raw with its escapes resolved by
// section 2.3.1.
func (h Header) Value() string { return unescape(h.Raw) }

// A Param is a parameter of a header, ;name=value.
type Param struct {
	Name  string
	Value string // without quotes, escapes resolved
}

// Headers yields all message headers in the order in which they stand, NS
// headers included.
func (m *Message) Headers() iter.Seq[Header] {
	return func(yield func(Header) bool) {
		for _, l := range m.lines {
			if !yield(m.header(l)) {
				return
			}
		}
	}
}

// Value returns the text of the first header of that namespace and name, and
// whether there is one. Escapes are resolved: a value with a syntax of its own
// is better taken from [Message.Headers] and split before that.
func (m *Message) Value(ns, name string) (string, bool) {
	for _, l := range m.lines {
		if m.head[l.name:l.colon] == name && m.spaces[l.space] == ns {
			return unescape(m.raw(l)), true
		}
	}
	return "", false
}

func (m *Message) header(l line) Header {
	return Header{
		Name:   Name{m.spaces[l.space], m.head[l.name:l.colon]},
		Prefix: strings.TrimSuffix(m.head[l.start:l.name], "."),
		Params: splitParams(m.params(l)),
		Raw:    m.raw(l),
	}
}

func (m *Message) params(l line) string { return m.head[l.colon+1 : l.value-1] }
func (m *Message) raw(l line) string    { return m.head[l.value:l.end] }

// moved returns l with its offsets counted from at octets further in front.
func (l line) moved(at int) line {
	d := int32(at)
	l.start += d
	l.name += d
	l.colon += d
	l.value += d
	l.end += d
	return l
}

// A scope is the namespaces declared so far in a message (section 3.4).
type scope struct {
	spaces   []string // the first is NSCore
	standard int32    // the default namespace
	bound    []binding
	index    map[string]int32 // of bound, once there are many
}

type binding struct {
	prefix string
	space  int32
}

// manyPrefixes is the number of prefixes from which on a map is used, so that
// the time for hostile input stays linear.
const manyPrefixes = 8

func newScope() scope { return scope{spaces: []string{NSCore}} }

// lookup resolves a prefix, "" being the default namespace.
func (sc *scope) lookup(prefix string) (int32, bool) {
	if prefix == "" {
		return sc.standard, true
	}
	if sc.index != nil {
		space, ok := sc.index[prefix]
		return space, ok
	}
	for _, b := range sc.bound {
		if b.prefix == prefix {
			return b.space, true
		}
	}
	return 0, false
}

// declare binds a prefix, "" being the default namespace, and reports false if
// the prefix already means something else: section 3.4 says nothing of that,
// and two readers must not resolve one name in two ways.
func (sc *scope) declare(prefix, uri string) bool {
	if prefix == "" {
		sc.standard = sc.space(uri)
		return true
	}
	if space, ok := sc.lookup(prefix); ok {
		return sc.spaces[space] == uri
	}
	space := sc.space(uri)
	sc.bound = append(sc.bound, binding{prefix, space})
	switch {
	case sc.index != nil:
		sc.index[prefix] = space
	case len(sc.bound) > manyPrefixes:
		sc.index = make(map[string]int32)
		for _, b := range sc.bound {
			sc.index[b.prefix] = b.space
		}
	}
	return true
}

func (sc *scope) space(uri string) int32 {
	if uri == NSCore {
		return 0
	}
	sc.spaces = append(sc.spaces, uri)
	return int32(len(sc.spaces) - 1)
}

// readHeader reads one header by the grammar of section 3.6 and, if it is one
// of section 4, by its own, and declares what an NS header declares.
func readHeader(text string, num int, sc *scope) (line, error) {
	if err := checkText(text, num); err != nil {
		return line{}, err
	}
	dot, colon, reason := scanName(text)
	if reason != "" {
		return line{}, &SyntaxError{num, "RFC 3862 3.1", reason}
	}
	if colon == len(text) || text[colon] != ':' {
		return line{}, notColon(text, colon, num)
	}
	i := colon + 1
	for i < len(text) && text[i] == ';' {
		n := scanParam(text[i:])
		if n == 0 {
			return line{}, &SyntaxError{num, "RFC 3862 3.6", "malformed parameter"}
		}
		i += n
	}
	if i == len(text) || text[i] != ' ' {
		return line{}, &SyntaxError{num, "RFC 3862 2.2", "no space after the colon or the parameters"}
	}
	value := i + 1
	if v := text[value:]; v != "" && v[0] == ' ' {
		return line{}, &SyntaxError{num, "RFC 3862 2.2", "more than one space before the value"}
	} else if v != "" && v[len(v)-1] == ' ' {
		return line{}, &SyntaxError{num, "RFC 3862 2.2", "white space at the end of a line"}
	}
	l := line{name: int32(dot), colon: int32(colon), value: int32(value), end: int32(len(text))}
	space, ok := sc.lookup(strings.TrimSuffix(text[:dot], "."))
	if !ok {
		return line{}, &SyntaxError{num, "RFC 3862 3.4", "prefix used before an NS header declares it"}
	}
	l.space = space
	if space == 0 {
		l.kind = kindOf(text[dot:colon])
	}
	if err := checkKind(l.kind, text[colon+1:value-1], text[value:], num, sc); err != nil {
		return line{}, err
	}
	return l, nil
}

// notColon explains the character that ended a header name.
func notColon(text string, at, num int) error {
	e := &SyntaxError{num, "RFC 3862 3.1", "character not allowed in a header name"}
	switch {
	case at == len(text) || strings.IndexByte(text, ':') < 0:
		e.Section, e.Msg = "RFC 3862 3", "line without a colon"
	case text[at] >= 0x80:
		e.Section, e.Msg = "RFC 3862 2.2", "header name is not US-ASCII"
	case text[at] == ' ':
		e.Section, e.Msg = "RFC 3862 3", "space in or after a header name"
	}
	return e
}

// scanName finds [prefix "."] name at the front of s: where the name begins
// and ends, or why there is none.
func scanName(s string) (name, end int, reason string) {
	for end < len(s) {
		switch c := s[end]; {
		case is(c, nameChar):
		case c != '.':
			if end == name {
				return 0, 0, emptyName(end)
			}
			return name, end, ""
		case end == 0:
			return 0, 0, "empty namespace prefix"
		case name > 0:
			return 0, 0, "more than one full stop in a header name"
		default:
			name = end + 1
		}
		end++
	}
	if end == name {
		return 0, 0, emptyName(end)
	}
	return name, end, ""
}

func emptyName(end int) string {
	if end == 0 {
		return "no header name"
	}
	return "no header name after the prefix"
}

// scanParam returns the size of ";" Parameter at the front of s, or 0.
func scanParam(s string) int {
	i := 1 + span(s[1:], nameChar)
	if i == 1 || i == len(s) || s[i] != '=' {
		return 0
	}
	i++
	if i < len(s) && s[i] == '"' {
		n := scanString(s[i:])
		if n == 0 {
			return 0
		}
		return i + n
	}
	n := span(s[i:], tokenChar)
	if n == 0 {
		return 0
	}
	return i + n
}

// splitParams returns the parameters of s, which scanParam has accepted.
func splitParams(s string) []Param {
	if s == "" {
		return nil
	}
	var params []Param
	for s != "" {
		n := scanParam(s)
		name, value, _ := strings.Cut(s[1:n], "=")
		if value[0] == '"' {
			value = unescape(value[1 : len(value)-1])
		}
		params = append(params, Param{name, value})
		s = s[n:]
	}
	return params
}
