package overlaytest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// A wire is one end of a connection. What is written at one end can be read at
// the other after the latency of the pair. Its mutex is held for memory only:
// a lock held over a wait would stop virtual time.
type wire struct {
	net           *Net
	local, remote netip.AddrPort
	peer          *wire

	mu       sync.Mutex
	queue    []chunk // what will be read here, in order
	deadline time.Time
	closed   bool
	wake     chan struct{} // size 1: the queue, the deadline or closed changed
}

// chunk is what one Write sent. A zero time means held by a cut.
type chunk struct {
	at   time.Time
	data []byte
	eof  bool
}

func newWires(n *Net, local, remote netip.AddrPort) (*wire, *wire) {
	a := &wire{net: n, local: local, remote: remote, wake: make(chan struct{}, 1)}
	b := &wire{net: n, local: remote, remote: local, wake: make(chan struct{}, 1)}
	a.peer, b.peer = b, a
	n.mu.Lock()
	n.wires[a], n.wires[b] = struct{}{}, struct{}{}
	n.mu.Unlock()
	return a, b
}

func (w *wire) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *wire) Read(b []byte) (int, error) {
	for {
		n, wait, err := w.take(b)
		if n > 0 || err != nil {
			return n, err
		}
		if wait < 0 {
			<-w.wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-w.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take reads what has arrived. Without any it says how long to wait for the
// next reason to look again; negative means until woken.
func (w *wire) take(b []byte) (n int, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.closed {
		return 0, 0, net.ErrClosed
	}
	if !w.deadline.IsZero() && !now.Before(w.deadline) {
		w.signal()
		return 0, 0, os.ErrDeadlineExceeded
	}
	wait = -1
	if !w.deadline.IsZero() {
		wait = w.deadline.Sub(now)
	}
	if len(w.queue) == 0 || w.queue[0].at.IsZero() {
		return 0, wait, nil
	}
	head := &w.queue[0]
	if d := head.at.Sub(now); d > 0 {
		if wait < 0 || d < wait {
			wait = d
		}
		return 0, wait, nil
	}
	if head.eof {
		return 0, 0, io.EOF
	}
	n = copy(b, head.data)
	head.data = head.data[n:]
	if len(head.data) == 0 {
		w.queue = w.queue[1:]
	}
	return n, 0, nil
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	if len(b) == 0 {
		return 0, nil
	}
	w.net.mu.Lock()
	w.net.counters.Bytes += int64(len(b))
	w.net.mu.Unlock()
	w.send(chunk{data: slices.Clone(b)})
	return len(b), nil
}

func (w *wire) send(c chunk) {
	switch w.net.way(w.local.Addr(), w.remote.Addr()) {
	case lost:
		return
	case open:
		c.at = time.Now().Add(w.net.latency(w.local.Addr(), w.remote.Addr()))
	case held:
	}
	p := w.peer
	p.mu.Lock()
	if !p.closed {
		p.queue = append(p.queue, c)
	}
	p.mu.Unlock()
	p.signal()
}

// release gives what a cut held back a time of arrival.
func (w *wire) release(at time.Time) {
	w.mu.Lock()
	for i := range w.queue {
		if w.queue[i].at.IsZero() {
			w.queue[i].at = at
		}
	}
	w.mu.Unlock()
	w.signal()
}

// Close ends a pending Read here at once, and there when the news arrives.
func (w *wire) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed, w.queue = true, nil
	w.mu.Unlock()
	w.signal()
	w.send(chunk{eof: true})
	w.net.mu.Lock()
	delete(w.net.wires, w)
	w.net.mu.Unlock()
	return nil
}

func (w *wire) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(w.local) }
func (w *wire) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(w.remote) }

func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	w.deadline = t
	w.mu.Unlock()
	w.signal()
	return nil
}

// SetWriteDeadline does nothing: a Write never waits.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
