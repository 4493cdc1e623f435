package node_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/access"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

// journal keeps the lines of a log.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(p))
	return len(p), nil
}

func (j *journal) count(part string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// tally counts what a node asks of others.
type tally struct {
	*nodetest.Port
	mu             sync.Mutex
	zones, lookups int
}

func (p *tally) DomainKey(ctx context.Context, domain string) (ed25519.PublicKey, bool, error) {
	p.mu.Lock()
	p.zones++
	p.mu.Unlock()
	return p.Port.DomainKey(ctx, domain)
}

func (p *tally) Resolve(ctx context.Context, l identity.Locator, hints ...identity.Reach) (identity.SignedCard, bool, error) {
	p.mu.Lock()
	p.lookups++
	p.mu.Unlock()
	return p.Port.Resolve(ctx, l, hints...)
}

func (p *tally) asked() (zones, lookups int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.zones, p.lookups
}

// receptionist is a node that only answers, and what is seen of it.
type receptionist struct {
	*nodetest.Person
	port *tally
	log  *journal
	kept *store.Store
}

// newReceptionist makes one in a world, with rules after the default ones.
func newReceptionist(t *testing.T, w *nodetest.World, rules string) *receptionist {
	t.Helper()
	keys, err := identity.New("alice", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := access.Parse(access.Default + rules)
	if err != nil {
		t.Fatal(err)
	}
	r := &receptionist{port: &tally{Port: w.Join("alice")}, log: new(journal)}
	if r.kept, err = store.Open(filepath.Join(t.TempDir(), "kith.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.kept.Close(); err != nil {
			t.Error(err)
		}
	})
	n, err := node.New(t.Context(), node.Config{
		Keys: keys, Network: r.port, Store: r.kept, Rules: parsed, Log: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Person = &nodetest.Person{Node: n, Name: "alice"}
	card, err := keys.SignCard(identity.CardDraft{Serial: 1, Reach: identity.Reach("alice")}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.port.Announce(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	return r
}

// rows counts what the store has.
func (r *receptionist) rows(t *testing.T) map[string]int {
	t.Helper()
	watchers, err1 := r.kept.Watchers(t.Context())
	contacts, err2 := r.kept.Contacts(t.Context())
	messages, err3 := r.kept.History(t.Context(), node.Query{}, 1000)
	watches, err4 := r.kept.Watches(t.Context())
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return map[string]int{"watchers": len(watchers), "contacts": len(contacts), "messages": len(messages), "watches": len(watches)}
}

// outsiderOf is an outsider with keys and a card made elsewhere.
func outsiderOf(t *testing.T, k *identity.Keys, card identity.SignedCard) *outsider {
	return &outsider{t, k, card}
}

// secondDevice makes a further device of a person, without the account key.
func secondDevice(t *testing.T, k *identity.Keys) *identity.Keys {
	t.Helper()
	return deviceFor(t, k, identity.Permit{Scopes: nodetest.Everything})
}

// deviceFor makes a further device of a person, with what it is permitted.
func deviceFor(t *testing.T, k *identity.Keys, permit identity.Permit) *identity.Keys {
	t.Helper()
	p, err := identity.NewPending()
	if err != nil {
		t.Fatal(err)
	}
	request, err := p.Request()
	if err != nil {
		t.Fatal(err)
	}
	grant, _, err := k.Certify(request, permit, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Accept(t.TempDir(), k.Address(), grant, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return second
}

func mustSignCard(t *testing.T, k *identity.Keys, d identity.CardDraft, now time.Time) identity.SignedCard {
	t.Helper()
	card, err := k.SignCard(d, now)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// TestAnswer: each protocol by each kind of sender. "No answer" is an error, which
// resets the stream; nothing is stored for whom the rules do not admit.
func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := nodetest.NewWorld(10 * time.Millisecond)
		old := newOutsider(t, "old")
		time.Sleep(3 * 365 * 24 * time.Hour)
		stale := newOutsider(t, "stale")
		time.Sleep(50 * time.Hour)
		blocked := newOutsider(t, "blocked")
		alice := newReceptionist(t, w, "deny "+blocked.keys.Address().String()+" watch fetch send")
		now := time.Now()

		carol := newOutsider(t, "carol")
		phone, lost := secondDevice(t, carol.keys), secondDevice(t, carol.keys)
		newest := mustSignCard(t, carol.keys, identity.CardDraft{Serial: 2, Others: []identity.DeviceCard{phone.DeviceCard(nil)}, Revoked: []identity.DeviceID{lost.Device()}}, now)
		unlisted := secondDevice(t, carol.keys)
		if _, err := alice.port.Announce(t.Context(), newest); err != nil {
			t.Fatal(err)
		}
		if _, err := alice.Add(t.Context(), identity.Invitation{Address: carol.keys.Address()}, "carol", ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := alice.Lookup(t.Context(), carol.keys.Address()); err != nil {
			t.Fatal(err)
		}
		zone, forger, nowhere := newDomain(t, "corp.example"), newDomain(t, "corp.example"), newDomain(t, "nowhere.example")
		w.SetZone("corp.example", zone.Key())
		domainMember := func(d *identity.Domain, local string) *outsider {
			k := enrol(t, d, local)
			return outsiderOf(t, k, mustSignCard(t, k, identity.CardDraft{Serial: 1}, now))
		}

		const none = "no answer"
		for _, test := range []struct {
			name                       string
			by                         *outsider
			subscribe, notify, message string // outcome and reason
		}{
			{"listed device of a contact", outsiderOf(t, phone, newest), "success", "failure: no such subscription", "success"},
			{"unlisted device of a contact", outsiderOf(t, unlisted, newest), none, none, none},
			{"revoked device of a contact", outsiderOf(t, lost, newest), none, none, none},
			{"stranger", newOutsider(t, "stranger"), "success", "failure: no such subscription", "failure: not allowed"},
			{"stranger with an expired card", stale, "failure: your card has expired", "failure: no such subscription", "failure: not allowed"},
			{"blocked by a rule", blocked, "failure: not allowed", "failure: no such subscription", "failure: not allowed"},
			{"expired certificate", old, none, none, none},
			{"DNS domain confirmed", domainMember(zone, "dave"), "success", "failure: no such subscription", "failure: not allowed"},
			{"key of another domain", domainMember(forger, "dave"), none, none, none},
			{"DNS domain not confirmed", domainMember(nowhere, "eve"), none, none, none},
		} {
			for _, op := range []struct {
				name, protocol, want string
				entity               identity.Entity
			}{
				{"subscribe", node.Presence, test.subscribe, node.SubscribeEntity(test.by.keys.Address(), alice.Address(), time.Hour, node.SubscriptID{1}, test.by.card, "")},
				{"notify", node.Presence, test.notify, node.NotifyEntity(node.SubscriptID{1}, node.Active, 1)},
				{"message", node.Messages, test.message, text(t, test.by.keys.Address(), alice.Address(), nil)},
				{"subscribe for a message", node.Messages, none, node.SubscribeEntity(test.by.keys.Address(), alice.Address(), time.Hour, node.SubscriptID{1}, test.by.card, "")},
				{"message for a subscribe", node.Presence, none, text(t, test.by.keys.Address(), alice.Address(), nil)},
			} {
				before := alice.rows(t)
				said, err := test.by.asks(alice.Person, op.protocol, op.entity)
				got := said.Outcome
				switch {
				case err != nil:
					got = none
				case said.Reason != "":
					got += ": " + said.Reason
				}
				if !strings.HasPrefix(got, op.want) || (op.want == "success") != (got == "success") {
					t.Errorf("%s, %s: got %q (%v), want %q", test.name, op.name, got, err, op.want)
				}
				if op.want != "success" {
					if diff := cmp.Diff(before, alice.rows(t)); diff != "" {
						t.Errorf("%s, %s: stored (-before +after):\n%s", test.name, op.name, diff)
					}
				}
			}
		}
		if got := alice.log.count("revoked device"); got != 1 {
			t.Errorf("a revoked device that tried five times was logged %d times", got)
		}
	})
}

// TestStrangersCannotHaveThingsLookedUp: at most so many questions to DNS and DHT,
// however many strangers of however many domains write.
func TestStrangersCannotHaveThingsLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := nodetest.NewWorld(10 * time.Millisecond)
		alice := newReceptionist(t, w, "")
		flood := func() (zones, lookups int) {
			zonesBefore, lookupsBefore := alice.port.asked()
			for i := range 12 {
				k := enrol(t, newDomain(t, fmt.Sprintf("d%d.example", i)), "mallory")
				o := outsiderOf(t, k, mustSignCard(t, k, identity.CardDraft{Serial: 1}, time.Now()))
				lookupsBefore++ // of alice, by the test
				if _, err := o.asks(alice.Person, node.Messages, text(t, k.Address(), alice.Address(), nil)); err == nil {
					t.Error("answered under a domain that no zone confirms")
				}
			}
			zones, lookups = alice.port.asked()
			return zones - zonesBefore, lookups - lookupsBefore
		}
		if zones, lookups := flood(); zones != 4 || lookups != 0 {
			t.Errorf("12 strangers at once: %d questions to zones, %d to the DHT; want 4 and 0", zones, lookups)
		}
		time.Sleep(time.Minute)
		if zones, _ := flood(); zones != 4 {
			t.Errorf("a minute later: %d questions, want 4 about others", zones)
		}
		time.Sleep(2 * time.Minute)
		zonesBefore, _ := alice.port.asked()
		k := enrol(t, newDomain(t, "d0.example"), "mallory")
		o := outsiderOf(t, k, mustSignCard(t, k, identity.CardDraft{Serial: 1}, time.Now()))
		o.asks(alice.Person, node.Messages, text(t, k.Address(), alice.Address(), nil))
		if zones, _ := alice.port.asked(); zones != zonesBefore {
			t.Error("a zone that named no key just before was asked again")
		}

		// A stranger whose request waits, with devices that no card lists.
		mallory := newOutsider(t, "mallory")
		if _, err := mallory.asks(alice.Person, node.Presence, node.SubscribeEntity(mallory.keys.Address(), alice.Address(), time.Hour, node.SubscriptID{1}, mallory.card, "")); err != nil {
			t.Fatal(err)
		}
		second := outsiderOf(t, secondDevice(t, mallory.keys), mallory.card)
		_, before := alice.port.asked()
		const tries = 20
		for range tries {
			if _, err := second.asks(alice.Person, node.Messages, text(t, mallory.keys.Address(), alice.Address(), nil)); err == nil {
				t.Error("answered a device that is not listed")
			}
		}
		if _, after := alice.port.asked(); after-before-tries > 1 {
			t.Errorf("%d lookups for one stranger", after-before-tries)
		}
	})
}
