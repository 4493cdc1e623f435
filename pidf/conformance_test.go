package pidf_test

import (
	"os"
	"strings"
	"testing"
)

// TestConformance counts the requirements on this package in
// doc/conformance.md, so that none falls out unseen. The test of the same name
// in cpim holds every row of that page to its word.
func TestConformance(t *testing.T) {
	page, err := os.ReadFile("../doc/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## pidf\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if n := strings.Count(section, "\n| R"); !ok || n != 1+106 { // with the head of the table
		t.Errorf("%d rows, want 106 and the head", n)
	}
}
