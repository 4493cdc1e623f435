package diff_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/kith-im/kith/pidf/diff"
)

// large makes a document of a room with 60 tuples, about 13 KB.
func large() []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:room@example.com\">\n")
	for i := range 60 {
		fmt.Fprintf(&b, " <tuple id=\"t%d\">\n  <status><basic>open</basic></status>\n  <contact priority=\"0.8\">im:seat%d@example.com</contact>\n"+
			"  <note xml:lang=\"en\">Seat %d of the room</note>\n  <timestamp>2026-11-20T10:00:%02dZ</timestamp>\n </tuple>\n", i, i, i, i)
	}
	b.WriteString("</presence>\n")
	return b.Bytes()
}

// changed changes one status and one time in it.
func changed(doc []byte) []byte {
	head, tail, _ := bytes.Cut(doc, []byte(`<tuple id="t30">`))
	tail = bytes.Replace(tail, []byte("open"), []byte("closed"), 1)
	tail = bytes.Replace(tail, []byte("10:00:30"), []byte("10:07:02"), 1)
	return append(append(bytes.Clone(head), `<tuple id="t30">`...), tail...)
}

// TestLargeUpdateIsSmall covers the narrow links of R2779-2-a: what travels is in
// proportion to what changed, and all other octets stay.
func TestLargeUpdateIsSmall(t *testing.T) {
	old := large()
	update, err := diff.Create(old, changed(old))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := diff.Apply(old, update); err != nil || !bytes.Equal(got, changed(old)) {
		t.Errorf("not the same octets: %v", err)
	}
	if len(update) > 450 || len(old) < 12000 {
		t.Errorf("%d octets for a document of %d: %s", len(update), len(old), update)
	}
}

func BenchmarkApply(b *testing.B) {
	old := large()
	update, err := diff.Create(old, changed(old))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(old)))
	for b.Loop() {
		if _, err := diff.Apply(old, update); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(update)), "octets/update")
}

func BenchmarkCreate(b *testing.B) {
	old := large()
	new := changed(old)
	b.ReportAllocs()
	b.SetBytes(int64(len(old)))
	for b.Loop() {
		if _, err := diff.Create(old, new); err != nil {
			b.Fatal(err)
		}
	}
}
