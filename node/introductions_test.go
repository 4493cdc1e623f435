package node_test

import (
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

func TestIntroduction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIsland()
		alice, bob, carol := nodetest.NewPerson(t, w, "alice"), nodetest.NewPerson(t, w, "bob"), nodetest.NewPerson(t, w, "carol")
		defer alice.End()
		defer bob.End()
		defer carol.End()
		nodetest.Meet(alice, bob)
		nodetest.Meet(alice, carol)
		carol.Leave() // she gets it when she is back
		toBob, toCarol, err := alice.Introduce(t.Context(), bob.Address(), carol.Address(), "you both like chess")
		if err != nil {
			t.Fatal(err)
		}
		if m, err := alice.Await(t.Context(), toBob.ID); err != nil || m.Status != node.Delivered {
			t.Errorf("to bob: %v (%s), %v", m.Status, m.Reason, err)
		}
		time.Sleep(time.Hour)
		carol.Start()
		if m, err := alice.Await(t.Context(), toCarol.ID); err != nil || m.Status != node.Delivered {
			t.Errorf("to carol: %v (%s), %v", m.Status, m.Reason, err)
		}
		said := bob.Heard(alice)
		if len(said) != 1 || !strings.HasPrefix(said[0], "alice introduces carol: kith:carol@") || !strings.HasSuffix(said[0], "\nyou both like chess") {
			t.Errorf("bob reads %q", said)
		}
		list, err := bob.Introductions(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("got %+v, %v", list, err)
		}
		want := node.Introduction{From: alice.Address(), Address: carol.Address(), Name: "carol", Note: "you both like chess", Link: list[0].Link, Message: list[0].Message}
		if diff := cmp.Diff(want, list[0], cmp.AllowUnexported(identity.Address{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		bob.Kill()
		bob.Start()
		inv, err := identity.ParseInvitation(list[0].Link)
		if err != nil {
			t.Fatal(err)
		}
		inv.Reach = nil // the card in the introduction is enough
		comes(t, bob, inv)
		carol.Approves(bob)
		bob.Sees(time.Minute, carol, node.Open, node.Live)
		if list, err := bob.Introductions(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("after they met: %+v, %v", list, err)
		}
	})
}

// TestIntroductionOfAMember: a card under a DNS domain counts once the zone has
// confirmed the domain, which the reader of an introduction did not ask before.
func TestIntroductionOfAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIsland()
		corp := newDomain(t, "corp.example")
		w.SetZone("corp.example", corp.Key())
		alice, bob := nodetest.NewPerson(t, w, "alice"), nodetest.NewPerson(t, w, "bob")
		carol := nodetest.NewPersonOf(t, w, "carol", enrol(t, corp, "carol"), t.TempDir())
		defer alice.End()
		defer bob.End()
		defer carol.End()
		nodetest.Meet(alice, bob)
		nodetest.Meet(alice, carol)
		m, _, err := alice.Introduce(t.Context(), bob.Address(), carol.Address(), "")
		if err != nil {
			t.Fatal(err)
		}
		if m, err := alice.Await(t.Context(), m.ID); err != nil || m.Status != node.Delivered {
			t.Fatalf("got %v (%s), %v", m.Status, m.Reason, err)
		}
		comes(t, bob, identity.Invitation{Address: carol.Address()})
		carol.Approves(bob)
		bob.Sees(time.Minute, carol, node.Open, node.Live)
	})
}

func TestIntroduceRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		stranger := newOutsider(t, "stranger").keys.Address()
		for name, pair := range map[string][2]identity.Address{
			"the same": {bob.Address(), bob.Address()}, "a stranger": {bob.Address(), stranger}, "to a stranger": {stranger, bob.Address()}, "myself": {bob.Address(), alice.Address()},
		} {
			if _, _, err := alice.Introduce(t.Context(), pair[0], pair[1], ""); err == nil {
				t.Errorf("introduced %s", name)
			}
		}
		if list, err := alice.History(t.Context(), node.Query{}, 10); err != nil || len(list) != 0 {
			t.Errorf("sent %+v, %v", list, err)
		}
	})
}

// TestHostileIntroductions: what is malformed, of a stranger, or about the reader
// introduces nobody.
func TestHostileIntroductions(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		mallory, dave, eve := newOutsider(t, "mallory"), newOutsider(t, "dave"), newOutsider(t, "eve")
		if _, err := bob.Add(t.Context(), identity.Invitation{Address: mallory.keys.Address()}, "", ""); err != nil {
			t.Fatal(err)
		}
		link := func(o *outsider) string { return identity.Invitation{Address: o.keys.Address()}.String() }
		good := node.IntroductionBody(link(dave), "", dave.card.Bytes())
		for _, test := range []struct {
			name string
			by   *outsider
			body []byte
			want string
		}{
			{"empty", mallory, nil, "introduction"},
			{"more behind", mallory, append(good[:len(good):len(good)], 0), "introduction"},
			{"no link", mallory, node.IntroductionBody("hello", "", nil), "introduction"},
			{"another's card", mallory, node.IntroductionBody(link(dave), "", eve.card.Bytes()), "not a message"},
			{"no card", mallory, node.IntroductionBody(link(dave), "", []byte("card")), "not a message"},
			{"long note", mallory, node.IntroductionBody(link(dave), strings.Repeat("x", 257), nil), "introduction"},
			{"of a stranger", eve, good, "not allowed"},
			{"of the reader", mallory, node.IntroductionBody(bob.Invitation().String(), "", nil), ""},
		} {
			said, err := test.by.asks(bob, node.Messages, text(t, test.by.keys.Address(), bob.Address(), introduction(test.body)))
			reason := said.Reason
			if err != nil {
				reason = err.Error()
			}
			if !strings.Contains(reason, test.want) || (test.want == "") != (reason == "") {
				t.Errorf("%s: got %q, want %q", test.name, reason, test.want)
			}
		}
		if list, err := bob.Introductions(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("got %+v, %v", list, err)
		}
		if said, err := mallory.asks(bob, node.Messages, text(t, mallory.keys.Address(), bob.Address(), introduction(good))); err != nil || said.Outcome != "success" {
			t.Errorf("good one: got %+v, %v", said, err)
		}
		if err := bob.Remove(t.Context(), mallory.keys.Address()); err != nil {
			t.Fatal(err)
		}
		if list, err := bob.Introductions(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("of somebody removed: got %+v, %v", list, err)
		}
	})
}

// introduction has a message introduce somebody.
func introduction(body []byte) func(*cpim.Draft) {
	return func(d *cpim.Draft) {
		d.Content = cpim.Content{
			Header: []cpim.MIMEField{{Name: "Content-Type", Value: "application/vnd.kith.introduction"}, {Name: "Content-Transfer-Encoding", Value: "binary"}},
			Body:   body,
		}
	}
}
