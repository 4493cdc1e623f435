package pidf

import (
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf/rpid"
)

// words has the shape that rpid.Activities and rpid.Moods share.
type words[W ~string] struct {
	ID string
	rpid.Span
	Attrs  []rpid.Attr
	Notes  []Note
	Values []W
	Other  []Note
	Ext    []rpid.Foreign
}

// readWords reads an enumeration of RPID: notes, then words. ok is false if it
// is malformed, or if a foreign element in it must be understood.
func readWords[W ~string](r *reader, e *xmlscan.Elem, lang string) (w words[W], ok bool) {
	if marked(r.doc, e, rpid.Namespace) || !r.span(e, &w.ID, &w.Span, &w.Attrs, &lang) || r.strays(e) {
		return w, false
	}
	for c := r.doc.First(e); c != nil; c = r.doc.Next(c) {
		ok := true
		late := len(w.Values)+len(w.Other)+len(w.Ext) > 0
		switch {
		case c.Space != rpid.Namespace:
			w.Ext, ok = r.addForeign(w.Ext, c, lang)
		case c.Name == "note":
			w.Notes, ok = r.text(w.Notes, c, lang)
			ok = ok && (!late || r.lenient)
		case c.Name == rpid.Other:
			w.Other, ok = r.text(w.Other, c, lang)
		default:
			w.Values = append(w.Values, W(c.Name))
			ok = r.word(c)
		}
		if !ok {
			return w, false
		}
	}
	alone := len(w.Values) < 2 && len(w.Other)+len(w.Ext) == 0
	for _, v := range w.Values {
		if v == rpid.Unknown && !alone && !r.lenient {
			return w, false
		}
	}
	return w, true
}

// span reads the attributes of an element that may have a time span; others
// are allowed on it and kept.
func (r *reader) span(e *xmlscan.Elem, id *string, s *rpid.Span, others *[]rpid.Attr, lang *string) (ok bool) {
	ok = true
	for _, a := range r.doc.Attrs(e) {
		valid := true
		switch {
		case a.Space != "":
			if valid = validAttr(a); valid && a.Space == xmlscan.XML && a.Name == "lang" {
				*lang = a.Value
			}
			*others = addAttr(*others, a)
		case a.Name == "from":
			s.From, valid = parseTime(a.Value)
		case a.Name == "until":
			s.Until, valid = parseTime(a.Value)
		case a.Name == "id":
			*id = a.Value
		default:
			*others = addAttr(*others, a)
		}
		ok = ok && (valid || r.lenient)
	}
	return ok
}

// validAttr holds an attribute with a prefix to the type that XML or PIDF gives
// it. No element of RPID can be nil or of another type (XML Schema).
func validAttr(a xmlscan.Attr) bool {
	switch {
	case a.Space == xsi:
		return a.Name != "nil" && a.Name != "type"
	case a.Space == xmlscan.XML && a.Name == "lang":
		return a.Value == "" || isLanguage(a.Value)
	case a.Space == Namespace && isMark(a):
		switch xmlscan.TrimSpace(a.Value) {
		case "0", "1", "false", "true":
		default:
			return false
		}
	}
	return true
}

// addAttr keeps an attribute that RFC 4480 does not define, unless it is one
// of XML or XML Schema, or a mark, which means nothing on what is understood.
func addAttr(list []rpid.Attr, a xmlscan.Attr) []rpid.Attr {
	switch {
	case a.Space == xmlscan.XML || a.Space == xsi || isMark(a) || a.Space != "" && !isAbsoluteURI(a.Space):
		return list
	}
	return append(list, rpid.Attr{NS: a.Space, Name: a.Name, Value: a.Value})
}

// strays reports whether text stands where only elements may.
func (r *reader) strays(e *xmlscan.Elem) bool { return e.HasInk() && !r.lenient }

// word reports whether e is a well-formed word: an empty element.
func (r *reader) word(e *xmlscan.Elem) bool {
	return r.lenient || e.Empty() && r.attrsOf(e, "") == nil
}

// text reads free text inside an RPID element.
func (r *reader) text(list []Note, e *xmlscan.Elem, lang string) ([]Note, bool) {
	longer, err := r.addNote(list, e, lang, "4480 5.1")
	return longer, err == nil
}

