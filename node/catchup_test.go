package node_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestKilledWhileCatchingUp: a device that dies again and again while it takes a
// long history has all of it in the end, and nothing twice.
func TestKilledWhileCatchingUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		var want []string
		for i := range 400 {
			text := fmt.Sprint(i, strings.Repeat(" long", i))
			want = append(want, text)
			if _, err := bob.Send(t.Context(), alice.Address(), text); err != nil {
				t.Fatal(err)
			}
			if _, err := alice.Send(t.Context(), bob.Address(), text); err != nil {
				t.Fatal(err)
			}
		}
		alice.Until(10*time.Minute, "all", func() bool { return len(alice.Heard(bob)) == len(want) && len(bob.Heard(alice)) == len(want) })
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		partly := false
		for i := range 20 {
			time.Sleep(time.Duration(10+7*i) * time.Millisecond)
			phone.Kill()
			phone.Start()
			n := len(phone.Heard(bob))
			partly = partly || n > 0 && n < len(want)
		}
		if !partly {
			t.Error("never killed in the middle: the test shows nothing")
		}
		phone.Until(time.Minute, "all", func() bool { return len(phone.Heard(bob)) >= len(want) && len(phone.Wrote(bob)) >= len(want) })
		time.Sleep(10 * time.Minute)
		for _, p := range []*nodetest.Person{alice, phone} {
			for name, got := range map[string][]string{"heard": p.Heard(bob), "wrote": p.Wrote(bob)} {
				slices.Sort(got)
				sorted := slices.Sorted(slices.Values(want))
				if !slices.Equal(got, sorted) {
					t.Errorf("%s %s %d texts, want %d", p.Name, name, len(got), len(want))
				}
			}
		}
		list, err := phone.History(t.Context(), node.Query{}, 10000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Out && m.Status != node.Delivered {
				t.Errorf("a copy has status %v", m.Status)
				break
			}
		}
	})
}

// TestLargeMessagesAreCopied: a message as large as a person can write goes to the
// other devices too.
func TestLargeMessagesAreCopied(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		w.Cut("bob", "phone")
		for i := range 7 { // of which three fit a page
			if m := bob.Says(time.Minute, alice, strings.Repeat(fmt.Sprint(i), 64<<10)); m.Status != node.Delivered {
				t.Fatalf("got status %v (%s)", m.Status, m.Reason)
			}
		}
		phone.Until(time.Minute, "all seven", func() bool { return len(phone.Heard(bob)) == 7 })
	})
}

// TestSilentDeviceHoldsNobodyUp: when one of two devices takes what it is asked and
// never answers, messages and presence go by the other one.
func TestSilentDeviceHoldsNobodyUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		time.Sleep(10 * time.Second)
		w.Stall("alice")
		start := time.Now()
		for range 3 {
			if m := bob.Says(10*time.Second, alice, "hello"); m.Status != node.Delivered {
				t.Errorf("got status %v (%s)", m.Status, m.Reason)
			}
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("three messages took %v", took)
		}
		carol := nodetest.NewPerson(t, memory{w}, "carol")
		defer carol.End()
		carol.Adds(alice)
		phone.Until(10*time.Second, "request", func() bool { return len(phone.Requests()) == 1 })
		if _, err := phone.Approve(t.Context(), carol.Address(), "carol"); err != nil {
			t.Fatal(err)
		}
		carol.Shows(20*time.Second, alice, 1)
		f, err := carol.Fetch(t.Context(), alice.Address())
		if err != nil || f.Device != phone.Device() || !f.Fresh {
			t.Errorf("fetched %v of %s, %v", f.Fresh, f.Device.Short(), err)
		}
	})
}

// TestAddedOnBothDevices: a contact added on two devices that were apart is watched
// by one subscription afterwards.
func TestAddedOnBothDevices(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		carol := nodetest.NewPerson(t, memory{w}, "carol")
		defer carol.End()
		w.Cut("alice", "phone")
		w.Cut("carol", "phone")
		alice.Adds(carol)
		carol.Approves(alice)
		alice.Sees(time.Minute, carol, node.Open, node.Live)
		phone.Adds(carol)
		time.Sleep(10 * time.Second)
		w.Heal("alice", "phone")
		w.Heal("carol", "phone")
		for _, p := range []*nodetest.Person{alice, phone} {
			p.Sees(15*time.Minute, carol, node.Open, node.Live)
		}
		time.Sleep(3 * time.Hour)
		for _, p := range []*nodetest.Person{alice, phone} {
			p.Sees(0, carol, node.Open, node.Live)
		}
		carol.Shows(0, alice, 2)
	})
}
