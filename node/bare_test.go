package node_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// customs is a stage that opens, with the recipient's keys, what crosses it.
type customs struct {
	*nodetest.World
	t *testing.T

	mu     sync.Mutex
	keys   map[string]*identity.Keys
	cards  map[identity.Address]*identity.Card
	passed []parcel
}

// parcel is a request as it crossed.
type parcel struct {
	from, kind string
	papers     bool // it carried the certificate of who signed it
	octets     int
	answered   bool
}

func (c *customs) Join(_ *testing.T, name string, keys *identity.Keys) nodetest.Device {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[name] = keys
	return inspected{c.World.Join(name), c, name}
}

func (*customs) Kill(string) {}

// between returns what crossed from somebody of one content type, and forgets all.
func (c *customs) between(from, kind string) (list []parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.passed {
		if p.from == from && p.kind == kind {
			list = append(list, p)
		}
	}
	c.passed = nil
	return list
}

type inspected struct {
	*nodetest.Port
	at   *customs
	name string
}

func (i inspected) Announce(ctx context.Context, card identity.SignedCard) (int, error) {
	i.at.mu.Lock()
	i.at.cards[card.Card().Address] = card.Card()
	i.at.mu.Unlock()
	return i.Port.Announce(ctx, card)
}

func (i inspected) Exchange(ctx context.Context, protocol string, to identity.Reach, request identity.Sealed) (identity.Sealed, error) {
	answer, err := i.Port.Exchange(ctx, protocol, to, request)
	i.at.mu.Lock()
	defer i.at.mu.Unlock()
	known := identity.Known{
		Card:   func(a identity.Address) *identity.Card { return i.at.cards[a] },
		Signer: func(identity.DeviceID) identity.Address { return i.at.keys[i.name].Address() },
	}
	o, problem := i.at.keys[string(to)].Open(request, known, time.Now())
	if problem != nil {
		i.at.t.Errorf("%s to %s: %v", i.name, to, problem)
		return answer, err
	}
	signer := i.at.keys[i.name].DeviceCard(nil).Signing.Raw
	papers := bytes.Count(o.Signed.Bytes(), signer) > bytes.Count(o.Raw, signer) // a card in what it says has it too
	i.at.passed = append(i.at.passed, parcel{i.name, o.Entity.Type, papers, len(request.Bytes()), err == nil})
	return answer, err
}

// TestCertificatesTravelOnce: operations carry the certificates of who signs them until
// they were answered, then name them only; after a failure they carry them again.
// Messages, which are kept, always do.
func TestCertificatesTravelOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &customs{
			World: nodetest.NewWorld(10 * time.Millisecond), t: t,
			keys: make(map[string]*identity.Keys), cards: make(map[identity.Address]*identity.Card),
		}
		alice, bob := nodetest.NewPerson(t, c, "alice"), nodetest.NewPerson(t, c, "bob")
		defer alice.End()
		defer bob.End()
		const subscribe, notify, message = "application/vnd.kith.subscribe", "application/vnd.kith.notify", "message/cpim"
		nodetest.Meet(alice, bob)
		first := c.between("alice", subscribe)
		if len(first) == 0 || !first[0].papers {
			t.Fatalf("at first contact: %+v", first)
		}
		later := func(what, from, kind string) {
			t.Helper()
			list := c.between(from, kind)
			if len(list) == 0 {
				t.Errorf("%s: nothing crossed", what)
			}
			for _, p := range list {
				if p.papers || !p.answered || p.octets > first[0].octets-500 {
					t.Errorf("%s: %+v, the first one %+v", what, p, first[0])
				}
			}
		}
		time.Sleep(2 * time.Hour)
		later("renewals", "alice", subscribe)
		for range 2 {
			if m := alice.Says(time.Minute, bob, "hello"); m.Status != node.Delivered {
				t.Errorf("got status %v (%s)", m.Status, m.Reason)
			}
		}
		for _, p := range c.between("alice", message) {
			if !p.papers {
				t.Errorf("message without certificates: %+v", p)
			}
		}
		c.Cut("alice", "bob")
		time.Sleep(50 * time.Minute)
		c.Heal("alice", "bob")
		time.Sleep(20 * time.Minute)
		list := c.between("alice", subscribe)
		failed := 0
		for i, p := range list {
			if !p.answered {
				failed++
			} else if i > 0 && p.papers != !list[i-1].answered {
				t.Errorf("operation %d after a failure: %+v, the one before %+v", i, p, list[i-1])
			}
		}
		if failed == 0 || !list[len(list)-1].answered {
			t.Fatalf("%d of %d failed", failed, len(list))
		}
		time.Sleep(2 * time.Hour)
		later("renewals after a failure", "alice", subscribe)
		if err := bob.Remove(t.Context(), alice.Address()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		later("a decision", "bob", notify)
	})
}
