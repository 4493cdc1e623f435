package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
)

// Asking: each device of a person that publishes has documents of its own, so each
// is subscribed to, with one SubscriptID. One that answers will do; the others
// are tried again one by one.

const (
	askMoment  = 300 * time.Millisecond // for the others, once one device has answered
	epochGrace = 2 * time.Second        // for a presentity's devices to learn of a new key from each other
)

// asked is how asking one device of a person goes.
type asked struct {
	next     time.Time // when to ask it by itself; zero: with all the others
	failures int
	busy     bool
}

func newWatching(row Watch) *watching {
	return &watching{
		Watch: row, devices: make(map[identity.DeviceID]*shown), asked: make(map[identity.DeviceID]*asked),
		serials: make(map[identity.DeviceID]uint64), left: make(map[[16]byte]bool),
	}
}

// retryNow has the devices that did not answer asked now.
func (w *watching) retryNow() {
	for _, a := range w.asked {
		if !a.next.IsZero() {
			a.next = time.Now()
		}
	}
}

// overtaken says whether a device has said something newer before. Serials of
// one device rise; those of two follow their clocks.
func (w *watching) overtaken(by identity.DeviceID, st *standing, answered bool) bool {
	last, heard := w.serials[by]
	if heard {
		return st.serial < last
	}
	return !answered && st.serial < w.Serial
}

// behind is an error if a device does not know what another one of its owner's
// knew before: an approval, or that a key was replaced.
func (w *watching) behind(st *standing, answered bool, now time.Time) error {
	switch {
	case st.grant != nil && w.left[st.grant.epoch.Audience()]:
		return errors.New("the device still has a key that was replaced")
	case answered && st.state == Pending && w.State == Active && now.Before(w.Expires):
		return errors.New("the device does not know of the approval yet")
	}
	return nil
}

// changeEpoch notes that a key replaces the one before, and has the person's
// devices asked for documents under it: one that was published before the key
// came was not understood. The caller holds n.mu.
func (n *Node) changeEpoch(w *watching, epoch identity.Epoch, now time.Time) {
	if w.Epoch.IsZero() || epoch == w.Epoch {
		return
	}
	if len(w.left) >= maxDeviceRows {
		clear(w.left)
	}
	w.left[w.Epoch.Audience()] = true
	delete(n.epochs, string(w.Epoch.KEKID()))
	for _, a := range w.asked {
		if a.next.IsZero() {
			a.next = now.Add(epochGrace)
		}
	}
}

// publishers lists the devices of a card that publish and can be reached.
func (n *Node) publishers(card *identity.Card) []identity.DeviceCard {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.publishersIn(card)
}

// publishersIn is publishers for who holds n.mu.
func (n *Node) publishersIn(card *identity.Card) []identity.DeviceCard {
	var list []identity.DeviceCard
	for _, d := range card.Devices {
		if d.Scopes().Has(identity.ScopePublish) && len(n.reachesTo(d)) > 0 {
			list = append(list, d)
		}
	}
	return list
}

// each does something for each device side by side. It succeeds if it did for
// one of them.
func (n *Node) each(card *identity.Card, devices []identity.DeviceCard, do func(identity.DeviceCard) error) error {
	if len(devices) == 0 {
		return fmt.Errorf("%s has no device that can be reached", card.Address.Short())
	}
	errs := make([]error, len(devices))
	var doing sync.WaitGroup
	for i, d := range devices {
		doing.Go(func() { errs[i] = do(d) }) // ends with do
	}
	doing.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errs[0]
}

// askMissing starts asking those devices of an active watch that are new or did
// not answer, and says when the next is due. The caller holds n.mu.
func (n *Node) askMissing(ctx context.Context, who identity.Address, w *watching, now time.Time) (next time.Time) {
	card := n.newestCard(who).Card()
	if w.State != Active || w.failures > 0 || w.asking || card == nil {
		return time.Time{}
	}
	for id, a := range w.asked {
		if card.Admits(id) != nil && !a.busy {
			delete(w.asked, id)
		}
	}
	for _, d := range n.publishersIn(card) {
		a := w.asked[d.ID]
		switch {
		case a == nil:
			a = new(asked)
			w.asked[d.ID] = a
		case a.busy || a.next.IsZero():
			continue
		case a.next.After(now):
			next = sooner(next, a.next)
			continue
		}
		a.busy = true
		n.workers.Go(func() { // ends within exchangeTimeout or with ctx
			n.askOne(ctx, who, w, card, d)
		})
	}
	return next
}

