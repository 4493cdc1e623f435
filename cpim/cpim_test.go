package cpim

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const tail = "\r\n\r\nContent-Type: text/plain\r\n\r\nbody"

func mustParse(t testing.TB, s string) *Message {
	t.Helper()
	m, err := Parse([]byte(s))
	if err != nil {
		t.Fatalf("%.200q: %v", s, err)
	}
	return m
}

// R3862-2.2-no-line-limit, R3862-2.2-one-line.
func TestLongLine(t *testing.T) {
	text := strings.Repeat("0123456789abcde ", 4096)[:64<<10-1] + "!"
	m := mustParse(t, "Subject: "+text+tail)
	if got := m.Subjects(); len(got) != 1 || got[0].Text != text {
		t.Errorf("%d subjects", len(got))
	}
}

// Hostile messages of full size are read in time that is linear in their size.
func TestHostile(t *testing.T) {
	fill := func(line func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < MaxSize-200; i++ {
			b.WriteString(line(i))
		}
		return b.String() + tail[2:]
	}
	// The limit is wide, for slow machines. Quadratic work would pass it by far.
	const limit = 5 * time.Second
	for name, s := range map[string]string{
		"short headers":    fill(func(int) string { return "a: \r\n" }),
		"prefixes":         fill(func(i int) string { return fmt.Sprintf("NS: p%d<a:b>\r\n", i) }),
		"prefixes used":    "NS: z<a:b>\r\n" + fill(func(i int) string { return fmt.Sprintf("NS: p%d<a:b>\r\np%d.x: y\r\n", i, i) }),
		"default rebound":  "NS: c <" + NSCore + ">\r\n" + fill(func(i int) string { return "c.NS: <a:b>\r\n" }),
		"one Require":      "Require: a" + strings.Repeat(",a", MaxSize/2-100) + tail,
		"one parameter":    "X" + ":" + strings.Repeat(";a=b", MaxSize/4-100) + " x" + tail,
		"backslashes":      "Subject: " + strings.Repeat(`\`, MaxSize-100) + tail,
		"surrogates":       "Subject: " + strings.Repeat(`\ud800`, MaxSize/6-100) + tail,
		"name":             "From: " + strings.Repeat("a ", MaxSize/2-100) + "<a:b>" + tail,
		"content headers":  "\r\nContent-Type: a/b\r\n" + strings.Repeat("a:\r\n", MaxSize/4-100) + "\r\n",
		"content folds":    "\r\nContent-Type: a/b\r\nX:" + strings.Repeat("\r\n a", MaxSize/4-100) + "\r\n\r\n",
		"content comments": "\r\nContent-Type: a/b " + strings.Repeat("(", MaxSize-100) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			m := mustParse(t, s)
			_ = describe(m)
			_ = CheckProfile(m)
			_ = CheckRequire(m, func(string, string) bool { return false })
			if d := time.Since(start); d > limit {
				t.Errorf("%d octets took %v", len(s), d)
			}
		})
	}
}

// R3862-3.4-i, R3862-3.4-k: prefixes mean nothing beyond their message, not
// even in a message inside it.
func TestPrefixIsLocal(t *testing.T) {
	acme, _, _, err := read(t, "testdata/accept/rfc3862-3.4-acme-prefix.cpim")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acme-prefix", "widget-prefix", "default-ns"} {
		m, _, _, err := read(t, "testdata/accept/rfc3862-3.4-"+name+".cpim")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := m.Value("http://id.acme.widgets/wily-headers/", "runner-trap"); got != "set" || !ok {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	if _, err := Parse([]byte("acme.runner-trap: set" + tail)); err == nil {
		t.Error("prefix of another message is known")
	}
	inner := "acme.runner-trap: set" + tail
	outer := mustParse(t, acme.head[:acme.content-2]+"\r\nContent-Type: Message/CPIM\r\n\r\n"+inner)
	if _, err := Parse(outer.Content().Body); err == nil {
		t.Error("prefix of the outer message is known in the inner one")
	}
}

// R3862-3.4-b, R3862-3.4-d: a header is found by namespace and name, and the
// namespace is the core one, with its final colon, where none is declared.
func TestValue(t *testing.T) {
	m := mustParse(t, "NS: a <urn:example:a>\r\na.X: one\\ttwo\r\na.X: three\r\nX: core\r\nE: "+tail)
	for _, tt := range []struct {
		ns, name, want string
		ok             bool
	}{
		{"urn:example:a", "X", "one\ttwo", true},
		{NSCore, "X", "core", true},
		{NSCore, "E", "", true},
		{"urn:ietf:params:cpim-headers:", "X", "core", true},
		{"urn:ietf:params:cpim-headers", "X", "", false},
		{NSCore, "x", "", false},
		{"urn:example:A", "X", "", false},
	} {
		if got, ok := m.Value(tt.ns, tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("Value(%s, %s) = %q, %v, want %q, %v", tt.ns, tt.name, got, ok, tt.want, tt.ok)
		}
	}
	for h := range m.Headers() {
		if h.Prefix == "a" {
			if d := cmp.Diff(h, Header{Name: Name{"urn:example:a", "X"}, Prefix: "a", Raw: `one\ttwo`}); d != "" {
				t.Errorf("-got +want\n%s", d)
			}
			break // iteration may be left early
		}
	}
}

// R3339-5.1-a, R3339-5.6-f, R3339-4.3-a: instants are compared, and the text
// is there for what they cannot hold.
func TestDateTime(t *testing.T) {
	at := func(s string) time.Time {
		m := mustParse(t, "DateTime: "+s+"\r\nDateTime: 1990-01-01T00:00:00Z"+tail)
		got, ok := m.DateTime()
		if !ok || m.DateTimeRaw() != s {
			t.Errorf("%s: %v, raw %s", s, ok, m.DateTimeRaw())
		}
		return got
	}
	if !at("2001-01-01T00:00:00.5Z").After(at("2001-01-01T00:00:00Z")) ||
		!at("2001-01-01T00:00:00.5Z").Before(at("2001-01-01T00:00:00.75Z")) ||
		!at("2001-01-01T18:50:00-04:00").Equal(at("2001-01-01T22:50:00Z")) ||
		!at("2001-01-01T00:00:00.000000000009Z").Equal(at("2001-01-01T00:00:00-00:00")) {
		t.Error("instants do not compare")
	}
	if got, ok := mustParse(t, "X: y"+tail).DateTime(); ok || !got.IsZero() {
		t.Errorf("DateTime of none = %v, %v", got, ok)
	}
}

// R3862-2-b, R3862-2.4-a, R3862-2.4-c.
func TestContent(t *testing.T) {
	tests := []struct {
		block     string
		mediatype string
		params    map[string]string
		id, text  string
		bad       string // part of the error of Text, "" for none
	}{
		{"content-TYPE:TEXT/Plain;\r\n charset=\"UTF-8\"\r\n\r\nJörg", "text/plain", map[string]string{"charset": "UTF-8"}, "", "Jörg", ""},
		{"Content-Type: text/plain (a \"c) ; x=\"(y)\\\"\"(z)\r\nContent-Id: (a) <1@x.example> (b)\r\n\r\nhi", "text/plain", map[string]string{"x": `(y)"`}, "1@x.example", "hi", ""},
		{"Content-Type: text/plain\r\nContent-Transfer-Encoding: BASE64 (x)\r\n\r\naGkg\r\n8J+Quw==\r\n", "text/plain", map[string]string{}, "", "hi 🐻", ""},
		{"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nJ=C3=B6=\r\nrg", "text/plain", map[string]string{}, "", "Jörg", ""},
		{"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\na!!!", "text/plain", map[string]string{}, "", "", "illegal base64"},
		{"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\x01", "text/plain", map[string]string{}, "", "", "quotedprintable"},
		{"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\na", "text/plain", map[string]string{}, "", "", "unknown transfer encoding"},
		{"Content-Type: text/plain; charset=iso-8859-1\r\n\r\na", "text/plain", map[string]string{"charset": "iso-8859-1"}, "", "", "not text/plain in UTF-8"},
		{"Content-Type: text/html\r\nContent-ID: 1@x\r\n\r\na", "text/html", map[string]string{}, "", "", "not text/plain in UTF-8"},
		{"Content-Type: text/plain\r\n\r\n\xff", "text/plain", map[string]string{}, "", "", "not UTF-8"},
		{"Content-Type: a/b; c=d/e\r\n\r\n", "", nil, "", "", "invalid media parameter"},
		{"Content-Type: a/b; c=d; c=e\r\n\r\n", "", nil, "", "", "duplicate parameter"},
	}
	for _, tt := range tests {
		c := mustParse(t, "X: y\r\n\r\n"+tt.block).Content()
		mediatype, params, err := c.ContentType()
		if mediatype != tt.mediatype || !cmp.Equal(params, tt.params) || (err != nil) != (tt.mediatype == "") {
			t.Errorf("%q: ContentType = %s %v, %v", tt.block, mediatype, params, err)
		}
		if id := c.ContentID(); id != tt.id {
			t.Errorf("%q: ContentID = %q, want %q", tt.block, id, tt.id)
		}
		text, err := c.Text()
		if text != tt.text || (err != nil) != (tt.bad != "") || err != nil && !strings.Contains(err.Error(), tt.bad) {
			t.Errorf("%q: Text = %q, %v, want %q, %q", tt.block, text, err, tt.text, tt.bad)
		}
	}
	if _, _, err := (Content{}).ContentType(); err == nil {
		t.Error("ContentType of no content succeeds")
	}
}

// R3862-2.1-a, R3862-5.2-coverage: the entity is what was read, its own MIME
// header included, and the standard one where none was.
func TestEntity(t *testing.T) {
	object := "X: y" + tail
	header := "content-type:\r\n MESSAGE/cpim\r\nX-Hop: 1\r\n\r\n"
	m, err := ParseEntity([]byte(header + object))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := m.MarshalEntity(); string(b) != header+object || err != nil {
		t.Errorf("MarshalEntity = %q, %v", b, err)
	}
	if b, err := m.Marshal(); string(b) != object || err != nil {
		t.Errorf("Marshal = %q, %v", b, err)
	}
	b, err := mustParse(t, object).MarshalEntity()
	if string(b) != "Content-Type: Message/CPIM\r\n\r\n"+object || err != nil {
		t.Errorf("MarshalEntity = %q, %v", b, err)
	}
	if _, err := ParseEntity(b); err != nil {
		t.Errorf("own entity: %v", err)
	}
}

// R3862-1.2-a: a signature holds over what was read and marshalled, and not
// over a message written anew from the same values in another form.
func TestSignedOctets(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	in := "Subject: \\u0041bc\r\nTo: \"Pooh\" <im:pooh@100akerwood.com>" + tail
	signature := ed25519.Sign(private, []byte(in))
	m := mustParse(t, in)
	anew := mustNew(t, Draft{To: m.To(), Subjects: m.Subjects(), Content: m.Content()})
	if !cmp.Equal(anew.To(), m.To()) || !cmp.Equal(anew.Subjects(), m.Subjects()) {
		t.Error("the values differ")
	}
	if !ed25519.Verify(public, []byte(octets(t, m)), signature) {
		t.Error("octets as read do not verify")
	}
	if ed25519.Verify(public, []byte(octets(t, anew)), signature) {
		t.Error("octets written anew verify")
	}
}

func TestSyntaxError(t *testing.T) {
	_, err := Parse([]byte("X: y\r\nSubject:hello" + tail))
	e, ok := errors.AsType[*SyntaxError](err)
	if !ok {
		t.Fatal(err)
	}
	want := SyntaxError{2, "RFC 3862 2.2", "no space after the colon or the parameters"}
	if *e != want || e.Error() != "cpim: line 2: no space after the colon or the parameters (RFC 3862 2.2)" {
		t.Errorf("%v", e)
	}
}

// vectors returns the octets of all vectors.
func vectors(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, pattern := range []string{"testdata/*/*.cpim", "testdata/*/*.entity"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
	}
	return all
}

// FuzzParse: no panic, nothing beside an error, octets preserved, the same
// meaning when read again, and a draft of what was read can be written.
func FuzzParse(f *testing.F) {
	for _, b := range vectors(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseEntity(b); err == nil {
			if again, err := m.MarshalEntity(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("entity not preserved: %q, %v", again, err)
			}
		} else if m != nil {
			t.Fatal("a message with the error")
		}
		m, err := Parse(b)
		if err != nil {
			if m != nil {
				t.Fatal("a message with the error")
			}
			return
		}
		again, err := m.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("not preserved: %q, %v", again, err)
		}
		m2, err := Parse(again)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(describe(m), describe(m2)); d != "" {
			t.Fatalf("read twice: %s", d)
		}
		redraft(t, m)
	})
}

