package diff

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
)

// patcher applies an update to a document.
type patcher struct {
	u    *Update
	doc  *document
	size int // upper bound of the octets of the document
	work budget
}

func (p *patcher) fail(o *op, code Code, section, msg string) error {
	return p.u.fail(o.node, code, section, msg)
}

// grow accounts for n octets that are about to be added.
func (p *patcher) grow(o *op, n int) error {
	if p.size += n; p.size > MaxSize {
		return p.fail(o, InvalidPatchDirective, "5262 3", "document would become too large")
	}
	return nil
}

func (p *patcher) apply(o *op) error {
	list := p.work.locate(p.doc.root, o.steps)
	switch {
	case p.work < 0:
		return p.fail(o, InvalidPatchDirective, "5261 4.1", "selectors take too much work")
	case len(list) == 0:
		return p.fail(o, UnlocatedNode, "5261 4.1", "sel finds nothing")
	case len(list) > 1:
		return p.fail(o, UnlocatedNode, "5261 4.1", "sel finds more than one node")
	}
	t := list[0]
	switch {
	case o.verb == "add" && o.attr:
		return p.addAttr(o, t)
	case o.verb == "add":
		return p.add(o, t)
	case o.verb == "replace" && t.attr >= 0:
		return p.replaceAttr(o, t)
	case o.verb == "replace":
		return p.replace(o, t.node)
	}
	return p.remove(o, t)
}

// add inserts children or siblings (RFC 5261 section 4.3).
func (p *patcher) add(o *op, t target) error {
	n := t.node
	beside := o.pos == "before" || o.pos == "after"
	switch {
	case t.attr >= 0, !beside && n.kind != element:
		return p.fail(o, InvalidNodeTypes, "5261 4.3", "target cannot have such neighbours")
	case beside && n.parent == nil:
		return p.fail(o, InvalidRootElement, "5261 4.3", "nothing can stand beside the root")
	}
	at := n
	if beside {
		at = n.parent
	}
	list, err := p.content(o, at, o.node.kids)
	if err != nil {
		return err
	}
	switch o.pos {
	case "":
		at.insert(len(at.kids), list)
	case "prepend":
		at.insert(0, list)
	case "before":
		at.insert(n.index(), list)
	case "after":
		at.insert(n.index()+1, list)
	}
	if n.etag == "" && n.kind == element {
		p.size += len(n.qname()) + len("</>")
	}
	return nil
}

// content copies nodes of the update for a place inside at.
func (p *patcher) content(o *op, at *node, kids []*node) ([]*node, error) {
	list := make([]*node, 0, len(kids))
	for _, k := range kids {
		c := k.clone()
		if c.kind == element {
			size := p.size
			if err := p.declare(o, k, c, at); err != nil {
				return nil, err
			}
			p.size = size
		}
		if err := p.grow(o, len(c.append(nil))); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// clone copies n and what is in it.
func (n *node) clone() *node {
	c := *n
	c.parent = nil
	c.attrs = append([]attr(nil), n.attrs...)
	c.kids = make([]*node, len(n.kids))
	for i, k := range n.kids {
		c.kids[i] = k.clone()
		c.kids[i].parent = &c
	}
	return &c
}

// declare gives c, a copy of k for a place inside at, the declarations that are
// missing there.
func (p *patcher) declare(o *op, k, c, at *node) error {
	for _, d := range missing(k, at) {
		if err := p.grow(o, len(d.value)+len(d.local)+len(` xmlns:=""`)); err != nil {
			return err
		}
		c.attrs = append(c.attrs, newDecl(d.local, d.value))
	}
	return nil
}

// missing returns the declarations that k inherits where it stands and that are
// not in force at another place (RFC 5261 section 4.2.3). They lack octets.
func missing(k, at *node) (list []attr) {
	for _, prefix := range k.inherited() {
		want, ok := k.lookup(prefix)
		if got, bound := at.lookup(prefix); ok && (!bound || got != want) {
			list = append(list, attr{local: prefix, value: want, decl: true})
		}
	}
	return list
}

// inherited returns the prefixes that n uses and does not declare; prefixes in
// values count if they are bound.
func (n *node) inherited() []string {
	seen := map[string]bool{}
	n.uses(seen, nil)
	body := string(n.append(nil))
	for up := n.parent; up != nil; up = up.parent {
		for i := range up.attrs {
			if a := &up.attrs[i]; a.decl && a.local != "" && n.findDecl(a.local) < 0 && strings.Contains(body, a.local+":") {
				seen[a.local] = true
			}
		}
	}
	delete(seen, "xml")
	return slices.Sorted(maps.Keys(seen))
}

// uses notes the prefixes of names in n that no element from n inwards
// declares; within are the declarations around.
func (n *node) uses(seen map[string]bool, within []string) {
	if n.kind != element {
		return
	}
	for i := range n.attrs {
		if n.attrs[i].decl {
			within = append(within[:len(within):len(within)], n.attrs[i].local)
		}
	}
	note := func(prefix string) {
		if !slices.Contains(within, prefix) {
			seen[prefix] = true
		}
	}
	note(n.prefix)
	for i := range n.attrs {
		if a := &n.attrs[i]; !a.decl && a.prefix != "" {
			note(a.prefix)
		}
	}
	for _, k := range n.kids {
		k.uses(seen, within)
	}
}

// finish writes the document and checks it.
func (p *patcher) finish() ([]byte, error) {
	root := p.doc.root
	if !isRoot(root.space, root.local) {
		return nil, p.u.fail(p.u.doc.root, InvalidRootElement, "5262 3", "root of the result is neither presence nor pidf-full")
	}
	if e, _ := root.get("entity"); p.u.named && e != p.u.entity {
		return nil, p.u.fail(p.u.doc.root, InvalidAttributeValue, "5262 3.2", "entity of the result is another one")
	}
	if p.u.versioned && root.local == "pidf-full" {
		root.setVersion(p.u.version)
	}
	b := append([]byte(p.doc.before), root.append(nil)...)
	b = append(b, p.doc.after...)
	if _, err := xmlscan.Parse(b, xmlscan.Options{MaxSize: MaxSize}); err != nil {
		x := notXML("result: ", err).(*Error)
		if x.Code = InvalidPatchDirective; strings.Contains(x.Msg, "undeclared prefix") {
			x.Code = InvalidNamespacePrefix
		}
		return nil, x
	}
	return b, nil
}

func (n *node) setVersion(v uint32) {
	s := strconv.FormatUint(uint64(v), 10)
	if i := n.find("", "version"); i >= 0 {
		n.attrs[i].setValue(s)
		return
	}
	n.attrs = append(n.attrs, newAttr("", "version", "", s))
}
