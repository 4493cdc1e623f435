package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"

	"github.com/kith-im/kith/identity"
)

// What the owner's devices say of each other, for mirror.go.

// takeDevice takes what another device says of the owner's devices. Who is
// revoked only cards say: no device without the account key can. Nor is such a
// one asked for the certificates of others: nothing in them says which sealing key
// is whose, and it could give its own, and its own reach, for those of another.
func (n *Node) takeDevice(rep, own context.Context, by identity.DeviceID, it item) error {
	var id identity.DeviceID
	raw, err := hex.DecodeString(it.key)
	d, ok := readDevice(it.body)
	if err != nil || len(raw) != len(id) || !ok || it.deleted {
		return badItem("device: %v", errSyntax)
	}
	copy(id[:], raw)
	n.mu.Lock()
	card := n.card.Card()
	held := n.own.rows[id]
	n.mu.Unlock()
	if id == n.Device() {
		return n.takeOwnName(own, it, d.Name)
	}
	if !certified(d.Card, id, card) {
		return badItem("device %s: not certified by the owner", id.Short())
	}
	c, _, err := n.store.ChangeOf(own, DeviceChange, it.key)
	if err != nil {
		return err
	}
	if held != nil && c.Stamp.After(it.stamp) {
		return ErrOldVersion
	}
	if by != id && !administers(by, card) {
		if held == nil || d.Name == "" || d.Name == held.Name {
			return nil // the card says that it is there, and it says the rest itself
		}
		return n.keepDevice(rep, id, func(row *Device) { row.Name = d.Name })
	}
	moved := false
	err = n.keepDevice(rep, id, func(row *Device) {
		moved = !bytes.Equal(row.Card, d.Card)
		if d.Name != "" { // a new device does not know yet what it was called
			row.Name = d.Name
		}
		row.Card, row.Scopes, row.Account, row.Added = d.Card, d.Scopes, d.Account, d.Added
	})
	if err != nil {
		return err
	}
	if moved && n.keys.Administers() {
		wake(n.wakeAnnounce)
	}
	wake(n.wakeSync)
	return nil
}

// takeOwnName takes the name that the owner gave this device on another one.
// All else about itself it knows best.
func (n *Node) takeOwnName(ctx context.Context, it item, name string) error {
	c, found, err := n.store.ChangeOf(ctx, DeviceChange, it.key)
	if err != nil {
		return err
	}
	n.mu.Lock()
	row := n.own.rows[n.Device()]
	same := row != nil && (row.Name == name || name == "")
	nameless := row == nil || row.Name == "" // as it is since it was linked
	n.mu.Unlock()
	if same || found && c.Stamp.After(it.stamp) && !nameless {
		return nil
	}
	return n.keepDevice(ctx, n.Device(), func(d *Device) { d.Name = name })
}

// certified says whether the certificates in the card of a device are by the
// owner's account key.
func certified(der []byte, id identity.DeviceID, owner *identity.Card) bool {
	d, err := identity.ParseDeviceCard(der)
	return err == nil && owner != nil && d.ID == id &&
		d.Signing.CheckSignatureFrom(owner.Account) == nil && d.Sealing.CheckSignatureFrom(owner.Account) == nil
}

// administers says whether a card lists a device as one with the account key.
func administers(id identity.DeviceID, card *identity.Card) bool {
	return card != nil && slices.ContainsFunc(card.Devices, func(d identity.DeviceCard) bool {
		return d.ID == id && d.Scopes().Has(identity.ScopeAdminister)
	})
}
