package pidf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/rpid"
)

// TestRichVectors reads every element of RFC 4480 and RFC 4482 that has a field
// and holds what comes of it to values.
func TestRichVectors(t *testing.T) {
	span := rpid.Span{From: time.Date(2001, 10, 27, 16, 0, 0, 0, time.UTC), Until: time.Date(2001, 10, 27, 17, 0, 0, 5e8, time.UTC)}
	note := []pidf.Note{{Lang: "en", Text: "n"}}
	foreign := func(name string) []rpid.Foreign {
		return []rpid.Foreign{{NS: "urn:example:ext", Name: name, Raw: []byte(`<e:` + name + ` xmlns:e="urn:example:ext"/>`)}}
	}
	attrs := []rpid.Attr{{NS: "urn:example:ext", Name: "z", Value: "1"}, {Name: "plain", Value: "q:v"}}
	names := []pidf.Note{{Lang: "en", Text: "Al"}, {Lang: "ko", Text: "알"}}
	links := pidf.Links{Card: "https://example.com/a.vcf", Homepage: "https://example.com/é#me", Icon: "data:,", Map: "geo:52.5,13.4", Sound: "https://example.com/a.mp3"}
	tests := []struct {
		vector string
		tuple  pidf.Tuple
		person pidf.Person
	}{
		{vector: "rpid-place-type-bicyle", person: pidf.Person{PlaceTypes: []rpid.PlaceType{{Values: []rpid.Place{rpid.Bicycle}}}}},
		{vector: "rpid-place-is-all", person: pidf.Person{Places: []rpid.PlaceIs{
			{Audio: rpid.Noisy, Video: rpid.TooBright, Text: rpid.Uncomfortable}, {Audio: rpid.OK, Video: rpid.OK, Text: rpid.Inappropriate},
			{Audio: rpid.Quiet, Video: rpid.Dark, Text: rpid.OK}, {Audio: rpid.Unknown, Video: rpid.Unknown, Text: rpid.Unknown},
			{Video: rpid.Dark}, {}, {ID: "w2", Span: span, Notes: note, Text: rpid.OK},
		}}},
		{
			vector: "rpid-privacy-all",
			tuple:  pidf.Tuple{Privacy: []rpid.Privacy{{Unknown: true}, {Audio: true, Text: true, Video: true, Ext: foreign("smoke")}}},
			person: pidf.Person{Privacy: []rpid.Privacy{{ID: "w3", Span: span, Notes: note, Text: true}, {}}},
		},
		{vector: "rpid-privacy-example-order", person: pidf.Person{Privacy: []rpid.Privacy{{Audio: true, Text: true}}}},
		{vector: "rpid-sphere-all", person: pidf.Person{Spheres: []rpid.Sphere{
			{ID: "s1", Span: span, Value: rpid.Home}, {Value: rpid.Work}, {Value: rpid.Unknown}, {Ext: append(foreign("scouting"), foreign("ietf")...)}, {},
		}}},
		{
			vector: "rpid-status-icon",
			tuple:  pidf.Tuple{StatusIcons: []rpid.StatusIcon{{ID: "w4", Span: span, URI: "data:image/gif;base64,AA=="}}},
			person: pidf.Person{StatusIcons: []rpid.StatusIcon{{URI: "http://example.com/play.gif"}, {URI: "https://example.com/é#a"}}},
		},
		{vector: "rpid-time-offset", person: pidf.Person{TimeOffsets: []rpid.TimeOffset{
			{ID: "w5", Span: span, Minutes: -300, Description: pidf.Note{Lang: "en", Text: "America/New_York"}}, {}, {Minutes: 1440},
		}}},
		{vector: "rpid-class-everywhere", tuple: pidf.Tuple{Class: "sip"}, person: pidf.Person{Class: "calendar"}},
		{vector: "rpid-foreign-attributes", person: pidf.Person{
			Activities:  []rpid.Activities{{Attrs: attrs, Values: []rpid.Activity{rpid.Away}}},
			Moods:       []rpid.Moods{{Attrs: attrs, Values: []rpid.Mood{rpid.Sad}}},
			Places:      []rpid.PlaceIs{{Attrs: attrs}},
			PlaceTypes:  []rpid.PlaceType{{Attrs: attrs, Values: []rpid.Place{rpid.Bus}}},
			Privacy:     []rpid.Privacy{{Attrs: attrs}},
			Spheres:     []rpid.Sphere{{Attrs: attrs}},
			StatusIcons: []rpid.StatusIcon{{Attrs: attrs, URI: "data:,"}},
			TimeOffsets: []rpid.TimeOffset{{Attrs: attrs, Minutes: 60}},
			UserInput:   &rpid.UserInput{State: rpid.Idle, Attrs: append(attrs[:2:2], rpid.Attr{Name: "from", Value: "x"})},
		}},
		{vector: "cipid-all", tuple: pidf.Tuple{DisplayNames: names, Links: links}, person: pidf.Person{DisplayNames: names, Links: links}},
	}
	for _, tt := range tests {
		p := mustParse(t, readVector(t, tt.vector))
		tt.tuple.ID, tt.tuple.Status.Basic, tt.person.ID = "t1", pidf.Open, "p1"
		want := &pidf.Presence{Entity: "pres:someone@example.com", Tuples: []pidf.Tuple{tt.tuple}, Persons: []pidf.Person{tt.person}, Devices: p.Devices}
		for _, way := range []string{"read", "written and read"} {
			if diff := cmp.Diff(want, p, cmp.Comparer(time.Time.Equal)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.vector, way, diff)
			}
			p = mustParse(t, checkStable(t, p))
		}
	}
}