// addForeign keeps an element that extends a list of words, around which lang
// is in force.
func (r *reader) addForeign(list []rpid.Foreign, e *xmlscan.Elem, lang string) ([]rpid.Foreign, bool) {
	if e.Space == "" {
		return list, r.lenient
	}
	if !absoluteIn(r.doc, e) {
		return list, true
	}
	raw, err := r.keep(e, lang)
	return append(list, rpid.Foreign{NS: e.Space, Name: e.Name, Raw: raw}), err == nil
}

func (r *reader) sphere(e *xmlscan.Elem, lang string) (s rpid.Sphere, ok bool) {
	if marked(r.doc, e, rpid.Namespace) || !r.span(e, &s.ID, &s.Span, &s.Attrs, &lang) {
		return s, false
	}
	for c := r.doc.First(e); c != nil; c = r.doc.Next(c) {
		ok := false
		switch {
		case c.Space != rpid.Namespace:
			s.Ext, ok = r.addForeign(s.Ext, c, lang)
			ok = ok && s.Value == ""
		case s.Value == "" && len(s.Ext) == 0:
			s.Value = rpid.Role(c.Name)
			ok = r.word(c)
		}
		if !ok {
			return s, false
		}
	}
	if e.HasInk() {
		s.Text = xmlscan.TrimSpace(r.doc.Text(e))
		return s, r.lenient || s.Value == "" && len(s.Ext) == 0
	}
	return s, true
}

func (r *reader) relationship(to **rpid.Relationship, e *xmlscan.Elem, lang string) (ok bool) {
	if *to != nil || marked(r.doc, e, rpid.Namespace) || r.attrsOf(e, "") != nil || r.strays(e) {
		return false
	}
	rel := &rpid.Relationship{}
	for c := r.doc.First(e); c != nil; c = r.doc.Next(c) {
		ok := false
		switch {
		case c.Space != rpid.Namespace:
			rel.Ext, ok = r.addForeign(rel.Ext, c, lang)
			ok = ok && rel.Value == ""
		case c.Name == "note":
			rel.Notes, ok = r.text(rel.Notes, c, lang)
			ok = ok && (r.lenient || rel.Value == "" && len(rel.Ext) == 0)
		case rel.Value != "" || len(rel.Ext) > 0:
		case c.Name == rpid.Other:
			rel.Value = rpid.Other
			var one []Note
			if one, ok = r.text(nil, c, lang); ok {
				rel.Other = one[0]
			}
		default:
			rel.Value = rpid.Relation(c.Name)
			ok = r.word(c)
		}
		if !ok {
			return false
		}
	}
	*to = rel
	return true
}

// userInput reads what RFC 4480 section 3.14 defines; attributes of others are
// allowed on it.
func (r *reader) userInput(to **rpid.UserInput, e *xmlscan.Elem) (ok bool) {
	u := &rpid.UserInput{}
	for _, a := range r.doc.Attrs(e) {
		valid := true
		switch {
		case a.Space != "":
			valid = validAttr(a)
			u.Attrs = addAttr(u.Attrs, a)
		case a.Name == "idle-threshold":
			u.IdleThreshold, valid = seconds(xmlscan.TrimSpace(a.Value))
		case a.Name == "last-input":
			u.LastInput, valid = parseTime(a.Value)
		case a.Name == "id":
			u.ID = a.Value
		default:
			u.Attrs = addAttr(u.Attrs, a)
		}
		if !valid && !r.lenient {
			return false
		}
	}
	text := r.doc.Text(e)
	if r.lenient {
		text = xmlscan.TrimSpace(text)
	}
	u.State = rpid.Input(text)
	if *to != nil || r.doc.First(e) != nil || !u.State.Known() {
		return false
	}
	*to = u
	return true
}

// seconds reads a positive number of seconds, up to what 32 bits hold.
func seconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 10, 32)
	if err != nil || n == 0 {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

// class reads an xs:token.
func (r *reader) class(to *string, e *xmlscan.Elem) (ok bool) {
	text, ok := r.value(e)
	if !ok || *to != "" {
		return false
	}
	*to = token(text)
	return true
}

// token collapses white space as xs:token does.
func token(s string) string {
	if !strings.ContainsAny(s, "\t\n\r") && !strings.Contains(s, "  ") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(c rune) bool { return c < 128 && xmlscan.IsSpace(byte(c)) }), " ")
}
