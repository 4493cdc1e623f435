package pidf_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/pidf"
)

// opinion is what the three readers make of one document.
type opinion struct {
	doc   string
	ours  *pidf.SyntaxError // of Parse, nil if it accepts
	lint  []string          // complaints of xmllint
	valid bool              // says xmllint
	expat string            // complaint of xmlwf, empty if well-formed
}

// TestDifferential compares Parse with xmllint and expat on 10 000 documents
// made from the vectors by random changes, always the same. It covers
// R3863-4.1-well-formed and R3863-4.4-schema. Every disagreement belongs to a
// class, and each class is described in doc/differential.md.
func TestDifferential(t *testing.T) {
	for program, pkg := range map[string]string{"xmllint": "libxml2-utils", "xmlwf": "expat"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian package %s); readers not compared", program, pkg)
		}
	}
	count := 10000
	if testing.Short() {
		count = 500
	}
	page, err := os.ReadFile("../doc/differential.md")
	if err != nil {
		t.Fatal(err)
	}
	tally := map[string]int{}
	for batch := range slices.Chunk(mutants(t, count), 500) {
		for o, classes := range judged(t, batch) {
			for _, class := range classes {
				if tally[class]++; strings.HasPrefix(class, unexplained) && tally[class] < 4 {
					t.Errorf("%s\nours: %v\nxmllint: valid %v, %q\nexpat: %s\n%s", class, o.ours, o.valid, o.lint, o.expat, o.doc)
				}
			}
		}
	}
	for _, class := range slices.Sorted(maps.Keys(tally)) {
		t.Logf("%6d  %s", tally[class], class)
		if !strings.HasPrefix(class, unexplained) && !strings.Contains(string(page), "| "+class+" |") {
			t.Errorf("doc/differential.md does not describe %q", class)
		}
	}
}

// judged asks all readers about docs, and xmllint a second time about what is
// left of those that Parse alone accepts.
func judged(t *testing.T, docs []string) map[*opinion][]string {
	first := opinions(t, docs)
	all := map[*opinion][]string{}
	var again []*opinion
	var left []string
	for i := range first {
		o := &first[i]
		if all[o] = o.classes(); all[o] == nil {
			again, left = append(again, o), append(left, withoutKept(t, o.doc))
		}
	}
	for i, without := range opinions(t, left) {
		all[again[i]] = laxerClasses(again[i], &without)
	}
	return all
}

// mutants returns count documents, each made from a vector that is well-formed,
// in an order that never changes.
func mutants(t *testing.T, count int) (docs []string) {
	var seeds []string
	for _, v := range vectors(t) {
		if len(v.doc) < 6000 && !strings.HasPrefix(v.strict, "reject 3863 4.1:") {
			seeds = append(seeds, string(v.doc))
		}
	}
	m := mutator{rand.New(rand.NewPCG(3863, 4480))}
	for len(docs) < count {
		docs = append(docs, m.mutate(one(m, seeds)))
	}
	return docs
}

// opinions asks all three readers.
func opinions(t *testing.T, docs []string) []opinion {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for i, doc := range docs {
		files = append(files, fmt.Sprintf("%03d.xml", i))
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := filepath.Abs("testdata/schema/all.xsd")
	if err != nil {
		t.Fatal(err)
	}
	lint := ask(t, dir, "xmllint", append([]string{"--nonet", "--noout", "--schema", schema}, files...))
	expat := ask(t, dir, "xmlwf", append([]string{"-n", "-k"}, files...))
	list := make([]opinion, len(docs))
	for i, doc := range docs {
		o := opinion{doc: doc, expat: strings.Join(expat[files[i]], "")}
		for _, line := range lint[files[i]] {
			if line == "validates" {
				o.valid = true
			} else if line != "fails to validate" {
				o.lint = append(o.lint, line)
			}
		}
		if _, err := pidf.Parse([]byte(doc)); err != nil {
			o.ours, _ = errors.AsType[*pidf.SyntaxError](err)
		}
		list[i] = o
	}
	return list
}

// ask runs a program and sorts its lines by the file they start with; what
// stands between them is quoted from the document.
func ask(t *testing.T, dir, program string, args []string) map[string][]string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	said := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if len(line) > 8 && strings.HasPrefix(line[3:], ".xml") && (line[7] == ':' || line[7] == ' ') {
			said[line[:7]] = append(said[line[:7]], strings.TrimSpace(line[8:]))
		}
	}
	return said
}
