package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/kith-im/kith/node"
)

// Limits of a device's row.
const (
	maxDeviceName = 64
	maxDeviceCard = 16 << 10
)

// PutDevice writes one device whole, but a revoked one stays so, since the
// earlier of two moments. A name has at most 64 octets, a card 16 KiB.
func (s *Store) PutDevice(ctx context.Context, d node.Device) error {
	if len(d.Name) > maxDeviceName || len(d.Card) > maxDeviceCard {
		return fmt.Errorf("write device: name of %d octets of at most %d, card of %d of at most %d",
			len(d.Name), maxDeviceName, len(d.Card), maxDeviceCard)
	}
	change := node.Change{Kind: node.DeviceChange, Key: d.ID.String()}
	err := s.united(ctx, change, func(tx *sql.Tx, late bool) (outcome, error) {
		old, err := scanDevice(tx.QueryRowContext(ctx, "SELECT "+deviceFields+" FROM devices WHERE id = ?", octets(d.ID[:])))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return same, err
		}
		did := taken
		if err == nil {
			d, did = uniteDevices(old, d, late)
		}
		changed, err := differs(ctx, tx, "devices WHERE (id, name, card, scopes, account, added, revoked) IS (?, ?, ?, ?, ?, ?, ?)",
			octets(d.ID[:]), d.Name, octets(d.Card), int(d.Scopes), d.Account, instant(d.Added), instant(d.Revoked))
		if err != nil {
			return same, err
		}
		if !changed {
			did = same
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO devices ("+deviceFields+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			octets(d.ID[:]), d.Name, octets(d.Card), int(d.Scopes), d.Account, instant(d.Added), instant(d.Revoked),
			instant(d.Seen), unsigned(d.Cursor))
		return did, err
	})
	if err != nil {
		return fmt.Errorf("write device: %w", err)
	}
	return nil
}

const deviceFields = "id, name, card, scopes, account, added, revoked, seen, cursor"

// uniteDevices gives the newer of two rows of a device, d unless it is late,
// with the earlier revocation of both.
func uniteDevices(old, d node.Device, late bool) (node.Device, outcome) {
	revoked, did := d.Revoked, taken
	if !old.Revoked.IsZero() && (revoked.IsZero() || old.Revoked.Before(revoked)) {
		revoked, did = old.Revoked, mixed
	}
	if late {
		d, did = old, mixed
	}
	d.Revoked = revoked
	return d, did
}

// Devices returns all devices, revoked ones too, oldest Added first.
func (s *Store) Devices(ctx context.Context) ([]node.Device, error) {
	all, err := list(ctx, s.read, scanDevice, "SELECT "+deviceFields+" FROM devices ORDER BY added, id")
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return all, nil
}

func scanDevice(r row) (d node.Device, err error) {
	err = r.Scan(fixed(d.ID[:]), &d.Name, &d.Card, &d.Scopes, &d.Account, (*instant)(&d.Added), (*instant)(&d.Revoked),
		(*instant)(&d.Seen), (*unsigned)(&d.Cursor))
	return d, err
}
