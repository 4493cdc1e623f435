// Package overlay is devices: a libp2p host which finds other devices by their
// person's address, exchanges sealed requests with them, and carries sealed
// publications to those who listen. It is the only importer of libp2p.
//
// Make one with New, run it with Serve, end it with Close. What is carried is
// opaque here: only an identity.SignedCard or an identity.Sealed comes in from
// above, and everything that comes in from the network goes to a Handler, which
// decides whom it serves before an octet is read.
//
// Frames, the encoding of reach, DHT prefixes and topics are specified in
// doc/spec/frames.md. Limits: frames of 300 KiB, exchanges of 15 s, 1 000
// topics, records of 8 KiB, 10 000 records and 64 MiB kept for others.
package overlay

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Config is what an Overlay is made from. Only Key is needed.
type Config struct {
	// Key is the device's transport key (identity.Keys.TransportKey). The peer
	// id that others see is its public half.
	Key ed25519.PrivateKey
	// Port is used for TCP and UDP on all interfaces when Listen is empty; zero
	// picks a free one. Keep what Overlay.Port says, so that NAT mappings and
	// remembered addresses stay good.
	Port int
	// Listen is the multiaddrs to listen on, instead of Port.
	Listen []string
	// Bootstrap is devices, as multiaddrs ending in /p2p, which are asked at the
	// start and whenever this device knows nobody.
	Bootstrap []string
	// PeersFile remembers up to 200 devices seen, as further ways in; empty
	// remembers none.
	PeersFile string
	// LAN announces this device on the local network by mDNS, under a random
	// name, and finds others there. No name of a person is in it.
	LAN bool
	// DNS is how domains that are not overlay domains are looked up; zero asks
	// the system's servers.
	DNS DNS
	// Public says that this device can be reached from everywhere: it serves
	// the WAN DHT and relays at once, without waiting to be told by others.
	Public bool
	// Log may be nil for silence. Bodies and keys are never logged.
	Log *slog.Logger
	// Transport replaces TCP, QUIC and all that deals with NATs; nil keeps
	// them. For package overlaytest.
	Transport []libp2p.Option

	// now tells the time that records are judged by; nil is time.Now.
	now func() time.Time
}

// Handler is the program above an Overlay. Its methods are called from many
// goroutines at once, from the start of Serve until it returns.
type Handler interface {
	// Admit decides, before an octet is read, whether a device may open a stream
	// of a protocol to this one. From is its transport identity, a libp2p peer
	// id: opaque, authentic, and no person. Asked for /kith/im/1,
	// /kith/presence/1, /kith/device/1, the DHTs (/kith/kad/1.0.0, /kith/lan/kad/1.0.0) and
	// pubsub (/meshsub/…): refusing a DHT protocol refuses a neighbour's
	// lookups. It must not block.
	Admit(protocol, from string) bool
	// Answer returns the response to a request. An error ends the exchange
	// unanswered.
	Answer(ctx context.Context, protocol, from string, request identity.Sealed) (identity.Sealed, error)
	// Hear takes a publication, which came by a topic or directly. Fresh says
	// that it was not known before and is worth passing on; an error says that
	// no honest device would have sent it.
	Hear(ctx context.Context, from string, s identity.Sealed) (fresh bool, err error)
	// Stir says that something about the network changed: own addresses, the
	// first neighbours, a wake from sleep. It must not block.
	Stir()
}

// Overlay is a device on the network. Its methods are safe for concurrent use.
type Overlay struct {
	cfg       Config
	log       *slog.Logger
	host      host.Host
	bootstrap []peer.AddrInfo
	born      time.Time

	gate    *gate   // admits what comes in
	names   *names  // the DHTs
	topics  *topics // pubsub
	peers   *peers  // remembered devices
	zones   *zones  // the DNS
	closing sync.Once
}

var errNoKey = errors.New("overlay needs a transport key")

// New makes a device that listens. It answers nobody, and dials nobody, before
// Serve. Close it in any case.
func New(cfg Config) (*Overlay, error) {
	if len(cfg.Key) != ed25519.PrivateKeySize {
		return nil, errNoKey
	}
	o := &Overlay{cfg: cfg, log: cfg.Log, born: time.Now()}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	for _, s := range cfg.Bootstrap {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			return nil, fmt.Errorf("bootstrap address %q: %w", s, err)
		}
		o.bootstrap = append(o.bootstrap, *info)
	}
	var err error
	if o.peers, err = openPeers(cfg.PeersFile); err != nil {
		return nil, err
	}
	if o.zones, err = newZones(cfg.DNS, o.log); err != nil {
		return nil, err
	}
	if o.host, err = newHost(cfg); err != nil {
		return nil, err
	}
	o.gate = newGate(o.log)
	if o.names, err = newNames(o.host, o.gate, cfg); err != nil {
		o.host.Close()
		return nil, err
	}
	if o.topics, err = newTopics(o.host, o.gate, o.log); err != nil {
		o.names.close()
		o.host.Close()
		return nil, err
	}
	for _, p := range exchangeProtocols() {
		o.host.SetStreamHandler(protocolID(p), o.gate.guard(o.serveExchange))
	}
	return o, nil
}

// Serve brings what arrives to h, looks for neighbours and keeps to those that
// are listened to, until ctx ends, and then returns nil: by then h is not called
// any more. It may be called once.
func (o *Overlay) Serve(ctx context.Context, h Handler) error {
	if err := o.gate.open(ctx, h); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { o.seekNeighbours(ctx) })  // until ctx ends
	wg.Go(func() { o.watchNetwork(ctx, h) }) // until ctx ends
	wg.Go(func() { o.topics.tend(ctx) })     // until ctx ends
	wg.Go(func() { o.rememberPeers(ctx) })   // until ctx ends
	if o.cfg.LAN {
		wg.Go(func() { o.discoverLAN(ctx) }) // until ctx ends
	}
	<-ctx.Done()
	wg.Wait()
	o.gate.close()
	return nil
}

// Close ends the device: its connections, DHTs and topics. Nobody is told; a
// goodbye is the program's. Close after Serve has returned; closing twice does
// nothing.
func (o *Overlay) Close() error {
	var err error
	o.closing.Do(func() {
		o.gate.close()
		o.topics.close()
		err = errors.Join(o.names.close(), o.host.Close())
	})
	return err
}

// Port is the TCP port this device listens on, zero if on none.
func (o *Overlay) Port() int { return tcpPort(o.host.Network().ListenAddresses()) }

// PeerID is this device's transport identity, as others see it in Admit.
func (o *Overlay) PeerID() string { return o.host.ID().String() }

// Addresses is where this device can be reached now, as multiaddrs ending in
// /p2p: what another device takes as Bootstrap.
func (o *Overlay) Addresses() []string {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: o.host.ID(), Addrs: o.host.Addrs()})
	if err != nil {
		return nil
	}
	return texts(addrs)
}

func texts(addrs []ma.Multiaddr) []string {
	s := make([]string, len(addrs))
	for i, a := range addrs {
		s[i] = a.String()
	}
	return s
}
