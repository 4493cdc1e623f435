package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kith-im/kith/identity"
)

// keepDevice changes the row of a device, in the store first; it makes one if
// there is none.
func (n *Node) keepDevice(ctx context.Context, id identity.DeviceID, change func(*Device)) error {
	if err := n.rosterTurn.take(ctx); err != nil {
		return err
	}
	defer n.rosterTurn.give()
	n.mu.Lock()
	row := Device{ID: id, Added: time.Now()}
	if old := n.own.rows[id]; old != nil {
		row = *old
	} else if len(n.own.rows) >= maxDeviceRows {
		n.mu.Unlock()
		return fmt.Errorf("there are %d devices already", maxDeviceRows)
	}
	n.mu.Unlock()
	change(&row)
	if err := n.store.PutDevice(ctx, row); err != nil {
		return fmt.Errorf("keep device %s: %w", id.Short(), err)
	}
	n.mu.Lock()
	n.own.rows[id] = &row
	n.mu.Unlock()
	return nil
}

// Devices returns the owner's devices, of now and of old, this one first.
func (n *Node) Devices() []OwnDevice {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []OwnDevice
	for _, row := range n.own.rows {
		d := OwnDevice{Device: *row, This: row.ID == n.Device()}
		d.Listed = !n.card.IsZero() && n.card.Card().Admits(row.ID) == nil
		if c, err := identity.ParseDeviceCard(row.Card); err == nil {
			d.Until = c.Sealing.NotAfter
		}
		if d.This {
			d.Until = n.keys.DeviceCard(nil).Sealing.NotAfter
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b OwnDevice) int {
		switch {
		case a.This != b.This && a.This:
			return -1
		case a.This != b.This:
			return 1
		case !a.Added.Equal(b.Added):
			return a.Added.Compare(b.Added)
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	return list
}

// Revoked says whether this device was revoked by another one of its owner's.
// It then publishes, sends and answers nothing.
func (n *Node) Revoked() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.own.revoked
}

// CardUntil says when the owner's newest card runs out, unless a device that
// administers signs another one; zero if there is none.
func (n *Node) CardUntil() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.card.IsZero() {
		return time.Time{}
	}
	return n.card.Card().Expires
}

// Administers says whether this device holds the account key, and so may link
// and revoke devices.
func (n *Node) Administers() bool { return n.keys.Administers() }

// RenameDevice gives one of the owner's devices another name, of at most 64
// octets. It returns ErrNotFound for a device that is none of theirs.
func (n *Node) RenameDevice(ctx context.Context, id identity.DeviceID, name string) error {
	if err := checkDeviceName(name); err != nil {
		return err
	}
	n.mu.Lock()
	_, known := n.own.rows[id]
	taken := false
	for other, row := range n.own.rows {
		taken = taken || other != id && row.Revoked.IsZero() && strings.EqualFold(row.Name, name)
	}
	n.mu.Unlock()
	switch {
	case !known:
		return fmt.Errorf("device %s: %w", id.Short(), ErrNotFound)
	case taken && name != "":
		return badInput("another device of yours is called %s", name)
	}
	return n.keepDevice(ctx, id, func(d *Device) { d.Name = name })
}

func checkDeviceName(name string) error {
	if len(name) > maxDeviceName || !utf8.ValidString(name) || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return badInput("name %q of a device: want at most %d octets that can be printed, without space at either end", name, maxDeviceName)
	}
	return nil
}

