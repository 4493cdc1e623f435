package composing_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/cpim/composing"
)

// token is a tag, a comment or an instruction, or the text up to the next.
var token = regexp.MustCompile(`<[^>]*>|[^<]+`)

// mutate leaves out, puts in and exchanges tokens of one document, taking those
// it puts in from another.
func mutate(random *rand.Rand, doc, other []byte) string {
	a, b := token.FindAllString(string(doc), -1), token.FindAllString(string(other), -1)
	for range 1 + random.IntN(2) {
		i, j := random.IntN(len(a)), random.IntN(len(a))
		switch random.IntN(3) {
		case 0:
			a[i] = ""
		case 1:
			a[i] += b[random.IntN(len(b))]
		case 2:
			a[i], a[j] = a[j], a[i]
		}
	}
	return strings.Join(a, "")
}

// TestMutants asks xmllint and the schema about documents that are nearly
// right. Where they disagree with Parse, it must be for one of the reasons in
// testdata/README.md.
func TestMutants(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian package libxml2-utils); schema not checked")
	}
	var docs [][]byte
	for _, v := range verdicts(t) {
		if v.section == "-" {
			docs = append(docs, file(t, v.file))
		}
	}
	random := rand.New(rand.NewPCG(3994, 1))
	dir := t.TempDir()
	mutants := make(map[string]string)
	args := []string{"--nonet", "--noout", "--schema", "testdata/schema/iscomposing.xsd"}
	for i := range 600 {
		name := filepath.Join(dir, fmt.Sprint(i, ".xml"))
		mutants[name] = mutate(random, docs[random.IntN(len(docs))], docs[random.IntN(len(docs))])
		if err := os.WriteFile(name, []byte(mutants[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	out, _ := exec.Command(xmllint, args...).CombinedOutput() // the exit status speaks of all files together
	agreed := 0
	for name, doc := range mutants {
		valid := strings.Contains(string(out), name+" validates\n")
		s, err := composing.Parse([]byte(doc))
		e, _ := errors.AsType[*composing.SyntaxError](err)
		switch {
		case valid == (err == nil):
			agreed++
		case valid && e.Section == "RFC 3994 3.5":
		case !valid && (!s.LastActive.IsZero() || s.Refresh == 24*time.Hour):
		default:
			t.Errorf("xmllint says valid = %v, Parse %v of\n%s", valid, err, doc)
		}
	}
	if agreed < 500 {
		t.Errorf("only %d verdicts are the same", agreed)
	}
}
