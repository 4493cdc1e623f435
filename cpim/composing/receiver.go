package composing

import "time"

// DefaultExpiry is how long an Active holds that announces no refresh (section
// 3.3).
const DefaultExpiry = 120 * time.Second

// A Receiver is what one side knows of the composing of the other (section 3.3,
// figure 2). The zero value is idle. A conversation of several people keeps one
// for each of the others.
type Receiver struct {
	until   time.Time // when an Active ends; zero if idle
	content time.Time // when the newest content was sent, by the clock of its sender
}

// Status gives the state after a status message that was sent at the time sent,
// the DateTime of the message (zero if unknown), and received at now. Any
// number of Active may follow one another; each counts from now. A status that
// was sent no later than content that has come already is overtaken, and
// changes nothing (section 4).
func (r Receiver) Status(s *Status, sent, now time.Time) Receiver {
	if !sent.IsZero() && !r.content.IsZero() && !sent.After(r.content) {
		return r
	}
	if !s.Active() {
		r.until = time.Time{}
		return r
	}
	expiry := DefaultExpiry
	if s.Refresh > 0 {
		expiry = min(s.Refresh, maxRefresh)
	}
	r.until = now.Add(expiry)
	return r
}

// Content gives the state after a content message that was sent at the time
// sent, zero if unknown.
func (r Receiver) Content(sent time.Time) Receiver {
	r.until = time.Time{}
	r.content = latest(r.content, sent)
	return r
}

// Active tells whether the other side counts as composing at now.
func (r Receiver) Active(now time.Time) bool { return now.Before(r.until) }

// Until gives when Active ends by itself, zero if the other side was last said
// to be idle. It is when to look again.
func (r Receiver) Until() time.Time { return r.until }
