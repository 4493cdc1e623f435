package xmlscan

import (
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// Text returns the character data that stands directly in e: references and
// CDATA resolved, line ends made \n, comments left out, children skipped.
func (d *Doc) Text(e *Elem) string {
	if e.text&needsWork == 0 {
		return d.src[e.open:e.close]
	}
	var b strings.Builder
	b.Grow(int(e.close - e.open))
	child := d.First(e)
	for i := int(e.open); i < int(e.close); {
		rest := d.src[i:e.close]
		switch {
		case child != nil && i == int(child.start):
			i = int(child.end)
			child = d.Next(child)
		case strings.HasPrefix(rest, "<![CDATA["):
			n := strings.Index(rest, "]]>")
			writeLines(&b, rest[len("<![CDATA["):n])
			i += n + len("]]>")
		case strings.HasPrefix(rest, "<!--"):
			i += 4 + strings.Index(rest[4:], "-->") + len("-->")
		case rest[0] == '<':
			i += strings.Index(rest, "?>") + len("?>")
		case rest[0] == '&':
			r, n := reference(rest)
			b.WriteRune(r)
			i += n
		default:
			n := strings.IndexAny(rest, "<&")
			if n < 0 {
				n = len(rest)
			}
			writeLines(&b, rest[:n])
			i += n
		}
	}
	return b.String()
}

// writeLines writes s with every line end as \n.
func writeLines(b *strings.Builder, s string) {
	for {
		i := strings.IndexByte(s, '\r')
		if i < 0 {
			b.WriteString(s)
			return
		}
		b.WriteString(s[:i])
		b.WriteByte('\n')
		s = strings.TrimPrefix(s[i+1:], "\n")
	}
}

// AppendRaw appends the octets of e to dst, made self-contained: namespace
// declarations that e inherits and needs are inserted after its name, all else
// is as received. Needed are the bindings of every element and attribute name
// in e, and of every word before a colon in its values, as p in xsi:type="p:t",
// since such values cannot be told from text; and the default namespace for an
// xsi:type without prefix.
func (d *Doc) AppendRaw(dst []byte, e *Elem) []byte { return d.AppendRawIn(dst, e, "") }

// AppendRawIn is AppendRaw for an element around which the language lang is in
// force: xml:lang is inserted as well, unless lang is empty or e has its own or
// holds neither text nor attributes.
func (d *Doc) AppendRawIn(dst []byte, e *Elem, lang string) []byte {
	dst = append(dst, d.src[e.start:e.nameEnd]...)
	var space [8]int32
	for _, b := range d.inherited(space[:0], e) {
		dst = append(dst, " xmlns"...)
		if p := d.binds[b].prefix; p != "" {
			dst = append(append(dst, ':'), p...)
		}
		dst = append(dst, `="`...)
		dst = AppendEscaped(dst, d.binds[b].uri, true)
		dst = append(dst, '"')
	}
	if lang != "" && d.speaks(e) {
		dst = append(dst, ` xml:lang="`...)
		dst = append(AppendEscaped(dst, lang, true), '"')
	}
	return append(dst, d.src[e.nameEnd:e.end]...)
}

// speaks reports whether a language in force around e bears on it.
func (d *Doc) speaks(e *Elem) bool {
	for _, a := range d.Attrs(e) {
		if a.Space == XML && a.Name == "lang" {
			return false
		}
	}
	within := d.Within(e)
	for i := range within {
		if within[i].HasInk() || within[i].nattrs > 0 {
			return true
		}
	}
	return false
}

// inherited appends to list the bindings that e needs from around it; 0 stands
// for the absence of a default namespace.
func (d *Doc) inherited(list []int32, e *Elem) []int32 {
	self := int32(d.index(e))
	need := func(b int32) {
		if b == 1 || d.binds[b].elem >= self && b != 0 {
			return
		}
		if !slices.Contains(list, b) {
			list = append(list, b)
		}
	}
	mentions := func(c *Elem, value string) {
		for prefix := range wordsBeforeColon(value) {
			if b := d.lookup(c.scope, prefix); b != 0 {
				need(b)
			}
		}
	}
	within := d.Within(e)
	for i := range within {
		c := &within[i]
		if b := d.lookup(c.scope, d.prefix(c)); b != 0 || self != 0 {
			need(b)
		}
		for _, a := range d.Attrs(c) {
			if a.prefix != "" {
				need(d.lookup(c.scope, a.prefix))
			}
			if a.Space == xsi && a.Name == "type" && strings.IndexByte(a.Value, ':') < 0 {
				need(d.lookup(c.scope, ""))
			}
			mentions(c, a.Value)
		}
		if c.HasInk() && strings.ContainsAny(d.src[c.open:c.close], ":&") {
			mentions(c, d.Text(c))
		}
	}
	return list
}

// wordsBeforeColon yields each run of name characters that ends at a colon.
func wordsBeforeColon(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		from := 0
		for i := 0; i < len(s); i++ {
			switch {
			case nameByte(s[i]):
				continue
			case s[i] == ':' && i > from && !yield(s[from:i]):
				return
			}
			from = i + 1
		}
	}
}

// nameByte reports whether c can be part of a name; all beyond ASCII counts.
func nameByte(c byte) bool {
	return c >= utf8.RuneSelf || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_'
}

// AppendEscaped appends s as character data, or as an attribute value in
// double quotes; white space that a reader would normalise becomes references.
func AppendEscaped(dst []byte, s string, attr bool) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		var esc string
		switch c := s[i]; {
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '\r':
			esc = "&#13;"
		case attr && c == '"':
			esc = "&quot;"
		case attr && c == '\n':
			esc = "&#10;"
		case attr && c == '\t':
			esc = "&#9;"
		default:
			continue
		}
		dst = append(append(dst, s[from:i]...), esc...)
		from = i + 1
	}
	return append(dst, s[from:]...)
}

// Unbound reports whether the document has elements in no namespace that say
// so by silence alone, so that they would change name inside another document
// with a default namespace.
func (d *Doc) Unbound() bool {
	for i := range d.elems {
		if e := &d.elems[i]; d.prefix(e) == "" && d.lookup(e.scope, "") == 0 {
			return true
		}
	}
	return false
}
