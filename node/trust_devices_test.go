package node_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

// companion runs a further device of a person, which that person's card lists.
func companion(t *testing.T, w weather, name string, keys *identity.Keys, card identity.SignedCard) (n *node.Node, end func()) {
	t.Helper()
	kept, err := store.Open(filepath.Join(t.TempDir(), "kith.db"))
	if err != nil {
		t.Fatal(err)
	}
	port := w.Join(t, name, keys)
	ctx, cancel := context.WithCancel(context.Background())
	n, err = node.New(ctx, node.Config{Keys: keys, Network: port, Store: kept, Lease: nodetest.Lease, Card: card})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	go func() { done <- port.Serve(ctx, n) }() // ends with ctx
	go func() { done <- n.Run(ctx) }()         // ends with ctx
	return n, func() {
		cancel()
		if err := errors.Join(<-done, <-done, port.Close(), kept.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestTrustOnAllDevices: a key that is accepted on one device is accepted on the
// others, which forget the old one and watch anew.
func TestTrustOnAllDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWeather()
		corp := newDomain(t, "")
		keys, err := identity.New("alice", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		second := secondDevice(t, keys)
		der, err := second.DeviceCard(identity.Reach("phone")).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		kept, err := store.Open(filepath.Join(dir, "kith.db"))
		if err != nil {
			t.Fatal(err)
		}
		row := node.Device{ID: second.Device(), Name: "phone", Card: der, Scopes: second.DeviceCard(nil).Scopes(), Added: time.Now()}
		if err := errors.Join(kept.PutDevice(t.Context(), row), kept.Close()); err != nil {
			t.Fatal(err)
		}
		alice, bob := nodetest.NewPersonOf(t, w, "alice", keys, dir), nodetest.NewPersonOf(t, w, "bob", enrol(t, corp, "bob"), t.TempDir())
		defer alice.End()
		time.Sleep(10 * time.Second)
		card, found, err := bob.Lookup(t.Context(), alice.Address())
		if err != nil || !found || len(card.Card().Devices) != 2 {
			t.Fatalf("card %+v, %v", card.Card(), err)
		}
		phone, end := companion(t, w, "phone", second, card)
		defer end()
		nodetest.Meet(alice, bob)
		sees := func(what string, ok func(v node.View) bool) {
			t.Helper()
			alice.Until(15*time.Minute, what, func() bool {
				v, err := phone.View(bob.Address())
				return err == nil && ok(v)
			})
		}
		sees("the phone sees bob", func(v node.View) bool { return v.Liveness == node.Live })
		bob.Leave()
		again := nodetest.NewPersonOf(t, w, "bob", enrol(t, corp, "bob"), t.TempDir())
		defer again.End()
		again.Adds(alice)
		sees("the phone knows of the change", func(v node.View) bool { return v.KeyChanged })
		alice.Until(15*time.Minute, "the change", changed(alice, bob.Address()))
		if err := alice.Trust(t.Context(), bob.Address()); err != nil {
			t.Fatal(err)
		}
		alice.Sees(15*time.Minute, again, node.Open, node.Live)
		sees("the phone sees bob by the new key", func(v node.View) bool { return v.Liveness == node.Live && !v.KeyChanged })
		m, err := phone.Send(t.Context(), bob.Address(), "from the phone")
		if err != nil {
			t.Fatal(err)
		}
		if m, err = phone.Await(t.Context(), m.ID); err != nil || m.Status != node.Delivered {
			t.Errorf("got %v (%s), %v", m.Status, m.Reason, err)
		}
	})
}
