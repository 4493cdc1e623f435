package cpim

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The second parser of R3862-3.6-grammar: the productions of RFC 3862 section
// 3.6 and 4, RFC 2396 appendix A with RFC 2732, and RFC 3066, as regular
// expressions, put together from their definitions and sharing nothing with the
// parser under test. Octets above 7F are any UTF-8 here, checked apart.
const (
	reName   = "[\\x21\\x23-\\x27\\x2a-\\x2b\\x2d\\x5e-\\x60\\x7c\\x7eA-Za-z0-9]+"
	reToken  = "[\\x21\\x23-\\x27\\x2a-\\x2b\\x2d\\x5e-\\x60\\x7c\\x7eA-Za-z0-9.\\x{80}-\\x{10FFFF}]+"
	reString = `"(?:[^"\\]|\\.)*"` // 2.3.1: a backslash and any character
	reParam  = ";" + reName + "=(?:" + reToken + "|" + reString + ")"
	reHeader = `^(?:(` + reName + `)\.)?(` + reName + `):((?:` + reParam + `)*) (.*)$`
	reLang   = `[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*`

	reUnreserved = `[A-Za-z0-9\-_.!~*'()]|%[0-9A-Fa-f]{2}`
	reUric       = `(?:` + reUnreserved + `|[;/?:@&=+$,\[\]])`
	rePchar      = `(?:` + reUnreserved + `|[:@&=+$,])`
	reAbsPath    = `/(?:` + rePchar + `|[;/])*`
	reAuthority  = `(?:(?:` + reUnreserved + `|[$,;:@&=+])*|(?:(?:` + reUnreserved + `|[;:&=+$,])*@)?\[[0-9A-Fa-f:.]+\](?::[0-9]*)?)`
	reHierPart   = `(?://` + reAuthority + `(?:` + reAbsPath + `)?|` + reAbsPath + `)(?:\?` + reUric + `*)?`
	reOpaquePart = `(?:` + reUnreserved + `|[;?:@&=+$,])` + reUric + `*`
	reURI        = `[A-Za-z][A-Za-z0-9+\-.]*:(?:` + reHierPart + `|` + reOpaquePart + `)`

	reMailbox  = `^(?:(?:` + reToken + ` )+|` + reString + ` ?)?<` + reURI + `>$`
	reNS       = `^(?:(` + reName + `) ?)?<(` + reURI + `)>$`
	reRequired = `(?:` + reName + `\.)?` + reName
	reRequire  = `^` + reRequired + `(?:,` + reRequired + `)*$`
	reDateTime = `^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])$`
)

var (
	headerRE   = regexp.MustCompile(reHeader)
	mailboxRE  = regexp.MustCompile(reMailbox)
	nsRE       = regexp.MustCompile(reNS)
	requireRE  = regexp.MustCompile(reRequire)
	dateTimeRE = regexp.MustCompile(reDateTime)
	langRE     = regexp.MustCompile(`^;lang=` + reLang + `$`)
)

// byGrammar is the verdict of the second parser on one header that follows
// NS: a <urn:example:a>.
func byGrammar(text string) bool {
	parts := headerRE.FindStringSubmatch(text)
	if parts == nil || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return false
	}
	prefix, name, params, value := parts[1], parts[2], parts[3], parts[4]
	if strings.HasPrefix(value, " ") || strings.HasSuffix(value, " ") || prefix != "" && prefix != "a" {
		return false
	}
	switch {
	case prefix != "":
		return true
	case name == "Subject":
		return params == "" || langRE.MatchString(params)
	case name == "From" || name == "To" || name == "cc":
		return params == "" && mailboxRE.MatchString(value)
	case name == "NS":
		ns := nsRE.FindStringSubmatch(value)
		return params == "" && ns != nil && (ns[1] != "a" || ns[2] == "urn:example:a")
	case name == "Require":
		if params != "" || !requireRE.MatchString(value) {
			return false
		}
		for required := range strings.SplitSeq(value, ",") {
			if p, _, ok := strings.Cut(required, "."); ok && p != "a" {
				return false
			}
		}
		return true
	case name == "DateTime":
		return params == "" && dateTimeRE.MatchString(value) && realTime(strings.ToUpper(value))
	}
	return true
}

