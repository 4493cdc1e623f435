package overlay_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay"
	"github.com/kith-im/kith/overlay/overlaytest"
)

// mustAnnounce announces a new card of p.
func mustAnnounce(t *testing.T, p *person) (card identity.SignedCard, acks int) {
	t.Helper()
	card = p.card(t)
	acks, err := p.Announce(t.Context(), card)
	if err != nil {
		t.Fatalf("announce: %v", err)
	}
	return card, acks
}

// mustResolve demands that p finds who, within some time.
func mustResolve(t *testing.T, what string, p *person, who identity.Locator, within time.Duration, hints ...identity.Reach) *identity.Card {
	t.Helper()
	began := time.Now()
	card, found, err := p.Resolve(t.Context(), who, hints...)
	if took := time.Since(began); err != nil || !found || took > within {
		t.Fatalf("%s: %v, %v after %v", what, found, err, took)
	}
	return card.Card()
}

// slotsFound is in which of the three slots some probe of a lookup found a card.
func slotsFound(r overlay.Report) (found [3]bool) {
	for _, p := range r.Probes {
		found[p.Slot] = found[p.Slot] || p.Found && !p.Name
	}
	return found
}

// TestThirdGone kills 30 % of the devices at the moment after an announce.
func TestThirdGone(t *testing.T) {
	simulate(t, overlaytest.Uniform(21), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 40)
		defer stop()
		time.Sleep(time.Minute)
		alice := people[7]
		if _, acks := mustAnnounce(t, alice); acks < 15 {
			t.Errorf("%d devices acknowledged", acks)
		}
		for i := range 12 { // people[7] among them, and the way in of all
			net.Kill(fmt.Sprintf("p%d", i))
		}
		for _, p := range people[12:20] {
			mustResolve(t, "with 30 % gone", p, alice.at(), 2*time.Second)
		}
		for _, p := range []*person{people[20], people[39]} {
			report, err := p.Lookup(t.Context(), alice.at())
			if err != nil || slotsFound(report) != [3]bool{true, true, true} {
				t.Errorf("slots alone: %v, %v", slotsFound(report), err)
			}
		}
		// Those who are left can announce, although their tables are full of the dead.
		bob := people[30]
		if _, acks := mustAnnounce(t, bob); acks < 8 {
			t.Errorf("%d devices acknowledged with 30 %% gone", acks)
		}
		mustResolve(t, "announced with 30 % gone", people[31], bob.at(), 2*time.Second)
	})
}

// TestKeepCarries lets all devices that an owner stored records at go, and the
// owner first; a contact's Keep hands the records on to those who came.
func TestKeepCarries(t *testing.T) {
	simulate(t, overlaytest.Uniform(22), func(t *testing.T, net *overlaytest.Net) {
		first, stopFirst := crowd(t, net, 6)
		defer stopFirst()
		owner, contact := first[1], first[0]
		card, _ := mustAnnounce(t, owner)
		// The contact was not asked to keep anything: forget that it is close.
		net.Kill("p1")
		if err := contact.Keep(t.Context(), owner.at()); err != nil {
			t.Fatal(err)
		}
		var later []*person
		for i := range 6 {
			p, stop := on(t, net, fmt.Sprint("q", i), contact)
			defer stop()
			later = append(later, p)
			time.Sleep(time.Second)
		}
		time.Sleep(keepsAlive + time.Minute)
		if err := contact.Keep(t.Context(), owner.at()); err != nil {
			t.Fatal(err)
		}
		for i := 2; i < 6; i++ {
			net.Kill(fmt.Sprint("p", i))
		}
		net.Kill("p0") // the contact, too
		time.Sleep(time.Minute)
		for _, r := range card.Records() {
			have := 0
			for _, p := range later {
				if v, ok := p.Holds(r.Key); ok && slices.Equal(v, r.Value) {
					have++
				}
			}
			if have < 5 {
				t.Errorf("%d of 6 newcomers hold %s", have, r.Key)
			}
		}
		fresh, stop := on(t, net, "fresh", later[0])
		defer stop()
		got := mustResolve(t, "after all storers went", fresh, owner.at(), 2*time.Second)
		if got.Serial != card.Card().Serial {
			t.Errorf("found serial %d, want %d", got.Serial, card.Card().Serial)
		}
	})
}

// keepsAlive is how long an owner may be silent before contacts put their records
// again.
const keepsAlive = 2 * time.Hour

// TestKeepEnds is a contact who keeps records until they expire, and no longer.
func TestKeepEnds(t *testing.T) {
	simulate(t, overlaytest.Uniform(23), func(t *testing.T, net *overlaytest.Net) {
		contact, stop := on(t, net, "contact")
		defer stop()
		owner, stop := on(t, net, "owner", contact)
		defer stop()
		third, stop := on(t, net, "third", contact)
		defer stop()
		time.Sleep(22 * time.Hour) // to 22:00 UTC
		mustAnnounce(t, owner)
		net.Kill("owner")
		began := time.Now()
		for {
			time.Sleep(30 * time.Minute)
			now := time.Now().UTC()
			err := contact.Keep(t.Context(), owner.at())
			_, found, _ := third.Resolve(t.Context(), owner.at())
			// The records are for the day of the announce and the next one.
			want := now.Day() == began.UTC().Day() || now.Day() == began.AddDate(0, 0, 1).UTC().Day()
			if found != want || (err == nil) != want {
				t.Fatalf("at %v: found %v, keep %v, want %v", now, found, err, want)
			}
			if !want {
				break
			}
		}
		if took := time.Since(began); took < 25*time.Hour {
			t.Errorf("carried for %v", took)
		}
		// An hour after the end of its day, and what clocks may differ, it is gone.
		time.Sleep(2 * time.Hour)
		for _, p := range []*person{contact, third} {
			if n := p.Status().Records; n != 0 {
				t.Errorf("%d records left", n)
			}
		}
	})
}

