package composing_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/cpim/composing"
)

// A verdict is a line of testdata/verdicts.tsv.
type verdict struct {
	file, section string // section is "-" for what is accepted
	valid         bool   // by the schema alone, as xmllint reads it
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
		s, err := composing.Parse(file(t, v.file))
		if v.section != "-" {
			e, ok := errors.AsType[*composing.SyntaxError](err)
			if s != nil || !ok || e.Section != v.section || e.Line < 1 {
				t.Errorf("%s: got %v, %v, want a refusal by %s", v.file, s, err, v.section)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", v.file, err)
			continue
		}
		stable(t, s)
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

// stable writes s, reads it and compares; nil for what is read and not written.
func stable(tb testing.TB, s *composing.Status) []byte {
	tb.Helper()
	b, err := s.Marshal()
	if s.State == "" || !s.LastActive.IsZero() && (s.LastActive.UTC().Year() < 1 || s.LastActive.UTC().Year() > 9999) {
		if err == nil {
			tb.Fatalf("%+v is written", s)
		}
		return nil
	}
	if err != nil {
		tb.Fatalf("%+v: %v", s, err)
	}
	got, err := composing.Parse(b)
	if err != nil {
		tb.Fatalf("%s: %v", b, err)
	}
	if d := cmp.Diff(s, got); d != "" {
		tb.Fatalf("written and read (-want +got):\n%s", d)
	}
	return b
}

func TestParse(t *testing.T) {
	tests := []struct {
		file   string
		want   composing.Status
		active bool
	}{
		{"rfc3994-5-active", composing.Status{State: composing.Active, ContentType: "text/plain", Refresh: 90 * time.Second}, true},
		{"rfc3994-5-idle", composing.Status{State: composing.Idle, ContentType: "audio", LastActive: time.Date(2003, 1, 27, 10, 43, 0, 0, time.UTC)}, false},
		{"state-unknown", composing.Status{State: "thinking"}, false},
		{"state-capital", composing.Status{State: "Active"}, false},
		{"state-around-space", composing.Status{State: " active "}, false},
		{"refresh-beyond-64-bits", composing.Status{State: composing.Active, Refresh: 24 * time.Hour}, true},
		{"refresh-plus", composing.Status{State: composing.Active, Refresh: 90 * time.Second}, true},
		{"extension-inherited", composing.Status{State: composing.Active, Ext: []composing.Extension{
			{NS: "urn:example:x", Name: "mood", Raw: []byte(`<x:mood xmlns:x="urn:example:x"/>`)}}}, true},
	}
	for _, tt := range tests {
		got, err := composing.Parse(file(t, "accept/"+tt.file+".xml"))
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		if d := cmp.Diff(&tt.want, got); d != "" || got.Active() != tt.active {
			t.Errorf("%s: active %v (-want +got):\n%s", tt.file, got.Active(), d)
		}
	}
}

// TestLimit fills a document to the limit, and one octet beyond.
func TestLimit(t *testing.T) {
	s := &composing.Status{State: "a"}
	b, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s.State = strings.Repeat("a", composing.MaxSize-len(b)+1)
	if b, err = s.Marshal(); err != nil || len(b) != composing.MaxSize {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	if _, err := composing.Parse(b); err != nil {
		t.Error(err)
	}
	if s, err := composing.Parse(append(b, '\n')); err == nil || s != nil {
		t.Error("one octet beyond the limit is read")
	}
	s.State += "a"
	if _, err := s.Marshal(); err == nil {
		t.Error("one octet beyond the limit is written")
	}
}

func TestMarshalRefuses(t *testing.T) {
	ext := func(ns, name, raw string) composing.Status {
		return composing.Status{State: composing.Idle, Ext: []composing.Extension{{NS: ns, Name: name, Raw: []byte(raw)}}}
	}
	for name, s := range map[string]composing.Status{
		"no state":                 {},
		"state beyond XML":         {State: "\x07"},
		"time beyond 9999":         {State: "idle", LastActive: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"year 0":                   {State: "idle", LastActive: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		"type with a parameter":    {State: "idle", ContentType: "text/plain;charset=utf-8"},
		"type too long":            {State: "idle", ContentType: "text/" + strings.Repeat("a", 128)},
		"part of a second":         {State: "idle", Refresh: time.Second / 2},
		"refresh below zero":       {State: "idle", Refresh: -time.Second},
		"refresh above a day":      {State: "idle", Refresh: 24*time.Hour + time.Second},
		"extension not XML":        ext("urn:x", "a", "<a"),
		"extension misnamed":       ext("urn:x", "a", `<b xmlns="urn:x"/>`),
		"extension of composing":   ext(composing.Namespace, "a", `<a xmlns="`+composing.Namespace+`"/>`),
		"extension unbound inside": ext("urn:x", "a", `<x:a xmlns:x="urn:x"><b/></x:a>`),
		"extension too deep":       ext("urn:x", "a", strings.Repeat(`<a xmlns="urn:x">`, 32)+strings.Repeat("</a>", 32)),
	} {
		if b, err := s.Marshal(); err == nil || b != nil {
			t.Errorf("%s: written as %s", name, b)
		}
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
		if v.section != "-" {
			continue
		}
		s, err := composing.Parse(file(t, v.file))
		if err != nil {
			t.Fatal(err)
		}
		if b := stable(t, s); b != nil {
			out := filepath.Join(dir, filepath.Base(v.file))
			if err := os.WriteFile(out, b, 0o600); err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, job{out, true})
		}
	}
	args := []string{"--nonet", "--noout", "--schema", "testdata/schema/iscomposing.xsd"}
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

// FuzzParse: nil beside an error, and what is read is written and read again
// as the same.
func FuzzParse(f *testing.F) {
	for _, v := range verdicts(f) {
		f.Add(file(f, v.file))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := composing.Parse(b)
		if (s == nil) == (err == nil) {
			t.Fatalf("got %v, %v", s, err)
		}
		if err != nil {
			if e, ok := errors.AsType[*composing.SyntaxError](err); !ok || !strings.HasPrefix(e.Section, "RFC 3994 ") || e.Line < 1 {
				t.Fatalf("got %#v", err)
			}
			return
		}
		// Escapes and inherited declarations may take more room than before.
		if len(b) < composing.MaxSize/16 {
			s.LastActive = s.LastActive.UTC()
			stable(t, s)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	src := file(b, "accept/rfc3994-5-active.xml")
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := composing.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}
