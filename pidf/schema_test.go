package pidf_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// validate runs xmllint with the schemas of the RFCs and returns its complaints
// for each document that it does not take without a word.
func validate(t *testing.T, docs map[string][]byte) map[string]string {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian package libxml2-utils); schemas not checked")
	}
	dir := t.TempDir()
	args := []string{"--nonet", "--noout", "--schema", "testdata/schema/all.xsd"}
	for name, doc := range docs {
		file := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(file, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.Command(xmllint, args...).CombinedOutput()
	complaints := map[string]string{}
	for line := range strings.Lines(string(out)) {
		// xmllint may complain of namespaces and yet say that a file validates.
		name, _, _ := strings.Cut(strings.TrimPrefix(line, dir+"/"), ".xml")
		if !strings.HasSuffix(line, " validates\n") {
			complaints[name] += line
		}
	}
	if (err != nil) != (len(complaints) > 0) {
		t.Fatalf("xmllint: %v\n%s", err, out)
	}
	return complaints
}

// TestSchema runs an independent validator over all that we write: it covers
// R3863-4.4-schema and R2779-3.1.1.
func TestSchema(t *testing.T) {
	docs := map[string][]byte{}
	for _, v := range vectors(t) {
		if v.strict != "accept" {
			continue
		}
		if out := checkStable(t, mustParse(t, v.doc)); out != nil {
			docs[v.name] = out
		}
	}
	for name, p := range written() {
		out, err := p.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		docs["written-"+name] = out
	}
	for name, complaint := range validate(t, docs) {
		t.Errorf("%s: %s", name, complaint)
	}
}

// TestSchemaAndText names the vectors that Parse accepts although the printed
// schemas do not, for the reasons in its comment; the prose decides.
func TestSchemaAndText(t *testing.T) {
	docs := map[string][]byte{}
	for _, v := range vectors(t) {
		if v.strict == "accept" && !strings.HasPrefix(v.name, "priority-malformed-") && !strings.HasPrefix(v.name, "priority-out-of-range-") {
			docs[v.name] = v.doc
		}
	}
	var got []string
	for name := range validate(t, docs) {
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{
		"activities-lunch", "activities-malformed-kept", "cipid-malformed", "extension-language-inherited",
		"note-lang-inherited", "rfc4480-4", "rpid-place-is-malformed", "rpid-place-type-malformed",
		"rpid-privacy-example-order", "rpid-privacy-malformed", "rpid-service-class-malformed",
		"rpid-status-icon-malformed", "rpid-time-offset-malformed", "timed-status-in-language",
		"timed-status-malformed", "timed-status-with-language", "timestamp-leap-second", "timestamp-offset-beyond-14", "tuple-id-arbitrary",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
