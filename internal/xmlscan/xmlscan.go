// Package xmlscan reads one XML 1.0 document with namespaces from memory into
// a flat tree, strictly and with few allocations.
//
// Call Parse; walk the Doc with Root, First and Next. The tree remembers where
// each element stood in the source, so that AppendRaw can hand out the octets
// of an element together with the namespace bindings it inherited.
//
// What it refuses, beyond everything that is not well-formed: encodings other
// than UTF-8, DOCTYPE (and with it every entity but the five of XML itself),
// undeclared prefixes, two attributes of one expanded name, elements nested
// deeper than MaxDepth, more than MaxAttrs attributes on an element. A byte
// order mark is accepted. Comments and processing instructions are checked
// and dropped. Nothing is ever fetched.
package xmlscan

import (
	"fmt"
	"strings"
)

// Limits on every document.
const (
	MaxDepth = 32 // elements within elements, the root counting as one
	MaxAttrs = 64 // attributes of one element, namespace declarations included
)

// Namespaces that XML itself reserves, and one that XML Schema does.
const (
	XML   = "http://www.w3.org/XML/1998/namespace"
	xmlns = "http://www.w3.org/2000/xmlns/"
	xsi   = "http://www.w3.org/2001/XMLSchema-instance"
)

// Options says what Parse accepts.
type Options struct {
	// MaxSize is the largest document in octets, from 1 to 1<<30.
	MaxSize int
	// AssumeUTF8 says that a label outside the document gave UTF-8 as its
	// encoding, which takes precedence over an encoding declaration.
	AssumeUTF8 bool
	// Fragment reads a bare element: no XML declaration, no byte order mark,
	// nothing around the element.
	Fragment bool
}

// Error tells why and where a document was refused.
type Error struct {
	Offset int // of the offending octet
	Line   int // counted from 1
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("xml: line %d: %s", e.Line, e.Msg) }

// Doc is a document. It is immutable and shares no memory with the input.
type Doc struct {
	src      string
	elems    []Elem // in document order; the root is the first
	attrs    []Attr
	binds    []binding // binds[0] means unbound, binds[1] is the prefix xml
	declared bool
	few      [8]binding // room for as many as most documents have
}

// Elem is an element. Space is its namespace, empty for none.
type Elem struct {
	Space, Name string

	start, end  int32 // source octets from < to after the last >
	nameEnd     int32 // after the name in the start tag
	open, close int32 // source octets of the content
	attr        int32 // index of the first attribute
	first, next int32 // indexes of the first child and next sibling; 0 is none
	scope       int32 // innermost namespace binding
	nattrs      uint8
	text        textKind
}

// textKind tells what character data stands directly in an element.
type textKind uint8

const (
	hasText   textKind = 1 << iota // at least one character
	hasInk                         // at least one that is not white space
	needsWork                      // the content octets are not the text itself
)

// Attr is an attribute. Namespace declarations are not among them. Space is
// empty for a name without prefix: the default namespace does not apply.
type Attr struct {
	Space, Name string
	Value       string
	prefix      string
}

// binding is one namespace declaration and the way to those around it.
type binding struct {
	prefix, uri string
	up          int32 // next binding outwards
	elem        int32 // the element that declares it
}

// Declared reports whether the document has an XML declaration.
func (d *Doc) Declared() bool { return d.declared }

// Root returns the outermost element.
func (d *Doc) Root() *Elem { return &d.elems[0] }

// First returns the first child element of e, or nil.
func (d *Doc) First(e *Elem) *Elem { return d.at(e.first) }

// Next returns the element after e under the same parent, or nil.
func (d *Doc) Next(e *Elem) *Elem { return d.at(e.next) }

func (d *Doc) at(i int32) *Elem {
	if i == 0 {
		return nil
	}
	return &d.elems[i]
}

// Attrs returns the attributes of e in source order; do not change them.
func (d *Doc) Attrs(e *Elem) []Attr {
	end := e.attr + int32(e.nattrs)
	return d.attrs[e.attr:end:end]
}

// prefix returns the prefix of the name of e, which stands before Name.
func (d *Doc) prefix(e *Elem) string {
	return d.src[e.start+1 : max(e.start+1, e.nameEnd-int32(len(e.Name))-1)]
}

// Line returns the line of the source on which e starts, counted from 1.
func (d *Doc) Line(e *Elem) int { return lineAt(d.src, int(e.start)) }

// Source returns the octets of e as they stand in the document.
func (d *Doc) Source(e *Elem) string { return d.src[e.start:e.end] }

// HasInk reports whether anything but white space stands directly in e.
func (e *Elem) HasInk() bool { return e.text&hasInk != 0 }

// Empty reports whether e has neither children nor any character.
func (e *Elem) Empty() bool { return e.first == 0 && e.text&hasText == 0 }

// Within returns e and every element in it, in document order; do not change
// them.
func (d *Doc) Within(e *Elem) []Elem {
	lo := d.index(e)
	hi := lo + 1
	for hi < len(d.elems) && d.elems[hi].start < e.end {
		hi++
	}
	return d.elems[lo:hi:hi]
}

// index returns the position of e by binary search on its start.
func (d *Doc) index(e *Elem) int {
	lo, hi := 0, len(d.elems)
	for lo < hi {
		if mid := (lo + hi) / 2; d.elems[mid].start < e.start {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Depth returns the number of levels that e and its content take; it is at
// least one.
func (d *Doc) Depth(e *Elem) int {
	var ends [MaxDepth]int32
	deepest, n := 0, 0
	for _, c := range d.Within(e) {
		for n > 0 && ends[n-1] <= c.start {
			n--
		}
		ends[n] = c.end
		n++
		deepest = max(deepest, n)
	}
	return deepest
}

// lookup returns the index of the binding of prefix that is in force in scope.
func (d *Doc) lookup(scope int32, prefix string) int32 {
	for b := scope; b != 0; b = d.binds[b].up {
		if d.binds[b].prefix == prefix {
			return b
		}
	}
	return 0
}

func lineAt(src string, off int) int { return 1 + strings.Count(src[:min(off, len(src))], "\n") }
