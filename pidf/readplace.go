package pidf

import (
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf/rpid"
)

// placeType reads notes, then words of RFC 4589, of others, or free text (RFC
// 4480 section 3.7).
func (r *reader) placeType(list []rpid.PlaceType, e *xmlscan.Elem, lang string) ([]rpid.PlaceType, bool) {
	var p rpid.PlaceType
	if marked(r.doc, e, rpid.Namespace) || !r.span(e, &p.ID, &p.Span, &p.Attrs, &lang) || r.strays(e) {
		return list, false
	}
	for c := r.doc.First(e); c != nil; c = r.doc.Next(c) {
		ok := false
		n := len(p.Values) + len(p.Other) + len(p.Ext)
		switch {
		case c.Space == rpid.LocationType && c.Name == rpid.Other:
			p.Other, ok = r.text(p.Other, c, lang)
		case c.Space == rpid.LocationType:
			p.Values = append(p.Values, place(c.Name))
			ok = r.word(c)
		case c.Space != rpid.Namespace:
			p.Ext, ok = r.addForeign(p.Ext, c, lang)
		case c.Name == "note":
			p.Notes, ok = r.text(p.Notes, c, lang)
			ok = ok && (n == 0 || r.lenient)
		case c.Name == rpid.Other:
			p.Other, ok = r.text(p.Other, c, lang)
			ok = ok && (r.doc.Next(c) == nil && n == 0 || r.lenient)
		}
		if !ok {
			return list, false
		}
	}
	if len(p.Values)+len(p.Other)+len(p.Ext) == 0 {
		return list, false
	}
	return append(list, p), true
}

// place takes the slip in the schema of RFC 4589 for the word it means.
func place(s string) rpid.Place {
	if s == "bicyle" {
		return rpid.Bicycle
	}
	return rpid.Place(s)
}

// placeIs reads notes, then up to three media with one property each.
func (r *reader) placeIs(list []rpid.PlaceIs, e *xmlscan.Elem, lang string) ([]rpid.PlaceIs, bool) {
	var p rpid.PlaceIs
	if marked(r.doc, e, rpid.Namespace) || !r.span(e, &p.ID, &p.Span, &p.Attrs, &lang) || r.strays(e) {
		return list, false
	}
	var order sequence
	for c := r.doc.First(e); c != nil; c = r.doc.Next(c) {
		ok, rank := false, 0
		switch {
		case c.Space != rpid.Namespace:
		case c.Name == "note":
			p.Notes, ok = r.text(p.Notes, c, lang)
		case c.Name == "audio":
			rank = 1
			ok = r.property((*string)(&p.Audio), c)
		case c.Name == "video":
			rank = 2
			ok = r.property((*string)(&p.Video), c)
		case c.Name == "text":
			rank = 3
			ok = r.property((*string)(&p.Text), c)
		}
		if !ok || !order.follows(rank) && !r.lenient {
			return list, false
		}
	}
	return append(list, p), true
}

// property reads an element around exactly one word.
func (r *reader) property(to *string, e *xmlscan.Elem) (ok bool) {
	c := r.doc.First(e)
	if *to != "" || c == nil || r.doc.Next(c) != nil || c.Space != rpid.Namespace || !r.word(c) || r.strays(e) || r.attrsOf(e, "") != nil {
		return false
	}
	*to = c.Name
	return true
}

// privacy reads notes, then media in any order, as the example of RFC 4480
// section 3.8 has them against the schema, or the word unknown alone.
func (r *reader) privacy(list []rpid.Privacy, e *xmlscan.Elem, lang string) ([]rpid.Privacy, bool) {
	var p rpid.Privacy
	if marked(r.doc, e, rpid.Namespace) || !r.span(e, &p.ID, &p.Span, &p.Attrs, &lang) || r.strays(e) {
		return list, false
	}
	n := 0 // values so far
	for c := r.doc.First(e); c != nil; c = r.doc.Next(c) {
		ok := false
		if c.Space == rpid.Namespace && c.Name == "note" {
			p.Notes, ok = r.text(p.Notes, c, lang)
			if !ok || n > 0 && !r.lenient {
				return list, false
			}
			continue
		}
		switch n++; {
		case c.Space != rpid.Namespace:
			p.Ext, ok = r.addForeign(p.Ext, c, lang)
		case c.Name == "audio":
			ok = r.flag(&p.Audio, c)
		case c.Name == "text":
			ok = r.flag(&p.Text, c)
		case c.Name == "video":
			ok = r.flag(&p.Video, c)
		case c.Name == rpid.Unknown:
			ok = r.flag(&p.Unknown, c)
		}
		if !ok {
			return list, false
		}
	}
	if p.Unknown && n > 1 {
		return list, false
	}
	return append(list, p), true
}

