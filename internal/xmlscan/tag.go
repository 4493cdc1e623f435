package xmlscan

import "strings"

// startTag reads a start tag or an empty-element tag.
func (s *scanner) startTag() error {
	d, start := s.doc, s.pos
	switch {
	case s.depth == 0 && len(d.elems) > 0:
		return s.fail(start, "second root element")
	case s.depth == MaxDepth:
		return s.fail(start, "elements are nested too deeply")
	}
	_, local, end := qname(s.src, start+1)
	if end == 0 {
		return s.fail(start, "malformed tag")
	}
	i := int32(len(d.elems))
	e := Elem{
		Name:  local,
		start: int32(start), nameEnd: int32(end), attr: int32(len(d.attrs)), scope: 1,
	}
	if s.depth > 0 {
		parent := &d.elems[s.open[s.depth-1]]
		e.scope = parent.scope
		parent.text |= needsWork
		if parent.first == 0 {
			parent.first = i
		} else {
			d.elems[s.last[s.depth-1]].next = i
		}
		s.last[s.depth-1] = i
	}
	s.pos = end
	empty, err := s.attributes(&e, i)
	if err != nil {
		return err
	}
	if err := s.resolve(&e); err != nil {
		return err
	}
	e.open = int32(s.pos)
	if empty {
		e.close, e.end = e.open, e.open
	} else {
		s.open[s.depth] = i
		s.depth++
	}
	d.elems = append(d.elems, e)
	return nil
}

// attributes reads the rest of a start tag; empty tells that it ended in />.
func (s *scanner) attributes(e *Elem, index int32) (empty bool, err error) {
	for n := 0; ; n++ {
		at := s.pos
		i := skipSpace(s.src, at)
		switch rest := s.src[i:]; {
		case strings.HasPrefix(rest, ">"):
			s.pos = i + 1
			return false, nil
		case strings.HasPrefix(rest, "/>"):
			s.pos = i + 2
			return true, nil
		case i == at:
			return false, s.fail(at, "malformed tag")
		case n == MaxAttrs:
			return false, s.fail(i, "too many attributes")
		}
		prefix, local, end := qname(s.src, i)
		if end == 0 {
			return false, s.fail(i, "malformed attribute name")
		}
		value, err := s.attrValue(end)
		if err != nil {
			return false, err
		}
		switch {
		case prefix == "xmlns":
			err = s.bind(e, index, i, local, value)
		case prefix == "" && local == "xmlns":
			err = s.bind(e, index, i, "", value)
		default:
			if s.doc.attrs == nil {
				s.doc.attrs = make([]Attr, 0, len(s.src)/64+2)
			}
			s.doc.attrs = append(s.doc.attrs, Attr{Name: local, Value: value, prefix: prefix})
			e.nattrs++
		}
		if err != nil {
			return false, err
		}
	}
}

// attrValue reads = and a quoted value from i on and leaves pos behind it.
func (s *scanner) attrValue(i int) (string, error) {
	i = skipSpace(s.src, i)
	if i >= len(s.src) || s.src[i] != '=' {
		return "", s.fail(i, "attribute without value")
	}
	i = skipSpace(s.src, i+1)
	if i >= len(s.src) || (s.src[i] != '"' && s.src[i] != '\'') {
		return "", s.fail(i, "attribute value without quotes")
	}
	n := strings.IndexByte(s.src[i+1:], s.src[i])
	if n < 0 {
		return "", s.fail(i, "attribute value without end")
	}
	raw := s.src[i+1 : i+1+n]
	s.pos = i + n + 2
	plain := true
	for j := 0; j < len(raw); j++ {
		switch raw[j] {
		case '<':
			return "", s.fail(i+1+j, "< in an attribute value")
		case '&', '\t', '\n', '\r':
			plain = false
		}
	}
	if plain {
		return raw, nil
	}
	value, bad := normalize(raw)
	if bad >= 0 {
		return "", s.fail(i+1+bad, "unknown entity or malformed reference")
	}
	return value, nil
}

// bind adds a namespace declaration of e.
func (s *scanner) bind(e *Elem, index int32, off int, prefix, uri string) error {
	switch {
	case prefix == "xmlns" || uri == xmlns:
		return s.fail(off, "reserved prefix or namespace xmlns")
	case (prefix == "xml") != (uri == XML):
		return s.fail(off, "reserved prefix or namespace xml")
	case prefix != "" && uri == "":
		return s.fail(off, "prefix bound to no namespace")
	}
	for b := e.scope; b > 1 && s.doc.binds[b].elem == index; b = s.doc.binds[b].up {
		if s.doc.binds[b].prefix == prefix {
			return s.fail(off, "namespace declared twice")
		}
	}
	s.doc.binds = append(s.doc.binds, binding{prefix: prefix, uri: uri, up: e.scope, elem: index})
	e.scope = int32(len(s.doc.binds) - 1)
	return nil
}

// resolve gives e and its attributes their namespaces and refuses two
// attributes of one expanded name.
func (s *scanner) resolve(e *Elem) error {
	d := s.doc
	prefix := d.prefix(e)
	b := d.lookup(e.scope, prefix)
	switch {
	case prefix == "xmlns":
		return s.fail(int(e.start), "reserved prefix xmlns")
	case b == 0 && prefix != "":
		return s.fail(int(e.start), "undeclared prefix "+prefix)
	}
	e.Space = d.binds[b].uri
	attrs := d.attrs[e.attr:]
	for i := range attrs {
		a := &attrs[i]
		if a.prefix != "" {
			b := d.lookup(e.scope, a.prefix)
			if b == 0 {
				return s.fail(int(e.start), "undeclared prefix "+a.prefix)
			}
			a.Space = d.binds[b].uri
		}
		for j := range attrs[:i] {
			if attrs[j].Name == a.Name && attrs[j].Space == a.Space {
				return s.fail(int(e.start), "duplicate attribute "+a.Name)
			}
		}
	}
	return nil
}

// declaration reads the XML declaration, which stands at pos.
func (s *scanner) declaration() error {
	n := strings.Index(s.src[s.pos:], "?>")
	if n < 0 {
		return s.fail(s.pos, "malformed XML declaration")
	}
	start, end := s.pos, s.pos+n
	i := start + len("<?xml")
	want := [...]string{"version", "encoding", "standalone"}
	next := 0
	for {
		at := i
		if i = skipSpace(s.src[:end], i); i == end {
			break
		}
		_, name, nameEnd := qname(s.src[:end], i)
		for next < len(want) && want[next] != name && next > 0 {
			next++
		}
		if i == at || nameEnd == 0 || next == len(want) || want[next] != name {
			return s.fail(i, "malformed XML declaration")
		}
		value, err := s.attrValue(nameEnd)
		if err != nil || s.pos > end {
			return s.fail(i, "malformed XML declaration")
		}
		if msg := s.declared(name, value); msg != "" {
			return s.fail(i, msg)
		}
		i = s.pos
		next++
	}
	if next == 0 {
		return s.fail(start, "XML declaration without version")
	}
	s.doc.declared = true
	s.pos = end + 2
	return nil
}

// declared returns what is wrong with a value of the XML declaration.
func (s *scanner) declared(name, value string) string {
	switch {
	case name == "version" && value != "1.0":
		return "XML version is not 1.0"
	case name == "encoding" && !encodingName(value):
		return "malformed encoding name"
	case name == "encoding" && !s.opt.AssumeUTF8 && !strings.EqualFold(value, "UTF-8"):
		return "encoding " + value + " is not supported, only UTF-8"
	case name == "standalone" && value != "yes" && value != "no":
		return "malformed XML declaration"
	}
	return ""
}
