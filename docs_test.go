package kith_test

import (
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	// page is the name of a document as texts cite it, and the section, if one
	// is named: identity.md, doc/spec/identity.md 4, [objects.md](objects.md)
	// section 5, address.md, 2.
	page = regexp.MustCompile(`([A-Za-z0-9_./-]*[A-Za-z0-9_-]+\.md)(?:\)?,? (?:section )?([0-9]+(?:\.[0-9]+)?)\b)?`)
	// below is a path in doc.
	below = regexp.MustCompile(`\bdoc/[A-Za-z0-9_./-]*[A-Za-z0-9_-]`)
	// link is the target of a link to a file, without the part inside it.
	link = regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)
	// web is an address on the web, whose path is no file here.
	web = regexp.MustCompile(`https?://[^ )>]+`)
)

// TestDocs holds documents and comments to citing pages, and sections of
// pages, that exist.
func TestDocs(t *testing.T) {
	names, err := fs.Glob(os.DirFS("."), "*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS("."), "doc", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		checkCitations(t, name, string(text))
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if !exists(path.Join(path.Dir(name), m[1])) {
				t.Errorf("%s: link to %s, which does not exist", name, m[1])
			}
		}
	}
	fset := token.NewFileSet()
	for _, files := range parse(t, fset) {
		for _, f := range files {
			for _, group := range f.ast.Comments {
				checkCitations(t, f.name, group.Text())
			}
		}
	}
}

// checkCitations looks for what a text cites, beside it and in the folders of
// documents.
func checkCitations(t *testing.T, name, text string) {
	t.Helper()
	text = strings.Join(strings.Fields(web.ReplaceAllString(text, "")), " ")
	for _, cited := range below.FindAllString(text, -1) {
		if path.Ext(cited) != ".md" && !exists(cited) {
			t.Errorf("%s: cites %s, which does not exist", name, cited)
		}
	}
	for _, m := range page.FindAllStringSubmatch(text, -1) {
		if path.Base(m[1]) == "README.md" { // of whatever folder the text speaks of
			continue
		}
		found := ""
		for _, dir := range []string{path.Dir(name), ".", "doc", "doc/spec", "doc/decisions"} {
			if p := path.Join(dir, m[1]); exists(p) {
				found = p
				break
			}
		}
		switch {
		case found == "":
			t.Errorf("%s: cites %s, which does not exist", name, m[1])
		case m[2] != "" && strings.HasPrefix(found, "doc/spec/") && !hasSection(found, m[2]):
			t.Errorf("%s: cites section %s of %s, which does not exist", name, m[2], found)
		}
	}
}

// hasSection says whether a page has a heading of that number.
func hasSection(name, number string) bool {
	text, err := os.ReadFile(name)
	return err == nil && regexp.MustCompile(`(?m)^#+ `+regexp.QuoteMeta(number)+`[. ]`).Match(text)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
