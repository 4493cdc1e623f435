package overlay

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/miekg/dns"
)

// zoneOf serves example.test, whose _im targets are h1.test, h2.test and so on,
// in this order, each with one device of that number.
func zoneOf(t *testing.T, count int) *nameServer {
	t.Helper()
	s := serveDNS(t)
	for i := 1; i <= count; i++ {
		host := fmt.Sprintf("h%d.test", i)
		s.add(t, fmt.Sprintf("_im._kith.example.test. SRV %d 0 %d %s.", i, i, host))
		s.add(t, device(t, host, byte(i), fmt.Sprintf("192.0.2.%d", i))...)
	}
	return s
}

// outcomes is what came of attempts, a line each.
func outcomes(attempts []attempt) []string {
	var lines []string
	for _, a := range attempts {
		switch {
		case a.Found:
			lines = append(lines, a.Target+" found")
		case a.Err != nil:
			lines = append(lines, a.Target+" "+a.Err.Error())
		default:
			lines = append(lines, a.Target+" nothing said")
		}
	}
	return lines
}

// R3861-6-try-all, R3861-6-limit, R3861-5-next-hop: all targets in order until
// one gives a good record, as many as the limit says.
func TestSearchZone(t *testing.T) {
	const bad = " no device there gave a good record"
	for _, c := range []struct {
		name    string
		targets int  // of the zone
		limit   int  // of the configuration
		good    byte // device
		want    []string
		asked   []byte
	}{
		{"first", 3, 0, 1, []string{"h1.test:1 found", "h2.test:2 not tried: there was no need", "h3.test:3 not tried: there was no need"}, []byte{1}},
		{"third", 3, 0, 3, []string{"h1.test:1" + bad, "h2.test:2" + bad, "h3.test:3 found"}, []byte{1, 2, 3}},
		{"third, limit 2", 3, 2, 3, []string{"h1.test:1" + bad, "h2.test:2" + bad, "h3.test:3 not tried, nor 0 after it: the limit is 2 targets"}, []byte{1, 2}},
		{"second, limit 2", 3, 2, 2, []string{"h1.test:1" + bad, "h2.test:2 found"}, []byte{1, 2}},
		{"third, limit 3", 3, 3, 3, []string{"h1.test:1" + bad, "h2.test:2" + bad, "h3.test:3 found"}, []byte{1, 2, 3}},
		{"none, limit 2 of 9", 9, 2, 0, []string{"h1.test:1" + bad, "h2.test:2" + bad, "h3.test:3 not tried, nor 6 after it: the limit is 2 targets"}, []byte{1, 2}},
		{"none", 2, 0, 0, []string{"h1.test:1" + bad, "h2.test:2" + bad}, []byte{1, 2}},
		{"no targets", 0, 0, 0, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := ask(t, zoneOf(t, c.targets), DNS{Targets: c.limit})
			var mu sync.Mutex
			var asked []byte
			attempts, err := z.search(t.Context(), "im", "example.test", func(_ context.Context, p peer.AddrInfo) bool {
				mu.Lock()
				defer mu.Unlock()
				for n := byte(1); n < 10; n++ {
					if p.ID == peerID(t, n) {
						asked = append(asked, n)
					}
				}
				return c.good > 0 && p.ID == peerID(t, c.good)
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, outcomes(attempts)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.asked, asked); diff != "" {
				t.Errorf("asked: %s", diff)
			}
		})
	}
}

// A hard limit holds without a configured one.
func TestSearchZoneMany(t *testing.T) {
	s := serveDNS(t)
	for i := range 1000 {
		s.add(t, fmt.Sprintf("_im._kith.example.test. SRV 0 0 %d h.test.", 1+i))
	}
	s.add(t, device(t, "h.test", 1, "192.0.2.1")...)
	asked := 0
	attempts, err := ask(t, s, DNS{Targets: 500}).search(t.Context(), "im", "example.test", func(context.Context, peer.AddrInfo) bool {
		asked++
		return false
	})
	if err != nil || asked != targetsLimit || len(attempts) != targetsLimit+1 {
		t.Fatalf("got %d attempts, %d asked, %v", len(attempts), asked, err)
	}
	if last := attempts[targetsLimit].Err.Error(); last != "not tried, nor 983 after it: the limit is 16 targets" {
		t.Errorf("got %q", last)
	}
}

