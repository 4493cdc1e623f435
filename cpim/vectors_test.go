package cpim

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the .want files of testdata/accept")

// read parses a vector by what its name says it is, and returns its octets and
// how the result is written again.
func read(t *testing.T, path string) (m *Message, b []byte, marshal func(*Message) ([]byte, error), err error) {
	t.Helper()
	b, ferr := os.ReadFile(path)
	if ferr != nil {
		t.Fatal(ferr)
	}
	if filepath.Ext(path) == ".entity" {
		m, err = ParseEntity(b)
		return m, b, (*Message).MarshalEntity, err
	}
	m, err = Parse(b)
	return m, b, (*Message).Marshal, err
}

// Every accept vector parses, means what its .want file says, and is written
// again octet by octet.
func TestAccept(t *testing.T) {
	for _, tt := range accepts {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("testdata/accept", tt.file)
			m, b, marshal, err := read(t, path)
			if err != nil {
				t.Fatalf("%s: %v", tt.ids, err)
			}
			again, err := marshal(m)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("%s: octets not preserved: %v\n%q\n%q", tt.ids, err, again, b)
			}
			got := describe(m)
			wantFile := path + ".want"
			if *update {
				if err := os.WriteFile(wantFile, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantFile)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got, string(want)); d != "" {
				t.Errorf("%s: -got +want\n%s", tt.ids, d)
			}
			stock(t, m)
		})
	}
}

// stock reads the content header with the standard library and compares
// (R3862-2.4-a, R2779-4.1.10).
func stock(t *testing.T, m *Message) {
	t.Helper()
	block := strings.TrimSuffix(m.head[m.content:], "\r\n") + "\r\n"
	want, err := textproto.NewReader(bufio.NewReader(strings.NewReader(block + "\r\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("the standard library refuses the content header: %v", err)
	}
	c := m.Content()
	for _, f := range c.Header {
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		got, one := strings.Join(strings.Fields(f.Value), " "), strings.Join(strings.Fields(want.Get(name)), " ")
		if got != one {
			t.Errorf("field %s is %q, the standard library has %q", name, got, one)
		}
	}
}

// Every reject vector is refused at its line for its reason, with nothing beside the error.
func TestReject(t *testing.T) {
	for _, tt := range rejects {
		t.Run(tt.file, func(t *testing.T) {
			m, _, _, err := read(t, filepath.Join("testdata/reject", tt.file))
			if m != nil {
				t.Errorf("%s: a message with the error", tt.ids)
			}
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("%s: error %v, want a SyntaxError", tt.ids, err)
			}
			if e.Line != tt.line || e.Section != tt.section {
				t.Errorf("%s: %v\nwant line %d, %s", tt.ids, err, tt.line, tt.section)
			}
		})
	}
}

// No vector is forgotten, and every trap of the table has one.
func TestVectorsComplete(t *testing.T) {
	var files, listed []string
	for _, dir := range []string{"accept", "reject"} {
		entries, err := os.ReadDir(filepath.Join("testdata", dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".want" {
				files = append(files, dir+"/"+e.Name())
			}
		}
	}
	traps := make(map[string]bool)
	note := func(dir, file, ids string) {
		listed = append(listed, dir+"/"+file)
		for id := range strings.FieldsSeq(ids) {
			traps[id] = true
		}
	}
	for _, tt := range accepts {
		note("accept", tt.file, tt.ids)
	}
	for _, tt := range rejects {
		note("reject", tt.file, tt.ids)
	}
	slices.Sort(files)
	slices.Sort(listed)
	if d := cmp.Diff(files, listed); d != "" {
		t.Errorf("-files +listed\n%s", d)
	}
	for n := 1; n <= 38; n++ {
		if !traps["trap-"+strconv.Itoa(n)] {
			t.Errorf("no vector for trap %d", n)
		}
	}
}

// describe writes what a message means, a line for each thing.
func describe(m *Message) string {
	var b strings.Builder
	for h := range m.Headers() {
		fmt.Fprintf(&b, "header {%s}%s", h.NS, h.Local)
		if h.Prefix != "" {
			fmt.Fprintf(&b, " prefix %s", h.Prefix)
		}
		for _, p := range h.Params {
			fmt.Fprintf(&b, " ;%s=%q", p.Name, p.Value)
		}
		fmt.Fprintf(&b, " %q\n", h.Value())
	}
	for _, box := range m.From() {
		fmt.Fprintf(&b, "from %q %s\n", box.Name, box.URI)
	}
	for _, box := range m.To() {
		fmt.Fprintf(&b, "to %q %s\n", box.Name, box.URI)
	}
	for _, box := range m.Cc() {
		fmt.Fprintf(&b, "cc %q %s\n", box.Name, box.URI)
	}
	if at, ok := m.DateTime(); ok {
		fmt.Fprintf(&b, "datetime %s\n", at.UTC().Format(time.RFC3339Nano))
	}
	for _, s := range m.Subjects() {
		fmt.Fprintf(&b, "subject %s %q\n", s.Lang, s.Text)
	}
	for _, ns := range m.NS() {
		fmt.Fprintf(&b, "ns %q %s\n", ns.Prefix, ns.URI)
	}
	for _, n := range m.Require() {
		fmt.Fprintf(&b, "require %s\n", n.URN())
	}
	if id := m.MessageID(); id != "" {
		fmt.Fprintf(&b, "message-id %s\n", id)
	}
	c := m.Content()
	for _, f := range c.Header {
		fmt.Fprintf(&b, "content %s: %q\n", f.Name, f.Value)
	}
	if mediatype, params, err := c.ContentType(); err == nil {
		fmt.Fprintf(&b, "type %s %v\n", mediatype, params)
	}
	fmt.Fprintf(&b, "body %q\n", c.Body)
	return b.String()
}
