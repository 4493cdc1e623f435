package cpim_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// requirements are how many each section of the page has. None may fall out of
// it unseen.
var requirements = map[string]int{"cpim": 118, "identity and names": 73}

var requirementID = regexp.MustCompile(`^R[0-9]{4}-[A-Za-z0-9.-]*[A-Za-z0-9]$`)

// TestConformance holds doc/conformance.md to its word, for all packages: each
// id is in each file that is said to test it, and what has no test says why.
func TestConformance(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "doc", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	count := make(map[string]int)
	files := make(map[string]string)
	section := ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimRight(line, "\r\n")
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		}
		if !strings.HasPrefix(line, "| R") || strings.HasPrefix(line, "| Requirement ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 3 {
			t.Errorf("not three columns: %s", line)
			continue
		}
		id, tests, note := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])
		if !requirementID.MatchString(id) || seen[id] {
			t.Errorf("%s is malformed, or there twice", id)
		}
		seen[id] = true
		count[section]++
		if tests == "-" {
			if note == "" {
				t.Errorf("%s has neither test nor note", id)
			}
			continue
		}
		for _, test := range strings.Split(tests, ", ") {
			checkTest(t, files, id, test)
		}
	}
	for section, want := range requirements {
		if count[section] != want {
			t.Errorf("%d requirements of %s, want %d", count[section], section, want)
		}
	}
}

// checkTest looks for an id, and for the function if one is given, in a test
// file; files are those read already.
func checkTest(t *testing.T, files map[string]string, id, test string) {
	t.Helper()
	quoted, ok := strings.CutPrefix(test, "`")
	if !ok || !strings.HasSuffix(quoted, "`") {
		t.Errorf("%s: %s is not in backquotes", id, test)
		return
	}
	name, function, _ := strings.Cut(strings.TrimSuffix(quoted, "`"), ":")
	if _, ok := files[name]; !ok {
		b, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		files[name] = string(b)
	}
	if !strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "testdata/") {
		t.Errorf("%s: %s is no test", id, name)
	}
	if !mentions(files[name], id) {
		t.Errorf("%s is not in %s", id, name)
	}
	if function != "" && !strings.Contains(files[name], "\nfunc "+function+"(") {
		t.Errorf("%s: no function %s in %s", id, function, name)
	}
}

// mentions tells whether an id stands in a text and does not go on: R3862-2-a is
// not in R3862-2-ab, nor is R3862-2 in R3862-2.1.
func mentions(text, id string) bool {
	for {
		_, after, ok := strings.Cut(text, id)
		if !ok {
			return false
		}
		next := strings.TrimPrefix(after, ".")
		if next == "" || after[0] != '-' && !letterOrDigit(next[0]) {
			return true
		}
		text = after
	}
}

func letterOrDigit(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

func TestMentions(t *testing.T) {
	for text, want := range map[string]bool{
		"R3862-2-a": true, "x R3862-2-a, y": true, "R3862-2-a.": true, "R3862-2-ab and R3862-2-a\n": true,
		"": false, "R3862-2-ab": false, "R3862-2-a-b": false, "R3862-2-a.1": false, "R3862-2-": false,
	} {
		if got := mentions(text, "R3862-2-a"); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
