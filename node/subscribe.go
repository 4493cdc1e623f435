package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
)

// How often a watcher asks.
const (
	subscribeFor = time.Hour // asked for; renewed when half of it has run
	maxAsking    = 32        // subscriptions asked for at once: 60 contacts take about a second
)

// What people are told while nothing is known of a contact.
const (
	whyLooking = "looking for them"
	whyPending = "waiting for their approval"
	whySilent  = "they do not answer"

	endedByOwner = "ended by you"
)

// loadWatches restores watches and the newest documents, and has all of them
// asked anew: what is on disk does not speak of now.
func (n *Node) loadWatches(ctx context.Context) error {
	rows, err := n.store.Watches(ctx)
	if err != nil {
		return fmt.Errorf("load watches: %w", err)
	}
	now := time.Now()
	for _, row := range rows {
		w := newWatching(row)
		if row.State != Terminated {
			w.next, w.why = now, whyLooking
		}
		n.watches[row.Person] = w
		n.learnEpoch(w)
	}
	held, err := n.store.Publications(ctx)
	if err != nil {
		return fmt.Errorf("load publications: %w", err)
	}
	for _, p := range held {
		n.restore(p, now)
	}
	for who, w := range n.watches {
		w.told = n.viewOf(who, now)
	}
	return nil
}

// restore shows a document from disk again, once it is verified again as of
// the time it was heard.
func (n *Node) restore(p Publication, now time.Time) {
	w := n.watches[p.Person]
	if w == nil || p.Audience != w.Epoch.Audience() {
		return
	}
	o, err := identity.Verify(p.Signed, n.known(), p.Heard)
	if err != nil {
		n.log.Warn("stored publication not shown", "person", p.Person.Short(), "err", err)
		return
	}
	read, err := readPublication(o)
	if err != nil {
		n.log.Warn("stored publication not shown", "person", p.Person.Short(), "err", err)
		return
	}
	s := &shown{version: p.Version, audience: p.Audience, digest: o.Digest, signed: p.Signed, face: read.face}
	s.hold = hold{heard: p.Heard, length: read.length}
	w.devices[p.Device] = s
}

// learnEpoch has Hear find a watch by the key id of its audience.
func (n *Node) learnEpoch(w *watching) {
	if !w.Epoch.IsZero() {
		n.epochs[string(w.Epoch.KEKID())] = w.Person
	}
}

// watch starts, or starts again, to watch a person.
func (n *Node) watch(ctx context.Context, who identity.Address, note string) error {
	if err := n.watchTurn.take(ctx); err != nil {
		return err
	}
	defer n.watchTurn.give()
	n.mu.Lock()
	w := n.watches[who]
	fresh := w == nil
	if fresh {
		w = newWatching(Watch{Person: who, ID: newSubscriptID(), State: Pending})
	}
	row := w.Watch
	if row.State == Terminated {
		row.State, row.Reason = Pending, ""
	}
	n.mu.Unlock()
	if err := n.store.PutWatch(ctx, row); err != nil {
		return fmt.Errorf("keep watch: %w", err)
	}
	n.mu.Lock()
	w.State, w.Reason, w.ending = row.State, row.Reason, false
	w.note, w.failures, w.next = note, 0, time.Now()
	if w.State != Active {
		w.why = whyLooking
	}
	n.watches[who] = w
	n.mu.Unlock()
	wake(n.wakeWatch)
	return nil
}

// askAgain has a person asked now who did not answer, did not decide or said
// no before: there is a sign that they are here, or have changed their mind.
func (n *Node) askAgain(who identity.Address) {
	n.mu.Lock()
	w := n.watches[who]
	if w != nil && !w.asking && w.Reason != endedByOwner && (w.failures > 0 || w.State != Active) {
		w.next = time.Now()
	}
	if w != nil {
		w.retryNow()
	}
	n.mu.Unlock()
	wake(n.wakeWatch)
}

// askSoon has a person's presence asked for at once, unless that is under way
// or they do not answer anyway.
func (n *Node) askSoon(who identity.Address) {
	n.mu.Lock()
	if w := n.watches[who]; w != nil && w.State != Terminated && !w.asking && w.failures == 0 {
		w.next = time.Now()
	}
	n.mu.Unlock()
	wake(n.wakeWatch)
}

// watchLoop asks for presence when it is due, and notices when leases end.
func (n *Node) watchLoop(ctx context.Context) {
	defer n.leaveAll()
	for {
		now := time.Now()
		next, turned := n.watchDue(ctx, now)
		for _, who := range turned {
			n.viewChanged(who, now)
		}
		n.listen(now)
		if !pause(ctx, sooner(next, nextTopics(now)), n.wakeWatch) {
			return
		}
	}
}

// watchDue starts asking those who are due, and says when there is more to do
// and whose view has changed by the passing of time.
func (n *Node) watchDue(ctx context.Context, now time.Time) (next time.Time, turned []identity.Address) {
	n.mu.Lock()
	defer n.mu.Unlock()
	asking := 0
	for _, w := range n.watches {
		if w.asking {
			asking++
		}
	}
	for who, w := range n.watches {
		v := n.viewOf(who, now)
		if v.Liveness != w.told.Liveness {
			turned = append(turned, who)
			if v.Liveness == Stale && w.failures == 0 && w.State == Active {
				w.next = now // a lease ended: ask before giving up
			}
		}
		for _, s := range w.devices {
			next = sooner(next, s.hold.turn(now))
		}
		next = sooner(next, n.askMissing(ctx, who, w, now))
		switch {
		case w.next.IsZero() || w.asking:
		case w.next.After(now):
			next = sooner(next, w.next)
		case asking < maxAsking:
			asking++
			w.asking = true
			n.workers.Go(func() { // ends within the time of two exchanges and a lookup, or with ctx
				n.ask(ctx, who, w)
			})
		}
	}
	return next, turned
}

