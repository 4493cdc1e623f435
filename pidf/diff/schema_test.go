package diff_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kith-im/kith/pidf/diff"
)

// TestSchema holds the examples of RFC 5262, and what Create and Full write, to
// its schema.
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
	add := func(b []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, strconv.Itoa(len(files))+".xml")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	add(diff.Full(large(), 1<<32-1))
	add(diff.Create(large(), changed(large())))
	add(diff.Create(file(t, "rfc5262-6-result"), []byte(strings.Replace(string(file(t, "rfc5262-6-full")), `"567"`, `"569"`, 1))))
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 7))
		e := randomTree(r, 3)
		f := mutate(r, e)
		same := &elem{raw: "<z>" + strings.Repeat("unchanged ", 1000) + "</z>"}
		e.kids, f.kids = append(e.kids, same), append(f.kids, same)
		b, err := diff.Create(randomDoc(e, 0, 0), randomDoc(f, 0, 0))
		if u, perr := diff.Parse(b); perr == nil && !u.Full() {
			add(b, err)
		}
	}
	out, err := exec.Command(xmllint, append([]string{"--nonet", "--noout", "--schema", "testdata/schema/pidf-diff.xsd"}, files...)...).CombinedOutput()
	if err != nil || strings.Count(string(out), " validates\n") != len(files) {
		t.Errorf("%d files, %v\n%s", len(files), err, out)
	}
}
