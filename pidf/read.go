package pidf

import (
	"time"

	"github.com/kith-im/kith/internal/rfc3339"
	"github.com/kith-im/kith/internal/xmlscan"
)

// Parse reads a valid presence document; the error is a *SyntaxError. It
// refuses documents larger than MaxSize, and every deviation from RFC 3863 and
// from the data model of RFC 4479.
//
// Where text and schema differ or leave room: an id is any string that is not
// empty; ids of tuples, persons and devices differ from each other; an entity
// is a pres: URI with mailbox and without headers; a contact is an absolute
// URI; xml:lang counts on presence, tuple, person and device too; a priority
// that is out of range or malformed is absent; a timestamp satisfies RFC 3339,
// leap seconds and all offsets included, and lies in the years 1 to 9999 UTC.
//
// An RPID or CIPID element that is malformed is treated as unknown and kept in
// Ext, and so is a second one where one is allowed. An element that uses a
// namespace which is no absolute URI is dropped (section 4.2.2).
func Parse(b []byte) (*Presence, error) {
	return parse(b, false, false)
}

// ParseLenient reads what bridges meet. It differs from Parse in that it
// ignores the order of elements, unknown attributes, unknown elements of the
// PIDF namespace and stray text; wants no XML declaration and no entity, and
// takes an entity of any scheme; trims values; and leaves out what it cannot
// read: a basic, a timestamp, an id, a language. It refuses what is not
// well-formed, and any root but presence, with a *SyntaxError.
func ParseLenient(b []byte) (*Presence, error) {
	return parse(b, true, false)
}

func parse(b []byte, lenient, utf8 bool) (*Presence, error) {
	doc, err := xmlscan.Parse(b, xmlscan.Options{MaxSize: MaxSize, AssumeUTF8: utf8})
	if err != nil {
		return nil, notXML(err)
	}
	r := reader{doc: doc, lenient: lenient, size: len(b)}
	if !doc.Declared() && !lenient {
		return nil, r.fail(doc.Root(), "3863 4.1", "no XML declaration")
	}
	p, err := r.presence(doc.Root())
	if err != nil {
		return nil, err
	}
	return p, nil
}

// reader turns a document into a Presence.
type reader struct {
	doc     *xmlscan.Doc
	lenient bool
	size    int
	arena   []byte // where the octets of elements go
	kept    int    // octets of elements kept so far
}

func (r *reader) fail(e *xmlscan.Elem, section, msg string) error {
	return &SyntaxError{Line: r.doc.Line(e), Section: section, Msg: msg}
}

// deviate is fail for the strict reader and nil for the lenient one.
func (r *reader) deviate(e *xmlscan.Elem, section, msg string) error {
	if r.lenient {
		return nil
	}
	return r.fail(e, section, msg)
}

// sequence checks the order of children: each has a rank that does not fall.
type sequence int

func (s *sequence) follows(rank int) bool {
	if rank < int(*s) {
		return false
	}
	*s = sequence(rank)
	return true
}

func (r *reader) presence(root *xmlscan.Elem) (*Presence, error) {
	const section = "3863 4.1.1"
	if root.Space != Namespace || root.Name != "presence" {
		return nil, r.fail(root, section, "root is not presence in the namespace "+Namespace)
	}
	p := &Presence{}
	entity := false
	lang := ""
	for _, a := range r.doc.Attrs(root) {
		switch {
		case a.Space == "" && a.Name == "entity":
			p.Entity, entity = a.Value, true
		default:
			if err := r.attr(root, a, &lang); err != nil {
				return nil, err
			}
		}
	}
	if !r.lenient && !entity {
		return nil, r.fail(root, section, "presence without entity")
	}
	if !r.lenient && !isEntity(p.Entity) {
		return nil, r.fail(root, section, "entity is not the pres: URI of a presentity")
	}
	if err := r.elementsOnly(root, section); err != nil {
		return nil, err
	}
	r.allocate(p, root)
	var order sequence
	for e := r.doc.First(root); e != nil; e = r.doc.Next(e) {
		if err := r.inPresence(p, e, lang, &order); err != nil {
			return nil, err
		}
	}
	if err := r.uniqueIDs(p, root); err != nil {
		return nil, err
	}
	return p, nil
}

