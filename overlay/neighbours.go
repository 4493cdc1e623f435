package overlay

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// How first neighbours are looked for.
const (
	waysAtOnce  = 8
	waysLimit   = 32 // of the remembered devices, in one round
	lonelyFirst = 5 * time.Second
	lonelyMost  = 5 * time.Minute
)

// ways is every way in: configured devices first, remembered ones after.
func (o *Overlay) ways() []peer.AddrInfo {
	return append(append([]peer.AddrInfo(nil), o.bootstrap...), o.peers.newest(waysLimit)...)
}

// seekNeighbours dials the ways in at the start, and again, ever more rarely,
// while this device knows nobody.
func (o *Overlay) seekNeighbours(ctx context.Context) {
	wait := lonelyFirst
	for {
		if o.names.size() == 0 {
			o.dialWays(ctx)
		} else {
			wait = lonelyFirst
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, lonelyMost)
	}
}

func (o *Overlay) dialWays(ctx context.Context) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, waysAtOnce)
	for _, way := range o.ways() {
		slots <- struct{}{}
		wg.Go(func() { // until the dial times out or ctx ends
			defer func() { <-slots }()
			if err := o.connect(ctx, way); err != nil {
				o.log.Debug("way in not reached", "err", err)
			}
		})
	}
	wg.Wait()
}
