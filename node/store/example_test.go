package store_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
)

func Example() {
	home, err := os.MkdirTemp("", "kith")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	s, err := store.Open(filepath.Join(home, "kith.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	bob, err := identity.ParseAddress("im:bob@example.org")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, text := range []string{"Good morning!", "Lunch at noon?", "Lunch at noon?"} {
		found, _, err := s.Deliver(ctx, node.Message{Person: bob, MessageID: text, Text: text})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(text, found == node.Duplicate)
	}
	messages, err := s.History(ctx, node.Query{Person: bob, Text: "lunch"}, 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range messages {
		fmt.Println(m.Person, m.Text)
	}
	// Output:
	// Good morning! false
	// Lunch at noon? false
	// Lunch at noon? true
	// bob@example.org Lunch at noon?
}