// allocate makes room for all tuples at once.
func (r *reader) allocate(p *Presence, root *xmlscan.Elem) {
	n := 0
	for e := r.doc.First(root); e != nil; e = r.doc.Next(e) {
		if e.Space == Namespace && e.Name == "tuple" {
			n++
		}
	}
	if n > 0 {
		p.Tuples = make([]Tuple, 0, n)
	}
}

func (r *reader) inPresence(p *Presence, e *xmlscan.Elem, lang string, order *sequence) (err error) {
	const section = "3863 4.1.1"
	rank := 2
	switch {
	case e.Space == Namespace && e.Name == "tuple":
		rank = 0
		p.Tuples = append(p.Tuples, Tuple{})
		err = r.tuple(&p.Tuples[len(p.Tuples)-1], e, lang)
	case e.Space == Namespace && e.Name == "note":
		rank = 1
		p.Notes, err = r.addNote(p.Notes, e, lang, "3863 4.1.6")
	case e.Space == DataModel && e.Name == "person":
		p.Persons = append(p.Persons, Person{})
		err = r.person(&p.Persons[len(p.Persons)-1], e, lang)
	case e.Space == DataModel && e.Name == "device":
		p.Devices = append(p.Devices, Device{})
		err = r.device(&p.Devices[len(p.Devices)-1], e, lang)
	default:
		p.Ext, err = r.addExt(p.Ext, e, lang, Namespace, section)
	}
	if err == nil && !order.follows(rank) {
		err = r.deviate(e, section, e.Name+" is out of order")
	}
	return err
}

// uniqueIDs holds all occurrences to different ids (RFC 3863 section 4.1.2,
// RFC 4479 section 3.5).
func (r *reader) uniqueIDs(p *Presence, root *xmlscan.Elem) error {
	if r.lenient {
		return nil
	}
	ids := make([]string, 0, 16)
	for i := range p.Tuples {
		ids = append(ids, p.Tuples[i].ID)
	}
	for i := range p.Persons {
		ids = append(ids, p.Persons[i].ID)
	}
	for i := range p.Devices {
		ids = append(ids, p.Devices[i].ID)
	}
	for i, id := range ids {
		for _, other := range ids[:i] {
			if id == other {
				return r.fail(root, "3863 4.1.2", "id "+id+" is used twice")
			}
		}
	}
	return nil
}

func (r *reader) tuple(t *Tuple, tuple *xmlscan.Elem, lang string) error {
	const section = "3863 4.1.2"
	err := r.head(tuple, &t.ID, &lang, section)
	if err != nil {
		return err
	}
	var order sequence
	status, contact, stamp := 0, 0, 0
	for e := r.doc.First(tuple); e != nil; e = r.doc.Next(e) {
		rank := 1
		switch {
		case e.Space != Namespace:
			err = r.inTuple(t, e, lang)
		case e.Name == "status":
			rank = 0
			err = r.once(e, &status, section, func() error { return r.status(&t.Status, e, lang) })
		case e.Name == "contact":
			rank = 2
			err = r.once(e, &contact, section, func() (err error) { t.Contact, err = r.contact(e); return })
		case e.Name == "note":
			rank = 3
			t.Notes, err = r.addNote(t.Notes, e, lang, "3863 4.1.6")
		case e.Name == "timestamp":
			rank = 4
			err = r.once(e, &stamp, section, func() (err error) { t.Timestamp, err = r.timestamp(e, "3863 4.1.7"); return })
		default:
			err = r.deviate(e, section, "unknown element "+e.Name)
		}
		if err == nil && !order.follows(rank) {
			err = r.deviate(e, section, e.Name+" is out of order")
		}
		if err != nil {
			return err
		}
	}
	if status == 0 {
		return r.deviate(tuple, section, "tuple without status")
	}
	if t.Contact != nil && t.Contact.URI == "" && !t.placeOnly() {
		return r.deviate(tuple, "3863 4.1.5", "contact is empty")
	}
	return nil
}

// once runs read for the first of its kind. The strict reader refuses a
// second, the lenient one skips it.
func (r *reader) once(e *xmlscan.Elem, seen *int, section string, read func() error) error {
	if *seen++; *seen > 1 {
		return r.deviate(e, section, "second "+e.Name)
	}
	return read()
}

