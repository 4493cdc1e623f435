package overlay_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
)

// within looks every 10 ms of real time, until ok or for so long.
func within(t *testing.T, d time.Duration, ok func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// eventually is 10 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !within(t, 10*time.Second, ok) {
		t.Fatalf("not within 10 s: %s", what)
	}
}

// TestLoopback is the whole of it once over the real TCP and QUIC, with the real
// resource limits, on this machine alone.
func TestLoopback(t *testing.T) {
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(strings.Split(listen, "/")[3], func(t *testing.T) {
			alice, stop := start(t, "alice", overlay.Config{Listen: []string{listen}})
			defer stop()
			file := filepath.Join(t.TempDir(), "peers")
			bob, stopBob := start(t, "bob", overlay.Config{Listen: []string{listen}, PeersFile: file})
			defer stopBob()
			if acks, err := alice.Announce(t.Context(), alice.card(t)); acks != 0 || err != nil {
				t.Errorf("announce alone: got %d, %v, want 0, nil", acks, err)
			}
			began := time.Now()
			card, found, err := bob.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()}, alice.brief())
			if !found || err != nil {
				t.Fatalf("resolve by hint: %v, %v", found, err)
			}
			t.Logf("resolve by hint: %v", time.Since(began))
			reach := card.Card().Devices[0].Reach
			began = time.Now()
			request := bob.request(t, alice, strings.Repeat("long ", 20_000))
			response, err := bob.Exchange(t.Context(), "/kith/im/1", reach, request)
			if err != nil || response.Digest() != request.Digest() {
				t.Fatalf("exchange: %v", err)
			}
			t.Logf("exchange of %d octets: %v", len(request.Bytes()), time.Since(began))
			eventually(t, "tables", func() bool { return alice.Status().LAN == 1 && bob.Status().LAN == 1 })
			eventually(t, "stir", func() bool { return alice.stirs.Load() > 0 })
			if acks, err := alice.Announce(t.Context(), alice.card(t)); acks != 1 || err != nil {
				t.Errorf("announce: got %d, %v, want 1, nil", acks, err)
			}
			began = time.Now()
			if _, found, err := bob.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()}); !found || err != nil {
				t.Errorf("resolve: %v, %v", found, err)
			}
			t.Logf("resolve: %v", time.Since(began))
			began = time.Now()
			if _, found, err := bob.Resolve(t.Context(), identity.Locator{Address: nobody(t)}); found || err != nil {
				t.Errorf("resolve nobody: %v, %v", found, err)
			}
			t.Logf("not found: %v", time.Since(began))

			epoch := identity.NewEpoch()
			topic := epoch.Topic(time.Now())
			if err := bob.Listen(topic, []identity.Reach{reach}); err != nil {
				t.Fatal(err)
			}
			began = time.Now()
			s := alice.publication(t, epoch, "here")
			if n, err := alice.Publish(t.Context(), topic, s, []identity.Reach{bob.full()}); n != 1 || err != nil || bob.hears(s) != 1 {
				t.Errorf("push: got %d, %v, want 1, nil; heard %d", n, err, bob.hears(s))
			}
			t.Logf("push: %v", time.Since(began))
			eventually(t, "bob listens", func() bool { return alice.Sees(topic) == 1 })
			began = time.Now()
			s = alice.publication(t, epoch, "there")
			if _, err := alice.Publish(t.Context(), topic, s, nil); err != nil {
				t.Error(err)
			}
			eventually(t, "gossip", func() bool { return bob.hears(s) == 1 })
			t.Logf("gossip: %v", time.Since(began))

			stopBob()
			b, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(b), alice.PeerID()) {
				t.Errorf("peers file: %v, %q", err, b)
			}
			// Bob comes back knowing nothing but the file.
			bob, stopBob = start(t, "bob", overlay.Config{Listen: []string{listen}, PeersFile: file})
			defer stopBob()
			if _, found, err := bob.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()}); !found || err != nil {
				t.Errorf("resolve after a restart: %v, %v", found, err)
			}
		})
	}
}

