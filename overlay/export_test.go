package overlay

import (
	"context"

	"github.com/kith-im/kith/identity"
	recordpb "github.com/libp2p/go-libp2p-record/pb"
	"github.com/libp2p/go-libp2p/core/host"
	ma "github.com/multiformats/go-multiaddr"
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

// Shout publishes what is no publication.
func (o *Overlay) Shout(ctx context.Context, topic string, data []byte) error {
	handle, err := o.topics.fanout(topic)
	if err != nil {
		return err
	}
	return handle.Publish(ctx, data)
}

// PutTo sends a record to one device by the LAN protocol.
func (o *Overlay) PutTo(ctx context.Context, to *Overlay, key string, value []byte) error {
	return o.names.lan.asks.PutValue(ctx, to.host.ID(), &recordpb.Record{Key: []byte(key), Value: value})
}

// PutsAllowed is how many records a minute are taken from a device.
const PutsAllowed = putsPerMinute

// Over is a brief reach of a device by one address only.
func Over(o *Overlay, address string) identity.Reach {
	return briefReach(o.host.ID(), []ma.Multiaddr{ma.StringCast(address)})
}
