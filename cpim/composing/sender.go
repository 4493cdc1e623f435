package composing

import "time"

// Times of section 3.2.
const (
	MinRefresh  = time.Minute      // shortest refresh interval
	DefaultIdle = 15 * time.Second // until somebody who stopped counts as idle
)

// A Config says how a [Sender] behaves.
type Config struct {
	// Refresh is the time between two Active while somebody goes on composing.
	// Less than MinRefresh counts as MinRefresh, more than a day as a day, parts
	// of a second are dropped. 0 sends none and announces none: the receiver
	// then gives up after [DefaultExpiry].
	Refresh time.Duration
	Idle    time.Duration // 0 is DefaultIdle
	// ContentType is the hint that is sent along; "" sends none.
	ContentType string
}

// An Input is something that happens on the side of the composer.
type Input uint8

const (
	Wake      Input = iota // nothing but the time that the last step asked for
	Composed               // the user edited the message
	Sent                   // the message was sent
	Abandoned              // the user discarded the message, or left
)

// A Sender is the state of one who composes (section 3.2, figure 1), for one
// conversation. The zero value is idle.
//
// An Active is sent when composing begins, and again every Config.Refresh while
// it goes on; an Idle when it stops without a message having been sent. For one
// message, two Active are never closer to each other than the refresh interval,
// which is how this package reads the limit at the end of section 3.2: by its
// letter, one status of any kind for each interval, the Idle of figure 1
// could not be sent before the receiver has given up by itself.
type Sender struct {
	active    bool      // between Composed and idleness
	announced bool      // the other side was told Active, and nothing since
	last      time.Time // of the newest edit
	sent      time.Time // of the newest Active for this message; zero if none
}

// Active tells whether the user counts as composing.
func (s Sender) Active() bool { return s.active }

// Step gives the state after in, the status to send now, nil if there is none,
// and when to step again with Wake, zero if nothing is due before the next
// input. Stepping earlier or later than asked does no harm. Time that goes
// backwards counts as standing still.
func (s Sender) Step(c Config, in Input, now time.Time) (next Sender, send *Status, wake time.Time) {
	now = latest(now, s.last, s.sent)
	switch in {
	case Sent:
		return Sender{}, nil, time.Time{}
	case Abandoned:
		if s.announced {
			send = c.status(Idle, s.last)
		}
		return s.idle(), send, time.Time{}
	case Composed:
		s.active, s.last = true, now
	}
	if !s.active {
		return s, nil, time.Time{}
	}
	idleAt := s.last.Add(c.idle())
	if !now.Before(idleAt) {
		if s.announced {
			send = c.status(Idle, s.last)
		}
		return s.idle(), send, time.Time{}
	}
	again := c.Refresh > 0 || !s.announced
	due := s.sent.Add(c.interval())
	if s.sent.IsZero() || again && !now.Before(due) {
		s.announced, s.sent = true, now
		send = c.status(Active, s.last)
		again, due = c.Refresh > 0, now.Add(c.interval())
	}
	if again && due.Before(idleAt) {
		return s, send, due
	}
	return s, send, idleAt
}

// idle keeps what the next Active for the same message has to wait for.
func (s Sender) idle() Sender { return Sender{last: s.last, sent: s.sent} }

// interval is the least time between two Active for one message.
func (c Config) interval() time.Duration {
	return min(max(c.Refresh.Truncate(time.Second), MinRefresh), maxRefresh)
}

func (c Config) idle() time.Duration {
	if c.Idle <= 0 {
		return DefaultIdle
	}
	return c.Idle
}

// status gives the document to send. An Idle announces no refresh, since none
// follows it.
func (c Config) status(state string, last time.Time) *Status {
	s := &Status{State: state, LastActive: last.Truncate(time.Second), ContentType: c.ContentType}
	if state == Active && c.Refresh > 0 {
		s.Refresh = c.interval()
	}
	return s
}

func latest(now time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(now) {
			now = t
		}
	}
	return now
}
