package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// memory is a stage in memory.
type memory struct{ *nodetest.World }

func (m memory) Join(_ *testing.T, name string, _ *identity.Keys) nodetest.Device {
	return m.World.Join(name)
}
func (m memory) Kill(string) {}

// bubble runs a test in virtual time with two persons who know each other.
func bubble(t *testing.T, run func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person)) {
	synctest.Test(t, func(t *testing.T) {
		w := nodetest.NewWorld(10 * time.Millisecond)
		alice, bob := nodetest.NewPerson(t, memory{w}, "alice"), nodetest.NewPerson(t, memory{w}, "bob")
		defer alice.End()
		defer bob.End()
		nodetest.Meet(alice, bob)
		run(t, w, alice, bob)
	})
}

// outsider is keys without a node: a program of our own making that talks to
// nodes.
type outsider struct {
	t    *testing.T
	keys *identity.Keys
	card identity.SignedCard
}

func newOutsider(t *testing.T, name string) *outsider {
	t.Helper()
	keys, err := identity.New(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	card, err := keys.SignCard(identity.CardDraft{Serial: 1, Reach: identity.Reach(name)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &outsider{t, keys, card}
}

// asks sends an entity to a person and returns what the response says.
func (o *outsider) asks(p *nodetest.Person, protocol string, e identity.Entity) (node.Said, error) {
	o.t.Helper()
	signed, err := o.keys.Sign(e, true, time.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	card, found, err := p.Lookup(o.t.Context(), p.Address())
	if err != nil || !found {
		o.t.Fatalf("no card of %s: %v", p.Name, err)
	}
	sealed, err := o.keys.SealTo(signed, card.Card())
	if err != nil {
		o.t.Fatal(err)
	}
	answer, err := p.Answer(o.t.Context(), protocol, "somewhere", sealed)
	if err != nil {
		return node.Said{}, err
	}
	opened, err := o.keys.Open(answer, card.Card().Known(), time.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	said, err := node.ReadResponse(opened.Entity.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return said, nil
}

// text makes a message entity; change alters its draft.
func text(t *testing.T, from, to identity.Address, change func(*cpim.Draft)) identity.Entity {
	t.Helper()
	d := cpim.Draft{
		From: cpim.Mailbox{URI: from.IM()}, To: []cpim.Mailbox{{URI: to.IM()}},
		DateTime: time.Now(), MessageID: cpim.NewMessageID(), Content: cpim.NewText("hello"),
	}
	if change != nil {
		change(&d)
	}
	m, err := cpim.New(d)
	if err != nil {
		t.Fatal(err)
	}
	body, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return identity.Entity{Type: "message/cpim", Body: body}
}

func TestReplayedPresenceIsNotShown(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		for i, show := range []node.Show{node.Away, node.Busy, node.DND} {
			if err := bob.SetStatus(t.Context(), show, fmt.Sprint("note ", i), time.Time{}); err != nil {
				t.Fatal(err)
			}
			alice.Sees(5*time.Second, bob, show, node.Live)
			time.Sleep(2 * nodetest.Lease)
		}
		bob.Leave()
		alice.Sees(5*time.Second, bob, node.Closed, node.Gone)
		replay := func() {
			t.Helper()
			for _, s := range w.Overheard() {
				if fresh, _ := alice.Hear(t.Context(), "mallory", s); fresh {
					t.Error("a publication heard before was taken as new")
				}
			}
			alice.Sees(0, bob, node.Closed, node.Gone)
		}
		replay()
		alice.Kill()
		alice.Start()
		replay()
	})
}

func TestReplayedLeasesDoNotKeepTheDeadAlive(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		time.Sleep(5 * nodetest.Lease)
		bob.Kill()
		alice.Kill()
		alice.Start()
		for range 20 {
			for _, s := range w.Overheard() {
				alice.Hear(t.Context(), "mallory", s)
			}
			time.Sleep(time.Second)
			if v, _ := alice.View(bob.Address()); v.Liveness == node.Live {
				t.Fatalf("live by replayed leases: %+v", v)
			}
		}
	})
}

func TestLostResponsesDeliverOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		w.LoseResponses("bob", true)
		m := alice.Says(time.Minute, bob, "hello")
		if m.Status != node.Queued {
			t.Fatalf("without a response: got status %v", m.Status)
		}
		w.LoseResponses("bob", false)
		m, err := alice.Await(t.Context(), m.ID)
		if err != nil || m.Status != node.Delivered || m.Tries < 2 {
			t.Errorf("got %v after %d tries, %v", m.Status, m.Tries, err)
		}
		if got := bob.Heard(alice); !cmp.Equal(got, []string{"hello"}) {
			t.Errorf("bob heard %q", got)
		}
	})
}

