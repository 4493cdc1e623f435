package overlay

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
)

// Report is what a Lookup found out, for people who ask why.
type Report struct {
	Card   identity.SignedCard // the one with the highest serial; zero if none
	Found  bool
	Name   identity.Name // of a domain's member, the one with the highest serial; without an account key it has expired
	Probes []Probe       // sorted by network, cards after names, and slot
}

// Probe is one question of a Lookup and its answer.
type Probe struct {
	Network string        // "wan", "lan", "dns", or the end of the peer id of a hinted device
	Target  string        // if the network is "dns": host and port, or the service if the DNS failed
	Slot    int           // 0 to 2, which of the address's keys; a device of the zone is asked for all
	Account bool          // asked for the slots of the account key that a name gave
	Found   bool          // a record that is good for the address
	Name    bool          // it held a name
	Serial  uint64        // of the card or the name in it
	Age     time.Duration // since that was issued
	Size    int           // octets of the record
	Took    time.Duration // until the best record of this probe came, or until the end
	Error   string        // why there was no answer, or what is wrong with the record
}

// Lookup is a Resolve that asks everywhere to the end, for up to 10 s, and
// tells what each asked had, names among it. By asking to the end it also
// repairs: devices near a key which lack the best record get it.
func (o *Overlay) Lookup(ctx context.Context, l identity.Locator, hints ...identity.Reach) (Report, error) {
	if _, err := identity.RecordKeys(l, o.names.now()); err != nil {
		return Report{}, fmt.Errorf("look up: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	k := &lookup{o: o, trail: trail{at: l}, devices: o.devices(hints[:min(len(hints), hintsLimit)])}
	k.chase = func(l identity.Locator) { k.askAll(ctx, l) }
	k.askAll(ctx, l)
	k.askZone(ctx, l)
	k.wg.Wait()
	return k.finish(), nil
}

// Name finds what a domain says of the address of one of its members, by asking
// both DHTs to the end. Found is false, within 10 s, when nobody has a name:
// then the address is its domain's own, or nobody publishes it. A name without
// an account key says that the address has expired.
func (o *Overlay) Name(ctx context.Context, l identity.Locator) (name identity.Name, found bool, err error) {
	l.Account = nil
	if _, err := identity.RecordKeys(l, o.names.now()); err != nil {
		return identity.Name{}, false, fmt.Errorf("name: %w", err)
	}
	asking, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	k := &lookup{o: o, trail: trail{at: l}, chase: func(identity.Locator) {}}
	k.askAll(asking, l)
	k.wg.Wait()
	name = k.finish().Name
	if name.IsZero() && ctx.Err() != nil {
		return identity.Name{}, false, fmt.Errorf("name of %s: %w", l.Address.Short(), ctx.Err())
	}
	return name, !name.IsZero(), nil
}

// lookup collects the probes of one Lookup.
type lookup struct {
	o       *Overlay
	trail   trail
	devices []peer.AddrInfo
	chase   func(identity.Locator) // what a name led to
	wg      sync.WaitGroup

	mu     sync.Mutex
	report Report
}

// finish gives the report when all have answered.
func (k *lookup) finish() Report {
	k.report.Found = !k.report.Card.IsZero()
	_, k.report.Name = k.trail.where()
	slices.SortStableFunc(k.report.Probes, func(a, b Probe) int {
		account := func(p Probe) int {
			if p.Account {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Target, b.Target), account(a)-account(b), a.Slot-b.Slot)
	})
	return k.report
}

// askAll begins to ask both DHTs and the hinted devices for the records of l.
func (k *lookup) askAll(ctx context.Context, l identity.Locator) {
	keys, err := identity.RecordKeys(l, k.o.names.now())
	if err != nil {
		return
	}
	for slot, key := range keys {
		for _, t := range []*table{k.o.names.wan, k.o.names.lan} {
			k.wg.Go(func() { // until ctx ends
				k.probe(l, Probe{Network: t.name, Slot: slot}, key, func(take func([]byte)) error { return t.searchAll(ctx, key, take) })
			})
		}
		for _, info := range k.devices {
			k.wg.Go(func() { // until ctx ends
				k.probe(l, Probe{Network: short(info.ID), Slot: slot}, key, func(take func([]byte)) error {
					return k.o.askOne(ctx, info, key, take)
				})
			})
		}
	}
}

// askOne asks one device for one key.
func (o *Overlay) askOne(ctx context.Context, info peer.AddrInfo, key string, take func([]byte)) error {
	if err := o.connect(ctx, info); err != nil {
		return err
	}
	if v := o.askDirectly(ctx, info.ID, key); v != nil {
		take(v)
	}
	return nil
}

// probe asks once, by a function that calls take with each record that comes.
func (k *lookup) probe(l identity.Locator, p Probe, key string, ask func(take func([]byte)) error) {
	p.Account = l.Account != nil
	began := time.Now()
	err := ask(func(value []byte) {
		f, err := k.take(l, key, value)
		if err != nil {
			p.Error = err.Error()
			return
		}
		serial, issued := f.Name.Serial, f.Name.Issued
		if !f.Card.IsZero() {
			serial, issued = f.Card.Card().Serial, f.Card.Card().Issued
		}
		if p.Found && serial <= p.Serial {
			return
		}
		p.Found, p.Name, p.Serial, p.Size = true, f.Card.IsZero(), serial, len(value)
		p.Age, p.Took, p.Error = k.o.names.now().Sub(issued), time.Since(began), ""
	})
	if !p.Found {
		p.Took = time.Since(began)
		if err != nil {
			p.Error = err.Error()
		}
	}
	k.note(p)
}

func (k *lookup) note(p Probe) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.report.Probes = append(k.report.Probes, p)
}

// take keeps what a record of l holds, if it is the best. A later name makes it
// ask for its account everywhere.
func (k *lookup) take(l identity.Locator, key string, value []byte) (identity.Found, error) {
	f, turn, _, err := k.trail.read(l, key, value, k.o.names.now())
	if err != nil {
		return f, err
	}
	at, _ := k.trail.where()
	k.mu.Lock()
	if turn { // what was found is another account's
		k.report.Card = identity.SignedCard{}
	}
	if old := k.report.Card; !f.Card.IsZero() && l.Account.Equal(at.Account) && (old.IsZero() || f.Card.Card().Serial > old.Card().Serial) {
		k.report.Card = f.Card
	}
	k.mu.Unlock()
	if turn && at.Account != nil {
		k.chase(at)
	}
	return f, nil
}

// askZone asks the devices that a DNS domain's zone names, until one has a card.
func (k *lookup) askZone(ctx context.Context, l identity.Locator) {
	if _, overlay := l.Address.DomainKey(); overlay || k.o.cfg.DNS.Off {
		return
	}
	ask := func(ctx context.Context, info peer.AddrInfo) bool {
		return k.o.askAlong(ctx, &k.trail, info, func(_ context.Context, l identity.Locator, key string, value []byte) bool {
			_, err := k.take(l, key, value)
			return err == nil
		})
	}
	for _, service := range zoneServices() {
		k.wg.Go(func() { // until ctx ends
			began := time.Now()
			attempts, err := k.o.searchZone(ctx, service, l.Address.Domain(), ask)
			if err != nil {
				k.note(Probe{Network: "dns", Target: service, Took: time.Since(began), Error: err.Error()})
			}
			for _, a := range attempts {
				p := Probe{Network: "dns", Target: a.Target, Found: a.Found, Took: a.Took}
				if a.Err != nil {
					p.Error = a.Err.Error()
				}
				k.note(p)
			}
		})
	}
}

// searchAll reads one key from one DHT to the end.
func (t *table) searchAll(ctx context.Context, key string, take func([]byte)) error {
	if t.RoutingTable().Size() == 0 {
		return routing.ErrNotFound
	}
	values, err := t.SearchValue(ctx, key)
	if err != nil {
		return err
	}
	for v := range values {
		take(v)
	}
	return ctx.Err()
}
