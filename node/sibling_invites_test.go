package node_test

import (
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestSiblingPlantsAnInvitation: a device without the account key makes no invitations, not even for after it is revoked.
func TestSiblingPlantsAnInvitation(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		s := turned(t, w, alice)
		token := [16]byte{7}
		i := node.Invite{Hash: node.TokenHash(token), Made: time.Now()}
		s.says(alice, node.Item{Kind: node.InviteChange, Key: i.Key(), Stamp: time.Now(), Body: node.InviteBody(i)})
		if err := alice.Revoke(t.Context(), s.keys.Device()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		mallory := newOutsider(t, "mallory")
		theirs, err := mallory.keys.SignCard(identity.CardDraft{Serial: 1, Reach: identity.Reach("phone")}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		card, _, _ := bob.Lookup(t.Context(), alice.Address())
		signed, err := mallory.keys.Sign(node.SubscribeWithToken(mallory.keys.Address(), alice.Address(), node.SubscriptID{1}, theirs, token), true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := mallory.keys.SealTo(signed, card.Card())
		if err != nil {
			t.Fatal(err)
		}
		alice.Answer(t.Context(), node.Presence, "x", sealed)
		for _, c := range alice.Contacts() {
			if c.Person == mallory.keys.Address() {
				t.Error("an invitation that a device without the account key planted lets in after its revocation")
			}
		}
	})
}
