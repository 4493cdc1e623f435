package diff

// pidfNamespace is that of RFC 3863.
const pidfNamespace = "urn:ietf:params:xml:ns:pidf"

// target is what a selector locates: a node or an attribute of it.
type target struct {
	node *node
	attr int // index, -1 for the node itself
}

// budget bounds the work of a whole update: it counts nodes visited and octets
// compared.
type budget int

func (b *budget) spend(n int) bool {
	*b -= budget(n)
	return *b >= 0
}

// isRoot reports whether space and local name the root of a full document.
// RFC 5262's own example selects presence where the document is a pidf-full.
func isRoot(space, local string) bool {
	return space == pidfNamespace && local == "presence" || space == Namespace && local == "pidf-full"
}

// locate returns all targets of steps, at most two of them: one too many is
// enough to know. It returns nil when the budget is spent.
func (b *budget) locate(root *node, steps []step) []target {
	nodes := b.filter(nil, []*node{root}, &steps[0], true)
	for i := 1; i < len(steps); i++ {
		st := &steps[i]
		if st.test == attrTest || st.test == namespaceTest {
			return b.attrs(nodes, st)
		}
		var next []*node
		for _, n := range nodes {
			next = b.filter(next, n.kids, st, false)
		}
		nodes = next
	}
	var list []target
	for _, n := range nodes[:min(2, len(nodes))] {
		list = append(list, target{n, -1})
	}
	return list
}

// attrs returns the attributes or declarations that st names.
func (b *budget) attrs(nodes []*node, st *step) (list []target) {
	for _, n := range nodes {
		i := -1
		if st.test == attrTest {
			i = n.find(st.space, st.local)
		} else {
			i = n.findDecl(st.local)
		}
		if b.spend(1 + len(n.attrs)); i >= 0 && len(list) < 2 {
			list = append(list, target{n, i})
		}
	}
	return list
}

// filter appends to dst the nodes of one parent that st selects.
func (b *budget) filter(dst, nodes []*node, st *step, root bool) []*node {
	from := len(dst)
	for _, n := range nodes {
		if !b.spend(1) {
			return dst[:from]
		}
		if st.matches(n) || root && st.test == byName && isRoot(st.space, st.local) && isRoot(n.space, n.local) {
			dst = append(dst, n)
		}
	}
	for i := range st.preds {
		p := &st.preds[i]
		kept := dst[:from]
		for pos, n := range dst[from:] {
			if p.pos == pos+1 || p.pos == 0 && b.holds(n, p) {
				kept = append(kept, n)
			}
		}
		dst = kept
	}
	return dst
}

func (st *step) matches(n *node) bool {
	switch st.test {
	case byName:
		return n.kind == element && n.local == st.local && n.space == st.space
	case anyElement:
		return n.kind == element
	case textTest:
		return n.kind == text && n.value != ""
	case commentTest:
		return n.kind == comment
	case instructionTest:
		return n.kind == instruction && (st.local == "" || n.value == st.local)
	}
	return false
}

// holds evaluates a predicate that compares.
func (b *budget) holds(n *node, p *pred) bool {
	b.spend(len(n.attrs) + len(p.value))
	switch {
	case p.self:
		return b.equals(n, p.value)
	case p.test == attrTest:
		i := n.find(p.space, p.local)
		return i >= 0 && n.attrs[i].value == p.value
	}
	for _, k := range n.kids {
		if !b.spend(1) {
			return false
		}
		if k.kind == element && k.local == p.local && k.space == p.space && b.equals(k, p.value) {
			return true
		}
	}
	return false
}

// equals reports whether the string value of n, all text in it, is want.
func (b *budget) equals(n *node, want string) bool {
	if n.kind == comment {
		return n.value == want
	}
	rest, ok := b.consume(n, want)
	return ok && rest == ""
}

// consume cuts the string value of n off the front of want.
func (b *budget) consume(n *node, want string) (rest string, ok bool) {
	switch {
	case !b.spend(1):
		return want, false
	case n.kind == text:
		if len(n.value) > len(want) || want[:len(n.value)] != n.value {
			return want, false
		}
		b.spend(len(n.value))
		return want[len(n.value):], true
	}
	for _, k := range n.kids {
		if k.kind == comment || k.kind == instruction {
			continue
		}
		if want, ok = b.consume(k, want); !ok {
			return want, false
		}
	}
	return want, true
}