// Revoke declares that a device is none of the owner's any more, for good: it
// is named in a new card, which contacts and the other devices are told of, and
// the key of the audience is replaced. A device that held the account key can
// still speak for its owner. It fails with [identity.ErrNotAdministrator] on a
// device without the account key, and with ErrNotFound for a device that is
// none, or not any more, of the owner's.
func (n *Node) Revoke(ctx context.Context, id identity.DeviceID) error {
	if !n.keys.Administers() {
		return fmt.Errorf("revoke: %w", identity.ErrNotAdministrator)
	}
	if id == n.Device() {
		return badInput("that is this device: revoke it from another one")
	}
	n.mu.Lock()
	row := n.own.rows[id]
	good := row != nil && row.Revoked.IsZero()
	count := len(n.own.gone())
	n.mu.Unlock()
	if !good {
		return fmt.Errorf("device %s: %w", id.Short(), ErrNotFound)
	}
	if count >= maxRevoked {
		return badInput("%d devices are revoked: a card cannot name more", count)
	}
	if err := n.noteRevoked(ctx, id, time.Now()); err != nil {
		return err
	}
	if _, err := n.freshCard(ctx, time.Now()); err != nil {
		return err
	}
	if err := n.newEpoch(ctx); err != nil {
		return err
	}
	n.mu.Lock()
	s := n.siblingOf(id)
	s.dismissed, s.failures, s.next = true, 0, time.Time{}
	n.mu.Unlock()
	n.spreadCard()
	return nil
}

// spreadCard has everybody told at once that the card is another one: the
// network, the owner's other devices, and contacts.
func (n *Node) spreadCard() {
	n.mu.Lock()
	now := time.Now()
	var watchers []identity.Address
	for who, w := range n.watchers {
		if w.State == Active && now.Before(w.Expires) {
			watchers = append(watchers, who)
		}
	}
	for _, w := range n.watches {
		if w.State == Active && w.failures == 0 {
			w.next = now
		}
	}
	n.mu.Unlock()
	for _, who := range watchers {
		n.notifySoon(who)
	}
	wake(n.wakeAnnounce)
	wake(n.wakeWatch)
	wake(n.wakeSync)
}

// noteRevoked keeps that a device is revoked, this one too.
func (n *Node) noteRevoked(ctx context.Context, id identity.DeviceID, at time.Time) error {
	n.mu.Lock()
	row := n.own.rows[id]
	n.mu.Unlock()
	if row != nil && !row.Revoked.IsZero() {
		return nil
	}
	if err := n.keepDevice(ctx, id, func(d *Device) { d.Revoked = at }); err != nil {
		return err
	}
	if id != n.Device() {
		return nil
	}
	n.mu.Lock()
	n.own.revoked = true
	n.mu.Unlock()
	n.log.Warn("this device was revoked")
	n.tell(Event{Kind: SawRevoked})
	n.leaveAll()
	return nil
}

// gone lists the devices revoked. The caller holds n.mu.
func (r *roster) gone() []identity.DeviceID {
	var ids []identity.DeviceID
	for id, row := range r.rows {
		if !row.Revoked.IsZero() {
			ids = append(ids, id)
		}
	}
	return ids
}

// takeOwnCard learns from a card of the owner that another device signed: who
// is revoked, from any; all else from the newest.
func (n *Node) takeOwnCard(ctx context.Context, card identity.SignedCard) error {
	c := card.Card()
	if c == nil || c.Address != n.Address() {
		return errors.New("card of somebody else")
	}
	gone := false
	for _, id := range c.Revoked {
		n.mu.Lock()
		row := n.own.rows[id]
		gone = gone || n.own.ready && row != nil && row.Revoked.IsZero()
		n.mu.Unlock()
		if err := n.noteRevoked(ctx, id, c.Issued); err != nil {
			return err
		}
	}
	if gone && !n.Revoked() {
		// What it gave for the key of the audience may be here, and newer than the
		// one that was made when it was revoked.
		if err := n.newEpoch(ctx); err != nil {
			return err
		}
	}
	n.mu.Lock()
	newest := newer(card, n.card)
	if newest {
		n.card, n.own.expired = card, false
		n.noteOwner(card)
	}
	n.mu.Unlock()
	if newest {
		if err := n.keepOwnCard(ctx, card); err != nil {
			return err
		}
		for _, d := range c.Devices {
			if err := n.noteListed(ctx, d); err != nil {
				return err
			}
		}
		wake(n.wakeSync)
	}
	if n.outdated() {
		wake(n.wakeAnnounce)
	}
	return nil
}

