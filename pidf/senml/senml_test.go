package senml_test

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/senml"
)

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name + ".xml")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func parse(tb testing.TB, b []byte) senml.Pack {
	tb.Helper()
	p, err := senml.Parse(b)
	if err != nil {
		tb.Fatalf("%s: %v", b, err)
	}
	return p
}

func resolve(tb testing.TB, p senml.Pack, now time.Time) senml.Pack {
	tb.Helper()
	r, err := p.Resolve(now)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// now is the moment that relative times of the tests refer to.
var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// TestExamples reads, writes and resolves every example of RFC 8428.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) < 11 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		checkStable(t, parse(t, b))
	}
	want := parse(t, file(t, "rfc8428-5.1.4"))
	if diff := cmp.Diff(want, resolve(t, parse(t, file(t, "rfc8428-5.1.3")), now)); diff != "" {
		t.Errorf("resolved example of section 5.1.4 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, resolve(t, want, now)); diff != "" {
		t.Errorf("a resolved pack changes (-want +got):\n%s", diff)
	}
	lamp := resolve(t, parse(t, file(t, "rfc8428-5.1.7")), now)
	if len(lamp) != 3 || lamp[0].Name != "urn:dev:ow:10e2073a01080063:temp" || lamp[0].At() != now {
		t.Errorf("got %v", lamp)
	}
	if r := resolve(t, parse(t, file(t, "rfc8428-7")), now); len(r) != 7 || *r[0].BaseVersion != 5 || *r[1].Unit != "A" || r[6].Time != 1276020076.001 ||
		r[5].Name != "urn:dev:ow:10e2073a0108006:voltage" && r[5].Name != "urn:dev:ow:10e2073a0108006:current" {
		t.Errorf("got %v", r)
	}
}

// checkStable writes p and reads it again.
func checkStable(t *testing.T, p senml.Pack) []byte {
	t.Helper()
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, parse(t, b)); diff != "" {
		t.Fatalf("(-written +read):\n%s", diff)
	}
	e, err := p.Element()
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := senml.FromElement(e)
	if diff := cmp.Diff(p, got); diff != "" || !ok || err != nil {
		t.Fatalf("%v, %v (-written +read):\n%s", ok, err, diff)
	}
	return b
}

// TestTuple carries a pack through a presence document: it covers R3863-2.1-d,
// R3863-4.2-extend and R3863-4.2.4-basic-too for this extension.
func TestTuple(t *testing.T) {
	p := resolve(t, parse(t, file(t, "rfc8428-5.1.5")), now)
	e, err := p.Element()
	if err != nil {
		t.Fatal(err)
	}
	doc := &pidf.Presence{Entity: "pres:station@example.com", Tuples: []pidf.Tuple{{ID: "t", Status: pidf.Status{Basic: pidf.Open}, Ext: []pidf.Element{e}}}}
	b, err := doc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := pidf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := senml.FromElement(back.Tuples[0].Ext[0])
	if diff := cmp.Diff(p, got); diff != "" || !ok || err != nil {
		t.Errorf("%v, %v (-want +got):\n%s", ok, err, diff)
	}
	if p, ok, err := senml.FromElement(pidf.Element{NS: "urn:x", Name: "sensml"}); p != nil || ok || err != nil {
		t.Errorf("another element: got %v, %v, %v", p, ok, err)
	}
	if p, ok, err := senml.FromElement(pidf.Element{NS: senml.Namespace, Name: "sensml", Raw: []byte("<sensml/>")}); p != nil || !ok || err == nil {
		t.Errorf("malformed: got %v, %v, %v", p, ok, err)
	}
}

const (
	head = `<sensml xmlns="urn:ietf:params:xml:ns:senml">`
	tail = `</sensml>`
)

