package pidf_test

import (
	"encoding/xml"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/pidf"
)

// The document of both benchmarks is about 1.5 KB of PIDF with RPID and the
// data model, as a client with indentation writes it.
func benchDoc(tb testing.TB) []byte {
	tb.Helper()
	doc, err := os.ReadFile("testdata/bench.xml")
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

// The structs below are what a program would hand to encoding/xml for the same
// document: the measure for ours.
type xmlPresence struct {
	XMLName xml.Name    `xml:"urn:ietf:params:xml:ns:pidf presence"`
	Entity  string      `xml:"entity,attr"`
	Tuples  []xmlTuple  `xml:"urn:ietf:params:xml:ns:pidf tuple"`
	Notes   []xmlNote   `xml:"urn:ietf:params:xml:ns:pidf note"`
	Persons []xmlPerson `xml:"urn:ietf:params:xml:ns:pidf:data-model person"`
	Devices []xmlDevice `xml:"urn:ietf:params:xml:ns:pidf:data-model device"`
}

type xmlNote struct {
	Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr,omitempty"`
	Text string `xml:",chardata"`
}

type xmlTuple struct {
	ID        string     `xml:"id,attr"`
	Basic     string     `xml:"urn:ietf:params:xml:ns:pidf status>basic"`
	DeviceID  []string   `xml:"urn:ietf:params:xml:ns:pidf:data-model deviceID"`
	Relation  *xmlAny    `xml:"urn:ietf:params:xml:ns:pidf:rpid relationship"`
	Class     string     `xml:"urn:ietf:params:xml:ns:pidf:rpid class,omitempty"`
	Contact   xmlContact `xml:"urn:ietf:params:xml:ns:pidf contact"`
	Notes     []xmlNote  `xml:"urn:ietf:params:xml:ns:pidf note"`
	Timestamp string     `xml:"urn:ietf:params:xml:ns:pidf timestamp,omitempty"`
}

type xmlContact struct {
	Priority string `xml:"priority,attr,omitempty"`
	URI      string `xml:",chardata"`
}

type xmlAny struct {
	XMLName xml.Name
	From    string    `xml:"from,attr,omitempty"`
	Until   string    `xml:"until,attr,omitempty"`
	Notes   []xmlNote `xml:"urn:ietf:params:xml:ns:pidf:rpid note"`
	Words   []xmlWord `xml:",any"`
	Text    string    `xml:",chardata"`
}

type xmlWord struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
}

type xmlInput struct {
	Threshold string `xml:"idle-threshold,attr,omitempty"`
	Last      string `xml:"last-input,attr,omitempty"`
	State     string `xml:",chardata"`
}

type xmlPerson struct {
	ID         string    `xml:"id,attr"`
	Activities *xmlAny   `xml:"urn:ietf:params:xml:ns:pidf:rpid activities"`
	Mood       *xmlAny   `xml:"urn:ietf:params:xml:ns:pidf:rpid mood"`
	Sphere     *xmlAny   `xml:"urn:ietf:params:xml:ns:pidf:rpid sphere"`
	Name       []xmlNote `xml:"urn:ietf:params:xml:ns:pidf:cipid display-name"`
	Ext        []xmlAny  `xml:",any"`
	Notes      []xmlNote `xml:"urn:ietf:params:xml:ns:pidf:data-model note"`
	Timestamp  string    `xml:"urn:ietf:params:xml:ns:pidf:data-model timestamp,omitempty"`
}

type xmlDevice struct {
	ID        string    `xml:"id,attr"`
	Input     *xmlInput `xml:"urn:ietf:params:xml:ns:pidf:rpid user-input"`
	DeviceID  string    `xml:"urn:ietf:params:xml:ns:pidf:data-model deviceID"`
	Notes     []xmlNote `xml:"urn:ietf:params:xml:ns:pidf:data-model note"`
	Timestamp string    `xml:"urn:ietf:params:xml:ns:pidf:data-model timestamp,omitempty"`
}

// TestBenchDoc keeps the comparison fair: both read the same things.
func TestBenchDoc(t *testing.T) {
	doc := benchDoc(t)
	if n := len(doc); n < 1400 || n > 2000 {
		t.Errorf("document has %d octets", n)
	}
	p := mustParse(t, doc)
	var x xmlPresence
	if err := xml.Unmarshal(doc, &x); err != nil {
		t.Fatal(err)
	}
	got := []string{x.Entity, x.Tuples[0].Basic, x.Tuples[0].Contact.URI, x.Persons[0].Activities.Words[0].XMLName.Local, x.Devices[0].Input.State, x.Persons[0].Name[0].Text}
	want := []string{p.Entity, string(p.Tuples[0].Status.Basic), p.Tuples[0].Contact.URI, string(p.Persons[0].Activities[0].Values[0]), string(p.Devices[0].UserInput.State), p.Persons[0].DisplayNames[0].Text}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-pidf +encoding/xml):\n%s", diff)
	}
	theirs := testing.AllocsPerRun(100, func() { _ = xml.Unmarshal(doc, new(xmlPresence)) })
	if n := testing.AllocsPerRun(100, func() { mustParse(t, doc) }); n*10 > theirs {
		t.Errorf("Parse makes %v allocations, want at most a tenth of the %v of encoding/xml", n, theirs)
	}
}

func BenchmarkParse(b *testing.B) {
	doc := benchDoc(b)
	b.Run("pidf", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			if _, err := pidf.Parse(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			var x xmlPresence
			if err := xml.Unmarshal(doc, &x); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMarshal(b *testing.B) {
	p := mustParse(b, benchDoc(b))
	var x xmlPresence
	if err := xml.Unmarshal(benchDoc(b), &x); err != nil {
		b.Fatal(err)
	}
	b.Run("pidf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Marshal(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := xml.Marshal(&x); err != nil {
				b.Fatal(err)
			}
		}
	})
}
