package diff

import "hash/maphash"

// maxAlign bounds the table for the alignment of two lists of children.
const maxAlign = 1 << 18

// children makes the children of w those of n: first the nodes that are not
// text, then the text between them, then what is inside.
func (c *creator) children(w, n *node) bool {
	olds, news := firm(w), firm(n)
	pairs := c.align(olds, news)
	next := [2]int{}
	last := [2]*node{} // the nodes of w and n before the run
	var inside [][2]*node
	for _, p := range append(pairs, [2]int{len(olds), len(news)}) {
		end := [2]*node{}
		if p[0] < len(olds) {
			end = [2]*node{olds[p[0]], news[p[1]]}
		}
		c.run(w, n, olds[next[0]:p[0]], news[next[1]:p[1]], last, end)
		if end[0] != nil && c.sum(end[0]) != c.sum(end[1]) {
			inside = append(inside, end)
		}
		if c.fail || len(inside) > MaxOps {
			return false
		}
		next = [2]int{p[0] + 1, p[1] + 1}
		last = end
	}
	if len(firm(w)) != len(news) {
		return false
	}
	c.gaps(w, n)
	for _, p := range inside {
		if p[0].kind == element && !c.pair(p[0], p[1]) {
			return false
		}
	}
	return !c.fail
}

// firm returns the children of n that are not text.
func firm(n *node) (list []*node) {
	for _, k := range n.kids {
		if k.kind != text {
			list = append(list, k)
		}
	}
	return list
}

// align returns the indexes of children that stay, in rising order: the best
// common subsequence, in which equal children count four times as much as those
// that merely can be made equal.
func (c *creator) align(a, b []*node) (pairs [][2]int) {
	from := 0
	for from < min(len(a), len(b)) && c.score(a[from], b[from]) == 4 {
		pairs = append(pairs, [2]int{from, from})
		from++
	}
	tail := 0
	for tail < min(len(a), len(b))-from && c.score(a[len(a)-1-tail], b[len(b)-1-tail]) == 4 {
		tail++
	}
	x, y := a[from:len(a)-tail], b[from:len(b)-tail]
	width := len(y) + 1
	if (len(x)+1)*width > maxAlign {
		for i := range min(len(x), len(y)) {
			if c.score(x[i], y[i]) > 0 {
				pairs = append(pairs, [2]int{from + i, from + i})
			}
		}
	} else {
		best := make([]int32, (len(x)+1)*width)
		for i := len(x) - 1; i >= 0; i-- {
			for j := len(y) - 1; j >= 0; j-- {
				v := max(best[(i+1)*width+j], best[i*width+j+1])
				if s := c.score(x[i], y[j]); s > 0 {
					v = max(v, s+best[(i+1)*width+j+1])
				}
				best[i*width+j] = v
			}
		}
		for i, j := 0, 0; i < len(x) && j < len(y); {
			s := c.score(x[i], y[j])
			switch {
			case s > 0 && best[i*width+j] == s+best[(i+1)*width+j+1]:
				pairs = append(pairs, [2]int{from + i, from + j})
				i, j = i+1, j+1
			case best[i*width+j] == best[(i+1)*width+j]:
				i++
			default:
				j++
			}
		}
	}
	for i := tail; i > 0; i-- {
		pairs = append(pairs, [2]int{len(a) - i, len(b) - i})
	}
	return pairs
}

// score is 4 for equal nodes, 1 for those that can be made equal, else 0.
func (c *creator) score(w, n *node) int32 {
	switch {
	case w.kind != n.kind:
		return 0
	case w.kind != element:
		if equalNodes(w, n, false) {
			return 4
		}
		return 0
	case w.space != n.space || w.local != n.local:
		return 0
	}
	a, hasA := w.get("id")
	b, hasB := n.get("id")
	switch {
	case a != b || hasA != hasB || !compatible(w, n):
		return 0
	case c.sum(w) == c.sum(n):
		return 4
	}
	return 1
}

// sum returns a digest of all that Equivalent looks at.
func (c *creator) sum(n *node) uint64 {
	if s, ok := c.sums[n]; ok {
		return s
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	field := func(s string) {
		h.WriteString(s)
		h.WriteByte(byte(n.kind))
	}
	switch n.kind {
	case element:
		field(n.space)
		field(n.local)
		var attrs uint64 // in any order
		for i := range n.attrs {
			if a := &n.attrs[i]; !a.decl {
				attrs += maphash.Comparable(c.seed, [3]string{a.space, a.local, a.value})
			}
		}
		maphash.WriteComparable(&h, attrs)
		for _, k := range n.solid() {
			maphash.WriteComparable(&h, c.sum(k))
		}
	case instruction:
		field(n.raw)
	default:
		field(n.value)
	}
	c.sums[n] = h.Sum64()
	return c.sums[n]
}
