package pidf_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/rpid"
)

// TestSameModel covers R3863-4.1.1-namespace, R3863-4.2.1-prefix and
// R3863-4.2.2-anywhere: the prefix means nothing.
func TestSameModel(t *testing.T) {
	want := mustParse(t, readVector(t, "rfc3863-4.2.2-default-ns"))
	for _, name := range []string{"rfc3863-4.2.2-prefixed", "odd-prefix", "two-prefixes-same-namespace", "namespace-redeclared-on-child"} {
		if diff := cmp.Diff(want, mustParse(t, readVector(t, name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestModel(t *testing.T) {
	const (
		ext  = "urn:example:ext"
		myex = "http://id.example.com/presence/"
		ent  = "pres:someone@example.com"
	)
	element := func(ns, name, raw string) pidf.Element {
		return pidf.Element{NS: ns, Name: name, Raw: []byte(raw)}
	}
	marked := func(e pidf.Element) pidf.Element { e.MustUnderstand = true; return e }
	open := func(ext ...pidf.Element) pidf.Status { return pidf.Status{Basic: pidf.Open, Ext: ext} }
	one := func(t pidf.Tuple) *pidf.Presence { return &pidf.Presence{Entity: ent, Tuples: []pidf.Tuple{t}} }
	autumn := time.Date(2001, 10, 27, 16, 49, 29, 0, time.UTC)
	im := &pidf.Contact{URI: "im:someone@example.com"}

	tests := []struct {
		vector string
		want   *pidf.Presence
	}{
		{"rfc3863-4.3.1", &pidf.Presence{ // R2778-presence-information, R2778-status-multiple-values, R3863-4.1.6-place
			Entity: ent,
			Tuples: []pidf.Tuple{{
				ID: "bs35r9",
				Status: open(
					element("urn:ietf:params:xml:ns:pidf:im", "im", `<im:im xmlns:im="urn:ietf:params:xml:ns:pidf:im">busy</im:im>`),
					element(myex, "location", `<myex:location xmlns:myex="`+myex+`">home</myex:location>`),
				),
				Contact:   &pidf.Contact{URI: "im:someone@mobilecarrier.net", Priority: priority("0.8")},
				Notes:     []pidf.Note{{Lang: "en", Text: "Don't Disturb Please!"}, {Lang: "fr", Text: "Ne derangez pas, s'il vous plait"}},
				Timestamp: autumn,
			}, {
				ID: "eg92n8", Status: open(), Contact: &pidf.Contact{URI: "mailto:someone@example.com", Priority: priority("1.0")},
			}},
			Notes: []pidf.Note{{Text: "I'll be in Tokyo next week"}},
		}},
		{"rfc3863-4.3.2", &pidf.Presence{ // R3863-4.1.5-url, R2778-other-presence-markup
			Entity: ent,
			Tuples: []pidf.Tuple{{
				ID: "ck38g9", Status: open(), Contact: &pidf.Contact{URI: "tel:+09012345678", Priority: priority("0.65")},
				Ext: []pidf.Element{element(myex, "mytupletag", `<myex:mytupletag xmlns:myex="`+myex+`">Extended value in tuple</myex:mytupletag>`)},
			}, {
				ID: "md66je", Status: open(), Contact: &pidf.Contact{URI: "im:someone@mobilecarrier.net", Priority: priority("1.0")},
			}},
			Ext: []pidf.Element{element(myex, "mytag", `<myex:mytag xmlns:myex="`+myex+`">My extended presentity information</myex:mytag>`)},
		}},
		{"no-tuples", &pidf.Presence{Entity: ent}},
		{"status-with-extension-only", one(pidf.Tuple{ID: "t1", Status: pidf.Status{Ext: []pidf.Element{
			element(ext, "x", `<e:x xmlns:e="`+ext+`">1</e:x>`)}}})},
		{"basic-in-pieces", one(pidf.Tuple{ID: "t1", Status: open()})},
		{"basic-among-foreign-basics", one(pidf.Tuple{ID: "t1", Status: open( // R3863-4.2.3-ignore
			element(ext, "basic", `<e:basic xmlns:e="`+ext+`">closed</e:basic>`),
			element(ext, "x", `<e:x xmlns:e="`+ext+`" xmlns="`+pidf.Namespace+`"><basic>closed</basic></e:x>`),
		)})},
		{"foreign-tuple-is-not-a-tuple", &pidf.Presence{Entity: ent, Tuples: []pidf.Tuple{{ID: "t1", Status: open()}}, Ext: []pidf.Element{
			element("urn:example:other", "tuple", `<tuple xmlns="urn:example:other" id="t1"><status><basic>closed</basic></status></tuple>`)}}},
		{"default-namespace-foreign-pidf-prefixed", one(pidf.Tuple{ID: "t1", Status: pidf.Status{Ext: []pidf.Element{
			element("urn:example:other", "basic", `<basic xmlns="urn:example:other">closed</basic>`)}}})},
		{"priority-out-of-range-above-one", one(pidf.Tuple{ID: "t1", Status: open(), Contact: im})},
		{"priority-out-of-range-negative", one(pidf.Tuple{ID: "t1", Status: open(), Contact: im})},
		{"priority-malformed-leading-zero", one(pidf.Tuple{ID: "t1", Status: open(), Contact: im})},
		{"priority-malformed-four-digits", one(pidf.Tuple{ID: "t1", Status: open(), Contact: im})},
		{"timestamp-unknown-offset", one(pidf.Tuple{ID: "t1", Status: open(), Timestamp: autumn})},
		{"timestamp-offset", one(pidf.Tuple{ID: "t1", Status: open(), Timestamp: autumn})},
		{"timestamp-leap-second", one(pidf.Tuple{ID: "t1", Status: open(), Timestamp: time.Date(1991, 1, 1, 0, 0, 0, 0, time.UTC)})},
		{"mustunderstand-1-unknown-in-status", one(pidf.Tuple{ID: "t1", Status: open( // R3863-4.2.3-status-unknown
			marked(element(ext, "x", `<e:x xmlns:e="`+ext+`" xmlns:p="`+pidf.Namespace+`" p:mustUnderstand="1">v</e:x>`)),
			element(ext, "y", `<e:y xmlns:e="`+ext+`">w</e:y>`),
		)})},
		{"note-whitespace", one(pidf.Tuple{ID: "t1", Status: open(), Notes: []pidf.Note{{Text: "  a\n\tb  "}}})}, // R3863-4.4-note-string
		{"note-says-offline", one(pidf.Tuple{ID: "t1", Status: open(), Notes: []pidf.Note{{Text: "offline"}}})},
		{"note-lang-inherited", &pidf.Presence{Entity: ent, // R3863-4.1.6-lang-omitted
			Tuples: []pidf.Tuple{{ID: "t1", Status: open(), Notes: []pidf.Note{{Lang: "fr", Text: "a"}, {Lang: "zh-Hant", Text: "b"}, {Text: "c"}}}},
			Notes:  []pidf.Note{{Lang: "de", Text: "d"}}}},
		{"utf8-notes", one(pidf.Tuple{ID: "t1", Status: open(), Notes: []pidf.Note{ // R3863-4.1-utf8, R3863-7-utf8
			{Lang: "ja", Text: "東京"}, {Text: "\U0001F4A4 \u200d"}, {Text: "e\u0301 \U0001F600"}}})},
		{"tuple-id-arbitrary", one(pidf.Tuple{ID: "42 é & more", Status: open(), Contact: im})},
		{"extension-relative-namespace", one(pidf.Tuple{ID: "t1", Status: open()})}, // R3863-4.2.2-no-fragment
		{"conflicting-tuples-same-contact", &pidf.Presence{Entity: ent, Tuples: []pidf.Tuple{ // R3863-4.1.2-conflict
			{ID: "a", Status: open(), Contact: im}, {ID: "b", Status: pidf.Status{Basic: pidf.Closed}, Contact: im}}}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, mustParse(t, readVector(t, tt.vector)), cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.vector, diff)
		}
	}
}

// TestRoundTrip covers R3863-4.1.6-lang and R3863-2.2-b: what is written from
// values, with languages and times, comes back as the same values.
func TestRoundTrip(t *testing.T) {
	for name, want := range written() {
		doc, err := want.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, mustParse(t, doc)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestMustUnderstand covers R3863-4.2.3-mustunderstand, R3863-4.2.3-inside-ignored
// and R3863-4.3.3-ignorable.
func TestMustUnderstand(t *testing.T) {
	knows := func(names ...string) func(string, string) bool {
		return func(_, name string) bool { return slices.Contains(names, name) }
	}
	p := mustParse(t, readVector(t, "rfc3863-4.3.3-mustunderstand-nested"))
	complex, mytag := p.Tuples[0].Ext[0], p.Ext[0]
	inner := mustParse(t, readVector(t, "mustunderstand-true-inside-ignored-element")).Tuples[0].Ext[0]
	status := mustParse(t, readVector(t, "mustunderstand-1-unknown-in-status")).Tuples[0].Status.Ext[0]
	nested := pidf.Element{NS: "urn:a:b", Name: "a", Raw: []byte(`<a xmlns="urn:a:b"><b><c mustUnderstand="1"/></b></a>`)}
	tests := []struct {
		name   string
		e      pidf.Element
		marked bool
		known  func(string, string) bool
		want   bool
	}{
		{"ex1 unknown", complex, true, knows("complexExtension"), false},
		{"ex1 known", complex, true, knows("complexExtension", "ex1"), true},
		{"no mark", mytag, false, knows(), true},
		{"mark inside", inner, true, knows(), false},
		{"marked itself", status, true, knows(), false},
		{"marked itself and known", status, true, knows("x"), true},
		{"mark inside an ignored element", nested, false, knows("a"), true},
		{"mark inside a known element", nested, false, knows("a", "b"), false},
		{"not octets of an element", pidf.Element{Raw: []byte("<x")}, false, knows("x"), false},
	}
	for _, tt := range tests {
		if tt.e.MustUnderstand != tt.marked {
			t.Errorf("%s: MustUnderstand is %v", tt.name, tt.e.MustUnderstand)
		}
		if got := tt.e.Understood(tt.known); got != tt.want {
			t.Errorf("%s: Understood: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestExtensible covers R2779-3.1.4 and R3863-4.2-extend: unknown elements at
// every place leave the base model as it is.
func TestExtensible(t *testing.T) {
	p := mustParse(t, readVector(t, "tuple-full-order"))
	p.Tuples[0].Ext, p.Ext = nil, nil
	doc, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	x := `<z:any xmlns:z="urn:z:z"><basic>closed</basic></z:any>`
	with := strings.NewReplacer("</status>", x+"</status>"+x, "</presence>", x+x+"</presence>").Replace(string(doc))
	q := mustParse(t, []byte(with))
	if got := len(elements(q)); got != 4 {
		t.Errorf("got %d elements, want 4", got)
	}
	q.Ext, q.Tuples[0].Ext, q.Tuples[0].Status.Ext = nil, nil, nil
	if diff := cmp.Diff(p, q); diff != "" {
		t.Errorf("base model changed (-want +got):\n%s", diff)
	}
}

// TestPriority covers R3863-4.1.5-priority-order, R3863-4.1.5-priority-omitted
// and R3863-4.1.5-priority-format.
func TestPriority(t *testing.T) {
	rising := []pidf.Priority{{}, priority("0"), priority("0.001"), priority("0.021"), priority("0.5"), priority("0.65"), priority("0.725"), priority("0.8"), priority("1.0")}
	for i, p := range rising {
		for j, q := range rising {
			if got, want := p.Compare(q) > 0, i > j; got != want {
				t.Errorf("%q over %q: got %v, want %v", p, q, got, want)
			}
		}
	}
	if one, hundredths := priority("1"), priority("1.00"); !one.Equal(hundredths) || hundredths.String() != "1.00" {
		t.Errorf("1 and 1.00: %v %v", one, hundredths)
	}
	if n, ok := priority("0.021").Thousandths(); n != 21 || !ok {
		t.Errorf("0.021: got %d, %v", n, ok)
	}
	if _, ok := (pidf.Priority{}).Thousandths(); ok {
		t.Error("absent priority has a value")
	}
	for _, s := range []string{"", ".5", "05", "1.", "0.", "1.001", "0.1234", "2", "-0", "+1", "0,5", "0x1", "1e0", " 1", "0.5 ", "0.٠"} {
		if p, err := pidf.ParsePriority(s); err == nil || p != (pidf.Priority{}) {
			t.Errorf("ParsePriority(%q): got %v, %v", s, p, err)
		}
	}
	for n := range 1001 {
		s := fmt.Sprintf("%d.%03d", n/1000, n%1000)
		if got, ok := priority(s).Thousandths(); got != n || !ok {
			t.Errorf("%s: got %d", s, got)
		}
	}
}

// TestView covers R2778-instant-inbox-address, R2778-communication-means,
// R2778-contact-address, R2779-4.4.3 and R3863-4.1.2-conflict as far as a document tells.
func TestView(t *testing.T) {
	tuple := func(id string, b pidf.Basic, uri, prio string) pidf.Tuple {
		c := &pidf.Contact{URI: uri}
		if prio != "" {
			c.Priority = priority(prio)
		}
		return pidf.Tuple{ID: id, Status: pidf.Status{Basic: b}, Contact: c}
	}
	p := &pidf.Presence{Tuples: []pidf.Tuple{
		tuple("a", pidf.Open, "im:none@example.com", ""),
		tuple("b", pidf.Open, "IM:low@example.com", "0.1"),
		tuple("c", pidf.Closed, "im:closed@example.com", "1"),
		tuple("d", pidf.Open, "tel:+1", "1"),
		tuple("e", pidf.Open, "im:high@example.com", "0.9"),
		{ID: "f", Status: pidf.Status{Basic: pidf.Open}},
	}}
	var got []string
	for _, c := range p.Inboxes() {
		means, address := c.Means()
		got = append(got, means+" "+address)
	}
	if diff := cmp.Diff([]string{"im high@example.com", "im low@example.com", "im none@example.com"}, got); diff != "" {
		t.Errorf("inboxes (-want +got):\n%s", diff)
	}
	if got := p.Basic(); got != pidf.Open {
		t.Errorf("got %q, want open", got)
	}
	if got := (&pidf.Presence{Tuples: p.Tuples[2:3]}).Basic(); got != pidf.Closed {
		t.Errorf("got %q, want closed", got)
	}
	if got := (&pidf.Presence{}).Basic(); got != pidf.Absent {
		t.Errorf("got %q, want absent", got)
	}
	q := &pidf.Presence{Notes: []pidf.Note{{Text: "all"}}, Persons: []pidf.Person{{}, {Notes: []pidf.Note{{Text: "own"}}}}}
	if q.NotesFor(&q.Persons[0])[0].Text != "all" || q.NotesFor(&q.Persons[1])[0].Text != "own" {
		t.Error("notes of persons are not those of RFC 4479 section 5")
	}
}

// TestParseMedia covers R3863-3.1-a, R3863-3.1-c, R3863-4.1-charset-precedence
// and R3863-5.1-charset.
func TestParseMedia(t *testing.T) {
	plain, latin := readVector(t, "utf8-notes"), readVector(t, "encoding-iso-8859-1")
	tests := []struct {
		label string
		doc   []byte
		want  string
	}{
		{pidf.ContentType, plain, ""},
		{"application/pidf+xml", plain, ""},
		{"Application/PIDF+XML; Charset=\"utf-8\"", plain, ""},
		{"application/pidf+xml", latin, "encoding ISO-8859-1 is not supported"},
		{pidf.ContentType, latin, ""},
		{"application/pidf+xml; charset=ISO-8859-1", plain, `charset "ISO-8859-1" is not supported`},
		{"application/xml", plain, "is not application/pidf+xml"},
		{"application/pidf-diff+xml", plain, "is not application/pidf+xml"},
		{"", plain, "content type"},
	}
	for _, tt := range tests {
		p, err := pidf.ParseMedia(tt.label, tt.doc)
		if (p != nil) != (tt.want == "") || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.label, err, tt.want)
		}
	}
}

// TestRPID covers what RFC 4480 and RFC 4482 say and their schemas do not.
func TestRPID(t *testing.T) {
	person := func(name string) pidf.Person { return mustParse(t, readVector(t, name)).Persons[0] }

	full := person("rfc4480-4")
	if got := full.Activities[0]; !slices.Equal(got.Values, []rpid.Activity{rpid.Away}) || got.Notes[0].Text != "Far away" || got.Until.Sub(got.From) != 5*time.Hour {
		t.Errorf("activities: got %+v", got)
	}
	if got := full.Moods[0]; !slices.Equal(got.Values, []rpid.Mood{rpid.Angry}) || got.Other[0].Text != "brooding" {
		t.Errorf("mood: got %+v", got)
	}
	if full.Class != "calendar" || full.Spheres[0].Text != "bowling league" || len(full.Ext) != 0 || full.Notes[0].Text != "Scoring 120" {
		t.Errorf("person: got %+v", full)
	}
	doc := mustParse(t, readVector(t, "rfc4480-4"))
	if d := doc.Devices[0]; d.UserInput.State != rpid.Idle || d.UserInput.IdleThreshold != 10*time.Minute || d.DeviceID != "urn:device:0003ba4811e3" {
		t.Errorf("device: got %+v", d)
	}
	if u := doc.Tuples; u[1].Relationship.Value != rpid.Assistant || u[2].Class != "email" || u[0].DeviceIDs[0] != "urn:device:0003ba4811e3" {
		t.Errorf("tuples: got %+v", u)
	}
	if got := person("rfc4482-4-cipid-mended"); got.DisplayNames[0].Text != "Alice Lewis" || got.Links.Sound != "http://example.com/~alice/hello.wav" || len(got.Ext) != 0 {
		t.Errorf("display name: got %+v", got)
	}
	if got := person("activities-lunch").Activities[0].Values; !slices.Equal(got, []rpid.Activity{rpid.Lunch}) {
		t.Errorf("lunch: got %v", got)
	}
	out, err := mustParse(t, readVector(t, "activities-lunch")).Marshal()
	if err != nil || !strings.Contains(string(out), "<rpid:meal/>") {
		t.Errorf("lunch is written as %s, %v", out, err)
	}
	if got := person("activities-malformed-kept"); len(got.Activities)+len(got.Moods) != 0 || got.UserInput != nil || len(got.Ext) != 6 {
		t.Errorf("malformed: got %+v", got)
	}
	if got := person("activities-foreign-mustunderstand"); len(got.Activities) != 0 || !got.Ext[0].MustUnderstand {
		t.Errorf("foreign mark: got %+v", got)
	}
}

// TestLenient shows what the lenient reader makes of broken documents.
func TestLenient(t *testing.T) {
	read := func(name string) *pidf.Presence {
		p, err := pidf.ParseLenient(readVector(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := read("entity-qualified"); p.Entity != "" {
		t.Errorf("qualified entity was taken: %q", p.Entity)
	}
	if p := read("entity-both"); p.Entity != "pres:someone@example.com" {
		t.Errorf("got entity %q", p.Entity)
	}
	if p := read("entity-sip"); p.Entity != "sip:someone@example.com" {
		t.Errorf("got entity %q", p.Entity)
	}
	if s := read("basic-padded").Tuples[0].Status; s.Basic != pidf.Open {
		t.Errorf("padded basic: got %q", s.Basic)
	}
	if s := read("basic-capital").Tuples[0].Status; s.Basic != pidf.Absent {
		t.Errorf("Open: got %q", s.Basic)
	}
	if s := read("basic-twice").Tuples[0].Status; s.Basic != pidf.Open {
		t.Errorf("two basics: got %q", s.Basic)
	}
	if got := read("timestamp-padded").Tuples[0].Timestamp; got.IsZero() {
		t.Error("padded timestamp was left out")
	}
	if got := read("timestamp-no-offset").Tuples[0].Timestamp; !got.IsZero() {
		t.Errorf("time without offset: got %v", got)
	}
	if got := read("presence-note-before-tuple"); len(got.Tuples) != 1 || len(got.Notes) != 1 {
		t.Errorf("order: got %+v", got)
	}
	if got := read("extension-before-status").Tuples[0]; got.Status.Basic != pidf.Open || len(got.Ext) != 1 {
		t.Errorf("order: got %+v", got)
	}
	if got := read("no-xml-declaration"); got.Tuples[0].Contact.URI != "im:someone@example.com" {
		t.Errorf("declaration: got %+v", got)
	}
}
