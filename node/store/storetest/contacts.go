package storetest

import (
	"crypto/ed25519"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func testContacts(t *testing.T, s node.Store) {
	ctx := t.Context()
	same(t, len(must(s.Contacts(ctx))(t)), 0)

	bob, anna := contact(t, "bob", "bob"), contact(t, "anna", "Anna")
	least := node.Contact{Person: address(t, "zoe"), Name: "ZOE"}
	for _, c := range []node.Contact{least, bob, anna} {
		check(t, s.PutContact(ctx, c))
	}
	same(t, must(s.Contacts(ctx))(t), []node.Contact{anna, bob, least})

	// Written whole: what the new value lacks is gone.
	bob = node.Contact{Person: bob.Person, Name: "Zacharias", Added: at(9)}
	check(t, s.PutContact(ctx, bob))
	same(t, must(s.Contacts(ctx))(t), []node.Contact{anna, bob, least})

	got := must(s.Contacts(ctx))(t)
	if zone := got[0].Added.Location(); zone != time.UTC {
		t.Errorf("got a time in %s, want UTC", zone)
	}
	if got[1].Hint != nil {
		t.Errorf("got hint %v, want nil", got[1].Hint)
	}
	check(t, s.PutContact(ctx, node.Contact{Person: bob.Person, Name: "Zacharias", Hint: identity.Reach{}}))
	if err := s.PutContact(ctx, node.Contact{Name: "nobody"}); err == nil {
		t.Error("a contact without address was written")
	}
}

// Keys are wholly there or not at all; those of no length are none.
func testContactTrust(t *testing.T, s node.Store) {
	ctx := t.Context()
	bob := contact(t, "bob", "Bob")
	bob.Trust = node.Trust{Account: publicKey(7), NewDomain: ed25519.PublicKey{}}
	bob.Token = [16]byte{}
	check(t, s.PutContact(ctx, bob))
	got := must(s.Contacts(ctx))(t)
	same(t, got, []node.Contact{bob})
	if got[0].Trust.Domain != nil || got[0].Trust.NewDomain != nil {
		t.Errorf("got keys %v, want none", got[0].Trust)
	}
	for _, n := range []int{1, 31, 33} {
		bad := bob
		bad.Trust.NewAccount = make(ed25519.PublicKey, n)
		if err := s.PutContact(ctx, bad); err == nil {
			t.Errorf("a key of %d octets was written", n)
		}
	}
	same(t, must(s.Contacts(ctx))(t), []node.Contact{bob})
}

// testMemberCards keeps the cards of people whose domain is not their own key:
// no reader could tell a DNS domain's key by its name.
func testMemberCards(t *testing.T, s node.Store) {
	ctx := t.Context()
	bob, asks := contact(t, "bob", "Bob"), watcher(t, "bob")
	bob.Card = memberCard(t, "example.org")
	bob.Person = bob.Card.Card().Address
	asks.Card, asks.Person = bob.Card, bob.Person
	anna := contact(t, "anna", "Anna")
	anna.Card = memberCard(t, "")
	anna.Person = anna.Card.Card().Address
	check(t, s.PutContact(ctx, bob))
	check(t, s.PutContact(ctx, anna))
	check(t, s.PutWatcher(ctx, asks))
	same(t, must(s.Contacts(ctx))(t), []node.Contact{anna, bob})
	same(t, must(s.Watchers(ctx))(t), []node.Watcher{asks})
	got := must(s.Contacts(ctx))(t)[1].Card.Card()
	same(t, got.DomainKey(), bob.Card.Card().DomainKey())
}

// memberCard gives the card of a member of a DNS domain, or of an overlay domain.
func memberCard(t *testing.T, dns string) identity.SignedCard {
	t.Helper()
	dir := t.TempDir()
	domain := must(identity.CreateDomain(filepath.Join(dir, "domain"), dns, nil))(t)
	wish := must(identity.ParseAddress("bob@" + domain.Name()))(t)
	request := must(identity.RequestAccount(dir, wish, domain.Key(), nil))(t)
	grant := must(domain.Enrol(request, identity.Enrolment{Until: at(30 * 86400), Days: 2}, at(0)))(t)
	keys := must(identity.AcceptAccount(dir, grant, nil, at(0)))(t)
	check(t, domain.Close())
	card := must(keys.SignCard(identity.CardDraft{Serial: 1}, at(0)))(t)
	keys.Close()
	return card
}

func testContactNames(t *testing.T, s node.Store) {
	tests := []struct {
		first, second string
		taken         bool
	}{
		{"Bob", "Bob", true},
		{"Bob", "bOB", true},
		{"Émile", "éMILE", true},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", true}, // final sigma
		{"Ждан", "жДАН", true},
		{"\u212aarl", "karl", true}, // Kelvin sign
		{"Bob", "Bob ", false},
		{"Emile", "Émile", false},
		{"Bob", "Bob%", false},
		{"a\x00b", "a\x00c", false},
	}
	ctx := t.Context()
	for _, test := range tests {
		first, second := contact(t, "first", test.first), contact(t, "second", test.second)
		check(t, s.PutContact(ctx, first))
		err := s.PutContact(ctx, second)
		if test.taken {
			isError(t, err, node.ErrNameTaken)
			same(t, must(s.Contacts(ctx))(t), []node.Contact{first})
		} else if err != nil {
			t.Errorf("%q after %q: %v", test.second, test.first, err)
		}
		// A person may change the case of their own name, and gives it free.
		first.Name = test.second
		if test.taken {
			check(t, s.PutContact(ctx, first))
		}
		check(t, s.RemoveContact(ctx, first.Person))
		check(t, s.PutContact(ctx, second))
		check(t, s.RemoveContact(ctx, second.Person))
	}
	same(t, len(must(s.Contacts(ctx))(t)), 0)
}

func testContactsRemoved(t *testing.T, s node.Store) {
	ctx := t.Context()
	check(t, s.RemoveContact(ctx, address(t, "nobody")))
	fill(t, s)
	want := snapshot(t, s)
	check(t, s.RemoveContact(ctx, address(t, "bob")))
	want.Contacts = nil
	same(t, unlogged(snapshot(t, s)), unlogged(want))
}

func testWatchers(t *testing.T, s node.Store) {
	ctx := t.Context()
	same(t, len(must(s.Watchers(ctx))(t)), 0)

	var want []node.Watcher
	for i, local := range []string{"zoe", "bob", "anna"} {
		w := watcher(t, local)
		w.State = node.State(int(node.Pending) + i)
		want = append(want, w)
	}
	want[2].Since = at(0) // the oldest, written last
	for _, w := range want {
		check(t, s.PutWatcher(ctx, w))
	}
	same(t, must(s.Watchers(ctx))(t), []node.Watcher{want[2], want[0], want[1]})

	// Written whole, and of one moment in the order of their first writing.
	want[0] = node.Watcher{Person: want[0].Person, State: node.Terminated, Event: "rejected", Since: want[0].Since}
	check(t, s.PutWatcher(ctx, want[0]))
	same(t, must(s.Watchers(ctx))(t), []node.Watcher{want[2], want[0], want[1]})
	if err := s.PutWatcher(ctx, node.Watcher{State: node.Pending}); err == nil {
		t.Error("a watcher without address was written")
	}
}
