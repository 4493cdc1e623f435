package cpim

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// R2779-4.1.2, R2779-4.1.4, R3862-2.2-repeat, and traps 6, 7, 17, 26: what
// the grammar lets pass and the profile does not.
func TestCheckProfile(t *testing.T) {
	const (
		ns   = "NS: imdn <urn:ietf:params:imdn>\r\n"
		from = "From: <im:a@x.example>\r\n"
		to   = "To: <im:b@x.example>\r\n"
		date = "DateTime: 2001-02-01T17:16:49Z\r\n"
		id   = "imdn.Message-ID: abc\r\n"
	)
	tests := []struct {
		name, head string
		want       string // part of the error, "" for none
	}{
		{"minimal", ns + from + to + date + id, ""},
		{"two To", ns + from + to + to + date + id, ""},
		{"upper-case scheme", ns + "From: <IM:a@x.example>\r\n" + to + date + id, ""},
		{"To by other media beside im", ns + from + "To: <tel:+1-555>\r\n" + to + "cc: <sip:x@y.example>\r\n" + date + id, ""},
		{"To by other media, cc by im", ns + from + "To: <tel:+1-555>\r\ncc: <im:b@x.example>\r\n" + date + id, ""},
		{"prefixed core headers", "NS: c <urn:ietf:params:cpim-headers:>\r\n" + ns + "c." + from + "c." + to + "c." + date + id, ""},
		{"no From", ns + to + date + id, "0 From"},
		{"lower-case from", ns + "from: <im:a@x.example>\r\n" + to + date + id, "0 From"},
		{"foreign From", ns + "NS: <urn:example:a>\r\n" + from + to + date + id, "0 From"},
		{"two From", ns + from + from + to + date + id, "2 From"},
		{"From by mail", ns + "From: <mailto:a@x.example>\r\n" + to + date + id, "im: address"},
		{"no To", ns + from + "cc: <im:b@x.example>\r\n" + date + id, "no To"},
		{"To by other media alone", ns + from + "To: <tel:+1-555>\r\n" + date + id, "neither To nor cc"},
		{"no DateTime", ns + from + to + id, "0 DateTime"},
		{"two DateTime", ns + from + to + date + date + id, "2 DateTime"},
		{"no Message-ID", ns + from + to + date, "0 imdn"},
		{"Message-ID of another namespace", from + to + date + "Message-ID: abc\r\n", "0 imdn"},
		{"two Message-ID", ns + from + to + date + id + id, "2 imdn"},
		{"Message-ID that is no token", ns + from + to + date + "imdn.Message-ID: <a@b.example>\r\n", "token"},
		{"Message-ID with a parameter", ns + from + to + date + "imdn.Message-ID:;a=b abc\r\n", "token"},
	}
	for _, tt := range tests {
		m, err := Parse([]byte(tt.head + "\r\nContent-Type: text/plain\r\n\r\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		err = CheckProfile(m)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: CheckProfile = %v, want %q", tt.name, err, tt.want)
		}
	}
}

// R3862-3.5-a, R3862-3.5-b, R3862-3.5-c, trap 28.
func TestCheckRequire(t *testing.T) {
	m, err := Parse([]byte("NS: a <urn:example:a>\r\nNS: same <urn:example:a>\r\nRequire: a.x,same.y,Subject,Sign\r\n" +
		"NS: <urn:example:b>\r\n\r\nContent-Type: text/plain\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	var asked []Name
	know := func(known ...string) func(ns, name string) bool {
		return func(ns, name string) bool {
			asked = append(asked, Name{ns, name})
			for _, k := range known {
				if k == ns+"|"+name {
					return true
				}
			}
			return false
		}
	}
	if err := CheckRequire(m, know("urn:example:a|x", "urn:example:a|y", NSCore+"|Sign")); err != nil {
		t.Errorf("all understood: %v", err)
	}
	if d := cmp.Diff(asked, []Name{{"urn:example:a", "x"}, {"urn:example:a", "y"}, {NSCore, "Sign"}}); d != "" {
		t.Errorf("asked for: -got +want\n%s", d)
	}
	err = CheckRequire(m, know("urn:example:b|x", "urn:example:a|x"))
	e, ok := errors.AsType[*RequireError](err)
	if !ok {
		t.Fatalf("not understood: %v", err)
	}
	if d := cmp.Diff(e.Names, []Name{{"urn:example:a", "y"}, {NSCore, "Sign"}}); d != "" {
		t.Errorf("-got +want\n%s", d)
	}
	many := &RequireError{make([]Name, 50_000)}
	if len(many.Error()) > 1000 {
		t.Error("the error grows with the message")
	}
}

// RFC 5438 section 6.3.
func TestNewMessageID(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := NewMessageID()
		if !isToken(id) || len(id) < 26 || seen[id] {
			t.Fatalf("NewMessageID() = %q", id)
		}
		seen[id] = true
	}
}

// R3862-7.2-urn.
func TestURN(t *testing.T) {
	for name, want := range map[string]string{
		"From":     "urn:ietf:params:cpim-headers:From",
		"Top&Tail": "urn:ietf:params:cpim-headers:Top%26Tail",
		"a%|~^`#z": "urn:ietf:params:cpim-headers:a%25%7C%7E%5E%60%23z",
		"-_!*'+$0": "urn:ietf:params:cpim-headers:-_!*'+$0",
	} {
		if got := (Name{NSCore, name}).URN(); got != want {
			t.Errorf("URN of %s = %s, want %s", name, got, want)
		}
	}
}
