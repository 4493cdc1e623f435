package node

import (
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// Show is a status in one word, as people set and see it.
type Show string

// The statuses. Each is a combination of the RFC 3863 basic status and an RFC
// 4480 activity or user input; doc/spec/publication.md has the table.
const (
	Open      Show = "open"
	Idle      Show = "idle" // seen only
	Away      Show = "away"
	Busy      Show = "busy"
	DND       Show = "dnd" // do not disturb: closed and busy
	Closed    Show = "closed"
	Invisible Show = "invisible" // set only: others see closed
	Unknown   Show = ""          // seen only
)

// ParseShow reads a status that a person may set.
func ParseShow(s string) (Show, error) {
	switch Show(s) {
	case Open, Away, Busy, DND, Closed, Invisible:
		return Show(s), nil
	}
	return "", fmt.Errorf("%q is not open, away, busy, dnd, closed or invisible", s)
}

// View is what this node's owner sees of a contact, composed of the verified
// documents of all the contact's devices.
type View struct {
	Person   identity.Address
	Name     string // petname
	Watch    State  // of our subscription; 0 if there is none yet
	Reason   string // of a termination, or why nothing is known yet
	Show     Show
	Note     string
	Since    time.Time // when the status was set, by their clock
	Liveness Liveness
	Heard    time.Time // last signed sign of life
	Until    time.Time // end of the lease
	Unread   int       // messages not yet read
	Devices  []DeviceView

	Verified   bool // the owner compared the key that they are known by
	KeyChanged bool // they go by another key, which waits for Trust; Reason says so
}

// DeviceView is what one device of a contact shows.
type DeviceView struct {
	ID       identity.DeviceID
	Show     Show
	Note     string
	Since    time.Time // when the status was set, by their clock
	Liveness Liveness
	Heard    time.Time // last signed sign of life
}

// face is what one device shows.
type face struct {
	show  Show
	note  string
	since time.Time
	hold  hold
}

// compose picks what to show of several devices: live before stale before
// gone; among equals the one that takes messages, then the newest status
// (RFC 4479 section 3.5 leaves the rule to the watcher).
func compose(faces []face, now time.Time) (best face, ok bool) {
	for _, f := range faces {
		if !ok || better(f, best, now) {
			best, ok = f, true
		}
	}
	return best, ok
}

func better(f, g face, now time.Time) bool {
	if a, b := rank(f.hold.liveness(now)), rank(g.hold.liveness(now)); a != b {
		return a > b
	}
	if a, b := f.show.takesMessages(), g.show.takesMessages(); a != b {
		return a
	}
	return f.since.After(g.since)
}

func rank(l Liveness) int {
	switch l {
	case Live:
		return 3
	case Stale:
		return 2
	case Gone:
		return 1
	}
	return 0
}

// takesMessages says whether the RFC 3863 basic status is open.
func (s Show) takesMessages() bool {
	switch s {
	case Open, Idle, Away, Busy:
		return true
	}
	return false
}