// TestWordLists reads every word of the lists of RFC 4480 and RFC 4589 from
// vectors: each is known and stays through writing.
func TestWordLists(t *testing.T) {
	person := func(name string) pidf.Person {
		return mustParse(t, checkStable(t, mustParse(t, readVector(t, name)))).Persons[0]
	}
	a := person("rpid-activities-all").Activities
	for _, v := range a[0].Values {
		if !v.Known() {
			t.Errorf("activity %s is not known", v)
		}
	}
	m := person("rpid-mood-all").Moods
	for _, v := range m[0].Values {
		if !v.Known() {
			t.Errorf("mood %s is not known", v)
		}
	}
	p := person("rpid-place-type-all").PlaceTypes
	for _, v := range p[0].Values {
		if !v.Known() {
			t.Errorf("place %s is not known", v)
		}
	}
	if len(a[0].Values) != 24 || len(a[0].Notes) != 2 || len(a[0].Other) != 2 || a[1].Values[0] != rpid.Unknown {
		t.Errorf("activities: got %+v", a)
	}
	if len(m[0].Values) != 59 || m[0].Other[0].Text != "brooding" || m[1].Values[0] != rpid.Unknown {
		t.Errorf("moods: got %+v", m)
	}
	if len(p[0].Values) != 43 || p[0].Other[0] != (pidf.Note{Lang: "en", Text: "hut"}) || p[0].Ext[0].Name != "cave" || p[1].Other[0].Text != "hut" {
		t.Errorf("places: got %+v", p)
	}
	for i, u := range mustParse(t, readVector(t, "rpid-relationship-all")).Tuples {
		r := u.Relationship
		if want := []rpid.Relation{rpid.Assistant, rpid.Associate, rpid.Family, rpid.Friend, rpid.Self, rpid.Supervisor, rpid.Unknown, rpid.Other, "", ""}[i]; r.Value != want {
			t.Errorf("relationship %d: got %+v, want %s", i, r, want)
		}
	}
	for i, u := range mustParse(t, readVector(t, "rpid-service-class-all")).Tuples {
		s := u.ServiceClass
		want := []rpid.Delivery{rpid.Courier, rpid.Freight, rpid.InPerson, rpid.Postal, rpid.Electronic, rpid.Unknown, "", rpid.Postal}[i]
		if s.Value != want || s.Physical() != (i < 4 || i == 7) || want != "" && !want.Known() {
			t.Errorf("service class %d: got %+v, want %s", i, s, want)
		}
	}
	doc := mustParse(t, readVector(t, "rpid-user-input-everywhere"))
	if doc.Tuples[0].UserInput.ID != "u1" || doc.Persons[0].UserInput.LastInput.IsZero() || doc.Devices[0].UserInput.State != rpid.Idle {
		t.Errorf("user input: got %+v", doc)
	}
}

