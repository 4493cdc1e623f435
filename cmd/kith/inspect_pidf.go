package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"time"

	"github.com/kith-im/kith/pidf"
)

// pidfFields is what is shown of a presence document. Absent values are null,
// and so are a priority and a timestamp that are to be ignored.
type pidfFields struct {
	Entity string       `json:"entity"`
	Tuples []tupleField `json:"tuples"`
	Notes  []textField  `json:"notes"`
	Ext    []nameField  `json:"ext"` // children from other namespaces
}

type tupleField struct {
	ID        string      `json:"id"`
	Basic     *string     `json:"basic"`
	Contact   *string     `json:"contact"`
	Priority  *string     `json:"priority"`  // as written
	Timestamp *string     `json:"timestamp"` // as written
	Notes     []textField `json:"notes"`
	Ext       []nameField `json:"ext"`
	StatusExt []nameField `json:"status_ext"`
}

func (in inspector) pidf(b []byte) (any, error) {
	p, body, err := in.parsePIDF(b)
	if err != nil {
		return nil, err
	}
	f := pidfFields{Entity: p.Entity, Tuples: []tupleField{}, Notes: notes(p.Notes), Ext: []nameField{}}
	o, ok := outlineOf(body)
	ok = ok && len(o.tuples) == len(p.Tuples)
	if ok {
		f.Ext = o.ext
	}
	for i, t := range p.Tuples {
		tuple := tupleField{
			ID: t.ID, Basic: optional(string(t.Status.Basic)), Notes: notes(t.Notes),
			Ext: []nameField{}, StatusExt: []nameField{},
		}
		if t.Contact != nil {
			tuple.Contact, tuple.Priority = optional(t.Contact.URI), optional(t.Contact.Priority.String())
		}
		if !t.Timestamp.IsZero() {
			tuple.Timestamp = optional(t.Timestamp.Format(time.RFC3339Nano))
		}
		if ok {
			tuple.Ext, tuple.StatusExt = o.tuples[i].ext, o.tuples[i].statusExt
			if tuple.Timestamp != nil {
				tuple.Timestamp = optional(o.tuples[i].timestamp)
			}
		}
		f.Tuples = append(f.Tuples, tuple)
	}
	return f, nil
}

// parsePIDF reads a document, with or without a MIME header in front, and
// returns its octets without that too.
func (in inspector) parsePIDF(b []byte) (*pidf.Presence, []byte, error) {
	parse := pidf.Parse
	if in.lenient {
		parse = pidf.ParseLenient
	}
	label := mimeField(b, "content-type")
	if markup(b) || label == "" {
		p, err := parse(b)
		return p, b, err
	}
	_, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		_, body, _ = bytes.Cut(b, []byte("\n\n"))
	}
	if !in.lenient {
		parse = func(b []byte) (*pidf.Presence, error) { return pidf.ParseMedia(label, b) }
	}
	p, err := parse(body)
	return p, body, err
}

func notes(list []pidf.Note) []textField {
	fields := []textField{}
	for _, n := range list {
		fields = append(fields, textField{optional(n.Lang), n.Text})
	}
	return fields
}

// outline is what package pidf does not keep of a document that it accepted:
// which elements stood where, and timestamps as written.
type outline struct {
	ext    []nameField
	tuples []tupleOutline
}

type tupleOutline struct {
	ext, statusExt []nameField
	timestamp      string
}

// outlineOf walks a document. It is not asked to judge: ok is false if the
// document is more than it can read.
func outlineOf(b []byte) (o outline, ok bool) {
	o.ext = []nameField{}
	dec := xml.NewDecoder(bytes.NewReader(b))
	var path []string
	for {
		token, err := dec.Token()
		if err != nil {
			return o, err == io.EOF
		}
		switch token := token.(type) {
		case xml.StartElement:
			o.enter(strings.Join(path, "/"), token.Name)
			name := token.Name.Local
			if token.Name.Space != pidf.Namespace {
				name = "other"
			}
			path = append(path, name)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if strings.Join(path, "/") == "presence/tuple/timestamp" && len(o.tuples) > 0 {
				t := &o.tuples[len(o.tuples)-1]
				t.timestamp = strings.TrimSpace(t.timestamp + string(token))
			}
		}
	}
}

// enter notes an element that begins at a path.
func (o *outline) enter(path string, name xml.Name) {
	if name.Space == pidf.Namespace {
		if path == "presence" && name.Local == "tuple" {
			o.tuples = append(o.tuples, tupleOutline{ext: []nameField{}, statusExt: []nameField{}})
		}
		return
	}
	if !strings.Contains(name.Space, ":") {
		return // not an absolute URI: to be ignored (RFC 3863 section 4.2.2)
	}
	list := &o.ext
	switch path {
	case "presence":
	case "presence/tuple", "presence/tuple/status":
		if len(o.tuples) == 0 {
			return
		}
		t := &o.tuples[len(o.tuples)-1]
		list = &t.ext
		if path == "presence/tuple/status" {
			list = &t.statusExt
		}
	default:
		return
	}
	*list = append(*list, nameField{name.Space, name.Local})
}
