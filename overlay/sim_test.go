package overlay_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay"
	"github.com/kith-im/kith/overlay/overlaytest"
)

// simulate runs a test in virtual time; rest, before the bubble ends, lets what
// was closed come to its end.
func simulate(t *testing.T, latency overlaytest.Latency, f func(t *testing.T, net *overlaytest.Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, overlaytest.New(latency))
		time.Sleep(5 * time.Minute)
	})
}

// on is a person on a host of their name. Others are ways in.
func on(t *testing.T, net *overlaytest.Net, name string, ways ...*person) (*person, func()) {
	cfg := net.Host(name)
	for _, w := range ways {
		cfg.Bootstrap = append(cfg.Bootstrap, w.Addresses()...)
	}
	return start(t, name, cfg)
}

func TestTwoAlone(t *testing.T) {
	for _, at := range []string{"127.0.0.1", "10.1.0.1", "9.9.9.9"} {
		t.Run(at, func(t *testing.T) {
			simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
				ip := netip.MustParseAddr(at)
				alice, stop := start(t, "alice", net.HostAt("alice", ip))
				defer stop()
				bob, stop := start(t, "bob", net.HostAt("bob", ip.Next()))
				defer stop()
				acks, err := alice.Announce(t.Context(), alice.card(t))
				if acks != 0 || err != nil {
					t.Errorf("announce alone: got %d, %v, want 0, nil", acks, err)
				}
				// Bob has Alice's invitation.
				began := time.Now()
				card, found, err := bob.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()}, alice.brief())
				if err != nil || !found || card.Card().Address != alice.keys.Address() {
					t.Fatalf("resolve by hint: got %v, %v after %v", found, err, time.Since(began))
				}
				t.Logf("resolved by hint in %v", time.Since(began))
				for _, reach := range []identity.Reach{card.Card().Devices[0].Reach, alice.brief()} {
					began := time.Now()
					request := bob.request(t, alice, "hello")
					response, err := bob.Exchange(t.Context(), "/kith/im/1", reach, request)
					if err != nil || response.Digest() != request.Digest() {
						t.Fatalf("exchange: %v after %v", err, time.Since(began))
					}
					t.Logf("exchanged in %v", time.Since(began))
				}
				time.Sleep(5 * time.Second)
				// Bob is in Alice's table now, if they are neighbours.
				acks, err = alice.Announce(t.Context(), alice.card(t))
				want := 1
				if at == "9.9.9.9" {
					want = 0 // nobody has told them that they are public
				}
				if acks != want || err != nil {
					t.Errorf("announce again: got %d, %v, want %d, nil", acks, err, want)
				}
				if got := alice.stirs.Load() > 0; got != (want == 1) {
					t.Errorf("stirred: got %v", got)
				}
				t.Logf("%+v", alice.Status())
			})
		})
	}
}

func TestExchangeRefused(t *testing.T) {
	simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		bob, stop := on(t, net, "bob")
		defer stop()
		request := bob.request(t, alice, "hello")
		if _, err := bob.Exchange(t.Context(), "/kith/im/1", bob.full(), request); err == nil {
			t.Error("exchange with itself succeeded")
		}
		if _, err := bob.Exchange(t.Context(), "/kith/other/1", alice.full(), request); err == nil {
			t.Error("exchange by an unknown protocol succeeded")
		}
		refuse := func(protocol, from string) bool { return protocol == "/kith/im/1" && from == bob.PeerID() }
		alice.refuse.Store(&refuse)
		if _, err := bob.Exchange(t.Context(), "/kith/im/1", alice.full(), request); err == nil {
			t.Error("refused device was answered")
		}
		if asked, _ := alice.calls(); asked > 0 {
			t.Errorf("refused device was heard %d times", asked)
		}
		if _, err := bob.Exchange(t.Context(), "/kith/presence/1", alice.full(), request); err != nil {
			t.Errorf("admitted protocol: %v", err)
		}
		net.Kill("alice")
		began := time.Now()
		if _, err := bob.Exchange(t.Context(), "/kith/presence/1", alice.full(), request); err == nil {
			t.Error("dead device answered")
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("dead device: error after %v", took)
		}
	})
}

