package pidf_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/rpid"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func priority(s string) pidf.Priority {
	p, err := pidf.ParsePriority(s)
	if err != nil {
		panic(err)
	}
	return p
}

// state is the document of a node in one of the states that people choose.
func state(basic pidf.Basic, input rpid.Input, doing ...rpid.Activity) *pidf.Presence {
	p := &pidf.Presence{
		Entity: "pres:alice@example.com",
		Tuples: []pidf.Tuple{{
			ID: "t1", Status: pidf.Status{Basic: basic},
			Contact:   &pidf.Contact{URI: "im:alice@example.com", Priority: priority("0.8")},
			Timestamp: noon,
		}},
	}
	person := pidf.Person{ID: "p1", Timestamp: noon, Notes: []pidf.Note{{Lang: "en", Text: "Back <soon> & \"happy\""}}}
	if len(doing) > 0 {
		person.Activities = []rpid.Activities{{Values: doing}}
	}
	if input != "" {
		person.UserInput = &rpid.UserInput{State: input}
	}
	p.Persons = []pidf.Person{person}
	return p
}

// written are documents made from values: the states of the interface, and one
// with everything.
func written() map[string]*pidf.Presence {
	return map[string]*pidf.Presence{
		"available": state(pidf.Open, rpid.Active),
		"away":      state(pidf.Open, "", rpid.Away),
		"busy":      state(pidf.Open, "", rpid.Busy),
		"dnd":       state(pidf.Closed, "", rpid.Busy),
		"idle":      state(pidf.Open, rpid.Idle),
		"nothing":   {Entity: "pres:alice@example.com"},
		"all":       everything(),
	}
}

