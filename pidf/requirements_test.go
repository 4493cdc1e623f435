package pidf_test

import (
	"go/parser"
	"go/token"
	"mime"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/rpid"
)

// TestParts covers R2778-presence-tuple, R2779-3.1.3, R2779-4.4.1, R2779-4.4.3,
// R3863-2.1-a, R3863-2.2-a and R3863-4.1.2-contact-optional: every part stays
// with its tuple, and every part but the status may be missing.
func TestParts(t *testing.T) {
	open := pidf.Status{Basic: pidf.Open}
	ext := []pidf.Element{{NS: "urn:example:x", Name: "x", Raw: []byte(`<x xmlns="urn:example:x"/>`)}}
	want := &pidf.Presence{Entity: "pres:a@example.com", Tuples: []pidf.Tuple{
		{ID: "bare", Status: open},
		{ID: "contact", Status: open, Contact: &pidf.Contact{URI: "im:a@example.com", Priority: priority("1")}},
		{ID: "ext", Status: open, Ext: ext},
		{ID: "both", Status: open, Contact: &pidf.Contact{URI: "mailto:a@example.com"}, Ext: ext},
		{ID: "phone", Status: pidf.Status{Basic: pidf.Closed}, Contact: &pidf.Contact{URI: "tel:+4930123456"}},
	}, Persons: []pidf.Person{{ID: "a", Links: pidf.Links{Card: "https://example.com/a.vcf"}}}}
	doc, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got := mustParse(t, doc)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if ready := got.Inboxes(); len(ready) != 1 || ready[0].URI != "im:a@example.com" {
		t.Errorf("inboxes: got %v", ready)
	}
}

// TestNamespaces covers R2779-3.1.6 and R3863-4.1.1-xmlns: the writer declares
// PIDF on the root, and no namespace but those of five RFCs.
func TestNamespaces(t *testing.T) {
	ours := []string{pidf.Namespace, pidf.DataModel, rpid.Namespace, pidf.CIPID, rpid.LocationType}
	declaration := regexp.MustCompile(`xmlns(?::[a-z]+)?="([^"]*)"`)
	for name, p := range written() {
		doc, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		text := string(doc)
		for _, e := range elements(p) {
			text = strings.ReplaceAll(text, string(e.Raw), "")
		}
		found := declaration.FindAllStringSubmatch(text, -1)
		if len(found) == 0 || found[0][1] != pidf.Namespace || !strings.Contains(text, "?><presence xmlns=") {
			t.Errorf("%s: PIDF is not declared first on the root: %s", name, text)
		}
		for _, m := range found {
			if !slices.Contains(ours, m[1]) {
				t.Errorf("%s: namespace %s", name, m[1])
			}
		}
	}
}

// TestLabel covers R3863-3.1-a and R3863-3.1-b.
func TestLabel(t *testing.T) {
	media, params, err := mime.ParseMediaType(pidf.ContentType)
	if err != nil || media != "application/pidf+xml" || params["charset"] != "UTF-8" {
		t.Errorf("got %s, %v, %v", media, params, err)
	}
}

// TestContents covers R3863-3.2-a and R3863-2.1-d: the types have the members of
// the format, extensions, and the words of RFC 4479, 4480 and 4482.
func TestContents(t *testing.T) {
	want := map[reflect.Type]string{
		reflect.TypeFor[pidf.Presence](): "Entity Tuples Notes Persons Devices Ext",
		reflect.TypeFor[pidf.Tuple]():    "ID Status DeviceIDs Relationship ServiceClass Class UserInput Privacy StatusIcons DisplayNames Links Ext Contact Notes Timestamp",
		reflect.TypeFor[pidf.Status]():   "Basic Ext",
		reflect.TypeFor[pidf.Contact]():  "URI Priority",
	}
	for typ, names := range want {
		var got []string
		for i := range typ.NumField() {
			got = append(got, typ.Field(i).Name)
		}
		if diff := cmp.Diff(strings.Fields(names), got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", typ, diff)
		}
	}
}

// TestImports covers R3863-4.4-not-on-the-fly: checks are coded, and no schema
// processor, network or encoding/xml comes near them.
func TestImports(t *testing.T) {
	allowed := []string{
		"cmp", "errors", "fmt", "mime", "slices", "strconv", "strings", "time", "unicode/utf8",
		"github.com/kith-im/kith/internal/rfc3339", "github.com/kith-im/kith/internal/xmlscan", "github.com/kith-im/kith/pidf/rpid",
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if path := strings.Trim(spec.Path.Value, `"`); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
	}
}

// TestMarshalLimit writes a document of MaxSize octets and refuses one more.
func TestMarshalLimit(t *testing.T) {
	p := &pidf.Presence{Entity: "pres:a@example.com", Notes: []pidf.Note{{}}}
	doc, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	room := pidf.MaxSize - len(doc)
	p.Notes[0].Text = strings.Repeat("x", room)
	doc, err = p.Marshal()
	if err != nil || len(doc) != pidf.MaxSize {
		t.Fatalf("got %d octets, %v", len(doc), err)
	}
	mustParse(t, doc)
	p.Notes[0].Text += "x"
	checkRefused(t, p, "document is too large")
}
