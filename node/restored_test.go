package node_test

import (
	"context"
	"encoding/json"
	"errors"
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

// ordered notes in which order a node looks people up and announces itself.
type ordered struct {
	*nodetest.Port

	mu    sync.Mutex
	calls []string
}

func (o *ordered) note(call string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, call)
}

func (o *ordered) Resolve(ctx context.Context, l identity.Locator, hints ...identity.Reach) (identity.SignedCard, bool, error) {
	o.note("resolve " + l.Address.Local())
	return o.Port.Resolve(ctx, l, hints...)
}

func (o *ordered) Announce(ctx context.Context, card identity.SignedCard) (int, error) {
	o.note("announce")
	return o.Port.Announce(ctx, card)
}

// TestLooksBackFirst: a home made of a backup looks for the card of before ahead of signing one of its own, which would take its place in the DHT.
func TestLooksBackFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := identity.New("alice", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		kept, err := store.Open(filepath.Join(t.TempDir(), "kith.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		note, err := json.Marshal(map[string]any{"from": identity.DeviceID{9}, "revoke": true, "at": time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if err := kept.PutSetting(t.Context(), "restored", note); err != nil {
			t.Fatal(err)
		}
		port := &ordered{Port: nodetest.NewWorld(time.Millisecond).Join("alice")}
		n, err := node.New(t.Context(), node.Config{Keys: keys, Network: port, Store: kept})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := n.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(port.calls) < 2 || port.calls[0] != "resolve alice" {
			t.Errorf("calls in order: %q", port.calls)
		}
	})
}
