package nodetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func twoDevices(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer func() { end(all) }()
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	if m := bob.Says(10*time.Second, alice, "before"); m.Status != node.Delivered {
		t.Errorf("before: got status %v (%s)", m.Status, m.Reason)
	}
	phone := alice.Link("phone", identity.Permit{Scopes: Everything})
	all = append(all, phone)
	phone.hears(20*time.Second, bob, "before") // the whole history
	bob.Shows(time.Minute, alice, 2)

	if m := bob.Says(10*time.Second, alice, "hello"); m.Status != node.Delivered {
		t.Errorf("hello: got status %v (%s)", m.Status, m.Reason)
	}
	alice.hears(2*time.Second, bob, "before", "hello")
	phone.hears(2*time.Second, bob, "before", "hello")
	if m := phone.Says(10*time.Second, bob, "from the phone"); m.Status != node.Delivered {
		t.Errorf("from the phone: got status %v (%s)", m.Status, m.Reason)
	}
	if m := alice.Says(10*time.Second, bob, "from the desk"); m.Status != node.Delivered {
		t.Errorf("from the desk: got status %v (%s)", m.Status, m.Reason)
	}
	bob.hears(2*time.Second, alice, "from the phone", "from the desk")
	for _, p := range []*Person{alice, phone} {
		p.Until(2*time.Second, "copies of what was sent", func() bool {
			return sameTexts(p.Wrote(bob), []string{"from the phone", "from the desk"})
		})
		p.Until(2*time.Second, "verdicts", func() bool {
			list, _ := p.History(t.Context(), node.Query{Person: bob.Address()}, 100)
			for _, m := range list {
				if m.Out && m.Status != node.Delivered {
					return false
				}
			}
			return true
		})
	}

	if n := phone.unread(bob); n != 2 {
		t.Errorf("phone: %d unread, want 2", n)
	}
	list, err := alice.History(t.Context(), node.Query{Person: bob.Address(), Incoming: true}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.MarkRead(t.Context(), list[len(list)-1].ID); err != nil {
		t.Fatal(err)
	}
	phone.Until(2*time.Second, "read mark", func() bool { return phone.unread(bob) == 0 })

	if err := phone.SetStatus(t.Context(), node.Busy, "train", time.Time{}); err != nil {
		t.Fatal(err)
	}
	alice.Until(2*time.Second, "status", func() bool { return alice.Status().Note == "train" })
	bob.Until(10*time.Second, "both busy", func() bool {
		v, _ := bob.View(alice.Address())
		for _, d := range v.Devices {
			if d.Note != "train" || d.Show != node.Busy {
				return false
			}
		}
		return len(v.Devices) == 2
	})
	if err := phone.Rename(t.Context(), bob.Address(), "bobby"); err != nil {
		t.Fatal(err)
	}
	alice.Until(2*time.Second, "petname", func() bool { return alice.Node.Name(bob.Address()) == "bobby" })

	alice.Leave()
	bob.Shows(5*time.Second, phone, 1)
	bob.Sees(0, phone, node.Busy, node.Live)
	if m := bob.Says(20*time.Second, phone, "still there?"); m.Status != node.Delivered {
		t.Errorf("to the phone alone: got status %v (%s)", m.Status, m.Reason)
	}
	phone.hears(2*time.Second, bob, "before", "hello", "still there?")
}

func awayDevice(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob", "carol")
	defer func() { end(all) }()
	alice, bob, carol := all[0], all[1], all[2]
	Meet(alice, bob)
	phone := alice.Link("phone", identity.Permit{Scopes: Everything})
	all = append(all, phone)
	bob.Shows(time.Minute, alice, 2)
	phone.Kill()
	var want []string
	for i := range 30 {
		text := fmt.Sprint("line ", i)
		want = append(want, text)
		bob.Says(30*time.Second, alice, text)
		if i%10 == 0 {
			alice.Says(30*time.Second, bob, text)
		}
	}
	Meet(alice, carol)
	if err := alice.Rename(t.Context(), carol.Address(), "caz"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Person{alice, bob, carol} {
		p.Kill()
	}
	time.Sleep(7 * 24 * time.Hour) // a week; nobody else has to live through it
	for _, p := range []*Person{alice, bob, carol, phone} {
		p.Start()
	}
	phone.hears(time.Minute, bob, want...)
	phone.Until(10*time.Second, "sent", func() bool {
		return sameTexts(phone.Wrote(bob), []string{"line 0", "line 10", "line 20"})
	})
	phone.Until(10*time.Second, "new contact", func() bool { return phone.Node.Name(carol.Address()) == "caz" })
	phone.Sees(time.Minute, carol, node.Open, node.Live)
	carol.Shows(2*time.Minute, alice, 2)
	bob.Shows(2*time.Minute, alice, 2)
	phone.Kill() // in the middle of whatever it does, and back
	phone.Start()
	time.Sleep(10 * time.Second)
	phone.hears(0, bob, want...)
	alice.hears(0, bob, want...)
}

func revokedDevice(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer func() { end(all) }()
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	phone := alice.Link("phone", identity.Permit{Scopes: Everything})
	all = append(all, phone)
	bob.Shows(time.Minute, alice, 2)
	if err := phone.Revoke(t.Context(), alice.Device()); err == nil {
		t.Error("a device without the account key revoked another one")
	}
	if err := alice.Revoke(t.Context(), phone.Device()); err != nil {
		t.Fatal(err)
	}
	bob.Until(10*time.Second, "one device left", func() bool {
		v, _ := bob.View(alice.Address())
		return len(v.Devices) == 1 && v.Devices[0].ID == alice.Device() && v.Devices[0].Liveness == node.Live
	})
	phone.Until(time.Minute, "knows that it was revoked", phone.Revoked)
	if m := bob.Says(20*time.Second, alice, "secret"); m.Status != node.Delivered {
		t.Errorf("secret: got status %v (%s)", m.Status, m.Reason)
	}
	if err := alice.SetStatus(t.Context(), node.Away, "without the phone", time.Time{}); err != nil {
		t.Fatal(err)
	}
	bob.Sees(10*time.Second, alice, node.Away, node.Live)
	if _, err := phone.Send(t.Context(), bob.Address(), "it is me"); err == nil {
		t.Error("a revoked device sent")
	}
	time.Sleep(10 * time.Minute)
	if got := phone.Heard(bob); len(got) != 0 {
		t.Errorf("a revoked device heard %q", got)
	}
	if phone.Status().Note == "without the phone" {
		t.Error("a revoked device learned of a status")
	}
	phone.Kill()
	phone.Start()
	if !phone.Revoked() {
		t.Error("a revoked device forgot that it was")
	}
}

func administratorGone(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer func() { end(all) }()
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	phone := alice.Link("phone", identity.Permit{Scopes: Everything})
	all = append(all, phone)
	bob.Shows(time.Minute, alice, 2)
	before := phone.Keys().DeviceCard(nil).Sealing.NotBefore
	alice.Kill()
	for range 10 {
		phone.Kill()
		bob.Kill()
		time.Sleep(24 * time.Hour)
		phone.Start()
		bob.Start()
		bob.Shows(5*time.Minute, phone, 1)
		if m := bob.Says(time.Minute, phone, "there?"); m.Status != node.Delivered {
			t.Fatalf("to the device left: got status %v (%s)", m.Status, m.Reason)
		}
		if m := phone.Says(time.Minute, bob, "here"); m.Status != node.Delivered {
			t.Fatalf("from the device left: got status %v (%s)", m.Status, m.Reason)
		}
	}
	if !phone.CardUntil().Before(time.Now()) {
		t.Errorf("card without a device that administers until %v", phone.CardUntil())
	}
	if got := phone.Keys().DeviceCard(nil).Sealing.NotBefore; !got.Equal(before) {
		t.Errorf("sealing certificate of %v without a device that administers", got)
	}
	alice.Start()
	phone.Until(2*time.Minute, "renewed sealing key", func() bool {
		return phone.Keys().DeviceCard(nil).Sealing.NotBefore.After(before)
	})
	phone.Until(2*time.Minute, "new card", func() bool { return phone.CardUntil().After(time.Now()) })
	bob.Shows(2*time.Minute, phone, 2)
	alice.Until(time.Minute, "all ten", func() bool { return len(alice.Heard(bob)) == 10 && len(alice.Wrote(bob)) == 10 })
	if m := bob.Says(time.Minute, alice, "welcome back"); m.Status != node.Delivered {
		t.Errorf("welcome: got status %v (%s)", m.Status, m.Reason)
	}
}

func revokedMeanwhile(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer func() { end(all) }()
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	desk := alice.Link("desk", identity.Permit{Scopes: Everything, Account: true})
	phone := alice.Link("phone", identity.Permit{Scopes: Everything})
	all = append(all, desk, phone)
	bob.Shows(2*time.Minute, alice, 3)
	desk.Until(time.Minute, "knows of three", func() bool { return len(desk.Devices()) == 3 })
	desk.Kill()
	time.Sleep(time.Hour)
	if err := alice.Revoke(t.Context(), phone.Device()); err != nil {
		t.Fatal(err)
	}
	revoked := func(p *Person) bool {
		for _, d := range p.Devices() {
			if d.ID == phone.Device() {
				return !d.Revoked.IsZero() && !d.Listed
			}
		}
		return false
	}
	bob.Until(time.Minute, "does not see it", func() bool {
		v, _ := bob.View(alice.Address())
		for _, d := range v.Devices {
			if d.ID == phone.Device() {
				return false
			}
		}
		return true
	})
	time.Sleep(time.Hour)
	desk.Start()
	desk.Until(time.Minute, "learns of it", func() bool { return revoked(desk) })
	for range 4 { // hours in which both sign cards
		time.Sleep(time.Hour)
		for _, p := range []*Person{alice, desk} {
			if !revoked(p) {
				t.Fatalf("%s: the revoked device is back", p.Name)
			}
		}
		card, found, err := bob.Lookup(t.Context(), alice.Address())
		if err != nil || !found || card.Card().Admits(phone.Device()) == nil {
			t.Fatalf("bob finds %v, %v, %+v", found, err, card.Card())
		}
	}
	bob.Shows(2*time.Minute, alice, 2)
}

// linkedAdministrator: a device with the account key goes on alone when the
// first one is lost, and revokes it.
func linkedAdministrator(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer func() { end(all) }()
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	desk := alice.Link("desk", identity.Permit{Scopes: Everything, Account: true})
	all = append(all, desk)
	bob.Shows(2*time.Minute, alice, 2)
	alice.Kill()
	desk.Kill()
	bob.Kill()
	time.Sleep(3 * 24 * time.Hour)
	desk.Start()
	bob.Start()
	bob.Shows(time.Minute, desk, 1)
	if err := desk.Revoke(t.Context(), alice.Device()); err != nil {
		t.Fatal(err)
	}
	bob.Until(5*time.Minute, "one device left", func() bool {
		v, _ := bob.View(desk.Address())
		return len(v.Devices) == 1 && v.Devices[0].ID == desk.Device() && v.Liveness == node.Live
	})
	alice.Start()
	alice.Until(5*time.Minute, "knows that it was revoked", alice.Revoked)
	if m := bob.Says(time.Minute, desk, "to the one left"); m.Status != node.Delivered {
		t.Errorf("got status %v (%s)", m.Status, m.Reason)
	}
	if got := alice.Heard(bob); len(got) != 0 {
		t.Errorf("a revoked device heard %q", got)
	}
}