func everything() *pidf.Presence {
	foreign := []byte(`<e:x xmlns:e="urn:example:ext" xmlns="" a='1'><y/>&#x41;</e:x>`)
	ext := []pidf.Element{{NS: "urn:example:ext", Name: "x", Raw: foreign}}
	word := []rpid.Foreign{{NS: "urn:example:ext", Name: "x", Raw: foreign}}
	attrs := []rpid.Attr{{Name: "plain", Value: "1"}, {NS: "urn:example:a", Name: "b", Value: "<&>\t'\""}, {NS: "urn:example:a", Name: "c"}, {NS: "urn:example:b", Name: "b"}}
	links := pidf.Links{Card: "https://example.com/a.vcf", Homepage: "https://example.com/#me", Icon: "cid:1", Map: "geo:52.5,13.4", Sound: "data:,"}
	timed := []byte(`<ts:timed-status xmlns:ts="` + pidf.Timed + `" from="2027-01-01T00:00:00Z"><ts:basic>closed</ts:basic></ts:timed-status>`)
	span := rpid.Span{From: noon, Until: noon.Add(90*time.Minute + 500*time.Millisecond)}
	notes := []pidf.Note{{Lang: "de-1996", Text: "a\r\nb\t]]>"}, {Text: ""}}
	input := &rpid.UserInput{ID: "i1", State: rpid.Idle, IdleThreshold: 10 * time.Minute, LastInput: noon}
	return &pidf.Presence{
		Entity: "pres:alice@example.com", Notes: notes, Ext: ext,
		Tuples: []pidf.Tuple{
			{
				ID: "t1", Timestamp: noon, Notes: notes, Links: links,
				Ext: append(slices.Clone(ext), pidf.Element{NS: pidf.Timed, Name: "timed-status", Raw: timed}),
				Status: pidf.Status{Basic: pidf.Open, Ext: []pidf.Element{{NS: "urn:example:ext", Name: "m", MustUnderstand: true,
					Raw: []byte(`<m xmlns="urn:example:ext" xmlns:p="urn:ietf:params:xml:ns:pidf" p:mustUnderstand="true"/>`)}}},
				Contact:      &pidf.Contact{URI: "im:alice@example.com?a=b&c=d", Priority: priority("1.00")},
				DeviceIDs:    []string{"urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599", "urn:a:b"},
				Relationship: &rpid.Relationship{Notes: notes, Value: rpid.Other, Other: pidf.Note{Lang: "en", Text: "aunt"}},
				ServiceClass: &rpid.ServiceClass{Notes: notes, Value: rpid.Electronic},
				Privacy:      []rpid.Privacy{{Text: true}}, StatusIcons: []rpid.StatusIcon{{URI: "data:,"}},
				Class: "sip phones", UserInput: &rpid.UserInput{State: rpid.Active, Attrs: append(slices.Clone(attrs), rpid.Attr{Name: "from", Value: "x"})},
				DisplayNames: []pidf.Note{{Lang: "en", Text: "Alice"}, {Lang: "ko", Text: "앨리스"}},
			},
			{ID: "t2", Status: pidf.Status{Ext: ext}, Relationship: &rpid.Relationship{Ext: word}, ServiceClass: &rpid.ServiceClass{Ext: word}, Contact: &pidf.Contact{}},
			{ID: "t4", Status: pidf.Status{Basic: pidf.Open}, ServiceClass: &rpid.ServiceClass{Value: rpid.Postal}, Contact: &pidf.Contact{}},
			{ID: "t3", Status: pidf.Status{Basic: pidf.Closed}, Relationship: &rpid.Relationship{Value: rpid.Assistant}},
		},
		Persons: []pidf.Person{{
			ID: "p1", Timestamp: noon, Notes: notes, Ext: ext, Class: "calendar", UserInput: input,
			Activities: []rpid.Activities{
				{ID: "a1", Span: span, Attrs: attrs, Notes: notes, Values: []rpid.Activity{rpid.Away, rpid.OnThePhone, rpid.TV}, Other: notes, Ext: word},
				{Values: []rpid.Activity{rpid.Unknown}},
				{},
			},
			Moods:   []rpid.Moods{{Span: span, Values: []rpid.Mood{rpid.InLove}, Other: notes, Ext: word}, {Values: []rpid.Mood{rpid.Unknown}}},
			Spheres: []rpid.Sphere{{ID: "s1", Span: span, Value: rpid.Work}, {Ext: word}, {Value: rpid.Unknown}, {}},
			PlaceTypes: []rpid.PlaceType{
				{ID: "w1", Span: span, Attrs: attrs, Notes: notes, Values: []rpid.Place{rpid.Bicycle, rpid.Underway}, Other: notes, Ext: word},
				{Other: notes[:1]}, {Other: notes}, {Values: []rpid.Place{rpid.Unknown}}, {Ext: word},
			},
			Places: []rpid.PlaceIs{
				{ID: "w2", Span: span, Attrs: attrs, Notes: notes, Audio: rpid.Noisy, Video: rpid.Dark, Text: rpid.Inappropriate},
				{Audio: rpid.OK, Video: rpid.Unknown}, {},
			},
			Privacy: []rpid.Privacy{
				{ID: "w3", Span: span, Attrs: attrs, Notes: notes, Audio: true, Text: true, Video: true, Ext: word}, {Unknown: true}, {},
			},
			StatusIcons: []rpid.StatusIcon{{ID: "w4", Span: span, Attrs: attrs, URI: "data:image/png;base64,AA=="}, {URI: "https://example.com/é?a&b#c"}},
			TimeOffsets: []rpid.TimeOffset{
				{ID: "w5", Span: span, Attrs: attrs, Minutes: -300, Description: pidf.Note{Lang: "en", Text: "New \"York\""}}, {Minutes: rpid.MaxOffset}, {},
			},
			DisplayNames: []pidf.Note{{Text: "Alice"}},
			Links:        links,
		}, {ID: "p2"}},
		Devices: []pidf.Device{{
			ID: "d1", DeviceID: "urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599", Class: "pc", Ext: ext, Notes: notes, Timestamp: noon,
			UserInput: &rpid.UserInput{State: rpid.Idle},
		}},
	}
}

