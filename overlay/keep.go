package overlay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Limits of Keep.
const (
	keepTimeout = time.Minute   // for one contact
	keepAtOnce  = 3             // keys of one contact
	keepAlive   = 2 * time.Hour // owners renew their records hourly
)

var errNothingKept = errors.New("nobody has a record of it")

// Keep helps a contact to be found: it fetches the records of today and tomorrow
// from all their slots, those of the contact's name among them, and keeps them
// here, so that whoever asks this device for the contact is answered. If the
// contact has not renewed them for two hours, it also puts them again at the
// devices closest to their keys which lack them. So a contact who went away is
// found for as long as the last records hold: to the end of the next day (UTC).
//
// Records of up to 12 000 keys (6 of a contact who is their own domain, 12 of
// others) and 32 MiB are kept so, apart from those of strangers; beyond that,
// those nearest to this device's own id. Call it a few times a day for each
// contact, at times drawn at random, and one contact after another: it takes up to
// a minute, about 50 requests while the contact renews and 350 when not, and twice
// as many of a domain's member. It fails when ctx ends, and when no record is found
// nor kept.
func (o *Overlay) Keep(ctx context.Context, l identity.Locator) error {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	k := &keeping{n: o.names, trail: trail{at: l}}
	k.trail.at.Account = nil
	at, _ := k.trail.where()
	if err := k.fetch(ctx, at); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	known := l.Account
	if next, name := k.trail.where(); !name.IsZero() {
		known = next.Account // nil if the address has expired
	}
	if domain, err := l.DomainKey(); err == nil && known != nil && !known.Equal(domain) {
		at.Account = known
		if err := k.fetch(ctx, at); err != nil {
			return fmt.Errorf("keep: %w", err)
		}
	}
	if len(k.records) == 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("keep records of %s: %w", l.Address.Short(), err)
		}
		return fmt.Errorf("keep records of %s: %w", l.Address.Short(), errNothingKept)
	}
	if o.names.now().Sub(k.renewed) > keepAlive {
		k.each(func(r identity.Record) { k.n.repair(ctx, r) })
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("keep records of %s: %w", l.Address.Short(), err)
	}
	return nil
}

// keeping is one Keep.
type keeping struct {
	n     *names
	trail trail

	mu      sync.Mutex
	records []identity.Record // the best that was found under each key
	renewed time.Time         // when the owner last renewed one of them
}

// fetch finds the records of l of today and tomorrow, and keeps them here.
func (k *keeping) fetch(ctx context.Context, l identity.Locator) error {
	now := k.n.now()
	var keys []identity.Record
	for _, day := range []time.Time{now, now.AddDate(0, 0, 1)} {
		slots, err := identity.RecordKeys(l, day)
		if err != nil {
			return err
		}
		for _, key := range slots {
			keys = append(keys, identity.Record{Key: key})
		}
	}
	eachOf(keys, func(r identity.Record) {
		r.Value = k.best(ctx, l, r.Key)
		if r.Value == nil {
			return
		}
		// The store may be full of nearer ones; then they are put again only.
		_ = k.n.keep(r, contactKind)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.records = append(k.records, r)
	})
	return nil
}

// best is the best record of l under one key among the first that both DHTs give
// and the one kept here.
func (k *keeping) best(ctx context.Context, l identity.Locator, key string) (best []byte) {
	var wg sync.WaitGroup
	for _, t := range []*table{k.n.wan, k.n.lan} {
		wg.Go(func() { // until ctx ends
			values, err := t.SearchValue(ctx, key, dht.Quorum(1))
			if err != nil {
				return
			}
			for v := range values {
				f, _, _, err := k.trail.read(l, key, v, k.n.now())
				if err != nil {
					continue
				}
				k.mu.Lock()
				if best == nil || identity.CompareRecords(v, best) > 0 {
					best = v
				}
				if at, _, err := recordTimes(v); err == nil && !f.Card.IsZero() && at.After(k.renewed) {
					k.renewed = at
				}
				k.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return best
}

// each calls do with each record, a few at once.
func (k *keeping) each(do func(identity.Record)) { eachOf(k.records, do) }

func eachOf(records []identity.Record, do func(identity.Record)) {
	var wg sync.WaitGroup
	turn := make(chan struct{}, keepAtOnce)
	for _, r := range records {
		turn <- struct{}{}
		wg.Go(func() { // until do returns
			defer func() { <-turn }()
			do(r)
		})
	}
	wg.Wait()
}

// repair asks the devices closest to a record's key what they have, and puts it
// at those that have none or an earlier one. It counts those that have it then.
func (n *names) repair(ctx context.Context, r identity.Record) int {
	return n.visit(ctx, r.Key, func(ctx context.Context, t *table, p peer.ID) bool {
		rec, _, err := t.asks.GetValue(ctx, p, r.Key)
		if err != nil {
			return false
		}
		if v := rec.GetValue(); identity.CheckRecord(r.Key, v, n.now()) == nil {
			switch c := identity.CompareRecords(v, r.Value); {
			case c > 0:
				_ = n.keep(identity.Record{Key: r.Key, Value: v}, contactKind)
				return true
			case c == 0:
				return true
			}
		}
		return t.put(ctx, p, r) == nil
	})
}
