package node

import (
	"context"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

const (
	lapseEvery   = time.Minute // how often subscriptions are looked at for their end
	notifyTries  = 8           // then the watcher learns when it asks again
	maxNotifying = 16          // watchers told at once
)

// owing is a watcher who is to be told how its subscription stands.
type owing struct {
	next     time.Time
	failures int
	busy     bool
	again    bool // something changed while busy
	told     map[identity.DeviceID]bool
}

// notifySoon has the notify loop tell a watcher how its subscription stands
// (RFC 3859 section 3.4.2, RFC 2779 requirements 5.1.5 and 5.1.9).
func (n *Node) notifySoon(who identity.Address) {
	n.mu.Lock()
	if o := n.owed[who]; o != nil {
		o.next, o.failures, o.again = time.Time{}, 0, o.busy
		if !o.busy {
			clear(o.told)
		}
	} else {
		n.owed[who] = &owing{told: make(map[identity.DeviceID]bool)}
	}
	n.mu.Unlock()
	wake(n.wakeNotify)
}

// notifyLoop tells watchers what was decided about them, and lets
// subscriptions lapse.
func (n *Node) notifyLoop(ctx context.Context) {
	var lapsed time.Time
	for {
		now := time.Now()
		if now.Sub(lapsed) >= lapseEvery {
			n.lapse(ctx, now)
			lapsed = now
		}
		next := n.notifyDue(ctx, now)
		if !pause(ctx, sooner(next, lapsed.Add(lapseEvery)), n.wakeNotify) {
			return
		}
	}
}

// notifyDue starts telling those who are due and says when the next one is.
func (n *Node) notifyDue(ctx context.Context, now time.Time) (next time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	busy := 0
	for who, o := range n.owed {
		switch {
		case o.busy:
			busy++
		case o.next.After(now):
			next = sooner(next, o.next)
		case busy < maxNotifying:
			busy++
			o.busy = true
			n.workers.Go(func() { // ends within the time of two exchanges and a lookup, or with ctx
				n.notifyOne(ctx, who, o)
			})
		}
	}
	return next
}

func (n *Node) notifyOne(ctx context.Context, who identity.Address, o *owing) {
	err := n.notify(ctx, who, o)
	n.mu.Lock()
	o.busy = false
	switch {
	case o.again:
		o.again = false
		clear(o.told)
	case err == nil || o.failures+1 == notifyTries:
		delete(n.owed, who)
	default:
		o.failures++
		o.next = time.Now().Add(retryDelay(o.failures))
	}
	n.mu.Unlock()
	if err != nil {
		n.log.Debug("watcher not told", "watcher", who.Short(), "err", err)
	}
	wake(n.wakeNotify)
}

// notify tells the devices of one watcher, those that were not told yet, how
// its subscription stands now. An error says that there are more to be told.
func (n *Node) notify(ctx context.Context, who identity.Address, o *owing) error {
	w := n.watcher(who)
	if w == nil || n.Revoked() {
		return nil
	}
	now := time.Now()
	st, err := n.standing(ctx, *w, now)
	if err != nil {
		return err
	}
	trans := newTransID()
	body, err := notify{trans: trans, standing: *st}.marshal()
	if err != nil {
		return fmt.Errorf("write notify: %w", err)
	}
	signed, err := n.keys.Sign(identity.Entity{Type: typeNotify, Body: body}, true, now)
	if err != nil {
		return fmt.Errorf("sign notify: %w", err)
	}
	op := operation{Presence, signed, string(trans[:])}
	left := 0
	err = n.withCards(ctx, who, func(card *identity.Card) error {
		devices := n.untold(card, o)
		if left = len(devices); left == 0 {
			return nil
		}
		return n.each(card, devices, func(d identity.DeviceCard) error {
			_, err := n.askAlone(ctx, op, card, d)
			if err == nil {
				n.mu.Lock()
				o.told[d.ID] = true
				left--
				n.mu.Unlock()
			}
			return err
		})
	})
	if err == nil && left > 0 {
		err = fmt.Errorf("%d devices of %s were not told", left, who.Short())
	}
	return err
}

// untold lists the devices of a watcher that were not told yet.
func (n *Node) untold(card *identity.Card, o *owing) []identity.DeviceCard {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []identity.DeviceCard
	for _, d := range card.Devices {
		if d.Reads() && !o.told[d.ID] && len(n.reachesTo(d)) > 0 {
			list = append(list, d)
		}
	}
	return list
}

// lapse ends subscriptions that were not renewed: an active one is over, an
// undecided one waits for the decision without its watcher (RFC 3857 section
// 4.7.1).
func (n *Node) lapse(ctx context.Context, now time.Time) {
	n.mu.Lock()
	var ended []Watcher
	for _, w := range n.watchers {
		if w.Expires.After(now) || w.State != Active && w.State != Pending {
			continue
		}
		row := *w
		row.Event, row.Since = "timeout", now
		if row.State = Terminated; w.State == Pending {
			row.State, row.Event, row.Since = Waiting, "giveup", w.Since
		}
		ended = append(ended, row)
	}
	n.mu.Unlock()
	for _, row := range ended {
		if err := n.keepWatcher(ctx, row, SawWatcher); err != nil {
			n.log.Error("end of subscription not kept", "err", err)
		}
	}
}
