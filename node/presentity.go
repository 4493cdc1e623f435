package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"sort"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// Bounds on subscriptions to the owner's presence. A watcher may ask for any
// duration; the response says what it got (RFC 3859 section 3.4.1).
const (
	shortestSubscription = time.Minute
	longestSubscription  = 24 * time.Hour
	operationWindow      = 24 * time.Hour // signing-time of a subscribe or notify may be off by this
)

// answerSubscribe is the presentity's side of RFC 3859 section 3.4.1.
func (n *Node) answerSubscribe(ctx context.Context, o *identity.Opened, now time.Time) (*response, error) {
	s, err := parseSubscribe(o.Entity.Body, n.domainKey)
	if err != nil {
		return nil, err
	}
	if s.watcher != o.From || s.target != n.Address() || s.card.Card().Address != o.From {
		return nil, errMisdirected
	}
	trans := string(s.trans[:])
	if o.Time.Before(now.Add(-operationWindow)) || o.Time.After(now.Add(operationWindow)) {
		return fail(trans, reasonClock), nil
	}
	if now.After(s.card.Card().Expires) && n.cardOf(o.From) == nil {
		return fail(trans, reasonCard), nil
	}
	n.noteReach(o, s.reach)
	is := n.relation(o.From)
	row := n.watcher(o.From)
	known := row != nil && row.ID == s.id
	switch {
	case s.duration == 0 && known:
		return n.answerCancel(ctx, trans, *row, now)
	case s.duration == 0:
		return n.answerFetch(trans, s, is)
	case row != nil && row.State == Active && now.Before(row.Expires) && !known:
		return n.second(ctx, trans, *row, now)
	}
	if err := n.learnCard(ctx, s.card); err != nil {
		return nil, err
	}
	decision, why := n.rules.Decide(o.From, is, access.Watch), ""
	if decision != access.Deny {
		var approved bool
		if approved, why = n.redeem(ctx, s, row, now); approved {
			decision = access.Allow
		}
	}
	switch decision {
	case access.Allow:
		return n.admitWatcher(ctx, s, row, now)
	case access.Ask:
		return n.inVain(why, s, func() (*response, error) { return n.keepRequest(ctx, s, row, now) })
	}
	return fail(trans, reasonPolicy), nil
}

// second turns down one subscription of a watcher beside another (RFC 3859 section
// 3.4.1), and names that other one: a watcher that has lost its store, or has
// added the presentity on two devices at once, goes on with it.
func (n *Node) second(ctx context.Context, trans string, row Watcher, now time.Time) (*response, error) {
	serial, err := n.store.Count(ctx, countSerial, uint64(now.UnixMilli()))
	if err != nil {
		return nil, fmt.Errorf("count standing: %w", err)
	}
	r := fail(trans, reasonSecond)
	r.standing = &standing{id: row.ID, state: row.State, serial: serial, duration: row.Expires.Sub(now), reason: row.Event}
	return r, nil
}

// watcher returns a copy of a row of the table of watchers, or nil.
func (n *Node) watcher(who identity.Address) *Watcher {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.watchers[who]; w != nil {
		row := *w
		return &row
	}
	return nil
}

// keepWatcher writes a row to disk, then to memory, then tells.
func (n *Node) keepWatcher(ctx context.Context, w Watcher, kind EventKind) error {
	if err := n.store.PutWatcher(ctx, w); err != nil {
		return fmt.Errorf("keep watcher: %w", err)
	}
	n.mu.Lock()
	n.watchers[w.Person] = &w
	n.noteOwner(w.Card)
	n.mu.Unlock()
	if kind != "" {
		n.tell(Event{Kind: kind, Watcher: &w})
	}
	return nil
}

