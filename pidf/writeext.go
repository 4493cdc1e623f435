package pidf

import (
	"slices"
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf/rpid"
)

// spot is where an extension stands.
type spot int

const (
	inElsewhere spot = iota
	inStatus
	inTuple
)

// ext writes extensions as they are. level is their depth in the document.
func (w *writer) ext(list []Element, level int, where spot) {
	for i := range list {
		e := &list[i]
		if msg := checkElement(e, level, where); msg != "" {
			w.fail("extension " + e.Name + ": " + msg)
		}
		w.b = append(w.b, e.Raw...)
	}
}

// checkElement returns why e may not be written at level, or nothing.
func checkElement(e *Element, level int, where spot) string {
	switch {
	case hasField(e.NS, e.Name):
		return "is written from a field of its own"
	case e.NS == Timed && where != inTuple:
		return "timed status outside a tuple"
	}
	doc, msg := checkRaw(e.NS, e.Name, e.Raw, level)
	if msg != "" {
		return msg
	}
	within := doc.Within(doc.Root())
	for i := range within {
		for _, a := range doc.Attrs(&within[i]) {
			if a.Name != "mustUnderstand" {
				continue
			}
			switch {
			case a.Space != Namespace && a.Space != "":
			case where != inStatus:
				return "mustUnderstand outside status"
			case a.Space == "":
				return "mustUnderstand is not in the namespace of PIDF"
			}
		}
	}
	return ""
}

// checkRaw reads the octets of an element and holds them to its name.
func checkRaw(ns, name string, raw []byte, level int) (*xmlscan.Doc, string) {
	doc, err := fragment(raw)
	if err != nil {
		return nil, err.Error()
	}
	root := doc.Root()
	switch {
	case root.Space != ns || root.Name != name:
		return nil, "octets are those of another element"
	case ns == "" || !absoluteIn(doc, root):
		return nil, "namespace is not an absolute URI"
	case doc.Unbound():
		return nil, "name without namespace would take that of PIDF"
	case level-1+doc.Depth(root) > xmlscan.MaxDepth:
		return nil, "elements are nested too deeply"
	}
	return doc, ""
}

// hasField reports whether an element has a typed field somewhere, or is of a
// namespace that PIDF and the data model keep to themselves.
func hasField(ns, name string) bool {
	switch ns {
	case Namespace, DataModel:
		return true
	case CIPID:
		return name == "display-name" || (&Links{}).at(name) != nil
	case rpid.Namespace:
		switch name {
		case "activities", "class", "mood", "place-is", "place-type", "privacy", "relationship",
			"service-class", "sphere", "status-icon", "time-offset", "user-input":
			return true
		}
	}
	return false
}

// begin writes a start tag of RPID with the attributes that it is given.
func (w *writer) begin(name, id string, s rpid.Span, others []rpid.Attr) {
	w.raw("<" + prefixRPID + ":")
	w.raw(name)
	w.timeAttr("from", s.From)
	w.timeAttr("until", s.Until)
	w.others(id, others, "from", "until", "id")
	w.raw(">")
}

// maxOthers bounds attributes that RFC 4480 does not define, so that the
// element has no more than xmlscan.MaxAttrs with a declaration for each.
const maxOthers = (xmlscan.MaxAttrs - 6) / 2

// others writes an id and attributes that RFC 4480 does not define, each
// namespace declared on the spot. The names in own are those that it does.
func (w *writer) others(id string, list []rpid.Attr, own ...string) {
	if id != "" {
		w.ident(id)
	}
	if len(list) > maxOthers {
		w.fail("too many attributes")
		return
	}
	for i, a := range list {
		if !xmlscan.IsName(a.Name) || (a.NS != "" && !isAbsoluteURI(a.NS)) || reserved(a) || a.NS == "" && slices.Contains(own, a.Name) {
			w.fail("attribute " + a.Name + " may not be written")
		}
		number := i // of the first attribute in the namespace
		for j := i - 1; j >= 0; j-- {
			if list[j].NS == a.NS {
				number = j
				if list[j].Name == a.Name {
					w.fail("attribute " + a.Name + " stands twice")
				}
			}
		}
		name := a.Name
		if a.NS != "" {
			prefix := "a" + strconv.Itoa(number)
			if number == i {
				w.attr("xmlns:"+prefix, a.NS)
			}
			name = prefix + ":" + name
		}
		w.attr(name, a.Value)
	}
}

