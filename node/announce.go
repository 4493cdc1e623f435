package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity"
)

// How often the address record is renewed. Records live for two days; the
// hour bounds how long a stale one can mislead.
const (
	announceEvery = time.Hour
	announceGap   = 5 * time.Second // between two, however often the network stirs
)

// announceLoop keeps the owner's address record in the DHT: at the start, on
// every change of reach or of the owner's devices, hourly, and after failures
// until it is stored.
func (n *Node) announceLoop(ctx context.Context) {
	if !n.awaitNews(ctx) {
		return
	}
	failures := 0
	for {
		acks, err := n.announce(ctx)
		if ctx.Err() != nil || errors.Is(err, ErrRevoked) {
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

// announce stores the newest card. A device that administers signs a new one.
func (n *Node) announce(ctx context.Context) (acks int, err error) {
	now := time.Now()
	if n.Revoked() {
		return 0, ErrRevoked
	}
	if _, err := n.keys.Rotate(now); err != nil {
		return 0, fmt.Errorf("renew device keys: %w", err)
	}
	if err := n.tellOwnReach(ctx); err != nil {
		return 0, err
	}
	if !n.keys.Administers() {
		return n.announceGiven(ctx, now)
	}
	card, err := n.freshCard(ctx, now)
	if err != nil {
		return 0, err
	}
	return n.net.Announce(ctx, card)
}

// tellOwnReach keeps how this device can be reached in its row, for the owner's
// other devices.
func (n *Node) tellOwnReach(ctx context.Context) error {
	reach := n.reach(time.Now())
	self := n.keys.DeviceCard(reach)
	der, err := self.Bytes()
	if err != nil {
		return fmt.Errorf("describe this device: %w", err)
	}
	return n.keepDevice(ctx, n.Device(), func(d *Device) {
		d.Card, d.Scopes, d.Account = der, self.Scopes(), n.keys.Administers()
	})
}

// announceGiven stores the records that a device with the account key made, as
// long as they hold.
func (n *Node) announceGiven(ctx context.Context, now time.Time) (acks int, err error) {
	n.mu.Lock()
	card := n.card
	ended := !n.own.expired && (card.IsZero() || now.After(card.Card().Expires))
	if ended {
		n.own.expired = true
	}
	n.mu.Unlock()
	if ended {
		n.log.Warn("the card has run out: a device that administers must be started")
		n.tell(Event{Kind: SawCardEnd})
	}
	if card.IsZero() {
		n.findOwnCard(ctx)
		return 0, errNoCard
	}
	var good []identity.Record
	for _, r := range card.Records() {
		if identity.CheckRecord(r.Key, r.Value, now) == nil {
			good = append(good, r)
		}
	}
	if len(good) == 0 {
		return 0, nil
	}
	if card, err = card.WithRecords(good, now); err != nil {
		return 0, fmt.Errorf("records of the card: %w", err)
	}
	return n.net.Announce(ctx, card)
}

// freshCard signs a card of how the owner's devices can be reached now. A device
// without the account key returns the newest card that it was given.
func (n *Node) freshCard(ctx context.Context, now time.Time) (identity.SignedCard, error) {
	reach := n.reach(time.Now())
	n.mu.Lock()
	old, revoked := n.card, n.own.revoked
	draft := identity.CardDraft{Reach: reach, Others: n.othersAt(now), Revoked: n.own.gone()}
	n.mu.Unlock()
	switch {
	case revoked:
		return identity.SignedCard{}, ErrRevoked
	case !n.keys.Administers() && old.IsZero():
		return identity.SignedCard{}, errNoCard
	case !n.keys.Administers():
		return old, nil
	}
	least := uint64(now.Unix())
	if !old.IsZero() {
		least = max(least, old.Card().Serial+1)
	}
	var err error
	if draft.Serial, err = n.store.Count(ctx, countCard, least); err != nil {
		return identity.SignedCard{}, fmt.Errorf("count card: %w", err)
	}
	card, err := n.signCard(draft, now)
	if err != nil {
		return identity.SignedCard{}, err
	}
	n.mu.Lock()
	newest := newer(card, n.card)
	if newest {
		n.card = card
		n.noteOwner(card)
	}
	n.mu.Unlock()
	if newest {
		if err := n.keepOwnCard(ctx, card); err != nil {
			n.log.Error("card not kept", "err", err)
		}
	}
	if newest && !old.IsZero() && slices.ContainsFunc(card.Card().Devices, func(d identity.DeviceCard) bool { return old.Card().Admits(d.ID) != nil }) {
		n.spreadCard() // a device is back, with certificates that are good again
	}
	return card, nil
}

// signCard signs a draft, without those devices that make it impossible: a row
// that another device gave may be wrong.
func (n *Node) signCard(draft identity.CardDraft, now time.Time) (identity.SignedCard, error) {
	card, err := n.keys.SignCard(draft, now)
	if err == nil || len(draft.Others) == 0 {
		return card, wrapCard(err)
	}
	whole := draft
	draft.Others = nil
	for _, d := range whole.Others {
		tried := draft
		tried.Others = append(append([]identity.DeviceCard(nil), draft.Others...), d)
		if _, err := n.keys.SignCard(tried, now); err != nil {
			n.log.Warn("device left out of the card", "device", d.ID.Short(), "err", err)
			continue
		}
		draft = tried
	}
	card, err = n.keys.SignCard(draft, now)
	return card, wrapCard(err)
}

func wrapCard(err error) error {
	if err != nil {
		return fmt.Errorf("sign card: %w", err)
	}
	return nil
}

// ownCard returns the owner's newest card, making one if there is none or if it
// runs out.
func (n *Node) ownCard(ctx context.Context) (identity.SignedCard, error) {
	n.mu.Lock()
	card := n.card
	n.mu.Unlock()
	now := time.Now()
	if !card.IsZero() && now.Before(card.Card().Expires.Add(-announceEvery)) && card.Card().Admits(n.Device()) == nil {
		return card, nil
	}
	return n.freshCard(ctx, now)
}

// reach is how this device can be reached now. What the network says is another
// word each time, with the same meaning: it stays until the meaning changes, or
// for an hour.
func (n *Node) reach(now time.Time) identity.Reach {
	full, brief := n.net.Reach()
	n.mu.Lock()
	defer n.mu.Unlock()
	if string(brief) != string(n.own.brief) || now.Sub(n.own.reached) >= announceEvery {
		n.own.full, n.own.brief, n.own.reached = full, brief, now
	}
	return n.own.full
}

// newReach is how this device can be reached, if the owner's newest card says
// something else of it.
func (n *Node) newReach() identity.Reach {
	reach := n.reach(time.Now())
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.card.IsZero() || len(reach) == 0 {
		return nil
	}
	for _, d := range n.card.Card().Devices {
		if d.ID == n.Device() && string(d.Reach) == string(reach) {
			return nil
		}
	}
	return reach
}

// maxKept is the largest setting that a store takes.
const maxKept = 64 << 10

// keepOwnCard writes the owner's newest card and its records, or those of them
// that fit, to disk.
func (n *Node) keepOwnCard(ctx context.Context, card identity.SignedCard) error {
	records := card.Records()
	for {
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(card.Bytes())
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, r := range records {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						addText(b, r.Key)
						b.AddASN1OctetString(r.Value)
					})
				}
			})
		})
		raw, err := b.Bytes()
		if err != nil {
			return fmt.Errorf("write card: %w", err)
		}
		if len(raw) > maxKept && len(records) > 0 {
			records = records[:len(records)-1]
			continue
		}
		if err := n.store.PutSetting(ctx, keepCard, raw); err != nil {
			return fmt.Errorf("keep card: %w", err)
		}
		return nil
	}
}

