package overlay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// nextTarget is how long one target is waited for before the next is asked as
// well: one that swallows everything must not use up the time of all.
const nextTarget = time.Second

// attempt is what came of one target.
type attempt struct {
	Target string        // host:port
	Found  bool          // a device there gave a good record
	Took   time.Duration // zero if it was not tried
	Err    error         // why not found
}

var (
	errNoRecord = errors.New("no device there gave a good record")
	errNoAnswer = errors.New("no device there answered in time")
	errOvertook = errors.New("another target answered first")
	errNoTime   = errors.New("not tried: no time was left")
	errNoNeed   = errors.New("not tried: there was no need")
)

// search asks a domain's targets in order until one gives a good record.
func (z *zones) search(ctx context.Context, service, domain string, ask func(context.Context, peer.AddrInfo) bool) ([]attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, zoneTimeout)
	defer cancel()
	list, err := z.list(ctx, service, domain)
	if err != nil {
		return nil, err
	}
	limit := targetsLimit
	if z.cfg.Targets > 0 {
		limit = min(limit, z.cfg.Targets)
	}
	tries, more := list[:min(len(list), limit)], list[min(len(list), limit):]
	attempts := z.try(ctx, tries, ask)
	if len(more) > 0 && !slices.ContainsFunc(attempts, func(a attempt) bool { return a.Found }) {
		attempts = append(attempts, attempt{
			Target: more[0].String(),
			Err:    fmt.Errorf("not tried, nor %d after it: the limit is %d targets", len(more)-1, limit),
		})
	}
	return attempts, nil
}

// try asks each target when one before it has failed, or after a while, and
// returns when all that it began have ended.
func (z *zones) try(ctx context.Context, list []target, ask func(context.Context, peer.AddrInfo) bool) []attempt {
	attempts := make([]attempt, len(list))
	for i, t := range list {
		attempts[i] = attempt{Target: t.String(), Err: errNoTime}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan bool) // whether it gave a good record
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(errOvertook)
	next, running := 0, 0
	timer := time.NewTimer(nextTarget)
	defer timer.Stop()
	for next < len(list) || running > 0 {
		if i := next; i < len(list) {
			wg.Go(func() { // until ctx ends
				attempts[i] = z.attempt(ctx, list[i], ask)
				select {
				case ended <- attempts[i].Found:
				case <-ctx.Done():
				}
			})
			next, running = next+1, running+1
			timer.Reset(nextTarget)
		}
		select {
		case found := <-ended:
			if running--; found {
				for i := next; i < len(list); i++ {
					attempts[i].Err = errNoNeed
				}
				return attempts
			}
		case <-timer.C:
		case <-ctx.Done():
			return attempts
		}
	}
	return attempts
}

// attempt looks up one target and asks the devices there, all at once: what
// answers at an address is only one of them.
func (z *zones) attempt(ctx context.Context, t target, ask func(context.Context, peer.AddrInfo) bool) attempt {
	began := time.Now()
	a := attempt{Target: t.String()}
	z.fill(ctx, &t)
	a.Err = t.Err
	if a.Err == nil {
		a.Found = askAny(ctx, t.Peers, ask)
	}
	a.Took = time.Since(began)
	switch cause := context.Cause(ctx); {
	case a.Found:
		a.Err = nil
	case errors.Is(cause, errOvertook):
		a.Err = errOvertook
	case a.Err == nil && cause != nil:
		a.Err = errNoAnswer
	case a.Err == nil:
		a.Err = errNoRecord
	}
	z.log.Debug("target of a domain asked", "target", a.Target, "found", a.Found, "err", a.Err)
	return a
}

// askAny says whether any of the devices gave a good record.
func askAny(ctx context.Context, devices []peer.AddrInfo, ask func(context.Context, peer.AddrInfo) bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var good atomic.Bool
	var wg sync.WaitGroup
	for _, p := range devices {
		wg.Go(func() { // until ctx ends
			if ask(ctx, p) {
				good.Store(true)
				cancel()
			}
		})
	}
	wg.Wait()
	return good.Load()
}