// askOne subscribes to one device that others of its owner's have answered for.
func (n *Node) askOne(ctx context.Context, who identity.Address, w *watching, card *identity.Card, d identity.DeviceCard) {
	n.mu.Lock()
	id := w.ID
	n.mu.Unlock()
	op, err := n.newSubscribe(ctx, who, id, subscribeFor, "")
	if err == nil {
		err = n.askPart(ctx, who, w, op, card, d)
	}
	if err != nil && ctx.Err() == nil {
		n.log.Debug("device not answered", "person", who.Short(), "device", d.ID.Short(), "err", err)
	}
	wake(n.wakeWatch)
}

// askPart subscribes to one device and takes what it says, and settles when to
// ask it again.
func (n *Node) askPart(ctx context.Context, who identity.Address, w *watching, op operation, card *identity.Card, d identity.DeviceCard) error {
	r, err := n.askAlone(ctx, op, card, d)
	if err == nil {
		err = n.takeAnswer(ctx, who, w, r)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a := w.asked[d.ID]
	if a == nil {
		return err
	}
	_, refused := errors.AsType[*RefusedError](err)
	a.busy = false
	if err == nil || refused {
		a.failures, a.next = 0, time.Time{}
	} else {
		a.failures++
		a.next = time.Now().Add(retryDelay(a.failures))
	}
	return err
}

// takeAnswer takes the response to a subscribe.
func (n *Node) takeAnswer(ctx context.Context, who identity.Address, w *watching, r *response) error {
	n.mu.Lock()
	id := w.ID
	n.mu.Unlock()
	second := r.outcome == failure && r.reason == reasonSecond
	switch {
	case second && r.standing != nil && r.standing.id != id:
		if err := n.goOnWith(ctx, w, r.standing.id); err != nil {
			return err
		}
		return errors.New(r.reason) // asked again with that one
	case second, r.outcome == indeterminant:
		return errors.New(r.reason) // an earlier subscription ends, or lapses when nobody renews it
	case r.outcome == failure:
		return &RefusedError{Reason: r.reason}
	case r.standing == nil || r.standing.id != id:
		return errors.New("response without the subscription")
	}
	return n.settleWatch(ctx, who, r.by, r.standing, true)
}

// goOnWith takes the subscription that the owner has at a presentity already.
func (n *Node) goOnWith(ctx context.Context, w *watching, id SubscriptID) error {
	if err := n.watchTurn.take(ctx); err != nil {
		return err
	}
	defer n.watchTurn.give()
	n.mu.Lock()
	row := w.Watch
	n.mu.Unlock()
	row.ID = id
	if err := n.store.PutWatch(ctx, row); err != nil {
		return fmt.Errorf("keep watch: %w", err)
	}
	n.mu.Lock()
	w.ID = id
	n.mu.Unlock()
	return nil
}

// round is the asking of several devices, as far as it is.
type round struct {
	bell chan struct{} // size 1

	mu      sync.Mutex
	left    int
	heard   bool
	refused *RefusedError
	err     error
}

func (r *round) add(err error) {
	r.mu.Lock()
	r.left--
	refused, ok := errors.AsType[*RefusedError](err)
	switch {
	case err == nil:
		r.heard = true
	case ok:
		r.refused = refused
	default:
		r.err = err
	}
	r.mu.Unlock()
	wake(r.bell)
}

func (r *round) state() (left int, heard bool, refused *RefusedError, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left, r.heard, r.refused, r.err
}

// askAll subscribes to all devices of a card that publish. It returns when one has
// answered and the others had a moment, or when all are done. Only if nobody
// says yes does a no count.
func (n *Node) askAll(ctx context.Context, who identity.Address, w *watching, op operation, card *identity.Card) error {
	n.mu.Lock()
	var devices []identity.DeviceCard
	for _, d := range n.publishersIn(card) {
		a := w.asked[d.ID]
		if a == nil {
			a = new(asked)
			w.asked[d.ID] = a
		}
		if !a.busy {
			a.busy = true
			devices = append(devices, d)
		}
	}
	n.mu.Unlock()
	if len(devices) == 0 {
		return fmt.Errorf("%s has no device that can be reached", card.Address.Short())
	}
	r := &round{bell: make(chan struct{}, 1), left: len(devices)}
	for _, d := range devices {
		n.workers.Go(func() { // ends within exchangeTimeout or with ctx
			r.add(n.askPart(ctx, who, w, op, card, d))
			wake(n.wakeWatch)
		})
	}
	var enough time.Time
	for {
		left, heard, refused, err := r.state()
		if heard && enough.IsZero() {
			enough = time.Now().Add(askMoment)
		}
		switch {
		case heard && (left == 0 || !time.Now().Before(enough)):
			return nil
		case left == 0 && refused != nil:
			return n.refused(ctx, who, w, refused)
		case left == 0:
			return err
		}
		if !pause(ctx, enough, r.bell) {
			return ctx.Err()
		}
	}
}

// refused ends a watch that the presentity turned down.
func (n *Node) refused(ctx context.Context, who identity.Address, w *watching, why *RefusedError) error {
	n.mu.Lock()
	st := &standing{id: w.ID, state: Terminated, reason: why.Reason, serial: w.Serial}
	n.mu.Unlock()
	return n.settleWatch(ctx, who, identity.DeviceID{}, st, true)
}

// ask subscribes to one person, and settles when to ask again.
func (n *Node) ask(ctx context.Context, who identity.Address, w *watching) {
	err := n.subscribeTo(ctx, who, w)
	now := time.Now()
	n.mu.Lock()
	w.asking = false
	before := n.viewOf(who, now)
	switch {
	case w.State == Terminated && !w.ending:
		w.failures, w.next = 0, time.Time{}
	case err != nil:
		w.failures++
		w.next = now.Add(retryDelay(w.failures))
		w.why = whySilent
		if errors.Is(err, errNobody) {
			w.why = whyLooking
		}
	case w.State == Active:
		w.failures, w.why = 0, ""
		w.next = now.Add(jitter(w.Expires.Sub(now) / 2))
	case w.State == Pending:
		w.failures, w.why = 0, whyPending
		if w.Reason != "" {
			w.why = w.Reason + "; " + whyPending
		}
		w.next = now.Add(jitter(pendingDelay))
	}
	v := n.viewOf(who, now)
	n.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		n.log.Debug("presence not answered", "person", who.Short(), "err", err)
	}
	if v.Reason != before.Reason {
		n.tell(Event{Kind: SawWatch, View: &v})
	}
	wake(n.wakeWatch)
}

