package node

import "time"

// What a node asks of the DNS and the DHT because a stranger wrote to it: so few
// that nobody can have it ask on their behalf (doc/spec/limits.md).
const (
	errandsAtOnce    = 4
	errandsPerMinute = 4
	errandsFailed    = 256              // domains remembered
	errandsPause     = 10 * time.Minute // before a domain that failed is asked again
)

// errands is the budget for strangers. The zero value is full.
type errands struct {
	spent float64
	at    time.Time
	bad   map[string]time.Time // when the zone of a domain may be asked again
}

// admit says whether something may be asked for a stranger now; of a domain, not
// if that failed just before.
func (e *errands) admit(domain string, now time.Time) bool {
	if now.Before(e.bad[domain]) {
		return false
	}
	e.spent = max(0, e.spent-now.Sub(e.at).Minutes()*errandsPerMinute)
	e.at = now
	if e.spent+1 > errandsAtOnce {
		return false
	}
	e.spent++
	return true
}

// failed has a domain not asked again soon.
func (e *errands) failed(domain string, now time.Time) {
	if len(e.bad) >= errandsFailed || e.bad == nil {
		e.bad = make(map[string]time.Time)
	}
	e.bad[domain] = now.Add(errandsPause)
}
