package identity

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// TestLinkRequirements holds links and addresses to what RFC 3859 and 3860,
// appendix A, say of URIs. The two differ in the scheme alone, and so does each
// case: SCHEME stands for either.
func TestLinkRequirements(t *testing.T) {
	fred, err := ParseAddress("fred@example.com")
	if err != nil {
		t.Fatal(err)
	}
	flint, err := ParseAddress("%22fred%20flint%22@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		ids   string
		input string
		want  Link // but for its scheme
		link  bool // a link
		name  bool // an address as well
	}{
		{"R3859-A.2-scheme R3860-A.2-scheme", "SCHEME:fred@example.com", Link{Address: fred}, true, true},
		{"R3859-A.2-scheme R3860-A.2-scheme", "sCHeMe:fred@example.com", Link{Address: fred}, true, true},
		{"R3859-A.2-scheme R3860-A.2-scheme", " SCHEME:fred@example.com", Link{}, false, false},
		{"R3859-A.2-scheme R3860-A.2-scheme", "SCHEME :fred@example.com", Link{}, false, false},
		{"R3859-A.2-scheme R3860-A.2-scheme", "SCHEME%3Afred@example.com", Link{}, false, false},
		{"R3859-A.2-scheme R3860-A.2-scheme", "SCHEMEs:fred@example.com", Link{}, false, false},
		{"R3859-A.2-scheme R3860-A.2-scheme", "SCHEME", Link{}, false, false},
		{"R3859-A.2-scheme R3860-A.2-scheme", "SCHEME://fred@example.com", Link{Address: mustAddress(t, "//fred@example.com")}, true, true}, // no authority: slashes are of the local part
		{"R3859-A.2-to R3860-A.2-to", "SCHEME:", Link{}, true, false},
		{"R3859-A.2-to R3860-A.2-to", "SCHEME:?subject=x", Link{Subject: "x"}, true, false},
		{"R3859-A.2-mailbox R3860-A.2-mailbox", "SCHEME:%22fred%20flint%22@example.com", Link{Address: flint}, true, true},
		{"R3859-A.2-mailbox R3860-A.2-mailbox", "SCHEME:fred", Link{}, false, false},
		{"R3859-A.2-mailbox R3860-A.2-mailbox", "SCHEME:@example.com", Link{}, false, false},
		{"R3859-A.2-mailbox R3860-A.2-mailbox", "SCHEME:fred@", Link{}, false, false},
		{"R3859-A.2-mailbox R3860-A.2-mailbox", "SCHEME:Fred%20%3Cfred@example.com%3E", Link{}, false, false},
		{"R3859-A.2-mailbox R3860-A.2-mailbox", "SCHEME:fred@example.com,wilma@example.com", Link{}, false, false},
		{"R3859-A.2-mailbox R3860-A.2-mailbox", "SCHEME:fr%3Fed@example.com?subject=x", Link{Address: mustAddress(t, "fr%3Fed@example.com"), Subject: "x"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?a=1&b=2", Link{Address: fred}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?subject=hi&body=a%20b", Link{Address: fred, Subject: "hi", Body: "a b"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?Body=a&SUBJECT=b", Link{Address: fred, Subject: "b", Body: "a"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?s%75bject=b", Link{Address: fred, Subject: "b"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?to=wilma@example.com&from=x&subject=b", Link{Address: fred, Subject: "b"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?subject=a=b?c", Link{Address: fred, Subject: "a=b?c"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?subject=a%26body=b", Link{Address: fred, Subject: "a&body=b"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?=", Link{Address: fred}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?x=%ff%00&subject=b", Link{Address: fred, Subject: "b"}, true, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?", Link{}, false, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:?", Link{}, false, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?subject", Link{}, false, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com?subject=a&", Link{}, false, false},
		{"R3859-A.2-headers R3860-A.2-headers", "SCHEME:fred@example.com&subject=a", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body=;/?:@+$,-_.!~*'()", Link{Address: fred, Body: ";/?:@+$,-_.!~*'()"}, true, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body=a b", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body=\"", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body=<b>", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body=é", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body=%", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body=%g0", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?a b=c", Link{}, false, false},
		{"R3859-A.2-uric R3860-A.2-uric", "SCHEME:fred@example.com?body={}", Link{}, false, false},
		{"R3859-A.2-fragment", "SCHEME:fred@example.com#x", Link{}, false, false},
		{"R3859-A.2-fragment", "SCHEME:fred@example.com?subject=a#x", Link{}, false, false},
		{"R3859-A.2-fragment", "SCHEME:fred@example.com?subject=a%23x", Link{Address: fred, Subject: "a#x"}, true, false},
		{"R3859-A.2-comparison", "SCHEME:fr%65d@EXAMPLE.com", Link{Address: fred}, true, true},
		{"R3859-A.2-comparison", "SCHEME:Fred@example.com", Link{Address: mustAddress(t, "Fred@example.com")}, true, true},
		{"R3859-A.3-charset R3860-A.3-charset", "SCHEME:fré@example.com", Link{}, false, false},
		{"R3859-A.3-charset R3860-A.3-charset", "SCHEME:fr%C3%A9@example.com", Link{}, false, false},
		{"R3859-A.3-charset R3860-A.3-charset", "SCHEME:fred@example.com?body=%C3%A9", Link{Address: fred, Body: "é"}, true, false},
	} {
		for _, scheme := range []string{"im", "pres"} {
			input := strings.Replace(test.input, "SCHEME", scheme, 1)
			input = strings.Replace(input, "sCHeMe", strings.ToUpper(scheme[:1])+scheme[1:], 1)
			want := test.want
			if test.link {
				want.Scheme = scheme
			}
			got, err := ParseLink(input)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(Address{})); diff != "" || (err == nil) != test.link {
				t.Errorf("%s: ParseLink(%q): %v (-want +got):\n%s", test.ids, input, err, diff)
			}
			a, err := ParseAddress(input)
			if (err == nil) != test.name || err == nil && a != want.Address {
				t.Errorf("%s: ParseAddress(%q) = %v, %v", test.ids, input, a, err)
			}
		}
	}
	if other := mustAddress(t, "Fred@example.com"); other == fred {
		t.Error("R3859-A.2-comparison: local parts are compared without regard to case")
	}
}

func mustAddress(t *testing.T, s string) Address {
	t.Helper()
	a, err := ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// linkGrammar is IM-URI and pres-URI of appendix A by the letter, with uric of
// RFC 2396. Since "&" and "=" are uric too, headers are any uric with at least
// one "=" among them.
var linkGrammar = regexp.MustCompile(`^(?i:im|pres):([-;/:@&=+$,a-zA-Z0-9_.!~*'()]|%[0-9a-fA-F]{2})*(\?([-;/?:@&=+$,a-zA-Z0-9_.!~*'()]|%[0-9a-fA-F]{2})*=([-;/?:@&=+$,a-zA-Z0-9_.!~*'()]|%[0-9a-fA-F]{2})*)?$`)

// TestLinkGrammar reads random links, most of them nearly right, and finds that
// none is read that the grammar does not have; and that of those it has only
// such are refused as the profile leaves out.
func TestLinkGrammar(t *testing.T) {
	random := rand.New(rand.NewPCG(3859, 3860))
	pieces := []string{"im:", "pres:", "IM:", "fred", "@", "example.com", "?", "&", "=", "subject", "body", "x", "%20", "%", "%41", "é", " ", "#", "\"", "+", "'", "/", ":"}
	frames := []string{"im:fred@example.com", "pres:fred@example.com?subject=a", "im:?body=b&x=c", "pres:", ""}
	read := 0
	for range 200_000 {
		s := frames[random.IntN(len(frames))]
		for range random.IntN(5) {
			at := random.IntN(len(s) + 1)
			s = s[:at] + pieces[random.IntN(len(pieces))] + s[at:]
		}
		link, err := ParseLink(s)
		switch {
		case err == nil:
			read++
			if !linkGrammar.MatchString(s) {
				t.Fatalf("%q is read and not of the grammar", s)
			}
		case link != (Link{}):
			t.Fatalf("%q: %+v beside an error", s, link)
		case linkGrammar.MatchString(s) && !leftOut(s):
			t.Fatalf("%q is of the grammar and refused: %v", s, err)
		}
	}
	if read < 1000 {
		t.Errorf("only %d links were read", read)
	}
}

// leftOut tells whether a link is of the grammar and not of kith's profile: a
// mailbox that is no address of ours; a header without "=", since RFC 2368,
// which the syntax follows, reserves "&"; a Subject or a body twice, or one
// that is not text.
func leftOut(s string) bool {
	_, rest := cutScheme(s)
	mailbox, headers, found := strings.Cut(rest, "?")
	if mailbox != "" {
		if _, err := ParseAddress("im:" + mailbox); err != nil {
			return true
		}
	}
	if !found {
		return false
	}
	seen := make(map[string]bool)
	for header := range strings.SplitSeq(headers, "&") {
		name, value, ok := strings.Cut(header, "=")
		if decoded, err := unescape(name); err == nil {
			name = strings.ToLower(decoded)
		}
		text, err := unescape(value)
		if honoured := name == "subject" || name == "body"; !ok || honoured && (seen[name] || err != nil || !utf8.ValidString(text)) {
			return true
		}
		seen[name] = true
	}
	return false
}
