package node_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestSiblingSpeaksForItselfAlone: a device without the account key cannot give its
// own sealing key and reach for those of another, and so read on when it is revoked.
func TestSiblingSpeaksForItselfAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		pad := alice.Link("pad", identity.Permit{Scopes: nodetest.Everything})
		time.Sleep(time.Minute)
		pad.End()
		s := turned(t, w, alice)
		mine, its := s.keys.DeviceCard(nil), pad.Keys().DeviceCard(nil)
		mixed := identity.DeviceCard{ID: its.ID, Signing: its.Signing, Sealing: mine.Sealing, Reach: identity.Reach("phone")}
		der, err := mixed.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		s.says(alice, node.Item{Kind: node.DeviceChange, Key: its.ID.String(), Stamp: time.Now().Add(time.Hour),
			Body: node.DeviceBody(node.Device{Name: "pad", Card: der, Scopes: nodetest.Everything, Added: time.Now()})})
		if err := alice.Revoke(t.Context(), s.keys.Device()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		card, found, err := bob.Lookup(t.Context(), alice.Address())
		if err != nil || !found {
			t.Fatal(found, err)
		}
		for _, d := range card.Card().Devices {
			if bytes.Equal(d.Sealing.Raw, mine.Sealing.Raw) {
				t.Errorf("the card lists %s, at %q, with the sealing key of the revoked device", d.ID.Short(), d.Reach)
			}
		}
		mallory := newOutsider(t, "mallory")
		signed, err := mallory.keys.Sign(text(t, mallory.keys.Address(), alice.Address(), nil), true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := mallory.keys.SealTo(signed, card.Card())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.keys.Open(sealed, identity.Known{}, time.Now()); err == nil {
			t.Errorf("the revoked device opens a message of afterwards")
		}
	})
}
