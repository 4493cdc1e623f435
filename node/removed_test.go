package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestRemovedDoesNotComeBack: who stopped watching before they were removed is not
// let in again by the invitation that they came with.
func TestRemovedDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := nodetest.NewWorld(10 * time.Millisecond)
		alice := nodetest.NewPerson(t, memory{w}, "alice")
		bob := nodetest.NewPerson(t, memory{w}, "bob")
		defer func() { alice.End(); bob.End() }()
		time.Sleep(time.Minute)
		inv, _ := invites(t, alice, node.InviteOptions{Once: true})
		comes(t, bob, inv)
		bob.Sees(time.Minute, alice, node.Open, node.Live)
		if err := bob.Remove(t.Context(), alice.Address()); err != nil { // and stops watching
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := alice.Remove(t.Context(), bob.Address()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		comes(t, bob, inv)
		time.Sleep(10 * time.Second)
		for _, c := range alice.Contacts() {
			if c.Person == bob.Address() {
				t.Error("bob is a contact again")
			}
		}
	})
}
