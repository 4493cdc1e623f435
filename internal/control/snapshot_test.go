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

	now, yesterday := time.Now(), time.Now().Add(-25*time.Hour)
	stays := map[string]bool{"snapshot-old.db": false, "snapshot-old.db-journal": false, "snapshot-fresh.db": true, "snapshot-old.txt": true, "old.db": true}
	for name := range stays {
		path, at := filepath.Join(alice.home, name), yesterday
		if name == "snapshot-fresh.db" {
			at = now
		}
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	path := must(alice.Snapshot(ctx))
	if filepath.Dir(path) != alice.home {
		t.Errorf("the copy is at %s, not in %s", path, alice.home)
	}
	for name, want := range stays {
		if _, err := os.Stat(filepath.Join(alice.home, name)); (err == nil) != want || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s stays: %v, %v; want %v", name, err == nil, err, want)
		}
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
