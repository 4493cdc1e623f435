package node_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

// TestRevokedDeviceOpensNothing: what is sealed to its owner, published by them
// and published by their contacts after a device was revoked, its files do not
// open, even if all of it was recorded.
func TestRevokedDeviceOpensNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		phone.Shows(time.Minute, bob, 1)
		before := len(w.Overheard())
		old, err := identity.Open(phone.Dir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := alice.Revoke(t.Context(), phone.Device()); err != nil {
			t.Fatal(err)
		}
		bob.Shows(10*time.Second, alice, 1)
		time.Sleep(10 * time.Second)
		recorded := len(w.Overheard())
		for _, p := range []*nodetest.Person{alice, bob} {
			if err := p.SetStatus(t.Context(), node.Busy, "after", time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		bob.Sees(5*time.Second, alice, node.Busy, node.Live)
		alice.Sees(5*time.Second, bob, node.Busy, node.Live)
		phone.End()
		kept, err := store.Open(filepath.Join(phone.Dir(), "kith.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		watches, err := kept.Watches(t.Context())
		if err != nil || len(watches) != 1 {
			t.Fatalf("watches of the revoked device: %+v, %v", watches, err)
		}
		own, err := kept.Setting(t.Context(), "epoch contacts")
		if err != nil {
			t.Fatal(err)
		}
		epoch, err := identity.ParseEpoch(own)
		if err != nil {
			t.Fatal(err)
		}
		opened := func(list []identity.Sealed) (n int) {
			for _, s := range list {
				for _, e := range []identity.Epoch{watches[0].Epoch, epoch} {
					if _, err := e.Open(s, identity.Known{Card: nil}, time.Now()); err == nil || !errors.Is(err, identity.ErrNotForMe) {
						n++
					}
				}
			}
			return n
		}
		if n := opened(w.Overheard()[:before]); n == 0 {
			t.Error("its keys open nothing of before: the test shows nothing")
		}
		if n := opened(w.Overheard()[recorded:]); n != 0 {
			t.Errorf("its keys open %d of %d publications of afterwards", n, len(w.Overheard())-recorded)
		}
		card, found, err := bob.Lookup(t.Context(), alice.Address())
		if err != nil || !found {
			t.Fatal(found, err)
		}
		mallory := newOutsider(t, "mallory")
		signed, err := mallory.keys.Sign(text(t, mallory.keys.Address(), alice.Address(), nil), true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := mallory.keys.SealTo(signed, card.Card())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.Open(sealed, identity.Known{}, time.Now()); !errors.Is(err, identity.ErrNotForMe) {
			t.Errorf("a message of afterwards: got %v", err)
		}
	})
}

// TestOldMailStaysShut: a message recorded three weeks ago cannot be opened with
// the files of the device that got it.
func TestOldMailStaysShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := nodetest.NewWorld(10 * time.Millisecond)
		dir := t.TempDir()
		keys, err := identity.Create(dir, "alice", nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		alice := nodetest.NewPersonOf(t, memory{w}, "alice", keys, dir)
		defer func() { alice.End() }()
		time.Sleep(time.Minute)
		card, found, err := alice.Lookup(t.Context(), alice.Address())
		if err != nil || !found {
			t.Fatal(found, err)
		}
		bob := newOutsider(t, "bob")
		signed, err := bob.keys.Sign(text(t, bob.keys.Address(), alice.Address(), nil), true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := bob.keys.SealTo(signed, card.Card())
		if err != nil {
			t.Fatal(err)
		}
		opens := func(want error) {
			t.Helper()
			seized, err := identity.Open(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := seized.Open(recorded, identity.Known{}, time.Now()); !errors.Is(err, want) {
				t.Errorf("after %v: got %v, want %v", time.Since(card.Card().Issued).Round(time.Hour), err, want)
			}
		}
		opens(nil)
		for range 21 {
			alice.Kill()
			time.Sleep(24 * time.Hour)
			alice.Start()
			time.Sleep(time.Minute)
		}
		opens(identity.ErrNotForMe)
	})
}

// TestRestoredHomeRevokes: a home made of a backup revokes, once, the device
// that the backup is of.
func TestRestoredHomeRevokes(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		alice.End()
		kept, err := store.Open(filepath.Join(alice.Dir(), "kith.db"))
		if err != nil {
			t.Fatal(err)
		}
		note, err := json.Marshal(map[string]any{"from": phone.Device(), "revoke": true, "at": time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(kept.PutSetting(t.Context(), "restored", note), kept.Close()); err != nil {
			t.Fatal(err)
		}
		alice.Start()
		bob.Until(2*time.Minute, "one device left", func() bool {
			v, _ := bob.View(alice.Address())
			return len(v.Devices) == 1 && v.Devices[0].ID == alice.Device()
		})
		phone.Until(5*time.Minute, "knows that it was revoked", phone.Revoked)
	})
}

// TestLinkRefusedByAPerson: a no on either side ends a link.
func TestLinkRefusedByAPerson(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		permit := identity.Permit{Scopes: nodetest.Everything}
		if _, err := alice.TryLink("phone", permit, func([]string) bool { return false }); !errors.Is(err, node.ErrLinkRefused) {
			t.Errorf("refused there: got %v", err)
		}
		if s := alice.Node.Link(); s.Stage != node.LinkRefused {
			t.Errorf("refused there: got %+v here", s)
		}
		_, err := alice.TryLink("phone", permit, func([]string) bool {
			return alice.ConfirmLink(t.Context(), false) == nil
		})
		if !errors.Is(err, node.ErrLinkRefused) {
			t.Errorf("refused here: got %v", err)
		}
		offer, err := alice.StartLink(t.Context(), permit, "phone")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if _, err := alice.JoinBy(offer.Code, "phone", func([]string) bool { return true }); err == nil {
			t.Error("linked by an offer that is over")
		}
		if s := alice.Node.Link(); s.Stage != node.LinkExpired {
			t.Errorf("got %+v, want expired", s)
		}
		if n := len(alice.Devices()); n != 1 {
			t.Errorf("%d devices", n)
		}
		if err := alice.ConfirmLink(t.Context(), true); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("agreed to nothing: got %v", err)
		}
	})
}