// TestMalformedRich: an element that is malformed, out of place, or a second
// one where one is allowed, is kept as it is and sets no field.
func TestMalformedRich(t *testing.T) {
	for name, want := range map[string]int{
		"rpid-place-type-malformed": 6, "rpid-place-is-malformed": 6, "rpid-privacy-malformed": 4,
		"rpid-status-icon-malformed": 4, "rpid-time-offset-malformed": 5, "rpid-device-id-in-person-is-unknown": 1,
		"rpid-person-elements-in-tuple": 3, "rpid-service-class-malformed": 4,
		"cipid-malformed": 6,
	} {
		p := mustParse(t, readVector(t, name))
		n := 0
		for i := range p.Tuples {
			n += len(p.Tuples[i].Ext)
		}
		for i := range p.Persons {
			n += len(p.Persons[i].Ext)
		}
		if n != want {
			t.Errorf("%s: %d elements kept, want %d: %+v", name, n, want, p)
		}
	}
	q := mustParse(t, readVector(t, "cipid-malformed")).Persons[0]
	if diff := cmp.Diff(pidf.Links{Icon: "data:,"}, q.Links); diff != "" || q.DisplayNames[0].Text != "a" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// TestTimed covers RFC 4481: timed status is read, with overlaps, and written
// in the octets received.
func TestTimed(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2001, 10, 27, hour, 0, 0, 0, time.UTC) }
	x := []pidf.Element{{NS: "urn:example:ext", Name: "x", Raw: []byte(`<e:x xmlns:e="urn:example:ext"/>`)}}
	p := mustParse(t, readVector(t, "timed-status-all"))
	want := []pidf.TimedStatus{
		{Span: rpid.Span{From: at(16), Until: at(17)}, Basic: pidf.Open, Notes: []pidf.Note{{Lang: "en", Text: "lunch"}}, Ext: x},
		{Span: rpid.Span{From: at(16), Until: at(18)}},
		{Span: rpid.Span{From: at(16)}, Ext: x},
	}
	if diff := cmp.Diff(want, p.Tuples[0].Timed(), cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if out := checkStable(t, p); !strings.Contains(string(out), string(p.Tuples[0].Ext[1].Raw)) {
		t.Errorf("written as %s", out)
	}
	if got := mustParse(t, readVector(t, "rfc4481-4-declared")).Tuples[0].Timed(); len(got) != 1 || got[0].Basic != pidf.Closed || got[0].Until.Sub(got[0].From) != (7*24+9)*time.Hour+10*time.Minute {
		t.Errorf("RFC 4481 section 4: got %+v", got)
	}
	bad := mustParse(t, readVector(t, "timed-status-malformed")).Tuples[0]
	if got := bad.Timed(); len(got) != 0 || len(bad.Ext) != 7 {
		t.Errorf("malformed: got %+v of %d", got, len(bad.Ext))
	}
}

// TestInherited: an element that is kept means the same alone, with the
// language and the prefixes of what stood around it.
func TestInherited(t *testing.T) {
	const e = ` xmlns:e="urn:example:ext"`
	var got []string
	for _, x := range elements(mustParse(t, readVector(t, "extension-language-inherited"))) {
		got = append(got, string(x.Raw))
	}
	want := []string{
		`<e:x` + e + ` xml:lang="fr">salut</e:x>`, `<e:x` + e + ` xml:lang="it">bonjour</e:x>`, `<e:x` + e + ` xml:lang="de">Tag</e:x>`,
		`<e:x` + e + `/>`, `<e:fietsen` + e + ` xml:lang="nl">snel</e:fietsen>`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("language (-want +got):\n%s", diff)
	}
	const q, dm, n, xsi = ` xmlns:q="http://www.w3.org/2001/XMLSchema"`, ` xmlns:dm="` + pidf.DataModel + `"`, ` xmlns:n="urn:example:n"`, ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`
	ext := mustParse(t, readVector(t, "extension-prefixes-in-values")).Tuples[0].Ext
	got = []string{string(ext[0].Raw), string(ext[1].Raw)}
	want = []string{
		`<e:x` + e + xsi + q + n + ` xsi:type="q:string">n:v</e:x>`,
		`<e:y` + e + dm + ` a="dm:person"><!-- q:no --></e:y>`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("prefixes (-want +got):\n%s", diff)
	}
}