// admitWatcher makes a subscription active, or renews it.
func (n *Node) admitWatcher(ctx context.Context, s *subscribe, row *Watcher, now time.Time) (*response, error) {
	w := Watcher{Person: s.watcher, ID: s.id, State: Active, Event: "subscribe", Since: now, Card: s.card}
	kind := SawWatcher
	if row != nil && row.State == Active && row.ID == s.id {
		w, kind = *row, ""
	}
	if newer(s.card, w.Card) {
		w.Card = s.card
	}
	w.Expires = now.Add(min(max(s.duration, shortestSubscription), longestSubscription))
	if err := n.keepWatcher(ctx, w, kind); err != nil {
		n.log.Error("subscription not kept", "err", err)
		return later(string(s.trans[:])), nil
	}
	n.hurry(w.Person) // they are here: what waits for them can go now
	return n.accepted(ctx, string(s.trans[:]), w, now)
}

// keepRequest leaves the decision to the owner.
func (n *Node) keepRequest(ctx context.Context, s *subscribe, row *Watcher, now time.Time) (*response, error) {
	trans := string(s.trans[:])
	w := Watcher{Person: s.watcher, ID: s.id, State: Pending, Event: "subscribe", Since: now, Card: s.card, Note: s.note}
	kind := SawRequest
	if row != nil && (row.State == Pending || row.State == Waiting) {
		w.Since, kind = row.Since, ""
	} else if row != nil && row.State == Terminated && row.Event == "rejected" && row.ID == s.id {
		return fail(trans, reasonPolicy), nil // the owner has decided on this one
	} else if n.undecided() >= MaxRequests {
		return fail(trans, reasonFull), nil
	}
	w.Expires = now.Add(longestSubscription)
	if err := n.keepWatcher(ctx, w, kind); err != nil {
		n.log.Error("request not kept", "err", err)
		return later(trans), nil
	}
	return n.accepted(ctx, trans, w, now)
}

func (n *Node) undecided() int { return len(n.Requests()) }

// answerFetch shows the current document once (RFC 3859 section 3.4.1 with
// duration 0).
func (n *Node) answerFetch(trans string, s *subscribe, is access.Relation) (*response, error) {
	st := &standing{id: s.id, state: Terminated, reason: "fetched"}
	if n.rules.Decide(s.watcher, is, access.Fetch) != access.Allow {
		return fail(trans, reasonPolicy), nil
	}
	n.mu.Lock()
	st.document = n.out.document
	n.mu.Unlock()
	return &response{trans: trans, standing: st}, nil
}

// answerCancel ends a subscription at its watcher's wish.
func (n *Node) answerCancel(ctx context.Context, trans string, w Watcher, now time.Time) (*response, error) {
	if w.State != Terminated {
		w.State, w.Event, w.Since, w.Expires = Terminated, "timeout", now, now
		if err := n.keepWatcher(ctx, w, SawWatcher); err != nil {
			n.log.Error("end of subscription not kept", "err", err)
			return later(trans), nil
		}
	}
	return n.accepted(ctx, trans, w, now)
}

// accepted is the success response with the standing of a subscription.
func (n *Node) accepted(ctx context.Context, trans string, w Watcher, now time.Time) (*response, error) {
	st, err := n.standing(ctx, w, now)
	if err != nil {
		return nil, err
	}
	return &response{trans: trans, standing: st}, nil
}

