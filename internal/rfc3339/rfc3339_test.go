package rfc3339

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// R3339-1-era, R3339-3-b, R3339-3-d, R3339-4.2-a, R3339-5.4-a, R3339-5.6-b, R3339-5.6-d,
// R3339-5.6-f, R3339-5.7-a, R3339-5.7-b, R3339-5.7-d, R3339-5.8-a.
func TestParse(t *testing.T) {
	const (
		no   = 0 // refused by both
		fold = 1 // accepted by ParseFold only
		both = 2
	)
	tests := []struct {
		in      string
		verdict int
		utc     string // the instant, as Go's own layout writes it
	}{
		// The examples of section 5.8.
		{"1985-04-12T23:20:50.52Z", both, "1985-04-12T23:20:50.52Z"},
		{"1996-12-19T16:39:57-08:00", both, "1996-12-20T00:39:57Z"},
		{"1990-12-31T23:59:60Z", both, "1991-01-01T00:00:00Z"},
		{"1990-12-31T15:59:60-08:00", both, "1991-01-01T00:00:00Z"},
		{"1937-01-01T12:00:27.87+00:20", both, "1937-01-01T11:40:27.87Z"},

		{"2001-02-01t17:16:49z", fold, "2001-02-01T17:16:49Z"},
		{"2001-02-01T17:16:49z", fold, "2001-02-01T17:16:49Z"},
		{"2001-02-01t17:16:49+01:00", fold, "2001-02-01T16:16:49Z"},

		// Leap seconds: any month end of UTC, shifted by the offset (5.7).
		{"2016-06-30T23:59:60.5Z", both, "2016-07-01T00:00:00.5Z"},
		{"2017-01-01T05:29:60+05:30", both, "2017-01-01T00:00:00Z"},
		{"2017-03-31T23:59:60Z", both, "2017-04-01T00:00:00Z"},
		{"2001-02-01T12:00:60Z", no, ""},
		{"2001-02-01T23:59:60Z", no, ""},
		{"1990-12-31T23:59:60-08:00", no, ""},
		{"1990-12-31T23:58:60Z", no, ""},
		{"1990-12-31T23:59:61Z", no, ""},

		// Days of the month (5.7).
		{"2001-04-31T00:00:00Z", no, ""},
		{"2001-02-30T00:00:00Z", no, ""},
		{"2001-02-29T00:00:00Z", no, ""},
		{"1900-02-29T00:00:00Z", no, ""},
		{"2000-02-29T00:00:00Z", both, "2000-02-29T00:00:00Z"},
		{"2024-02-29T00:00:00Z", both, "2024-02-29T00:00:00Z"},
		{"2001-01-00T00:00:00Z", no, ""},
		{"2001-01-32T00:00:00Z", no, ""},
		{"2001-00-01T00:00:00Z", no, ""},
		{"2001-13-01T00:00:00Z", no, ""},

		// Ranges and offsets.
		{"2001-02-01T24:00:00Z", no, ""},
		{"2001-02-01T23:60:00Z", no, ""},
		{"2001-02-01T17:16:49+23:59", both, "2001-01-31T17:17:49Z"},
		{"2001-02-01T17:16:49-23:59", both, "2001-02-02T17:15:49Z"},
		{"2001-02-01T17:16:49+24:00", no, ""},
		{"2001-02-01T17:16:49+00:60", no, ""},
		{"2001-02-01T17:16:49-00:00", both, "2001-02-01T17:16:49Z"},

		// Fractions of any length.
		{"2001-02-01T17:16:49.123456789012Z", both, "2001-02-01T17:16:49.123456789Z"},
		{"2001-02-01T17:16:49." + strings.Repeat("9", 5000) + "Z", both, "2001-02-01T17:16:49.999999999Z"},
		{"2001-02-01T17:16:49.Z", no, ""},
		{"2001-02-01T17:16:49,5Z", no, ""},
		{"2001-02-01T17:16:49.5", no, ""},

		// Forms that are not this one.
		{"", no, ""},
		{"2001-02-01", no, ""},
		{"17:16:49Z", no, ""},
		{"2001-02-01T17:16:49", no, ""},
		{"2001-02-01T17:16Z", no, ""},
		{"2001-02-01T7:16:49Z", no, ""},
		{"2001-02-01 17:16:49Z", no, ""},
		{"01-02-03T04:05:06Z", no, ""},
		{"12001-02-01T17:16:49Z", no, ""},
		{"-001-02-01T17:16:49Z", no, ""},
		{"20010201T171649Z", no, ""},
		{"2001-W05-4T17:16:49Z", no, ""},
		{"Thu, 01 Feb 2001 17:16:49 +0000", no, ""},
		{"Thu 2001-02-01T17:16:49Z", no, ""},
		{" 2001-02-01T17:16:49Z", no, ""},
		{"2001-02-01T17:16:49Z ", no, ""},
		{"2001-02-01T17:16:49ZZ", no, ""},
		{"2001-02-01T17:16:49+0100", no, ""},
		{"2001-02-01T17:16:49+01", no, ""},
		{"2001-02-01T17:16:49 01:00", no, ""},
		{"2001-02-01T17:16:4٩Z", no, ""},
		{"2001-02-01T17:16:+9Z", no, ""},

		// The ends of the era (section 1).
		{"0000-01-01T00:00:00Z", both, "0000-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999999999Z", both, "9999-12-31T23:59:59.999999999Z"},
	}
	for _, tt := range tests {
		for name, f := range map[string]func(string) (time.Time, error){"Parse": Parse, "ParseFold": ParseFold} {
			got, err := f(tt.in)
			accept := tt.verdict == both || tt.verdict == fold && name == "ParseFold"
			if (err == nil) != accept {
				t.Errorf("%s(%.60q): error %v, want accepted %v", name, tt.in, err, accept)
				continue
			}
			if !accept {
				if !got.IsZero() {
					t.Errorf("%s(%.60q) = %v with an error, want the zero time", name, tt.in, got)
				}
				continue
			}
			if g := got.UTC().Format(time.RFC3339Nano); g != tt.utc {
				t.Errorf("%s(%.60q) = %s, want %s", name, tt.in, g, tt.utc)
			}
		}
	}
}

