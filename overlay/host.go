package overlay

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/host/observedaddrs"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Connections: home routers fail with more, and the DHT protects up to 40 of
// these by itself.
const (
	connsLow   = 64
	connsHigh  = 96
	connsGrace = 30 * time.Second
)

// lowerThresholds makes libp2p believe an observed address of its own when two
// others report it instead of four, because small networks have no four. It is
// libp2p's variable, read by running hosts: set once, before the first.
var lowerThresholds = sync.OnceFunc(func() { observedaddrs.ActivationThresh = 2 })

func newHost(cfg Config) (host.Host, error) {
	lowerThresholds()
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("transport key: %w", err)
	}
	conns, err := connmgr.NewConnManager(connsLow, connsHigh, connmgr.WithGracePeriod(connsGrace))
	if err != nil {
		return nil, err
	}
	listen := cfg.Listen
	if len(listen) == 0 {
		if listen, err = everywhere(cfg.Port); err != nil {
			return nil, err
		}
	}
	options := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.ListenAddrStrings(listen...),
		libp2p.UserAgent("kith"), // not the build's module path
		libp2p.ProtocolVersion("kith/1"),
		libp2p.ConnectionManager(conns),
		libp2p.AddrsFactory(advertised),
		libp2p.DisableMetrics(),
	}
	if cfg.Public {
		options = append(options, libp2p.ForceReachabilityPublic())
	}
	source := &relaySource{ready: make(chan struct{})}
	if cfg.Transport != nil {
		options = append(options, cfg.Transport...)
	} else {
		limits, err := resources()
		if err != nil {
			return nil, err
		}
		options = append(options, libp2p.ResourceManager(limits))
		options = append(options, reachability(source)...)
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", listen, err)
	}
	source.host = h
	close(source.ready)
	return h, nil
}

// everywhere is TCP and QUIC on all interfaces, at one port for both.
func everywhere(port int) ([]string, error) {
	if port == 0 {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	var addrs []string
	for _, ip := range []string{"/ip4/0.0.0.0", "/ip6/::"} {
		addrs = append(addrs,
			fmt.Sprintf("%s/tcp/%d", ip, port),
			fmt.Sprintf("%s/udp/%d/quic-v1", ip, port))
	}
	return addrs, nil
}

// advertised leaves out loopback addresses, unless there is nothing else.
func advertised(addrs []ma.Multiaddr) []ma.Multiaddr {
	var far []ma.Multiaddr
	for _, a := range addrs {
		if !manet.IsIPLoopback(a) {
			far = append(far, a)
		}
	}
	if len(far) == 0 {
		return addrs
	}
	return far
}

func tcpPort(addrs []ma.Multiaddr) int {
	for _, a := range addrs {
		if na, err := manet.ToNetAddr(a); err == nil {
			if tcp, ok := na.(*net.TCPAddr); ok {
				return tcp.Port
			}
		}
	}
	return 0
}

// reachability is what gets a device behind a NAT reached.
func reachability(source *relaySource) []libp2p.Option {
	circuits := relay.DefaultResources()
	circuits.Limit = &relay.RelayLimit{Duration: 30 * time.Minute, Data: 4 << 20}
	circuits.MaxReservationsPerIP = 16
	return []libp2p.Option{
		libp2p.NATPortMap(),
		libp2p.EnableNATService(),
		libp2p.EnableAutoNATv2(),
		libp2p.EnableHolePunching(),
		libp2p.EnableRelayService(relay.WithResources(circuits)),
		libp2p.EnableAutoRelayWithPeerSource(source.candidates,
			autorelay.WithMinCandidates(1), // the default waits minutes for four
			autorelay.WithBootDelay(5*time.Second),
			autorelay.WithNumRelays(2),
			autorelay.WithMinInterval(15*time.Second),
			autorelay.WithBackoff(5*time.Minute)),
	}
}

// relaySource offers connected devices as relays.
type relaySource struct {
	ready chan struct{} // closed once host is set
	host  host.Host
}

func (r *relaySource) candidates(ctx context.Context, num int) <-chan peer.AddrInfo {
	out := make(chan peer.AddrInfo, num)
	defer close(out)
	select {
	case <-r.ready:
	case <-ctx.Done():
		return out
	}
	for _, p := range r.host.Network().Peers() {
		if len(out) == num {
			break
		}
		if s, err := r.host.Peerstore().SupportsProtocols(p, proto.ProtoIDv2Hop); err == nil && len(s) > 0 {
			out <- r.host.Peerstore().PeerInfo(p)
		}
	}
	return out
}

// resources limits what all others together, each protocol, and each device may
// take of this one. One NAT may hide an office of watchers: the limits for an
// address are higher than libp2p's.
func resources() (network.ResourceManager, error) {
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	for _, p := range exchangeProtocols() {
		scaling.AddProtocolLimit(protocolID(p),
			rcmgr.BaseLimit{StreamsInbound: 512, StreamsOutbound: 512, Streams: 1024, Memory: 64 << 20}, rcmgr.BaseLimitIncrease{})
		scaling.AddProtocolPeerLimit(protocolID(p),
			rcmgr.BaseLimit{StreamsInbound: 32, StreamsOutbound: 64, Streams: 96, Memory: 16 << 20}, rcmgr.BaseLimitIncrease{})
	}
	limits := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			ConnsInbound: 2 * connsHigh, ConnsOutbound: 512, Conns: 640, FD: 512,
			StreamsInbound: 4096, StreamsOutbound: 8192, Streams: 12288, Memory: 256 << 20,
		},
	}.Build(scaling.Scale(512<<20, 1024))
	perSecond := func(bits int, burst int) rate.SubnetLimit {
		return rate.SubnetLimit{PrefixLength: bits, Limit: rate.Limit{RPS: 2, Burst: burst}}
	}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: 64}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: 64}, {PrefixLength: 48, ConnCount: 128}}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{ // loopback is free
				{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
				{Prefix: netip.MustParsePrefix("::1/128")},
			},
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{perSecond(32, 64)},
				IPv6SubnetLimits: []rate.SubnetLimit{perSecond(56, 64), perSecond(48, 256)},
				GracePeriod:      time.Minute,
			},
		}))
}
