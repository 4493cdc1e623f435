package cpim

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var sent = time.Date(2001, 2, 1, 17, 16, 49, 520_000_000, time.UTC)

func draft() Draft {
	return Draft{
		From:      Mailbox{"Piglet", "im:piglet@100akerwood.com"},
		To:        []Mailbox{{"", "im:pooh@100akerwood.com"}},
		DateTime:  sent,
		MessageID: "4TMGQ3JXV2KSZ7WDNB5YH6LRCA",
		Content:   NewText("Hello, Pooh. I am here"),
	}
}

func mustNew(t testing.TB, d Draft) *Message {
	t.Helper()
	m, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func octets(t testing.TB, m *Message) string {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What is written, to the octet: R3862-2.3.1-b, R3862-2.3.1-c, R3862-2.3.1-d,
// R3862-2.3.1-e, R3862-3.4-h, R3862-4.6-a,
// R3862-4.7-b, R3339-4.2-b, R3339-5.6-c, R3862-2.2-no-edge-whitespace.
func TestNew(t *testing.T) {
	got := octets(t, mustNew(t, Draft{
		From:      Mailbox{" Piglet ", "im:piglet@100akerwood.com"},
		To:        []Mailbox{{"Pooh, \"W\"", "im:pooh@100akerwood.com"}, {"熊 维尼", "tel:+1-555"}, {"two  spaces", "im:a@b.example"}},
		Cc:        []Mailbox{{"", "im:eeyore@100akerwood.com"}},
		DateTime:  sent.In(time.FixedZone("", 19*60+32)),
		MessageID: "abc",
		Subjects:  []Subject{{"", " Eeyore's \"feeling\"\x07\n\\ "}, {"fr", "Objet"}, {DefaultLang, "x"}},
		Require:   []Name{{"urn:example:a", "Vital"}, {NSCore, "Subject"}, {"urn:example:new", "Thing"}},
		Extra: []Header{
			{Name: Name{"urn:example:a", "Vital"}, Prefix: "a", Params: []Param{{"p", "1"}, {"q", `x "y"`}}, Raw: Escape("a\tb")},
			{Name: Name{NSIMDN, "Disposition-Notification"}, Raw: "display"},
			{Name: Name{"", "Other"}, Raw: Quote("it's", '\'')},
		},
		Content: Content{[]MIMEField{{"Content-Type", "text/plain"}, {"Content-ID", "<1@x.example>"}}, []byte("hi")},
	}))
	want := strings.ReplaceAll(`NS: imdn <urn:ietf:params:imdn>
NS: a <urn:example:a>
NS: n1 <urn:example:new>
From: Piglet <im:piglet@100akerwood.com>
To: "Pooh, \"W\""<im:pooh@100akerwood.com>
To: 熊 维尼 <tel:+1-555>
To: "two  spaces"<im:a@b.example>
cc: <im:eeyore@100akerwood.com>
DateTime: 2001-02-01T17:16:49.52Z
imdn.Message-ID: abc
Subject: Eeyore's "feeling"\u0007\n\\
Subject:;lang=fr Objet
Subject: x
Require: a.Vital,Subject,n1.Thing
a.Vital:;p=1;q="x \"y\"" a\tb
imdn.Disposition-Notification: display
Other: 'it\'s'

Content-Type: text/plain
Content-ID: <1@x.example>

hi`, "\n", "\r\n")
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("-got +want\n%s", d)
	}
}

// Prefixes that New chooses keep clear of those that the caller chose.
func TestNewPrefixes(t *testing.T) {
	d := draft()
	d.Require = []Name{{NSIMDN, "x"}, {"urn:example:b", "x"}, {"urn:example:c", "x"}}
	d.Extra = []Header{
		{Name: Name{"urn:example:a", "x"}, Prefix: "n1", Raw: "1"},
		{Name: Name{"urn:example:a", "y"}, Prefix: "n1", Raw: "2"},
		{Name: Name{NSCore, "z"}, Prefix: "c", Raw: "3"},
		{Name: Name{"urn:example:d", "x"}, Raw: "4"},
	}
	d.MessageID = ""
	want := []Namespace{{"n1", "urn:example:a"}, {"c", NSCore}, {"n2", "urn:example:d"},
		{"imdn", NSIMDN}, {"n3", "urn:example:b"}, {"n4", "urn:example:c"}}
	m := mustNew(t, d)
	if diff := cmp.Diff(m.NS(), want); diff != "" {
		t.Errorf("-got +want\n%s", diff)
	}
	if diff := cmp.Diff(m.Require(), d.Require); diff != "" {
		t.Errorf("-got +want\n%s", diff)
	}
	d.Extra = []Header{{Name: Name{"urn:example:a", "x"}, Prefix: "imdn", Raw: "1"}}
	if diff := cmp.Diff(mustNew(t, d).Require(), d.Require); diff != "" {
		t.Errorf("imdn taken: -got +want\n%s", diff)
	}
}

// A draft that cannot be written is an error, above all one that would write
// a header that the caller did not name (R3862-2.2-one-header-per-line).
func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Draft)
	}{
		{"From without URI", func(d *Draft) { d.From = Mailbox{Name: "Piglet"} }},
		{"line in From URI", func(d *Draft) { d.From.URI = "im:a@b.example>\r\nTo: <im:c@d.example" }},
		{"bracket in To URI", func(d *Draft) { d.To[0].URI = "im:a@b.example><x" }},
		{"relative cc", func(d *Draft) { d.Cc = []Mailbox{{"", "pooh"}} }},
		{"name not UTF-8", func(d *Draft) { d.From.Name = "J\xf6rg" }},
		{"year 10000", func(d *Draft) { d.DateTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"year -1", func(d *Draft) { d.DateTime = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"id with a space", func(d *Draft) { d.MessageID = "a b" }},
		{"id with an at sign", func(d *Draft) { d.MessageID = "a@b.example" }},
		{"id with a line", func(d *Draft) { d.MessageID = "a\r\nTo: x" }},
		{"id not UTF-8", func(d *Draft) { d.MessageID = "a\xff" }},
		{"subject not UTF-8", func(d *Draft) { d.Subjects = []Subject{{"", "\xff"}} }},
		{"subject empty", func(d *Draft) { d.Subjects = []Subject{{"en", "  "}} }},
		{"subject language", func(d *Draft) { d.Subjects = []Subject{{"en_US", "x"}} }},
		{"subject language with a line", func(d *Draft) { d.Subjects = []Subject{{"en x\r\nTo", "x"}} }},
		{"require with a space", func(d *Draft) { d.Require = []Name{{NSCore, "a b"}} }},
		{"require relative namespace", func(d *Draft) { d.Require = []Name{{"a", "b"}} }},
		{"header with raw line", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "X"}, Raw: "a\r\nTo: b"}} }},
		{"header with raw tab", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "X"}, Raw: "a\tb"}} }},
		{"header value in spaces", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "X"}, Raw: "a "}} }},
		{"header value after a space", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "X"}, Raw: " a"}} }},
		{"header without value", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "X"}}} }},
		{"header name", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "X: y\r\nZ"}, Raw: "a"}} }},
		{"header prefix", func(d *Draft) { d.Extra = []Header{{Name: Name{"urn:a:b", "X"}, Prefix: "a.b", Raw: "a"}} }},
		{"header namespace", func(d *Draft) { d.Extra = []Header{{Name: Name{"urn:a:b>\r\nTo: <", "X"}, Prefix: "a", Raw: "a"}} }},
		{"prefix of imdn", func(d *Draft) { d.Extra = []Header{{Name: Name{"urn:a:b", "X"}, Prefix: "imdn", Raw: "a"}} }},
		{"header NS", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "NS"}, Raw: "<urn:a:b>"}} }},
		{"malformed core header", func(d *Draft) { d.Extra = []Header{{Name: Name{"", "To"}, Raw: "pooh"}} }},
		{"parameter name", func(d *Draft) {
			d.Extra = []Header{{Name: Name{"", "X"}, Params: []Param{{"a=b;c", "d"}}, Raw: "a"}}
		}},
		{"parameter not UTF-8", func(d *Draft) {
			d.Extra = []Header{{Name: Name{"", "X"}, Params: []Param{{"a", "\xff"}}, Raw: "a"}}
		}},
		{"no content type", func(d *Draft) { d.Content.Header = nil }},
		{"malformed content type", func(d *Draft) { d.Content.Header[0].Value = "text" }},
		{"content header with a line", func(d *Draft) { d.Content.Header[0].Value = "text/plain\r\nX: y" }},
		{"content header not US-ASCII", func(d *Draft) { d.Content.Header[0].Value = "text/plain; name=é" }},
		{"content header name", func(d *Draft) { d.Content.Header = append(d.Content.Header, MIMEField{"X Y", "z"}) }},
		{"content header without name", func(d *Draft) { d.Content.Header = append(d.Content.Header, MIMEField{"", "z"}) }},
		{"two content types", func(d *Draft) { d.Content.Header = append(d.Content.Header, MIMEField{"content-type", "a/b"}) }},
	}
	for _, tt := range tests {
		d := draft()
		tt.change(&d)
		if m, err := New(d); err == nil || m != nil {
			t.Errorf("%s: New = %v, %v, want an error alone", tt.name, m, err)
		}
	}
}

