package diff_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// elem is a node of a random document: an element, or else text, a comment or
// an instruction as octets.
type elem struct {
	raw   string
	space string
	name  string
	attrs map[string]string // by name; a name with a colon is in the namespace of its prefix
	kids  []*elem
}

var randomSpaces = []string{"urn:ietf:params:xml:ns:pidf", "urn:ietf:params:xml:ns:pidf:rpid", "urn:example:x", "urn:example:y", ""}

// randomTree makes the content of a document.
func randomTree(r *rand.Rand, depth int) *elem {
	e := &elem{space: randomSpaces[r.IntN(len(randomSpaces))], name: string(rune('a' + r.IntN(4))), attrs: map[string]string{}}
	if r.IntN(2) == 0 {
		e.attrs["id"] = string(rune('r' + r.IntN(6)))
	}
	for range r.IntN(3) {
		e.attrs[[]string{"v", "w", "x:v", "y:v", "xml:lang"}[r.IntN(5)]] = randomText(r)
	}
	for range r.IntN(6) {
		e.kids = append(e.kids, randomKid(r, depth))
	}
	return e
}

func randomKid(r *rand.Rand, depth int) *elem {
	switch n := r.IntN(10); {
	case n < 4 && depth > 0:
		return randomTree(r, depth-1)
	case n < 7:
		return &elem{raw: strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(randomText(r))}
	case n == 7:
		return &elem{raw: "<![CDATA[" + randomText(r) + "]]>"}
	case n == 8:
		return &elem{raw: "<!--" + string(rune('a'+r.IntN(3))) + "-->"}
	}
	return &elem{raw: "<?" + string(rune('a'+r.IntN(2))) + " p?>"}
}

func randomText(r *rand.Rand) string {
	return []string{"", " ", "\n  ", "open", "a&b", "'\"", "\u00e9\U0001f600", "]]", ">", "x:a"}[r.IntN(10)]
}

// mutate changes e in some places.
func mutate(r *rand.Rand, e *elem) *elem {
	if e.raw != "" || e.name == "" {
		return e
	}
	c := &elem{space: e.space, name: e.name, attrs: map[string]string{}}
	for k, v := range e.attrs {
		switch r.IntN(12) {
		case 0:
		case 1:
			c.attrs[k] = randomText(r)
		default:
			c.attrs[k] = v
		}
	}
	if r.IntN(12) == 0 {
		c.attrs["new"] = "1"
	}
	for _, k := range e.kids {
		switch r.IntN(12) {
		case 0:
		case 1:
			c.kids = append(c.kids, randomKid(r, 2), k)
		case 2:
			c.kids = append(c.kids, randomKid(r, 2))
		default:
			c.kids = append(c.kids, mutate(r, k))
		}
	}
	if r.IntN(12) == 0 {
		c.kids = append(c.kids, randomKid(r, 2))
	}
	return c
}

// write writes e; style chooses prefixes, quotes and where they are declared.
func (e *elem) write(b *strings.Builder, style int) {
	if e.name == "" {
		b.WriteString(e.raw)
		return
	}
	name, decl := e.name, ""
	switch i := strings.Index("pidf rpid x y", e.space[strings.LastIndexByte(e.space, ':')+1:]); {
	case e.space == "":
		decl = ` xmlns=""`
	case i == 0:
		decl = ` xmlns="` + e.space + `"`
	case style == 0 && e.space != "urn:example:y":
		name = map[string]string{"urn:ietf:params:xml:ns:pidf:rpid": "r:", "urn:example:x": "x:"}[e.space] + name
	default:
		name, decl = "q:"+name, ` xmlns:q="`+e.space+`"`
	}
	if strings.Contains(fmt.Sprint(e.attrs), "y:v") {
		decl += ` xmlns:y="urn:example:y"`
	}
	b.WriteString("<" + name + decl)
	for _, k := range []string{"id", "v", "w", "new", "x:v", "y:v", "xml:lang"} {
		if v, ok := e.attrs[k]; ok {
			fmt.Fprintf(b, " %s=\"%s\"", k, strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\n", "&#10;").Replace(v))
		}
	}
	if len(e.kids) == 0 && style == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	for _, k := range e.kids {
		k.write(b, style)
	}
	b.WriteString("</" + name + ">")
}

// randomDoc writes e as the content of a presence document, or of a pidf-full
// if version is not 0.
func randomDoc(e *elem, style, version int) []byte {
	var b strings.Builder
	root, more := "presence", ""
	if version > 0 {
		root, more = "d:pidf-full", fmt.Sprintf(` xmlns:d="urn:ietf:params:xml:ns:pidf-diff" version="%d"`, version)
	}
	if style == 0 {
		more += ` xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"`
	}
	fmt.Fprintf(&b, `<%s xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:example:x" entity="pres:a@example.com"%s>`, root, more)
	for _, k := range e.kids {
		k.write(&b, style)
	}
	fmt.Fprintf(&b, "</%s>", root)
	return []byte(b.String())
}
