package node

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/kith-im/kith/identity"
)

// How often the address records of contacts who are away are stored again.
// Their records live for two days at most, and so this does nothing for those
// who are away for longer.
const (
	keepEvery = 6 * time.Hour
	keepGap   = 5 * time.Second // between two contacts
	keepWait  = time.Minute     // for one
)

// The duplicate table is pruned at the start and then daily. Nobody's node takes
// a message that is older than a sender tries, which is a week, and an hour; its
// row is kept for longer by far, as clocks are set back at times.
const (
	pruneEvery    = 24 * time.Hour
	duplicatesFor = 30 * 24 * time.Hour
)

// keepLoop does for contacts who are away what they would do themselves: it has
// their address records stored again where devices have gone, one contact after
// another and at times that say nothing about when they left. Who is live does
// it better. Daily it forgets old rows of the duplicate table.
func (n *Node) keepLoop(ctx context.Context) {
	due := make(map[identity.Address]time.Time)
	var prune time.Time // when it is due; looked at every keepEvery or more often
	for {
		now := time.Now()
		if !now.Before(prune) {
			if err := n.store.PruneDuplicates(ctx, now.Add(-duplicatesFor)); err != nil && ctx.Err() == nil {
				n.log.Error("duplicate table not pruned", "err", err)
			}
			prune = now.Add(pruneEvery)
		}
		who, next := n.keepDue(due, now)
		if who.IsZero() {
			if !pause(ctx, next, nil) {
				return
			}
			continue
		}
		if err := n.keepRecords(ctx, who); err != nil && ctx.Err() == nil {
			n.log.Debug("records of a contact not kept", "person", who.Short(), "err", err)
		}
		if !pause(ctx, time.Now().Add(keepGap), nil) {
			return
		}
	}
}

// keepDue says whose records are due at now, and if nobody's, when to look again.
// It settles when they are due next. Due has the contacts seen so far.
func (n *Node) keepDue(due map[identity.Address]time.Time, now time.Time) (who identity.Address, next time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for gone := range due {
		if n.contacts[gone] == nil {
			delete(due, gone)
		}
	}
	next = now.Add(keepEvery)
	for c := range n.contacts {
		at, seen := due[c]
		switch {
		case !seen:
			at = now.Add(rand.N(keepEvery))
		case !now.Before(at):
			at = now.Add(jitter(keepEvery))
			if n.viewOf(c, now).Liveness != Live {
				due[c] = at
				return c, now
			}
		}
		due[c], next = at, sooner(next, at)
	}
	return identity.Address{}, next
}

// keepRecords has one contact's records stored again.
func (n *Node) keepRecords(ctx context.Context, who identity.Address) error {
	ctx, cancel := context.WithTimeout(ctx, keepWait)
	defer cancel()
	l, err := n.locate(ctx, who)
	if err != nil {
		return err
	}
	return n.net.Keep(ctx, l)
}
