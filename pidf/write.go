package pidf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/rfc3339"
	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf/rpid"
)

// Prefixes of the namespaces in written documents; PIDF is the default.
const (
	prefixDM    = "dm"
	prefixRPID  = "rpid"
	prefixCIPID = "c"
	prefixPlace = "lt"
)

// Marshal writes the document in UTF-8, without white space that means
// nothing, its elements in the order of the schemas, its times in UTC. Equal
// values give equal octets. Only an Element can bring a line end with it: the
// octets may be signed as they are, and a verifier that makes line ends
// canonical (RFC 8551 section 3.1.1) does not change them.
//
// It fails if the result would not be valid under RFC 3863, 4479, 4480, 4481
// and 4482, or exceeds MaxSize. Beyond the schemas it wants XML names as ids,
// device ids that are URNs, absolute URIs, marks of mandatory understanding in
// the qualified form and in status only (RFC 3863 section 4.2.3), no contact
// beside a physical service class (RFC 4480 section 3.10), and timed status in
// tuples only and not about their timestamp (RFC 4481 section 3). It leaves out
// rpid.Sphere.Text and writes rpid.Lunch as rpid.Meal. Any other Element is
// held to its namespaces and marks: what it says inside is written as it is.
func (p *Presence) Marshal() ([]byte, error) {
	var ids [16]string
	w := writer{b: make([]byte, 0, p.estimate()), ids: ids[:0]}
	w.presence(p)
	if w.err == nil && len(w.b) > MaxSize {
		w.err = errors.New("document is too large")
	}
	if w.err != nil {
		return nil, fmt.Errorf("pidf: %w", w.err)
	}
	return w.b, nil
}

// estimate guesses the size of the document, so that most need one allocation.
func (p *Presence) estimate() int {
	n := 512 + 400*len(p.Tuples) + 700*len(p.Persons) + 300*len(p.Devices) + 80*len(p.Notes)
	for i := range p.Ext {
		n += len(p.Ext[i].Raw)
	}
	return min(n, MaxSize)
}

// writer appends to b until err is set.
type writer struct {
	b        []byte
	err      error
	kind, id string   // what is being written, for errors
	ids      []string // every xs:ID so far
}

func (w *writer) fail(msg string) {
	if w.err == nil {
		if w.kind != "" {
			msg = w.kind + " " + w.id + ": " + msg
		}
		w.err = errors.New(msg)
	}
}

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

// attr writes an attribute whose value needs escaping.
func (w *writer) attr(name, value string) {
	if !xmlscan.IsText(value) {
		w.fail(name + " holds characters that XML excludes")
	}
	w.b = append(append(append(w.b, ' '), name...), `="`...)
	w.b = append(xmlscan.AppendEscaped(w.b, value, true), '"')
}

// element writes an element that holds text only.
func (w *writer) element(name, lang, text string) {
	if !xmlscan.IsText(text) {
		w.fail(name + " holds characters that XML excludes")
	}
	w.b = append(append(w.b, '<'), name...)
	if lang != "" {
		w.lang(name, lang)
	}
	w.raw(">")
	w.text(text)
	w.end(name)
}

// text writes character data, a line end as a reference.
func (w *writer) text(s string) {
	for i := strings.IndexByte(s, '\n'); i >= 0; i = strings.IndexByte(s, '\n') {
		w.b = append(xmlscan.AppendEscaped(w.b, s[:i], false), "&#10;"...)
		s = s[i+1:]
	}
	w.b = xmlscan.AppendEscaped(w.b, s, false)
}

func (w *writer) lang(name, tag string) {
	if !isLanguage(tag) {
		w.fail(name + ": " + tag + " is not a language tag")
	}
	w.attr("xml:lang", tag)
}

func (w *writer) end(name string) {
	w.b = append(append(append(w.b, "</"...), name...), '>')
}

func (w *writer) notes(name string, list []Note) {
	for _, n := range list {
		w.element(name, n.Lang, n.Text)
	}
}

func (w *writer) timestamp(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.b = append(append(append(w.b, '<'), name...), '>')
	w.time(t)
	w.end(name)
}

func (w *writer) time(t time.Time) {
	if !writable(t) {
		w.fail("time outside the years 1 to 9999")
	}
	w.b = rfc3339.AppendFormat(w.b, t)
}

func (w *writer) timeAttr(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.b = append(append(append(w.b, ' '), name...), `="`...)
	w.time(t)
	w.b = append(w.b, '"')
}

// ident writes an id, which is unique in the document by xs:ID.
func (w *writer) ident(id string) {
	if !xmlscan.IsName(id) {
		w.fail("id is not an XML name")
	}
	if slices.Contains(w.ids, id) {
		w.fail("id is used twice")
	}
	w.ids = append(w.ids, id)
	w.attr("id", id)
}

// open begins a tuple, person or device.
func (w *writer) open(name, id string) {
	w.kind, w.id = name, id
	w.b = append(append(w.b, '<'), name...)
	w.ident(id)
	w.raw(">")
}