func TestHostileMessages(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		mallory := newOutsider(t, "mallory")
		known := newOutsider(t, "carol")
		if _, err := bob.Add(t.Context(), identity.Invitation{Address: known.keys.Address()}, "carol", ""); err != nil {
			t.Fatal(err)
		}
		me, carol := bob.Address(), known.keys.Address()
		for _, test := range []struct {
			name   string
			by     *outsider
			entity identity.Entity
			proto  string
			want   string // reason of the response, or of the error
		}{
			{"a stranger", mallory, text(t, mallory.keys.Address(), me, nil), node.Messages, "not allowed"},
			{"in another's name", known, text(t, alice.Address(), me, nil), node.Messages, "signed by"},
			{"to somebody else", known, text(t, carol, alice.Address(), nil), node.Messages, "not addressed"},
			{"from the future", known, text(t, carol, me, func(d *cpim.Draft) { d.DateTime = d.DateTime.Add(4 * time.Hour) }), node.Messages, "apart"},
			{"requires what we lack", known, text(t, carol, me, func(d *cpim.Draft) {
				d.Require = []cpim.Name{{NS: "urn:example:x", Local: "Vital"}}
				d.Extra = []cpim.Header{{Name: cpim.Name{NS: "urn:example:x", Local: "Vital"}, Raw: "yes"}}
			}), node.Messages, "requires"},
			{"no Message-ID", known, text(t, carol, me, func(d *cpim.Draft) { d.MessageID = "" }), node.Messages, "message"},
			{"two recipients, one of them us", known, text(t, carol, me, func(d *cpim.Draft) {
				d.To = append(d.To, cpim.Mailbox{URI: alice.Address().IM()})
			}), node.Messages, ""},
			{"garbage", known, identity.Entity{Type: "message/cpim", Body: []byte("From: \x00")}, node.Messages, "message"},
			{"on the other protocol", known, text(t, carol, me, nil), node.Presence, "message/cpim on"},
			{"unknown operation", known, identity.Entity{Type: "application/vnd.kith.other"}, node.Presence, "other on"},
			{"garbage subscribe", known, identity.Entity{Type: "application/vnd.kith.subscribe", Body: []byte{0x30, 0x80}}, node.Presence, "malformed"},
			{"garbage notify", known, identity.Entity{Type: "application/vnd.kith.notify", Body: []byte{0x30, 0x00}}, node.Presence, "malformed"},
			{"subscribe for another", known, node.SubscribeEntity(alice.Address(), me, time.Hour, node.SubscriptID{1}, known.card, ""), node.Presence, "somebody else"},
			{"subscribe to another", known, node.SubscribeEntity(carol, alice.Address(), time.Hour, node.SubscriptID{1}, known.card, ""), node.Presence, "somebody else"},
			{"subscribe with another's card", known, node.SubscribeEntity(carol, me, time.Hour, node.SubscriptID{1}, mallory.card, ""), node.Presence, "somebody else"},
		} {
			said, err := test.by.asks(bob, test.proto, test.entity)
			got := said.Reason
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) || test.want == "" && said.Outcome != "success" {
				t.Errorf("%s: got %q (%+v), want %q", test.name, got, said, test.want)
			}
		}
		list, err := bob.History(t.Context(), node.Query{Incoming: true}, 10)
		if err != nil || len(list) != 1 {
			t.Errorf("%d messages arrived (%v), want the one", len(list), err)
		}
	})
}

func TestOneMessageIDOneMessage(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		carol := newOutsider(t, "carol")
		if _, err := bob.Add(t.Context(), identity.Invitation{Address: carol.keys.Address()}, "", ""); err != nil {
			t.Fatal(err)
		}
		id := cpim.NewMessageID()
		for i, want := range []string{"", "another message"} {
			said, err := carol.asks(bob, node.Messages, text(t, carol.keys.Address(), bob.Address(), func(d *cpim.Draft) {
				d.MessageID, d.Content = id, cpim.NewText(fmt.Sprint("text ", i))
			}))
			if err != nil || !strings.Contains(said.Reason, want) || (want == "") != (said.Outcome == "success") {
				t.Errorf("message %d: got %+v, %v", i, said, err)
			}
		}
	})
}

