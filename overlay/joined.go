package overlay

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
)

// joinWait is how long joining a topic waits for a neighbour to be seen there:
// such a one passes publications on at once, others only after a heartbeat.
// Meanwhile publishers reach this device directly.
const joinWait = 500 * time.Millisecond

// lock takes the handles, over calls of pubsub, which answers from a goroutine
// of its own. The caller calls what it returns.
func (t *topics) lock() (unlock func()) {
	t.handles <- struct{}{}
	return func() { <-t.handles }
}

// fanout gives the handle to publish by. A topic that is not listened to is
// joined without telling anybody.
func (t *topics) fanout(topic string) (*pubsub.Topic, error) {
	defer t.lock()()
	if j := t.joined[topic]; j != nil {
		j.used = time.Now()
		return j.topic, nil
	}
	handle, err := t.pubsub.Join(topic, pubsub.FanoutOnly())
	if err != nil {
		return nil, err
	}
	t.joined[topic] = &joined{topic: handle, used: time.Now()}
	return handle, nil
}

// join listens to a topic: the validator hears what comes, nothing else does.
// What was published to only is joined anew, as pubsub has one handle of one
// kind.
func (t *topics) join(topic string) error {
	defer t.lock()()
	j := t.joined[topic]
	if !t.listens(topic) || j != nil && j.relay != nil {
		return nil
	}
	var used time.Time
	if j != nil {
		used = j.used
		if err := j.topic.Close(); err != nil {
			return err
		}
		delete(t.joined, topic)
	}
	handle, err := t.pubsub.Join(topic)
	if err != nil {
		return err
	}
	relay, err := handle.Relay()
	if err != nil {
		handle.Close()
		return err
	}
	t.joined[topic] = &joined{topic: handle, relay: relay, used: used}
	return nil
}

// part ends what join did, unless somebody listens again.
func (t *topics) part(topic string) {
	defer t.lock()()
	j := t.joined[topic]
	if j == nil || j.relay == nil || t.listens(topic) {
		return
	}
	j.relay()
	j.relay = nil
	if err := j.topic.Close(); err == nil {
		delete(t.joined, topic)
	}
}

// sweep closes the handles of topics whose day is over.
func (t *topics) sweep(now time.Time) {
	t.vetted.sweep(now)
	defer t.lock()()
	for topic, j := range t.joined {
		if j.relay == nil && now.Sub(j.used) > fanoutIdle {
			if err := j.topic.Close(); err == nil {
				delete(t.joined, topic)
			}
		}
	}
}

func (t *topics) listens(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.listening[topic]
	return ok
}

// unjoined is the topics listened to but not joined: those that wait a little,
// and those whose time has come.
func (t *topics) unjoined(now time.Time) (waiting int, due []string) {
	defer t.lock()()
	open := make(map[string]bool)
	t.mu.Lock()
	for topic, l := range t.listening {
		if j := t.joined[topic]; j == nil || j.relay == nil {
			open[topic] = len(l.publishers) == 0 || now.Sub(l.since) >= joinWait
		}
	}
	t.mu.Unlock()
	for topic, now := range open {
		if now || len(t.pubsub.ListPeers(topic)) > 0 {
			due = append(due, topic)
		} else {
			waiting++
		}
	}
	return waiting, due
}
