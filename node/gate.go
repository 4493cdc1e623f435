package node

import (
	"sync"
	"time"
)

// Limits of the gate: what one transport identity may ask of a node before it
// has shown whose device it is. A device of a contact is not held back.
const (
	gateBurst   = 32 // requests at once
	gatePerSec  = 2  // and then each second
	gateTracked = 4096
)

// gate is the first half of the node's policy: it decides, from the transport
// identity alone and before an octet is read, whether a request may be made at
// all. The second half, rules about people, comes once the request says who
// made it. Forgetting everything when full keeps it small under a flood of
// fresh identities, which the network's own limits hold back.
type gate struct {
	mu    sync.Mutex
	peers map[string]*credit
}

type credit struct {
	left  float64
	at    time.Time
	known bool // a contact's device
}

// admit says whether a transport identity may make a request now.
func (g *gate) admit(from string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.peers[from]
	if c == nil {
		if g.peers == nil || len(g.peers) >= gateTracked {
			g.peers = make(map[string]*credit)
		}
		c = &credit{left: gateBurst, at: now}
		g.peers[from] = c
	}
	if c.known {
		return true
	}
	c.left = min(gateBurst, c.left+now.Sub(c.at).Seconds()*gatePerSec)
	c.at = now
	if c.left < 1 {
		return false
	}
	c.left--
	return true
}

// vouch notes whether a transport identity was shown to be a contact's device.
func (g *gate) vouch(from string, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.peers[from]; c != nil {
		c.known = known
	}
}

// Admit decides, before any of it is read, whether a device may make a
// request. The network calls it for everything inbound. What neighbours do for
// each other (the DHT, gossip) is not about this node's owner and is held back
// by the network's own limits only.
func (n *Node) Admit(protocol, from string) bool {
	if protocol != Messages && protocol != Presence && protocol != Devices {
		return true
	}
	return n.gate.admit(from, time.Now())
}
