package node_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestHearsayAges: what a zone once said, perhaps because a stranger wished it to be asked, does not decide about a contact made later.
func TestHearsayAges(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
		spoofed, _, _ := ed25519.GenerateKey(nil)
		real, _, _ := ed25519.GenerateKey(nil)
		w.SetZone("example.org", spoofed)
		if err := node.AskZone(t.Context(), alice.Node, "example.org"); err != nil {
			t.Fatal(err)
		}
		w.SetZone("example.org", real)
		carol, err := identity.ParseAddress("carol@example.org")
		if err != nil {
			t.Fatal(err)
		}
		if l, err := node.Locate(t.Context(), alice.Node, carol); err != nil || !l.Domain.Equal(spoofed) {
			t.Errorf("asked again at once: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if l, err := node.Locate(t.Context(), alice.Node, carol); err != nil || !l.Domain.Equal(real) {
			t.Errorf("two hours later the key of once counts: %v", err)
		}
	})
}
