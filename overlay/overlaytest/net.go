// Package overlaytest runs real overlays on a simulated internet. Hosts, DHTs,
// pubsub and streams are those of package overlay; only the wires are made up:
// an in-memory transport like TCP, with a latency for each pair of hosts, which
// can be cut and healed, and hosts which can vanish without a word.
//
// Use it inside synctest.Test, so that time is virtual and a network of twenty
// nodes lives through minutes in a second:
//
//	net := overlaytest.New(overlaytest.Uniform(1))
//	a, err := overlay.New(net.Host("a"))
//
// Every overlay must be closed before the bubble ends.
package overlaytest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"hash/fnv"
	"net/netip"
	"sync"
	"time"

	"github.com/kith-im/kith/overlay"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
)

// dialTimeout is how long a dial to a host that does not answer takes to fail.
const dialTimeout = 5 * time.Second

// Latency says how long an octet takes from one host to another, by their
// addresses. It must be symmetric, and the same whenever it is asked.
type Latency func(a, b netip.Addr) time.Duration

// Fixed is the same latency between any two hosts.
func Fixed(d time.Duration) Latency {
	return func(netip.Addr, netip.Addr) time.Duration { return d }
}

// Uniform draws a latency of 10 to 80 ms for each pair of hosts; equal seeds
// give equal networks.
func Uniform(seed byte) Latency {
	return func(a, b netip.Addr) time.Duration {
		if b.Less(a) {
			a, b = b, a
		}
		h := fnv.New64a()
		h.Write([]byte{seed})
		h.Write(a.AsSlice())
		h.Write(b.AsSlice())
		return 10*time.Millisecond + time.Duration(h.Sum64()%70_000)*time.Microsecond
	}
}

// Counters is what a Net has carried so far.
type Counters struct {
	Dials, Bytes int64
}

// Net is a simulated internet. It is safe for concurrent use.
type Net struct {
	latency Latency

	mu        sync.Mutex // guards all below; never held over a wait
	hosts     map[string]netip.Addr
	listeners map[netip.AddrPort]*listener
	wires     map[*wire]struct{}
	dead      map[netip.Addr]bool
	cut       map[[2]netip.Addr]bool
	port      uint16
	counters  Counters
}

// New returns an internet without hosts.
func New(latency Latency) *Net {
	return &Net{
		latency:   latency,
		hosts:     make(map[string]netip.Addr),
		listeners: make(map[netip.AddrPort]*listener),
		wires:     make(map[*wire]struct{}),
		dead:      make(map[netip.Addr]bool),
		cut:       make(map[[2]netip.Addr]bool),
		port:      10000,
	}
}

// Host returns the configuration of an overlay on a host with a public address
// of its own, in a /16 of its own, and a key derived from its name.
func (n *Net) Host(name string) overlay.Config {
	n.mu.Lock()
	i := len(n.hosts)
	n.mu.Unlock()
	// 60.0.0.0/6 and what follows it is unicast and public: 30 networks of 250.
	addr := netip.AddrFrom4([4]byte{byte(60 + i%30), byte(1 + i/30), 0, 1})
	return n.HostAt(name, addr, libp2p.ForceReachabilityPublic())
}

// HostAt is Host at an address of the caller's choice, for private networks and
// loopback, and without a verdict on whether it can be reached from outside.
func (n *Net) HostAt(name string, addr netip.Addr, extra ...libp2p.Option) overlay.Config {
	n.mu.Lock()
	n.hosts[name] = addr
	n.mu.Unlock()
	seed := sha256.Sum256([]byte("overlaytest host " + name))
	return overlay.Config{
		Key:    ed25519.NewKeyFromSeed(seed[:]),
		Listen: []string{"/ip4/" + addr.String() + "/tcp/8000"},
		DNS:    overlay.DNS{Off: true}, // the real one is not of this internet
		Transport: append([]libp2p.Option{
			libp2p.Transport(n.transport(addr)),
			libp2p.Security(noise.ID, noise.New),
			libp2p.ResourceManager(&network.NullResourceManager{}),
			libp2p.DisableRelay(),
			// Address discovery starts work that no virtual clock can see.
			libp2p.DisableIdentifyAddressDiscovery(),
		}, extra...),
	}
}

// Kill makes a host vanish: what it sends and what is sent to it is lost, and
// nobody is told. It does not come back.
func (n *Net) Kill(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead[n.hosts[name]] = true
}

// Cut stops all traffic between two hosts until Heal. As with TCP, what was
// sent meanwhile arrives afterwards, if the ends are still waiting for it.
func (n *Net) Cut(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[n.pair(n.hosts[a], n.hosts[b])] = true
}

// Heal ends a Cut.
func (n *Net) Heal(a, b string) {
	n.mu.Lock()
	pair := n.pair(n.hosts[a], n.hosts[b])
	delete(n.cut, pair)
	var held []*wire
	for w := range n.wires {
		if n.pair(w.local.Addr(), w.remote.Addr()) == pair {
			held = append(held, w)
		}
	}
	n.mu.Unlock()
	for _, w := range held {
		w.release(time.Now().Add(n.latency(w.local.Addr(), w.remote.Addr())))
	}
}

// Counters returns what was carried so far.
func (n *Net) Counters() Counters {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counters
}

func (n *Net) pair(a, b netip.Addr) [2]netip.Addr {
	if b.Less(a) {
		a, b = b, a
	}
	return [2]netip.Addr{a, b}
}

// way is the state of the path between two hosts.
type way int

const (
	open way = iota
	held     // cut: what is sent waits
	lost     // one end is dead: what is sent is gone
)

func (n *Net) way(a, b netip.Addr) way {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.dead[a] || n.dead[b]:
		return lost
	case n.cut[n.pair(a, b)]:
		return held
	}
	return open
}