// realTime checks the day and the time of day by the standard library, which
// knows no leap second: that is looked for one second earlier.
func realTime(s string) bool {
	leap := s[17:19] == "60"
	if leap {
		s = s[:17] + "59" + s[19:]
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return false
	}
	next := t.UTC().Truncate(time.Second).Add(time.Second)
	return !leap || next.Day() == 1 && next.Hour() == 0 && next.Minute() == 0 && next.Second() == 0
}

var seeds = []string{
	"From: Winnie the Pooh <im:pooh@100akerwood.com>",
	"To: \"Pooh, \\\"W\\\"\"<im:p%41oh@x.example>",
	"cc: <http://u@[2001:db8::1]:80/p;x?q=[]>",
	"DateTime: 1990-12-31T15:59:60.25-08:00",
	"DateTime: 2000-02-29t23:59:59z",
	"Subject:;lang=en-GB Eeyore's \\u0041\\q feeling",
	"Subject: ",
	"NS: MyAlias <mid:MessageFeatures@id.foo.com>",
	"NS: a<urn:example:a>",
	"NS: <urn:example:b>",
	"Require: a.VitalHeader,Locale",
	"a.Header:;x=1;y=\"q \\\" z\";z=é.t value",
	"Top&Tail: x",
}

const (
	headBefore = "NS: a <urn:example:a>\r\n"
	headAfter  = "\r\n\r\nContent-Type: text/plain\r\n\r\n"
)

// TestGrammar changes headers at random, one to four characters, and wants the
// same verdict from both parsers. -short and the race detector do a fiftieth of it.
func TestGrammar(t *testing.T) {
	rounds := 1_000_000
	if testing.Short() || raceEnabled {
		rounds /= 50
	}
	r := rand.New(rand.NewPCG(3862, 36))
	accepted := 0
	for range rounds {
		text := seeds[r.IntN(len(seeds))]
		for range 1 + r.IntN(4) {
			text = mutate(r, text)
		}
		want := byGrammar(text)
		_, err := Parse([]byte(headBefore + text + headAfter))
		if (err == nil) != want {
			t.Fatalf("%q: Parse %v, the grammar says %v", text, err, want)
		}
		if want {
			accepted++
		}
	}
	if accepted < rounds/20 || accepted > rounds*19/20 {
		t.Errorf("%d of %d accepted: the test tries too little", accepted, rounds)
	}
}

func mutate(r *rand.Rand, s string) string {
	alphabet := []string{" ", ":", ";", ".", ",", "<", ">", "\"", "\\", "=", "a", "B", "7", "-", "+", "%", "/", "[", "]", "@", "#", "?",
		"(", "{", "\t", "\x7f", "\x00", "é", "\xff", "熊", "'", "u", "Z", "0", "~", "lang"}
	at := r.IntN(len(s) + 1)
	c := alphabet[r.IntN(len(alphabet))]
	switch r.IntN(4) {
	case 0:
		return s[:at] + c + s[at:]
	case 1:
		return s[:at] + s[min(at+1, len(s)):]
	case 2:
		return s[:at] + c + s[min(at+1, len(s)):]
	default:
		end := min(at+1+r.IntN(8), len(s))
		return s[:end] + s[at:]
	}
}

// R3862-3.1-name-chars: every ASCII character in a name, by the list of
// separators in section 3.1 rather than by the grammar.
func TestNameCharacters(t *testing.T) {
	for c := range 0x80 {
		want := c > 0x20 && c != 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?={}`, rune(c)) && c != '.'
		text := "x" + string(rune(c)) + "y: value"
		_, err := Parse([]byte(text + headAfter))
		if (err == nil) != want {
			t.Errorf("%q: %v, want accepted %v", text, err, want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || strings.Contains(text, "\r\n") {
			return
		}
		_, err := Parse([]byte(headBefore + text + headAfter))
		if want := len(text) < MaxSize-200 && byGrammar(text); (err == nil) != want {
			t.Fatalf("%q: Parse %v, the grammar says %v", text, err, want)
		}
	})
}