// redraft writes a new message with the addresses and subjects of m.
func redraft(t *testing.T, m *Message) {
	t.Helper()
	d := Draft{To: m.To(), Cc: m.Cc(), Content: NewText("x")}
	for i, box := range d.To {
		d.To[i].Name = strings.Trim(box.Name, " ")
	}
	for i, box := range d.Cc {
		d.Cc[i].Name = strings.Trim(box.Name, " ")
	}
	for _, s := range m.Subjects() {
		if s.Text = strings.Trim(s.Text, " "); s.Text != "" {
			d.Subjects = append(d.Subjects, s)
		}
	}
	n, err := New(d)
	if errors.Is(err, ErrTooLarge) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Draft{To: n.To(), Cc: n.Cc(), Subjects: n.Subjects(), Content: n.Content()}, d); diff != "" {
		t.Fatalf("written and read: %s", diff)
	}
}

// typical returns a message of about 600 octets.
func typical(t testing.TB) []byte {
	t.Helper()
	d := draft()
	d.Subjects = []Subject{{"en", "tomorrow"}}
	d.Extra = []Header{{Name: Name{NSIMDN, "Disposition-Notification"}, Raw: "positive-delivery, display"}}
	d.Content = NewText(strings.Repeat("Shall we meet at the bridge? ", 8))
	return []byte(octets(t, mustNew(t, d)))
}

func TestParseAllocations(t *testing.T) {
	b := typical(t)
	if n := testing.AllocsPerRun(100, func() { _, _ = Parse(b) }); n >= 10 {
		t.Errorf("%v allocations, want less than 10", n)
	}
}

func BenchmarkParse(b *testing.B) {
	octets := typical(b)
	b.SetBytes(int64(len(octets)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(octets); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	d := draft()
	d.Subjects = []Subject{{"en", "tomorrow"}}
	d.Content = NewText(strings.Repeat("Shall we meet at the bridge? ", 10))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	m, err := Parse(typical(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
