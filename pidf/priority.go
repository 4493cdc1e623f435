package pidf

import (
	"cmp"
	"errors"
)

// Priority ranks a contact against the others of its presentity (RFC 3863
// section 4.1.5). The zero value is an absent priority, the lowest of all.
type Priority struct {
	text string // as received
	rank int16  // thousandths plus one; 0 is absent
}

var errPriority = errors.New("pidf: priority is not a decimal from 0 to 1 with at most three digits after the point")

// ParsePriority reads a decimal from 0 to 1 with at most three digits after
// the point.
func ParsePriority(s string) (Priority, error) {
	if s == "" || (s[0] != '0' && s[0] != '1') || len(s) == 2 || len(s) > 5 || (len(s) > 1 && s[1] != '.') {
		return Priority{}, errPriority
	}
	milli, unit := int16(s[0]-'0')*1000, int16(100)
	for i := 2; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return Priority{}, errPriority
		}
		milli += int16(s[i]-'0') * unit
		unit /= 10
	}
	if milli > 1000 {
		return Priority{}, errPriority
	}
	return Priority{text: s, rank: milli + 1}, nil
}

// String returns the priority as it was written, empty if absent.
func (p Priority) String() string { return p.text }

// Thousandths returns the value times 1000; ok is false if p is absent.
func (p Priority) Thousandths() (n int, ok bool) { return int(p.rank) - 1, p.rank > 0 }

// Compare returns a positive number if p takes precedence over q, a negative
// one if q does, and 0 if they are equal as numbers. Absent is below 0.
func (p Priority) Compare(q Priority) int { return cmp.Compare(p.rank, q.rank) }

// Equal reports whether p and q are the same number, or both absent.
func (p Priority) Equal(q Priority) bool { return p.rank == q.rank }