// A target that swallows everything delays the next only for a while, and gets
// its answer in late if it has one.
func TestSearchZoneSilent(t *testing.T) {
	z := ask(t, zoneOf(t, 3), DNS{})
	began := time.Now()
	attempts, err := z.search(t.Context(), "im", "example.test", func(ctx context.Context, p peer.AddrInfo) bool {
		if p.ID == peerID(t, 3) {
			return true
		}
		<-ctx.Done()
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"h1.test:1 another target answered first", "h2.test:2 another target answered first", "h3.test:3 found"}
	if diff := cmp.Diff(want, outcomes(attempts)); diff != "" {
		t.Error(diff)
	}
	if took := time.Since(began); took < 2*nextTarget || took > 2*nextTarget+time.Second {
		t.Errorf("took %v, want %v", took, 2*nextTarget)
	}
}

// Time ends the search; what was begun and what was not are told apart.
func TestSearchZoneTime(t *testing.T) {
	z := ask(t, zoneOf(t, 3), DNS{})
	ctx, cancel := context.WithTimeout(t.Context(), nextTarget/2)
	defer cancel()
	attempts, err := z.search(ctx, "im", "example.test", func(ctx context.Context, _ peer.AddrInfo) bool {
		<-ctx.Done()
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"h1.test:1 no device there answered in time", "h2.test:2 not tried: no time was left", "h3.test:3 not tried: no time was left"}
	if diff := cmp.Diff(want, outcomes(attempts)); diff != "" {
		t.Error(diff)
	}
}

// All devices of a target are asked, and targets that cannot be are not; a
// failure of the DNS is one target's alone, or everything's.
func TestSearchZoneFaults(t *testing.T) {
	s := zoneOf(t, 3)
	s.add(t, device(t, "h2.test", 7, "192.0.2.7")...)
	s.add(t, "_im._kith.example.test. SRV 0 0 1 h9.test.", "_im._kith.closed.test. SRV 0 0 1 .")
	s.fail("_kith.h1.test.", dns.RcodeServerFailure)
	z := ask(t, s, DNS{})
	attempts, err := z.search(t.Context(), "im", "example.test", func(_ context.Context, p peer.AddrInfo) bool { return p.ID == peerID(t, 7) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"h9.test:1 names no device in a TXT record",
		"h1.test:1 lookup _kith.h1.test. on " + s.addr + ": server misbehaving",
		"h2.test:2 found",
		"h3.test:3 not tried: there was no need",
	}
	if diff := cmp.Diff(want, outcomes(attempts)); diff != "" {
		t.Error(diff)
	}
	s.fail("_im._kith.example.test.", dns.RcodeServerFailure)
	never := func(context.Context, peer.AddrInfo) bool { t.Error("asked"); return true }
	if attempts, err := z.search(t.Context(), "im", "example.test", never); attempts != nil || err == nil {
		t.Errorf("got %v, %v, want an error", outcomes(attempts), err)
	}
	if attempts, err := z.search(t.Context(), "im", "closed.test", never); attempts != nil || err == nil || !strings.Contains(err.Error(), errNotOffered.Error()) {
		t.Errorf("got %v, %v, want %v", outcomes(attempts), err, errNotOffered)
	}
}

// R3861-1-scope, R3861-3-resolve, R3861-4-srv-excludes-a, R3861-5-next-hop,
// R3861-7-security: the device which
// the zone names is dialled, over the real TCP, and nobody else who listens
// there is taken for it.
func TestSearchZoneDials(t *testing.T) {
	s := serveDNS(t)
	open := func(n byte) *Overlay {
		o, err := New(Config{Key: seeded(n), Listen: []string{"/ip4/127.0.0.1/tcp/0"}, DNS: DNS{Server: s.addr}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { o.Close() })
		return o
	}
	bob, device := open(1), open(2)
	port := device.Port()
	s.add(t,
		fmt.Sprintf("_im._kith.example.test. SRV 1 0 %d wrong.test.", port),
		fmt.Sprintf("_im._kith.example.test. SRV 2 0 %d self.test.", bob.Port()),
		fmt.Sprintf("_im._kith.example.test. SRV 3 0 %d right.test.", port),
		"wrong.test. A 127.0.0.1", `_kith.wrong.test. TXT "v=kith1; p=`+peerID(t, 3).String()+`"`,
		"self.test. A 127.0.0.1", `_kith.self.test. TXT "v=kith1; p=`+peerID(t, 1).String()+`"`,
		"right.test. A 127.0.0.1", `_kith.right.test. TXT "v=kith1; p=`+peerID(t, 2).String()+`"`,
		"example.test. A 127.0.0.1")
	attempts, err := bob.searchZone(t.Context(), "im", "example.test", func(ctx context.Context, p peer.AddrInfo) bool {
		return bob.connect(ctx, p) == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, found := range []bool{false, false, true} {
		if len(attempts) != 3 || attempts[i].Found != found {
			t.Fatalf("got %q, want the third found", outcomes(attempts))
		}
	}
	if peers := bob.host.Network().Peers(); len(peers) != 1 || peers[0] != device.host.ID() {
		t.Errorf("connected to %v, want %v", peers, device.host.ID())
	}
	if log := s.log(); log[0] != "_im._kith.example.test. SRV" || strings.Contains(strings.Join(log, "\n"), "\nexample.test. A") {
		t.Errorf("asked %q", log)
	}
	if key, found, err := bob.DomainKey(t.Context(), "example.test"); key != nil || found || err != nil {
		t.Errorf("key: got %x, %v, %v", key, found, err)
	}
}