// placeOnly reports whether a tuple says, or may say in another vocabulary,
// that it is not reached by a URI (RFC 4480 section 3.10).
func (t *Tuple) placeOnly() bool {
	return t.ServiceClass != nil && (t.ServiceClass.Physical() || len(t.ServiceClass.Ext) > 0)
}

func (r *reader) status(s *Status, status *xmlscan.Elem, lang string) error {
	const section = "3863 4.1.3"
	if err := r.plain(status, section); err != nil {
		return err
	}
	var order sequence
	for e := r.doc.First(status); e != nil; e = r.doc.Next(e) {
		var err error
		rank := 1
		if e.Space == Namespace && e.Name == "basic" {
			rank = 0
			err = r.basic(s, e)
		} else {
			s.Ext, err = r.addExt(s.Ext, e, lang, Namespace, section)
		}
		if err == nil && !order.follows(rank) {
			err = r.deviate(e, section, "basic is out of order")
		}
		if err != nil {
			return err
		}
	}
	if r.doc.First(status) == nil {
		return r.deviate(status, section, "status without any value")
	}
	return nil
}

func (r *reader) basic(s *Status, e *xmlscan.Elem) error {
	const section = "3863 4.1.4"
	if s.Basic != Absent {
		return r.deviate(e, "3863 4.1.3", "second basic")
	}
	if err := r.attrsOf(e, section); err != nil {
		return err
	}
	text := r.doc.Text(e)
	if r.lenient {
		text = xmlscan.TrimSpace(text)
	}
	b := Basic(text)
	if r.doc.First(e) != nil || b != Open && b != Closed {
		return r.deviate(e, section, "basic is neither open nor closed")
	}
	s.Basic = b
	return nil
}

func (r *reader) contact(e *xmlscan.Elem) (*Contact, error) {
	const section = "3863 4.1.5"
	c := &Contact{}
	for _, a := range r.doc.Attrs(e) {
		if a.Space == "" && a.Name == "priority" {
			// A priority that is out of range, or no decimal at all, counts as
			// absent.
			c.Priority, _ = ParsePriority(xmlscan.TrimSpace(a.Value))
		} else if err := r.attr(e, a, nil); err != nil {
			return nil, err
		}
	}
	c.URI = xmlscan.TrimSpace(r.doc.Text(e))
	if !r.lenient && (r.doc.First(e) != nil || c.URI != "" && !isAbsoluteURI(c.URI)) {
		return nil, r.fail(e, section, "contact is not an absolute URI")
	}
	return c, nil
}

// timestamp reads an RFC 3339 time. Instants that time.Time cannot tell from
// none, or that have no four-digit year in UTC, are refused.
func (r *reader) timestamp(e *xmlscan.Elem, section string) (time.Time, error) {
	if err := r.attrsOf(e, section); err != nil {
		return time.Time{}, err
	}
	text := r.doc.Text(e)
	if r.lenient {
		text = xmlscan.TrimSpace(text)
	}
	t, ok := parseTime(text)
	if !ok || r.doc.First(e) != nil {
		return time.Time{}, r.deviate(e, section, "timestamp is not in the format of RFC 3339")
	}
	return t, nil
}

func parseTime(s string) (t time.Time, ok bool) {
	t, err := rfc3339.Parse(s)
	if err != nil || !writable(t) {
		return time.Time{}, false
	}
	return t, true
}

// writable reports whether t can be written as xs:dateTime and RFC 3339 alike.
func writable(t time.Time) bool {
	year := t.UTC().Year()
	return !t.IsZero() && year >= 1 && year <= 9999
}

// addNote reads a note; section says where its rules are.
func (r *reader) addNote(list []Note, e *xmlscan.Elem, lang, section string) ([]Note, error) {
	for _, a := range r.doc.Attrs(e) {
		if err := r.attr(e, a, &lang); err != nil {
			return nil, err
		}
	}
	if r.doc.First(e) != nil && !r.lenient {
		return nil, r.fail(e, section, "element inside a note")
	}
	return append(list, Note{Lang: lang, Text: r.doc.Text(e)}), nil
}
