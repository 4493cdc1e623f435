package pidf

import (
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
	"github.com/kith-im/kith/pidf/rpid"
)

// plain reports whether p is free text alone, which RFC 4480 has an element
// for; beside other values it is the word other of RFC 4589.
func plain(p *rpid.PlaceType) bool {
	return len(p.Other) == 1 && len(p.Values)+len(p.Ext) == 0
}

func (w *writer) placeType(p *rpid.PlaceType) {
	if len(p.Values)+len(p.Other)+len(p.Ext) == 0 {
		w.fail("place type without any value")
	}
	w.begin("place-type", p.ID, p.Span, p.Attrs)
	w.notes(prefixRPID+":note", p.Notes)
	if plain(p) {
		w.notes(prefixRPID+":other", p.Other)
	} else {
		for _, v := range p.Values {
			if !v.Known() {
				w.fail("RFC 4589 has no word " + strconv.Quote(string(v)))
			}
			w.raw("<" + prefixPlace + ":")
			w.raw(string(v))
			w.raw("/>")
		}
		w.notes(prefixPlace+":other", p.Other)
		w.foreign(p.Ext, 4)
	}
	w.finish("place-type")
}

func (w *writer) placeIs(p *rpid.PlaceIs) {
	w.begin("place-is", p.ID, p.Span, p.Attrs)
	w.notes(prefixRPID+":note", p.Notes)
	w.property("audio", string(p.Audio), p.Audio.Known())
	w.property("video", string(p.Video), p.Video.Known())
	w.property("text", string(p.Text), p.Text.Known())
	w.finish("place-is")
}

// property writes an element around one word, or nothing.
func (w *writer) property(medium, value string, known bool) {
	if value == "" {
		return
	}
	w.raw("<" + prefixRPID + ":")
	w.raw(medium)
	w.raw(">")
	w.word(value, known)
	w.finish(medium)
}

func (w *writer) privacy(list []rpid.Privacy) {
	for i := range list {
		p := &list[i]
		w.begin("privacy", p.ID, p.Span, p.Attrs)
		w.notes(prefixRPID+":note", p.Notes)
		n := 0
		for _, medium := range [...]struct {
			name string
			set  bool
		}{{"audio", p.Audio}, {"text", p.Text}, {"video", p.Video}, {rpid.Unknown, p.Unknown}} {
			if medium.set {
				w.word(medium.name, true)
				n++
			}
		}
		w.alone(p.Unknown, n+len(p.Ext))
		w.foreign(p.Ext, 4)
		w.finish("privacy")
	}
}

func (w *writer) serviceClass(s *rpid.ServiceClass) {
	if s == nil {
		return
	}
	w.begin("service-class", "", rpid.Span{}, nil)
	w.notes(prefixRPID+":note", s.Notes)
	switch {
	case s.Value != "" && len(s.Ext) > 0:
		w.fail("service class with two values")
	case s.Value != "":
		w.word(string(s.Value), s.Value.Known())
	case len(s.Ext) == 0:
		w.fail("service class without any value")
	}
	w.foreign(s.Ext, 4)
	w.finish("service-class")
}

func (w *writer) statusIcons(list []rpid.StatusIcon) {
	for i := range list {
		s := &list[i]
		w.begin("status-icon", s.ID, s.Span, s.Attrs)
		w.resource("status icon", s.URI)
		w.finish("status-icon")
	}
}

// resource writes a URI that is there to be fetched.
func (w *writer) resource(what, uri string) {
	if !isResource(uri) || !xmlscan.IsText(uri) {
		w.fail(what + " is not an absolute URI")
	}
	w.b = xmlscan.AppendEscaped(w.b, uri, false)
}

func (w *writer) timeOffset(o *rpid.TimeOffset) {
	if o.Minutes < -rpid.MaxOffset || o.Minutes > rpid.MaxOffset {
		w.fail("time offset of more than a day")
	}
	w.raw("<" + prefixRPID + ":time-offset")
	w.timeAttr("from", o.From)
	w.timeAttr("until", o.Until)
	if d := o.Description; d.Text != "" {
		w.attr("description", d.Text)
		if d.Lang != "" {
			w.lang("time offset", d.Lang)
		}
	}
	w.others(o.ID, o.Attrs, "from", "until", "id", "description")
	w.raw(">")
	w.b = strconv.AppendInt(w.b, int64(o.Minutes), 10)
	w.finish("time-offset")
}

// names writes display names, one of each language (RFC 4482 section 3.2).
func (w *writer) names(list []Note) {
	for i, n := range list {
		for _, other := range list[:i] {
			if strings.EqualFold(n.Lang, other.Lang) {
				w.fail("two display names in one language")
			}
		}
		w.element(prefixCIPID+":display-name", n.Lang, n.Text)
	}
}

func (w *writer) links(l *Links) {
	if *l == (Links{}) {
		return
	}
	for _, name := range [...]string{"card", "homepage", "icon", "map", "sound"} {
		uri := *l.at(name)
		if uri == "" {
			continue
		}
		w.raw("<" + prefixCIPID + ":")
		w.raw(name)
		w.raw(">")
		w.resource(name, uri)
		w.end(prefixCIPID + ":" + name)
	}
}