// crowd is n people who know the first of them.
func crowd(t *testing.T, net *overlaytest.Net, n int) (people []*person, stop func()) {
	var stops []func()
	for i := range n {
		p, stop := on(t, net, fmt.Sprintf("p%d", i), people[:min(i, 1)]...)
		people, stops = append(people, p), append(stops, stop)
		time.Sleep(time.Second)
	}
	return people, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func TestLookups(t *testing.T) {
	simulate(t, overlaytest.Uniform(1), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 20)
		defer stop()
		time.Sleep(time.Minute)
		for _, p := range people {
			began := time.Now()
			acks, err := p.Announce(t.Context(), p.card(t))
			if err != nil || acks < 10 {
				t.Errorf("announce: %d, %v", acks, err)
			}
			t.Logf("announced to %d in %v; table %d", acks, time.Since(began), p.Status().WAN)
		}
		var most, sum time.Duration
		for i, p := range people {
			who := people[(i+7)%len(people)]
			began := time.Now()
			card, found, err := p.Resolve(t.Context(), identity.Locator{Address: who.keys.Address()})
			took := time.Since(began)
			if err != nil || !found || card.Card().Address != who.keys.Address() {
				t.Errorf("resolve %d: %v, %v", i, found, err)
			}
			most, sum = max(most, took), sum+took
		}
		t.Logf("lookup: mean %v, most %v", sum/20, most)
		report, err := people[3].Lookup(t.Context(), identity.Locator{Address: people[4].keys.Address()}, people[4].full(), people[5].brief(), nil)
		if err != nil || !report.Found || len(report.Probes) != 12 || report.Card.Card().Address != people[4].keys.Address() {
			t.Errorf("lookup: %+v, %v", report, err)
		}
		stranger, err := identity.New("stranger", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, found, err := people[3].Resolve(t.Context(), identity.Locator{Address: stranger.Address()})
		t.Logf("not found in %v", time.Since(began))
		if found || err != nil || time.Since(began) > 10*time.Second {
			t.Errorf("resolve a stranger: %v, %v after %v", found, err, time.Since(began))
		}
	})
}

func TestDeadHolders(t *testing.T) {
	simulate(t, overlaytest.Uniform(2), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 20)
		defer stop()
		time.Sleep(time.Minute)
		alice := people[0]
		if _, err := alice.Announce(t.Context(), alice.card(t)); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < 10; i++ { // the owner among them
			net.Kill(fmt.Sprintf("p%d", i))
		}
		for _, p := range people[10:] {
			began := time.Now()
			_, found, err := p.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()})
			if took := time.Since(began); err != nil || !found || took > time.Second {
				t.Errorf("resolve with half dead: %v, %v after %v", found, err, took)
			}
			began = time.Now()
			_, found, err = p.Resolve(t.Context(), identity.Locator{Address: nobody(t)})
			if took := time.Since(began); err != nil || found || took > 10*time.Second {
				t.Errorf("resolve nobody with half dead: %v, %v after %v", found, err, took)
			} else {
				t.Logf("not found with half dead in %v", took)
			}
		}
	})
}

func nobody(t *testing.T) identity.Address {
	k, err := identity.New("nobody", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return k.Address()
}

func TestAloneThenSomebody(t *testing.T) {
	simulate(t, overlaytest.Uniform(3), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		if acks, err := alice.Announce(t.Context(), alice.card(t)); acks != 0 || err != nil {
			t.Errorf("announce alone: %d, %v", acks, err)
		}
		time.Sleep(time.Hour)
		if n := alice.stirs.Load(); n != 0 {
			t.Errorf("stirred %d times alone", n)
		}
		// A newcomer finds her although nothing was announced to it.
		bob, stop := on(t, net, "bob", alice)
		defer stop()
		began := time.Now()
		if _, found, err := bob.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()}); !found || err != nil {
			t.Errorf("resolve just after the start: %v, %v", found, err)
		}
		t.Logf("resolved just after the start in %v", time.Since(began))
		time.Sleep(5 * time.Second)
		if n := alice.stirs.Load(); n == 0 {
			t.Error("not stirred when somebody came")
		}
		if acks, err := alice.Announce(t.Context(), alice.card(t)); acks != 1 || err != nil {
			t.Errorf("announce to one: %d, %v", acks, err)
		}
	})
}

