package diff

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
)

type kind uint8

const (
	element kind = iota
	text         // character data, CDATA sections and references, as one node
	comment
	instruction
)

// node is a node of a document that can be changed. Every octet of the source
// belongs to one field of one node, so that what nobody changes is written as
// it was read.
type node struct {
	kind   kind
	parent *node
	off    int // in the source it was read from

	// of an element
	space, prefix, local string
	attrs                []attr
	tail                 string // of the start tag after the attributes
	etag                 string // end tag; empty if tail ends in />
	kids                 []*node

	// of any other node
	raw   string
	value string // of text; of a comment, its content; of an instruction, its target
}

// attr is an attribute or, if decl is set, a namespace declaration, of which
// local is the prefix and value the namespace.
type attr struct {
	raw                  string // with the white space before it
	prefix, local, space string
	value                string
	decl                 bool
}

// document is a parsed document; before and after are what surrounds the root.
type document struct {
	src           string
	before, after string
	root          *node
}

// read parses b, which xmlscan checks first: nothing below meets an error.
func read(b []byte) (*document, error) {
	checked, err := xmlscan.Parse(b, xmlscan.Options{MaxSize: MaxSize})
	if err != nil {
		return nil, err
	}
	r := reader{src: string(b), checked: checked, elems: checked.Within(checked.Root())}
	d := &document{src: r.src}
	for r.root == nil || r.open != nil {
		r.node()
	}
	d.root = r.root
	d.before, d.after = r.src[:r.root.off], r.src[r.pos:]
	return d, nil
}

func (d *document) line(off int) int { return 1 + strings.Count(d.src[:off], "\n") }

// reader walks a well-formed document.
type reader struct {
	src     string
	pos     int
	checked *xmlscan.Doc
	elems   []xmlscan.Elem // those not met yet
	root    *node
	open    *node   // innermost open element
	nodes   []node  // room for more
	attrs   []attr  // of all elements so far
	kids    []*node // of the open elements, the innermost last
	starts  []int   // for each open element, where its children start in kids
}

// fresh returns an empty node under the open element. Nodes are made by the
// chunk, so that a small document does not pay for a large one.
func (r *reader) fresh(k kind) *node {
	if len(r.nodes) == 0 {
		r.nodes = make([]node, min(256, 4+len(r.src)/64))
	}
	n := &r.nodes[0]
	r.nodes = r.nodes[1:]
	n.kind, n.parent, n.off = k, r.open, r.pos
	if r.open != nil {
		r.kids = append(r.kids, n)
	}
	return n
}

// close gives the open element its children.
func (r *reader) close() {
	last := len(r.starts) - 1
	from := r.starts[last]
	if from < len(r.kids) {
		r.open.kids = slices.Clone(r.kids[from:])
	}
	r.kids, r.starts = r.kids[:from], r.starts[:last]
	r.open = r.open.parent
}

// node reads the next piece of markup or text up to the end of the root.
func (r *reader) node() {
	rest := r.src[r.pos:]
	switch {
	case strings.HasPrefix(rest, "</"):
		n := strings.IndexByte(rest, '>') + 1
		r.open.etag = rest[:n]
		r.close()
		r.pos += n
	case strings.HasPrefix(rest, "<!--"):
		n := 4 + strings.Index(rest[4:], "-->") + 3
		r.leaf(comment, n, rest[4:n-3])
	case strings.HasPrefix(rest, "<?"):
		n := strings.Index(rest, "?>") + 2
		r.leaf(instruction, n, rest[2:nameEnd(rest, 2)])
	case rest[0] != '<' || strings.HasPrefix(rest, "<![CDATA["):
		n := textEnd(rest)
		if r.open == nil {
			r.pos += n
			break
		}
		r.leaf(text, n, textValue(rest[:n]))
	default:
		r.startTag()
	}
}

// leaf adds a node of n octets to the open element; around the root there is
// none, and the octets belong to document.before.
func (r *reader) leaf(k kind, n int, value string) {
	if r.open != nil {
		l := r.fresh(k)
		l.raw, l.value = r.src[r.pos:r.pos+n], value
	}
	r.pos += n
}

