package overlay

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/ipfs/go-datastore/query"
	"github.com/kith-im/kith/identity"
	recordpb "github.com/libp2p/go-libp2p-record/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
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

// WithClock gives a configuration a clock that is ahead of the true one.
func WithClock(cfg Config, ahead time.Duration) Config {
	cfg.now = func() time.Time { return time.Now().Add(ahead) }
	return cfg
}

// KeepOnly keeps a card's records here as Announce does, and tells nobody.
func (o *Overlay) KeepOnly(card identity.SignedCard) error {
	for _, r := range card.Records() {
		if err := o.names.keep(r, mine); err != nil {
			return err
		}
	}
	return nil
}

// PutClosest stores a record at the devices closest to its key, as Announce does.
func (o *Overlay) PutClosest(ctx context.Context, r identity.Record) int { return o.names.put(ctx, r) }

// Stored is all that the record store holds, as the datastore gives it.
func (o *Overlay) Stored(ctx context.Context) ([]query.Entry, error) {
	res, err := o.names.store.Query(ctx, query.Query{})
	if err != nil {
		return nil, err
	}
	return res.Rest()
}

// Holds is the value of a record kept here.
func (o *Overlay) Holds(key string) ([]byte, bool) { return o.names.store.value(key) }

// ReachOf is a brief reach of the device with a transport key.
func ReachOf(key ed25519.PrivateKey, address string) (identity.Reach, peer.ID, error) {
	public, err := crypto.UnmarshalEd25519PublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, "", err
	}
	id, err := peer.IDFromPublicKey(public)
	return briefReach(id, []ma.Multiaddr{ma.StringCast(address)}), id, err
}
