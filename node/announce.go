package node

import (
	"context"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// How often the address record is renewed. Records live for two days; the
// hour bounds how long a stale one can mislead.
const (
	announceEvery = time.Hour
	announceGap   = 5 * time.Second // between two, however often the network stirs
)

// announceLoop keeps the owner's address record in the DHT: at the start, on
// every change of reach, hourly, and after failures until it is stored.
func (n *Node) announceLoop(ctx context.Context) {
	failures := 0
	for {
		acks, err := n.announce(ctx)
		if ctx.Err() != nil {
			return
		}
		delay := jitter(announceEvery)
		if err != nil || acks == 0 {
			failures++
			delay = retryDelay(failures)
		} else {
			failures = 0
		}
		if err != nil {
			n.log.Warn("address record not stored", "err", err)
		}
		if failures <= 1 {
			n.tell(Event{Kind: SawAnnounce, Acks: acks})
		}
		gap := time.Now().Add(announceGap)
		if !pause(ctx, time.Now().Add(delay), n.wakeAnnounce) || !pause(ctx, gap, nil) {
			return
		}
	}
}

// announce signs a new card and stores it.
func (n *Node) announce(ctx context.Context) (acks int, err error) {
	now := time.Now()
	if _, err := n.keys.Rotate(now); err != nil {
		return 0, fmt.Errorf("renew device keys: %w", err)
	}
	card, err := n.freshCard(ctx, now)
	if err != nil {
		return 0, err
	}
	return n.net.Announce(ctx, card)
}

// freshCard signs a card of how this device can be reached now.
func (n *Node) freshCard(ctx context.Context, now time.Time) (identity.SignedCard, error) {
	serial, err := n.store.Count(ctx, countCard, uint64(now.Unix()))
	if err != nil {
		return identity.SignedCard{}, fmt.Errorf("count card: %w", err)
	}
	reach, _ := n.net.Reach()
	card, err := n.keys.SignCard(identity.CardDraft{Serial: serial, Reach: reach}, now)
	if err != nil {
		return identity.SignedCard{}, fmt.Errorf("sign card: %w", err)
	}
	n.mu.Lock()
	n.card = card
	n.noteOwner(card)
	n.mu.Unlock()
	return card, nil
}

// ownCard returns the newest card of this node, making one if there is none
// or if the way it can be reached has changed.
func (n *Node) ownCard(ctx context.Context) (identity.SignedCard, error) {
	n.mu.Lock()
	card := n.card
	n.mu.Unlock()
	now := time.Now()
	if !card.IsZero() && now.Before(card.Card().Expires.Add(-announceEvery)) {
		return card, nil
	}
	return n.freshCard(ctx, now)
}

// Stir is told by the network that something about it changed: addresses,
// first neighbours, a wake from sleep. What failed before is tried again.
func (n *Node) Stir() {
	n.mu.Lock()
	for _, w := range n.watches {
		if w.failures > 0 {
			w.next = time.Now().Add(jitter(firstDelay / 2))
		}
	}
	for _, o := range n.outbox {
		o.next = time.Time{}
	}
	n.mu.Unlock()
	wake(n.wakeAnnounce)
	wake(n.wakeWatch)
	wake(n.wakeSend)
}
