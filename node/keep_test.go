package node_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

// TestKeepsRecordsOfTheAbsent: contacts store each other's address records again while their owner is away, a few times a day, and leave it to
// those who are there.
func TestKeepsRecordsOfTheAbsent(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		time.Sleep(7 * time.Hour)
		if n := w.Kept("alice", bob.Address()); n != 0 {
			t.Errorf("records of somebody who is there stored %d times", n)
		}
		bob.Leave()
		alice.Sees(time.Minute, bob, node.Closed, node.Gone)
		time.Sleep(13 * time.Hour)
		if n := w.Kept("alice", bob.Address()); n < 1 || n > 4 {
			t.Errorf("records of somebody away stored %d times in 13 hours", n)
		}
		if err := alice.Remove(t.Context(), bob.Address()); err != nil {
			t.Fatal(err)
		}
		before := w.Kept("alice", bob.Address())
		time.Sleep(8 * time.Hour)
		if n := w.Kept("alice", bob.Address()); n > before {
			t.Error("records of somebody who is no contact stored")
		}
	})
}

// pruned is a store that notes what was to be pruned, and when.
type pruned struct {
	node.Store
	mu   sync.Mutex
	seen [][2]time.Time // the moment, and before which
}

func (p *pruned) PruneDuplicates(ctx context.Context, before time.Time) error {
	p.mu.Lock()
	p.seen = append(p.seen, [2]time.Time{time.Now(), before})
	p.mu.Unlock()
	return p.Store.PruneDuplicates(ctx, before)
}

// TestPrunesDuplicates: rows of the duplicate table go when they are a month old,
// at each start and daily.
func TestPrunesDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := identity.New("dave", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		kept, err := store.Open(filepath.Join(t.TempDir(), "kith.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		spy := &pruned{Store: kept}
		n, err := node.New(t.Context(), node.Config{Keys: keys, Network: nodetest.NewWorld(time.Millisecond).Join("dave"), Store: spy})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Hour)
		defer cancel()
		if err := n.Run(ctx); err != nil {
			t.Fatal(err)
		}
		spy.mu.Lock()
		defer spy.mu.Unlock()
		if len(spy.seen) != 5 {
			t.Fatalf("pruned %d times in 100 hours, want 5", len(spy.seen))
		}
		for i, s := range spy.seen {
			if late := s[0].Sub(start) - time.Duration(i)*24*time.Hour; late < 0 || late > time.Hour {
				t.Errorf("time %d was %v late", i, late)
			}
			if age := s[0].Sub(s[1]); age != 30*24*time.Hour {
				t.Errorf("time %d: rows older than %v", i, age)
			}
		}
	})
}