// TestSubscribeByTheLetter walks through RFC 3859 section 3.4.1 and the choices
// of doc/spec/operations.md.
func TestSubscribeByTheLetter(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, _, bob *nodetest.Person) {
		carol, dave := newOutsider(t, "carol"), newOutsider(t, "dave")
		if _, err := bob.Add(t.Context(), identity.Invitation{Address: carol.keys.Address()}, "", ""); err != nil {
			t.Fatal(err)
		}
		one, two := node.SubscriptID{1}, node.SubscriptID{2}
		for _, step := range []struct {
			name string
			by   *outsider
			d    time.Duration
			id   node.SubscriptID
			want node.Said
		}{
			{"contact fetches", carol, 0, one, node.Said{Outcome: "success", Reason: "", State: node.Terminated, Document: true}},
			{"contact subscribes", carol, time.Hour, one, node.Said{Outcome: "success", State: node.Active, Document: true, Grant: true}},
			{"renews", carol, time.Hour, one, node.Said{Outcome: "success", State: node.Active, Document: true, Grant: true}},
			{"a second one", carol, time.Hour, two, node.Said{Outcome: "failure", Reason: "already subscribed with another SubscriptID", State: node.Active}},
			{"fetches beside it", carol, 0, two, node.Said{Outcome: "success", State: node.Terminated, Document: true}},
			{"ends", carol, 0, one, node.Said{Outcome: "success", State: node.Terminated}},
			{"ends again", carol, 0, one, node.Said{Outcome: "success", State: node.Terminated}},
			{"another id after the end", carol, time.Hour, two, node.Said{Outcome: "success", State: node.Active, Document: true, Grant: true}},
			{"stranger fetches", dave, 0, one, node.Said{Outcome: "failure", Reason: "not allowed"}},
			{"stranger subscribes", dave, time.Hour, one, node.Said{Outcome: "success", State: node.Pending}},
			{"asks again", dave, time.Hour, one, node.Said{Outcome: "success", State: node.Pending}},
			{"gives up", dave, 0, one, node.Said{Outcome: "success", State: node.Terminated}},
		} {
			e := node.SubscribeEntity(step.by.keys.Address(), bob.Address(), step.d, step.id, step.by.card, "")
			got, err := step.by.asks(bob, node.Presence, e)
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.name, diff)
			}
		}
	})
}

func TestStrangersFillOnlyTheirQueue(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, _, bob *nodetest.Person) {
		for i := range node.MaxRequests + 5 {
			o := newOutsider(t, fmt.Sprint("stranger", i))
			said, err := o.asks(bob, node.Presence, node.SubscribeEntity(o.keys.Address(), bob.Address(), time.Hour, node.SubscriptID{}, o.card, "hi"))
			if err != nil {
				t.Fatal(err)
			}
			if want := i < node.MaxRequests; (said.Outcome == "success") != want {
				t.Fatalf("stranger %d: got %+v", i, said)
			}
		}
		if got := len(bob.Requests()); got != node.MaxRequests {
			t.Errorf("%d requests wait, want %d", got, node.MaxRequests)
		}
	})
}

func TestForgedPublications(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		for _, s := range w.Overheard() {
			der := append([]byte(nil), s.Bytes()...)
			der[len(der)-1] ^= 1
			forged, err := identity.ParseSealed(der)
			if err != nil {
				continue
			}
			if fresh, err := alice.Hear(context.Background(), "mallory", forged); fresh {
				t.Errorf("altered publication taken (%v)", err)
			}
		}
		alice.Sees(0, bob, node.Open, node.Live)
	})
}

func TestStatusEndsByItself(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		if err := bob.SetStatus(t.Context(), node.Busy, "meeting", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		alice.Sees(5*time.Second, bob, node.Busy, node.Live)
		time.Sleep(59 * time.Minute)
		alice.Sees(0, bob, node.Busy, node.Live)
		if v := alice.Sees(2*time.Minute, bob, node.Open, node.Live); v.Note != "" {
			t.Errorf("note after the end: %q", v.Note)
		}
	})
}

func TestGateHoldsBackAFlood(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, _, bob *nodetest.Person) {
		admitted := 0
		for range 1000 {
			if bob.Admit(node.Messages, "flooder") {
				admitted++
			}
		}
		if admitted != 32 {
			t.Errorf("admitted %d at once, want 32", admitted)
		}
		time.Sleep(5 * time.Second)
		if !bob.Admit(node.Messages, "flooder") {
			t.Error("not admitted 5 s later")
		}
		if !bob.Admit(node.Presence, "alice") || !bob.Admit("/kith/kad/1.0.0", "flooder") {
			t.Error("a flood by one holds back others")
		}
	})
}

func TestSuccessiveDocumentsHaveSuccessiveTimes(t *testing.T) { // R3863-4.1.7-successive
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		last := bob.Status().Since
		for i := range 5 { // in one moment of virtual time
			if err := bob.SetStatus(t.Context(), node.Away, fmt.Sprint(i), time.Time{}); err != nil {
				t.Fatal(err)
			}
			since := bob.Status().Since
			if !since.After(last) {
				t.Errorf("change %d at %v, the one before at %v", i, since, last)
			}
			last = since
		}
		if v := alice.Sees(5*time.Second, bob, node.Away, node.Live); !v.Since.Equal(last) {
			time.Sleep(time.Second)
			if v, _ = alice.View(bob.Address()); v.Note != "4" || !v.Since.Equal(last) {
				t.Errorf("alice sees %q since %v, want the last change at %v", v.Note, v.Since, last)
			}
		}
	})
}
