package node_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// TestOneNameTwoPeople (R2778-principal-distinctness): who calls themselves alike and
// has another key is somebody else, among requests, contacts and in the history.
func TestOneNameTwoPeople(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		other := newOutsider(t, "bob")
		if _, err := other.asks(alice, node.Presence, node.SubscribeEntity(other.keys.Address(), alice.Address(), time.Hour, node.SubscriptID{1}, other.card, "it is me, bob")); err != nil {
			t.Fatal(err)
		}
		list := alice.Requests()
		if len(list) != 1 || list[0].Person == bob.Address() || list[0].Person != other.keys.Address() {
			t.Fatalf("requests: %+v", list)
		}
		if said, err := other.asks(alice, node.Messages, text(t, other.keys.Address(), alice.Address(), nil)); err != nil || said.Outcome != "failure" {
			t.Errorf("a message by one who is only called like a contact: %+v, %v", said, err)
		}
		c, err := alice.Approve(t.Context(), other.keys.Address(), "")
		if err != nil || c.Name != "bob2" {
			t.Errorf("got %+v, %v, want the name bob2", c, err)
		}
		if _, err := alice.Add(t.Context(), identity.Invitation{Address: other.keys.Address()}, "BOB", ""); !errors.Is(err, node.ErrNameTaken) {
			t.Errorf("renamed to another contact's name in capitals: %v", err)
		}
		one, err1 := alice.Words(bob.Address())
		two, err2 := alice.Words(other.keys.Address())
		if err1 != nil || err2 != nil || strings.Join(one.Digits, "") == strings.Join(two.Digits, "") {
			t.Errorf("two people have the same words: %v, %v, %v", one, err1, err2)
		}
	})
}

// TestSpoofing (R2778-spoofing, R2779-5.1.12): who writes or asks in another's name is
// refused, and the error says who it was.
func TestSpoofing(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		carol := newOutsider(t, "carol")
		if _, err := bob.Add(t.Context(), identity.Invitation{Address: carol.keys.Address()}, "", ""); err != nil {
			t.Fatal(err)
		}
		asked := len(bob.Requests())
		for name, test := range map[string]struct {
			protocol string
			entity   identity.Entity
			want     string
		}{
			"message": {node.Messages, text(t, alice.Address(), bob.Address(), nil), "signed by " + carol.keys.Address().Short()},
			"subscribe": {node.Presence, node.SubscribeEntity(alice.Address(), bob.Address(), time.Hour, node.SubscriptID{1}, carol.card, ""),
				"names somebody else"},
		} {
			if said, err := carol.asks(bob, test.protocol, test.entity); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %+v, %v, want %q", name, said, err, test.want)
			}
		}
		if got := bob.Heard(alice); got != nil || len(bob.Requests()) != asked {
			t.Errorf("bob heard %q, requests %+v", got, bob.Requests())
		}
	})
}

// TestSubscriberIsKnown (R2779-5.1.12): the table of requests names the watcher by the
// address that the certificate proves, and there are words to compare their key.
func TestSubscriberIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
		carol := nodetest.NewPerson(t, memory{w}, "carol")
		defer carol.End()
		carol.Adds(alice)
		alice.Until(time.Minute, "request", func() bool { return len(alice.Requests()) == 1 })
		if got := alice.Requests()[0].Person; got != carol.Address() {
			t.Errorf("request of %s", got)
		}
		sameWords(t, alice, carol, false)
	})
}

// TestDocumentsOfOthers (R2779-5.3.3): a document in somebody's subscription counts only
// if its signer is that person, and it is about them.
func TestDocumentsOfOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		l := &liar{outsider: newOutsider(t, "liar")}
		l.joins(t, w, alice)
		mallory := newOutsider(t, "mallory")
		epoch, me := identity.NewEpoch(), l.keys.Address()
		sign := func(by *identity.Keys, about identity.Address, version uint64, note string) identity.Signed {
			s, err := by.Sign(node.DocumentEntity(about, by.Device(), epoch, node.Version{Boot: version, Seq: 1}, note), true, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for serial, test := range []struct {
			name   string
			signed identity.Signed
			want   string // the note seen
		}{
			{"by somebody else", sign(mallory.keys, me, 1, "by mallory"), ""},
			{"about somebody else", sign(l.keys, bob.Address(), 2, "about bob"), ""},
			{"by and about somebody else", sign(mallory.keys, mallory.keys.Address(), 3, "of mallory"), ""},
			{"theirs", sign(l.keys, me, 4, "mine"), "mine"},
		} {
			if _, err := l.asks(alice, node.Presence, node.NotifyOf(l.subscript, uint64(10+serial), epoch, test.signed)); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			if v, err := alice.View(me); err != nil || v.Note != test.want {
				t.Errorf("%s: got %+v, %v", test.name, v, err)
			}
			if v, err := alice.View(bob.Address()); err != nil || v.Note != "" {
				t.Errorf("%s: of bob: got %+v, %v", test.name, v, err)
			}
		}
	})
}

