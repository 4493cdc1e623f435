package overlay

import (
	"github.com/libp2p/go-libp2p/core/network"
)

// Status is what a device knows of its place in the network, for people.
type Status struct {
	PeerID       string   // transport identity
	Listening    []string // where this device listens, as multiaddrs
	Reachable    []string // where it tells others to find it
	Connected    int      // devices connected, directly or over a relay
	LAN, WAN     int      // devices in the routing tables
	Reachability string   // "public", "private" or "unknown", from outside
	Records      int      // records kept for the DHTs
	Asked        int64    // requests of the DHTs that came since the start
	Topics       int      // topics listened to
	Neighbours   int      // devices that pubsub may know
}

// Status describes this device now.
func (o *Overlay) Status() Status {
	s := Status{
		PeerID:       o.PeerID(),
		Listening:    texts(o.host.Network().ListenAddresses()),
		Reachable:    texts(o.host.Addrs()),
		Connected:    len(o.host.Network().Peers()),
		LAN:          o.names.lan.RoutingTable().Size(),
		WAN:          o.names.wan.RoutingTable().Size(),
		Reachability: "unknown",
		Records:      o.names.store.count(),
		Asked:        o.names.asked.Load(),
		Neighbours:   o.topics.vetted.count(),
	}
	if h, ok := o.host.(interface{ Reachability() network.Reachability }); ok {
		switch h.Reachability() {
		case network.ReachabilityPublic:
			s.Reachability = "public"
		case network.ReachabilityPrivate:
			s.Reachability = "private"
		}
	}
	o.topics.mu.Lock()
	s.Topics = len(o.topics.listening)
	o.topics.mu.Unlock()
	return s
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return len(s.kept)
}

func (v *vetted) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.all())
}
