package overlay

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// How publishers are kept connected.
const (
	backoffFirst  = time.Second
	backoffMost   = time.Minute
	contactsDials = 32 // at once
	tendPeriod    = time.Minute
	joinPeriod    = 100 * time.Millisecond
	listenTag     = "kith listen" // protects a connection from being trimmed
)

// contact is a publisher and when to dial it next.
type contact struct {
	info    peer.AddrInfo
	backoff time.Duration
	next    time.Time
	dialing bool
}

// tend joins the topics listened to and keeps their publishers connected, until
// ctx ends.
func (t *topics) tend(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	lastSweep := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
		now := time.Now()
		waiting, due := t.unjoined(now)
		for _, topic := range due {
			if err := t.join(topic); err != nil {
				t.log.Error("topic not joined", "err", err)
			}
		}
		dial, wait := t.due(now)
		for _, c := range dial {
			wg.Go(func() { t.dial(ctx, c) }) // until the dial times out or ctx ends
		}
		t.renew()
		if now.Sub(lastSweep) > time.Hour {
			lastSweep = now
			t.sweep(now)
		}
		if waiting > 0 {
			wait = min(wait, joinPeriod)
		}
		timer.Reset(wait)
	}
}

// due brings contacts in line with what is listened to, and gives those to dial
// now and how long until the next.
func (t *topics) due(now time.Time) (dial []*contact, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	wanted := make(map[peer.ID]bool)
	for _, l := range t.listening {
		for _, info := range l.publishers {
			wanted[info.ID] = true
			c := t.contacts[info.ID]
			if c == nil {
				c = &contact{next: now}
				t.contacts[info.ID] = c
				t.host.ConnManager().Protect(info.ID, listenTag)
			}
			c.info = info
		}
	}
	dialing := 0
	for p, c := range t.contacts {
		if !wanted[p] {
			delete(t.contacts, p)
			t.host.ConnManager().Unprotect(p, listenTag)
		} else if c.dialing {
			dialing++
		}
	}
	wait = tendPeriod
	for p, c := range t.contacts {
		switch {
		case c.dialing:
		case t.host.Network().Connectedness(p) == network.Connected:
			c.backoff, c.next = 0, now
		case now.Before(c.next):
			wait = min(wait, c.next.Sub(now))
		case dialing < contactsDials:
			c.dialing = true
			dialing++
			dial = append(dial, c)
		}
	}
	return dial, wait
}

// renew makes pubsub try again with connected publishers that it gave up, as it
// does after a few refusals: they may not have known this device then.
func (t *topics) renew() {
	known := t.pubsub.ListPeers("")
	var missing []peer.ID
	t.mu.Lock()
	for p := range t.contacts {
		if !slices.Contains(known, p) {
			missing = append(missing, p)
		}
	}
	t.mu.Unlock()
	for _, p := range missing {
		t.vetted.reveal(p)
	}
}

// dial connects to a publisher once.
func (t *topics) dial(ctx context.Context, c *contact) {
	t.mu.Lock()
	info := c.info
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	introduce(t.host, info)
	err := unnamed(t.host.Connect(ctx, info))
	t.mu.Lock()
	c.dialing = false
	c.backoff = min(max(2*c.backoff, backoffFirst), backoffMost)
	c.next = time.Now().Add(c.backoff/2 + rand.N(c.backoff))
	t.mu.Unlock()
	if err != nil {
		t.log.Debug("publisher not reached", "peer", short(info.ID), "err", err)
	}
	t.stir()
}