var _ overlay.Handler = (*person)(nil)

// TestManyLookups is a network in which most devices do not keep the record that
// is looked for.
func TestManyLookups(t *testing.T) {
	if os.Getenv("KITH_SCALE") == "" {
		t.Skip("100 nodes: set KITH_SCALE")
	}
	simulate(t, overlaytest.Uniform(8), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 100)
		defer stop()
		time.Sleep(10 * time.Minute)
		for _, p := range people[:10] {
			began := time.Now()
			acks, err := p.Announce(t.Context(), p.card(t))
			if err != nil || acks < 15 {
				t.Errorf("announce: %d, %v", acks, err)
			}
			t.Logf("announced to %d in %v; table %d, connected %d", acks, time.Since(began), p.Status().WAN, p.Status().Connected)
		}
		var times []time.Duration
		for _, p := range people[50:] {
			for _, who := range people[:10] {
				began := time.Now()
				_, found, err := p.Resolve(t.Context(), identity.Locator{Address: who.keys.Address()})
				times = append(times, time.Since(began))
				if err != nil || !found {
					t.Errorf("resolve: %v, %v", found, err)
				}
			}
		}
		slices.Sort(times)
		t.Logf("lookups: median %v, 99 %% %v, most %v", times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
		times = nil
		for _, p := range people[:20] {
			began := time.Now()
			_, found, err := p.Resolve(t.Context(), identity.Locator{Address: nobody(t)})
			times = append(times, time.Since(began))
			if found || err != nil || times[len(times)-1] > 10*time.Second {
				t.Errorf("resolve nobody: %v, %v", found, err)
			}
		}
		slices.Sort(times)
		t.Logf("not found: median %v, most %v", times[len(times)/2], times[len(times)-1])
		report, err := people[60].Lookup(t.Context(), identity.Locator{Address: people[3].keys.Address()}, people[3].full(), people[4].brief())
		if err != nil || !report.Found || len(report.Probes) != 12 {
			t.Errorf("lookup: %+v, %v", report.Probes, err)
		}
		for _, p := range report.Probes {
			t.Logf("%+v", p)
		}
	})
}

// TestCut listens through a cut that is shorter than a connection's patience,
// and through one that is longer.
func TestCut(t *testing.T) {
	simulate(t, overlaytest.Uniform(9), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		bob, stop := on(t, net, "bob")
		defer stop()
		epoch := identity.NewEpoch()
		topic := epoch.Topic(time.Now())
		if err := bob.Listen(topic, []identity.Reach{alice.full()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		for _, cut := range []time.Duration{5 * time.Second, 10 * time.Minute} {
			net.Cut("alice", "bob")
			lost := alice.publication(t, epoch, "during "+cut.String())
			n, err := alice.Publish(t.Context(), topic, lost, reaches([]*person{bob}))
			t.Logf("cut for %v: reached %d, %v", cut, n, err)
			time.Sleep(cut)
			net.Heal("alice", "bob")
			time.Sleep(100 * time.Second)
			s := alice.publication(t, epoch, "after "+cut.String())
			if n, err := alice.Publish(t.Context(), topic, s, reaches([]*person{bob})); n != 1 || err != nil {
				t.Errorf("publish after %v: %d, %v", cut, n, err)
			}
			time.Sleep(time.Second)
			if bob.hears(s) == 0 {
				t.Errorf("not heard after %v", cut)
			}
		}
	})
}
