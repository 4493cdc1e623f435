package store_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
	"github.com/kith-im/kith/node/store/storetest"
)

func openIn(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(dir, "kith.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) node.Store {
		s := openIn(t, t.TempDir())
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

func TestDurable(t *testing.T) {
	storetest.TestDurable(t, func(t *testing.T, dir string) storetest.Durable { return openIn(t, dir) })
}

// In a bubble the end of the test also waits for every goroutine of the store.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storetest.TestDurable(t, func(t *testing.T, dir string) storetest.Durable { return openIn(t, dir) })
	})
}

// The clock of a bubble stands still while the store works, whoever waits for it.
func TestBubbleClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := openIn(t, t.TempDir()), time.Now()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
				defer cancel()
				if _, _, err := s.Deliver(ctx, message(i)); err != nil {
					t.Error(err)
				}
				if _, err := s.History(ctx, node.Query{Text: "hello"}, 10); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if passed := time.Since(start); passed != 0 {
			t.Errorf("%v passed", passed)
		}
		time.Sleep(30 * 24 * time.Hour) // nothing of the store minds
		if _, _, err := s.Deliver(t.Context(), message(9)); err != nil {
			t.Error(err)
		}
		// The change log has the time of the bubble.
		if c, found, err := s.ChangeOf(t.Context(), node.MessageChange, message(9).Key()); err != nil || !found || !c.Stamp.Equal(time.Now()) {
			t.Errorf("got change %v, %v, %v, want one of %v", c, found, err, time.Now())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