// standing says how a watcher's subscription stands, and gives an active one
// what it takes to see: the key of the audience and the current document.
func (n *Node) standing(ctx context.Context, w Watcher, now time.Time) (*standing, error) {
	serial, err := n.store.Count(ctx, countSerial, uint64(now.UnixMilli()))
	if err != nil {
		return nil, fmt.Errorf("count standing: %w", err)
	}
	st := &standing{id: w.ID, state: w.State, serial: serial, duration: w.Expires.Sub(now), reason: w.Event}
	if w.State != Active {
		return st, nil
	}
	if st.card, err = n.ownCard(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	st.grant, st.document = n.grantNow(now), n.out.document
	st.grant.approval, _ = n.keys.Approval(w.Person) // zero without the account key
	return st, nil
}

// grantNow is the grant to the contacts audience. The caller holds n.mu.
func (n *Node) grantNow(now time.Time) *grant {
	left := n.out.signed.Add(n.out.length).Sub(now)
	return &grant{epoch: n.out.epoch, lease: max(0, min(left, n.out.length)), count: n.out.count}
}

// Requests returns those who asked to watch and have no decision yet, oldest
// first; also those who have given up asking (Waiting).
func (n *Node) Requests() []Watcher {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []Watcher
	for _, w := range n.watchers {
		if w.State == Pending || w.State == Waiting {
			list = append(list, *w)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Since.Before(list[j].Since) })
	return list
}

// Approve lets a person who asked watch the owner, makes them a contact under
// the given name (their local part if empty) and watches them in turn. They
// learn of it at once if they can be reached, else when they ask again.
func (n *Node) Approve(ctx context.Context, who identity.Address, name string) (Contact, error) {
	w := n.watcher(who)
	if w == nil || w.State != Pending && w.State != Waiting {
		return Contact{}, fmt.Errorf("no request of %s waits: %w", n.Name(who), ErrNotFound)
	}
	c, err := n.keepContact(ctx, who, name, func(c *Contact) {
		if newer(w.Card, c.Card) {
			c.Card = w.Card
		}
	})
	if err != nil {
		return Contact{}, err
	}
	if err := n.admitPending(ctx, who); err != nil {
		return Contact{}, err
	}
	return c, n.watch(ctx, who, "")
}

// approvedFor is how long an approved subscription lasts if its watcher does
// not renew it.
const approvedFor = time.Hour

// admitPending makes a person's undecided request an active subscription.
func (n *Node) admitPending(ctx context.Context, who identity.Address) error {
	w := n.watcher(who)
	if w == nil || w.State != Pending && w.State != Waiting {
		return nil
	}
	now := time.Now()
	w.State, w.Event, w.Since, w.Expires = Active, "approved", now, now.Add(approvedFor)
	if err := n.keepWatcher(ctx, *w, SawWatcher); err != nil {
		return err
	}
	n.notifySoon(who)
	return nil
}

// Deny turns down a request. They are told if they can be reached.
func (n *Node) Deny(ctx context.Context, who identity.Address) error {
	if w := n.watcher(who); w == nil || w.State != Pending && w.State != Waiting {
		return fmt.Errorf("no request of %s waits: %w", n.Name(who), ErrNotFound)
	}
	return n.endWatcher(ctx, who, "rejected")
}

// endWatcher terminates a subscription to the owner and tells the watcher. An
// active one has seen the audience's key, so the others get a new one.
func (n *Node) endWatcher(ctx context.Context, who identity.Address, event string) error {
	w := n.watcher(who)
	if w == nil || w.State == Terminated {
		return nil
	}
	wasActive := w.State == Active
	now := time.Now()
	w.State, w.Event, w.Since, w.Expires = Terminated, event, now, now
	if err := n.keepWatcher(ctx, *w, SawWatcher); err != nil {
		return err
	}
	n.notifySoon(who)
	if wasActive {
		return n.newEpoch(ctx)
	}
	return nil
}

// newEpoch replaces the key of the contacts audience and sends it to each
// remaining member alone (doc/spec/publication.md section 1). Those not reached now get it with their
// next renewal.
func (n *Node) newEpoch(ctx context.Context) error {
	epoch := identity.NewEpoch()
	if err := n.store.PutSetting(ctx, keepEpoch, epoch.Bytes()); err != nil {
		return fmt.Errorf("keep audience key: %w", err)
	}
	n.mu.Lock()
	n.out.epoch, n.out.changed = epoch, true
	var members []identity.Address
	for who, w := range n.watchers {
		if w.State == Active {
			members = append(members, who)
		}
	}
	n.mu.Unlock()
	wake(n.wakePublish)
	for _, who := range members {
		n.notifySoon(who)
	}
	return nil
}

func newTransID() (t transID) {
	rand.Read(t[:]) // never fails
	return t
}

func newSubscriptID() (id SubscriptID) {
	rand.Read(id[:]) // never fails
	return id
}
