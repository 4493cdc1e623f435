package identity_test

import (
	"fmt"
	"log"
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