func TestNumbers(t *testing.T) {
	good := map[string]float64{
		"1": 1, "-1": -1, "+1": 1, "1.": 1, ".5": 0.5, "1e3": 1000, "1E-3": 0.001, "1e+3": 1000, " 2\n": 2, "00012": 12, "1.1": 1.1, "1.10": 1.1,
		"1.7976931348623157e308": math.MaxFloat64, "5e-324": 5e-324, "1e-400": 0, "0.1234567890123456789012345678901234567890": 0.12345678901234568,
	}
	for s, want := range good {
		p := parse(t, []byte(head+`<senml n="a" v="`+s+`"/>`+tail))
		if got := *p[0].Value; got != want {
			t.Errorf("%s: got %v", s, got)
		}
		checkStable(t, p)
	}
	for _, s := range []string{"", " ", "+", ".", "1,5", "1e", "e5", "0x10", "0x1p-2", "1_000", "INF", "-INF", "NaN", "inf", "infinity", "1e309", "1 2", "--1", "1f", "\u0661", "1\u00a0"} {
		for _, field := range []string{"v", "s", "t", "ut", "bt", "bv", "bs"} {
			p, err := senml.Parse([]byte(head + `<senml n="a" vb="1" ` + field + `="` + s + `"/>` + tail))
			if _, ok := errors.AsType[*senml.SyntaxError](err); p != nil || !ok || !strings.Contains(err.Error(), field+" is ") {
				t.Errorf("%s=%q: got %v, %v", field, s, p, err)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	tests := []struct{ records, want string }{
		{``, "without records"}, {`<senml/>`, "without value"}, {`<senml n="a"/>`, "without value"}, {`<senml n="a" v="1" vs="1"/>`, "more than one"},
		{`<senml n="a" vb="1" vd=""/>`, "more than one"}, {`<senml v="1"/>`, "name"}, {`<senml n="a b" v="1"/>`, "name"}, {`<senml n=":a" v="1"/>`, "name"}, {`<senml bn="-" n="a" v="1"/>`, "name"},
		{`<senml n="\u00e9" v="1"/>`, "name"}, {`<senml n="a" vb="TRUE"/>`, "boolean"}, {`<senml n="a" vd="aGkgCg=="/>`, "base64"}, {`<senml n="a" vd="a+/b"/>`, "base64"},
		{`<senml n="a" vd="aGkg&#10;Cg"/>`, "base64"}, {`<senml n="a" vd="aGkgCh"/>`, "base64"}, {`<senml n="a" v="1" bver="0"/>`, "positive"}, {`<senml n="a" v="1" bver="11"/>`, "not supported"},
		{`<senml n="a" v="1" bver="1.0"/>`, "integer"}, {`<senml n="a" v="1" bver="99999999999"/>`, "integer"}, {`<senml n="a" v="1"/><senml bver="5" n="a" v="1"/>`, "different versions"},
		{`<senml n="a" v="1" x_="1"/>`, "understood"}, {`<x y_="1"/><senml n="a" v="1"/>`, "understood"}, {`<senml n="a" v="1"><x><y z_=""/></x></senml>`, "understood"}, {`<senml n="a" v="1" q:x_="1" xmlns:q="u"/>`, "understood"},
		{`text<senml n="a" v="1"/>`, "text in sensml"}, {`<senml n="a" v="1">text</senml>`, "text in senml"}, {`<senml bv="1.7e308" n="a" v="1.7e308"/>`, "not finite"}, {`<senml bt="-1.7e308" n="a" t="-1.7e308" v="1"/>`, "not finite"},
		{`<senml n="a" v="1" v="2"/>`, "duplicate"}, {`<senml xmlns="" n="a" v="1"/>`, "without records"},
	}
	for _, tt := range tests {
		p, err := senml.Parse([]byte("\n" + head + strings.ReplaceAll(tt.records, `\u00e9`, "\u00e9") + tail))
		x, ok := errors.AsType[*senml.SyntaxError](err)
		if p != nil || !ok || x.Line != 2 || x.Section == "" || !strings.Contains(x.Msg, tt.want) {
			t.Errorf("%s: got %v, want %s", tt.records, err, tt.want)
		}
	}
	for _, doc := range []string{"", "<sensml/>", strings.Replace(head, "sensml", "senml", 1) + "</senml>", head} {
		if p, err := senml.Parse([]byte(doc)); p != nil || err == nil {
			t.Errorf("%s: got %v", doc, p)
		}
	}
}

// TestResolve covers the base fields one by one (RFC 8428 sections 4.1 to 4.6).
func TestResolve(t *testing.T) {
	unix := float64(now.Unix())
	tests := []struct {
		records string
		want    senml.Pack
	}{
		{`<senml bn="x:" n="a" v="1"/><senml v="2"/><senml bn="" n="b" v="3"/>`, senml.Pack{{Name: "x:a", Time: unix, Value: new(1.0)}, {Name: "x:", Time: unix, Value: new(2.0)}, {Name: "b", Time: unix, Value: new(3.0)}}},
		{`<senml bu="V" n="a" v="1"/><senml n="b" u="" v="2"/>`, senml.Pack{{Name: "a", Time: unix, Unit: new("V"), Value: new(1.0)}, {Name: "b", Time: unix, Unit: new(""), Value: new(2.0)}}},
		{`<senml bv="10" n="a" v="1"/><senml n="b" vs="s"/><senml n="c" s="1"/><senml n="d"/>`, senml.Pack{{Name: "a", Time: unix, Value: new(11.0)}, {Name: "b", Time: unix, String: new("s")}, {Name: "c", Time: unix, Sum: new(1.0)}, {Name: "d", Time: unix, Value: new(10.0)}}},
		{`<senml bs="5" n="a" s="1"/><senml n="b"/>`, senml.Pack{{Name: "a", Time: unix, Sum: new(6.0)}, {Name: "b", Time: unix, Sum: new(5.0)}}},
		{`<senml n="a" t="1" v="1"/><senml n="b" t="-10" vb="0"/><senml n="c" t="268435456" vd=""/>`, senml.Pack{{Name: "c", Time: 268435456, Data: []byte{}}, {Name: "b", Time: unix - 10, Bool: new(false)}, {Name: "a", Time: unix + 1, Value: new(1.0)}}},
		{`<senml bt="268435455"/><senml n="a" t="1" ut="60" v="1"/>`, senml.Pack{{Name: "a", Time: 268435456, UpdateTime: new(60.0), Value: new(1.0)}}},
		{`<senml bver="5" n="a" v="1"/><senml n="b" v="1"/>`, senml.Pack{{Name: "a", Time: unix, BaseVersion: new(5), Value: new(1.0)}, {Name: "b", Time: unix, BaseVersion: new(5), Value: new(1.0)}}},
		{`<senml bver="10" n="a" v="1"/><x xmlns="urn:x"/><other/><senml n="b" v="1" q="1"/>`, senml.Pack{{Name: "a", Time: unix, Value: new(1.0)}, {Name: "b", Time: unix, Value: new(1.0)}}},
		{`<senml bn="x"/>`, senml.Pack{}},
	}
	for _, tt := range tests {
		p := parse(t, []byte(head+tt.records+tail))
		if diff := cmp.Diff(tt.want, resolve(t, p, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.records, diff)
		}
	}
	for _, at := range []string{"-1e9", "2.6e11"} {
		p := parse(t, []byte(head+`<senml n="a" v="1" t="`+at+`"/>`+tail))
		if got, err := p.Resolve(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)); got != nil || err == nil {
			t.Errorf("t=%s: got %v, %v", at, got, err)
		}
	}
	if got, err := (senml.Pack{}).Resolve(now); got != nil || err == nil {
		t.Errorf("empty pack: got %v, %v", got, err)
	}
	if r := (senml.Record{Time: -5}); !r.At().IsZero() {
		t.Error("a relative time has an instant")
	}
	if r := (senml.Record{Time: 1320067464.5}); !r.At().Equal(time.Date(2011, 10, 31, 13, 24, 24, 5e8, time.UTC)) {
		t.Errorf("got %v", r.At())
	}
}

func TestMarshalRefuses(t *testing.T) {
	one := 1.0
	tests := map[string]senml.Pack{
		"without records":  {},
		"more than one":    {{Name: "a", Value: &one, Bool: new(true)}},
		"not finite":       {{Name: "a", Value: new(math.NaN())}},
		"XML excludes":     {{Name: "a", String: new("\x00")}},
		"name is":          {{Name: "a b", Value: &one}},
		"not supported":    {{Name: "a", Value: &one, BaseVersion: new(11)}},
		"too many records": make(senml.Pack, senml.MaxRecords+1),
		"too large":        {{Name: "a", String: new(strings.Repeat("x", senml.MaxSize))}},
	}
	for want, p := range tests {
		b, err := p.Marshal()
		if _, ok := errors.AsType[*senml.SyntaxError](err); b != nil || !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v", want, b, err)
		}
		if e, err := p.Element(); e.Raw != nil || err == nil {
			t.Errorf("%s: got %s, %v", want, e.Raw, err)
		}
	}
}

// TestLimits: MaxSize and MaxRecords, each at the limit and beyond.
func TestLimits(t *testing.T) {
	record := `<senml n="a" v="1"/>`
	parse(t, []byte(head+strings.Repeat(record, senml.MaxRecords)+tail))
	if p, err := senml.Parse([]byte(head + strings.Repeat(record, senml.MaxRecords+1) + tail)); p != nil || err == nil {
		t.Errorf("got %d records, %v", len(p), err)
	}
	doc := head + record + tail
	doc += strings.Repeat("\n", senml.MaxSize-len(doc))
	parse(t, []byte(doc))
	if p, err := senml.Parse([]byte(doc + "\n")); p != nil || err == nil {
		t.Errorf("got %v, %v", p, err)
	}
}

// TestSchema holds the examples and all that is written to the schema of RFC
// 8428.
func TestSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian package libxml2-utils); schema not checked")
	}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	packs := []senml.Pack{{{
		BaseName: new("urn:"), BaseTime: new(-1e-9), BaseUnit: new("<\"&\n"), BaseValue: new(1e300), BaseSum: new(-5e-324), BaseVersion: new(10),
		Name: "x", Unit: new("%RH"), Time: 1e9, UpdateTime: new(0.0), Value: new(1.5), Sum: new(-2.5),
	}, {Name: "b", Bool: new(false)}, {Name: "c", Data: []byte{0xfb, 0xff}}, {Name: "d", String: new("\t\u00e9")}}}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		packs = append(packs, parse(t, b), resolve(t, parse(t, b), now))
	}
	dir := t.TempDir()
	for i, p := range packs {
		name := filepath.Join(dir, string(rune('A'+i))+".xml")
		if err := os.WriteFile(name, checkStable(t, p), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	out, err := exec.Command(xmllint, append([]string{"--nonet", "--noout", "--relaxng", "testdata/schema/senml.rng"}, files...)...).CombinedOutput()
	if err != nil || strings.Count(string(out), " validates\n") != len(files) {
		t.Errorf("%v\n%s", err, out)
	}
}

// FuzzParse: no panic; nil with an error; what is accepted can be written and
// reads as the same value; what can be resolved stays as it is when resolved
// again.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"rfc8428-7", "rfc8428-5.1.5", "rfc8428-5.1.7"} {
		f.Add(file(f, name))
	}
	f.Add([]byte(head + `<senml bn="a" bv="1e300" bs=".1" bver="3" t="-5" ut="1" vd="_-8"/><x y="&#10;"/>` + tail))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := senml.Parse(b)
		if err != nil {
			if _, ok := errors.AsType[*senml.SyntaxError](err); p != nil || !ok {
				t.Fatalf("got %v, %v", p, err)
			}
			return
		}
		if out, err := p.Marshal(); err == nil {
			if diff := cmp.Diff(p, parse(t, out)); diff != "" {
				t.Fatalf("(-first +second):\n%s", diff)
			}
		} else if !strings.Contains(err.Error(), "too large") {
			t.Fatal(err)
		}
		r, err := p.Resolve(now)
		if err != nil || len(r) == 0 {
			return
		}
		again, err := r.Resolve(now.Add(time.Hour))
		if diff := cmp.Diff(r, again); diff != "" || err != nil {
			t.Fatalf("%v (-first +second):\n%s", err, diff)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	doc := file(b, "rfc8428-5.1.3")
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := senml.Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	p := parse(b, file(b, "rfc8428-5.1.3"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	p := parse(b, file(b, "rfc8428-5.1.3"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Resolve(now); err != nil {
			b.Fatal(err)
		}
	}
}
