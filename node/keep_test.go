package node_test

import (
	"testing"
	"time"

	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestKeepsRecordsOfTheAbsent: contacts store each other's address records again while their owner is away, a few times a day, and leave it to
// those who are there.
func TestKeepsRecordsOfTheAbsent(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		time.Sleep(7 * time.Hour)
		if n := w.Kept("alice", bob.Address()); n != 0 {
			t.Errorf("records of somebody who is there stored %d times", n)
		}
		bob.Leave()
		alice.Sees(time.Minute, bob, node.Closed, node.Gone)
		time.Sleep(13 * time.Hour)
		if n := w.Kept("alice", bob.Address()); n < 1 || n > 4 {
			t.Errorf("records of somebody away stored %d times in 13 hours", n)
		}
		if err := alice.Remove(t.Context(), bob.Address()); err != nil {
			t.Fatal(err)
		}
		before := w.Kept("alice", bob.Address())
		time.Sleep(8 * time.Hour)
		if n := w.Kept("alice", bob.Address()); n > before {
			t.Error("records of somebody who is no contact stored")
		}
	})
}
