package node

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// Limits of a person's devices (doc/spec/devices.md section 1).
const (
	MaxDevices    = 8   // in a card
	maxRevoked    = 64  // named by a card
	maxDeviceRows = 128 // of now and of old
	maxDeviceName = 64  // octets
)

// Errors about the owner's devices.
var (
	ErrRevoked = errors.New("this device was revoked: it is none of its owner's any more")

	errNotReady = errors.New("this device has not yet learned what its owner's other devices know")

	errNoCard = errors.New("there is no card of this person yet: another of their devices has to give it")
)

// Names of settings about the owner's devices.
const (
	keepReady    = "level"    // "1" once this device has what the others had
	keepRestored = "restored" // what a restored home replaces
)

// roster is what a node knows of its owner's devices.
type roster struct {
	rows     map[identity.DeviceID]*Device // this one too
	siblings map[identity.DeviceID]*sibling
	tuples   []string // the only ones this device may publish; nil: any
	revoked  bool     // this device is
	ready    bool     // it has had what the others have, or there were none
	expired  bool     // told that the card has run out

	full, brief identity.Reach // how this device can be reached
	reached     time.Time      // when the network said so
}

func newRoster() roster {
	return roster{rows: make(map[identity.DeviceID]*Device), siblings: make(map[identity.DeviceID]*sibling)}
}

// OwnDevice is a device of the owner, for people.
type OwnDevice struct {
	Device
	This   bool
	Listed bool      // in the newest card
	Until  time.Time // when its certificates end
}

// loadDevices loads the owner's newest card and devices.
func (n *Node) loadDevices(ctx context.Context, card identity.SignedCard) error {
	rows, err := n.store.Devices(ctx)
	if err != nil {
		return fmt.Errorf("load devices: %w", err)
	}
	for _, row := range rows {
		n.own.rows[row.ID] = &row
	}
	if row := n.own.rows[n.Device()]; row != nil {
		n.own.revoked = !row.Revoked.IsZero()
	}
	if err := n.loadCard(ctx, card); err != nil {
		return err
	}
	level, err := n.store.Setting(ctx, keepReady)
	if err != nil {
		return fmt.Errorf("load devices: %w", err)
	}
	n.own.ready = string(level) == "1" || level == nil && n.keys.Administers() && card.IsZero()
	n.loadTuples(time.Now())
	if err := n.tellOwnReach(ctx); err != nil {
		return err
	}
	if !card.IsZero() {
		if err := n.store.PutSetting(ctx, keepReady, []byte("0")); err != nil {
			return fmt.Errorf("keep state of devices: %w", err)
		}
	}
	return n.loadRestored(ctx)
}

// loadCard loads the newest card, or takes a newer one given.
func (n *Node) loadCard(ctx context.Context, card identity.SignedCard) error {
	raw, err := n.store.Setting(ctx, keepCard)
	if err != nil {
		return fmt.Errorf("load card: %w", err)
	}
	if raw != nil {
		if n.card, err = n.parseKept(raw, time.Now()); err != nil {
			n.log.Warn("stored card not used", "err", err)
		}
		n.noteOwner(n.card)
	}
	if !newer(card, n.card) {
		return nil
	}
	return n.takeOwnCard(ctx, card)
}

// loadTuples finds out which tuples this device may publish.
func (n *Node) loadTuples(now time.Time) {
	signed, err := n.keys.Sign(identity.Entity{Type: "text/plain"}, true, now)
	if err != nil {
		return
	}
	if o, err := identity.Verify(signed, identity.Known{Domain: n.ownDomain}, now); err == nil {
		n.own.tuples = o.Tuples
	}
}

// loadRestored revokes, once, the device that the backup was made on of which
// this home was restored.
func (n *Node) loadRestored(ctx context.Context) error {
	raw, err := n.store.Setting(ctx, keepRestored)
	if err != nil || len(raw) == 0 {
		return err
	}
	var restored struct {
		From   identity.DeviceID `json:"from"`
		Revoke bool              `json:"revoke"`
		At     time.Time         `json:"at"`
	}
	if err := json.Unmarshal(raw, &restored); err != nil {
		n.log.Warn("note of the restored home not understood", "err", err)
		return nil
	}
	n.anew = true
	if !restored.Revoke || restored.From == n.Device() || restored.From == (identity.DeviceID{}) || !n.keys.Administers() {
		return nil
	}
	if err := n.noteRevoked(ctx, restored.From, restored.At); err != nil {
		return err
	}
	return n.store.PutSetting(ctx, keepRestored, nil)
}

// ownDomain gives the key of the owner's domain.
func (n *Node) ownDomain(domain string) ed25519.PublicKey {
	if domain == n.Address().Domain() {
		return n.keys.Locator().Domain
	}
	return n.domainKey(domain)
}