// TestDecisionsTravel: what the owner decides on one device holds on the other.
func TestDecisionsTravel(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		carol := nodetest.NewPerson(t, memory{w}, "carol")
		defer carol.End()
		carol.Adds(alice)
		phone.Until(time.Minute, "request", func() bool { return len(phone.Requests()) == 1 && len(alice.Requests()) == 1 })
		if _, err := phone.Approve(t.Context(), carol.Address(), "carol"); err != nil {
			t.Fatal(err)
		}
		alice.Until(5*time.Second, "approval", func() bool { return len(alice.Requests()) == 0 && alice.Node.Name(carol.Address()) == "carol" })
		carol.Shows(2*time.Minute, alice, 2)
		alice.Sees(time.Minute, carol, node.Open, node.Live)
		if err := alice.RenameDevice(t.Context(), phone.Device(), "my phone"); err != nil {
			t.Fatal(err)
		}
		phone.Until(5*time.Second, "its name", func() bool { return phone.Devices()[0].Name == "my phone" })
		if err := phone.Remove(t.Context(), carol.Address()); err != nil {
			t.Fatal(err)
		}
		alice.Until(5*time.Second, "removal", func() bool {
			_, err := alice.View(carol.Address())
			return errors.Is(err, node.ErrNotFound)
		})
		time.Sleep(10 * time.Minute)
		for _, p := range []*nodetest.Person{alice, phone} {
			if _, err := p.View(carol.Address()); !errors.Is(err, node.ErrNotFound) {
				t.Errorf("%s: removed contact is back: %v", p.Name, err)
			}
			if m := carol.Says(20*time.Second, p, "why?"); m.Status != node.Refused {
				t.Errorf("message of one removed: got status %v", m.Status)
			}
		}
		if err := phone.Revoke(t.Context(), alice.Device()); !errors.Is(err, identity.ErrNotAdministrator) {
			t.Errorf("revoke without the account key: got %v", err)
		}
		if _, err := phone.StartLink(t.Context(), identity.Permit{Scopes: nodetest.Everything}, ""); !errors.Is(err, identity.ErrNotAdministrator) {
			t.Errorf("link without the account key: got %v", err)
		}
	})
}

// TestSameNameOnTwoDevices: two people added under one name while the devices were
// apart get two names, the same on both.
func TestSameNameOnTwoDevices(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End() }()
		bob.Shows(time.Minute, alice, 2)
		w.Cut("alice", "phone")
		at := func(s string) identity.Invitation {
			a, err := identity.ParseAddress(s)
			if err != nil {
				t.Fatal(err)
			}
			return identity.Invitation{Address: a}
		}
		first, second := at("sam@one.example"), at("sam@two.example")
		if _, err := alice.Add(t.Context(), first, "sam", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := phone.Add(t.Context(), second, "sam", ""); err != nil {
			t.Fatal(err)
		}
		w.Heal("alice", "phone")
		alice.Until(10*time.Minute, "both", func() bool {
			return alice.Node.Name(second.Address) == "sam2" && phone.Node.Name(first.Address) == "sam"
		})
		time.Sleep(10 * time.Minute)
		for _, p := range []*nodetest.Person{alice, phone} {
			if a, b := p.Node.Name(first.Address), p.Node.Name(second.Address); a != "sam" || b != "sam2" {
				t.Errorf("%s: got %q and %q", p.Name, a, b)
			}
		}
	})
}
