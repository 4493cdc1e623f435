package node

import (
	"context"
	"crypto/ed25519"

	"github.com/kith-im/kith/identity"
)

// Network is what a node needs of the world: an overlay of devices. Package
// overlay has the real one, package nodetest one in memory. Only
// identity.SignedCard and identity.Sealed cross it, so nothing that a network
// carries can be read or forged by those who carry it.
//
// Calls block until done or until ctx ends, and are safe for concurrent use.
// A network brings what arrives to the node's Admit, Answer, Hear and Stir.
type Network interface {
	Directory
	Zones
	Exchanger
	Topics
}

// Directory is the way from an address to a card.
type Directory interface {
	// Reach says how this device can be reached now: full for cards, brief
	// for invitations.
	Reach() (full, brief identity.Reach)
	// Announce stores the card's records in the DHT and says how many other
	// devices acknowledged them: the count of the slot with the fewest. Zero
	// without an error means that nobody is there to store anything; the
	// network calls Stir when that changes.
	Announce(ctx context.Context, card identity.SignedCard) (acks int, err error)
	// Resolve finds a valid card of a person. Hints, in order of
	// preference, are asked directly beside the DHT. Found is false, within
	// 10 s, when nobody publishes the address.
	Resolve(ctx context.Context, l identity.Locator, hints ...identity.Reach) (card identity.SignedCard, found bool, err error)
	// Keep fetches the records of a person, keeps them here for a while and
	// stores them again at devices that lack them: what contacts do for each
	// other.
	Keep(ctx context.Context, l identity.Locator) error
}

// Zones is the way to the zones of DNS domains.
type Zones interface {
	// DomainKey asks the zone of a DNS domain for the key that it names. Found is
	// false if it names none; an error says that the DNS failed, and that
	// trying again is useful.
	DomainKey(ctx context.Context, domain string) (key ed25519.PublicKey, found bool, err error)
}

// The protocols of Exchange, as libp2p protocol ids.
const (
	Messages = "/kith/im/1"       // instant messages and their responses (RFC 3860 section 3.4)
	Presence = "/kith/presence/1" // subscribe, notify and their responses (RFC 3859 section 3.4)
	Devices  = "/kith/device/1"   // between devices of one person (doc/spec/devices.md)
)

// Exchanger carries one request to one device and its response back.
type Exchanger interface {
	// Exchange connects to the device if needed, sends the request and
	// returns the response. An error says that there was none, whatever the
	// cause; trying again later is always allowed.
	Exchange(ctx context.Context, protocol string, to identity.Reach, request identity.Sealed) (identity.Sealed, error)
}

// Topics carries sealed publications to those who hold a topic's name.
type Topics interface {
	// Publish hands s to the topic, and directly to each of the given devices
	// that is not yet seen listening there. It says how many of them were
	// reached directly or are known listeners. Nobody there is not an error.
	Publish(ctx context.Context, topic string, s identity.Sealed, to []identity.Reach) (reached int, err error)
	// Push hands s directly to each of the given devices, listening or not, and
	// says how many took it.
	Push(ctx context.Context, s identity.Sealed, to []identity.Reach) (reached int, err error)
	// Listen joins a topic and keeps this device connected to the given
	// devices, its publishers, until Leave. Listening again replaces them.
	Listen(topic string, publishers []identity.Reach) error
	// Leave ends a Listen. Leaving a topic not listened to does nothing.
	Leave(topic string)
}