func (r *reader) startTag() {
	e := &r.elems[0]
	r.elems = r.elems[1:]
	n := r.fresh(element)
	n.space, n.local = e.Space, e.Name
	first := len(r.attrs)
	end := nameEnd(r.src, r.pos+1)
	n.prefix, _ = splitName(r.src[r.pos+1 : end])
	values := r.checked.Attrs(e)
	for {
		i := end
		for xmlscan.IsSpace(r.src[i]) {
			i++
		}
		if c := r.src[i]; c == '>' || c == '/' {
			r.pos = i + strings.IndexByte(r.src[i:], '>') + 1
			n.tail = r.src[end:r.pos]
			break
		}
		a := attr{}
		a.prefix, a.local = splitName(r.src[i:nameEnd(r.src, i)])
		q := i + strings.IndexAny(r.src[i:], `"'`)
		stop := q + 2 + strings.IndexByte(r.src[q+1:], r.src[q])
		a.raw = r.src[end:stop]
		switch {
		case a.prefix == "xmlns" || a.prefix == "" && a.local == "xmlns":
			if a.prefix == "" {
				a.local = ""
			}
			a.decl, a.value = true, attrValue(r.src[q+1:stop-1])
		default:
			a.space, a.value = values[0].Space, values[0].Value
			values = values[1:]
		}
		r.attrs = append(r.attrs, a)
		end = stop
	}
	if last := len(r.attrs); last > first {
		n.attrs = r.attrs[first:last:last]
	}
	if r.open == nil {
		r.root = n
	}
	if !strings.HasSuffix(n.tail, "/>") {
		r.open = n
		r.starts = append(r.starts, len(r.kids))
	}
}

// nameEnd returns the end of the name that starts at i.
func nameEnd(s string, i int) int {
	for i < len(s) && !xmlscan.IsSpace(s[i]) && strings.IndexByte("=/>?", s[i]) < 0 {
		i++
	}
	return i
}

func splitName(s string) (prefix, local string) {
	if p, l, ok := strings.Cut(s, ":"); ok {
		return p, l
	}
	return "", s
}

// textEnd returns the length of the text node at the start of s.
func textEnd(s string) int {
	for i := 0; i < len(s); {
		switch {
		case s[i] != '<':
			n := strings.IndexByte(s[i:], '<')
			if n < 0 {
				return len(s)
			}
			i += n
		case strings.HasPrefix(s[i:], "<![CDATA["):
			i += strings.Index(s[i:], "]]>") + 3
		default:
			return i
		}
	}
	return len(s)
}

// textValue returns the characters that the octets of a text node stand for.
func textValue(raw string) string {
	if !strings.ContainsAny(raw, "<&\r") {
		return raw
	}
	var b strings.Builder
	for i := 0; i < len(raw); {
		switch {
		case raw[i] == '<':
			n := strings.Index(raw[i:], "]]>")
			b.WriteString(lineEnds.Replace(raw[i+len("<![CDATA[") : i+n]))
			i += n + 3
		case raw[i] == '&':
			n := strings.IndexByte(raw[i:], ';')
			b.WriteString(reference(raw[i+1 : i+n]))
			i += n + 1
		default:
			n := strings.IndexAny(raw[i:], "<&")
			if n < 0 {
				n = len(raw) - i
			}
			b.WriteString(lineEnds.Replace(raw[i : i+n]))
			i += n
		}
	}
	return b.String()
}

// attrValue returns the normalized value of a namespace declaration.
func attrValue(raw string) string {
	return textValue(spaces.Replace(raw))
}

var (
	lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")
	spaces   = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")
)

// reference returns the character of a reference that is known to be good.
func reference(name string) string {
	switch name {
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "amp":
		return "&"
	case "apos":
		return "'"
	case "quot":
		return `"`
	}
	name = name[1:]
	base := 10
	if name[0] == 'x' {
		name, base = name[1:], 16
	}
	n, _ := strconv.ParseUint(name, base, 32)
	return string(rune(n))
}
