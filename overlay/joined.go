package overlay

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
)

// joinWait is how long joining a topic waits for a neighbour to be seen there:
// such a one passes publications on at once, others only after a heartbeat.
// Meanwhile publishers reach this device directly.
const joinWait = 500 * time.Millisecond

// fanout gives the handle to publish by. A topic that is not listened to is
// joined without telling anybody.
func (t *topics) fanout(topic string) (*pubsub.Topic, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
func (t *topics) join(topic string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, wanted := t.listening[topic]; !wanted {
		return nil
	}
	j := t.joined[topic]
	if j != nil && j.relay != nil {
		return nil
	}
	var used time.Time
	if j != nil { // published to only: pubsub has one handle of one kind
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

// forget closes the handle of a topic not listened to any more.
func (t *topics) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if j := t.joined[topic]; j != nil && j.relay == nil {
		if err := j.topic.Close(); err == nil {
			delete(t.joined, topic)
		}
	}
}

// sweep closes the handles of topics whose day is over.
func (t *topics) sweep(now time.Time) {
	t.vetted.sweep(now)
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic, j := range t.joined {
		if j.relay == nil && now.Sub(j.used) > fanoutIdle {
			if err := j.topic.Close(); err == nil {
				delete(t.joined, topic)
			}
		}
	}
}

// unjoined is the topics listened to but not joined, and those of them whose
// time has come.
func (t *topics) unjoined(now time.Time) (waiting int, due []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic, l := range t.listening {
		if j := t.joined[topic]; j != nil && j.relay != nil {
			continue
		}
		if len(l.publishers) == 0 || now.Sub(l.since) >= joinWait || len(t.pubsub.ListPeers(topic)) > 0 {
			due = append(due, topic)
		} else {
			waiting++
		}
	}
	return waiting, due
}
