package overlaytest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	ma "github.com/multiformats/go-multiaddr"
	mafmt "github.com/multiformats/go-multiaddr-fmt"
	manet "github.com/multiformats/go-multiaddr/net"
)

// simulated is the transport of one host on a Net, in place of TCP.
type simulated struct {
	net      *Net
	addr     netip.Addr
	upgrader transport.Upgrader
	rcmgr    network.ResourceManager
}

func (n *Net) transport(addr netip.Addr) func(transport.Upgrader, network.ResourceManager) *simulated {
	return func(u transport.Upgrader, r network.ResourceManager) *simulated {
		return &simulated{net: n, addr: addr, upgrader: u, rcmgr: r}
	}
}

func (t *simulated) CanDial(addr ma.Multiaddr) bool { return mafmt.TCP.Matches(addr) }
func (t *simulated) Protocols() []int               { return []int{ma.P_TCP} }
func (t *simulated) Proxy() bool                    { return false }
func (t *simulated) String() string                 { return "simulated TCP" }

// Dial takes a round trip, as connecting by TCP does.
func (t *simulated) Dial(ctx context.Context, raddr ma.Multiaddr, p peer.ID) (transport.CapableConn, error) {
	scope, err := t.rcmgr.OpenConnection(network.DirOutbound, true, raddr)
	if err != nil {
		return nil, err
	}
	conn, err := t.dial(ctx, raddr)
	if err != nil {
		scope.Done()
		return nil, err
	}
	if err := scope.SetPeer(p); err != nil {
		conn.Close()
		scope.Done()
		return nil, err
	}
	return t.upgrader.Upgrade(ctx, t, conn, network.DirOutbound, p, scope)
}

func (t *simulated) dial(ctx context.Context, raddr ma.Multiaddr) (manet.Conn, error) {
	to, err := addrPort(raddr)
	if err != nil {
		return nil, err
	}
	n := t.net
	n.mu.Lock()
	n.counters.Dials++
	n.port++
	from := netip.AddrPortFrom(t.addr, n.port)
	n.mu.Unlock()

	if n.way(t.addr, to.Addr()) != open {
		if err := wait(ctx, dialTimeout); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("dial %s: %w", to, os.ErrDeadlineExceeded)
	}
	if err := wait(ctx, 2*n.latency(t.addr, to.Addr())); err != nil {
		return nil, err
	}
	n.mu.Lock()
	l := n.listeners[to]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: connection refused", to)
	}
	here, there := newWires(n, from, to)
	if err := l.offer(there); err != nil {
		here.Close()
		return nil, err
	}
	return manet.WrapNetConn(here)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Listen accepts any port, of the host's own address only.
func (t *simulated) Listen(laddr ma.Multiaddr) (transport.Listener, error) {
	at, err := addrPort(laddr)
	if err != nil {
		return nil, err
	}
	l := &listener{net: t.net, at: at, addr: laddr, conns: make(chan *wire, 1), done: make(chan struct{})}
	t.net.mu.Lock()
	taken := t.net.listeners[at] != nil
	if !taken {
		t.net.listeners[at] = l
	}
	t.net.mu.Unlock()
	if taken {
		return nil, fmt.Errorf("listen %s: address already in use", at)
	}
	return t.upgrader.UpgradeGatedMaListener(t, t.upgrader.GateMaListener(l)), nil
}

func addrPort(addr ma.Multiaddr) (netip.AddrPort, error) {
	a, err := manet.ToNetAddr(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%s is not a TCP address", addr)
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

type listener struct {
	net   *Net
	at    netip.AddrPort
	addr  ma.Multiaddr
	conns chan *wire
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (manet.Conn, error) {
	select {
	case w := <-l.conns:
		return manet.WrapNetConn(w)
	case <-l.done:
		return nil, transport.ErrListenerClosed
	}
}

// offer hands a new connection to Accept.
func (l *listener) offer(w *wire) error {
	select {
	case l.conns <- w:
		return nil
	case <-l.done:
		return fmt.Errorf("dial %s: connection refused", l.at)
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.at)
		l.net.mu.Unlock()
		close(l.done)
	})
	return nil
}

func (l *listener) Addr() net.Addr          { return net.TCPAddrFromAddrPort(l.at) }
func (l *listener) Multiaddr() ma.Multiaddr { return l.addr }
