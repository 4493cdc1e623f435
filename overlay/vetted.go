package overlay

import (
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Pubsub tells every neighbour it knows the names of all topics it joins: who
// watches whom. So it knows only vetted neighbours: the devices named in Listen
// and Publish. Others are not connected, as far as pubsub can see, and its
// streams from them wait unread until they are vetted.

const (
	vettedFor   = 48 * time.Hour // after the last Publish to a device
	vettedLimit = 4096
	parkedFor   = time.Hour
	parkedLimit = 256
)

// vetted is the set of neighbours pubsub may know.
type vetted struct {
	host    host.Host
	changed event.Emitter // tells pubsub to look at a neighbour again

	mu     sync.Mutex
	until  map[peer.ID]time.Time     // named in Publish
	wanted map[peer.ID]bool          // named in Listen
	parked map[peer.ID]chan struct{} // closed when vetted, or replaced
}

func newVetted(h host.Host) (*vetted, error) {
	changed, err := h.EventBus().Emitter(new(event.EvtPeerProtocolsUpdated))
	if err != nil {
		return nil, err
	}
	return &vetted{
		host: h, changed: changed,
		until:  make(map[peer.ID]time.Time),
		wanted: make(map[peer.ID]bool),
		parked: make(map[peer.ID]chan struct{}),
	}, nil
}

func (v *vetted) has(p peer.ID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.in(p)
}

func (v *vetted) in(p peer.ID) bool {
	_, published := v.until[p]
	return published || v.wanted[p]
}

// publishTo vets the devices of a Publish.
func (v *vetted) publishTo(ps []peer.ID, now time.Time) {
	v.change(func() {
		for _, p := range ps {
			if _, known := v.until[p]; known || len(v.until) < vettedLimit {
				v.until[p] = now.Add(vettedFor)
			}
		}
	})
}

// listenTo vets the devices of all Listens, and only them.
func (v *vetted) listenTo(ps map[peer.ID]bool) { v.change(func() { v.wanted = ps }) }

// sweep forgets devices not published to for long.
func (v *vetted) sweep(now time.Time) {
	v.change(func() {
		for p, until := range v.until {
			if now.After(until) {
				delete(v.until, p)
			}
		}
	})
}

// change changes the set and tells pubsub about the neighbours concerned.
func (v *vetted) change(f func()) {
	v.mu.Lock()
	before := v.all()
	f()
	after := v.all()
	for p := range after {
		if ch := v.parked[p]; ch != nil {
			close(ch)
			delete(v.parked, p)
		}
	}
	v.mu.Unlock()
	for p := range after {
		if !before[p] {
			v.reveal(p)
		}
	}
	for p := range before {
		if !after[p] {
			v.hide(p)
		}
	}
}

func (v *vetted) all() map[peer.ID]bool {
	all := make(map[peer.ID]bool, len(v.until)+len(v.wanted))
	for p := range v.until {
		all[p] = true
	}
	for p := range v.wanted {
		all[p] = true
	}
	return all
}

// reveal makes pubsub open a stream to a neighbour connected already. One that
// connects later it notices by itself.
func (v *vetted) reveal(p peer.ID) {
	ids, err := v.host.Peerstore().SupportsProtocols(p, pubsubProtocols...)
	if err != nil || len(ids) == 0 || v.host.Network().Connectedness(p) != network.Connected {
		return
	}
	v.changed.Emit(event.EvtPeerProtocolsUpdated{Peer: p, Added: ids})
}

// hide ends pubsub's streams with a neighbour; it opens no others.
func (v *vetted) hide(p peer.ID) {
	for _, c := range v.host.Network().ConnsToPeer(p) {
		for _, s := range c.GetStreams() {
			if slices.Contains(pubsubProtocols, s.Protocol()) {
				s.Reset()
			}
		}
	}
}

// park waits until a neighbour is vetted and says whether it is. One stream of
// each neighbour waits, for at most an hour, or until it disconnects.
func (v *vetted) park(p peer.ID) bool {
	v.mu.Lock()
	if v.in(p) {
		v.mu.Unlock()
		return true
	}
	old := v.parked[p]
	if old == nil && len(v.parked) >= parkedLimit {
		v.mu.Unlock()
		return false
	}
	if old != nil {
		close(old)
	}
	ch := make(chan struct{})
	v.parked[p] = ch
	v.mu.Unlock()

	timer := time.NewTimer(parkedFor)
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.parked[p] == ch {
		delete(v.parked, p)
	}
	return v.in(p)
}

// unpark ends the waiting stream of a neighbour that disconnected, or with an
// empty id of all.
func (v *vetted) unpark(p peer.ID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for q, ch := range v.parked {
		if p == "" || p == q {
			close(ch)
			delete(v.parked, q)
		}
	}
}

// vettedHost is the host as pubsub sees it.
type vettedHost struct {
	guardedHost
	vetted *vetted
}

func (h vettedHost) Network() network.Network { return vettedNetwork{h.Host.Network(), h.vetted} }

func (h vettedHost) SetStreamHandler(p protocol.ID, next network.StreamHandler) {
	h.guardedHost.SetStreamHandler(p, func(s network.Stream) {
		if !h.vetted.park(s.Conn().RemotePeer()) {
			s.Reset()
			return
		}
		next(s)
	})
}

type vettedNetwork struct {
	network.Network
	vetted *vetted
}

func (n vettedNetwork) Connectedness(p peer.ID) network.Connectedness {
	if !n.vetted.has(p) {
		return network.NotConnected
	}
	return n.Network.Connectedness(p)
}

func (n vettedNetwork) Peers() []peer.ID {
	return slices.DeleteFunc(n.Network.Peers(), func(p peer.ID) bool { return !n.vetted.has(p) })
}
