package diff

import "slices"

// Equivalent reports whether two presence or pidf-full documents are the same:
// the same tree of elements by namespace and name, the same attributes by
// namespace, name and value in any order, the same characters, comments and
// processing instructions at the same places, white space included.
//
// So it ignores the choice of prefixes, namespace declarations as such, quotes
// and white space in tags, the two forms of an empty element, references and
// CDATA sections against plain characters, everything before and after the
// root; and of the root its name (presence or pidf-full) and its version. The
// error is an *Error about one of the documents.
func Equivalent(a, b []byte) (bool, error) {
	x, err := readFull(a)
	if err != nil {
		return false, err
	}
	y, err := readFull(b)
	if err != nil {
		return false, err
	}
	return equalNodes(x.root, y.root, true), nil
}

// equalNodes is Equivalent for two nodes.
func equalNodes(a, b *node, root bool) bool {
	switch {
	case a.kind != b.kind:
		return false
	case a.kind == instruction:
		return a.raw == b.raw
	case a.kind != element:
		return a.value == b.value
	case !root && (a.space != b.space || a.local != b.local), !equalAttrs(a, b, root), !equalAttrs(b, a, root):
		return false
	}
	x, y := a.solid(), b.solid()
	return slices.EqualFunc(x, y, func(a, b *node) bool { return equalNodes(a, b, false) })
}

// equalAttrs reports whether b has all attributes of a.
func equalAttrs(a, b *node, root bool) bool {
	for i := range a.attrs {
		at := &a.attrs[i]
		if at.decl || root && at.space == "" && at.local == "version" {
			continue
		}
		if j := b.find(at.space, at.local); j < 0 || b.attrs[j].value != at.value {
			return false
		}
	}
	return true
}

// solid returns the children of n without text of no characters.
func (n *node) solid() []*node {
	if !slices.ContainsFunc(n.kids, (*node).hollow) {
		return n.kids
	}
	return slices.DeleteFunc(slices.Clone(n.kids), (*node).hollow)
}

// hollow reports whether n is text of no characters, as an empty CDATA section.
func (n *node) hollow() bool { return n.kind == text && n.value == "" }
