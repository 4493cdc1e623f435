package winfo_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/pidf/winfo"
)

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name + ".xml")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func parse(tb testing.TB, b []byte) *winfo.Document {
	tb.Helper()
	d, err := winfo.Parse(b)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func list(resource string, watchers ...winfo.Watcher) winfo.List {
	return winfo.List{Resource: resource, Package: "presence", Watchers: watchers}
}

// TestExamples reads the documents printed in RFC 3857 and RFC 3858: the format's
// side of R2778-watcher-information.
func TestExamples(t *testing.T) {
	joe := winfo.Watcher{ID: "77ajsyy76", Status: winfo.Pending, Event: winfo.Subscribe, URI: "sip:A@example.com"}
	approved := joe
	approved.Status, approved.Event = winfo.Active, winfo.Approved
	tests := map[string]*winfo.Document{
		"rfc3858-5": {Full: true, Lists: []winfo.List{list("sip:professor@example.net",
			winfo.Watcher{ID: "8ajksjda7s", Status: winfo.Active, Event: winfo.Approved, URI: "sip:userA@example.net", Subscribed: new(uint64(509))},
			winfo.Watcher{ID: "hh8juja87s997-ass7", Status: winfo.Pending, Event: winfo.Subscribe, URI: "sip:userB@example.org", DisplayName: "Mr. Subscriber"})}},
		"rfc3857-3.1": {Full: true, Lists: []winfo.List{list("sip:B@example.com",
			winfo.Watcher{ID: "7768a77s", Status: winfo.Pending, Event: winfo.Subscribe, URI: "sip:A@example.com"})}},
		"rfc3857-5-first":  {Full: true, Lists: []winfo.List{list("sip:joe@example.com", joe)}},
		"rfc3857-5-second": {Version: 1, Lists: []winfo.List{list("sip:joe@example.com", approved)}},
	}
	for name, want := range tests {
		if diff := cmp.Diff(want, parse(t, file(t, name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	s, err := winfo.State{}.Next(tests["rfc3857-5-first"])
	if err != nil {
		t.Fatal(err)
	}
	s, err = s.Next(tests["rfc3857-5-second"])
	want := winfo.State{Version: 1, Begun: true, Lists: []winfo.List{list("sip:joe@example.com", approved)}}
	if diff := cmp.Diff(want, s); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

const (
	head  = `<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="0" state="full">`
	group = `<watcher-list resource="pres:a@b" package="presence">`
	one   = `<watcher id="1" status="active" event="approved">pres:c@d</watcher>`
	good  = head + group + one + `</watcher-list></watcherinfo>`
)

func TestAccepts(t *testing.T) {
	for _, change := range [][2]string{
		{"", ""}, {`version="0"`, `version=" +4294967295"`}, {`version="0"`, `version="-0"`},
		{one, ""}, {group + one + "</watcher-list>", ""}, {">pres:c@d<", ">\n pres:c@d <"},
		{"</watcher-list>", `<x xmlns="urn:x">1</x></watcher-list><y:y xmlns:y="urn:y"/>`},
		{` id="1"`, ` x:y="1" xmlns:x="urn:x" id="1"`}, {` id="1"`, ` id="a-.!%*_+` + "`" + `'~1"`},
		{` id="1"`, ` id="1" xml:lang="en-GB" display-name="A &amp; B" expiration="18446744073709551615" duration-subscribed="0"`},
	} {
		if _, err := winfo.Parse([]byte(strings.Replace(good, change[0], change[1], 1))); err != nil {
			t.Errorf("%s: %v", change[1], err)
		}
	}
}

func TestRefuses(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{`version="0" `, "", "without version"}, {`version="0"`, `version="-1"`, "32 bits"}, {`version="0"`, `version="4294967296"`, "32 bits"}, {`version="0"`, `version="1.0"`, "32 bits"},
		{`state="full"`, `state="Full"`, "neither full"}, {` state="full"`, "", "neither full"}, {` state="full"`, ` state="full" x="1"`, "unknown attribute x"},
		{`ns:watcherinfo"`, `ns:watcher"`, "root element"}, {head, head + "text", "text in"}, {group, group + "text", "text in"},
		{`resource="pres:a@b"`, `resource="a"`, "resource"}, {`resource="pres:a@b"`, `resource="pres:a b"`, "resource"}, {`resource="pres:a@b" `, "", "resource"},
		{`package="presence"`, `package=""`, "package"}, {` id="1"`, "", "id is not"}, {` id="1"`, ` id="1 2"`, "id is not"}, {one, one + one, "twice"},
		{`"active"`, `"init"`, "unknown status"}, {`"approved"`, `"Approved"`, "unknown event"}, {"pres:c@d", "c@d", "absolute URI"}, {"pres:c@d", "<x/>pres:c@d", "element in watcher"},
		{"pres:c@d", `pres:c@d<x xmlns="urn:x"/>`, "element in watcher"}, {` id="1"`, ` id="1" expiration="-1"`, "seconds"}, {` id="1"`, ` id="1" xml:lang="e n"`, "language"},
		{one, `<y xmlns="urn:y"/>` + one, "after an extension"}, {one, `<other/>`, "unexpected element"}, {one, `<watcher xmlns=""/>`, "unexpected element"},
		{"</watcher-list>", "</watcher-list>" + group + "</watcher-list>", "two lists"}, {` id="1"`, ` id="1" xml:space="preserve"`, "xml:space"},
		{"<watcherinfo", "<!DOCTYPE watcherinfo><watcherinfo", "DOCTYPE"}, {"</watcherinfo>", "", "ends inside"},
	}
	for _, tt := range tests {
		d, err := winfo.Parse([]byte("\n" + strings.Replace(good, tt.old, tt.new, 1)))
		x, ok := errors.AsType[*winfo.SyntaxError](err)
		if d != nil || !ok || x.Line != 2 || x.Section == "" || !strings.Contains(x.Msg, tt.want) {
			t.Errorf("%s: got %v, want %s", tt.new, err, tt.want)
		}
	}
}

// TestLimits: MaxSize and MaxWatchers, each at the limit and beyond.
func TestLimits(t *testing.T) {
	pad := good + strings.Repeat("\n", winfo.MaxSize-len(good))
	parse(t, []byte(pad))
	if d, err := winfo.Parse([]byte(pad + "\n")); d != nil || err == nil {
		t.Errorf("got %v, %v", d, err)
	}
	d := &winfo.Document{Full: true, Lists: []winfo.List{list("a:b")}}
	for i := range winfo.MaxWatchers {
		d.Lists[0].Watchers = append(d.Lists[0].Watchers, winfo.Watcher{ID: "i" + strings.Repeat("0", i%3) + string(rune('a'+i%26)) + strings.Repeat("z", i/26%20) + strings.Repeat("y", i/520), Status: "active", Event: "approved", URI: "a:b"})
	}
	b, err := d.Marshal()
	if err == nil {
		parse(t, b)
	} else if !strings.Contains(err.Error(), "too large") {
		t.Error(err)
	}
	s, err := winfo.State{}.Next(d)
	if err != nil {
		t.Fatal(err)
	}
	more := &winfo.Document{Version: 1, Lists: []winfo.List{list("a:c", winfo.Watcher{ID: "new", Status: "active", Event: "approved", URI: "a:b"})}}
	if got, err := s.Next(more); !errors.Is(err, winfo.ErrTooMany) || got.Version != 0 {
		t.Errorf("got version %d, %v", got.Version, err)
	}
}

// TestTransitions writes down figure 1 of RFC 3857.
func TestTransitions(t *testing.T) {
	want := map[[2]winfo.Status]string{
		{"", "pending"}: "subscribe", {"", "active"}: "subscribe", {"", "terminated"}: "subscribe",
		{"pending", "active"}: "approved", {"pending", "waiting"}: "timeout",
		{"pending", "terminated"}: "noresource rejected deactivated probation giveup",
		{"active", "terminated"}:  "noresource rejected deactivated probation timeout",
		{"waiting", "terminated"}: "noresource rejected giveup approved",
	}
	states := []winfo.Status{"", winfo.Pending, winfo.Active, winfo.Waiting, winfo.Terminated, "other"}
	events := []winfo.Event{winfo.Subscribe, winfo.Approved, winfo.Deactivated, winfo.Probation, winfo.Rejected, winfo.Timeout, winfo.GiveUp, winfo.NoResource, "other"}
	for _, from := range states {
		for _, to := range states {
			for _, e := range events {
				has := strings.Contains(" "+want[[2]winfo.Status{from, to}]+" ", " "+string(e)+" ")
				if got := winfo.Transition(from, e, to); got != has {
					t.Errorf("%q by %s to %q: got %v", from, e, to, got)
				}
			}
		}
	}
}

// TestState covers the rule of versions and tables of RFC 3858 section 4.
func TestState(t *testing.T) {
	row := func(id string, status winfo.Status, e winfo.Event) winfo.Watcher {
		return winfo.Watcher{ID: id, Status: status, Event: e, URI: "pres:" + id + "@x"}
	}
	a, b := row("a", winfo.Pending, winfo.Subscribe), row("b", winfo.Active, winfo.Subscribe)
	ended := row("a", winfo.Terminated, winfo.Rejected)
	full := func(v uint32, l ...winfo.List) *winfo.Document {
		return &winfo.Document{Version: v, Full: true, Lists: l}
	}
	part := func(v uint32, l ...winfo.List) *winfo.Document { return &winfo.Document{Version: v, Lists: l} }
	steps := []struct {
		d       *winfo.Document
		err     error
		version uint32
		lists   []winfo.List
	}{
		{part(5, list("r:1", a)), winfo.ErrGap, 5, []winfo.List{list("r:1", a)}},
		{full(5), winfo.ErrStale, 5, []winfo.List{list("r:1", a)}},
		{full(4), winfo.ErrStale, 5, []winfo.List{list("r:1", a)}},
		{part(6, list("r:1", b), list("r:2", a)), nil, 6, []winfo.List{list("r:1", a, b), list("r:2", a)}},
		{part(7, list("r:1", ended)), nil, 7, []winfo.List{list("r:1", ended, b), list("r:2", a)}},
		{part(9), winfo.ErrGap, 9, []winfo.List{list("r:1", b), list("r:2", a)}},
		{full(20, list("r:3", a)), nil, 20, []winfo.List{list("r:3", a)}},
		{full(1<<32 - 1), nil, 1<<32 - 1, nil},
		{full(0, list("r:3", a)), winfo.ErrStale, 1<<32 - 1, nil},
	}
	var s winfo.State
	for i, step := range steps {
		before := s
		copied := append([]winfo.List(nil), s.Lists...)
		next, err := s.Next(step.d)
		if diff := cmp.Diff(winfo.State{Version: step.version, Begun: true, Lists: step.lists}, next); diff != "" || !errors.Is(err, step.err) || step.err == nil && err != nil {
			t.Errorf("step %d: %v (-want +got):\n%s", i, err, diff)
		}
		before.Lists = copied
		if diff := cmp.Diff(before, s); diff != "" {
			t.Errorf("step %d changes its state: %s", i, diff)
		}
		s = next
	}
}

// TestSchema holds all that is written, and the examples, to the schema of RFC
// 3858.
func TestSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian package libxml2-utils); schema not checked")
	}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, d := range written(t) {
		b, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, string(rune('a'+i))+".xml")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
		if diff := cmp.Diff(d, parse(t, b)); diff != "" {
			t.Errorf("(-written +read):\n%s", diff)
		}
	}
	out, err := exec.Command(xmllint, append([]string{"--nonet", "--noout", "--schema", "testdata/schema/winfo.xsd"}, files...)...).CombinedOutput()
	if err != nil || strings.Count(string(out), " validates\n") != len(files) {
		t.Errorf("%v\n%s", err, out)
	}
}

// written are documents with every part, word and limit of a number.
func written(t *testing.T) []*winfo.Document {
	docs := []*winfo.Document{{}, {Version: 1<<32 - 1, Full: true, Lists: []winfo.List{list("pres:a@b"), list("http://[::1]/x?y=%20")}}}
	all := &winfo.Document{Full: true, Lists: []winfo.List{list("pres:all@example.com")}}
	for _, s := range []winfo.Status{winfo.Pending, winfo.Active, winfo.Waiting, winfo.Terminated} {
		for _, e := range []winfo.Event{winfo.Subscribe, winfo.Approved, winfo.Deactivated, winfo.Probation, winfo.Rejected, winfo.Timeout, winfo.GiveUp, winfo.NoResource} {
			if e.LeadsTo(s) {
				all.Lists[0].Watchers = append(all.Lists[0].Watchers, winfo.Watcher{ID: string(s) + "." + string(e), Status: s, Event: e, URI: "pres:x@y",
					DisplayName: "<\"&\n\u00e9", Lang: "en", Expiration: new(uint64(1<<64 - 1)), Subscribed: new(uint64(0))})
			}
		}
	}
	for _, name := range []string{"rfc3858-5", "rfc3857-5-second"} {
		docs = append(docs, parse(t, file(t, name)))
	}
	return append(docs, all)
}

func TestMarshalRefuses(t *testing.T) {
	ok := winfo.Watcher{ID: "a", Status: winfo.Active, Event: winfo.Approved, URI: "pres:a@b"}
	tests := map[string]func(d *winfo.Document, w *winfo.Watcher){
		"token":           func(d *winfo.Document, w *winfo.Watcher) { w.ID = "" },
		"twice":           func(d *winfo.Document, w *winfo.Watcher) { d.Lists[0].Watchers = append(d.Lists[0].Watchers, *w) },
		"belong together": func(d *winfo.Document, w *winfo.Watcher) { w.Event = winfo.Timeout },
		"not an absolute": func(d *winfo.Document, w *winfo.Watcher) { w.URI = "a b" },
		"language":        func(d *winfo.Document, w *winfo.Watcher) { w.Lang = "1" },
		"characters":      func(d *winfo.Document, w *winfo.Watcher) { w.DisplayName = "\x00" },
		"resource":        func(d *winfo.Document, w *winfo.Watcher) { d.Lists[0].Resource = "" },
		"two lists": func(d *winfo.Document, w *winfo.Watcher) {
			d.Lists = append(d.Lists, winfo.List{Resource: "pres:r@s", Package: "p"})
		},
		"package":   func(d *winfo.Document, w *winfo.Watcher) { d.Lists[0].Package = "a b" },
		"too large": func(d *winfo.Document, w *winfo.Watcher) { w.DisplayName = strings.Repeat("x", winfo.MaxSize) },
	}
	for want, change := range tests {
		d := &winfo.Document{Lists: []winfo.List{list("pres:r@s", ok)}}
		change(d, &d.Lists[0].Watchers[0])
		if b, err := d.Marshal(); b != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v", want, b, err)
		}
	}
}

// FuzzParse: no panic; nil with an error; what can be written again reads as
// the same value.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"rfc3858-5", "rfc3857-3.1", "rfc3857-5-second"} {
		f.Add(file(f, name))
	}
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := winfo.Parse(b)
		if err != nil {
			if _, ok := errors.AsType[*winfo.SyntaxError](err); d != nil || !ok {
				t.Fatalf("got %v, %v", d, err)
			}
			return
		}
		if _, err := (winfo.State{}).Next(d); err != nil && !errors.Is(err, winfo.ErrGap) && !errors.Is(err, winfo.ErrTooMany) {
			t.Fatal(err)
		}
		out, err := d.Marshal()
		if err != nil {
			if !strings.Contains(err.Error(), "belong together") && !strings.Contains(err.Error(), "too large") {
				t.Fatal(err)
			}
			return
		}
		again, err := winfo.Parse(out)
		if diff := cmp.Diff(d, again); diff != "" || err != nil {
			t.Fatalf("%v (-first +second):\n%s", err, diff)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	doc := file(b, "rfc3858-5")
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := winfo.Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	d := parse(b, file(b, "rfc3858-5"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
