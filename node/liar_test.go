package node_test

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// liar is a contact whose program answers as the test wants.
type liar struct {
	*outsider
	subscript node.SubscriptID
	answer    func(o *identity.Opened, request identity.Sealed) (by *identity.Keys, e identity.Entity)
	lasts     time.Duration // of the subscriptions it grants; 0 means an hour, less means nothing
	asked     atomic.Int64  // how often it was subscribed to
}

func (*liar) Admit(string, string) bool                                   { return true }
func (*liar) Stir()                                                       {}
func (*liar) Hear(context.Context, string, identity.Sealed) (bool, error) { return false, nil }

func (l *liar) Answer(_ context.Context, _, _ string, request identity.Sealed) (identity.Sealed, error) {
	o, err := l.keys.Open(request, identity.Known{}, time.Now())
	if err != nil {
		return identity.Sealed{}, err
	}
	if trans, id, err := node.ReadSubscribe(o.Entity.Body); err == nil {
		l.subscript = id
		l.asked.Add(1)
		lasts := max(cmp.Or(l.lasts, time.Hour), 0)
		return l.seal(l.keys, node.ResponseLasting(trans, request.Digest(), &id, node.Active, 5, lasts), o)
	}
	by, e := l.answer(o, request)
	if by == nil {
		return identity.Sealed{}, errors.New("no answer")
	}
	return l.seal(by, e, o)
}

func (l *liar) seal(by *identity.Keys, e identity.Entity, to *identity.Opened) (identity.Sealed, error) {
	signed, err := by.Sign(e, true, time.Now())
	if err != nil {
		return identity.Sealed{}, err
	}
	return by.SealReply(signed, to)
}

// joins puts the liar into the world, and has alice add it.
func (l *liar) joins(t *testing.T, w *nodetest.World, alice *nodetest.Person) {
	t.Helper()
	port := w.Join("liar")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		port.Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-done })
	if _, err := port.Announce(t.Context(), l.card); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Add(t.Context(), identity.Invitation{Address: l.keys.Address()}, "liar", ""); err != nil {
		t.Fatal(err)
	}
	alice.Until(time.Minute, "subscribed", func() bool {
		v, err := alice.View(l.keys.Address())
		return err == nil && v.Watch == node.Active
	})
}

// messageID is the TransID of a message.
func messageID(t *testing.T, o *identity.Opened) string {
	t.Helper()
	m, err := cpim.Parse(o.Entity.Body)
	if err != nil {
		t.Fatal(err)
	}
	return m.MessageID()
}

// TestResponsesMustFit: what is not a response of the person asked, to this
// operation, about these octets, confirms nothing.
func TestResponsesMustFit(t *testing.T) {
	for name, test := range map[string]struct {
		trans, digest, other, none, honest bool
	}{
		"another TransID": {trans: true}, "other octets": {digest: true}, "signed by somebody else": {other: true},
		"no response": {none: true}, "honest": {honest: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
				mallory := newOutsider(t, "mallory")
				l := &liar{outsider: newOutsider(t, "liar")}
				l.answer = func(o *identity.Opened, request identity.Sealed) (*identity.Keys, identity.Entity) {
					trans, digest, by := messageID(t, o), request.Digest(), l.keys
					switch {
					case test.none:
						by = nil
					case test.trans:
						trans = cpim.NewMessageID()
					case test.digest:
						digest[0] ^= 1
					case test.other:
						by = mallory.keys
					}
					return by, node.ResponseEntity(trans, digest, nil, 0, 0)
				}
				l.joins(t, w, alice)
				m, err := alice.Send(t.Context(), l.keys.Address(), "hello")
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				m, _ = alice.Await(ctx, m.ID)
				want := node.Queued
				if test.honest {
					want = node.Delivered
				}
				if m.Status != want {
					t.Errorf("got status %v (%s), want %v", m.Status, m.Reason, want)
				}
			})
		})
	}
}

// TestOldNotifiesAreIgnored: a recorded notify, played again, undoes nothing.
func TestOldNotifiesAreIgnored(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
		l := &liar{outsider: newOutsider(t, "liar")}
		l.joins(t, w, alice)
		for _, step := range []struct {
			serial uint64
			say    node.State
			want   node.State
		}{{4, node.Terminated, node.Active}, {6, node.Terminated, node.Terminated}, {5, node.Active, node.Terminated}, {7, node.Active, node.Active}} {
			said, err := l.asks(alice, node.Presence, node.NotifyEntity(l.subscript, step.say, step.serial))
			if err != nil || said.Outcome != "success" {
				t.Fatalf("notify %d: got %+v, %v", step.serial, said, err)
			}
			if v, _ := alice.View(l.keys.Address()); v.Watch != step.want {
				t.Errorf("after notify %d: got %v, want %v", step.serial, v.Watch, step.want)
			}
		}
		if said, _ := l.asks(alice, node.Presence, node.NotifyEntity(node.SubscriptID{9}, node.Terminated, 99)); said.Outcome != "failure" {
			t.Errorf("notify of another subscription: got %+v", said)
		}
	})
}

// TestSubscriptionsThatLastNoTime: a presentity that grants them, or that only repeats
// an old answer when one has run out, is not asked all the time.
func TestSubscriptionsThatLastNoTime(t *testing.T) {
	for name, lasts := range map[string]time.Duration{"no time": -1, "a second": time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
				l := &liar{outsider: newOutsider(t, "liar"), lasts: lasts}
				l.joins(t, w, alice)
				time.Sleep(2 * time.Minute)
				if n := l.asked.Load(); n < 20 || n > 80 {
					t.Errorf("asked %d times in 2 minutes", n)
				}
			})
		})
	}
	t.Run("an old answer", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
			l := &liar{outsider: newOutsider(t, "liar")}
			l.joins(t, w, alice)
			if _, err := l.asks(alice, node.Presence, node.NotifyEntity(l.subscript, node.Active, 6)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour) // the answers have serial 5
			before := l.asked.Load()
			time.Sleep(time.Hour)
			if n := l.asked.Load() - before; n < 2 || n > 20 {
				t.Errorf("asked %d times in an hour", n)
			}
		})
	})
}
