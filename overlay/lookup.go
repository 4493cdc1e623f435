package overlay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p/core/routing"
)

// Report is what a Lookup found out, for people who ask why.
type Report struct {
	Card   identity.SignedCard // the one with the highest serial; zero if none
	Found  bool
	Probes []Probe // sorted by network and slot
}

// Probe is one question of a Lookup and its answer.
type Probe struct {
	Network string        // "wan", "lan", or the end of the peer id of a hinted device
	Slot    int           // 0 to 2, which of the address's keys
	Found   bool          // a record that is good for the address
	Serial  uint64        // of the card in it
	Age     time.Duration // since the card was issued
	Size    int           // octets of the record
	Took    time.Duration // until the best record of this probe came, or until the end
	Error   string        // why there was no answer, or what is wrong with the record
}

// Lookup is a Resolve that asks everywhere to the end, for up to 10 s, and
// tells what each asked had. By asking to the end it also repairs: devices near
// a key which lack the best record get it.
func (o *Overlay) Lookup(ctx context.Context, who identity.Address, hints ...identity.Reach) (Report, error) {
	keys, err := identity.RecordKeys(who, time.Now())
	if err != nil {
		return Report{}, fmt.Errorf("look up %s: %w", who.Short(), err)
	}
	devices := o.devices(hints[:min(len(hints), hintsLimit)])
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	l := lookup{who: who}
	var wg sync.WaitGroup
	for slot, key := range keys {
		for _, t := range []*table{o.names.wan, o.names.lan} {
			wg.Go(func() { // until ctx ends
				l.probe(t.name, slot, key, func(take func([]byte)) error { return t.searchAll(ctx, key, take) })
			})
		}
		for _, info := range devices {
			wg.Go(func() { // until ctx ends
				l.probe(short(info.ID), slot, key, func(take func([]byte)) error {
					if err := o.connect(ctx, info); err != nil {
						return err
					}
					if v := o.askDirectly(ctx, info.ID, key); v != nil {
						take(v)
					}
					return nil
				})
			})
		}
	}
	wg.Wait()
	slices.SortFunc(l.report.Probes, func(a, b Probe) int {
		return 4*strings.Compare(a.Network, b.Network) + a.Slot - b.Slot
	})
	return l.report, nil
}

// lookup collects the probes of one Lookup.
type lookup struct {
	who identity.Address

	mu     sync.Mutex
	report Report
}

// probe asks once, by a function that calls take with each record that comes.
func (l *lookup) probe(network string, slot int, key string, ask func(take func([]byte)) error) {
	p := Probe{Network: network, Slot: slot}
	var best identity.SignedCard
	began := time.Now()
	err := ask(func(value []byte) {
		card, err := identity.OpenRecord(l.who, key, value, time.Now())
		if err != nil {
			p.Error = err.Error()
			return
		}
		c := card.Card()
		if p.Found && c.Serial <= p.Serial {
			return
		}
		best = card
		p.Found, p.Serial, p.Size = true, c.Serial, len(value)
		p.Age, p.Took, p.Error = time.Since(c.Issued), time.Since(began), ""
	})
	if !p.Found {
		p.Took = time.Since(began)
		if err != nil {
			p.Error = err.Error()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Probes = append(l.report.Probes, p)
	if p.Found && (!l.report.Found || p.Serial > l.report.Card.Card().Serial) {
		l.report.Found, l.report.Card = true, best
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
