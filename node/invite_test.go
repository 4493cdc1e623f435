package node_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/access"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

// island is a stage without a DHT: a card is had only of who has it.
type island struct {
	*nodetest.World
	mu    *sync.Mutex
	cards map[string]identity.SignedCard // by reach
}

func newIsland() island {
	return island{nodetest.NewWorld(10 * time.Millisecond), new(sync.Mutex), make(map[string]identity.SignedCard)}
}

func (w island) Join(_ *testing.T, name string, _ *identity.Keys) nodetest.Device {
	return islander{w.World.Join(name), name, w}
}

func (island) Kill(string) {}

type islander struct {
	*nodetest.Port
	name string
	on   island
}

func (p islander) Announce(_ context.Context, card identity.SignedCard) (int, error) {
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	p.on.cards[p.name] = card
	return 0, nil
}

// Resolve asks the hints, as an overlay does, and nobody else.
func (p islander) Resolve(_ context.Context, l identity.Locator, hints ...identity.Reach) (identity.SignedCard, bool, error) {
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	for _, hint := range hints {
		if card := p.on.cards[string(hint)]; !card.IsZero() && card.Card().Address == l.Address {
			return card, true, nil
		}
	}
	return identity.SignedCard{}, false, nil
}

func invites(t *testing.T, p *nodetest.Person, o node.InviteOptions) (identity.Invitation, node.Invite) {
	t.Helper()
	link, made, err := p.Invite(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := identity.ParseInvitation(link)
	if err != nil {
		t.Fatal(err)
	}
	return inv, made
}

func comes(t *testing.T, p *nodetest.Person, inv identity.Invitation) {
	t.Helper()
	if _, err := p.Add(t.Context(), inv, "", "hello"); err != nil {
		t.Fatal(err)
	}
}

// TestInvitationWithoutDHT: two who have nothing but a link become contacts, and
// nobody decides anything.
func TestInvitationWithoutDHT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIsland()
		alice, bob := nodetest.NewPerson(t, w, "alice"), nodetest.NewPerson(t, w, "bob")
		defer alice.End()
		defer bob.End()
		time.Sleep(time.Second)
		before := alice.LastEvent()
		inv, made := invites(t, alice, node.InviteOptions{Note: "for bob"})
		comes(t, bob, inv)
		bob.Sees(time.Minute, alice, node.Open, node.Live)
		alice.Sees(time.Minute, bob, node.Open, node.Live)
		if list := alice.Requests(); len(list) != 0 {
			t.Errorf("requests wait: %+v", list)
		}
		seen := false
		for e := range alice.Events(closed(), before) {
			seen = seen || e.Kind == node.SawInvite && e.Watcher.Person == bob.Address() && strings.Contains(e.Watcher.Note, made.ID())
		}
		if !seen {
			t.Error("nobody told alice that bob came")
		}
		list, err := alice.Invites(t.Context())
		if err != nil || len(list) != 1 || list[0].Used != 1 || list[0].UsedBy != bob.Address() || list[0].Note != "for bob" {
			t.Errorf("got %+v, %v", list, err)
		}
		if m := bob.Says(time.Minute, alice, "thank you"); m.Status != node.Delivered {
			t.Errorf("got %v (%s)", m.Status, m.Reason)
		}
	})
}

// TestInvitationsThatAreNotGood go the ordinary way, with the reason shown to both.
func TestInvitationsThatAreNotGood(t *testing.T) {
	for name, test := range map[string]struct {
		o      node.InviteOptions
		spoil  func(t *testing.T, alice, carol *nodetest.Person, inv identity.Invitation, made node.Invite)
		reason string
	}{
		"expired": {node.InviteOptions{Expires: time.Hour}, func(t *testing.T, _, _ *nodetest.Person, _ identity.Invitation, _ node.Invite) {
			time.Sleep(time.Hour + time.Second)
		}, "the invitation has expired"},
		"revoked": {node.InviteOptions{}, func(t *testing.T, alice, _ *nodetest.Person, _ identity.Invitation, made node.Invite) {
			if _, err := alice.RevokeInvite(t.Context(), made.ID()); err != nil {
				t.Fatal(err)
			}
		}, "the invitation was taken back"},
		"used by another": {node.InviteOptions{Once: true}, func(t *testing.T, alice, carol *nodetest.Person, inv identity.Invitation, _ node.Invite) {
			comes(t, carol, inv)
			carol.Sees(time.Minute, alice, node.Open, node.Live)
		}, "the invitation was for one person and is used"},
		"made before the removal": {node.InviteOptions{}, func(t *testing.T, alice, _ *nodetest.Person, _ identity.Invitation, _ node.Invite) {
			bob := alice.Contacts()[0].Person
			if err := alice.Remove(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}, "the invitation is older than the decision"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := memory{nodetest.NewWorld(10 * time.Millisecond)}
				alice, bob, carol := nodetest.NewPerson(t, w, "alice"), nodetest.NewPerson(t, w, "bob"), nodetest.NewPerson(t, w, "carol")
				defer alice.End()
				defer bob.End()
				defer carol.End()
				if name == "made before the removal" {
					nodetest.Meet(alice, bob)
				}
				inv, made := invites(t, alice, test.o)
				time.Sleep(time.Second)
				test.spoil(t, alice, carol, inv, made)
				comes(t, bob, inv)
				time.Sleep(time.Minute)
				list := alice.Requests()
				if len(list) != 1 || list[0].Person != bob.Address() || !strings.Contains(list[0].Note, test.reason) || !strings.Contains(list[0].Note, "hello") {
					t.Fatalf("alice has %+v", list)
				}
				if v, _ := bob.View(alice.Address()); v.Watch != node.Pending || !strings.Contains(v.Reason, test.reason) {
					t.Errorf("bob sees %+v", v)
				}
				alice.Approves(bob)
				bob.Sees(5*time.Minute, alice, node.Open, node.Live)
			})
		})
	}
}

