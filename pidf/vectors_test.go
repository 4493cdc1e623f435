package pidf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/pidf"
)

// vector is one document of testdata/vectors and what becomes of it.
type vector struct {
	name            string
	strict, lenient string // "accept" or "reject", strict with the reason
	traps, reqs     []string
	doc             []byte
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	table, err := os.ReadFile("testdata/verdicts.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	var list []vector
	for line := range strings.Lines(string(table)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			tb.Fatalf("verdicts.tsv: %d fields in %q", len(f), line)
		}
		if f[0] == "vector" {
			continue
		}
		doc, err := os.ReadFile(filepath.Join("testdata/vectors", f[0]+".xml"))
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, vector{f[0], f[1], f[2], strings.Fields(f[3]), strings.Fields(f[4]), doc})
	}
	return list
}

func readVector(tb testing.TB, name string) []byte {
	tb.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata/vectors", name+".xml"))
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

func mustParse(tb testing.TB, doc []byte) *pidf.Presence {
	tb.Helper()
	p, err := pidf.Parse(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestVectors reads every document in both ways. The requirement rows of
// RFC 3863 that a vector shows stand beside it in verdicts.tsv.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			p, err := pidf.Parse(v.doc)
			if got := verdict(p, err); !matches(got, v.strict) {
				t.Errorf("Parse: got %s, want %s", got, v.strict)
			}
			p, err = pidf.ParseLenient(v.doc)
			if got := verdict(p, err); !matches(got, v.lenient) {
				t.Errorf("ParseLenient: got %s, want %s", got, v.lenient)
			}
		})
	}
}

func verdict(p *pidf.Presence, err error) string {
	if err == nil && p != nil {
		return "accept"
	}
	if s, ok := errors.AsType[*pidf.SyntaxError](err); ok && p == nil && s.Line > 0 {
		return fmt.Sprintf("reject %s: %s", s.Section, s.Msg)
	}
	return fmt.Sprintf("neither: %v, %v", p, err)
}

func matches(got, want string) bool {
	return got == want || want != "accept" && strings.HasPrefix(got, want)
}

// TestTraps holds the vectors to the trap table: every row has one. Rows 35
// and 36 are about a document's history and signer, which a parser cannot know.
func TestTraps(t *testing.T) {
	seen := map[string]bool{"P35": true, "P36": true}
	for _, v := range vectors(t) {
		for _, trap := range v.traps {
			seen[trap] = true
		}
	}
	for n := range 38 {
		if row := fmt.Sprintf("P%d", n+1); !seen[row] {
			t.Errorf("no vector for row %s", row)
		}
	}
}

// TestVectorFiles finds documents without verdict.
func TestVectorFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	list := vectors(t)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".xml")
		if !slices.ContainsFunc(list, func(v vector) bool { return v.name == name }) {
			t.Errorf("%s has no verdict", f)
		}
	}
}
