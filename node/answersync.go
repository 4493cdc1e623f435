package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// The side of a sync that is asked; sync.go asks.

// answerDevices opens, verifies and answers what another device of the owner's
// asks, or one that wants to become one.
func (n *Node) answerDevices(ctx context.Context, from string, request identity.Sealed, now time.Time) (identity.Sealed, error) {
	if n.Revoked() {
		return identity.Sealed{}, ErrRevoked
	}
	o, err := n.keys.Open(request, n.knownOwn(), now)
	if errors.Is(err, identity.ErrRevoked) {
		return n.answerRevoked(ctx, request, now)
	}
	if err != nil {
		return identity.Sealed{}, err
	}
	if o.From == n.Address() && !n.isSibling(o) {
		n.lookAround(ctx) // another device may have linked it
	}
	var e identity.Entity
	switch {
	case o.Entity.Type == typeLink:
		e, err = n.answerLink(ctx, o, request, now)
	case o.Entity.Type == typeSync && o.From == n.Address() && n.isSibling(o):
		n.gate.vouch(from, true)
		e, err = n.answerSync(ctx, o, request, now)
	default:
		err = fmt.Errorf("%s of %s", o.Entity.Type, o.From.Short())
	}
	if err != nil {
		return identity.Sealed{}, err
	}
	return n.reply(e, o, now)
}

// reply signs an answer and seals it to who asked.
func (n *Node) reply(e identity.Entity, o *identity.Opened, now time.Time) (identity.Sealed, error) {
	signed, err := n.keys.Sign(e, true, now)
	if err != nil {
		return identity.Sealed{}, fmt.Errorf("sign answer: %w", err)
	}
	n.mu.Lock()
	row := n.own.rows[o.Device]
	n.mu.Unlock()
	if o.Sealing == nil && row != nil && o.From == n.Address() {
		// Its sealing certificate has run out, and it asks for another one: the
		// key is still its own.
		to, err := identity.ParseDeviceCard(row.Card)
		if err != nil {
			return identity.Sealed{}, fmt.Errorf("device %s: %w", row.ID.Short(), err)
		}
		return n.keys.SealToDevice(signed, to)
	}
	return n.keys.SealReply(signed, o)
}

// isSibling says whether what was opened is of another device of the owner's:
// the newest card lists it, or the roster does and its certificates only ended.
func (n *Node) isSibling(o *identity.Opened) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	row := n.own.rows[o.Device]
	return o.Device != n.Device() && row != nil && row.Revoked.IsZero()
}

// answerRevoked tells a device that was revoked just that: it gets the card.
func (n *Node) answerRevoked(ctx context.Context, request identity.Sealed, now time.Time) (identity.Sealed, error) {
	o, err := n.keys.Open(request, identity.Known{Domain: n.ownDomain}, now)
	if err != nil {
		return identity.Sealed{}, err
	}
	if o.From != n.Address() || o.Entity.Type != typeSync {
		return identity.Sealed{}, fmt.Errorf("%s of a revoked device", o.Entity.Type)
	}
	c, found, err := n.store.ChangeOf(ctx, SettingChange, keepCard)
	if err != nil || !found {
		return identity.Sealed{}, errors.Join(err, errNoCard)
	}
	it, err := n.itemOf(ctx, c, new(pageSource))
	if err != nil {
		return identity.Sealed{}, err
	}
	body, err := synced{digest: request.Digest(), items: []item{*it}}.marshal()
	if err != nil {
		return identity.Sealed{}, err
	}
	return n.reply(identity.Entity{Type: typeSynced, Body: body}, o, now)
}

// answerSync gives another device of the owner's what changed here, and asks it
// in turn if it has news.
func (n *Node) answerSync(ctx context.Context, o *identity.Opened, request identity.Sealed, now time.Time) (identity.Entity, error) {
	q, err := parseSyncRequest(o.Entity.Body)
	if err != nil {
		return identity.Entity{}, err
	}
	n.mu.Lock()
	row, s := n.own.rows[o.Device], n.siblingOf(o.Device)
	if len(q.reach) > 0 {
		s.reach = q.reach
	}
	if q.have > row.Cursor {
		s.news = q.have
	}
	if s.failures > 0 || s.news > 0 {
		s.failures, s.next = 0, time.Time{}
	}
	n.mu.Unlock()
	wake(n.wakeSync)
	answer := synced{digest: request.Digest(), last: q.after}
	if q.renewal != nil && n.keys.Administers() {
		if answer.grant, err = n.renewFor(ctx, row, q.renewal, now); err != nil {
			n.log.Warn("certificates not renewed", "device", row.ID.Short(), "err", err)
		}
	}
	if err := n.fillPage(ctx, &answer, q); err != nil {
		return identity.Entity{}, err
	}
	body, err := answer.marshal()
	return identity.Entity{Type: typeSynced, Body: body}, err
}

// renewFor certifies the next sealing key of another device.
func (n *Node) renewFor(ctx context.Context, row *Device, request []byte, now time.Time) ([]byte, error) {
	old, err := identity.ParseDeviceCard(row.Card)
	if err != nil {
		return nil, err
	}
	grant, d, err := n.keys.Certify(request, identity.Permit{Renews: &old}, now)
	if err != nil {
		return nil, err
	}
	if d.ID != row.ID {
		return nil, errors.New("request of another device")
	}
	d.Reach = old.Reach
	der, err := d.Bytes()
	if err != nil {
		return nil, err
	}
	if err := n.keepDevice(ctx, row.ID, func(r *Device) { r.Card = der }); err != nil {
		return nil, err
	}
	wake(n.wakeAnnounce)
	return grant, nil
}

// fillPage adds what changed after the cursor to an answer, as much as fits.
func (n *Node) fillPage(ctx context.Context, answer *synced, q *syncRequest) error {
	changes, err := n.store.Changes(ctx, q.after, maxItems)
	if err != nil {
		return err
	}
	var from pageSource
	size := 0
	for _, c := range changes {
		if q.want == wantPeople && c.Kind == MessageChange {
			answer.last = c.Seq
			continue
		}
		it, err := n.itemOf(ctx, c, &from)
		if err != nil {
			return err
		}
		if it != nil && len(it.body) > maxItem {
			n.log.Warn("too large for the other devices", "octets", len(it.body))
			it = nil
		}
		if it != nil && size > 0 && size+len(it.body)+len(it.key) > maxPage {
			answer.more = true
			return nil
		}
		if it != nil {
			answer.items = append(answer.items, *it)
			size += len(it.body) + len(it.key) + 64
		}
		answer.last = c.Seq
	}
	answer.more = len(changes) == maxItems
	return nil
}
