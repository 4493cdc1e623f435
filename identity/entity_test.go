package identity

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEntity(t *testing.T) {
	e := Entity{"text/plain;charset=utf-8", []Field{{"Content-ID", "<1@kith>"}, {"X-A", "b: c"}}, []byte("body\r\n\r\nmore\n\x00")}
	raw, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := "Content-Type: text/plain;charset=utf-8\r\nContent-ID: <1@kith>\r\nX-A: b: c\r\n\r\nbody\r\n\r\nmore\n\x00"
	if string(raw) != want {
		t.Errorf("got %q, want %q", raw, want)
	}
	got, err := ParseEntity(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, e); diff != "" {
		t.Error(diff)
	}
	if got.Field("content-id") != "<1@kith>" || got.Field("nothing") != "" {
		t.Errorf("Field: %q", got.Field("content-id"))
	}
}

func TestParseEntityHostile(t *testing.T) {
	for name, test := range map[string]struct {
		input string
		good  bool
	}{
		"least":              {"Content-Type: a/b\r\n\r\n", true},
		"32 fields":          {"Content-Type: a/b\r\n" + fields(32) + "\r\n", true},
		"line of 998":        {"Content-Type: a/b\r\nX: " + strings.Repeat("a", 995) + "\r\n\r\n", true},
		"empty":              {"", false},
		"no blank line":      {"Content-Type: a/b\r\n", false},
		"bare LF":            {"Content-Type: a/b\n\n", false},
		"bare CR":            {"Content-Type: a/b\r\nX: a\rb\r\n\r\n", false},
		"other first":        {"X: y\r\nContent-Type: a/b\r\n\r\n", false},
		"lower case":         {"content-type: a/b\r\n\r\n", false},
		"content type twice": {"Content-Type: a/b\r\nContent-type: c/d\r\n\r\n", false},
		"field twice":        {"Content-Type: a/b\r\nX: 1\r\nx: 2\r\n\r\n", false},
		"folded":             {"Content-Type: a/b;\r\n c=d\r\n\r\n", false},
		"no type":            {"Content-Type: \r\n\r\n", false},
		"no subtype":         {"Content-Type: text\r\n\r\n", false},
		"no space":           {"Content-Type:a/b\r\n\r\n", false},
		"two spaces":         {"Content-Type:  a/b\r\n\r\n", false},
		"space at the end":   {"Content-Type: a/b \r\n\r\n", false},
		"empty value":        {"Content-Type: a/b\r\nX: \r\n\r\n", false},
		"bad name":           {"Content-Type: a/b\r\nX Y: z\r\n\r\n", false},
		"no name":            {"Content-Type: a/b\r\n: z\r\n\r\n", false},
		"tab":                {"Content-Type: a/b\r\nX: a\tb\r\n\r\n", false},
		"UTF-8":              {"Content-Type: a/b\r\nX: é\r\n\r\n", false},
		"33 fields":          {"Content-Type: a/b\r\n" + fields(33) + "\r\n", false},
		"line of 999":        {"Content-Type: a/b\r\nX: " + strings.Repeat("a", 996) + "\r\n\r\n", false},
		"too large":          {"Content-Type: a/b\r\n\r\n" + strings.Repeat("a", maxEntity), false},
	} {
		e, err := ParseEntity([]byte(test.input))
		if (err == nil) != test.good || err != nil && !cmp.Equal(e, Entity{}) {
			t.Errorf("%s: %+v, %v", name, e.Fields, err)
		}
	}
	for name, e := range map[string]Entity{
		"no type":       {},
		"line end":      {Type: "a/b\r\nX: y"},
		"line in field": {Type: "a/b", Fields: []Field{{"X", "a\r\n\r\nb"}}},
		"content type":  {Type: "a/b", Fields: []Field{{"content-type", "c/d"}}},
		"33 fields":     {Type: "a/b", Fields: make([]Field, 33)},
	} {
		if raw, err := e.Marshal(); err == nil || raw != nil {
			t.Errorf("%s: written %q", name, raw)
		}
	}
}

func fields(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("X" + strings.Repeat("x", i) + ": y\r\n")
	}
	return b.String()
}

func FuzzParseEntity(f *testing.F) {
	f.Add([]byte("Content-Type: text/plain;charset=utf-8\r\nContent-ID: <1@kith>\r\n\r\nbody"))
	f.Add([]byte("Content-Type: a/b\r\nX: \r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEntity(b)
		if err != nil {
			return
		}
		if again, err := e.Marshal(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("got %q, %v; want %q", again, err, b)
		}
	})
}
