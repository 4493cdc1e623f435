package overlay_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay/overlaytest"
)

// community is a domain, and where the keys of its members are.
type community struct {
	*identity.Domain
	dir string
	n   int
}

// newCommunity makes a domain, of the DNS if it has a name.
func newCommunity(t *testing.T, dns string) *community {
	t.Helper()
	dir := t.TempDir()
	d, err := identity.CreateDomain(filepath.Join(dir, "domain"), dns, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return &community{Domain: d, dir: dir}
}

// member makes keys for a member. Replace gives the address of another account to
// this one.
func (c *community) member(t *testing.T, local string, replace bool) *identity.Keys {
	t.Helper()
	a, err := identity.ParseAddress(local + "@" + c.Name())
	if err != nil {
		t.Fatal(err)
	}
	c.n++
	home := filepath.Join(c.dir, fmt.Sprint(c.n))
	request, err := identity.RequestAccount(home, a, c.Key(), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	grant, err := c.Enrol(request, identity.Enrolment{Until: now.AddDate(0, 1, 0), Days: 4, Replace: replace}, now)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.AcceptAccount(home, grant, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// locator is what a reader knows who was told the address and, for the DNS, has
// asked the zone.
func (c *community) locator(p *person) identity.Locator {
	return identity.Locator{Address: p.keys.Address(), Domain: c.Key()}
}

func TestMembers(t *testing.T) {
	for _, dns := range []string{"", "example.org"} {
		t.Run("domain "+dns, func(t *testing.T) {
			simulate(t, overlaytest.Uniform(41), func(t *testing.T, net *overlaytest.Net) {
				time.Sleep(3 * time.Hour) // tomorrow's names can be stored
				c := newCommunity(t, dns)
				others, stop := crowd(t, net, 8)
				defer stop()
				cfg := net.Host("alice")
				cfg.Bootstrap = others[0].Addresses()
				alice, stop := startAs(t, "alice", c.member(t, "alice", false), cfg)
				defer stop()
				time.Sleep(10 * time.Second)
				card, acks := mustAnnounce(t, alice)
				if len(card.Records()) != 12 || acks < 8 {
					t.Errorf("%d records, %d acknowledged the fewest", len(card.Records()), acks)
				}
				at := c.locator(alice)
				got := mustResolve(t, "member", others[3], at, time.Second)
				if got.Serial != card.Card().Serial || got.AccountKey().Equal(c.Key()) {
					t.Errorf("got serial %d of %x", got.Serial, got.AccountKey())
				}
				name, found, err := others[3].Name(t.Context(), at)
				if err != nil || !found || !name.Account.Equal(got.AccountKey()) || name.Serial != 1 {
					t.Errorf("name: %+v, %v, %v", name, found, err)
				}
				at.Account = name.Account
				mustResolve(t, "member whose account is known", others[4], at, time.Second)
				at.Account = alice.keys.Locator().Account
				mustResolve(t, "member by her own locator", others[4], at, time.Second)
				lookUpMember(t, others[5], c.locator(alice), alice)
				wrong := c.locator(alice)
				wrong.Domain = others[0].keys.Locator().Account // of somebody who is their own domain
				if wrong.Domain == nil {
					wrong.Domain, _ = others[0].keys.Address().DomainKey()
				}
				if _, found, err := others[3].Resolve(t.Context(), wrong); found || dns == "" && err == nil {
					t.Errorf("by the key of another domain: %v, %v", found, err)
				}
				if dns != "" {
					if _, _, err := others[3].Resolve(t.Context(), identity.Locator{Address: at.Address}); err == nil {
						t.Error("resolved without the key of the zone")
					}
				}
				if _, found, err := others[3].Name(t.Context(), others[1].at()); found || err != nil {
					t.Errorf("name of who is their own domain: %v, %v", found, err)
				}
			})
		})
	}
}

// lookUpMember checks that a report shows names and cards, from everywhere.
func lookUpMember(t *testing.T, p *person, at identity.Locator, who *person) {
	t.Helper()
	report, err := p.Lookup(t.Context(), at, who.full())
	if err != nil || !report.Found || report.Name.Account == nil {
		t.Fatalf("lookup: %+v, %v", report, err)
	}
	var names, cards [3]int
	for _, q := range report.Probes {
		switch {
		case !q.Found || q.Network == "dns":
		case q.Name && !q.Account:
			names[q.Slot]++
		case q.Account && q.Size == 2048 && q.Serial == report.Card.Card().Serial:
			cards[q.Slot]++
		}
	}
	// The device itself and the WAN have both; the LAN is of those with other addresses.
	if slices.Min(names[:]) < 2 || slices.Min(cards[:]) < 2 {
		t.Errorf("names in slots: %v, cards: %v, of %+v", names, cards, report.Probes)
	}
}

// TestMemberByHint finds a member whom no DHT knows.
func TestMemberByHint(t *testing.T) {
	simulate(t, overlaytest.Uniform(42), func(t *testing.T, net *overlaytest.Net) {
		time.Sleep(3 * time.Hour)
		c := newCommunity(t, "")
		alice, stop := startAs(t, "alice", c.member(t, "alice", false), net.Host("alice"))
		defer stop()
		contact, stop := on(t, net, "contact")
		defer stop()
		reader, stop := on(t, net, "reader")
		defer stop()
		if _, err := alice.Announce(t.Context(), alice.card(t)); err != nil {
			t.Fatal(err)
		}
		mustResolve(t, "by hint", reader, c.locator(alice), time.Second, alice.brief())
		if err := contact.Connect(t.Context(), alice.Overlay); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := contact.Keep(t.Context(), c.locator(alice)); err != nil {
			t.Fatal(err)
		}
		if n := contact.Status().Records; n != 12 {
			t.Errorf("contact keeps %d records, want 12", n)
		}
		net.Kill("alice")
		late, stop := on(t, net, "late")
		defer stop()
		mustResolve(t, "by a contact", late, c.locator(alice), time.Second, contact.brief())
	})
}

// TestMemberReplaced gives an address to another account: the later name wins
// over whoever has the earlier one, and an expired one ends the address.
func TestMemberReplaced(t *testing.T) {
	simulate(t, overlaytest.Uniform(43), func(t *testing.T, net *overlaytest.Net) {
		time.Sleep(3 * time.Hour)
		c := newCommunity(t, "")
		others, stop := crowd(t, net, 8)
		defer stop()
		join := func(name string, replace bool) *person {
			cfg := net.Host(name)
			cfg.Bootstrap = others[0].Addresses()
			p, stop := startAs(t, name, c.member(t, "alice", replace), cfg)
			t.Cleanup(stop)
			return p
		}
		old := join("old", false)
		time.Sleep(10 * time.Second)
		mustAnnounce(t, old)
		first := mustResolve(t, "first account", others[2], c.locator(old), time.Second)
		next := join("next", true)
		time.Sleep(10 * time.Second)
		mustAnnounce(t, next)
		// The old account goes on announcing; its name is not stored any more.
		if acks, err := old.Announce(t.Context(), old.card(t)); acks > 0 && err == nil {
			t.Errorf("%d devices stored the old name", acks)
		}
		for _, p := range others {
			got := mustResolve(t, "second account", p, c.locator(old), time.Second)
			if got.AccountKey().Equal(first.AccountKey()) {
				t.Error("found the old account")
			}
		}
		if name, _, err := others[2].Name(t.Context(), c.locator(old)); err != nil || name.Serial != 2 {
			t.Errorf("name: %+v, %v", name, err)
		}
		// Who pinned the old account finds it, and learns by Name that it is over.
		pinned := c.locator(old)
		pinned.Account = first.AccountKey()
		if got := mustResolve(t, "pinned", others[3], pinned, time.Second); !got.AccountKey().Equal(first.AccountKey()) {
			t.Error("found another account than the one asked for")
		}
		expired, err := c.Expire("alice", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if acks, err := others[0].AnnounceRecords(t.Context(), expired); acks < 5 || err != nil {
			t.Errorf("expired names: %d, %v", acks, err)
		}
		began := time.Now()
		_, found, err := others[4].Resolve(t.Context(), c.locator(old))
		if took := time.Since(began); found || err != nil || took > 10*time.Second {
			t.Errorf("expired: %v, %v after %v", found, err, took)
		}
		report, err := others[4].Lookup(t.Context(), c.locator(old))
		if err != nil || report.Found || report.Name.IsZero() || report.Name.Account != nil || report.Name.Serial != 3 {
			t.Errorf("lookup of the expired: %+v, %v", report.Name, err)
		}
		if err := others[5].Keep(t.Context(), c.locator(old)); err != nil {
			t.Errorf("keep of the expired: %v", err)
		}
	})
}

// TestManyMembers has many addresses in one domain: no device carries the domain,
// and finding one of many takes no longer than finding one of few.
func TestManyMembers(t *testing.T) {
	if raced {
		t.Skip("a large network, tested without the race detector")
	}
	few, many, nodes := 10, 50, 24
	if os.Getenv("KITH_SCALE") != "" {
		many, nodes = 2000, 30
	}
	simulate(t, overlaytest.Uniform(44), func(t *testing.T, net *overlaytest.Net) {
		time.Sleep(3 * time.Hour)
		c := newCommunity(t, "")
		people, stop := crowd(t, net, nodes)
		defer stop()
		keys := make(map[string]bool)
		var at []identity.Locator
		enrol := func(from, to int) {
			for i := from; i < to; i++ {
				k := c.member(t, fmt.Sprint("member", i), false)
				card, err := k.SignCard(identity.CardDraft{Serial: 1}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				for j, r := range card.Records() {
					keys[r.Key] = true
					if j%3 == 0 { // one slot of each kind and day
						people[i%nodes].PutClosest(t.Context(), r)
					}
				}
				at = append(at, identity.Locator{Address: k.Address()})
			}
		}
		measure := func() (mean time.Duration, requests int64) {
			before := asked(people)
			began := time.Now()
			for i := range few {
				mustResolve(t, "member", people[(i+11)%nodes], at[i*len(at)/few], 2*time.Second)
			}
			return time.Since(began) / time.Duration(few), (asked(people) - before) / int64(few)
		}
		enrol(0, few)
		time1, requests1 := measure()
		enrol(few, many)
		time2, requests2 := measure()
		t.Logf("of %d: %v, %d requests; of %d: %v, %d requests", few, time1, requests1, many, time2, requests2)
		if time2 > 2*time1+100*time.Millisecond || requests2 > 2*requests1+10 {
			t.Error("finding one of many takes longer")
		}
		checkSpread(t, people, keys)
	})
}

// checkSpread demands that devices store about as much as each other, and nothing
// but records under the given keys.
func checkSpread(t *testing.T, people []*person, keys map[string]bool) {
	t.Helper()
	var most, sum int
	for _, p := range people {
		stored, err := p.Stored(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range stored {
			if !keys[recordKey(e.Value)] {
				t.Fatalf("%q is stored, which is of no member", e.Key)
			}
		}
		most, sum = max(most, len(stored)), sum+len(stored)
	}
	mean := float64(sum) / float64(len(people))
	t.Logf("records at a device: %.0f in the mean, %d at most", mean, most)
	if float64(most) > 1.6*mean {
		t.Errorf("%d records at one device, %.0f in the mean", most, mean)
	}
}

// recordKey is the key in a stored value.
func recordKey(stored []byte) string {
	i := bytes.Index(stored, []byte("/kith/"))
	if i < 0 || len(stored) < i+58 {
		return ""
	}
	return string(stored[i : i+58])
}

// asked is how many requests all have got.
func asked(people []*person) (n int64) {
	for _, p := range people {
		n += p.Status().Asked
	}
	return n
}

// TestDomainSpread counts which of 500 devices the records of 2000 names in one
// domain would be stored at.
func TestDomainSpread(t *testing.T) {
	const names, devices, closest = 2000, 500, 20
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([][32]byte, devices)
	for i := range ids {
		ids[i] = sha256.Sum256(fmt.Append(nil, "device", i))
	}
	load := make([]int, devices)
	order := make([]int, devices)
	for i := range names {
		a, err := identity.NewAddress(fmt.Sprint("name", i), public)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := identity.RecordKeys(identity.Locator{Address: a}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			target := sha256.Sum256([]byte(key))
			for j := range order {
				order[j] = j
			}
			slices.SortFunc(order, func(a, b int) int {
				for i := range target {
					if x, y := ids[a][i]^target[i], ids[b][i]^target[i]; x != y {
						return int(x) - int(y)
					}
				}
				return 0
			})
			for _, j := range order[:closest] {
				load[j]++
			}
		}
	}
	mean := names * 3 * closest / devices
	if most := slices.Max(load); most > 2*mean || slices.Min(load) < mean/4 {
		t.Errorf("a device has %d to %d records, %d in the mean", slices.Min(load), most, mean)
	} else {
		t.Logf("a device has %d to %d records, %d in the mean", slices.Min(load), most, mean)
	}
}
