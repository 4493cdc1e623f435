package store_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"

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
