package node

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Event is a hint that something changed. The store and the node's methods
// have the truth; a reader that is too slow misses hints, never data.
type Event struct {
	ID      uint64 // rising, across restarts too
	Time    time.Time
	Kind    EventKind
	View    *View      // of SawPresence, SawWatch, SawContact and SawKey
	Message *Message   // of SawMessage, SawVerdict, SawCopy and SawRead
	Watcher *Watcher   // of SawRequest, SawWatcher and SawInvite
	Link    *LinkState // of SawLink
	Acks    int        // of SawAnnounce: devices that store our record; 0 if we are alone
}

// EventKind says what an event speaks of.
type EventKind string

// The kinds.
const (
	SawPresence EventKind = "presence" // a contact's status or liveness changed
	SawWatch    EventKind = "watch"    // our subscription to a contact changed
	SawMessage  EventKind = "message"  // a message arrived
	SawVerdict  EventKind = "verdict"  // a message we sent was settled
	SawRequest  EventKind = "request"  // somebody asks to watch us
	SawWatcher  EventKind = "watcher"  // somebody's subscription to us changed
	SawInvite   EventKind = "invite"   // somebody came with an invitation, and is a contact now; Note says with which
	SawKey      EventKind = "key"      // a contact goes by another key, or one was accepted or compared
	SawAnnounce EventKind = "announce" // our record was stored, or could not be

	// Of the owner's other devices.
	SawCopy    EventKind = "copy"     // a message that the owner sent from another device
	SawRead    EventKind = "read"     // a message was read on another device
	SawContact EventKind = "contact"  // a contact was added, changed or removed on another device
	SawStatus  EventKind = "status"   // the owner's status was set on another device
	SawLink    EventKind = "link"     // the link of a new device goes on, or ended
	SawRevoked EventKind = "revoked"  // this device was revoked
	SawCardEnd EventKind = "card-end" // the owner's card has run out: a device that administers must be started
)

// keptEvents is how many events a late or slow reader can still get.
const keptEvents = 1024

// journal is the ring of recent events and the bell that wakes its readers.
type journal struct {
	mu   sync.Mutex
	last uint64
	ring []Event // ends with the event called last
	bell chan struct{}
}

// startAt sets the ID that the first event follows.
func (j *journal) startAt(id uint64) {
	j.last = id
	j.bell = make(chan struct{})
}

func (j *journal) add(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.ID = j.last
	if len(j.ring) == keptEvents {
		copy(j.ring, j.ring[1:])
		j.ring = j.ring[:keptEvents-1]
	}
	j.ring = append(j.ring, e)
	close(j.bell)
	j.bell = make(chan struct{})
}

// since returns the kept events after an ID, and the bell for the next one.
func (j *journal) since(after uint64) ([]Event, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fresh := min(len(j.ring), int(j.last-min(after, j.last)))
	return append([]Event(nil), j.ring[len(j.ring)-fresh:]...), j.bell
}

// LastEvent returns the ID of the newest event.
func (n *Node) LastEvent() uint64 {
	n.journal.mu.Lock()
	defer n.journal.mu.Unlock()
	return n.journal.last
}

// Events yields events after an ID, waiting for more until ctx ends. After 0
// it starts with the next one. A reader who fell behind by more than 1024
// events goes on with the oldest kept.
func (n *Node) Events(ctx context.Context, after uint64) iter.Seq[Event] {
	if after == 0 {
		after = n.LastEvent()
	}
	return func(yield func(Event) bool) {
		for {
			events, bell := n.journal.since(after)
			for _, e := range events {
				after = e.ID
				if !yield(e) {
					return
				}
			}
			if len(events) > 0 {
				continue
			}
			select {
			case <-bell:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (n *Node) tell(e Event) {
	e.Time = time.Now()
	n.journal.add(e)
}
