// Package rfc3339 reads and writes the timestamps of RFC 3339 section 5.6
// exactly, where [time.Parse] is both too lenient (a comma before the
// fraction, one-digit hours, offsets of 24 hours) and too strict (no leap
// seconds, no lower case).
//
// Call [Parse] where the using specification insists on capitals (PIDF),
// [ParseFold] where it does not (Message/CPIM), and [Format] to write. Nothing
// here limits the length of the input: the caller has bounded it already, and
// the work is linear in it.
package rfc3339

import (
	"errors"
	"time"
)

// The reasons for which a timestamp is refused.
var (
	errForm  = errors.New("rfc3339: not of the form YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)")
	errRange = errors.New("rfc3339: month, hour, minute, second or offset out of range")
	errDay   = errors.New("rfc3339: no such day in this month")
	errLeap  = errors.New("rfc3339: second 60 where no leap second can be")
)

// unknownAt is the location of times written with the offset -00:00.
var unknownAt = time.FixedZone("-00:00", 0)

// Parse reads an RFC 3339 date-time in which T and Z are capitals.
//
// Fractions of a second may have any number of digits; those after the ninth
// are checked and dropped. Offsets reach from -23:59 to +23:59. Second 60 is
// accepted where section 5.7 and appendix D let a leap second be, in the last
// second of a month in UTC, and names the same instant as the second after it;
// which leap seconds were really inserted is not checked.
//
// The time returned keeps the offset of s as its location; see [OffsetKnown]
// for -00:00.
func Parse(s string) (time.Time, error) { return parse(s, 'T', 'Z') }

// ParseFold is [Parse], but reads t and z for T and Z as well, as the first
// note of section 5.6 permits.
func ParseFold(s string) (time.Time, error) { return parse(s, 't', 'z') }

// OffsetKnown reports whether t, a result of [Parse], states the local offset.
// It is false for the offset -00:00, by which a sender says that it knows UTC
// and not its own offset (section 4.3), and only while the location is kept.
func OffsetKnown(t time.Time) bool { return t.Location() != unknownAt }

// Format writes t in UTC, with capitals, a Z, and as many digits of fraction
// as t needs (none for whole seconds). RFC 3339 section 1 ends at the years
// 0000 and 9999: for an instant outside of them the result is empty, which no
// parser accepts.
func Format(t time.Time) string { return string(AppendFormat(nil, t)) }

// AppendFormat appends what [Format] returns to dst.
func AppendFormat(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return dst
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.999999999Z")
}

// parse reads s with sep and zulu as the letters besides T and Z.
func parse(s string, sep, zulu byte) (time.Time, error) {
	const fixed = len("2006-01-02T15:04:05")
	if len(s) <= fixed || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != sep ||
		s[13] != ':' || s[16] != ':' {
		return time.Time{}, errForm
	}
	century, ok0 := two(s[0:])
	year, ok1 := two(s[2:])
	month, ok2 := two(s[5:])
	day, ok3 := two(s[8:])
	hour, ok4 := two(s[11:])
	minute, ok5 := two(s[14:])
	second, ok6 := two(s[17:])
	if !(ok0 && ok1 && ok2 && ok3 && ok4 && ok5 && ok6) {
		return time.Time{}, errForm
	}
	year += 100 * century
	if month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, errRange
	}
	if day < 1 || day > daysIn(year, month) {
		return time.Time{}, errDay
	}
	nanos, rest, ok := fraction(s[fixed:])
	if !ok {
		return time.Time{}, errForm
	}
	loc, offset, err := zone(rest, zulu)
	if err != nil {
		return time.Time{}, err
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC).Add(-offset)
	if second == 60 && !afterLeap(t) {
		return time.Time{}, errLeap
	}
	return t.In(loc), nil
}

// afterLeap reports whether t lies in the first second of a month in UTC, to
// which the second 60 of the month before is mapped.
func afterLeap(t time.Time) bool {
	h, m, s := t.Clock()
	return t.Day() == 1 && h == 0 && m == 0 && s == 0
}

// zone reads the offset that must be all of s.
func zone(s string, zulu byte) (*time.Location, time.Duration, error) {
	if s == "Z" || len(s) == 1 && s[0] == zulu {
		return time.UTC, 0, nil
	}
	if len(s) != len("+hh:mm") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return nil, 0, errForm
	}
	h, okH := two(s[1:])
	m, okM := two(s[4:])
	switch {
	case !okH || !okM:
		return nil, 0, errForm
	case h > 23 || m > 59:
		return nil, 0, errRange
	case s[0] == '-' && h == 0 && m == 0:
		return unknownAt, 0, nil
	}
	seconds := h*3600 + m*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), time.Duration(seconds) * time.Second, nil
}

// fraction reads an optional full stop and digits from the front of s.
func fraction(s string) (nanos int, rest string, ok bool) {
	if s[0] != '.' {
		return 0, s, true
	}
	unit, i := 100_000_000, 1
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		nanos += int(s[i]-'0') * unit
		unit /= 10
	}
	return nanos, s[i:], i > 1
}

// two reads the two digits at the front of s, which is at least that long.
func two(s string) (int, bool) {
	a, b := s[0]-'0', s[1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// daysIn is the table of section 5.7.
func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
