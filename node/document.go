package node

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/rpid"
)

// The table of doc/spec/publication.md, both ways:
//
//	show    basic   activity  user-input
//	open    open
//	idle    open              idle
//	away    open    away
//	busy    open    busy
//	dnd     closed  busy
//	closed  closed

// writeDocument makes the presence document of one device. Ids name the device
// and stay the same for its life (RFC 3863 section 4.1.2); the timestamp is
// that of the change of status, not of the writing (section 4.1.7).
// A device that may publish some tuples only has the first of them as its own, and no person.
func writeDocument(who identity.Address, device identity.DeviceID, mine Mine, thing bool, tuples []string) ([]byte, error) {
	id := device.String()[:8]
	basic := pidf.Open
	if !mine.Show.takesMessages() {
		basic = pidf.Closed
	}
	tuple := pidf.Tuple{
		ID: "t" + id, Status: pidf.Status{Basic: basic},
		Contact: &pidf.Contact{URI: who.IM()}, Timestamp: mine.Since,
	}
	if len(tuples) > 0 {
		tuple.ID = tuples[0]
	}
	p := pidf.Presence{Entity: who.Pres()}
	if thing || len(tuples) > 0 {
		tuple.Notes = notes(mine.Note)
	} else {
		person := pidf.Person{ID: "p" + id, Notes: notes(mine.Note), Timestamp: mine.Since}
		if a := activityOf(mine.Show); a != "" {
			person.Activities = []rpid.Activities{{Values: []rpid.Activity{a}}}
		}
		p.Persons = []pidf.Person{person}
	}
	p.Tuples = []pidf.Tuple{tuple}
	return p.Marshal()
}

func notes(text string) []pidf.Note {
	if text == "" {
		return nil
	}
	return []pidf.Note{{Text: text}}
}

func activityOf(s Show) rpid.Activity {
	switch s {
	case Away:
		return rpid.Away
	case Busy, DND:
		return rpid.Busy
	}
	return ""
}

// readDocument reads what a presence document shows, and whom it is about. If its
// device may publish some tuples only, it has these, and says nothing of the
// person or of devices.
func readDocument(xml []byte, tuples []string) (entity identity.Address, f face, err error) {
	p, err := pidf.Parse(xml)
	if err != nil {
		return identity.Address{}, face{}, fmt.Errorf("presence document: %w", err)
	}
	if tuples != nil && !within(p, tuples) {
		return identity.Address{}, face{}, errors.New("presence document: more than its device may publish")
	}
	entity, err = identity.ParseAddress(p.Entity)
	if err != nil {
		return identity.Address{}, face{}, fmt.Errorf("presence document: entity: %w", err)
	}
	for _, t := range p.Tuples {
		f.since = latest(f.since, t.Timestamp)
		if t.UserInput != nil && t.UserInput.State == rpid.Idle {
			f.show = Idle
		}
		f.note = firstNote(f.note, t.Notes)
	}
	does := ""
	for i := range p.Persons {
		person := &p.Persons[i]
		f.since = latest(f.since, person.Timestamp)
		f.note = firstNote(f.note, p.NotesFor(person))
		for _, a := range person.Activities {
			for _, word := range a.Values {
				does = max(does, string(word))
			}
		}
	}
	f.show = showOf(p.Basic(), rpid.Activity(does), f.show)
	return entity, f, nil
}

// within says whether a document has nothing but some of these tuples.
func within(p *pidf.Presence, tuples []string) bool {
	for _, t := range p.Tuples {
		if !slices.Contains(tuples, t.ID) {
			return false
		}
	}
	return len(p.Persons)+len(p.Devices)+len(p.Notes)+len(p.Ext) == 0
}

func showOf(basic pidf.Basic, does rpid.Activity, input Show) Show {
	switch {
	case basic == pidf.Closed && does == rpid.Busy:
		return DND
	case basic == pidf.Closed:
		return Closed
	case basic == pidf.Absent:
		return Unknown
	case does == rpid.Busy:
		return Busy
	case does == rpid.Away:
		return Away
	case input == Idle:
		return Idle
	}
	return Open
}

func firstNote(have string, notes []pidf.Note) string {
	for _, n := range notes {
		if have == "" {
			have = n.Text
		}
	}
	return have
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
