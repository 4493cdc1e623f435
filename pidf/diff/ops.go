package diff

import "strings"

// op is one operation of RFC 5261 section 4.
type op struct {
	node  *node // its element in the update
	verb  string
	steps []step
	pos   string // of add: "", prepend, before, after
	ws    string // of remove: "", before, after, both

	// of an add of an attribute or, if decl is set, a namespace declaration
	attr          bool
	decl          bool
	prefix, local string
	space         string
}

// readOp reads one operation.
func (u *Update) readOp(n *node) (op, error) {
	o := op{node: n, verb: n.local}
	if n.space != Namespace || n.local != "add" && n.local != "replace" && n.local != "remove" {
		return o, u.fail(n, InvalidDiffFormat, "5262 7", "unknown operation "+n.local)
	}
	sel, typ := "", ""
	found := false
	for i := range n.attrs {
		a := &n.attrs[i]
		switch {
		case a.decl:
		case a.space == "" && a.local == "sel":
			sel, found = a.value, true
		case a.space == "" && o.verb == "add" && a.local == "pos":
			if o.pos = a.value; o.pos != "prepend" && o.pos != "before" && o.pos != "after" {
				return o, u.fail(n, InvalidAttributeValue, "5261 4.3", "pos is none of prepend, before, after")
			}
		case a.space == "" && o.verb == "add" && a.local == "type":
			typ = a.value
			if typ == "" {
				return o, u.fail(n, InvalidAttributeValue, "5261 4.3", "type is empty")
			}
		case a.space == "" && o.verb == "remove" && a.local == "ws":
			if o.ws = a.value; o.ws != "before" && o.ws != "after" && o.ws != "both" {
				return o, u.fail(n, InvalidAttributeValue, "5261 4.5", "ws is none of before, after, both")
			}
		default:
			return o, u.fail(n, InvalidDiffFormat, "5262 7", "unknown attribute "+a.local)
		}
	}
	if !found {
		return o, u.fail(n, InvalidDiffFormat, "5261 4.1", "operation without sel")
	}
	s := selector{src: sel, at: n}
	if o.steps = s.parse(); s.msg != "" {
		return o, u.fail(n, s.code, "5261 4.1", s.msg)
	}
	if o.verb == "remove" && (len(n.kids) > 1 || len(n.kids) == 1 && !n.kids[0].blank()) {
		return o, u.fail(n, InvalidDiffFormat, "5261 4.5", "remove with content")
	}
	if typ == "" {
		return o, nil
	}
	return o, u.readType(&o, typ)
}

// readType reads the type attribute: what an add adds if not children.
func (u *Update) readType(o *op, typ string) error {
	o.attr = true
	name, isAttr := strings.CutPrefix(typ, "@")
	if !isAttr {
		name, o.decl = strings.CutPrefix(typ, "namespace::")
	}
	s := selector{src: name, at: o.node}
	o.local = s.ncname()
	if isAttr && s.take(":") {
		o.prefix, o.local = o.local, s.ncname()
	}
	if s.msg != "" || s.pos != len(name) || !isAttr && !o.decl {
		return u.fail(o.node, InvalidAttributeValue, "5261 4.3", "type is neither an attribute nor a namespace")
	}
	if o.pos != "" {
		return u.fail(o.node, InvalidPatchDirective, "5261 4.3", "pos beside type")
	}
	if o.decl && (o.local == "xml" || o.local == "xmlns") || isAttr && (o.prefix == "xmlns" || o.prefix == "" && o.local == "xmlns") {
		return u.fail(o.node, InvalidNamespacePrefix, "5261 4.3", "reserved prefix")
	}
	if o.prefix != "" {
		space, ok := o.node.lookup(o.prefix)
		if !ok {
			return u.fail(o.node, InvalidNamespacePrefix, "5261 4.3", "prefix "+o.prefix+" is not declared")
		}
		o.space = space
	}
	return nil
}
