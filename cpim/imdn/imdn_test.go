package imdn_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/cpim/imdn"
)

// A verdict is a line of testdata/verdicts.tsv.
type verdict struct {
	file, section string // section is "-" for what is accepted
	valid         bool   // by the schema alone
}

func verdicts(tb testing.TB) []verdict {
	tb.Helper()
	var list []verdict
	for line := range strings.Lines(string(file(tb, "verdicts.tsv"))) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 {
			tb.Fatalf("verdicts.tsv: %q", line)
		}
		list = append(list, verdict{f[0], f[1], f[2] == "valid"})
	}
	return list
}

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestVectors also writes what it accepts and reads it back.
func TestVectors(t *testing.T) {
	seen := make(map[string]bool)
	for _, v := range verdicts(t) {
		seen[v.file] = true
		n, err := imdn.Parse(file(t, v.file))
		if v.section != "-" {
			e, ok := errors.AsType[*imdn.SyntaxError](err)
			if n != nil || !ok || e.Section != v.section || e.Line < 1 {
				t.Errorf("%s: got %v, %v, want a refusal by %s", v.file, n, err, v.section)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", v.file, err)
			continue
		}
		stable(t, n)
	}
	for _, pattern := range []string{"accept/*", "reject/*"} {
		files, err := filepath.Glob("testdata/" + pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			if rel := strings.TrimPrefix(filepath.ToSlash(f), "testdata/"); !seen[rel] {
				t.Errorf("%s has no verdict", rel)
			}
		}
	}
}

// stable writes n, reads it, and compares. It returns what was written.
func stable(tb testing.TB, n *imdn.Notification) []byte {
	tb.Helper()
	if n.SubjectLang != "" {
		if _, err := n.Marshal(); err == nil {
			tb.Fatal("a subject with a language is written")
		}
		plain := *n
		plain.SubjectLang = ""
		n = &plain
	}
	b, err := n.Marshal()
	if err != nil {
		tb.Fatalf("%+v: %v", n, err)
	}
	got, err := imdn.Parse(b)
	if err != nil {
		tb.Fatalf("%s: %v", b, err)
	}
	if d := cmp.Diff(n, got); d != "" {
		tb.Fatalf("written and read (-want +got):\n%s", d)
	}
	return b
}

func TestParse(t *testing.T) {
	n, err := imdn.Parse(file(t, "accept/status-extension-inherited.xml"))
	if err != nil {
		t.Fatal(err)
	}
	want := &imdn.Notification{
		MessageID: "34jk324j", DateTime: "2008-04-04T12:16:49-05:00",
		Recipient: "im:bob@example.com", OriginalRecipient: "im:bob@example.com",
		Disposition: imdn.Failed,
		StatusExt: []imdn.Extension{
			{NS: "urn:example:y", Name: "why", Raw: []byte(`<y:why xmlns:y="urn:example:y" code="7"/>`)},
			{NS: "urn:example:y", Name: "why", Raw: []byte(`<y:why xmlns:y="urn:example:y"/>`)},
		},
	}
	if d := cmp.Diff(want, n); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n, err = imdn.Parse(file(t, "accept/subject-language.xml")); err != nil || n.Subject != "Thé" || n.SubjectLang != "fr" {
		t.Errorf("subject: %+v, %v", n, err)
	}
	if n, err = imdn.Parse(file(t, "accept/extension-instead.xml")); err != nil || n.Disposition != 0 || len(n.Ext) != 1 {
		t.Errorf("extension instead of a notification: %+v, %v", n, err)
	}
}

// TestLimit fills a payload to the limit, and one octet beyond.
func TestLimit(t *testing.T) {
	n := &imdn.Notification{
		MessageID: "a", DateTime: "2008-04-04T12:16:49Z", Recipient: "im:b@x.example", OriginalRecipient: "im:b@x.example",
		Subject: "s", Disposition: imdn.Delivered,
	}
	b, err := n.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	n.Subject = strings.Repeat("s", imdn.MaxSize-len(b)+1)
	if b, err = n.Marshal(); err != nil || len(b) != imdn.MaxSize {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	if _, err := imdn.Parse(b); err != nil {
		t.Error(err)
	}
	if n, err := imdn.Parse(append(b, '\n')); err == nil || n != nil {
		t.Error("one octet beyond the limit is read")
	}
	n.Subject += "s"
	if _, err := n.Marshal(); err == nil {
		t.Error("one octet beyond the limit is written")
	}
}

func TestMarshalRefuses(t *testing.T) {
	good := imdn.Notification{
		MessageID: "a", DateTime: "2008-04-04T12:16:49Z", Recipient: "im:b@x.example", OriginalRecipient: "im:b@x.example",
		Disposition: imdn.Delivered,
	}
	stable(t, &good)
	ext := func(ns, name, raw string) []imdn.Extension {
		return []imdn.Extension{{NS: ns, Name: name, Raw: []byte(raw)}}
	}
	for name, change := range map[string]func(*imdn.Notification){
		"no id":                    func(n *imdn.Notification) { n.MessageID = "" },
		"id with an at sign":       func(n *imdn.Notification) { n.MessageID = "a@b" },
		"id not UTF-8":             func(n *imdn.Notification) { n.MessageID = "\xff" },
		"id beyond XML":            func(n *imdn.Notification) { n.MessageID = "\uffff" },
		"no time":                  func(n *imdn.Notification) { n.DateTime = "" },
		"recipient alone":          func(n *imdn.Notification) { n.OriginalRecipient = "" },
		"original recipient alone": func(n *imdn.Notification) { n.Recipient = "" },
		"recipient is no URI":      func(n *imdn.Notification) { n.Recipient = "bob" },
		"recipient breaks out":     func(n *imdn.Notification) { n.Recipient = "im:b</recipient-uri>" },
		"subject alone":            func(n *imdn.Notification) { n.Recipient, n.OriginalRecipient, n.Subject = "", "", "s" },
		"subject beyond XML":       func(n *imdn.Notification) { n.Subject = "\x07" },
		"subject with a language":  func(n *imdn.Notification) { n.Subject, n.SubjectLang = "a", "en" },
		"no disposition":           func(n *imdn.Notification) { n.Disposition = 0 },
		"unknown disposition":      func(n *imdn.Notification) { n.Disposition = 99 },
		"extension not XML":        func(n *imdn.Notification) { n.Ext = ext("urn:x", "a", "<a") },
		"extension of IMDN":        func(n *imdn.Notification) { n.Ext = ext(imdn.Namespace, "a", `<a xmlns="`+imdn.Namespace+`"/>`) },
		"extension misnamed":       func(n *imdn.Notification) { n.Ext = ext("urn:x", "a", `<b xmlns="urn:x"/>`) },
		"extension and more":       func(n *imdn.Notification) { n.Ext = ext("urn:x", "a", `<a xmlns="urn:x"/><failed/>`) },
		"extension unbound inside": func(n *imdn.Notification) { n.Ext = ext("urn:x", "a", `<x:a xmlns:x="urn:x"><b/></x:a>`) },
		"extension too deep": func(n *imdn.Notification) {
			n.StatusExt = ext("urn:x", "a", strings.Repeat(`<a xmlns="urn:x">`, 30)+strings.Repeat("</a>", 30))
		},
	} {
		n := good
		change(&n)
		if b, err := n.Marshal(); err == nil || b != nil {
			t.Errorf("%s: written as %s", name, b)
		}
	}
}

// TestPrinted holds every example of RFC 5438 to its verdict: as printed none
// is Message/CPIM, and with the blank line all are.
func TestPrinted(t *testing.T) {
	both := "im:bob@example.com"
	about := func(d imdn.Disposition) *imdn.Notification {
		return &imdn.Notification{MessageID: "34jk324j", DateTime: "2008-04-04T12:16:49-05:00", Recipient: both, OriginalRecipient: both, Disposition: d}
	}
	tests := []struct {
		file, section string
		want          []*imdn.Notification
	}{
		{"rfc5438-7.1.1.3-request.cpim", "RFC 3862 2.4", nil},
		{"rfc5438-7.2.1.1-delivery.cpim", "RFC 3862 2.4", []*imdn.Notification{about(imdn.Delivered)}},
		{"rfc5438-7.2.1.2-display.cpim", "RFC 3862 2.4", []*imdn.Notification{about(imdn.Displayed)}},
		{"rfc5438-8.1-processing.entity", "RFC 3862 2.4", []*imdn.Notification{about(imdn.Processed)}},
		{"rfc5438-8.3-aggregated.cpim", "RFC 3862 2.2", []*imdn.Notification{about(imdn.Delivered), about(imdn.Displayed)}},
	}
	for _, tt := range tests {
		parse := cpim.Parse
		if strings.HasSuffix(tt.file, ".entity") {
			parse = cpim.ParseEntity
		}
		_, err := parse(file(t, "printed/"+tt.file))
		if e, ok := errors.AsType[*cpim.SyntaxError](err); !ok || e.Section != tt.section {
			t.Errorf("%s as printed: %v, want a refusal by %s", tt.file, err, tt.section)
		}
		m, err := parse(file(t, "repaired/"+tt.file))
		if err != nil {
			t.Errorf("%s repaired: %v", tt.file, err)
			continue
		}
		if imdn.IsNotification(m) != (tt.want != nil) {
			t.Errorf("%s: IsNotification = %v", tt.file, imdn.IsNotification(m))
		}
		got, err := imdn.Read(m)
		if d := cmp.Diff(tt.want, got); d != "" || (err == nil) != (tt.want != nil) {
			t.Errorf("%s: %v (-want +got):\n%s", tt.file, err, d)
		}
	}
	b := file(t, "repaired/rfc5438-8.3-aggregated.cpim")
	m, err := cpim.Parse([]byte(strings.TrimSuffix(string(b), "--\r\n") + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := imdn.Read(m); err == nil || got != nil {
		t.Error("an aggregate without its last boundary is read")
	}
}

// TestSchema lets xmllint judge the vectors and everything that Marshal writes.
func TestSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian package libxml2-utils); schema not checked")
	}
	dir := t.TempDir()
	type job struct {
		file string
		want bool
	}
	var jobs []job
	for _, v := range verdicts(t) {
		jobs = append(jobs, job{filepath.Join("testdata", v.file), v.valid})
		// The schema has no text right inside of an extension.
		if v.section != "-" || v.file == "accept/root-extension-text.xml" {
			continue
		}
		n, err := imdn.Parse(file(t, v.file))
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, filepath.Base(v.file))
		if err := os.WriteFile(out, stable(t, n), 0o600); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job{out, true})
	}
	args := []string{"--nonet", "--noout", "--relaxng", "testdata/schema/imdn.rng"}
	for _, j := range jobs {
		args = append(args, j.file)
	}
	out, _ := exec.Command(xmllint, args...).CombinedOutput() // the exit status speaks of all files together
	for _, j := range jobs {
		if got := strings.Contains(string(out), j.file+" validates\n"); got != j.want {
			t.Errorf("%s: xmllint says valid = %v, want %v", j.file, got, j.want)
		}
	}
}
