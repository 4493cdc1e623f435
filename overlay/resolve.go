package overlay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

// How long a lookup takes.
const (
	lookupTimeout = 9500 * time.Millisecond // nobody waits longer than 10 s
	otherSlots    = 300 * time.Millisecond  // slots 1 and 2 after this
	freshGrace    = 50 * time.Millisecond   // for a later serial, after the first card
	zoneLate      = 4 * time.Second         // for the DHTs alone, where the DNS comes last
	arrivalWait   = 3 * time.Second         // for first neighbours, just after the start
	arrivalPeriod = 15 * time.Second        // what "just after" is
)

// hintsLimit is how many hints of a Resolve are asked.
const hintsLimit = 16

// Resolve finds a card of an address: in both DHTs, first by one of its three
// keys and by the others after 300 ms, and by asking the hinted devices
// themselves; for an address under a DNS domain, whose key must be given, also
// by asking the devices that its zone names. A name leads on to the slots of the
// account key in it. If the account key is given its slots are asked at once and
// names are not: see Name. The first valid card wins, unless a later one, or a
// later name, arrives at once. Found is false, within 10 s, when nobody has one
// or the domain says that the address has expired.
func (o *Overlay) Resolve(ctx context.Context, l identity.Locator, hints ...identity.Reach) (identity.SignedCard, bool, error) {
	if _, err := identity.RecordKeys(l, o.names.now()); err != nil {
		return identity.SignedCard{}, false, fmt.Errorf("resolve: %w", err)
	}
	asking, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	h := &hunt{o: o, trail: trail{at: l}, cards: make(chan catch)}
	h.chase = func(l identity.Locator, again []peer.AddrInfo) { h.account(asking, l, again) }
	h.wg.Go(func() { h.everywhere(asking, l, o.devices(hints[:min(len(hints), hintsLimit)])) }) // until asking ends
	o.names.calls.Go(func() {                                                                   // until all answered or asking ends
		h.wg.Wait()
		close(h.cards)
	})
	card, ok := first(asking, h.cards)
	if !ok && ctx.Err() != nil {
		return identity.SignedCard{}, false, fmt.Errorf("resolve %s: %w", l.Address.Short(), ctx.Err())
	}
	return card, ok, nil
}

// first takes the first card, and a better one within the grace period.
func first(ctx context.Context, cards <-chan catch) (identity.SignedCard, bool) {
	var best catch
	var grace <-chan time.Time
	for {
		select {
		case c, more := <-cards:
			if !more {
				return best.card, !best.card.IsZero()
			}
			if c.better(best) {
				best = c
			}
			if grace == nil && !best.card.IsZero() {
				timer := time.NewTimer(freshGrace)
				defer timer.Stop()
				grace = timer.C
			}
		case <-grace:
			return best.card, !best.card.IsZero()
		case <-ctx.Done():
			return best.card, !best.card.IsZero()
		}
	}
}

// searchTable asks one DHT for slot 0, and for the others when that has no good
// answer soon.
func (o *Overlay) searchTable(ctx context.Context, t *table, keys [3]string, found func(string, []byte) bool) {
	o.awaitNeighbours(ctx)
	var wg sync.WaitGroup
	done := make(chan bool, 1)
	wg.Go(func() { done <- t.search(ctx, keys[0], found) }) // until ctx ends
	timer := time.NewTimer(otherSlots)
	defer timer.Stop()
	good := false
	select {
	case good = <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	if !good && ctx.Err() == nil {
		for _, key := range keys[1:] {
			wg.Go(func() { t.search(ctx, key, found) }) // until ctx ends
		}
	}
	wg.Wait()
}

// search reads one key from one DHT, from this device's own store first, and
// stops after two answers.
func (t *table) search(ctx context.Context, key string, found func(string, []byte) bool) (good bool) {
	values, err := t.SearchValue(ctx, key, dht.Quorum(1))
	if err != nil {
		return false
	}
	for v := range values {
		good = found(key, v) || good
	}
	return good
}

func (o *Overlay) askDirectly(ctx context.Context, p peer.ID, key string) []byte {
	rec, _, err := o.names.direct.GetValue(ctx, p, key)
	if err != nil || rec == nil {
		return nil
	}
	return rec.GetValue()
}

func (o *Overlay) connect(ctx context.Context, to peer.AddrInfo) error {
	if to.ID == o.host.ID() {
		return errSelf
	}
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "kith"), handshakeTimeout)
	defer cancel()
	introduce(o.host, to)
	return unnamed(o.host.Connect(ctx, to))
}

// unnamed is the error of a dial without the peer id and the addresses that
// libp2p writes in it: what is logged is kept for longer than a device should be
// remembered.
func unnamed(err error) error {
	dial, ok := errors.AsType[*swarm.DialError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%d addresses dialled: %w", len(dial.DialErrors)+dial.Skipped, dial.Cause)
}

// introduce makes a device known to the host for a dial now. The swarm refuses
// for minutes to dial again what it could not reach; when to try again is
// decided here and above, with the last news of where the device is.
func introduce(h host.Host, to peer.AddrInfo) {
	h.Peerstore().AddAddrs(to.ID, to.Addrs, peerstore.TempAddrTTL)
	if s, ok := h.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(to.ID)
	}
}

// awaitNeighbours waits a little, just after the start, for the first device in
// a routing table, if there is any hope of one: a lookup before that would say
// that nobody has the address.
func (o *Overlay) awaitNeighbours(ctx context.Context) {
	if time.Since(o.born) > arrivalPeriod || len(o.ways()) == 0 && !o.cfg.LAN {
		return
	}
	end := time.Now().Add(arrivalWait)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for o.names.size() == 0 && time.Now().Before(end) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// size is how many devices the tables hold.
func (n *names) size() int { return n.wan.RoutingTable().Size() + n.lan.RoutingTable().Size() }
