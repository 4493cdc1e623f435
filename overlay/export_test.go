package overlay

import (
	"context"

	"github.com/libp2p/go-libp2p/core/host"
)

// Sees is how many devices this one sees in a topic by pubsub.
func (o *Overlay) Sees(topic string) int { return len(o.topics.pubsub.ListPeers(topic)) }

// Host is what hostile tests misuse.
func (o *Overlay) Host() host.Host { return o.host }

// Offences is how many kinds of misbehaviour were logged.
func (o *Overlay) Offences() int {
	o.gate.mu.Lock()
	defer o.gate.mu.Unlock()
	return len(o.gate.offences)
}

// Connect connects to another overlay.
func (o *Overlay) Connect(ctx context.Context, to *Overlay) error {
	return o.host.Connect(ctx, *host.InfoFromHost(to.host))
}
