package pidf

import (
	"github.com/kith-im/kith/pidf/rpid"
)

// TimedStatus is a status that a tuple had or will have (RFC 4481 section 3).
// It says nothing about the present.
type TimedStatus struct {
	rpid.Span // From is not zero
	Basic     Basic
	Notes     []Note // at most one
	Ext       []Element
}

// Timed returns the timed status among the extensions of t, in document order;
// they may overlap. Malformed ones are left out. They are read from Ext and
// written from there, octet for octet; since their schema has no place for
// xml:lang, a note in one has only the language that it states itself.
func (t *Tuple) Timed() []TimedStatus {
	var list []TimedStatus
	for i := range t.Ext {
		if e := &t.Ext[i]; e.NS == Timed {
			if s, ok := readTimed(e.Raw); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// readTimed holds the octets of a timed status to the schema of RFC 4481, in
// their own namespace: basic, note, then elements of others.
func readTimed(raw []byte) (s TimedStatus, ok bool) {
	doc, err := fragment(raw)
	if err != nil {
		return s, false
	}
	root := doc.Root()
	r := reader{doc: doc, size: len(raw)}
	if root.Space != Timed || root.Name != "timed-status" || root.HasInk() {
		return s, false
	}
	for _, a := range doc.Attrs(root) {
		ok := false
		switch {
		case a.Space != "":
		case a.Name == "from":
			s.From, ok = parseTime(a.Value)
		case a.Name == "until":
			s.Until, ok = parseTime(a.Value)
		}
		if !ok {
			return s, false
		}
	}
	if s.From.IsZero() {
		return s, false
	}
	var order sequence
	for e := doc.First(root); e != nil; e = doc.Next(e) {
		rank := 2
		switch {
		case e.Space == Timed && e.Name == "basic":
			rank = 0
			var one Status
			err = r.basic(&one, e)
			if s.Basic != Absent {
				return s, false
			}
			s.Basic = one.Basic
		case e.Space == Timed && e.Name == "note" && len(s.Notes) == 0:
			rank = 1
			s.Notes, err = r.addNote(s.Notes, e, "", "4481 5")
		default:
			s.Ext, err = r.addExt(s.Ext, e, "", Timed, "4481 5")
		}
		if err != nil || !order.follows(rank) {
			return s, false
		}
	}
	return s, true
}

// timed holds the timed status of a tuple to RFC 4481 section 3.
func (w *writer) timed(t *Tuple) {
	for i := range t.Ext {
		e := &t.Ext[i]
		if e.NS != Timed {
			continue
		}
		s, ok := readTimed(e.Raw)
		switch {
		case !ok:
			w.fail("malformed timed status")
		case !t.Timestamp.IsZero() && s.Contains(t.Timestamp):
			w.fail("timed status about the time of the tuple")
		}
	}
}
