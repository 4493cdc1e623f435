package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// The owner's devices stay alike: each asks each other one for what changed
// there, at the start, when it has news itself (its own question says so), and
// every few minutes. What is taken is on disk before the cursor moves; a device
// that dies in between takes it again, to no effect.

const (
	syncEvery  = 4 * time.Minute
	syncGap    = 50 * time.Millisecond // news of so long go together
	newsWait   = 3 * time.Second       // at the start, before anything is published
	maxSyncRun = 10000                 // pages taken from one device in a row
)

// sibling is another device of the owner's, as the sync loop sees it.
type sibling struct {
	next      time.Time // when to ask; zero is now
	failures  int
	busy      bool
	tried     bool
	told      uint64         // the number of ours they were last told of
	news      uint64         // the number of theirs that they last told of; 0 once it was asked for
	reach     identity.Reach // they last told
	dismissed bool           // revoked by us, to be told once
}

// siblingOf returns what is known of another device. The caller holds n.mu.
func (n *Node) siblingOf(id identity.DeviceID) *sibling {
	s := n.own.siblings[id]
	if s == nil {
		s = new(sibling)
		n.own.siblings[id] = s
	}
	return s
}

// awaitNews waits, at the start, until the owner's other devices were asked for
// news, but not for long. It says whether ctx still runs.
func (n *Node) awaitNews(ctx context.Context) bool {
	timer := time.NewTimer(newsWait)
	defer timer.Stop()
	select {
	case <-n.caughtUp:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// syncLoop keeps this device like the owner's other ones.
func (n *Node) syncLoop(ctx context.Context) {
	waiting := true
	for {
		next := n.syncDue(ctx, time.Now())
		if waiting && n.asked() {
			close(n.caughtUp)
			waiting = false
		}
		if !pause(ctx, next, n.wakeSync) || !pause(ctx, time.Now().Add(syncGap), nil) {
			return
		}
	}
}

// asked says whether each of the owner's other devices was asked once.
func (n *Node) asked() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, row := range n.own.rows {
		if id != n.Device() && row.Revoked.IsZero() && !n.siblingOf(id).tried {
			return false
		}
	}
	return n.own.ready
}

// syncDue starts asking those who are due and says when the next one is.
func (n *Node) syncDue(ctx context.Context, now time.Time) (next time.Time) {
	n.mu.Lock()
	alone := len(n.own.rows) <= 1
	n.mu.Unlock()
	if alone {
		return n.seekSiblings(ctx, now)
	}
	last, err := n.store.LastChange(ctx)
	if err != nil {
		if ctx.Err() == nil {
			n.log.Error("changes not read", "err", err)
		}
		return now.Add(firstDelay)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.own.revoked {
		return time.Time{}
	}
	for id, row := range n.own.rows {
		s := n.siblingOf(id)
		if id == n.Device() || !row.Revoked.IsZero() && !s.dismissed || s.busy {
			continue
		}
		if s.next.After(now) && (last <= s.told || s.failures > 0) {
			next = sooner(next, s.next)
			continue
		}
		s.busy, s.news = true, 0
		dismissed := s.dismissed
		n.workers.Go(func() { // ends when there is no more to take, at the first failure, or with ctx
			n.syncWith(ctx, id, s, dismissed)
		})
	}
	return next
}

// seekSiblings looks for the card of a device that was linked and died before it
// had written who the others are.
func (n *Node) seekSiblings(ctx context.Context, now time.Time) (next time.Time) {
	n.mu.Lock()
	lost := !n.own.ready
	n.mu.Unlock()
	if !lost {
		return time.Time{}
	}
	n.findOwnCard(ctx)
	return now.Add(jitter(pendingDelay))
}

// syncWith takes what another device has, and settles when to ask it again.
func (n *Node) syncWith(ctx context.Context, id identity.DeviceID, s *sibling, dismissed bool) {
	err := n.pull(ctx, id, s)
	if err != nil && ctx.Err() == nil && !dismissed {
		n.log.Debug("device not asked", "device", id.Short(), "err", err)
		n.lookAround(ctx)
	}
	now := time.Now()
	n.mu.Lock()
	s.busy, s.tried = false, true
	s.dismissed = s.dismissed && !dismissed // told, or not there
	if err != nil {
		s.failures++
		s.next = now.Add(retryDelay(s.failures))
	} else {
		s.failures, s.next = 0, now.Add(jitter(syncEvery))
	}
	if row := n.own.rows[id]; s.news > row.Cursor {
		s.next = time.Time{} // they rang meanwhile
	}
	n.mu.Unlock()
	wake(n.wakeSync)
}

// lookAround looks for a newer card of the owner, if that was not done just
// before: the device that does not answer may be revoked, or this one.
func (n *Node) lookAround(ctx context.Context) {
	now := time.Now()
	n.mu.Lock()
	recent := now.Sub(n.refreshed[n.Address()]) < syncEvery
	if !recent {
		n.refreshed[n.Address()] = now
	}
	n.mu.Unlock()
	if !recent {
		n.findOwnCard(ctx)
	}
}

// pull takes pages from another device until there are no more.
func (n *Node) pull(ctx context.Context, id identity.DeviceID, s *sibling) error {
	for range maxSyncRun {
		n.mu.Lock()
		row := n.own.rows[id]
		n.mu.Unlock()
		last, err := n.store.LastChange(ctx)
		if err != nil {
			return err
		}
		answer, err := n.askSibling(ctx, row, s, syncRequest{after: row.Cursor, have: last})
		if err != nil {
			return err
		}
		n.mu.Lock()
		s.told = last
		n.mu.Unlock()
		if err := n.takePage(ctx, row, s, answer); err != nil {
			return err
		}
		if !answer.more {
			return n.levelled(ctx)
		}
	}
	return errors.New("no end of changes")
}

// levelled keeps that this device has what another one had.
func (n *Node) levelled(ctx context.Context) error {
	n.mu.Lock()
	ready := n.own.ready
	n.mu.Unlock()
	if ready {
		return nil
	}
	if err := n.store.PutSetting(ctx, keepReady, []byte("1")); err != nil {
		return fmt.Errorf("keep state of devices: %w", err)
	}
	n.mu.Lock()
	n.own.ready = true
	if n.out.epoch.IsZero() {
		n.log.Warn("the other device had no key of the audience")
	}
	n.mu.Unlock()
	wake(n.wakePublish)
	wake(n.wakeWatch)
	return nil
}

// takePage takes one answer: its items, then the cursor. If a message cannot be
// verified for lack of knowledge about its author, all that is known about
// people is taken first.
func (n *Node) takePage(ctx context.Context, row *Device, s *sibling, answer *synced) error {
	lacking, err := n.takeItems(ctx, row.ID, answer.items, false)
	if err != nil {
		return err
	}
	if lacking {
		if err := n.pullPeople(ctx, row, s); err != nil {
			return err
		}
		if _, err := n.takeItems(ctx, row.ID, answer.items, true); err != nil {
			return err
		}
	}
	if answer.last <= row.Cursor && !answer.more {
		return n.seenSibling(ctx, row.ID, row.Cursor)
	}
	if answer.last <= row.Cursor {
		return errors.New("sync: the cursor does not rise")
	}
	return n.seenSibling(ctx, row.ID, answer.last)
}

// seenSibling keeps how far another device's changes were taken. When there is
// nothing new, that is worth a write only now and then.
func (n *Node) seenSibling(ctx context.Context, id identity.DeviceID, cursor uint64) error {
	now := time.Now()
	n.mu.Lock()
	row := n.own.rows[id]
	same := row.Cursor == cursor && now.Sub(row.Seen) < syncEvery
	n.mu.Unlock()
	if same {
		return nil
	}
	return n.keepDevice(ctx, id, func(d *Device) { d.Cursor, d.Seen = cursor, now })
}

// pullPeople takes all but messages, without moving the cursor.
func (n *Node) pullPeople(ctx context.Context, row *Device, s *sibling) error {
	after := row.Cursor
	for range maxSyncRun {
		answer, err := n.askSibling(ctx, row, s, syncRequest{after: after, want: wantPeople})
		if err != nil {
			return err
		}
		if _, err := n.takeItems(ctx, row.ID, answer.items, true); err != nil {
			return err
		}
		if !answer.more {
			return nil
		}
		if answer.last <= after {
			return errors.New("sync: the cursor does not rise")
		}
		after = answer.last
	}
	return errors.New("no end of changes")
}

// askSibling makes one exchange with another device of the owner's.
func (n *Node) askSibling(ctx context.Context, row *Device, s *sibling, q syncRequest) (*synced, error) {
	to, err := identity.ParseDeviceCard(row.Card)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", row.ID.Short(), err)
	}
	now := time.Now()
	var due bool
	if q.renewal, due, err = n.keys.Renewal(now); err != nil || !due {
		q.renewal = nil
	}
	q.reach = n.reach(now)
	body, err := q.marshal()
	if err != nil {
		return nil, fmt.Errorf("write sync: %w", err)
	}
	signed, err := n.keys.Sign(identity.Entity{Type: typeSync, Body: body}, true, now)
	if err != nil {
		return nil, fmt.Errorf("sign sync: %w", err)
	}
	sealed, err := n.keys.SealToDevice(signed, to)
	if err != nil {
		return nil, fmt.Errorf("seal sync: %w", err)
	}
	n.mu.Lock()
	reaches := distinct(s.reach, to.Reach, n.listedReach(row.ID))
	n.mu.Unlock()
	err = errors.New("it cannot be reached")
	for _, reach := range reaches {
		var answer *synced
		if answer, err = n.exchangeSync(ctx, row.ID, reach, sealed); err == nil {
			return answer, n.renewed(ctx, answer.grant)
		}
	}
	return nil, err
}

// listedReach is how the newest card says that a device can be reached. The
// caller holds n.mu.
func (n *Node) listedReach(id identity.DeviceID) identity.Reach {
	if n.card.IsZero() {
		return nil
	}
	for _, d := range n.card.Card().Devices {
		if d.ID == id {
			return d.Reach
		}
	}
	return nil
}

// distinct lists ways to reach one device, in order, without those twice or empty.
func distinct(reaches ...identity.Reach) []identity.Reach {
	var list []identity.Reach
	seen := make(map[string]bool)
	for _, r := range reaches {
		if len(r) > 0 && !seen[string(r)] {
			seen[string(r)] = true
			list = append(list, r)
		}
	}
	return list
}

// renewed takes certificates that another device renewed.
func (n *Node) renewed(ctx context.Context, grant []byte) error {
	if grant == nil {
		return nil
	}
	if err := n.keys.Renew(grant, time.Now()); err != nil {
		n.log.Warn("certificates not renewed", "err", err)
		return nil // the next answer may have better ones
	}
	wake(n.wakeAnnounce)
	return n.tellOwnReach(ctx)
}

// exchangeSync sends a request to a device and verifies its answer.
func (n *Node) exchangeSync(ctx context.Context, id identity.DeviceID, to identity.Reach, sealed identity.Sealed) (*synced, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	reply, err := n.net.Exchange(ctx, Devices, to, sealed)
	if err != nil {
		return nil, err
	}
	o, err := n.keys.Open(reply, n.knownOwn(), time.Now())
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	switch {
	case o.From != n.Address() || o.Device != id:
		return nil, errors.New("answer of another device")
	case o.Entity.Type != typeSynced || !o.Scopes.Has(identity.ScopeRead):
		return nil, fmt.Errorf("answer of type %q", o.Entity.Type)
	}
	answer, err := parseSynced(o.Entity.Body)
	if err != nil {
		return nil, err
	}
	if answer.digest != sealed.Digest() {
		return nil, errors.New("answer to another request")
	}
	answer.limit(time.Now())
	return answer, nil
}

// knownOwn is what this node knows when it verifies what the owner's other
// devices signed: of a device that the card does not list, the roster decides.
func (n *Node) knownOwn() identity.Known {
	known := n.known()
	known.Domain, known.Unlisted = n.ownDomain, true
	return known
}
