package overlay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// handshakeTimeout bounds connecting, agreeing on a protocol, and how long an
// early stream waits for Serve.
const handshakeTimeout = 10 * time.Second

// offencesLimit is how many (device, kind) pairs of misbehaviour are remembered
// as logged.
const offencesLimit = 1024

func protocolID(s string) protocol.ID { return protocol.ID(s) }

// A gate stands before every protocol this device serves. Before Serve, streams
// wait at it; after, they are refused.
type gate struct {
	log    *slog.Logger
	opened chan struct{} // closed by open and by close

	mu       sync.Mutex
	handler  Handler // nil before open and after close
	serving  func() context.Context
	closed   bool
	running  sync.WaitGroup // calls of the handler
	offences map[offence]struct{}
}

type offence struct {
	from peer.ID
	kind string
}

func newGate(log *slog.Logger) *gate {
	return &gate{log: log, opened: make(chan struct{}), offences: make(map[offence]struct{})}
}

var errServed = errors.New("overlay serves once")

func (g *gate) open(ctx context.Context, h Handler) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.handler != nil || g.closed {
		return errServed
	}
	g.handler = h
	g.serving = func() context.Context { return ctx }
	close(g.opened)
	return nil
}

// close refuses what comes from now on and waits for calls of the handler.
func (g *gate) close() {
	g.mu.Lock()
	if !g.closed && g.handler == nil {
		close(g.opened)
	}
	g.closed, g.handler = true, nil
	g.mu.Unlock()
	g.running.Wait()
}

// enter gives the handler for one call and the context of Serve; leave ends the
// call. It gives nil before and after Serve.
func (g *gate) enter() (ctx context.Context, h Handler, leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.handler == nil {
		return nil, nil, nil
	}
	g.running.Add(1)
	return g.serving(), g.handler, g.running.Done
}

// guard lets a stream through to next if the handler admits it.
func (g *gate) guard(next network.StreamHandler) network.StreamHandler {
	return func(s network.Stream) {
		if !g.admit(s) {
			s.Reset()
			return
		}
		next(s)
	}
}

// admit is the one place where an inbound stream of any kith protocol is
// accepted. Nothing has been read from it.
func (g *gate) admit(s network.Stream) bool {
	timer := time.NewTimer(handshakeTimeout)
	defer timer.Stop()
	select {
	case <-g.opened:
	case <-timer.C:
		return false
	}
	_, h, leave := g.enter()
	if h == nil {
		return false
	}
	defer leave()
	return h.Admit(string(s.Protocol()), s.Conn().RemotePeer().String())
}

// offend logs a device's misbehaviour, once for each device and kind.
func (g *gate) offend(from peer.ID, kind string, err error) {
	g.mu.Lock()
	_, known := g.offences[offence{from, kind}]
	if !known {
		if len(g.offences) >= offencesLimit {
			clear(g.offences)
		}
		g.offences[offence{from, kind}] = struct{}{}
	}
	g.mu.Unlock()
	if !known {
		g.log.Warn("device misbehaves", "peer", short(from), "kind", kind, "err", err)
	}
}

// short is the end of a peer id, where peer ids differ.
func short(p peer.ID) string {
	s := p.String()
	return "…" + s[max(0, len(s)-8):]
}

// guardedHost puts the gate before what the DHTs serve.
type guardedHost struct {
	host.Host
	gate *gate
}

func (h guardedHost) SetStreamHandler(p protocol.ID, next network.StreamHandler) {
	h.Host.SetStreamHandler(p, h.gate.guard(next))
}

func (h guardedHost) SetStreamHandlerMatch(p protocol.ID, m func(protocol.ID) bool, next network.StreamHandler) {
	h.Host.SetStreamHandlerMatch(p, m, h.gate.guard(next))
}
