package diff

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
)

// Create makes the update that leads from the document old to the document new;
// both are presence or pidf-full documents of one presentity. The update has
// the version of new. It is a pidf-diff if that is smaller than a pidf-full and
// new, should both have versions, comes right after old; else it is a pidf-full.
// For every update u that Create returns, Apply(old, u) is Equivalent to new.
//
// The error is an *Error: about one of the documents, or ErrStale if new has not
// a higher version than old.
func Create(old, new []byte) ([]byte, error) {
	from, err := readFull(old)
	if err != nil {
		return nil, err
	}
	to, err := readFull(new)
	if err != nil {
		return nil, err
	}
	if err := to.sendable(); err != nil {
		return nil, err
	}
	entity, _ := to.root.get("entity")
	if e, _ := from.root.get("entity"); e != entity {
		return nil, &Error{Code: InvalidAttributeValue, Line: to.line(to.root.off), Section: "5262 3.2", Msg: "documents have different entities"}
	}
	was, had := versionOf(from.root)
	is, has := versionOf(to.root)
	if had && has && is <= was {
		return nil, &Error{Code: InvalidAttributeValue, Line: to.line(to.root.off), Section: "5262 3", Msg: ErrStale.Error(), cause: ErrStale}
	}
	full := slices.Clone(new)
	if to.root.local == "presence" {
		root := to.root.clone()
		root.rename(Namespace, "pidf-full")
		if full, err = to.with(root); err != nil {
			return nil, err
		}
	}
	if had && has && is-was != 1 {
		return full, nil
	}
	c := newCreator(from, to)
	c.limit = len(full)
	if !c.pair(from.root, to.root) {
		return full, nil
	}
	diff := c.document(entity, is, has)
	if len(diff) < len(full) && leads(old, diff, new) {
		return diff, nil
	}
	return full, nil
}

// leads checks that an update does what it is for.
func leads(old, update, new []byte) bool {
	got, err := Apply(old, update)
	if err != nil {
		return false
	}
	same, err := Equivalent(got, new)
	return same && err == nil
}

// creator writes operations and carries each out on its copy of the old
// document, so that every selector fits what the receiver has by then.
type creator struct {
	out   []byte
	ops   int
	mark  string // prefix of the elements of the update
	root  *node  // stands for the root of the update: what it declares
	seed  maphash.Seed
	sums  map[*node]uint64 // digests of subtrees; two that are alike by chance cost a full document
	limit int              // octets that out may have
	fail  bool             // over a limit: give up
}

func newCreator(from, to *document) *creator {
	c := &creator{root: &node{}, seed: maphash.MakeSeed(), sums: map[*node]uint64{}}
	c.root.attrs = append(c.root.attrs, newDecl("", pidfNamespace))
	for i := 0; ; i++ {
		c.mark = "p"
		if i > 0 {
			c.mark += strconv.Itoa(i)
		}
		taken := func(n *node) bool { d := n.findDecl(c.mark); return d >= 0 && n.attrs[d].value != Namespace }
		if !taken(from.root) && !taken(to.root) {
			break
		}
	}
	c.root.attrs = append(c.root.attrs, newDecl(c.mark, Namespace))
	return c
}

// document puts the update together.
func (c *creator) document(entity string, version uint32, versioned bool) []byte {
	b := []byte(`<?xml version="1.0" encoding="UTF-8"?><` + c.mark + ":pidf-diff")
	for i := range c.root.attrs {
		b = append(b, c.root.attrs[i].raw...)
	}
	if entity != "" {
		a := newAttr("", "entity", "", entity)
		b = append(b, a.raw...)
	}
	if versioned {
		b = append(append(append(b, ` version="`...), strconv.FormatUint(uint64(version), 10)...), '"')
	}
	b = append(append(b, '>'), c.out...)
	return append(b, "</"+c.mark+":pidf-diff>\n"...)
}

// op writes an operation; attrs and content are octets.
func (c *creator) op(verb, sel, attrs string, content []byte) {
	c.ops++
	if c.ops > MaxOps || len(sel) > maxSelector || len(c.out) > c.limit {
		c.fail = true
	}
	c.out = append(c.out, "<"+c.mark+":"+verb+` sel="`...)
	c.out = append(xmlscan.AppendEscaped(c.out, sel, true), `"`+attrs...)
	if content == nil {
		c.out = append(c.out, "/>"...)
		return
	}
	c.out = append(append(c.out, '>'), content...)
	c.out = append(c.out, "</"+c.mark+":"+verb+">"...)
}