// noteListed keeps a device that a card of the owner lists.
func (n *Node) noteListed(ctx context.Context, d identity.DeviceCard) error {
	if d.ID == n.Device() {
		return nil
	}
	n.mu.Lock()
	row := n.own.rows[d.ID]
	n.mu.Unlock()
	if row != nil {
		old, err := identity.ParseDeviceCard(row.Card)
		if err == nil && !d.Sealing.NotBefore.After(old.Sealing.NotBefore) {
			return nil // the device itself tells of its reach
		}
	}
	der, err := d.Bytes()
	if err != nil {
		return fmt.Errorf("device %s: %w", d.ID.Short(), err)
	}
	return n.keepDevice(ctx, d.ID, func(row *Device) {
		row.Card, row.Scopes, row.Account = der, d.Scopes(), d.Scopes().Has(identity.ScopeAdminister)
	})
}

// outdated says whether this device should sign another card: the newest one
// lacks a device, or a revocation, or what this device last told of itself.
func (n *Node) outdated() bool {
	if !n.keys.Administers() {
		return false
	}
	now := time.Now()
	reach := n.reach(time.Now())
	self := n.keys.DeviceCard(reach)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.own.revoked || n.card.IsZero() {
		return false
	}
	card := n.card.Card()
	for _, id := range n.own.gone() {
		if !slices.Contains(card.Revoked, id) {
			return true
		}
	}
	for _, d := range append(n.othersAt(now), self) {
		i := slices.IndexFunc(card.Devices, func(e identity.DeviceCard) bool { return e.ID == d.ID })
		if i < 0 || d.Sealing.NotBefore.After(card.Devices[i].Sealing.NotBefore) ||
			d.ID == self.ID && !bytes.Equal(d.Reach, card.Devices[i].Reach) {
			return true
		}
	}
	return false
}

// othersAt lists the owner's other devices that a card of now would list, the
// newest first. The caller holds n.mu.
func (n *Node) othersAt(now time.Time) []identity.DeviceCard {
	rows := make([]*Device, 0, len(n.own.rows))
	for _, row := range n.own.rows {
		if row.ID != n.Device() && row.Revoked.IsZero() {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b *Device) int { return b.Added.Compare(a.Added) })
	var list []identity.DeviceCard
	for _, row := range rows {
		d, err := identity.ParseDeviceCard(row.Card)
		if err == nil && d.ID == row.ID && d.ValidAt(now) && len(list) < MaxDevices-1 {
			list = append(list, d)
		}
	}
	return list
}

// ownHints is how many devices are asked directly for the owner's own card.
const ownHints = 12

// findOwnCard looks for a card of the owner that is newer than the one known.
func (n *Node) findOwnCard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	var hints []identity.Reach
	n.mu.Lock()
	for _, row := range n.own.rows { // revoked ones, too: they may well have it
		if d, err := identity.ParseDeviceCard(row.Card); err == nil && row.ID != n.Device() && len(d.Reach) > 0 {
			hints = append(hints, d.Reach)
		}
	}
	for _, c := range n.contacts { // neighbours of old, who may store our records
		if len(hints) >= ownHints {
			break
		}
		if !c.Card.IsZero() && len(c.Card.Card().Devices[0].Reach) > 0 {
			hints = append(hints, c.Card.Card().Devices[0].Reach)
		}
	}
	n.mu.Unlock()
	card, found, err := n.net.Resolve(ctx, n.keys.Locator(), hints...)
	if err == nil && found {
		err = n.takeOwnCard(ctx, card)
	}
	if err != nil && ctx.Err() == nil {
		n.log.Debug("own card not found", "err", err)
	}
}

// lookBack has a home that was made anew look for the card of before: it lists
// devices that are still the owner's, and names those that are not since the
// backup. Until then the node answers nobody and signs no card.
func (n *Node) lookBack(ctx context.Context) {
	n.mu.Lock()
	anew := n.anew
	n.mu.Unlock()
	if !anew {
		return
	}
	n.findOwnCard(ctx)
	n.mu.Lock()
	n.anew = false
	n.mu.Unlock()
}

// serves says whether this device answers others: not when it was revoked, nor
// before it knows whom its owner knows.
func (n *Node) serves() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.own.revoked:
		return ErrRevoked
	case !n.own.ready || n.anew:
		return errNotReady
	}
	return nil
}
