package pidf

import (
	"github.com/kith-im/kith/internal/xmlscan"
)

// attr handles an attribute that its element does not define. XML Schema
// permits its schema locations anywhere, and nothing looks at them. xml:lang
// counts where lang is not nil.
func (r *reader) attr(e *xmlscan.Elem, a xmlscan.Attr, lang *string) error {
	switch {
	case a.Space == xsi && (a.Name == "schemaLocation" || a.Name == "noNamespaceSchemaLocation"):
		return nil
	case a.Space == xmlscan.XML && a.Name == "lang" && lang != nil:
		if a.Value != "" && !isLanguage(a.Value) {
			return r.deviate(e, "3863 4.1.6", "xml:lang is not a language tag")
		}
		*lang = a.Value
		return nil
	}
	return r.deviate(e, "3863 4.4", "attribute "+a.Name+" is not allowed on "+e.Name)
}

// attrsOf holds e to having no attributes of its own.
func (r *reader) attrsOf(e *xmlscan.Elem, section string) error {
	for _, a := range r.doc.Attrs(e) {
		if r.attr(e, a, nil) != nil {
			return r.deviate(e, section, "attribute "+a.Name+" is not allowed on "+e.Name)
		}
	}
	return nil
}

// elementsOnly holds e to having no text beside its children.
func (r *reader) elementsOnly(e *xmlscan.Elem, section string) error {
	if e.HasInk() {
		return r.deviate(e, section, "text in "+e.Name)
	}
	return nil
}

// plain holds e to having neither attributes nor text.
func (r *reader) plain(e *xmlscan.Elem, section string) error {
	if err := r.attrsOf(e, section); err != nil {
		return err
	}
	return r.elementsOnly(e, section)
}

// head reads the attributes of a tuple, person or device.
func (r *reader) head(e *xmlscan.Elem, id, lang *string, section string) error {
	for _, a := range r.doc.Attrs(e) {
		if a.Space == "" && a.Name == "id" {
			*id = a.Value
		} else if err := r.attr(e, a, lang); err != nil {
			return err
		}
	}
	if *id == "" && !r.lenient {
		return r.fail(e, section, e.Name+" without id")
	}
	return r.elementsOnly(e, section)
}

// addExt keeps e, around which lang is in force, as an extension. home is the
// namespace of its parent, whose other elements are defined and do not include
// e.
func (r *reader) addExt(list []Element, e *xmlscan.Elem, lang, home, section string) ([]Element, error) {
	if e.Space == home || e.Space == "" {
		return list, r.deviate(e, section, "unknown element "+e.Name)
	}
	if !absoluteIn(r.doc, e) {
		return list, nil
	}
	raw, err := r.keep(e, lang)
	if err != nil {
		return nil, err
	}
	return append(list, Element{NS: e.Space, Name: e.Name, Raw: raw, MustUnderstand: marked(r.doc, e, "")}), nil
}

// absoluteIn reports whether every namespace used in e is an absolute URI, as
// RFC 3863 section 4.2.2 wants it, or none.
func absoluteIn(doc *xmlscan.Doc, e *xmlscan.Elem) bool {
	within := doc.Within(e)
	last := ""
	for i := range within {
		if s := within[i].Space; s != last && s != "" && !isAbsoluteURI(s) {
			return false
		}
		last = within[i].Space
		for _, a := range doc.Attrs(&within[i]) {
			if a.Space != "" && !isAbsoluteURI(a.Space) {
				return false
			}
		}
	}
	return true
}

// keep copies the octets of e, around which lang is in force, into the arena.
// Bindings add to them, so the sum has a limit of its own.
func (r *reader) keep(e *xmlscan.Elem, lang string) ([]byte, error) {
	if need := len(r.doc.Source(e)) + 160; cap(r.arena)-len(r.arena) < need {
		r.arena = make([]byte, 0, max(need, r.size/4))
	}
	if e.Space == Timed {
		lang = "" // see Tuple.Timed
	}
	n := len(r.arena)
	r.arena = r.doc.AppendRawIn(r.arena, e, lang)
	raw := r.arena[n:len(r.arena):len(r.arena)]
	if r.kept += len(raw); r.kept > 4*MaxSize {
		return nil, r.fail(e, "3863 4.2", "extensions are too large")
	}
	return raw, nil
}

// marked reports whether e or an element in it is mandatory to understand,
// leaving out the elements of the namespace known. Both spellings of the
// attribute count.
func marked(doc *xmlscan.Doc, e *xmlscan.Elem, known string) bool {
	within := doc.Within(e)
	for i := range within {
		if c := &within[i]; (known == "" || c.Space != known) && hasMark(doc, c) {
			return true
		}
	}
	return false
}

func hasMark(doc *xmlscan.Doc, e *xmlscan.Elem) bool {
	for _, a := range doc.Attrs(e) {
		if isMark(a) {
			if v := xmlscan.TrimSpace(a.Value); v == "1" || v == "true" {
				return true
			}
		}
	}
	return false
}

// isMark reports whether a is the mark of mandatory understanding, in either
// spelling and of any value.
func isMark(a xmlscan.Attr) bool {
	return a.Name == "mustUnderstand" && (a.Space == Namespace || a.Space == "")
}

// Understood reports whether e may be used by a program that knows the elements
// for which known returns true: e itself is taken as known unless it is marked,
// and every marked element in it must be known, save in the content of unknown
// elements, which is ignored as a whole (RFC 3863 section 4.2.3).
func (e Element) Understood(known func(ns, name string) bool) bool {
	doc, err := fragment(e.Raw)
	return err == nil && understood(doc, doc.Root(), known)
}

func understood(doc *xmlscan.Doc, e *xmlscan.Elem, known func(ns, name string) bool) bool {
	if hasMark(doc, e) && !known(e.Space, e.Name) {
		return false
	}
	for c := doc.First(e); c != nil; c = doc.Next(c) {
		if (hasMark(doc, c) || known(c.Space, c.Name)) && !understood(doc, c, known) {
			return false
		}
	}
	return true
}

// fragment reads the octets of an Element; bindings may have made them larger
// than the document they came from.
func fragment(raw []byte) (*xmlscan.Doc, error) {
	return xmlscan.Parse(raw, xmlscan.Options{MaxSize: 4 * MaxSize, Fragment: true})
}
