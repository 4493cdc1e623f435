package overlay_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay/overlaytest"
)

func reaches(people []*person) []identity.Reach {
	var r []identity.Reach
	for _, p := range people {
		r = append(r, p.full())
	}
	return r
}

func TestPublish(t *testing.T) {
	simulate(t, overlaytest.Uniform(4), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 7)
		defer stop()
		alice, watchers, stranger := people[0], people[1:6], people[6]
		epoch := identity.NewEpoch()
		topic := epoch.Topic(time.Now())

		// The stranger is connected to Alice and to a watcher, and listens to the
		// very topic, as somebody would who had guessed it.
		if err := stranger.Listen(topic, []identity.Reach{alice.full(), watchers[0].full()}); err != nil {
			t.Fatal(err)
		}
		for _, w := range watchers {
			if err := w.Listen(topic, []identity.Reach{alice.full()}); err != nil {
				t.Fatal(err)
			}
		}
		// Before Alice has seen any of them listening she reaches all of them.
		first := alice.publication(t, epoch, "first")
		began := time.Now()
		n, err := alice.Publish(t.Context(), topic, first, reaches(watchers))
		if n != 5 || err != nil {
			t.Errorf("publish at once: got %d, %v, want 5", n, err)
		}
		t.Logf("pushed to 5 in %v", time.Since(began))
		time.Sleep(5 * time.Second)
		bytes := net.Counters().Bytes
		second := alice.publication(t, epoch, "second")
		began = time.Now()
		n, err = alice.Publish(t.Context(), topic, second, reaches(watchers))
		took := time.Since(began)
		if n != 5 || err != nil || took > 5*time.Millisecond {
			t.Errorf("publish by gossip: got %d, %v after %v, want 5 at once", n, err, took)
		}
		time.Sleep(time.Second)
		t.Logf("gossiped to 5: %d octets for %d", net.Counters().Bytes-bytes, len(second.Bytes()))
		for i, w := range watchers {
			if w.hears(first) != 1 || w.hears(second) != 1 {
				t.Errorf("watcher %d heard %d and %d times", i, w.hears(first), w.hears(second))
			}
		}
		if stranger.hears(first)+stranger.hears(second) > 0 || stranger.Sees(topic) > 0 || alice.Sees(topic) != 5 {
			t.Errorf("a stranger heard, or sees %d in the topic; Alice sees %d", stranger.Sees(topic), alice.Sees(topic))
		}
		// After Leave only the direct way is left.
		watchers[0].Leave(topic)
		time.Sleep(time.Second)
		third := alice.publication(t, epoch, "third")
		if n, err := alice.Publish(t.Context(), topic, third, reaches(watchers)); n != 5 || err != nil {
			t.Errorf("publish after a leave: got %d, %v, want 5", n, err)
		}
		if n, err := alice.Publish(t.Context(), topic, alice.publication(t, epoch, "fourth"), reaches(watchers[1:])); n != 4 || err != nil {
			t.Errorf("publish without the one who left: got %d, %v, want 4", n, err)
		}
		if watchers[0].hears(third) != 1 {
			t.Error("push after leave not heard")
		}
	})
}

// TestPublishToDead counts those reached, and is not held up for ever.
func TestPublishToDead(t *testing.T) {
	simulate(t, overlaytest.Uniform(5), func(t *testing.T, net *overlaytest.Net) {
		people, stop := crowd(t, net, 4)
		defer stop()
		alice, watchers := people[0], people[1:]
		epoch := identity.NewEpoch()
		net.Kill("p2")
		watchers[2].mu.Lock()
		watchers[2].deaf = true
		watchers[2].mu.Unlock()
		began := time.Now()
		n, err := alice.Publish(t.Context(), epoch.Topic(time.Now()), alice.publication(t, epoch, "x"), reaches(watchers))
		if n != 1 || err != nil {
			t.Errorf("publish: got %d, %v, want 1", n, err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("publish took %v", took)
		}
	})
}

// TestReconnect hears again after the publisher was away.
func TestReconnect(t *testing.T) {
	simulate(t, overlaytest.Uniform(6), func(t *testing.T, net *overlaytest.Net) {
		alice, stopAlice := on(t, net, "alice")
		bob, stop := on(t, net, "bob")
		defer stop()
		epoch := identity.NewEpoch()
		topic := epoch.Topic(time.Now())
		if err := bob.Listen(topic, []identity.Reach{alice.full()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if got := bob.Status().Connected; got != 1 {
			t.Fatalf("connected to %d", got)
		}
		stopAlice()
		time.Sleep(10 * time.Minute)
		// The same device again, at the same address.
		again := net.HostAt("alice", netip.MustParseAddr("60.1.0.1"))
		alice, stopAlice = start(t, "alice", again)
		defer stopAlice()
		time.Sleep(100 * time.Second) // a back-off at its longest, with jitter
		if got := alice.Status().Connected; got != 1 {
			t.Errorf("%d came back", got)
		}
		s := alice.publication(t, epoch, "back")
		n, err := alice.Publish(t.Context(), topic, s, reaches([]*person{bob}))
		time.Sleep(time.Second)
		// Pushed, or by the topic, or both: Hear tells.
		if n != 1 || err != nil || bob.hears(s) == 0 {
			t.Errorf("publish: %d, %v, heard %d", n, err, bob.hears(s))
		}
	})
}

func TestTopicLimits(t *testing.T) {
	simulate(t, overlaytest.Uniform(7), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		for _, topic := range []string{"", "k1/short", "k1/" + strings.Repeat("a", 23), "k2/" + strings.Repeat("a", 22), "k1/" + strings.Repeat("ä", 11)} {
			if err := alice.Listen(topic, nil); err == nil {
				t.Errorf("listened to %q", topic)
			}
			if _, err := alice.Publish(t.Context(), topic, identity.Sealed{}, nil); err == nil {
				t.Errorf("published to %q", topic)
			}
		}
		name := func(i int) string { return fmt.Sprintf("k1/%022d", i) }
		for i := range 1000 {
			if err := alice.Listen(name(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := alice.Listen(name(1000), nil); err == nil {
			t.Error("listened to 1001 topics")
		}
		if err := alice.Listen(name(0), nil); err != nil {
			t.Errorf("listen again: %v", err)
		}
		alice.Leave(name(0))
		alice.Leave(name(0))
		if err := alice.Listen(name(1000), nil); err != nil {
			t.Errorf("listen after leave: %v", err)
		}
		if _, err := alice.Publish(t.Context(), name(1), alice.request(t, alice, "no publication"), nil); err == nil {
			t.Error("published what is not sealed to an audience")
		}
	})
}

// TestBurst hears all of a thousand topics that speak at once.
func TestBurst(t *testing.T) {
	simulate(t, overlaytest.Uniform(10), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		bob, stop := on(t, net, "bob")
		defer stop()
		s := alice.publication(t, identity.NewEpoch(), "x")
		name := func(i int) string { return fmt.Sprintf("k1/%022d", i) }
		for i := range 1000 {
			if err := bob.Listen(name(i), []identity.Reach{alice.full()}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if n, err := alice.Publish(t.Context(), name(0), s, reaches([]*person{bob})); n != 1 || err != nil {
			t.Fatalf("publish: %d, %v", n, err)
		}
		time.Sleep(5 * time.Second)
		before := bob.hears(s)
		for i := range 1000 {
			if _, err := alice.Publish(t.Context(), name(i), s, nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		// The first topic's was heard before, and its second copy is dropped.
		if got := bob.hears(s) - before; got < 999 {
			t.Errorf("heard %d of 1000", got)
		}
	})
}
