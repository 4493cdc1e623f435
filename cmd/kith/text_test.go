package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/control"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, text, line, lines string }{
		{"plain", "héllo 日本 👩‍💻", "héllo 日本 👩‍💻", "héllo 日本 👩‍💻"},
		{"line ends", "a\r\nb\tc", "a  b c", "a\nb c"},
		{"escape sequence", "\x1b[2J\x07x", "\ufffd[2J\ufffdx", "\ufffd[2J\ufffdx"},
		{"C1 control", "\u009b31m", "\ufffd31m", "\ufffd31m"},
		{"direction", "a\u202eb\u2066c\u200f", "a\ufffdb\ufffdc\ufffd", "a\ufffdb\ufffdc\ufffd"},
		{"invisible", "a\u200bb\ufeff\u00ad", "a\ufffdb\ufffd\ufffd", "a\ufffdb\ufffd\ufffd"},
		{"line separator", "a\u2028b", "a b", "a b"},
		{"not UTF-8", "a\xffb", "a\ufffdb", "a\ufffdb"},
		{"delete", "a\x7f", "a\ufffd", "a\ufffd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := clean(test.text); got != test.line {
				t.Errorf("clean: got %q, want %q", got, test.line)
			}
			if got := cleanLines(test.text); got != test.lines {
				t.Errorf("cleanLines: got %q, want %q", got, test.lines)
			}
		})
	}
}

// FuzzClean checks that nothing reaches a terminal but what is drawn on a line.
func FuzzClean(f *testing.F) {
	f.Add("hello\n\x1b]0;title\x07")
	f.Add("a\u202eb\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, got := range []string{clean(text), strings.ReplaceAll(cleanLines(text), "\n", "")} {
			if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e }) {
				t.Errorf("got %q", got)
			}
			if again := clean(got); again != got {
				t.Errorf("not stable: %q, then %q", got, again)
			}
			if short := shorten(got, 10); width(short) > 10 {
				t.Errorf("shortened to %d cells: %q", width(short), short)
			}
		}
	})
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	table(&b, [][]cell{
		{{text: "NAME"}, {text: "NOTE"}, {text: "MORE"}},
		{{text: "日本"}, {text: "x"}},
		{{text: "é"}, {text: "yy"}, {text: "z"}},
	})
	want := "NAME  NOTE  MORE\n日本  x\né     yy    z\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.Local)
	tests := []struct{ got, want string }{
		{ago(now, now), "just now"},
		{ago(now, now.Add(30*time.Second)), "just now"},
		{ago(now, now.Add(-40*time.Second)), "40 s ago"},
		{ago(now, now.Add(-3*time.Minute)), "3 min ago"},
		{ago(now, now.Add(-5*time.Hour)), "5 h ago"},
		{ago(now, now.Add(-30*time.Hour)), "19 Nov 06:00"},
		{ago(now, now.Add(time.Hour)), "13:00"},
		{ago(now, time.Time{}), ""},
		{day(now, now.AddDate(-1, 0, 0)), "20 Nov 2025 12:00"},
		{seconds(40 * time.Millisecond), "40 ms"},
		{seconds(1500 * time.Millisecond), "1.5 s"},
		{count(1, "node"), "1 node"},
		{count(2, "node"), "2 nodes"},
		{typed("bob"), "bob"},
		{typed("Bob A's"), `'Bob A'\''s'`},
		{short("a@k51qzi5uqu5dgjbm3hd23a85adhjkrfrlsn7xeaeq0u9bq2ometmc0b18bjcg7.kith.alt"), "a@k51qzi…jcg7"},
		{short("a@example.com"), "a@example.com"},
		{wrap("one two  three", 8, " "), "one two\n three"},
		{showing(control.Contact{Show: "away", Liveness: "gone"}), "was away"},
		{showing(control.Contact{Show: "away", Liveness: "live"}), "away"},
		{showing(control.Contact{}), ""},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		text string
		want time.Time // zero: refused
	}{
		{"45m", now.Add(45 * time.Minute)},
		{"18:30", now.Add(6*time.Hour + 30*time.Minute)},
		{"09:00", now.Add(21 * time.Hour)},
		{"2026-11-20T18:00:00Z", now.Add(6 * time.Hour)},
		{"2026-11-20T11:00:00Z", time.Time{}},
		{"-5m", time.Time{}},
		{"25:00", time.Time{}},
		{"soon", time.Time{}},
	}
	for _, test := range tests {
		got, err := moment(test.text, now)
		if !got.Equal(test.want) || (err != nil) != test.want.IsZero() {
			t.Errorf("%s: got %v, %v, want %v", test.text, got, err, test.want)
		}
	}
}

func TestListenAddresses(t *testing.T) {
	tests := []struct {
		given string
		want  []string // nil: refused
	}{
		{"127.0.0.1:0", []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}},
		{"[::1]:4001", []string{"/ip6/::1/tcp/4001", "/ip6/::1/udp/4001/quic-v1"}},
		{"4001", []string{"/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1", "/ip6/::/tcp/4001", "/ip6/::/udp/4001/quic-v1"}},
		{"/ip4/1.2.3.4/tcp/1", []string{"/ip4/1.2.3.4/tcp/1"}},
		{"host.example:1", nil},
		{"1.2.3.4:99999", nil},
		{"::", nil},
	}
	for _, test := range tests {
		got, err := listenAddresses([]string{test.given})
		if diff := cmp.Diff(test.want, got); diff != "" || (err != nil) != (test.want == nil) {
			t.Errorf("%s: %v (-want +got):\n%s", test.given, err, diff)
		}
	}
}

// TestFailingTale checks that the demo says what it expected and what it saw.
func TestFailingTale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tale := &tale{app: &app{out: &out, json: true}, ctx: context.Background(), began: time.Now(), part: 3}
		_, err := tale.await(&actor{name: "bob"}, "alice open", func() (string, bool) { return "nothing", false })
		e, ok := errors.AsType[*exit](err)
		if !ok || e.code != exitFailed || !strings.Contains(e.msg, "part 3: bob should have seen: alice open") || e.hint != "instead: nothing" {
			t.Errorf("got %v", err)
		}
		want := `{"t":30,"part":3,"who":"bob","text":"expected: alice open; saw: nothing","ok":false}` + "\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("line (-want +got):\n%s", diff)
		}
	})
}
