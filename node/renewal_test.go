package node_test

import (
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// renews waits until a device has another sealing certificate, and checks that it is
// reached by its owner's contacts and reaches them.
func renews(t *testing.T, alice, phone, bob *nodetest.Person, before time.Time) {
	t.Helper()
	phone.Until(10*time.Minute, "renewed sealing key", func() bool {
		return phone.Keys().DeviceCard(nil).Sealing.NotBefore.After(before)
	})
	bob.Shows(10*time.Minute, alice, 2)
	if m := phone.Says(time.Minute, bob, "back"); m.Status != node.Delivered {
		t.Errorf("from the device: got status %v (%s)", m.Status, m.Reason)
	}
	alice.Leave()
	if m := bob.Says(10*time.Minute, phone, "welcome"); m.Status != node.Delivered {
		t.Errorf("to the device: got status %v (%s)", m.Status, m.Reason)
	}
}

// TestRenewalAfterTheEnd: a device without the account key whose sealing certificate
// ended weeks ago gets another one when it meets one that has the key.
func TestRenewalAfterTheEnd(t *testing.T) {
	t.Run("all were off", func(t *testing.T) {
		bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
			phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
			defer func() { phone.End() }()
			bob.Shows(time.Minute, alice, 2)
			alice.Kill()
			phone.Kill()
			bob.Kill()
			time.Sleep(30 * 24 * time.Hour)
			certificate := phone.Keys().DeviceCard(nil).Sealing
			if !certificate.NotAfter.Before(time.Now()) {
				t.Fatalf("good until %v", certificate.NotAfter)
			}
			phone.Start()
			time.Sleep(time.Minute)
			bob.Start()
			alice.Start()
			renews(t, alice, phone, bob, certificate.NotBefore)
		})
	})
	t.Run("the device was off", func(t *testing.T) {
		bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
			phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
			defer func() { phone.End() }()
			bob.Shows(time.Minute, alice, 2)
			phone.Kill()
			bob.Kill()
			for range 30 {
				alice.Kill()
				time.Sleep(24 * time.Hour)
				alice.Start()
				time.Sleep(time.Minute)
			}
			certificate := phone.Keys().DeviceCard(nil).Sealing
			bob.Start()
			phone.Start()
			renews(t, alice, phone, bob, certificate.NotBefore)
		})
	})
	t.Run("the account key was off", func(t *testing.T) {
		bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
			phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
			defer func() { phone.End() }()
			bob.Shows(time.Minute, alice, 2)
			alice.Kill()
			bob.Kill()
			for range 30 {
				phone.Kill()
				time.Sleep(24 * time.Hour)
				phone.Start()
				time.Sleep(time.Minute)
			}
			certificate := phone.Keys().DeviceCard(nil).Sealing
			bob.Start()
			alice.Start()
			renews(t, alice, phone, bob, certificate.NotBefore)
		})
	})
}