func (w *writer) presence(p *Presence) {
	if !isEntity(p.Entity) {
		w.fail("entity is not the pres: URI of a presentity")
	}
	w.raw(`<?xml version="1.0" encoding="UTF-8"?><presence xmlns="` + Namespace + `"`)
	use := p.vocabularies()
	if use.dm {
		w.raw(` xmlns:` + prefixDM + `="` + DataModel + `"`)
	}
	if use.rpid {
		w.raw(` xmlns:` + prefixRPID + `="` + rpid.Namespace + `"`)
	}
	if use.cipid {
		w.raw(` xmlns:` + prefixCIPID + `="` + CIPID + `"`)
	}
	if use.places {
		w.raw(` xmlns:` + prefixPlace + `="` + rpid.LocationType + `"`)
	}
	w.attr("entity", p.Entity)
	w.raw(">")
	for i := range p.Tuples {
		w.tuple(&p.Tuples[i])
	}
	w.kind = ""
	w.notes("note", p.Notes)
	for i := range p.Persons {
		w.person(&p.Persons[i])
	}
	for i := range p.Devices {
		w.device(&p.Devices[i])
	}
	w.kind = ""
	w.ext(p.Ext, 2, inElsewhere)
	w.raw("</presence>")
}

// vocabularies are the namespaces beside PIDF that a document uses.
type vocabularies struct{ dm, rpid, cipid, places bool }

func (p *Presence) vocabularies() (v vocabularies) {
	v.dm = len(p.Persons)+len(p.Devices) > 0
	for i := range p.Tuples {
		t := &p.Tuples[i]
		v.dm = v.dm || len(t.DeviceIDs) > 0
		v.rpid = v.rpid || t.Relationship != nil || t.ServiceClass != nil || t.Class != "" || t.UserInput != nil ||
			len(t.Privacy)+len(t.StatusIcons) > 0
		v.cipid = v.cipid || len(t.DisplayNames) > 0 || t.Links != Links{}
	}
	for i := range p.Persons {
		q := &p.Persons[i]
		v.rpid = v.rpid || len(q.Activities)+len(q.Moods)+len(q.Spheres)+len(q.PlaceTypes)+len(q.Places)+
			len(q.Privacy)+len(q.StatusIcons)+len(q.TimeOffsets) > 0 || q.Class != "" || q.UserInput != nil
		v.cipid = v.cipid || len(q.DisplayNames) > 0 || q.Links != Links{}
		for j := range q.PlaceTypes {
			v.places = v.places || !plain(&q.PlaceTypes[j])
		}
	}
	for i := range p.Devices {
		v.rpid = v.rpid || p.Devices[i].Class != "" || p.Devices[i].UserInput != nil
	}
	return v
}

func (w *writer) tuple(t *Tuple) {
	w.open("tuple", t.ID)
	w.status(&t.Status)
	for _, id := range t.DeviceIDs {
		w.deviceID(id)
	}
	w.relationship(t.Relationship)
	w.serviceClass(t.ServiceClass)
	w.class(t.Class)
	w.userInput(t.UserInput)
	w.privacy(t.Privacy)
	w.statusIcons(t.StatusIcons)
	w.names(t.DisplayNames)
	w.links(&t.Links)
	w.timed(t)
	w.ext(t.Ext, 3, inTuple)
	if c := t.Contact; c != nil {
		switch {
		case !isAbsoluteURI(c.URI) && !(c.URI == "" && t.placeOnly()):
			w.fail("contact is not an absolute URI")
		case c.URI != "" && t.ServiceClass != nil && t.ServiceClass.Physical():
			w.fail("contact beside a physical service class")
		}
		w.raw("<contact")
		if s := c.Priority.String(); s != "" {
			w.attr("priority", s)
		}
		w.raw(">")
		w.b = xmlscan.AppendEscaped(w.b, c.URI, false)
		w.raw("</contact>")
	}
	w.notes("note", t.Notes)
	w.timestamp("timestamp", t.Timestamp)
	w.raw("</tuple>")
}

func (w *writer) status(s *Status) {
	w.raw("<status>")
	switch {
	case s.Basic == Open || s.Basic == Closed:
		w.element("basic", "", string(s.Basic))
	case s.Basic != Absent:
		w.fail("basic is neither open nor closed")
	case len(s.Ext) == 0:
		w.fail("status without any value")
	}
	w.ext(s.Ext, 4, inStatus)
	w.raw("</status>")
}

func (w *writer) deviceID(id string) {
	if rest, ok := cutScheme(id, "urn"); !ok || rest == "" || !isURIText(rest) {
		w.fail("device id is not a URN")
	}
	w.element(prefixDM+":deviceID", "", id)
}

func (w *writer) person(p *Person) {
	w.open(prefixDM+":person", p.ID)
	for i := range p.Activities {
		w.activities(&p.Activities[i])
	}
	for i := range p.Moods {
		w.moods(&p.Moods[i])
	}
	for i := range p.Spheres {
		w.sphere(&p.Spheres[i])
	}
	for i := range p.PlaceTypes {
		w.placeType(&p.PlaceTypes[i])
	}
	for i := range p.Places {
		w.placeIs(&p.Places[i])
	}
	w.privacy(p.Privacy)
	w.statusIcons(p.StatusIcons)
	for i := range p.TimeOffsets {
		w.timeOffset(&p.TimeOffsets[i])
	}
	w.class(p.Class)
	w.userInput(p.UserInput)
	w.names(p.DisplayNames)
	w.links(&p.Links)
	w.ext(p.Ext, 3, inElsewhere)
	w.notes(prefixDM+":note", p.Notes)
	w.timestamp(prefixDM+":timestamp", p.Timestamp)
	w.end(prefixDM + ":person")
}

func (w *writer) device(d *Device) {
	w.open(prefixDM+":device", d.ID)
	w.class(d.Class)
	w.userInput(d.UserInput)
	w.ext(d.Ext, 3, inElsewhere)
	w.deviceID(d.DeviceID)
	w.notes(prefixDM+":note", d.Notes)
	w.timestamp(prefixDM+":timestamp", d.Timestamp)
	w.end(prefixDM + ":device")
}