// reserved reports whether PIDF, XML or XML Schema define an attribute.
func reserved(a rpid.Attr) bool {
	switch a.NS {
	case "":
		return a.Name == "xmlns" || a.Name == "mustUnderstand"
	case Namespace:
		return a.Name == "mustUnderstand"
	case xmlscan.XML, xsi, "http://www.w3.org/2000/xmlns/":
		return true
	}
	return false
}

func (w *writer) finish(name string) {
	w.raw("</" + prefixRPID + ":")
	w.raw(name)
	w.raw(">")
}

// word writes an empty element of RPID.
func (w *writer) word(s string, known bool) {
	if !known {
		w.fail("RFC 4480 has no word " + strconv.Quote(s))
	}
	w.raw("<" + prefixRPID + ":")
	w.raw(s)
	w.raw("/>")
}

// alone fails unless the word unknown stands by itself.
func (w *writer) alone(unknown bool, n int) {
	if unknown && n > 1 {
		w.fail("unknown beside other words")
	}
}

// foreign writes elements that extend a list of words, at level in the
// document.
func (w *writer) foreign(list []rpid.Foreign, level int) {
	for i := range list {
		f := &list[i]
		e := Element{NS: f.NS, Name: f.Name, Raw: f.Raw}
		msg := "is no word of another namespace"
		if f.NS != rpid.Namespace {
			msg = checkElement(&e, level, inElsewhere)
		}
		if msg != "" {
			w.fail("extension " + f.Name + ": " + msg)
		}
		w.b = append(w.b, f.Raw...)
	}
}

func (w *writer) activities(a *rpid.Activities) {
	w.begin("activities", a.ID, a.Span, a.Attrs)
	w.notes(prefixRPID+":note", a.Notes)
	for _, v := range a.Values {
		if v == rpid.Lunch {
			v = rpid.Meal
		}
		w.word(string(v), v.Known())
		w.alone(v == rpid.Unknown, len(a.Values)+len(a.Other)+len(a.Ext))
	}
	w.notes(prefixRPID+":other", a.Other)
	w.foreign(a.Ext, 4)
	w.finish("activities")
}

func (w *writer) moods(m *rpid.Moods) {
	n := len(m.Values) + len(m.Other) + len(m.Ext)
	if n == 0 {
		w.fail("mood without any value")
	}
	w.begin("mood", m.ID, m.Span, m.Attrs)
	w.notes(prefixRPID+":note", m.Notes)
	for _, v := range m.Values {
		w.word(string(v), v.Known())
		w.alone(v == rpid.Unknown, n)
	}
	w.notes(prefixRPID+":other", m.Other)
	w.foreign(m.Ext, 4)
	w.finish("mood")
}

func (w *writer) sphere(s *rpid.Sphere) {
	w.begin("sphere", s.ID, s.Span, s.Attrs)
	if s.Value != "" {
		w.word(string(s.Value), s.Value.Known())
		if len(s.Ext) > 0 {
			w.fail("sphere with two values")
		}
	}
	w.foreign(s.Ext, 4)
	w.finish("sphere")
}

func (w *writer) relationship(r *rpid.Relationship) {
	if r == nil {
		return
	}
	w.begin("relationship", "", rpid.Span{}, nil)
	w.notes(prefixRPID+":note", r.Notes)
	switch {
	case r.Value == rpid.Other:
		w.element(prefixRPID+":other", r.Other.Lang, r.Other.Text)
	case r.Value != "":
		w.word(string(r.Value), r.Value.Known())
	}
	if r.Value != "" && len(r.Ext) > 0 {
		w.fail("relationship with two values")
	}
	w.foreign(r.Ext, 4)
	w.finish("relationship")
}

func (w *writer) class(s string) {
	switch {
	case s == "":
		return
	case xmlscan.TrimSpace(s) != s || token(s) != s:
		w.fail("class is not a token")
	}
	w.element(prefixRPID+":class", "", s)
}

func (w *writer) userInput(u *rpid.UserInput) {
	if u == nil {
		return
	}
	n := u.IdleThreshold / time.Second
	switch {
	case !u.State.Known():
		w.fail("user input is neither active nor idle")
	case n < 0 || n > 1<<32-1 || u.IdleThreshold%time.Second != 0:
		w.fail("idle threshold is not a number of seconds")
	}
	w.raw("<" + prefixRPID + ":user-input")
	if n > 0 {
		w.raw(` idle-threshold="`)
		w.b = strconv.AppendInt(w.b, int64(n), 10)
		w.raw(`"`)
	}
	w.timeAttr("last-input", u.LastInput)
	w.others(u.ID, u.Attrs, "id", "idle-threshold", "last-input")
	w.raw(">")
	w.raw(string(u.State))
	w.finish("user-input")
}
