package overlay

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
)

const (
	addressSettle = 5 * time.Second        // after a change of own addresses
	tableSettle   = 250 * time.Millisecond // after a neighbour was identified
	tableLooks    = 8                      // so many times
	watchPeriod   = 30 * time.Second
	sleptFor      = time.Minute // the wall clock ran ahead: this device slept
)

// watchNetwork stirs the handler when own addresses change, when the tables
// grow from nothing and with each doubling up to a full bucket's worth, and
// after a sleep.
func (o *Overlay) watchNetwork(ctx context.Context, h Handler) {
	events, err := o.host.EventBus().Subscribe([]any{
		new(event.EvtLocalAddressesUpdated),
		new(event.EvtLocalReachabilityChanged),
		new(event.EvtPeerIdentificationCompleted),
	}, eventbus.BufSize(256))
	if err != nil {
		o.log.Error("network events", "err", err)
		return
	}
	defer events.Close()
	var (
		settle  <-chan time.Time // own addresses are changing
		look    <-chan time.Time // the tables may be growing
		looks   int
		period  = time.NewTicker(watchPeriod)
		last    = time.Now()
		stirred int // table size when last stirred
		addrs   = o.addressTexts()
		doubts  sync.WaitGroup
	)
	defer period.Stop()
	defer doubts.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events.Out():
			switch e := e.(type) {
			case event.EvtPeerIdentificationCompleted:
				o.doubtOlder(ctx, &doubts, e)
				looks = tableLooks
				if look == nil {
					look = time.After(tableSettle)
				}
			default:
				if settle == nil {
					settle = time.After(addressSettle)
				}
			}
		case <-look:
			stirred = o.stirGrown(h, stirred)
			look = nil
			if looks--; looks > 0 {
				look = time.After(tableSettle)
			}
		case <-settle:
			settle = nil
			if now := o.addressTexts(); !slices.Equal(now, addrs) {
				addrs = now
				h.Stir()
			}
		case <-period.C:
			stirred = o.stirGrown(h, stirred)
			now := time.Now()
			if now.Round(0).Sub(last.Round(0)) > watchPeriod+sleptFor {
				o.topics.stir()
				h.Stir()
			}
			last = now
		}
	}
}

// stirGrown stirs the handler if the tables have doubled since they were of the
// size given, and gives their size when last stirred.
func (o *Overlay) stirGrown(h Handler, stirred int) int {
	size := o.names.size()
	if size == 0 {
		return 0
	}
	if size >= 2*stirred && stirred < 20 {
		h.Stir()
		return size
	}
	return stirred
}

func (o *Overlay) addressTexts() []string {
	s := texts(o.host.Addrs())
	slices.Sort(s)
	return s
}