// TestDefaults listens everywhere, at one port for TCP and UDP.
func TestDefaults(t *testing.T) {
	alice, stop := start(t, "alice", overlay.Config{LAN: true})
	defer stop()
	port := alice.Port()
	t.Logf("%+v", alice.Status())
	if port == 0 {
		t.Fatal("no port")
	}
	full, brief := alice.Reach()
	if len(full) == 0 || len(full) > 1024 || len(brief) == 0 || len(brief) > 300 {
		t.Errorf("reach of %d and %d octets", len(full), len(brief))
	}
	stop()
	again, stop := start(t, "alice", overlay.Config{Port: port})
	defer stop()
	if again.Port() != port {
		t.Errorf("port %d, want %d", again.Port(), port)
	}
}

// TestRelayed exchanges with a device that can be reached through a third only.
func TestRelayed(t *testing.T) {
	listen := []string{"/ip4/127.0.0.1/tcp/0"}
	relay, stop := start(t, "relay", overlay.Config{Listen: listen, Public: true})
	defer stop()
	alice, stop := start(t, "alice", overlay.Config{Listen: listen})
	defer stop()
	bob, stop := start(t, "bob", overlay.Config{Listen: listen})
	defer stop()
	if acks, err := alice.Announce(t.Context(), alice.card(t)); acks != 0 || err != nil {
		t.Errorf("announce alone: %d, %v", acks, err)
	}
	third := *host.InfoFromHost(relay.Host())
	eventually(t, "a reservation", func() bool {
		if err := alice.Connect(t.Context(), relay.Overlay); err != nil {
			t.Fatal(err)
		}
		_, err := client.Reserve(t.Context(), alice.Host(), third)
		return err == nil
	})
	reach := overlay.Over(alice.Overlay, relay.Addresses()[0]+"/p2p-circuit")
	card, found, err := bob.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()}, reach)
	if !found || err != nil || card.IsZero() {
		t.Errorf("resolve: %v, %v", found, err)
	}
	request := bob.request(t, alice, strings.Repeat("long ", 40_000))
	if response, err := bob.Exchange(t.Context(), "/kith/im/1", reach, request); err != nil || response.Digest() != request.Digest() {
		t.Errorf("exchange: %v", err)
	}
	for _, c := range bob.Host().Network().ConnsToPeer(alice.Host().ID()) {
		t.Logf("limited: %v", c.Stat().Limited)
	}
	epoch := identity.NewEpoch()
	s := bob.publication(t, epoch, "here")
	if n, err := bob.Publish(t.Context(), epoch.Topic(time.Now()), s, []identity.Reach{reach}); n != 1 || err != nil || alice.hears(s) == 0 {
		t.Errorf("publish: %d, %v", n, err)
	}
}

// TestLAN finds a neighbour by mDNS alone.
func TestLAN(t *testing.T) {
	alice, stop := start(t, "alice", overlay.Config{LAN: true})
	defer stop()
	bob, stop := start(t, "bob", overlay.Config{LAN: true})
	defer stop()
	began := time.Now()
	if !within(t, 5*time.Second, func() bool { return alice.Status().LAN > 0 && bob.Status().LAN > 0 }) {
		t.Skip("no multicast on this machine")
	}
	t.Logf("found in %v", time.Since(began))
	if acks, err := alice.Announce(t.Context(), alice.card(t)); acks < 1 || err != nil {
		t.Errorf("announce: %d, %v", acks, err)
	}
	if _, found, err := bob.Resolve(t.Context(), identity.Locator{Address: alice.keys.Address()}); !found || err != nil {
		t.Errorf("resolve: %v, %v", found, err)
	}
}

// TestAnywhere meets with nothing configured, whatever interfaces there are.
func TestAnywhere(t *testing.T) {
	alice, stop := start(t, "alice", overlay.Config{})
	defer stop()
	bob, stop := start(t, "bob", overlay.Config{})
	defer stop()
	t.Log(alice.Status().Reachable)
	for _, reach := range []identity.Reach{alice.brief(), alice.full()} {
		if _, err := bob.Exchange(t.Context(), "/kith/im/1", reach, bob.request(t, alice, "hello")); err != nil {
			t.Errorf("exchange: %v", err)
		}
	}
	eventually(t, "tables", func() bool { return alice.Status().LAN == 1 && bob.Status().LAN == 1 })
	if err := alice.Serve(t.Context(), alice); err == nil {
		t.Error("served twice")
	}
}
