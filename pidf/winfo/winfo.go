// Package winfo reads and writes watcher information: who watches a
// presentity, in the format application/watcherinfo+xml of RFC 3858, with the
// states and events of RFC 3857.
//
// Parse reads a document and Marshal writes one. A document has either the
// full state or the watchers that changed; State.Next combines documents to what
// is known by now, as a pure function of state and document.
//
// The package does not decide who may see what: RFC 3857 section 4.7.2 wants a
// watcher to be told of itself only, and nothing that it would not learn
// otherwise. Limits: MaxSize octets, MaxWatchers watchers, besides those of
// package pidf on depth and attributes.
package winfo

import (
	"errors"
	"fmt"

	"github.com/kith-im/kith/internal/xmlscan"
)

// Namespace is that of the elements of RFC 3858.
const Namespace = "urn:ietf:params:xml:ns:watcherinfo"

// ContentType is the MIME label of what Marshal writes (RFC 3858 section 8.1).
const ContentType = "application/watcherinfo+xml; charset=UTF-8"

// Limits of a document, read or written; MaxWatchers is that of a State, too.
const (
	MaxSize     = 256 << 10 // octets
	MaxWatchers = 4096
)

// Status is the state of a subscription (RFC 3857 section 4.7.1).
type Status string

// The states. A subscription that does not exist yet has the status "", which
// RFC 3857 calls init and no document contains.
const (
	Pending    Status = "pending"    // waits for a decision
	Active     Status = "active"     // is approved
	Waiting    Status = "waiting"    // lapsed before a decision
	Terminated Status = "terminated" // is over
)

// Known reports whether RFC 3858 has the word.
func (s Status) Known() bool {
	return s == Pending || s == Active || s == Waiting || s == Terminated
}

// Event is what led to a status (RFC 3857 section 4.7.1).
type Event string

// The events.
const (
	Subscribe   Event = "subscribe"   // the watcher asked
	Approved    Event = "approved"    // the presentity agreed
	Deactivated Event = "deactivated" // ended; the watcher may try again at once
	Probation   Event = "probation"   // ended; the watcher may try again later
	Rejected    Event = "rejected"    // the presentity refused
	Timeout     Event = "timeout"     // the duration ended
	GiveUp      Event = "giveup"      // no decision for too long
	NoResource  Event = "noresource"  // the presentity is no more
)

// Known reports whether RFC 3858 has the word.
func (e Event) Known() bool {
	for _, s := range [...]Status{Pending, Active, Waiting, Terminated} {
		if e.LeadsTo(s) {
			return true
		}
	}
	return false
}

// LeadsTo reports whether some transition by e ends in s.
func (e Event) LeadsTo(s Status) bool {
	for _, from := range [...]Status{"", Pending, Active, Waiting} {
		if Transition(from, e, s) {
			return true
		}
	}
	return false
}

// Transition reports whether the state machine of RFC 3857 section 4.7.1 has a
// transition by e between two states; from is "" for a new subscription. A
// refresh is none.
func Transition(from Status, e Event, to Status) bool {
	if from == "" {
		return e == Subscribe && (to == Pending || to == Active || to == Terminated)
	}
	switch e {
	case Approved:
		return from == Pending && to == Active || from == Waiting && to == Terminated
	case Timeout:
		return from == Pending && to == Waiting || from == Active && to == Terminated
	case Rejected, NoResource:
		return from != Terminated && from.Known() && to == Terminated
	case Deactivated, Probation:
		return (from == Pending || from == Active) && to == Terminated
	case GiveUp:
		return (from == Pending || from == Waiting) && to == Terminated
	}
	return false
}

// Document is one watcher information document (RFC 3858 section 3).
type Document struct {
	// Version orders the documents of one subscription to watcher information:
	// from 0 on by one, never wrapping.
	Version uint32
	Full    bool // the whole state, not only what changed
	Lists   []List
}

// List is the watchers of one resource.
type List struct {
	Resource string // absolute URI; that of each list is another
	Package  string // event package, as "presence"
	Watchers []Watcher
}

// Watcher is one subscription.
type Watcher struct {
	ID     string // of the subscription, a token of RFC 3261; unique in the document
	Status Status
	Event  Event
	URI    string // absolute; who watches, as authenticated

	DisplayName string
	Lang        string  // of DisplayName, or empty
	Expiration  *uint64 // seconds from now until the subscription ends
	Subscribed  *uint64 // seconds from its beginning until now
}

// SyntaxError says where a document breaks which rule.
type SyntaxError struct {
	Line    int    // counted from 1
	Section string // of an RFC, as in "3858 3"
	Msg     string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("winfo: line %d: %s (RFC %s)", e.Line, e.Msg, e.Section)
}

// notXML turns an error of xmlscan into a SyntaxError.
func notXML(err error) error {
	if x, ok := errors.AsType[*xmlscan.Error](err); ok {
		return &SyntaxError{Line: x.Line, Section: "3858 3", Msg: x.Msg}
	}
	return err
}