// TestMarshalRefuses names what the writer will not write.
func TestMarshalRefuses(t *testing.T) {
	element := func(ns, name, raw string) []pidf.Element {
		return []pidf.Element{{NS: ns, Name: name, Raw: []byte(raw)}}
	}
	const ext = "urn:example:ext"
	tests := []struct {
		name   string
		change func(*pidf.Presence)
		want   string
	}{
		{"R3863-4.1.1-entity-pres", func(p *pidf.Presence) { p.Entity = "sip:a@example.com" }, "entity is not"},
		{"R3863-4.1.2-id", func(p *pidf.Presence) { p.Tuples[0].ID = "" }, "id is not an XML name"},
		{"R3863-4.1.2-id-opaque", func(p *pidf.Presence) { p.Tuples[0].ID = "1a" }, "id is not an XML name"},
		{"R3863-4.1.2-id-unique", func(p *pidf.Presence) { p.Persons[0].ID = "t1" }, "id is used twice"},
		{"id of activities", func(p *pidf.Presence) { p.Persons[0].Activities = []rpid.Activities{{ID: "t1"}} }, "id is used twice"},
		{"R3863-4.1.3-at-least-one", func(p *pidf.Presence) { p.Tuples[0].Status = pidf.Status{} }, "tuple t1: status without any value"},
		{"R3863-4.1.4-a", func(p *pidf.Presence) { p.Tuples[0].Status.Basic = "Open" }, "basic is neither"},
		{"R3863-4.1.5-url", func(p *pidf.Presence) { p.Tuples[0].Contact.URI = "alice" }, "contact is not an absolute URI"},
		{"R3863-4.1.5-url empty", func(p *pidf.Presence) { p.Tuples[0].Contact.URI = "" }, "contact is not an absolute URI"},
		{"R3863-4.1.6-lang-value", func(p *pidf.Presence) { p.Notes = []pidf.Note{{Lang: "en_US", Text: "x"}} }, "not a language tag"},
		{"R3863-4.1-utf8", func(p *pidf.Presence) { p.Notes = []pidf.Note{{Text: "\xff"}} }, "characters that XML excludes"},
		{"control character", func(p *pidf.Presence) { p.Notes = []pidf.Note{{Text: "\x00"}} }, "characters that XML excludes"},
		{"R3863-4.1.7-format", func(p *pidf.Presence) { p.Tuples[0].Timestamp = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "time outside"},
		{"R3863-4.2.2-absolute", func(p *pidf.Presence) { p.Ext = element("rel", "x", `<x xmlns="rel"/>`) }, "namespace is not an absolute URI"},
		{"R3863-4.2.2-no-fragment", func(p *pidf.Presence) { p.Ext = element("urn:a:b#c", "x", `<x xmlns="urn:a:b#c"/>`) }, "namespace is not an absolute URI"},
		{"R3863-4.2.3-placement", func(p *pidf.Presence) {
			p.Ext = element(ext, "x", `<x xmlns="`+ext+`" xmlns:p="`+pidf.Namespace+`" p:mustUnderstand="1"/>`)
		}, "mustUnderstand outside status"},
		{"R3863-4.2-extend", func(p *pidf.Presence) {
			p.Tuples[0].Ext = element(pidf.Namespace, "basic", `<basic xmlns="`+pidf.Namespace+`">closed</basic>`)
		}, "is written from a field of its own"},
		{"other name", func(p *pidf.Presence) { p.Ext = element(ext, "y", `<x xmlns="`+ext+`"/>`) }, "octets are those of another element"},
		{"not an element", func(p *pidf.Presence) { p.Ext = element(ext, "x", `<x xmlns="`+ext+`"/></presence>`) }, "end tag without start tag"},
		{"two elements", func(p *pidf.Presence) { p.Ext = element(ext, "x", `<x xmlns="`+ext+`"/><y/>`) }, "second root"},
		{"text beside element", func(p *pidf.Presence) { p.Ext = element(ext, "x", `<x xmlns="`+ext+`"/> `) }, "text outside"},
		{"undeclared prefix", func(p *pidf.Presence) { p.Ext = element(ext, "x", `<e:x/>`) }, "undeclared prefix"},
		{"silent name", func(p *pidf.Presence) { p.Ext = element(ext, "x", `<e:x xmlns:e="`+ext+`"><y/></e:x>`) }, "would take that of PIDF"},
		{"lunch box", func(p *pidf.Presence) {
			p.Persons[0].Activities = []rpid.Activities{{Values: []rpid.Activity{"lunch-box"}}}
		}, `RFC 4480 has no word "lunch-box"`},
		{"unknown beside others", func(p *pidf.Presence) {
			p.Persons[0].Activities = []rpid.Activities{{Values: []rpid.Activity{rpid.Away, rpid.Unknown}}}
		}, "unknown beside"},
		{"empty mood", func(p *pidf.Presence) { p.Persons[0].Moods = []rpid.Moods{{}} }, "mood without any value"},
		{"fraction of a threshold", func(p *pidf.Presence) {
			p.Persons[0].UserInput = &rpid.UserInput{State: rpid.Idle, IdleThreshold: 1500 * time.Millisecond}
		}, "idle threshold"},
		{"device without URN", func(p *pidf.Presence) { p.Devices = []pidf.Device{{ID: "d1", DeviceID: "mac:8asd7d7d70"}} }, "device id is not a URN"},
		{"class of two lines", func(p *pidf.Presence) { p.Persons[0].Class = "a\nb" }, "class is not a token"},
		{"RFC 4482 3.2", func(p *pidf.Presence) {
			p.Persons[0].DisplayNames = []pidf.Note{{Lang: "en", Text: "a"}, {Lang: "EN", Text: "b"}}
		}, "two display names in one language"},
		{"RFC 4480 3.10", func(p *pidf.Presence) { p.Tuples[0].ServiceClass = &rpid.ServiceClass{Value: rpid.InPerson} }, "contact beside a physical service class"},
		{"empty contact of a tuple with URIs", func(p *pidf.Presence) {
			p.Tuples[0].ServiceClass, p.Tuples[0].Contact = &rpid.ServiceClass{Value: rpid.Electronic}, &pidf.Contact{}
		}, "contact is not an absolute URI"},
		{"service class without value", func(p *pidf.Presence) { p.Tuples[0].ServiceClass = &rpid.ServiceClass{} }, "service class without any value"},
		{"new service class", func(p *pidf.Presence) { p.Tuples[0].ServiceClass = &rpid.ServiceClass{Value: "pigeon"} }, `no word "pigeon"`},
		{"new place", func(p *pidf.Presence) {
			p.Persons[0].PlaceTypes = []rpid.PlaceType{{Values: []rpid.Place{"bicyle"}}}
		}, `RFC 4589 has no word "bicyle"`},
		{"no place", func(p *pidf.Presence) { p.Persons[0].PlaceTypes = []rpid.PlaceType{{}} }, "place type without any value"},
		{"sound of another medium", func(p *pidf.Presence) { p.Persons[0].Places = []rpid.PlaceIs{{Audio: "dark"}} }, `no word "dark"`},
		{"unknown privacy beside others", func(p *pidf.Presence) { p.Persons[0].Privacy = []rpid.Privacy{{Unknown: true, Text: true}} }, "unknown beside"},
		{"relative icon", func(p *pidf.Presence) { p.Persons[0].StatusIcons = []rpid.StatusIcon{{URI: "me.png"}} }, "status icon is not an absolute URI"},
		{"two days ahead", func(p *pidf.Presence) { p.Persons[0].TimeOffsets = []rpid.TimeOffset{{Minutes: 2880}} }, "time offset"},
		{"card with a space", func(p *pidf.Presence) { p.Persons[0].Links.Card = "https://a.b/c d" }, "card is not an absolute URI"},
		{"card as extension", func(p *pidf.Presence) {
			p.Persons[0].Ext = element(pidf.CIPID, "card", `<card xmlns="`+pidf.CIPID+`">u:x</card>`)
		}, "is written from a field of its own"},
		{"RFC 4481 3 in status", func(p *pidf.Presence) {
			p.Tuples[0].Status.Ext = element(pidf.Timed, "timed-status", `<timed-status xmlns="`+pidf.Timed+`" from="2027-01-01T00:00:00Z"/>`)
		}, "timed status outside a tuple"},
		{"RFC 4481 3 without from", func(p *pidf.Presence) {
			p.Tuples[0].Ext = element(pidf.Timed, "timed-status", `<timed-status xmlns="`+pidf.Timed+`"/>`)
		}, "malformed timed status"},
		{"RFC 4481 3 the present", func(p *pidf.Presence) {
			p.Tuples[0].Ext = element(pidf.Timed, "timed-status", `<timed-status xmlns="`+pidf.Timed+`" from="2026-01-01T00:00:00Z"/>`)
		}, "timed status about the time of the tuple"},
		{"attribute of RPID", func(p *pidf.Presence) {
			p.Persons[0].UserInput = &rpid.UserInput{State: rpid.Idle, Attrs: []rpid.Attr{{Name: "id"}}}
		}, "attribute id may not be written"},
		{"attribute of XML", func(p *pidf.Presence) {
			p.Persons[0].UserInput = &rpid.UserInput{State: rpid.Idle, Attrs: []rpid.Attr{{NS: "http://www.w3.org/XML/1998/namespace", Name: "id"}}}
		}, "attribute id may not be written"},
		{"attribute twice", func(p *pidf.Presence) {
			p.Persons[0].UserInput = &rpid.UserInput{State: rpid.Idle, Attrs: []rpid.Attr{{Name: "x"}, {NS: "u:x", Name: "x"}, {Name: "x"}}}
		}, "attribute x stands twice"},
		{"many attributes", func(p *pidf.Presence) {
			p.Persons[0].UserInput = &rpid.UserInput{State: rpid.Idle, Attrs: make([]rpid.Attr, 30)}
		}, "too many attributes"},
		{"too large", func(p *pidf.Presence) { p.Notes = []pidf.Note{{Text: string(make16k())}} }, "document is too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := state(pidf.Open, "")
			tt.change(p)
			checkRefused(t, p, tt.want)
		})
	}
}

func make16k() []byte {
	b := make([]byte, pidf.MaxSize)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
