package node_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

// TestOldBackupRevivesNobody: a device that was revoked after a backup stays so when the backup is restored.
func TestOldBackupRevivesNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		alice.End()
		path := filepath.Join(alice.Dir(), "kith.db")
		kept, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		backup := filepath.Join(t.TempDir(), "kith.db")
		if err := errors.Join(kept.Snapshot(t.Context(), backup), kept.Close()); err != nil {
			t.Fatal(err)
		}
		alice.Start()
		if err := alice.Revoke(t.Context(), phone.Device()); err != nil {
			t.Fatal(err)
		}
		phone.Until(time.Minute, "knows that it was revoked", phone.Revoked)
		time.Sleep(time.Hour)
		alice.End()
		phone.End()

		if kept, err = store.Open(backup); err != nil {
			t.Fatal(err)
		}
		note, err := json.Marshal(map[string]any{"from": identity.DeviceID{9}, "revoke": true, "at": time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(kept.PutSetting(t.Context(), "restored", note), kept.Close()); err != nil {
			t.Fatal(err)
		}
		restored := nodetest.NewPersonOf(t, memory{w}, "alice", alice.Keys(), filepath.Dir(backup))
		defer restored.End()
		time.Sleep(500 * time.Millisecond)
		for _, d := range restored.Devices() {
			if d.ID == phone.Device() && d.Revoked.IsZero() {
				t.Error("the restored home does not know of the revocation")
			}
		}
		card, found, err := bob.Lookup(t.Context(), alice.Address())
		if err != nil || !found {
			t.Fatal(found, err)
		}
		if card.Card().Admits(phone.Device()) == nil {
			t.Error("the card lists the revoked device again")
		}
	})
}