// flag reads an empty element that stands at most once.
func (r *reader) flag(to *bool, e *xmlscan.Elem) (ok bool) {
	ok = !*to && r.word(e)
	*to = true
	return ok
}

func (r *reader) serviceClass(to **rpid.ServiceClass, e *xmlscan.Elem, lang string) (ok bool) {
	if *to != nil || marked(r.doc, e, rpid.Namespace) || r.attrsOf(e, "") != nil || r.strays(e) {
		return false
	}
	s := &rpid.ServiceClass{}
	for c := r.doc.First(e); c != nil; c = r.doc.Next(c) {
		ok := false
		none := s.Value == "" && len(s.Ext) == 0
		switch {
		case c.Space != rpid.Namespace:
			s.Ext, ok = r.addForeign(s.Ext, c, lang)
			ok = ok && s.Value == ""
		case c.Name == "note":
			s.Notes, ok = r.text(s.Notes, c, lang)
			ok = ok && (none || r.lenient)
		case none:
			s.Value = rpid.Delivery(c.Name)
			ok = r.word(c)
		}
		if !ok {
			return false
		}
	}
	if s.Value == "" && len(s.Ext) == 0 {
		return false
	}
	*to = s
	return true
}

func (r *reader) statusIcon(list []rpid.StatusIcon, e *xmlscan.Elem) ([]rpid.StatusIcon, bool) {
	var s rpid.StatusIcon
	var lang string
	s.URI = xmlscan.TrimSpace(r.doc.Text(e))
	if !isResource(s.URI) || r.doc.First(e) != nil || !r.span(e, &s.ID, &s.Span, &s.Attrs, &lang) {
		return list, false
	}
	return append(list, s), true
}

func (r *reader) timeOffset(list []rpid.TimeOffset, e *xmlscan.Elem, lang string) ([]rpid.TimeOffset, bool) {
	var o rpid.TimeOffset
	var all []rpid.Attr
	n, err := strconv.Atoi(xmlscan.TrimSpace(r.doc.Text(e)))
	if err != nil || n < -rpid.MaxOffset || n > rpid.MaxOffset || r.doc.First(e) != nil || !r.span(e, &o.ID, &o.Span, &all, &lang) {
		return list, false
	}
	o.Minutes = n
	for _, a := range all {
		if a.NS == "" && a.Name == "description" {
			o.Description.Text = a.Value
		} else {
			o.Attrs = append(o.Attrs, a)
		}
	}
	if o.Description.Text != "" {
		o.Description.Lang = lang
	}
	return append(list, o), true
}

// cipid reads an element of RFC 4482.
func (r *reader) cipid(names *[]Note, links *Links, e *xmlscan.Elem, lang string) (ok bool) {
	if e.Name == "display-name" {
		*names, ok = r.addName(*names, e, lang)
		return ok
	}
	to := links.at(e.Name)
	if to == nil || *to != "" {
		return false
	}
	uri, ok := r.value(e)
	if !ok || !isResource(uri) {
		return false
	}
	*to = uri
	return true
}

// at returns the field for the element name of RFC 4482, or nil.
func (l *Links) at(name string) *string {
	switch name {
	case "card":
		return &l.Card
	case "homepage":
		return &l.Homepage
	case "icon":
		return &l.Icon
	case "map":
		return &l.Map
	case "sound":
		return &l.Sound
	}
	return nil
}

// addName reads a display name; one in a language that is there already is
// left for Ext (RFC 4482 section 3.2).
func (r *reader) addName(list []Note, e *xmlscan.Elem, lang string) ([]Note, bool) {
	longer, err := r.addNote(list, e, lang, "4482 3.2")
	if err != nil {
		return list, false
	}
	for _, have := range list {
		if strings.EqualFold(have.Lang, longer[len(list)].Lang) {
			return list, false
		}
	}
	return longer, true
}