// TestEveryOctetCounts (R2779-2.5.1): a signed message or document of which an octet
// is another verifies no longer, or says the same as before by the same signer: what
// is changed then is a certificate that nothing depends on.
func TestEveryOctetCounts(t *testing.T) {
	bob := newOutsider(t, "bob")
	alice := newOutsider(t, "alice").keys.Address()
	for name, e := range map[string]identity.Entity{
		"message":  text(t, bob.keys.Address(), alice, nil),
		"document": node.DocumentEntity(bob.keys.Address(), bob.keys.Device(), identity.NewEpoch(), node.Version{Boot: 1, Seq: 1}, "note"),
	} {
		signed, err := bob.keys.Sign(e, true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		want, err := identity.Verify(signed, bob.card.Card().Known(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		signatures := 0
		for i := range signed.Bytes() {
			altered := bytes.Clone(signed.Bytes())
			altered[i] ^= 1
			s, err := identity.ParseSigned(altered)
			if err != nil {
				continue
			}
			got, err := identity.Verify(s, bob.card.Card().Known(), time.Now())
			if errors.Is(err, identity.ErrSignature) {
				signatures++
			}
			if err == nil && (got.Digest != want.Digest || got.From != want.From || got.Device != want.Device || !got.Time.Equal(want.Time)) {
				t.Errorf("%s: octet %d of %d altered, and taken as %+v", name, i, len(altered), got)
			}
		}
		if content := len(want.Raw); signatures < content {
			t.Errorf("%s: %d changes found by the signature, want at least the %d of the content", name, signatures, content)
		}
	}
}

// tapped is a stage whose every octet is kept.
type tapped struct {
	*nodetest.World
	mu  *sync.Mutex
	all *bytes.Buffer
}

func (w tapped) Join(_ *testing.T, name string, _ *identity.Keys) nodetest.Device {
	return tap{w.World.Join(name), w}
}

func (tapped) Kill(string) {}

func (w tapped) keep(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	w.all.WriteByte(0)
}

type tap struct {
	*nodetest.Port
	on tapped
}

func (p tap) Exchange(ctx context.Context, protocol string, to identity.Reach, request identity.Sealed) (identity.Sealed, error) {
	p.on.keep(request.Bytes())
	answer, err := p.Port.Exchange(ctx, protocol, to, request)
	p.on.keep(answer.Bytes())
	return answer, err
}

func (p tap) Announce(ctx context.Context, card identity.SignedCard) (int, error) {
	for _, r := range card.Records() {
		p.on.keep(r.Value)
	}
	return p.Port.Announce(ctx, card)
}

func (p tap) Publish(ctx context.Context, topic string, s identity.Sealed, to []identity.Reach) (int, error) {
	p.on.keep([]byte(topic))
	p.on.keep(s.Bytes())
	return p.Port.Publish(ctx, topic, s, to)
}

func (p tap) Push(ctx context.Context, s identity.Sealed, to []identity.Reach) (int, error) {
	p.on.keep(s.Bytes())
	return p.Port.Push(ctx, s, to)
}

// TestNobodyOverhears (R2779-2.5.3): of all octets that cross the network in a session
// none shows a text, a note, a name or an address; those they are for read them.
func TestNobodyOverhears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tapped{nodetest.NewWorld(10 * time.Millisecond), new(sync.Mutex), new(bytes.Buffer)}
		alice, bob := nodetest.NewPerson(t, w, "alicemarker"), nodetest.NewPerson(t, w, "bobmarker")
		defer alice.End()
		defer bob.End()
		if _, err := alice.Add(t.Context(), bob.Invitation(), "bob", "greetingmarker"); err != nil {
			t.Fatal(err)
		}
		bob.Until(time.Minute, "request", func() bool { return len(bob.Requests()) == 1 })
		if got := bob.Requests()[0].Note; got != "greetingmarker" {
			t.Errorf("greeting %q", got)
		}
		bob.Approves(alice)
		alice.Sees(time.Minute, bob, node.Open, node.Live)
		if err := bob.SetStatus(t.Context(), node.Away, "notemarker", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if v := alice.Sees(time.Minute, bob, node.Away, node.Live); v.Note != "notemarker" {
			t.Errorf("note %q", v.Note)
		}
		if m := alice.Says(time.Minute, bob, "textmarker"); m.Status != node.Delivered || bob.Heard(alice)[0] != "textmarker" {
			t.Errorf("message %+v", m)
		}
		alice.Leave()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.all.Len() < 20<<10 {
			t.Fatalf("%d octets overheard", w.all.Len())
		}
		for _, secret := range []string{"marker", alice.Address().Domain(), bob.Address().Domain(), "presence", "message/cpim", "subscribe"} {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)]} {
				if bytes.Contains(w.all.Bytes(), []byte(form)) {
					t.Errorf("%q can be overheard", form)
				}
			}
		}
	})
}

// TestPseudonym (R2779-8.1.1-A3): somebody may ask under a second identity, which
// nothing in what they send links to the first.
func TestPseudonym(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		second := newOutsider(t, "nobody")
		e := node.SubscribeEntity(second.keys.Address(), bob.Address(), time.Hour, node.SubscriptID{1}, second.card, "")
		signed, err := second.keys.Sign(e, true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if said, err := second.asks(bob, node.Presence, e); err != nil || said.State != node.Pending {
			t.Fatalf("got %+v, %v", said, err)
		}
		if list := bob.Requests(); len(list) != 1 || list[0].Person != second.keys.Address() {
			t.Errorf("bob sees %+v", list)
		}
		first, found, err := bob.Lookup(t.Context(), alice.Address())
		if err != nil || !found {
			t.Fatal(err)
		}
		device := alice.Device()
		for name, part := range map[string][]byte{
			"address": []byte(alice.Address().Domain()), "account key": first.Card().AccountKey(), "device": device[:],
			"signing key": first.Card().Devices[0].Signing.RawSubjectPublicKeyInfo, "sealing key": first.Card().Devices[0].Sealing.RawSubjectPublicKeyInfo,
		} {
			if bytes.Contains(signed.Bytes(), part) {
				t.Errorf("the request shows the %s of the first identity", name)
			}
		}
	})
}
