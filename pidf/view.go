package pidf

import (
	"slices"
	"strings"
)

// Basic sums up the tuples: Open if any of them is open, else Closed if any is
// closed, else Absent. Tuples may contradict each other (RFC 3863 section
// 4.1.2); all stay in Tuples.
func (p *Presence) Basic() Basic {
	sum := Absent
	for i := range p.Tuples {
		switch p.Tuples[i].Status.Basic {
		case Open:
			return Open
		case Closed:
			sum = Closed
		}
	}
	return sum
}

// Inboxes returns the contacts that take instant messages now: those with
// scheme im in open tuples, by falling priority and else in document order. It
// is empty if the presentity is not ready for messages.
func (p *Presence) Inboxes() []Contact {
	var list []Contact
	for i := range p.Tuples {
		t := &p.Tuples[i]
		if t.Contact == nil || t.Status.Basic != Open {
			continue
		}
		if means, _ := t.Contact.Means(); means == "im" {
			list = append(list, *t.Contact)
		}
	}
	slices.SortStableFunc(list, func(a, b Contact) int { return b.Priority.Compare(a.Priority) })
	return list
}

// Means splits the URI into the communication means, which is its scheme in
// lower case, and the contact address (RFC 2778 section 3).
func (c Contact) Means() (means, address string) {
	n := schemeLen(c.URI)
	if n == 0 {
		return "", c.URI
	}
	return strings.ToLower(c.URI[:n]), c.URI[n+1:]
}

// NotesFor returns the notes about person: its own, or else those about the
// presentity (RFC 4479 section 5).
func (p *Presence) NotesFor(person *Person) []Note {
	if len(person.Notes) > 0 {
		return person.Notes
	}
	return p.Notes
}
