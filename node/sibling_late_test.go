package node_test

import (
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestSiblingFromTheFuture: a stamp that no later one can follow does not keep the
// others from agreeing.
func TestSiblingFromTheFuture(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		s := turned(t, w, alice)
		pad := alice.Link("pad", identity.Permit{Scopes: nodetest.Everything})
		defer pad.End()
		time.Sleep(time.Minute)
		s.says(alice, node.Item{Kind: node.SettingChange, Key: "status", Stamp: time.UnixMilli(1 << 45), Body: []byte(`{"show":"busy"}`)})
		if err := alice.SetStatus(t.Context(), node.Open, "mine", time.Time{}); err != nil {
			t.Fatal(err)
		}
		pad.Until(10*time.Minute, "the status", func() bool { return pad.Status().Note == "mine" })
		if m := alice.Says(time.Minute, bob, "hello"); m.Status != node.Delivered {
			t.Errorf("got status %v (%s)", m.Status, m.Reason)
		}
		pad.Until(10*time.Minute, "the copy", func() bool { return len(pad.Wrote(bob)) == 1 })
	})
}

// TestRevokedDeviceLeavesNoKey: a key of the audience that a revoked device gave to
// one which had not heard of that yet, with a later stamp than that of the new
// key, is replaced when that one hears.
func TestRevokedDeviceLeavesNoKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
		pad := alice.Link("pad", identity.Permit{Scopes: nodetest.Everything})
		defer pad.End()
		time.Sleep(time.Minute)
		s := turned(t, w, alice)
		time.Sleep(time.Minute)
		its := identity.NewEpoch()
		under := func(from int) (n int) {
			for _, sealed := range w.Overheard()[from:] {
				if string(sealed.KEKID()) == string(its.KEKID()) {
					n++
				}
			}
			return n
		}
		w.Cut("alice", "pad")
		w.Cut("alice", "phone")
		s.mu.Lock()
		s.base = nil
		s.items = []node.Item{{Kind: node.SettingChange, Key: "epoch contacts", Stamp: time.Now().Add(20 * time.Hour), Body: its.Bytes()}}
		s.mu.Unlock()
		pad.Until(20*time.Minute, "the key taken", func() bool { return under(0) > 0 })
		if err := alice.Revoke(t.Context(), s.keys.Device()); err != nil {
			t.Fatal(err)
		}
		w.Heal("alice", "pad")
		pad.Until(time.Hour, "word of the revocation", func() bool {
			for _, d := range pad.Devices() {
				if d.ID == s.keys.Device() {
					return !d.Revoked.IsZero()
				}
			}
			return false
		})
		time.Sleep(10 * time.Minute)
		before := len(w.Overheard())
		for _, p := range []*nodetest.Person{alice, pad} {
			if err := p.SetStatus(t.Context(), node.Busy, "after "+p.Name, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		if n := under(before); n > 0 || len(w.Overheard()) == before {
			t.Errorf("%d of %d publications of afterwards are under the key of the revoked device", n, len(w.Overheard())-before)
		}
	})
}
