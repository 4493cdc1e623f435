package diff

import (
	"slices"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
)

// qname returns the name of an element as it is written.
func (n *node) qname() string {
	if n.prefix == "" {
		return n.local
	}
	return n.prefix + ":" + n.local
}

// append writes the octets of n.
func (n *node) append(dst []byte) []byte {
	if n.kind != element {
		return append(dst, n.raw...)
	}
	dst = append(append(dst, '<'), n.qname()...)
	for i := range n.attrs {
		dst = append(dst, n.attrs[i].raw...)
	}
	tail, etag := n.tail, n.etag
	if etag == "" && len(n.kids) > 0 {
		tail = strings.TrimSuffix(tail, "/>") + ">"
		etag = "</" + n.qname() + ">"
	}
	dst = append(dst, tail...)
	for _, k := range n.kids {
		dst = k.append(dst)
	}
	return append(dst, etag...)
}

// lookup returns what prefix is bound to at n.
func (n *node) lookup(prefix string) (uri string, ok bool) {
	if prefix == "xml" {
		return xmlscan.XML, true
	}
	for ; n != nil; n = n.parent {
		for i := range n.attrs {
			if a := &n.attrs[i]; a.decl && a.local == prefix {
				return a.value, true
			}
		}
	}
	return "", prefix == ""
}

// find returns the index of an attribute of n, or -1.
func (n *node) find(space, local string) int {
	return slices.IndexFunc(n.attrs, func(a attr) bool { return !a.decl && a.space == space && a.local == local })
}

// findDecl returns the index of the declaration of prefix on n itself, or -1.
func (n *node) findDecl(prefix string) int {
	return slices.IndexFunc(n.attrs, func(a attr) bool { return a.decl && a.local == prefix })
}

// get returns the value of an attribute without namespace.
func (n *node) get(local string) (string, bool) {
	if i := n.find("", local); i >= 0 {
		return n.attrs[i].value, true
	}
	return "", false
}

func (n *node) index() int { return slices.Index(n.parent.kids, n) }

// setValue changes the value of an attribute and keeps the octets around it.
func (a *attr) setValue(v string) {
	head := a.raw[:strings.IndexAny(a.raw, `"'`)]
	a.value = v
	a.raw = string(append(xmlscan.AppendEscaped(append([]byte(head), '"'), v, true), '"'))
}

func newAttr(prefix, local, space, value string) attr {
	name := local
	if prefix != "" {
		name = prefix + ":" + local
	}
	a := attr{raw: " " + name + `=""`, prefix: prefix, local: local, space: space}
	a.setValue(value)
	return a
}

func newDecl(prefix, uri string) attr {
	name := "xmlns"
	if prefix != "" {
		name = "xmlns:" + prefix
	}
	a := attr{raw: " " + name + `=""`, local: prefix, decl: true}
	a.setValue(uri)
	return a
}

// insert puts list among the children of n at i; text that comes to stand
// beside text becomes one node.
func (n *node) insert(i int, list []*node) {
	for _, k := range list {
		k.parent = n
	}
	n.kids = slices.Insert(n.kids, i, list...)
	n.join(i + len(list))
	n.join(i)
}

// remove takes the child at i out of n.
func (n *node) remove(i int) {
	n.kids = slices.Delete(n.kids, i, i+1)
	n.join(i)
}

// join makes one node of the children i-1 and i if both are text.
func (n *node) join(i int) {
	if i <= 0 || i >= len(n.kids) || n.kids[i-1].kind != text || n.kids[i].kind != text {
		return
	}
	a, b := n.kids[i-1], n.kids[i]
	n.kids[i-1] = joined(n, a, b)
	n.kids = slices.Delete(n.kids, i, i+1)
}

// joined returns the text node that a and b make. Octets that would mean
// something else side by side are escaped anew.
func joined(parent, a, b *node) *node {
	t := &node{kind: text, parent: parent, off: a.off, raw: a.raw + b.raw, value: a.value + b.value}
	seam := a.raw[max(0, len(a.raw)-2):] + "|" + b.raw[:min(2, len(b.raw))]
	switch {
	case strings.Contains(seam, "]]|>"), strings.Contains(seam, "]|]>"), strings.Contains(seam, "\r|\n"):
		t.raw = string(xmlscan.AppendEscaped(nil, t.value, false))
	}
	return t
}

// blank reports whether a text node is white space and at least one character.
func (n *node) blank() bool {
	return n.kind == text && n.value != "" && xmlscan.TrimSpace(n.value) == ""
}

// text returns the character data directly in n and whether n holds only that.
func (n *node) text() (s string, only bool) {
	switch {
	case len(n.kids) == 0:
		return "", true
	case len(n.kids) == 1 && n.kids[0].kind == text:
		return n.kids[0].value, true
	}
	var b strings.Builder
	only = true
	for _, k := range n.kids {
		switch k.kind {
		case text:
			b.WriteString(k.value)
		case element:
			only = false
		}
	}
	return b.String(), only
}
