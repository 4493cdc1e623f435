package diff

import (
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
)

// Limits of one selector.
const (
	maxSelector   = 1024 // octets
	maxPredicates = 4    // in one step
)

type test uint8

const (
	byName test = iota // space and local
	anyElement
	textTest
	commentTest
	instructionTest // local is the target, empty for any
	attrTest
	namespaceTest // local is the prefix
)

// step is a step of a location path.
type step struct {
	test         test
	space, local string
	preds        []pred
}

// pred is a predicate: [pos], [@name='v'], [name='v'] or [.='v'].
type pred struct {
	pos          int // from 1; 0 for the other forms
	test         test
	self         bool
	space, local string
	value        string
}

// selector reads the subset of XPath that RFC 5261 section 4.1 and its schema
// allow. at is the operation, which gives meaning to prefixes.
type selector struct {
	src  string
	pos  int
	at   *node
	code Code
	msg  string
}

func (s *selector) fail(code Code, msg string) bool {
	if s.msg == "" {
		s.code, s.msg = code, msg
	}
	return false
}

// take moves past lit if it comes next.
func (s *selector) take(lit string) bool {
	if !strings.HasPrefix(s.src[s.pos:], lit) {
		return false
	}
	s.pos += len(lit)
	return true
}

// parse returns the steps of src; on failure msg is set.
func (s *selector) parse() []step {
	var steps []step
	if len(s.src) > maxSelector {
		s.fail(InvalidAttributeValue, "selector is too long")
		return nil
	}
	if s.take("/") && strings.HasPrefix(s.src[s.pos:], "/") {
		s.fail(InvalidAttributeValue, "selector uses //")
	}
	for s.msg == "" {
		steps = append(steps, s.step())
		if s.pos == len(s.src) {
			break
		}
		last := steps[len(steps)-1].test
		switch {
		case !s.take("/"):
			s.fail(InvalidAttributeValue, "selector is malformed")
		case last != byName && last != anyElement:
			s.fail(InvalidAttributeValue, "selector goes on below a node without children")
		case len(steps) == xmlscan.MaxDepth+1:
			s.fail(InvalidAttributeValue, "selector has too many steps")
		}
	}
	if s.msg != "" {
		return nil
	}
	return steps
}

func (s *selector) step() (st step) {
	switch {
	case s.take("@"):
		st.test = attrTest
		st.space, st.local = s.name(false)
		return st
	case s.take("namespace::"):
		st.test = namespaceTest
		st.local = s.ncname()
		return st
	case s.take("text()"):
		st.test = textTest
	case s.take("comment()"):
		st.test = commentTest
	case s.take("processing-instruction("):
		st.test = instructionTest
		if !s.take(")") {
			if st.local = s.literal(); !s.take(")") {
				s.fail(InvalidAttributeValue, "selector is malformed")
			}
		}
	case s.take("id("):
		s.fail(UnsupportedIDFunction, "id() is not supported")
	case s.take("*"):
		st.test = anyElement
	default:
		st.space, st.local = s.name(true)
	}
	for s.msg == "" && s.take("[") {
		if len(st.preds) == maxPredicates {
			s.fail(InvalidAttributeValue, "selector has too many predicates")
		}
		st.preds = append(st.preds, s.predicate())
	}
	return st
}

// predicate reads from after [ to after ].
func (s *selector) predicate() (p pred) {
	digits := 0
	for s.pos+digits < len(s.src) && s.src[s.pos+digits]-'0' < 10 && digits < 7 {
		p.pos = p.pos*10 + int(s.src[s.pos+digits]-'0')
		digits++
	}
	s.pos += digits
	if digits > 0 {
		if p.pos == 0 || !s.take("]") {
			s.fail(InvalidAttributeValue, "position in a selector is malformed")
		}
		return p
	}
	switch {
	case s.take("."):
		p.self = true
	case s.take("@"):
		p.test = attrTest
		p.space, p.local = s.name(false)
	default:
		p.space, p.local = s.name(true)
	}
	if !s.take("=") {
		s.fail(InvalidAttributeValue, "predicate is malformed")
	}
	if p.value = s.literal(); !s.take("]") {
		s.fail(InvalidAttributeValue, "predicate is malformed")
	}
	return p
}

func (s *selector) literal() string {
	if s.pos < len(s.src) {
		if q := s.src[s.pos]; q == '\'' || q == '"' {
			if n := strings.IndexByte(s.src[s.pos+1:], q); n >= 0 {
				v := s.src[s.pos+1 : s.pos+1+n]
				s.pos += n + 2
				return v
			}
		}
	}
	s.fail(InvalidAttributeValue, "literal without quotes")
	return ""
}

func (s *selector) ncname() string {
	end := s.pos
	for end < len(s.src) && strings.IndexByte("/[]=:@*()'\" \t\n\r", s.src[end]) < 0 {
		end++
	}
	name := s.src[s.pos:end]
	if !xmlscan.IsName(name) {
		s.fail(InvalidAttributeValue, "name in a selector is malformed")
	}
	s.pos = end
	return name
}

// name reads a qualified name and expands it by the bindings of the operation;
// the default namespace applies to elements (RFC 5261 section 4.2.2).
func (s *selector) name(elem bool) (space, local string) {
	prefix, local := "", s.ncname()
	if s.take(":") {
		prefix, local = local, s.ncname()
	}
	if prefix == "" && !elem {
		return "", local
	}
	space, ok := s.at.lookup(prefix)
	if !ok {
		s.fail(InvalidNamespacePrefix, "prefix "+prefix+" is not declared")
	}
	return space, local
}
