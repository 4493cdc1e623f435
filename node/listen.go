package node

import (
	"slices"
	"time"

	"github.com/kith-im/kith/identity"
)

// listen makes the topics listened to those of the active watches at now.
func (n *Node) listen(now time.Time) {
	type join struct {
		topic      string
		publishers []identity.Reach
	}
	n.mu.Lock()
	var joins []join
	var leaves []string
	for who, w := range n.watches {
		var want []string
		if w.State == Active && !w.Epoch.IsZero() {
			want = topicsAt(w.Epoch, now)
		}
		if slices.Equal(want, w.topics) {
			continue
		}
		for _, t := range w.topics {
			if !slices.Contains(want, t) {
				leaves = append(leaves, t)
			}
		}
		for _, t := range want {
			if !slices.Contains(w.topics, t) {
				joins = append(joins, join{t, n.reachesOf(who)})
			}
		}
		w.topics = want
	}
	n.mu.Unlock()
	for _, t := range leaves {
		n.net.Leave(t)
	}
	for _, j := range joins {
		if err := n.net.Listen(j.topic, j.publishers); err != nil {
			n.log.Error("topic not joined", "err", err)
		}
	}
}

// reachesOf lists how a person's devices can be reached. The caller holds n.mu.
func (n *Node) reachesOf(who identity.Address) []identity.Reach {
	c := n.contacts[who]
	if c == nil || c.Card.IsZero() {
		return nil
	}
	var list []identity.Reach
	for _, d := range c.Card.Card().Devices {
		list = append(list, n.reachesTo(d)...)
	}
	return list
}

// leaveAll leaves every topic.
func (n *Node) leaveAll() {
	n.mu.Lock()
	var topics []string
	for _, w := range n.watches {
		topics, w.topics = append(topics, w.topics...), nil
	}
	n.mu.Unlock()
	for _, t := range topics {
		n.net.Leave(t)
	}
}

// nextTopics is the next moment after now at which topicsAt changes: an hour
// before or after midnight UTC.
func nextTopics(now time.Time) time.Time {
	day := now.UTC().Truncate(24 * time.Hour)
	for _, h := range []time.Duration{1, 23} {
		if t := day.Add(h * time.Hour); t.After(now) {
			return t
		}
	}
	return day.Add(25 * time.Hour)
}
