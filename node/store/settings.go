package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/kith-im/kith/node"
)

// maxSetting is the most octets a setting may have.
const maxSetting = 64 << 10

// Count raises a named counter, from 0, to the larger of its value plus one
// and atLeast, and returns it. A counter at its end is an error.
func (s *Store) Count(ctx context.Context, name string, atLeast uint64) (uint64, error) {
	var value uint64
	err := s.change(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT value FROM counters WHERE name = ?", name).Scan((*unsigned)(&value))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if value == math.MaxUint64 {
			return errors.New("at its end")
		}
		value = max(value+1, atLeast)
		_, err = tx.ExecContext(ctx, `INSERT INTO counters (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, unsigned(value))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("raise counter %s: %w", name, err)
	}
	return value, nil
}

// Setting returns a named value, nil if there is none. A value of no octets is not nil.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := s.read.QueryRowContext(ctx, "SELECT value FROM settings WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read setting %s: %w", name, err)
	}
	return append([]byte{}, value...), nil
}

// PutSetting writes a named value of at most 64 KiB.
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	if len(value) > maxSetting {
		return fmt.Errorf("write setting %s: %d octets, of at most %d", name, len(value), maxSetting)
	}
	write := func(tx *sql.Tx) (changed bool, err error) {
		changed, err = differs(ctx, tx, "settings WHERE name = ? AND value = ?", name, octets(value))
		if err != nil || !changed {
			return false, err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, octets(value))
		return changed, err
	}
	var err error
	if node.SharedSetting(name) {
		err = s.logged(ctx, node.Change{Kind: node.SettingChange, Key: name}, write)
	} else {
		err = s.change(ctx, func(tx *sql.Tx) error { _, err := write(tx); return err })
	}
	if err != nil {
		return fmt.Errorf("write setting %s: %w", name, err)
	}
	return nil
}
