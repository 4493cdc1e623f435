package node

import (
	"math/rand/v2"
	"time"
)

// Bounds of the schedules on which a node tries again.
const (
	firstDelay     = 2 * time.Second
	longestDelay   = 10 * time.Minute
	pendingDelay   = 2 * time.Minute // between asks for a decision not yet made
	outboxDeadline = 7 * 24 * time.Hour
)

// retryDelay says how long to wait after so many failures in a row (1 is the
// first). It doubles up to longestDelay and spreads by a fifth either way.
func retryDelay(failures int) time.Duration {
	d := longestDelay
	if failures < 10 {
		d = min(firstDelay<<max(failures-1, 0), longestDelay)
	}
	return jitter(d)
}

// jitter returns d, a fifth more or less; of a moment that is past, nothing.
func jitter(d time.Duration) time.Duration {
	d = max(d, 0)
	return d*4/5 + rand.N(d*2/5+1)
}
