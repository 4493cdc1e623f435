package diff

import "slices"

// run turns the nodes gone of w into the nodes come of n. They stand after last
// and before end, each a node of w and the one of n that it stays for, or nil.
func (c *creator) run(w, n *node, gone, come []*node, last, end [2]*node) {
	if len(gone) > MaxOps-c.ops {
		c.fail = true // each takes an operation
	}
	for !c.fail && len(gone) > 0 && len(come) > 0 && gone[0].kind == element && come[0].kind == element {
		c.op("replace", c.sel(gone[0]), "", c.content(come[:1]))
		fresh := adopt(come[:1], w)[0]
		fresh.parent = w
		w.kids[gone[0].index()] = fresh
		last = [2]*node{fresh, come[0]}
		gone, come = gone[1:], come[1:]
	}
	if len(gone) > 0 {
		ws := ""
		want := textAfter(n, last[1])
		switch {
		case len(come) > 0:
		case textAfter(w, last[0]) == want:
			ws = "after"
		case textAfter(w, gone[len(gone)-1]) == want:
			ws = "before"
		}
		for _, g := range gone {
			if c.fail {
				return
			}
			c.drop(w, g, ws)
		}
	}
	if len(come) > 0 && !c.fail {
		c.insert(w, n, come, last, end)
	}
}

// drop removes g and, if ws says so and it is there, white space beside it.
func (c *creator) drop(w, g *node, ws string) {
	i := g.index()
	beside := i + 1
	if ws == "before" {
		beside = i - 1
	}
	if ws == "" || beside < 0 || beside >= len(w.kids) || !w.kids[beside].blank() {
		c.op("remove", c.sel(g), "", nil)
		w.remove(i)
		return
	}
	c.op("remove", c.sel(g), ` ws="`+ws+`"`, nil)
	w.kids = slices.Delete(w.kids, min(i, beside), max(i, beside)+1)
	w.join(min(i, beside))
}

// insert adds the nodes come of n, with the text around them, to w.
func (c *creator) insert(w, n *node, come []*node, last, end [2]*node) {
	first, final := slices.Index(n.kids, come[0]), slices.Index(n.kids, come[len(come)-1])
	lead, trail := textAfter(n, last[1]), textAfter(n, come[len(come)-1])
	if have := textAfter(w, last[0]); have == lead && have != trail {
		// The text that is there goes before the new nodes.
		list := n.kids[first : final+1]
		if trail != "" {
			list = n.kids[first : final+2]
		}
		at := len(w.kids)
		sel, pos := w, ""
		if end[0] != nil {
			at, sel, pos = end[0].index(), end[0], ` pos="before"`
		}
		c.op("add", c.sel(sel), pos, c.content(list))
		w.insert(at, adopt(list, w))
		return
	}
	list := n.kids[first : final+1]
	if lead != "" {
		list = n.kids[first-1 : final+1]
	}
	at := 0
	sel, pos := w, ` pos="prepend"`
	if last[0] != nil {
		at, sel, pos = last[0].index()+1, last[0], ` pos="after"`
	}
	c.op("add", c.sel(sel), pos, c.content(list))
	w.insert(at, adopt(list, w))
}

// gaps makes the text between the other children of w that of n.
func (c *creator) gaps(w, n *node) {
	olds, news := firm(w), firm(n)
	for i := -1; i < len(olds) && !c.fail; i++ {
		var before, model *node
		if i >= 0 {
			before, model = olds[i], news[i]
		}
		have, want := textAfter(w, before), textAfter(n, model)
		if have == want {
			continue
		}
		at := 0
		if before != nil {
			at = before.index() + 1
		}
		switch {
		case have == "":
			sel, pos := w, ` pos="prepend"`
			if before != nil {
				sel, pos = before, ` pos="after"`
			} else if len(w.kids) == 0 {
				pos = ""
			}
			c.op("add", c.sel(sel), pos, escaped(want))
			w.insert(at, []*node{{kind: text, raw: string(escaped(want)), value: want}})
		case want == "":
			c.op("remove", c.sel(w.kids[at]), "", nil)
			w.remove(at)
		default:
			c.op("replace", c.sel(w.kids[at]), "", escaped(want))
			w.kids[at] = &node{kind: text, parent: w, raw: string(escaped(want)), value: want}
		}
	}
}

// textAfter returns the text right after the child a of n, or at the start of n
// if a is nil.
func textAfter(n, a *node) string {
	i := 0
	if a != nil {
		i = slices.Index(n.kids, a) + 1
	}
	if i < len(n.kids) && n.kids[i].kind == text {
		return n.kids[i].value
	}
	return ""
}