// TestOnceIsForOnePerson: also for one whose first answer was lost.
func TestOnceIsForOnePerson(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		carol := nodetest.NewPerson(t, memory{w}, "carol")
		defer carol.End()
		inv, _ := invites(t, alice, node.InviteOptions{Once: true})
		w.LoseResponses("alice", true)
		comes(t, carol, inv)
		time.Sleep(30 * time.Second)
		w.LoseResponses("alice", false)
		carol.Sees(10*time.Minute, alice, node.Open, node.Live)
		if list, _ := alice.Invites(t.Context()); len(list) != 1 || list[0].Used != 1 {
			t.Errorf("got %+v", list)
		}
	})
}

// TestDenyRuleWins: a token is no way around a rule about that very person.
func TestDenyRuleWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := nodetest.NewWorld(10 * time.Millisecond)
		mallory := newOutsider(t, "mallory")
		alice, _ := hermit(t, w, "alice", "deny "+mallory.keys.Address().String()+" watch fetch send")
		inv, _ := invites(t, alice, node.InviteOptions{})
		said, err := mallory.asks(alice, node.Presence, node.SubscribeWithToken(mallory.keys.Address(), alice.Address(), node.SubscriptID{1}, mallory.card, inv.Token))
		if err != nil || said.Outcome != "failure" || len(alice.Contacts()) != 0 {
			t.Errorf("got %+v, %v; contacts %+v", said, err, alice.Contacts())
		}
		if list, _ := alice.Invites(t.Context()); list[0].Used != 0 {
			t.Errorf("used by somebody denied: %+v", list)
		}
		said, err = mallory.asks(alice, node.Presence, node.SubscribeWithToken(mallory.keys.Address(), alice.Address(), node.SubscriptID{1}, mallory.card, [16]byte{7}))
		if err != nil || said.Outcome != "failure" {
			t.Errorf("unknown token: got %+v, %v", said, err)
		}
	})
}