// R2778-instant-message: the limit, and one octet beyond, written and read.
func TestSizeLimit(t *testing.T) {
	d := draft()
	d.Content.Body = nil
	room := MaxSize - len(octets(t, mustNew(t, d)))
	d.Content.Body = make([]byte, room)
	b := []byte(octets(t, mustNew(t, d)))
	if len(b) != MaxSize {
		t.Fatalf("%d octets", len(b))
	}
	if _, err := Parse(append(b, 0)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Parse of one octet more: %v", err)
	}
	entity := append([]byte("Content-Type: Message/CPIM\r\n\r\n"), b...)
	if _, err := ParseEntity(entity); err != nil {
		t.Errorf("ParseEntity: %v", err)
	}
	if _, err := ParseEntity(append(entity, 0)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ParseEntity of one octet more: %v", err)
	}
	if _, err := ParseEntity(make([]byte, maxEntityHeader+MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ParseEntity beyond all limits: %v", err)
	}
	for _, tt := range []struct {
		size int
		want error
	}{{maxEntityHeader, nil}, {maxEntityHeader + 1, ErrTooLarge}} {
		const around = "Content-Type: Message/CPIM\r\nX: \r\n\r\n"
		filler := strings.Repeat("y", tt.size-len(around))
		b := strings.Replace(around, "X: ", "X: "+filler, 1) + "X: y" + tail
		if _, err := ParseEntity([]byte(b)); !errors.Is(err, tt.want) {
			t.Errorf("ParseEntity with a header of %d octets: %v, want %v", tt.size, err, tt.want)
		}
	}
	d.Content.Body = make([]byte, room+1)
	if _, err := New(d); !errors.Is(err, ErrTooLarge) {
		t.Errorf("New of one octet more: %v", err)
	}
}

// R3862-1.3-a: framing of a 20-character message between short addresses.
func TestFramingSize(t *testing.T) {
	d := draft()
	d.Content = NewText("twenty characters it")
	if n := len(octets(t, mustNew(t, d))) - 20; n > 250 {
		t.Errorf("%d octets of framing", n)
	}
}

// R3862-2.2-escape-controls, R3862-2.3-a, R3862-2.3.1-a,
// R3862-2.3.1-e, R3862-2.2-no-controls.
func TestControlCharacters(t *testing.T) {
	short := map[byte]string{'\\': `\\`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\r': `\r`}
	for c := range 0x80 {
		if c >= 0x20 && c != 0x7f && c != '\\' {
			continue
		}
		text := "a" + string(rune(c)) + "b"
		d := draft()
		d.Subjects = []Subject{{"en", text}}
		d.From.Name = text
		m := mustNew(t, d)
		if got := m.Subjects(); !cmp.Equal(got, d.Subjects) {
			t.Errorf("subject %q read as %q", text, got)
		}
		if got := m.From(); !cmp.Equal(got, []Mailbox{d.From}) {
			t.Errorf("name %q read as %q", text, got)
		}
		head := m.head
		if strings.ContainsFunc(strings.ReplaceAll(head, "\r\n", ""), func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			t.Errorf("%U stands raw in %q", c, head)
		}
		want, ok := short[byte(c)]
		if !ok {
			want = `\u00` + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15])
		}
		if !strings.Contains(head, "lang=en a"+want+"b\r\n") {
			t.Errorf("%U is not written as %s: %q", c, want, head)
		}
		if c == '\\' {
			continue
		}
		raw := strings.Replace(octets(t, mustNew(t, draft())), "From: Piglet", "X: a"+string(rune(c))+"b\r\nFrom: Piglet", 1)
		if _, err := Parse([]byte(raw)); err == nil {
			t.Errorf("%U raw in a value is accepted", c)
		}
	}
}