// TestKeepOfNobody fails.
func TestKeepOfNobody(t *testing.T) {
	simulate(t, overlaytest.Fixed(10*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 3)
		defer stop()
		if err := people[0].Keep(t.Context(), identity.Locator{Address: nobody(t)}); err == nil {
			t.Error("kept nobody's records")
		}
		if err := people[0].Keep(t.Context(), identity.Locator{}); err == nil {
			t.Error("kept records of the zero locator")
		}
	})
}

// TestFresherFromOwner has an old card in the DHT and a new one at the owner's
// device only.
func TestFresherFromOwner(t *testing.T) {
	simulate(t, overlaytest.Fixed(10*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 5)
		defer stop()
		owner, reader := people[1], people[2]
		old, _ := mustAnnounce(t, owner)
		time.Sleep(10 * time.Second)
		fresh := owner.card(t)
		if err := owner.KeepOnly(fresh); err != nil {
			t.Fatal(err)
		}
		if got := mustResolve(t, "with a hint", reader, owner.at(), time.Second, owner.full()); got.Serial != fresh.Card().Serial {
			t.Errorf("got serial %d, want %d: the DHT has %d", got.Serial, fresh.Card().Serial, old.Card().Serial)
		}
	})
}

// TestContactsKnow finds somebody whom no DHT knows, by what contacts remember.
func TestContactsKnow(t *testing.T) {
	simulate(t, overlaytest.Uniform(24), func(t *testing.T, net *overlaytest.Net) {
		owner, stop := on(t, net, "owner")
		defer stop()
		contact, stop := on(t, net, "contact")
		defer stop()
		reader, stop := on(t, net, "reader")
		defer stop()
		if acks, err := owner.Announce(t.Context(), owner.card(t)); acks != 0 || err != nil {
			t.Fatalf("announce alone: %d, %v", acks, err)
		}
		// By the owner's last address, beside one where nobody is any more.
		dead, stop := on(t, net, "dead")
		net.Kill("dead")
		defer stop()
		mustResolve(t, "by the last address", reader, owner.at(), time.Second, dead.full(), owner.brief())
		// By a common contact, who keeps what the owner's device told.
		if err := contact.Connect(t.Context(), owner.Overlay); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := contact.Keep(t.Context(), owner.at()); err != nil {
			t.Fatal(err)
		}
		net.Kill("owner")
		stranger, stop := on(t, net, "stranger")
		defer stop()
		mustResolve(t, "by a contact", stranger, owner.at(), time.Second, contact.brief())
	})
}

// TestDayChange reads across midnight (UTC) with clocks up to 10 minutes wrong at
// the reader, the storing devices and the owner, unless the owner's is more than
// 10 minutes ahead of another's.
func TestDayChange(t *testing.T) {
	skews := []time.Duration{-10 * time.Minute, 0, 10 * time.Minute}
	for _, storers := range skews {
		t.Run(fmt.Sprint("storers ", storers), func(t *testing.T) {
			simulate(t, overlaytest.Uniform(25), func(t *testing.T, net *overlaytest.Net) {
				start := func(name string, ahead time.Duration, ways ...*person) (*person, func()) {
					cfg := overlay.WithClock(net.Host(name), ahead)
					for _, w := range ways {
						cfg.Bootstrap = append(cfg.Bootstrap, w.Addresses()...)
					}
					p, stop := start(t, name, cfg)
					p.ahead = ahead
					return p, stop
				}
				time.Sleep(23*time.Hour + 39*time.Minute)
				store, stop := start("s0", storers)
				defer stop()
				for i := range 2 {
					_, stop := start(fmt.Sprint("s", i+1), storers, store)
					defer stop()
				}
				var owners, readers []*person
				for _, skew := range skews {
					owner, stop := start(fmt.Sprint("owner ", skew), skew, store)
					defer stop()
					reader, stop := start(fmt.Sprint("reader ", skew), skew, store)
					defer stop()
					none := func(protocol, from string) bool { return true } // stores nothing
					reader.refuse.Store(&none)
					owners, readers = append(owners, owner), append(readers, reader)
				}
				time.Sleep(time.Minute)
				for minute := range 45 { // 23:40 to 00:25
					for _, owner := range owners {
						if minute%20 == 0 {
							mustAnnounce(t, owner)
						}
						for _, reader := range readers {
							if _, found, err := reader.Resolve(t.Context(), owner.at()); !found || err != nil {
								t.Errorf("%v: owner %v, reader %v: %v, %v", time.Now().UTC().Format("15:04"), owner.ahead, reader.ahead, found, err)
							}
						}
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}