// hermit makes a node that only answers, with rules after the default ones.
func hermit(t *testing.T, w *nodetest.World, name, rules string) (*nodetest.Person, node.Store) {
	t.Helper()
	keys, err := identity.New(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := access.Parse(access.Default + rules)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := store.Open(filepath.Join(t.TempDir(), "kith.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	port := w.Join(name)
	n, err := node.New(t.Context(), node.Config{Keys: keys, Network: port, Store: kept, Rules: parsed})
	if err != nil {
		t.Fatal(err)
	}
	card, err := keys.SignCard(identity.CardDraft{Serial: 1, Reach: identity.Reach(name)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := port.Announce(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	return &nodetest.Person{Node: n, Name: name}, kept
}

func TestInviteRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, _ *nodetest.Person) {
		for name, o := range map[string]node.InviteOptions{
			"too short": {Expires: time.Minute - 1}, "too long": {Expires: 365*24*time.Hour + 1}, "audience": {As: "friends"}, "note": {Note: strings.Repeat("x", 257)},
		} {
			link, _, err := alice.Invite(t.Context(), o)
			if input := (*node.InputError)(nil); !errors.As(err, &input) {
				t.Errorf("%s: %q, %v", name, link, err)
			}
		}
		_, one := invites(t, alice, node.InviteOptions{As: "contacts", Expires: 365 * 24 * time.Hour, Note: strings.Repeat("x", 256)})
		_, two := invites(t, alice, node.InviteOptions{Expires: time.Minute})
		if one.ID() == two.ID() || len(one.ID()) != 8 {
			t.Errorf("ids %s and %s", one.ID(), two.ID())
		}
		if _, err := alice.RevokeInvite(t.Context(), "zz"); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("unknown id: %v", err)
		}
		if _, err := alice.RevokeInvite(t.Context(), ""); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("no id: %v", err)
		}
		if i, err := alice.RevokeInvite(t.Context(), strings.ToUpper(one.ID()[:7])); err != nil || !i.Revoked || i.ID() != one.ID() {
			t.Errorf("beginning: got %+v, %v", i, err)
		}
		if got := alice.Invitation(); got.Token != [16]byte{} {
			t.Errorf("own invitation with a token: %+v", got)
		}
	})
}

// TestTokenOfAMember: the key that signed the link of a domain's member comes with
// their card, now or later; a link that another signed is refused.
func TestTokenOfAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWeather()
		corp := newDomain(t, "corp.example")
		w.SetZone("corp.example", corp.Key())
		aliceKeys := enrol(t, corp, "alice")
		alice, bob := nodetest.NewPersonOf(t, w, "alice", aliceKeys, t.TempDir()), nodetest.NewPerson(t, w, "bob")
		carol := nodetest.NewPerson(t, w, "carol")
		defer alice.End()
		defer bob.End()
		defer carol.End()
		time.Sleep(time.Second)
		inv, _ := invites(t, alice, node.InviteOptions{})
		comes(t, bob, inv)
		bob.Sees(time.Minute, alice, node.Open, node.Live)

		forged, err := enrol(t, corp, "alice").SignInvitation(identity.Invitation{Token: [16]byte{1}, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		other, err := identity.ParseInvitation(forged)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := carol.Add(t.Context(), other, "", ""); err == nil || len(carol.Contacts()) != 0 {
			t.Errorf("a link that alice did not sign: %+v, %v", c, err)
		}

		w.dnsDown.Store(true) // carol cannot know the key of the domain, and so not the card
		carol.Kill()
		carol.Start()
		comes(t, carol, inv)
		carol.Kill()
		w.dnsDown.Store(false)
		carol.Start()
		carol.Sees(5*time.Minute, alice, node.Open, node.Live)
		if list := alice.Requests(); len(list) != 0 {
			t.Errorf("requests wait: %+v", list)
		}
	})
}

// TestApprovalsOutliveTheStore: a home made of the account key alone knows again
// whom it approved; another home takes no approval, and a removed one none.
func TestApprovalsOutliveTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := memory{nodetest.NewWorld(10 * time.Millisecond)}
		keys, err := identity.New("alice", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		phrase, err := keys.Phrase()
		if err != nil {
			t.Fatal(err)
		}
		alice := nodetest.NewPersonOf(t, w, "alice", keys, t.TempDir())
		bob, carol := nodetest.NewPerson(t, w, "bob"), nodetest.NewPerson(t, w, "carol")
		defer bob.End()
		defer carol.End()
		nodetest.Meet(alice, bob)
		comes(t, carol, alice.Invitation()) // never approved
		time.Sleep(time.Minute)
		alice.Leave()

		again := func(recovered bool) *nodetest.Person {
			seed, err := identity.ParsePhrase(phrase)
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := identity.Recover(t.TempDir(), "alice", seed, nil, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			kept, err := store.Open(filepath.Join(dir, "kith.db"))
			if err != nil {
				t.Fatal(err)
			}
			for _, counter := range []string{"boot", "standing"} { // as kith restore does
				if _, err := kept.Count(t.Context(), counter, uint64(time.Now().Unix())); err != nil {
					t.Fatal(err)
				}
			}
			if recovered {
				err = kept.PutSetting(t.Context(), "recovered", []byte("words"))
			}
			if err := errors.Join(err, kept.Close()); err != nil {
				t.Fatal(err)
			}
			return nodetest.NewPersonOf(t, w, "alice", fresh, dir)
		}
		plain := again(false)
		time.Sleep(2 * time.Hour)
		if list, asked := plain.Contacts(), plain.Requests(); len(list) != 0 || len(asked) != 2 {
			t.Errorf("a home that is not recovered has contacts %+v, requests %+v", list, asked)
		}
		plain.Leave()

		home := again(true)
		defer home.End()
		home.Sees(2*time.Hour, bob, node.Open, node.Live)
		bob.Sees(time.Minute, home, node.Open, node.Live)
		home.Until(time.Hour, "carol asks", func() bool { return len(home.Requests()) == 1 })
		if list := home.Contacts(); len(list) != 1 || list[0].Name != "bob" {
			t.Errorf("contacts %+v", list)
		}
		if err := home.Remove(t.Context(), bob.Address()); err != nil {
			t.Fatal(err)
		}
		comes(t, bob, home.Invitation())
		home.Until(time.Hour, "bob asks like anybody", func() bool { return len(home.Requests()) == 2 })
	})
}
