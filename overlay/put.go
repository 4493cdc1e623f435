package overlay

import (
	"context"
	"sync"

	"github.com/kith-im/kith/identity"
)

// Put stores records of others in both DHTs, such as the expired names of a
// domain whose holder has no node, and says how many other devices acknowledged
// the one that the fewest did. It keeps none of them here.
func (o *Overlay) Put(ctx context.Context, records []identity.Record) (int, error) {
	counts := make([]int, len(records))
	var wg sync.WaitGroup
	for i, r := range records {
		if err := identity.CheckRecord(r.Key, r.Value, o.names.now()); err != nil {
			return 0, err
		}
		wg.Go(func() { counts[i] = o.names.put(ctx, r) }) // until ctx ends or the puts time out
	}
	wg.Wait()
	if len(counts) == 0 {
		return 0, nil
	}
	fewest := counts[0]
	for _, n := range counts {
		fewest = min(fewest, n)
	}
	return fewest, ctx.Err()
}
