package identity_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/kith-im/kith/identity"
)

// Alice finds Bob's card by his address, and sends him an entity that nobody else can open.
func Example() {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	alice, err := identity.New("alice", now)
	if err != nil {
		log.Fatal(err)
	}
	bob, err := identity.New("bob", now)
	if err != nil {
		log.Fatal(err)
	}

	// Bob publishes records; Alice knows under which keys to look.
	card, err := bob.SignCard(identity.CardDraft{Serial: 1, Reach: identity.Reach("where bob is")}, now)
	if err != nil {
		log.Fatal(err)
	}
	slots, err := identity.RecordKeys(identity.Locator{Address: bob.Address()}, now)
	if err != nil {
		log.Fatal(err)
	}
	record := card.Records()[0]
	found, err := identity.OpenRecord(identity.Locator{Address: bob.Address()}, slots[0], record.Value, now)
	if err != nil {
		log.Fatal(err)
	}

	// Alice signs, then seals to all of Bob's devices.
	entity := identity.Entity{Type: "text/plain", Body: []byte("dinner at eight?")}
	signed, err := alice.Sign(entity, true, now)
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := alice.SealTo(signed, found.Card.Card())
	if err != nil {
		log.Fatal(err)
	}

	// Bob opens it, and learns for certain who wrote it.
	opened, err := bob.Open(sealed, identity.Known{}, now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(opened.From == alice.Address(), string(opened.Entity.Body))
	// Output: true dinner at eight?
}

// Alice has a second device certified, and later revokes it: whoever has the new card believes it no more.
func ExampleKeys_Certify() {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	alice, err := identity.New("alice", now)
	if err != nil {
		log.Fatal(err)
	}

	// The new device makes its keys. The request goes to the first device, and the grant back, sealed.
	pending, err := identity.NewPending()
	if err != nil {
		log.Fatal(err)
	}
	request, err := pending.Request()
	if err != nil {
		log.Fatal(err)
	}
	permit := identity.Permit{Scopes: identity.ScopePublish | identity.ScopeSend | identity.ScopeRead}
	grant, device, err := alice.Certify(request, permit, now)
	if err != nil {
		log.Fatal(err)
	}
	home, err := os.MkdirTemp("", "kith")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	phone, err := pending.Accept(home, alice.Address(), grant, nil, now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the phone administers:", phone.Administers())

	// A card lists it, and a later one names it as revoked.
	signed, err := phone.Sign(identity.Entity{Type: "message/cpim", Body: []byte("...")}, true, now)
	if err != nil {
		log.Fatal(err)
	}
	for _, draft := range []identity.CardDraft{
		{Serial: 1, Others: []identity.DeviceCard{device}},
		{Serial: 2, Revoked: []identity.DeviceID{device.ID}},
	} {
		card, err := alice.SignCard(draft, now)
		if err != nil {
			log.Fatal(err)
		}
		_, err = identity.Verify(signed, card.Card().Known(), now)
		fmt.Println("believed:", err == nil, "revoked:", errors.Is(err, identity.ErrRevoked))
	}
	// Output:
	// the phone administers: false
	// believed: true revoked: false
	// believed: false revoked: true
}
