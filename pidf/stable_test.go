package pidf_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/rpid"
)

// elements returns every kept element of p.
func elements(p *pidf.Presence) []pidf.Element {
	all := slices.Clone(p.Ext)
	words := func(list []rpid.Foreign) {
		for _, f := range list {
			all = append(all, pidf.Element{NS: f.NS, Name: f.Name, Raw: f.Raw})
		}
	}
	for _, t := range p.Tuples {
		all = append(append(all, t.Ext...), t.Status.Ext...)
		if t.Relationship != nil {
			words(t.Relationship.Ext)
		}
		if t.ServiceClass != nil {
			words(t.ServiceClass.Ext)
		}
		for _, v := range t.Privacy {
			words(v.Ext)
		}
	}
	for _, q := range p.Persons {
		all = append(all, q.Ext...)
		for _, a := range q.Activities {
			words(a.Ext)
		}
		for _, m := range q.Moods {
			words(m.Ext)
		}
		for _, s := range q.Spheres {
			words(s.Ext)
		}
		for _, v := range q.PlaceTypes {
			words(v.Ext)
		}
		for _, v := range q.Privacy {
			words(v.Ext)
		}
	}
	for _, d := range p.Devices {
		all = append(all, d.Ext...)
	}
	return all
}

// checkStable holds p to the promise of Marshal: what it writes, Parse reads;
// what is read is written again in the same octets; and elements that pidf
// does not know come through it all unchanged. It returns what was written, or
// nil if Marshal refuses p.
func checkStable(tb testing.TB, p *pidf.Presence) []byte {
	tb.Helper()
	first, err := p.Marshal()
	if err != nil {
		if first != nil {
			tb.Fatal("Marshal returned octets with an error")
		}
		return nil
	}
	q, err := pidf.Parse(first)
	if err != nil {
		tb.Fatalf("Parse of what Marshal wrote: %v\n%s", err, first)
	}
	second, err := q.Marshal()
	if err != nil {
		tb.Fatalf("Marshal of what it wrote: %v\n%s", err, first)
	}
	if !bytes.Equal(first, second) {
		tb.Fatalf("written differently again:\n%s\n%s", first, second)
	}
	if diff := cmp.Diff(elements(p), elements(q)); diff != "" {
		tb.Fatalf("elements changed (-before +after):\n%s", diff)
	}
	if strings.ContainsRune(string(first), '\ufeff') && !strings.ContainsRune(string(first[3:]), '\ufeff') {
		tb.Fatal("byte order mark written")
	}
	return first
}

// unwritable are accepted vectors that the writer refuses, and why.
var unwritable = map[string]string{
	"rfc3863-4.3.3-mustunderstand-nested":        "mustUnderstand outside status",
	"mustunderstand-true-inside-ignored-element": "mustUnderstand outside status",
	"mustunderstand-false-in-status":             "mustUnderstand is not in the namespace of PIDF",
	"rfc4479-7.1-with-entity":                    "device id is not a URN",
	"tuple-id-arbitrary":                         "id is not an XML name",
	"activities-malformed-kept":                  "extension activities: is written from a field of its own",
	"activities-foreign-mustunderstand":          "extension activities: is written from a field of its own",
	"attributes-64":                              "too many attributes", // with the binding that it inherits
	"size-16384":                                 "",                    // the writer may need more octets
	"cipid-malformed":                            "extension card: is written from a field of its own",
	"rpid-person-elements-in-tuple":              "extension activities: is written from a field of its own",
	"rpid-place-is-malformed":                    "extension place-is: is written from a field of its own",
	"rpid-place-type-malformed":                  "extension place-type: is written from a field of its own",
	"rpid-privacy-malformed":                     "extension privacy: is written from a field of its own",
	"rpid-service-class-malformed":               "extension service-class: is written from a field of its own",
	"rpid-service-class-postal-with-uri":         "contact beside a physical service class",
	"rpid-status-icon-malformed":                 "extension status-icon: is written from a field of its own",
	"rpid-time-offset-malformed":                 "extension time-offset: is written from a field of its own",
	"timed-status-in-status":                     "timed status outside a tuple",
	"timed-status-with-language":                 "malformed timed status",
	"timed-status-malformed":                     "malformed timed status",
	"timed-status-of-the-present":                "timed status about the time of the tuple",
}

// TestWrittenAgain covers R3863-4.4-schema, R3863-4.2.3-placement and
// R3863-4.1-xml-declaration for everything the vectors contain.
func TestWrittenAgain(t *testing.T) {
	for _, v := range vectors(t) {
		if v.strict != "accept" {
			continue
		}
		p := mustParse(t, v.doc)
		why, refused := unwritable[v.name]
		switch out := checkStable(t, p); {
		case out == nil && !refused:
			_, err := p.Marshal()
			t.Errorf("%s: %v", v.name, err)
		case out == nil:
			if _, err := p.Marshal(); !strings.Contains(err.Error(), why) {
				t.Errorf("%s: got %v, want %s", v.name, err, why)
			}
		case refused && why != "":
			t.Errorf("%s: written, want %s", v.name, why)
		case !bytes.HasPrefix(out, []byte(`<?xml version="1.0" encoding="UTF-8"?><presence `)):
			t.Errorf("%s: written without declaration", v.name)
		}
	}
}

func checkRefused(t *testing.T, p *pidf.Presence, want string) {
	t.Helper()
	out, err := p.Marshal()
	if err == nil || out != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Marshal: got %q, %v, want %s", out, err, want)
	}
}
