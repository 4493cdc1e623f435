package control

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

func TestSnapshot(t *testing.T) {
	ctx := t.Context()
	world := nodetest.NewWorld(0)
	alice, bob := newPerson(t, world, "alice"), newPerson(t, world, "bob")
	meet(t, alice, bob)
	must(bob.Send(ctx, "alice", "hello", 10*time.Second))

	forgotten, fresh := filepath.Join(alice.home, "snapshot-old.db"), filepath.Join(alice.home, "snapshot-fresh.db")
	for _, path := range []string{forgotten, fresh} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(forgotten, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	path := must(alice.Snapshot(ctx))
	if filepath.Dir(path) != alice.home {
		t.Errorf("the copy is at %s, not in %s", path, alice.home)
	}
	if _, err := os.Stat(forgotten); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a forgotten copy is left: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("somebody else's copy: %v", err)
	}
	copied := must(store.Open(path))
	defer copied.Close()
	if all := must(copied.History(ctx, node.Query{}, 10)); len(all) != 1 || all[0].Text != "hello" {
		t.Errorf("messages in the copy: %v", all)
	}
	if all := must(copied.Contacts(ctx)); len(all) != 1 || all[0].Name != "bob" {
		t.Errorf("contacts in the copy: %v", all)
	}
}