// sel returns a selector of n in the old document as it is by now.
func (c *creator) sel(n *node) string {
	if n.parent == nil {
		return "*"
	}
	path := c.sel(n.parent) + "/"
	name := ""
	switch n.kind {
	case text:
		name = "text()"
	case comment:
		name = "comment()"
	case instruction:
		name = "processing-instruction('" + n.value + "')"
	default:
		name = c.name(n.space, n.local, n.prefix)
	}
	same, at := 0, 0
	id, hasID := n.get("id")
	hasID = hasID && n.kind == element && name != "*" && !(strings.Contains(id, "'") && strings.Contains(id, `"`))
	for _, k := range n.parent.kids {
		if k.kind != n.kind || k.hollow() || k.kind == instruction && k.value != n.value ||
			k.kind == element && name != "*" && (k.local != n.local || k.space != n.space) {
			continue
		}
		if same++; k == n {
			at = same
		} else if other, ok := k.get("id"); ok && other == id {
			hasID = false
		}
	}
	switch {
	case same == 1:
		return path + name
	case hasID && strings.Contains(id, "'"):
		return path + name + `[@id="` + id + `"]`
	case hasID:
		return path + name + `[@id='` + id + `']`
	}
	return path + name + "[" + strconv.Itoa(at) + "]"
}

// name returns how an element is called in a selector: * if it has no
// namespace, since the default one would apply.
func (c *creator) name(space, local, prefix string) string {
	switch space {
	case "":
		return "*"
	case pidfNamespace:
		return local
	}
	return c.prefix(space, prefix) + ":" + local
}

// prefix returns a prefix that the update binds to space.
func (c *creator) prefix(space, like string) string {
	if p, ok := c.root.prefixFor(space, like); ok {
		return p
	}
	p := like
	if p == "" || c.root.findDecl(p) >= 0 {
		p = c.root.freePrefix("n")
	}
	c.root.attrs = append(c.root.attrs, newDecl(p, space))
	return p
}

// content returns the octets of nodes of the new document for an update.
func (c *creator) content(list []*node) []byte {
	b := []byte{}
	for _, k := range list {
		if k.kind != element {
			b = append(b, k.raw...)
			continue
		}
		e := k.clone()
		for _, d := range missing(k, c.root) {
			if d.local != "" && c.root.findDecl(d.local) < 0 {
				c.root.attrs = append(c.root.attrs, newDecl(d.local, d.value))
			} else {
				e.attrs = append(e.attrs, newDecl(d.local, d.value))
			}
		}
		b = e.append(b)
	}
	return b
}

// adopt copies nodes of the new document into the old one, inside at.
func adopt(list []*node, at *node) []*node {
	copies := make([]*node, len(list))
	for i, k := range list {
		copies[i] = k.clone()
		if k.kind == element {
			for _, d := range missing(k, at) {
				copies[i].attrs = append(copies[i].attrs, newDecl(d.local, d.value))
			}
		}
	}
	return copies
}

// escaped returns s as content of an operation.
func escaped(s string) []byte { return xmlscan.AppendEscaped([]byte{}, s, false) }

// pair makes w, in the old document, into n. It is false if that is not
// possible with operations inside w.
func (c *creator) pair(w, n *node) bool {
	if !compatible(w, n) {
		return false
	}
	c.declarations(w, n)
	c.attributes(w, n)
	return c.children(w, n) && !c.fail
}

// compatible reports whether no prefix changes its meaning from w to n.
func compatible(w, n *node) bool {
	clash := func(a, b *node) bool {
		return slices.ContainsFunc(a.attrs, func(d attr) bool {
			if !d.decl {
				return false
			}
			got, bound := b.lookup(d.local)
			return bound && got != d.value
		})
	}
	return !clash(w, n) && !clash(n, w)
}

// declarations adds the declarations that n has beyond w.
func (c *creator) declarations(w, n *node) {
	for i := range n.attrs {
		d := &n.attrs[i]
		if !d.decl || n.parent == nil && d.value == Namespace {
			continue
		}
		if _, bound := w.lookup(d.local); bound {
			continue
		}
		c.op("add", c.sel(w), ` type="namespace::`+d.local+`"`, escaped(d.value))
		w.attrs = append(w.attrs, newDecl(d.local, d.value))
	}
}

// attributes makes the attributes of w those of n.
func (c *creator) attributes(w, n *node) {
	version := func(a *attr) bool { return n.parent == nil && a.space == "" && a.local == "version" }
	for i := 0; i < len(w.attrs) && !c.fail; i++ {
		a := &w.attrs[i]
		if a.decl || version(a) {
			continue
		}
		j := n.find(a.space, a.local)
		switch {
		case j < 0:
			c.op("remove", c.sel(w)+"/@"+c.attrName(a), "", nil)
			w.attrs = slices.Delete(w.attrs, i, i+1)
			i--
		case n.attrs[j].value != a.value:
			c.op("replace", c.sel(w)+"/@"+c.attrName(a), "", escaped(n.attrs[j].value))
			a.setValue(n.attrs[j].value)
		}
	}
	for i := range n.attrs {
		if a := &n.attrs[i]; !a.decl && !version(a) && w.find(a.space, a.local) < 0 {
			c.op("add", c.sel(w), ` type="@`+c.attrName(a)+`"`, escaped(a.value))
			w.attrs = append(w.attrs, *a)
		}
	}
}

func (c *creator) attrName(a *attr) string {
	if a.space == "" {
		return a.local
	}
	return c.prefix(a.space, a.prefix) + ":" + a.local
}
