package pidf

import (
	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf/rpid"
)

// inTuple reads an extension of a tuple.
func (r *reader) inTuple(t *Tuple, e *xmlscan.Elem, lang string) (err error) {
	ok := false
	switch {
	case e.Space == DataModel && e.Name == "deviceID":
		var id string
		id, ok = r.value(e)
		if ok = ok && (r.lenient || isAbsoluteURI(id)); ok {
			t.DeviceIDs = append(t.DeviceIDs, id)
		}
	case e.Space == CIPID:
		ok = r.cipid(&t.DisplayNames, &t.Links, e, lang)
	case e.Space != rpid.Namespace:
	case e.Name == "class":
		ok = r.class(&t.Class, e)
	case e.Name == "user-input":
		ok = r.userInput(&t.UserInput, e)
	case e.Name == "relationship":
		ok = r.relationship(&t.Relationship, e, lang)
	case e.Name == "service-class":
		ok = r.serviceClass(&t.ServiceClass, e, lang)
	case e.Name == "privacy":
		t.Privacy, ok = r.privacy(t.Privacy, e, lang)
	case e.Name == "status-icon":
		t.StatusIcons, ok = r.statusIcon(t.StatusIcons, e)
	}
	if !ok {
		t.Ext, err = r.addExt(t.Ext, e, lang, Namespace, "3863 4.1.2")
	}
	return err
}

// person reads a person of RFC 4479 section 5: extensions, notes, timestamp.
func (r *reader) person(p *Person, person *xmlscan.Elem, lang string) error {
	const section = "4479 5"
	err := r.head(person, &p.ID, &lang, section)
	if err != nil {
		return err
	}
	var order sequence
	stamp := 0
	for e := r.doc.First(person); e != nil; e = r.doc.Next(e) {
		rank := 0
		switch {
		case e.Space == DataModel && e.Name == "note":
			rank = 1
			p.Notes, err = r.addNote(p.Notes, e, lang, section)
		case e.Space == DataModel && e.Name == "timestamp":
			rank = 2
			err = r.once(e, &stamp, section, func() (err error) { p.Timestamp, err = r.timestamp(e, section); return })
		default:
			err = r.inPerson(p, e, lang)
		}
		if err == nil && !order.follows(rank) {
			err = r.deviate(e, section, e.Name+" is out of order")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inPerson reads an extension of a person.
func (r *reader) inPerson(p *Person, e *xmlscan.Elem, lang string) (err error) {
	ok := false
	switch {
	case e.Space == CIPID:
		ok = r.cipid(&p.DisplayNames, &p.Links, e, lang)
	case e.Space != rpid.Namespace:
	case e.Name == "activities":
		var w words[rpid.Activity]
		if w, ok = readWords[rpid.Activity](r, e, lang); ok {
			p.Activities = append(p.Activities, rpid.Activities(w))
		}
	case e.Name == "mood":
		var w words[rpid.Mood]
		w, ok = readWords[rpid.Mood](r, e, lang)
		if ok = ok && len(w.Values)+len(w.Other)+len(w.Ext) > 0; ok {
			p.Moods = append(p.Moods, rpid.Moods(w))
		}
	case e.Name == "sphere":
		var s rpid.Sphere
		if s, ok = r.sphere(e, lang); ok {
			p.Spheres = append(p.Spheres, s)
		}
	case e.Name == "place-type":
		p.PlaceTypes, ok = r.placeType(p.PlaceTypes, e, lang)
	case e.Name == "place-is":
		p.Places, ok = r.placeIs(p.Places, e, lang)
	case e.Name == "privacy":
		p.Privacy, ok = r.privacy(p.Privacy, e, lang)
	case e.Name == "status-icon":
		p.StatusIcons, ok = r.statusIcon(p.StatusIcons, e)
	case e.Name == "time-offset":
		p.TimeOffsets, ok = r.timeOffset(p.TimeOffsets, e, lang)
	case e.Name == "class":
		ok = r.class(&p.Class, e)
	case e.Name == "user-input":
		ok = r.userInput(&p.UserInput, e)
	}
	if !ok {
		p.Ext, err = r.addExt(p.Ext, e, lang, DataModel, "4479 5")
	}
	return err
}

// device reads a device of RFC 4479 section 5: extensions, deviceID, notes,
// timestamp.
func (r *reader) device(d *Device, device *xmlscan.Elem, lang string) error {
	const section = "4479 5"
	err := r.head(device, &d.ID, &lang, section)
	if err != nil {
		return err
	}
	var order sequence
	ids, stamp := 0, 0
	for e := r.doc.First(device); e != nil; e = r.doc.Next(e) {
		rank, ok := 0, false
		switch {
		case e.Space == DataModel && e.Name == "deviceID":
			rank = 1
			err = r.once(e, &ids, section, func() error { return r.deviceID(d, e) })
		case e.Space == DataModel && e.Name == "note":
			rank = 2
			d.Notes, err = r.addNote(d.Notes, e, lang, section)
		case e.Space == DataModel && e.Name == "timestamp":
			rank = 3
			err = r.once(e, &stamp, section, func() (err error) { d.Timestamp, err = r.timestamp(e, section); return })
		default:
			if e.Space == rpid.Namespace && e.Name == "class" {
				ok = r.class(&d.Class, e)
			} else if e.Space == rpid.Namespace && e.Name == "user-input" {
				ok = r.userInput(&d.UserInput, e)
			}
			if !ok {
				d.Ext, err = r.addExt(d.Ext, e, lang, DataModel, section)
			}
		}
		if err == nil && !order.follows(rank) {
			err = r.deviate(e, section, e.Name+" is out of order")
		}
		if err != nil {
			return err
		}
	}
	if ids == 0 {
		return r.deviate(device, section, "device without deviceID")
	}
	return nil
}

func (r *reader) deviceID(d *Device, e *xmlscan.Elem) error {
	id, ok := r.value(e)
	if !ok || !r.lenient && !isAbsoluteURI(id) {
		return r.deviate(e, "4479 5", "deviceID is not a URI")
	}
	d.DeviceID = id
	return nil
}

// value reads an element that holds one non-empty token and nothing else.
func (r *reader) value(e *xmlscan.Elem) (s string, ok bool) {
	if r.attrsOf(e, "") != nil || r.doc.First(e) != nil {
		return "", false
	}
	s = xmlscan.TrimSpace(r.doc.Text(e))
	return s, s != ""
}
