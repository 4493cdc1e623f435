package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/kith-im/kith/node/nodetest"
)

// TestFetchFromTheSilent: a presentity that takes the request and says nothing
// does not keep its newest known document from being shown.
func TestFetchFromTheSilent(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		if f, err := alice.Fetch(t.Context(), bob.Address()); err != nil || !f.Fresh {
			t.Fatalf("from one who answers: fresh %v, %v", f.Fresh, err)
		}
		w.Stall("bob")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		f, err := alice.Fetch(ctx, bob.Address())
		if err != nil || f.Fresh || len(f.Document) == 0 {
			t.Errorf("from one who is silent: fresh %v, %d octets, %v", f.Fresh, len(f.Document), err)
		}
	})
}
