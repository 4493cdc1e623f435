package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Snapshot writes what the store holds at one moment to a new file, of mode
// 0600, that Open takes. Others may write meanwhile. What was deleted is not
// in it. When it returns nil the file is on disk; otherwise there is none.
func (s *Store) Snapshot(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	// SQLite fills an empty file and would make one that others may read.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	err = s.vacuum(ctx, path)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("copy store: %w", errors.Join(explain(err), os.Remove(path)))
	}
	return nil
}

// vacuum copies all rows to an empty file, on a connection of its own, so that
// neither writers nor readers wait.
func (s *Store) vacuum(ctx context.Context, path string) error {
	var own string
	if err := s.read.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&own); err != nil {
		return err
	}
	db, err := connect(own, 1, "")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return errors.Join(err, db.Close())
}

// Settings that tell a node, at its next start, how its home was made anew.
const (
	KeepRestored  = "restored"  // of a backup: a [Restored] as JSON
	KeepRecovered = "recovered" // of the account key alone: when, in RFC 3339
)

// Restored says where a store came from.
type Restored struct {
	From   identity.DeviceID `json:"from"`   // the device that made the backup
	Revoke bool              `json:"revoke"` // it is gone, and to be revoked
	At     time.Time         `json:"at"`     // when the backup was restored
}

// Reseed makes a copied store, which no node has open, that of another device;
// if there is none at path, it makes an empty one. Counters jump to r.At, so
// that what this device says is newer than all that the other one has said,
// also after the copy. What the other one had not delivered stays its own
// business, or is unconfirmed if it is to be revoked. How the home was made is
// kept as a setting: without r.From, of the account key alone.
func Reseed(ctx context.Context, path string, r Restored) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(s.reseed(ctx, r), s.Close()); err != nil {
		return fmt.Errorf("adopt store %s: %w", path, err)
	}
	return nil
}

// Counters of package node that must jump, and how it counts the time in them.
const (
	countBoot     = "boot"     // seconds
	countStanding = "standing" // milliseconds
)

func (s *Store) reseed(ctx context.Context, r Restored) error {
	if _, err := s.Count(ctx, countBoot, uint64(r.At.Unix())); err != nil {
		return err
	}
	if _, err := s.Count(ctx, countStanding, uint64(r.At.UnixMilli())); err != nil {
		return err
	}
	if r.From == (identity.DeviceID{}) {
		return s.PutSetting(ctx, KeepRecovered, []byte(r.At.UTC().Format(time.RFC3339)))
	}
	if err := s.disown(ctx, r); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.PutSetting(ctx, KeepRestored, text)
}

// disown leaves to the other device what it has signed and not delivered:
// nobody would take it from this one.
func (s *Store) disown(ctx context.Context, r Restored) error {
	queued, err := s.Queued(ctx)
	if err != nil {
		return err
	}
	for _, m := range queued {
		if !r.Revoke {
			break
		}
		m.Status, m.Reason, m.Next, m.Settled = node.Unconfirmed, "it was waiting when the backup was made", time.Time{}, r.At
		if err := s.Settle(ctx, m); err != nil {
			return err
		}
	}
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE messages SET device = ? WHERE status = ? AND device IS NULL", octets(r.From[:]), int(node.Queued))
		return err
	})
}