// settleWatch takes what a device of a presentity says of our subscription: the
// row on disk first, then the key, then the document. Answered says that it was
// asked just now. An error says that this device is to be asked again.
func (n *Node) settleWatch(ctx context.Context, who identity.Address, by identity.DeviceID, st *standing, answered bool) error {
	now := time.Now()
	before, v, err := n.settleRow(ctx, who, by, st, answered, now)
	if err != nil || v == nil {
		return err
	}
	if st.state == Active && st.grant != nil {
		n.keepApproval(ctx, who, st.grant)
	}
	if !st.card.IsZero() && st.card.Card().Address == who {
		if err := n.learnCard(ctx, st.card); err != nil {
			return err
		}
	}
	if before != st.state {
		n.tell(Event{Kind: SawWatch, View: v})
	}
	n.viewChanged(who, now) // a device may be gone from the card
	wake(n.wakeWatch)
	if st.grant == nil || st.document.IsZero() {
		return nil
	}
	o, err := identity.Verify(st.document, n.known(), now)
	if err != nil {
		return fmt.Errorf("document of %s: %w", who.Short(), err)
	}
	if o.From != who || o.Entity.Type != typePresence {
		return fmt.Errorf("document of %s: not theirs", who.Short())
	}
	_, err = n.takeDocument(ctx, who, o, st.grant, now)
	return err
}

// settleRow is the part of settleWatch that changes the row, one at a time: what
// two devices say at once must not undo each other. It returns the state before
// and the view after, no view if the standing was overtaken.
func (n *Node) settleRow(ctx context.Context, who identity.Address, by identity.DeviceID, st *standing, answered bool, now time.Time) (before State, after *View, err error) {
	if err := n.watchTurn.take(ctx); err != nil {
		return 0, nil, err
	}
	defer n.watchTurn.give()
	n.mu.Lock()
	w := n.watches[who]
	if w == nil || w.ID != st.id || w.overtaken(by, st, answered) {
		lapsed := w != nil && w.State == Active && !now.Before(w.Expires)
		n.mu.Unlock()
		if answered && lapsed {
			return 0, nil, errors.New("an answer older than what was said before")
		}
		return 0, nil, nil
	}
	err = w.behind(st, answered, now)
	if err == nil || answered {
		w.serials[by] = st.serial
	}
	row := w.Watch
	n.mu.Unlock()
	if err != nil {
		return 0, nil, err
	}
	before = row.State
	row.State, row.Serial, row.Confirmed = st.state, max(row.Serial, st.serial), now
	row.Expires, row.Reason = now.Add(st.length()), ""
	switch {
	case st.state == Terminated:
		row.Reason = st.reason
	case st.state == Pending && strings.HasPrefix(st.reason, inviteReason):
		row.Reason = st.reason
	case st.grant != nil:
		row.Epoch = st.grant.epoch
	}
	if err := n.store.PutWatch(ctx, row); err != nil {
		return 0, nil, fmt.Errorf("keep watch: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changeEpoch(w, row.Epoch, now)
	w.Watch = row
	n.learnEpoch(w)
	v := n.viewOf(who, now)
	return before, &v, nil
}

// length is for how long a subscription stands. An active one is asked for again
// when half of that has run, so what a presentity says is held to what ours would.
func (st *standing) length() time.Duration {
	if st.state != Active {
		return st.duration
	}
	return min(max(st.duration, 2*firstDelay), longestSubscription)
}

// answerNotify takes what a presentity tells us of our subscription unasked
// (RFC 3859 section 3.4.2; the response is ours, the RFC has none).
func (n *Node) answerNotify(ctx context.Context, o *identity.Opened, now time.Time) (*response, error) {
	m, err := parseNotify(o.Entity.Body, n.domainKey)
	if err != nil {
		return nil, err
	}
	trans := string(m.trans[:])
	if o.Time.Before(now.Add(-operationWindow)) || o.Time.After(now.Add(operationWindow)) {
		return fail(trans, reasonClock), nil
	}
	n.mu.Lock()
	w := n.watches[o.From]
	ours := w != nil && w.ID == m.standing.id
	if ours && m.standing.state == Active {
		w.failures, w.why, w.next = 0, "", now.Add(jitter(m.standing.length()/2))
	}
	n.mu.Unlock()
	if !ours {
		return fail(trans, "no such subscription"), nil
	}
	if err := n.settleWatch(ctx, o.From, o.Device, &m.standing, false); err != nil {
		n.log.Error("notify not taken", "err", err)
		return later(trans), nil
	}
	return &response{trans: trans}, nil
}

// unwatch ends our subscription to a person: here at once, there if they can
// be told soon; else it lapses.
func (n *Node) unwatch(ctx context.Context, who identity.Address) error {
	if err := n.watchTurn.take(ctx); err != nil {
		return err
	}
	defer n.watchTurn.give()
	n.mu.Lock()
	w := n.watches[who]
	if w == nil || w.State == Terminated {
		n.mu.Unlock()
		return nil
	}
	row := w.Watch
	n.mu.Unlock()
	row.State, row.Reason = Terminated, endedByOwner
	if err := n.store.PutWatch(ctx, row); err != nil {
		return fmt.Errorf("keep end of watch: %w", err)
	}
	n.mu.Lock()
	w.Watch, w.ending, w.next = row, true, time.Now()
	n.mu.Unlock()
	wake(n.wakeWatch)
	return nil
}
