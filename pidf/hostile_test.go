package pidf_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/pidf"
)

// TestHostile builds documents that cost as much as 16 KiB can: they are
// answered in a moment and within a stated memory.
func TestHostile(t *testing.T) {
	const head = `<?xml version="1.0"?><presence xmlns="` + pidf.Namespace + `" entity="pres:a@b.c" `
	fill := func(head, unit, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (pidf.MaxSize-len(head)-len(tail))/len(unit)) + tail)
	}
	var binds strings.Builder
	for i := range 60 {
		fmt.Fprintf(&binds, ` xmlns:p%d="u:%d"`, i, i)
	}
	tests := map[string][]byte{
		"long namespace":   fill(head+`xmlns:e="u:`+strings.Repeat("x", 4000)+`">`, "<e:a/>", "</presence>"),
		"many namespaces":  fill(head+binds.String()+">", "<p0:a>p1:</p0:a>", "</presence>"),
		"many tuples":      fill(head+">", "<tuple id='a'><status><basic>open</basic></status></tuple>", "</presence>"),
		"many notes":       fill(head+">", "<note/>", "</presence>"),
		"many marks":       fill(head+`xmlns:p="`+pidf.Namespace+`" xmlns:e="u:e"><e:a>`, `<e:b p:mustUnderstand="1"/>`, "</e:a></presence>"),
		"nested extension": fill(head+`xmlns:e="u:e"><e:a>`, strings.Repeat("<e:a>", 28)+strings.Repeat("</e:a>", 28), "</e:a></presence>"),
	}
	for name, doc := range tests {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		for _, read := range []func([]byte) (*pidf.Presence, error){pidf.Parse, pidf.ParseLenient} {
			if p, err := read(doc); err == nil {
				for _, e := range elements(p) {
					e.Understood(func(string, string) bool { return true })
				}
				if _, err := p.Marshal(); err != nil {
					t.Logf("%s: %v", name, err)
				}
			}
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; took > 500*time.Millisecond || used > 32<<20 {
			t.Errorf("%s: took %v and %d KiB", name, took, used>>10)
		}
	}
}

// TestAmplification covers the limit on bindings added to extensions.
func TestAmplification(t *testing.T) {
	doc := `<?xml version="1.0"?><presence xmlns="` + pidf.Namespace + `" entity="pres:a@b.c" xmlns:e="u:` +
		strings.Repeat("x", 4000) + `">` + strings.Repeat("<e:a/>", 20) + "</presence>"
	if _, err := pidf.Parse([]byte(doc)); err == nil || !strings.Contains(err.Error(), "extensions are too large") {
		t.Errorf("got %v", err)
	}
}

// TestNothingFetched covers R3863-4.2.1-any-uri: the schema location of the
// vector points at a local listener, which must stay alone.
func TestNothingFetched(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	doc := strings.ReplaceAll(string(readVector(t, "schema-location")), "127.0.0.1:1", l.Addr().String())
	mustParse(t, []byte(doc))
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if c, err := l.Accept(); err == nil {
		c.Close()
		t.Error("the schema location was visited")
	}
}

// TestNoSharing: neither the caller's buffer nor the octets of one element
// reach into another value.
func TestNoSharing(t *testing.T) {
	doc := readVector(t, "rfc3863-4.3.1")
	p := mustParse(t, doc)
	clear(doc)
	ext := p.Tuples[0].Status.Ext
	want := string(ext[1].Raw)
	_ = append(ext[0].Raw, "overwritten"...)
	if p.Entity != "pres:someone@example.com" || string(ext[1].Raw) != want {
		t.Errorf("got %q, %q", p.Entity, ext[1].Raw)
	}
}