// parseKept reads and verifies the owner's card and those of its records that
// are good at now.
func (n *Node) parseKept(raw []byte, now time.Time) (identity.SignedCard, error) {
	return parseKeptCard(raw, n.Address(), n.ownDomain, now)
}

func parseKeptCard(raw []byte, who identity.Address, domain domainKeys, now time.Time) (identity.SignedCard, error) {
	in, ok := sequence(raw)
	var card []byte
	var list cryptobyte.String
	if !ok || len(raw) > maxKept || !in.ReadASN1Bytes(&card, asn1.OCTET_STRING) || !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return identity.SignedCard{}, fmt.Errorf("kept card: %w", errSyntax)
	}
	signed, err := identity.ParseSignedCard(card, domain)
	if err != nil {
		return identity.SignedCard{}, err
	}
	if signed.Card().Address != who {
		return identity.SignedCard{}, errors.New("kept card of somebody else")
	}
	var records []identity.Record
	for !list.Empty() {
		var one cryptobyte.String
		var key string
		var value []byte
		if !list.ReadASN1(&one, asn1.SEQUENCE) || !readText(&one, &key) || !one.ReadASN1Bytes(&value, asn1.OCTET_STRING) || !one.Empty() {
			return identity.SignedCard{}, fmt.Errorf("kept card: %w", errSyntax)
		}
		r := identity.Record{Key: key, Value: value}
		if _, err := signed.WithRecords([]identity.Record{r}, now); err == nil {
			records = append(records, r)
		}
	}
	if len(records) == 0 {
		return signed, nil
	}
	return signed.WithRecords(records, now)
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
	for _, s := range n.own.siblings {
		s.failures, s.next = 0, time.Time{}
	}
	n.mu.Unlock()
	wake(n.wakeAnnounce)
	wake(n.wakeWatch)
	wake(n.wakeSend)
	wake(n.wakeSync)
}
