package overlay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A trail is where a search has got to by the names it found.
type trail struct {
	mu      sync.Mutex
	at      identity.Locator // what to look for now
	name    identity.Name    // the one with the highest serial, zero if none
	settled []peer.AddrInfo  // devices that were asked for at
}

// read opens a record of l. Turn says that it held a later name than those
// before: from now on other slots are to be asked, also at the devices that had
// been asked already.
func (t *trail) read(l identity.Locator, key string, value []byte, now time.Time) (f identity.Found, turn bool, again []peer.AddrInfo, err error) {
	f, err = identity.OpenRecord(l, key, value, now)
	if err != nil || f.Name.IsZero() {
		return f, false, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.Name.Serial <= t.name.Serial {
		return f, false, nil, nil
	}
	again, t.settled = t.settled, nil
	t.name = f.Name
	t.at.Account = f.Name.Account
	return f, true, again, nil
}

// where gives what to look for now and the name that led there.
func (t *trail) where() (identity.Locator, identity.Name) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at, t.name
}

// settle notes that a device was asked for l. If that is not what is looked for
// any more, it gives what is.
func (t *trail) settle(l identity.Locator, info peer.AddrInfo) (next identity.Locator, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !l.Account.Equal(t.at.Account) {
		return t.at, true
	}
	t.settled = append(t.settled, info)
	return l, false
}

// catch is what a hunt brings: a card, and the serial of the name that led to it.
// The card is zero when that name says that the address has expired.
type catch struct {
	card identity.SignedCard
	name uint64
}

func (c catch) better(than catch) bool {
	if c.name != than.name || c.card.IsZero() || than.card.IsZero() {
		return c.name > than.name || c.name == than.name && than.card.IsZero()
	}
	return c.card.Card().Serial > than.card.Card().Serial
}

// hunt is one Resolve.
type hunt struct {
	o     *Overlay
	trail trail
	cards chan catch                                      // closed when all have answered
	wg    sync.WaitGroup                                  // all that asks
	got   atomic.Bool                                     // a card
	chase func(l identity.Locator, again []peer.AddrInfo) // what a name led to; set by Resolve

	mu   sync.Mutex
	stop context.CancelFunc // ends the search that the last name led to
}

// everywhere asks the hinted devices and both DHTs, and a DNS domain's zone at
// once or, if it comes last, when these have found nothing.
func (h *hunt) everywhere(ctx context.Context, l identity.Locator, hints []peer.AddrInfo) {
	for _, info := range hints {
		h.wg.Go(func() { h.ask(ctx, info) }) // until ctx ends
	}
	done := make(chan struct{})
	h.wg.Go(func() { // until ctx ends
		defer close(done)
		h.tables(ctx, l)
	})
	if _, overlay := l.Address.DomainKey(); overlay || h.o.cfg.DNS.Off {
		return
	}
	if h.o.cfg.DNS.Last && h.waitForTables(ctx, done) {
		return
	}
	for _, service := range zoneServices() {
		h.wg.Go(func() { // until ctx ends
			if _, err := h.o.searchZone(ctx, service, l.Address.Domain(), h.ask); err != nil {
				h.o.log.Debug("zone not asked", "service", service, "err", err)
			}
		})
	}
}

// waitForTables gives the DHTs time to find a card, and says whether they have.
func (h *hunt) waitForTables(ctx context.Context, done <-chan struct{}) bool {
	late := time.NewTimer(zoneLate)
	defer late.Stop()
	select {
	case <-done:
		if _, name := h.trail.where(); name.Account == nil {
			return h.got.Load()
		}
		select { // the name's account is being looked for
		case <-late.C:
		case <-ctx.Done():
		}
	case <-late.C:
	case <-ctx.Done():
	}
	return h.got.Load() || ctx.Err() != nil
}

// zoneServices are the services of a zone whose devices are asked: an address has
// one card for both.
func zoneServices() []string { return []string{"im", "pres"} }

// tables asks both DHTs for the records of l.
func (h *hunt) tables(ctx context.Context, l identity.Locator) {
	keys, err := identity.RecordKeys(l, h.o.names.now())
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	for _, t := range []*table{h.o.names.wan, h.o.names.lan} {
		wg.Go(func() { // until ctx ends
			h.o.searchTable(ctx, t, keys, func(key string, value []byte) bool { return h.take(ctx, l, key, value) })
		})
	}
	wg.Wait()
}

func (h *hunt) ask(ctx context.Context, info peer.AddrInfo) bool {
	return h.o.askAlong(ctx, &h.trail, info, h.take)
}

// askAlong asks one device for what it keeps, by the protocol that every device
// serves, wherever the trail leads, and says whether it had a card. Take is given
// each record and says whether it was good.
func (o *Overlay) askAlong(ctx context.Context, t *trail, info peer.AddrInfo, take func(context.Context, identity.Locator, string, []byte) bool) bool {
	if err := o.connect(ctx, info); err != nil {
		o.log.Debug("device not reached", "peer", short(info.ID), "err", err)
		return false
	}
	l, _ := t.where()
	for more := true; more && ctx.Err() == nil; l, more = t.settle(l, info) {
		keys, err := identity.RecordKeys(l, o.names.now())
		if err != nil {
			return false
		}
		for _, key := range keys {
			if value := o.askDirectly(ctx, info.ID, key); value == nil || !take(ctx, l, key, value) {
				continue
			}
			if _, name := t.where(); l.Account != nil || name.IsZero() {
				return true
			}
			break
		}
	}
	return false
}

// take brings home what a record of l holds, and says whether it was good. A
// name makes it ask for its account everywhere.
func (h *hunt) take(ctx context.Context, l identity.Locator, key string, value []byte) bool {
	f, turn, again, err := h.trail.read(l, key, value, h.o.names.now())
	if err != nil {
		return false
	}
	at, name := h.trail.where()
	switch {
	case turn && f.Name.Account == nil:
		h.follow(func() {})
		h.bring(ctx, catch{name: f.Name.Serial})
	case turn:
		h.chase(at, again)
	case !f.Card.IsZero() && l.Account.Equal(at.Account):
		h.got.Store(true)
		h.bring(ctx, catch{f.Card, name.Serial})
	}
	return true
}

// account asks everywhere for the records of the account that a name gave.
func (h *hunt) account(ctx context.Context, l identity.Locator, again []peer.AddrInfo) {
	next, stop := context.WithCancel(ctx)
	h.follow(stop)
	h.wg.Go(func() { h.tables(next, l) }) // until ctx ends, or another name comes
	for _, info := range again {
		h.wg.Go(func() { h.ask(ctx, info) }) // until ctx ends
	}
}

// follow ends the search that an earlier name led to.
func (h *hunt) follow(stop context.CancelFunc) {
	h.mu.Lock()
	before := h.stop
	h.stop = stop
	h.mu.Unlock()
	if before != nil {
		before()
	}
}

func (h *hunt) bring(ctx context.Context, c catch) {
	select {
	case h.cards <- c:
	case <-ctx.Done():
	}
}
