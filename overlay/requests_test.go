package overlay_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay/overlaytest"
)

// TestRequests counts what it costs others to be found, to find and to keep. The
// numbers are in doc/spec/frames.md section 5.
func TestRequests(t *testing.T) {
	if raced {
		t.Skip("a large network, tested without the race detector")
	}
	simulate(t, overlaytest.Uniform(61), func(t *testing.T, net *overlaytest.Net) {
		time.Sleep(time.Hour)
		keys, err := identity.New("silent", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		c := newCommunity(t, "")
		people, stop := crowd(t, net, 49)
		defer stop()
		cfg := net.Host("silent")
		cfg.Bootstrap = people[0].Addresses()
		silent, stop := startAs(t, "silent", keys, cfg)
		defer stop()
		silent.ahead = -keepsAlive - 10*time.Minute // a card from before
		cfg = net.Host("member")
		cfg.Bootstrap = people[0].Addresses()
		member, stop := startAs(t, "member", c.member(t, "member", false), cfg)
		defer stop()
		all := append(people[:49:49], silent, member)
		time.Sleep(time.Minute)
		count := func(what string, most int64, do func()) {
			t.Helper()
			before := asked(all)
			do()
			n := asked(all) - before
			t.Logf("%s: %d requests", what, n)
			if n > most {
				t.Errorf("%s: %d requests, want at most %d", what, n, most)
			}
		}
		alone := people[7]
		count("announce of 6 records", 400, func() { mustAnnounce(t, alone) })
		count("announce of a member, 12 records", 800, func() { mustAnnounce(t, member) })
		count("10 resolves", 200, func() {
			for _, p := range people[20:30] {
				mustResolve(t, "resolve", p, alone.at(), time.Second)
			}
		})
		count("10 resolves of a member", 400, func() {
			for _, p := range people[20:30] {
				mustResolve(t, "resolve", p, c.locator(member), time.Second)
			}
		})
		hinted := people[30]
		hinted.Connect(t.Context(), alone.Overlay)
		count("resolve of nobody", 200, func() { hinted.Resolve(t.Context(), identity.Locator{Address: nobody(t)}) })
		count("lookup", 200, func() { hinted.Lookup(t.Context(), alone.at(), alone.full()) })
		mustAnnounce(t, silent)
		keep := func(p *person) {
			if err := people[9].Keep(t.Context(), p.at()); err != nil {
				t.Error(err)
			}
		}
		count("keep of one who renews", 120, func() { keep(alone) })
		count("keep of one who does not", 600, func() { keep(silent) })
	})
}

// TestLargestRecord is a card of several devices that fills a record of 8 KiB.
func TestLargestRecord(t *testing.T) {
	simulate(t, overlaytest.Uniform(62), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 12)
		defer stop()
		time.Sleep(time.Minute)
		alice := people[4]
		draft := identity.CardDraft{Serial: 1, Reach: alice.full()}
		var card identity.SignedCard
		for size := 0; size < 8192; {
			pending, err := identity.NewPending()
			if err != nil {
				t.Fatal(err)
			}
			request, err := pending.Request()
			if err != nil {
				t.Fatal(err)
			}
			_, d, err := alice.keys.Certify(request, identity.Permit{Scopes: identity.ScopePublish | identity.ScopeRead}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			d.Reach = make(identity.Reach, 1024)
			rand.Read(d.Reach)
			draft.Others = append(draft.Others, d)
			if card, err = alice.keys.SignCard(draft, time.Now()); err != nil {
				t.Fatal(err)
			}
			size = len(card.Records()[0].Value)
		}
		if acks, err := alice.Announce(t.Context(), card); err != nil || acks < 11 {
			t.Fatalf("announce: %d, %v", acks, err)
		}
		net.Kill(alice.name)
		got := mustResolve(t, "8 KiB", people[9], alice.at(), 2*time.Second)
		if len(got.Devices) != 1+len(draft.Others) {
			t.Errorf("%d devices", len(got.Devices))
		}
		if err := people[8].Keep(t.Context(), alice.at()); err != nil {
			t.Error(err)
		}
	})
}

// TestDeviceProtocol exchanges between devices of one person, by a protocol that
// is admitted by itself and carries no publications.
func TestDeviceProtocol(t *testing.T) {
	simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		bob, stop := on(t, net, "bob")
		defer stop()
		request := bob.request(t, alice, "hello")
		response, err := bob.Exchange(t.Context(), "/kith/device/1", alice.full(), request)
		if err != nil || response.Digest() != request.Digest() {
			t.Fatalf("exchange: %v", err)
		}
		if len(alice.asked) != 1 || alice.asked[0] != "/kith/device/1" {
			t.Errorf("asked by %q", alice.asked)
		}
		refuse := func(protocol, from string) bool { return protocol == "/kith/device/1" && from == bob.PeerID() }
		alice.refuse.Store(&refuse)
		if _, err := bob.Exchange(t.Context(), "/kith/device/1", alice.full(), request); err == nil {
			t.Error("refused device was answered")
		}
		if _, err := bob.Exchange(t.Context(), "/kith/im/1", alice.full(), request); err != nil {
			t.Errorf("admitted protocol: %v", err)
		}
	})
}