// R3339-4.3-a, and the offset as written.
func TestOffset(t *testing.T) {
	tests := []struct {
		in     string
		known  bool
		offset int
	}{
		{"2001-02-01T17:16:49-00:00", false, 0},
		{"2001-02-01T17:16:49+00:00", true, 0},
		{"2001-02-01T17:16:49Z", true, 0},
		{"2001-02-01T17:16:49-08:00", true, -8 * 3600},
		{"2001-02-01T17:16:49+00:20", true, 20 * 60},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if _, offset := got.Zone(); offset != tt.offset || OffsetKnown(got) != tt.known {
			t.Errorf("Parse(%q): offset %d known %v, want %d %v", tt.in, offset, OffsetKnown(got), tt.offset, tt.known)
		}
	}
}

// R3339-1-era, R3339-4.2-b, R3339-5.6-c.
func TestFormat(t *testing.T) {
	tests := []struct {
		in   time.Time
		want string
	}{
		{time.Date(2001, 2, 1, 12, 16, 49, 0, time.FixedZone("", -5*3600)), "2001-02-01T17:16:49Z"},
		{time.Date(2001, 2, 1, 17, 16, 49, 520_000_000, time.UTC), "2001-02-01T17:16:49.52Z"},
		{time.Date(1937, 1, 1, 12, 0, 0, 0, time.FixedZone("", 19*60+32)), "1937-01-01T11:40:28Z"},
		{time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "0000-01-01T00:00:00Z"},
		{time.Date(-1, 12, 31, 23, 59, 59, 0, time.UTC), ""},
		{time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), "9999-12-31T23:59:59.999999999Z"},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600)), ""},
	}
	for _, tt := range tests {
		if got := Format(tt.in); got != tt.want {
			t.Errorf("Format(%v) = %q, want %q", tt.in, got, tt.want)
		}
	}
	if got := string(AppendFormat([]byte("at "), tests[0].in)); got != "at 2001-02-01T17:16:49Z" {
		t.Errorf("AppendFormat = %q", got)
	}
}

// R3339-3-a, R3339-5.6-c: four-digit years and capitals, for instants of the era.
func TestFormatRandom(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]*[1-9])?Z$`)
	first := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
	r := rand.New(rand.NewPCG(3339, 1))
	for range 10_000 {
		want := time.Unix(first+r.Int64N(last-first+1), r.Int64N(1e9))
		s := Format(want)
		if !shape.MatchString(s) {
			t.Fatalf("Format(%v) = %q", want, s)
		}
		if got, err := Parse(s); err != nil || !got.Equal(want) {
			t.Fatalf("Parse(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
}

// R3339-5.1-a: instants sort where strings would not.
func TestOrder(t *testing.T) {
	var last time.Time
	for _, s := range []string{"2001-01-01T00:00:00Z", "2001-01-01T00:00:00.5Z", "2001-01-01T00:00:00.75Z", "2001-01-01T00:00:00-00:01"} {
		got, err := Parse(s)
		if err != nil || !got.After(last) {
			t.Errorf("Parse(%q) = %v, %v, want after %v", s, got, err, last)
		}
		last = got
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1990-12-31T15:59:60-08:00")
	f.Add("1985-04-12T23:20:50.52Z")
	f.Add("2001-02-01t17:16:49.000000000001z")
	f.Add("9999-12-31T23:59:60Z")
	f.Fuzz(func(t *testing.T, s string) {
		strict, errStrict := Parse(s)
		loose, err := ParseFold(s)
		if errStrict == nil && (err != nil || !loose.Equal(strict)) {
			t.Fatalf("ParseFold(%q) = %v, %v where Parse gives %v", s, loose, err, strict)
		}
		if err == nil && errStrict != nil && strings.ToUpper(s) == s {
			t.Fatalf("Parse(%q): %v", s, errStrict)
		}
		if err != nil {
			return
		}
		again := Format(loose)
		if again == "" {
			if y := loose.UTC().Year(); y >= 0 && y <= 9999 {
				t.Fatalf("Format(%v) is empty", loose)
			}
			return
		}
		if got, err := Parse(again); err != nil || !got.Equal(loose) {
			t.Fatalf("Parse(%q) = %v, %v, want %v", again, got, err, loose)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("2001-02-01T12:16:49-05:00"); err != nil {
			b.Fatal(err)
		}
	}
}
