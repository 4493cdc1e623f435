package diff

import (
	"slices"

	"github.com/kith-im/kith/internal/xmlscan"
)

// value returns the text content of an operation on an attribute.
func (p *patcher) value(o *op) (string, error) {
	v, only := o.node.text()
	if !only {
		return "", p.fail(o, InvalidNodeTypes, "5261 4.4", "an attribute cannot hold elements")
	}
	return v, p.grow(o, len(v)*len("&quot;"))
}

// addAttr adds an attribute or a namespace declaration (RFC 5261 sections 4.3.1
// and 4.3.2).
func (p *patcher) addAttr(o *op, t target) error {
	if t.attr >= 0 || t.node.kind != element {
		return p.fail(o, InvalidNodeTypes, "5261 4.3", "attributes are added to elements only")
	}
	n := t.node
	v, err := p.value(o)
	if err != nil {
		return err
	}
	if err := p.grow(o, 2*len(o.local)+len(o.prefix)+len(o.space)+32); err != nil {
		return err
	}
	if o.decl {
		if n.findDecl(o.local) >= 0 {
			return p.fail(o, InvalidPatchDirective, "5261 4.3.2", "namespace is declared already")
		}
		n.attrs = append(n.attrs, newDecl(o.local, v))
		return p.rebound(o, n, v)
	}
	if n.find(o.space, o.local) >= 0 {
		return p.fail(o, InvalidPatchDirective, "5261 4.3.1", "attribute exists already")
	}
	prefix, ok := n.prefixFor(o.space, o.prefix)
	if !ok {
		if _, bound := n.lookup(o.prefix); bound {
			return p.fail(o, InvalidNamespacePrefix, "5261 4.2.3", "prefix "+o.prefix+" means something else there")
		}
		n.attrs = append(n.attrs, newDecl(o.prefix, o.space))
		prefix = o.prefix
	}
	n.attrs = append(n.attrs, newAttr(prefix, o.local, o.space, v))
	return nil
}

// prefixFor returns a prefix that is bound to space at n, like if possible. No
// prefix stands for no namespace.
func (n *node) prefixFor(space, like string) (string, bool) {
	if space == "" || space == xmlscan.XML {
		if space == "" {
			return "", true
		}
		return "xml", true
	}
	if got, ok := n.lookup(like); ok && like != "" && got == space {
		return like, true
	}
	for up := n; up != nil; up = up.parent {
		for i := range up.attrs {
			a := &up.attrs[i]
			if !a.decl || a.local == "" || a.value != space {
				continue
			}
			if got, _ := n.lookup(a.local); got == space {
				return a.local, true
			}
		}
	}
	return "", false
}

// rebound gives every name in n the namespace that its prefix has now.
func (p *patcher) rebound(o *op, n *node, uri string) error {
	if uri == "" || uri == xmlscan.XML || uri == "http://www.w3.org/2000/xmlns/" {
		return p.fail(o, InvalidNamespaceURI, "5261 4.3.2", "namespace is empty or reserved")
	}
	return p.resolve(o, n)
}

func (p *patcher) resolve(o *op, n *node) error {
	if n.kind != element {
		return nil
	}
	if !p.work.spend(64 * (1 + len(n.attrs))) {
		return p.fail(o, InvalidPatchDirective, "5261 4.1", "selectors take too much work")
	}
	var ok bool
	if n.space, ok = n.lookup(n.prefix); !ok {
		return p.fail(o, InvalidNamespacePrefix, "5261 4.2", "prefix "+n.prefix+" is not declared any more")
	}
	for i := range n.attrs {
		if a := &n.attrs[i]; !a.decl && a.prefix != "" {
			if a.space, ok = n.lookup(a.prefix); !ok {
				return p.fail(o, InvalidNamespacePrefix, "5261 4.2", "prefix "+a.prefix+" is not declared any more")
			}
		}
	}
	for _, k := range n.kids {
		if err := p.resolve(o, k); err != nil {
			return err
		}
	}
	return nil
}

// replaceAttr changes an attribute or a namespace declaration (RFC 5261
// sections 4.4.2 and 4.4.3).
func (p *patcher) replaceAttr(o *op, t target) error {
	v, err := p.value(o)
	if err != nil {
		return err
	}
	a := &t.node.attrs[t.attr]
	a.setValue(v)
	if a.decl {
		return p.rebound(o, t.node, v)
	}
	return nil
}

// replace changes a node for another of its kind (RFC 5261 section 4.4). White
// space around the new element is not part of it.
func (p *patcher) replace(o *op, n *node) error {
	if n.kind == text {
		return p.replaceText(o, n)
	}
	var fresh *node
	for _, k := range o.node.kids {
		switch {
		case k.kind == text && (k.blank() || k.value == ""):
		case k.kind != n.kind || fresh != nil:
			return p.fail(o, InvalidNodeTypes, "5261 4.4", "content is not one node of the kind of the target")
		default:
			fresh = k
		}
	}
	if fresh == nil {
		return p.fail(o, InvalidNodeTypes, "5261 4.4", "content is not one node of the kind of the target")
	}
	at := n.parent
	if at == nil {
		at = &node{}
	}
	list, err := p.content(o, at, []*node{fresh})
	if err != nil {
		return err
	}
	if n.parent == nil {
		p.doc.root = list[0]
		return nil
	}
	list[0].parent = at
	at.kids[n.index()] = list[0]
	return nil
}

// replaceText changes a text node; by nothing means to remove it (RFC 5261
// section 4.4.6).
func (p *patcher) replaceText(o *op, n *node) error {
	for _, k := range o.node.kids {
		if k.kind != text {
			return p.fail(o, InvalidNodeTypes, "5261 4.4.6", "content is not text")
		}
	}
	i := n.index()
	if len(o.node.kids) == 0 {
		n.parent.remove(i)
		return nil
	}
	k := o.node.kids[0]
	if err := p.grow(o, len(k.raw)); err != nil {
		return err
	}
	n.parent.kids[i] = &node{kind: text, parent: n.parent, raw: k.raw, value: k.value}
	return nil
}

// remove takes away a node or an attribute (RFC 5261 section 4.5).
func (p *patcher) remove(o *op, t target) error {
	n := t.node
	switch {
	case t.attr >= 0:
		if o.ws != "" {
			return p.fail(o, InvalidWhitespace, "5261 4.5", "ws for an attribute")
		}
		decl := n.attrs[t.attr].decl
		n.attrs = slices.Delete(n.attrs, t.attr, t.attr+1)
		if decl {
			return p.resolve(o, n)
		}
		return nil
	case n.parent == nil:
		return p.fail(o, InvalidRootElement, "5261 4.5.1", "the root cannot be removed")
	case n.kind == text && o.ws != "":
		return p.fail(o, InvalidWhitespace, "5261 4.5", "ws for text")
	}
	if !p.work.spend(len(n.parent.kids)) {
		return p.fail(o, InvalidPatchDirective, "5261 4.1", "selectors take too much work")
	}
	at, i := n.parent, n.index()
	before := o.ws == "before" || o.ws == "both"
	after := o.ws == "after" || o.ws == "both"
	if before && (i == 0 || !at.kids[i-1].blank()) || after && (i+1 == len(at.kids) || !at.kids[i+1].blank()) {
		return p.fail(o, InvalidWhitespace, "5261 4.5", "no node of white space there")
	}
	if after {
		at.kids = slices.Delete(at.kids, i+1, i+2)
	}
	if before {
		i--
		at.kids = slices.Delete(at.kids, i, i+1)
	}
	at.remove(i)
	return nil
}
