package node_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

// bench is a node on a real store in a world of its own, not running, and the
// keys of a contact of its owner.
func bench(b *testing.B) (n *node.Node, me *identity.Card, contact *identity.Keys) {
	b.Helper()
	keys, err := identity.New("alice", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	contact, err = identity.New("bob", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	kept, err := store.Open(filepath.Join(b.TempDir(), "kith.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { kept.Close() })
	n, err = node.New(b.Context(), node.Config{Keys: keys, Store: kept, Network: nodetest.NewWorld(0).Join("alice")})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := n.Add(b.Context(), identity.Invitation{Address: contact.Address()}, "bob", ""); err != nil {
		b.Fatal(err)
	}
	card, err := keys.SignCard(identity.CardDraft{Serial: 1, Reach: identity.Reach("alice")}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	return n, card.Card(), contact
}

// BenchmarkAnswerMessage is a message on its way in: open, verify, decide, store
// durably, sign the response.
func BenchmarkAnswerMessage(b *testing.B) {
	n, me, bob := bench(b)
	sealed := make([]identity.Sealed, b.N)
	for i := range sealed {
		m, err := cpim.New(cpim.Draft{
			From: cpim.Mailbox{URI: bob.Address().IM()}, To: []cpim.Mailbox{{URI: n.Address().IM()}},
			DateTime: time.Now(), MessageID: cpim.NewMessageID(), Content: cpim.NewText("shall we meet at eight?"),
		})
		if err != nil {
			b.Fatal(err)
		}
		body, _ := m.Marshal()
		signed, err := bob.Sign(identity.Entity{Type: "message/cpim", Body: body}, true, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if sealed[i], err = bob.SealTo(signed, me); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range sealed {
		if _, err := n.Answer(context.Background(), node.Messages, "bob", sealed[i]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHearUnknown is a publication of an audience that the node is not in:
// it must cost next to nothing.
func BenchmarkHearUnknown(b *testing.B) {
	n, _, bob := bench(b)
	epoch := identity.NewEpoch()
	id := epoch.Audience()
	signed, err := bob.Sign(identity.Entity{Type: "application/pidf+xml", Fields: []identity.Field{
		{Name: "Kith-Audience", Value: base64.RawURLEncoding.EncodeToString(id[:])},
	}, Body: []byte(fmt.Sprintf("%x", sha256.Sum256(nil)))}, false, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := epoch.Seal(signed)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if fresh, err := n.Hear(context.Background(), "somebody", sealed); fresh || err != nil {
			b.Fatal(fresh, err)
		}
	}
}

// BenchmarkSend is a message on its way out, up to the durable outbox.
func BenchmarkSend(b *testing.B) {
	n, _, bob := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Send(context.Background(), bob.Address(), "shall we meet at eight?"); err != nil {
			b.Fatal(err)
		}
	}
}