// subscribeTo makes one subscribe operation and takes what it brings (RFC 3859
// section 3.4.1).
func (n *Node) subscribeTo(ctx context.Context, who identity.Address, w *watching) error {
	n.mu.Lock()
	id, note, ending, former := w.ID, w.note, w.ending, w.former
	w.ending, w.former = false, SubscriptID{}
	n.mu.Unlock()
	if ending { // told once; what does not arrive lapses
		return n.endAt(ctx, who, id)
	}
	if former != (SubscriptID{}) {
		if err := n.endAt(ctx, who, former); err != nil {
			n.log.Debug("earlier subscription not ended", "person", who.Short(), "err", err)
		}
	}
	op, err := n.newSubscribe(ctx, who, id, subscribeFor, note)
	if err != nil {
		return err
	}
	return n.withCards(ctx, who, func(card *identity.Card) error { return n.askAll(ctx, who, w, op, card) })
}

// endAt ends a subscription at all devices of a person.
func (n *Node) endAt(ctx context.Context, who identity.Address, id SubscriptID) error {
	op, err := n.newSubscribe(ctx, who, id, 0, "")
	if err != nil {
		return err
	}
	return n.withCards(ctx, who, func(card *identity.Card) error {
		return n.each(card, n.publishers(card), func(d identity.DeviceCard) error {
			_, err := n.askAlone(ctx, op, card, d)
			return err
		})
	})
}

// newSubscribe signs one subscribe, the same for all devices of a person.
func (n *Node) newSubscribe(ctx context.Context, who identity.Address, id SubscriptID, duration time.Duration, note string) (operation, error) {
	card, err := n.ownCard(ctx)
	if err != nil {
		return operation{}, err
	}
	s := subscribe{watcher: n.Address(), target: who, duration: duration, id: id, trans: newTransID(), card: card, note: note, reach: n.newReach()}
	if duration > 0 {
		s.token = n.tokenFor(who)
	}
	body, err := s.marshal()
	if err != nil {
		return operation{}, fmt.Errorf("write subscribe: %w", err)
	}
	signed, err := n.keys.Sign(identity.Entity{Type: typeSubscribe, Body: body}, true, time.Now())
	if err != nil {
		return operation{}, fmt.Errorf("sign subscribe: %w", err)
	}
	return operation{Presence, signed, string(s.trans[:])}, nil
}