// R3862-2.3.1-f, R3862-3.6-utf8-new, R2779-4.1.6, R3862-7.1-strict: over
// random text, nothing is escaped but what must be, and all of it comes back.
func TestRandomText(t *testing.T) {
	r := rand.New(rand.NewPCG(3862, 1))
	for range 2000 {
		text := randomText(r)
		d := draft()
		d.Subjects = []Subject{{"x-test", text}}
		d.From.Name = text
		m := mustNew(t, d)
		if got := m.Subjects(); !cmp.Equal(got, d.Subjects) {
			t.Fatalf("subject %q read as %q", text, got)
		}
		if got := m.From(); !cmp.Equal(got, []Mailbox{d.From}) {
			t.Fatalf("name %q read as %q", text, got)
		}
		if !utf8.ValidString(m.head) {
			t.Fatalf("not UTF-8: %q", m.head)
		}
		if raw, n := Escape(text), 0; true {
			for _, c := range text {
				if c < 0x20 || c == 0x7f || c == '\\' {
					n++
				}
			}
			if got := strings.Count(strings.ReplaceAll(raw, `\\`, "\x00"), `\`) + strings.Count(raw, `\\`); got != n {
				t.Fatalf("%d escapes for %d characters in %q", got, n, raw)
			}
		}
	}
}

func randomText(r *rand.Rand) string {
	b := []byte("x") // text is trimmed of spaces at its ends
	for range r.IntN(20) {
		switch r.IntN(4) {
		case 0:
			b = append(b, byte(r.IntN(0x80)))
		case 1:
			b = append(b, `\"'; ,<>@u`[r.IntN(10)])
		default:
			b = utf8.AppendRune(b, rune(r.IntN(0x110000))) // U+FFFD for surrogates
		}
	}
	return string(append(b, 'x'))
}

// The draft of what was read writes what was read.
func TestRedraft(t *testing.T) {
	d := draft()
	d.Subjects = []Subject{{"fr", "Objet"}, {DefaultLang, "topic"}}
	d.Cc = []Mailbox{{"Pooh, W", "im:w@x.example"}}
	m := mustNew(t, d)
	at, _ := m.DateTime()
	again := mustNew(t, Draft{
		From: m.From()[0], To: m.To(), Cc: m.Cc(), DateTime: at, MessageID: m.MessageID(),
		Subjects: m.Subjects(), Content: m.Content(),
	})
	if got, want := octets(t, again), octets(t, m); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// R3862-9-immutable: neither the input, nor what Marshal returned, nor the
// draft is part of the message.
func TestImmutable(t *testing.T) {
	d := draft()
	m := mustNew(t, d)
	want := octets(t, m)
	b := []byte(want)
	parsed, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := parsed.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][]byte{b, out, d.Content.Body} {
		copy(change, bytes.Repeat([]byte("!"), len(change)))
	}
	_ = append(parsed.Content().Body, "more"...)
	d.To[0].URI = "im:other@x.example"
	if octets(t, parsed) != want || octets(t, m) != want || m.To()[0].URI != "im:pooh@100akerwood.com" {
		t.Error("message changed with its input or output")
	}
}

func TestZeroMessage(t *testing.T) {
	m := new(Message)
	if _, err := m.Marshal(); err == nil {
		t.Error("Marshal of the zero message succeeds")
	}
	if _, err := m.MarshalEntity(); err == nil {
		t.Error("MarshalEntity of the zero message succeeds")
	}
	if m.MessageID() != "" || m.From() != nil || m.Content().Header != nil || CheckProfile(m) == nil {
		t.Error("the zero message has content")
	}
}
