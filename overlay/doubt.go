package overlay

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
)

// doubtTimeout is how long an older connection has to answer.
const doubtTimeout = 2 * time.Second

// doubtOlder asks the older connections of a device that has just made
// another one whether they are alive, and closes those that are not: a device
// that crashed and came back leaves QUIC connections which would take streams,
// and swallow them, until their idle timeout of 30 s.
func (o *Overlay) doubtOlder(ctx context.Context, wg *sync.WaitGroup, e event.EvtPeerIdentificationCompleted) {
	if e.Conn == nil {
		return
	}
	for _, c := range o.host.Network().ConnsToPeer(e.Peer) {
		if c != e.Conn && c.Stat().Opened.Before(e.Conn.Stat().Opened) {
			wg.Go(func() { // for two seconds
				if err := alive(ctx, c); err != nil {
					o.log.Debug("dead connection closed", "peer", short(e.Peer), "err", err)
					c.Close()
				}
			})
		}
	}
}

// alive opens a stream on a connection and waits for the greeting that every
// libp2p host gives on one.
func alive(ctx context.Context, c network.Conn) error {
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "kith doubt"), doubtTimeout)
	defer cancel()
	s, err := c.NewStream(ctx)
	if err != nil {
		return err
	}
	defer s.Reset()
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)
	if _, err := io.WriteString(s, "\x13/multistream/1.0.0\n"); err != nil {
		return err
	}
	_, err = io.ReadFull(s, make([]byte, 20))
	return err
}
