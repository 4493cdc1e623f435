package node

import "time"

// Liveness says how far a presence document can be trusted to speak of now.
// It comes from signed leases alone, never from the state of a connection.
type Liveness string

// The states of liveness.
const (
	Live        Liveness = "live"    // the lease runs
	Stale       Liveness = "stale"   // the lease ended, or this node restarted and has no new sign yet
	Gone        Liveness = "gone"    // a signed goodbye, or silence for two leases
	UnknownLive Liveness = "unknown" // nothing verified was ever received
)

// hold is what a watcher knows of one document's lease, by its own clock.
type hold struct {
	heard     time.Time     // last signed sign of life
	length    time.Duration // of the lease; 0 for a goodbye
	count     uint64        // leases seen on this document
	confirmed bool          // a sign of life arrived since this node started
}

// until is when the lease ends.
func (h hold) until() time.Time { return h.heard.Add(h.length) }

// liveness says how a held document stands at now.
func (h hold) liveness(now time.Time) Liveness {
	switch {
	case h.heard.IsZero():
		return UnknownLive
	case h.length == 0:
		return Gone
	case now.Before(h.until()) && h.confirmed:
		return Live
	case now.Before(h.heard.Add(2 * h.length)):
		return Stale
	}
	return Gone
}

// turn is the next moment after now at which liveness changes by itself;
// zero if it will not.
func (h hold) turn(now time.Time) time.Time {
	if h.heard.IsZero() || h.length == 0 {
		return time.Time{}
	}
	if t := h.until(); h.confirmed && now.Before(t) {
		return t
	}
	if t := h.heard.Add(2 * h.length); now.Before(t) {
		return t
	}
	return time.Time{}
}
