package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// At each limit, and one beyond it (doc/spec/limits.md).

func TestLimitOfContacts(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, _ *nodetest.Person) {
		at := func(i int) identity.Address {
			a, err := identity.ParseAddress(fmt.Sprintf("c%d@example.org", i))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		node.FillContacts(alice.Node, at, node.MaxContacts-2) // and bob
		if _, err := alice.Add(t.Context(), identity.Invitation{Address: at(node.MaxContacts)}, "last", ""); err != nil {
			t.Errorf("contact number %d: %v", node.MaxContacts, err)
		}
		if _, err := alice.Add(t.Context(), identity.Invitation{Address: at(node.MaxContacts + 1)}, "one more", ""); err == nil {
			t.Errorf("more than %d contacts", node.MaxContacts)
		}
		if _, err := alice.Add(t.Context(), identity.Invitation{Address: at(0)}, "", ""); err != nil {
			t.Errorf("contact that was there, at the limit: %v", err)
		}
	})
}

func TestLimitsOfText(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		if m := alice.Says(time.Minute, bob, strings.Repeat("x", 64<<10)); m.Status != node.Delivered {
			t.Errorf("64 KiB: got status %v (%s)", m.Status, m.Reason)
		}
		if _, err := alice.Send(t.Context(), bob.Address(), strings.Repeat("x", 64<<10+1)); err == nil {
			t.Error("64 KiB and one octet sent")
		}
		if _, err := alice.Send(t.Context(), bob.Address(), " \n\t"); err == nil {
			t.Error("nothing sent")
		}
		if err := alice.SetStatus(t.Context(), node.Open, strings.Repeat("é", 128), time.Time{}); err != nil {
			t.Errorf("note of 256 octets: %v", err)
		}
		if err := alice.SetStatus(t.Context(), node.Open, strings.Repeat("é", 128)+"x", time.Time{}); err == nil {
			t.Error("note of 257 octets set")
		}
		for name, good := range map[string]bool{
			strings.Repeat("n", 64): true, strings.Repeat("n", 65): false, "": true, "a b": true, " a": false, "a\x1b[2J": false, "a@b": false, "a:b": false, "a\u202eb": false,
		} {
			if err := alice.Rename(t.Context(), bob.Address(), name); (err == nil) != good {
				t.Errorf("name %.20q: %v", name, err)
			}
		}
	})
}

// TestLimitOfMessages sends the largest signed entity there can be; a larger
// one cannot be made.
func TestLimitOfMessages(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, _, bob *nodetest.Person) {
		carol := newOutsider(t, "carol")
		if _, err := bob.Add(t.Context(), identity.Invitation{Address: carol.keys.Address()}, "", ""); err != nil {
			t.Fatal(err)
		}
		sized := func(n int) identity.Entity {
			return text(t, carol.keys.Address(), bob.Address(), func(d *cpim.Draft) { d.Content = cpim.NewText(strings.Repeat("x", n)) })
		}
		empty, err := sized(0).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		room := 256<<10 - len(empty)
		if said, err := carol.asks(bob, node.Messages, sized(room)); err != nil || said.Outcome != "success" {
			t.Errorf("message of 256 KiB: got %+v, %v", said, err)
		}
		if _, err := carol.keys.Sign(sized(room+1), true, time.Now()); err == nil {
			t.Error("message of 256 KiB and one octet signed")
		}
	})
}

func TestLimitsOfLease(t *testing.T) {
	keys, err := identity.New("alice", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for lease, good := range map[time.Duration]bool{
		time.Second - 1: false, 1500 * time.Millisecond: false, 24*time.Hour + time.Second: false, -time.Second: false,
	} {
		_, err := node.New(t.Context(), node.Config{Keys: keys, Lease: lease})
		if (err == nil) != good {
			t.Errorf("lease of %v: %v", lease, err)
		}
	}
}
