package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/node"
)

// maxStamp leaves room for stamps above any that another device may give.
const maxStamp = 1 << 52

// outcome is what a write did to a thing that siblings share.
type outcome int

const (
	same  outcome = iota // it was so before
	taken                // it is as given
	mixed                // it is neither: parts of both were kept
)

// logged runs a write about one thing in a transaction that also has its row
// in the change log, if write says that something changed for the owner's
// other devices. See node.Repeat for writes that repeat a change: if that is
// an old one, write is not called.
func (s *Store) logged(ctx context.Context, c node.Change, write func(*sql.Tx) (changed bool, err error)) error {
	return s.united(ctx, c, func(tx *sql.Tx, late bool) (outcome, error) {
		if late {
			return same, node.ErrOldVersion
		}
		changed, err := write(tx)
		if changed {
			return taken, err
		}
		return same, err
	})
}

// united is logged for things of which parts cannot be undone: late tells write
// that what it is given is older than what is there, so that it takes over
// those parts alone.
func (s *Store) united(ctx context.Context, c node.Change, write func(tx *sql.Tx, late bool) (outcome, error)) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		given, wins, repeats := node.Repeated(ctx, c.Kind, c.Key)
		if !repeats {
			did, err := write(tx, false)
			if err != nil || did == same {
				return err
			}
			return logChange(ctx, tx, c, time.Now().UnixMilli())
		}
		last, known, err := lastStamp(ctx, tx, c)
		if err != nil {
			return err
		}
		stamp := given.Stamp.UnixMilli()
		if stamp < 0 || stamp > maxStamp {
			return fmt.Errorf("stamp %d of a change is out of range", stamp)
		}
		late := known && (stamp < last || stamp == last && !wins)
		did, err := write(tx, late)
		switch {
		case err != nil:
			return err
		case did == mixed:
			return logChange(ctx, tx, c, max(time.Now().UnixMilli(), stamp+1))
		case did == same && known && stamp <= last:
			return nil
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO changes (kind, key, stamp, deleted) VALUES (?, ?, ?, ?)",
			int(c.Kind), c.Key, stamp, c.Deleted)
		return err
	})
}

// lastStamp returns the stamp of the newest change of a thing, if there is one.
func lastStamp(ctx context.Context, tx *sql.Tx, c node.Change) (stamp int64, known bool, err error) {
	err = tx.QueryRowContext(ctx, "SELECT stamp FROM changes WHERE kind = ? AND key = ?", int(c.Kind), c.Key).Scan(&stamp)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return stamp, err == nil, err
}

// logChange writes the row of a change made at a moment, in milliseconds. Its
// stamp is above the one before even if the clock went back.
func logChange(ctx context.Context, tx *sql.Tx, c node.Change, now int64) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO changes (kind, key, stamp, deleted)
		VALUES (?1, ?2, max(?3, coalesce((SELECT stamp + 1 FROM changes WHERE kind = ?1 AND key = ?2), ?3)), ?4)`,
		int(c.Kind), c.Key, now, c.Deleted)
	return err
}

// differs says whether no row is as it is to be: from is a table and a condition.
func differs(ctx context.Context, tx *sql.Tx, from string, args ...any) (bool, error) {
	var differs bool
	err := tx.QueryRowContext(ctx, "SELECT NOT EXISTS (SELECT 1 FROM "+from+")", args...).Scan(&differs)
	return differs, err
}

const selectChanges = "SELECT seq, kind, key, stamp, deleted FROM changes WHERE "

func scanChange(r row) (c node.Change, err error) {
	var stamp int64
	err = r.Scan(&c.Seq, &c.Kind, &c.Key, &stamp, &c.Deleted)
	c.Stamp = time.UnixMilli(stamp).UTC()
	return c, err
}

// Changes returns at most limit changes with larger numbers, ascending.
func (s *Store) Changes(ctx context.Context, after uint64, limit int) ([]node.Change, error) {
	all, err := list(ctx, s.read, scanChange, selectChanges+"seq > ? ORDER BY seq LIMIT ?", number(after), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return all, nil
}

// LastChange returns the number of the newest change, 0 if there is none.
func (s *Store) LastChange(ctx context.Context) (last uint64, err error) {
	if err := s.read.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM changes").Scan(&last); err != nil {
		return 0, fmt.Errorf("read number of last change: %w", err)
	}
	return last, nil
}

// ChangeOf returns the newest change of one thing, and whether there is one.
func (s *Store) ChangeOf(ctx context.Context, kind node.ChangeKind, key string) (c node.Change, found bool, err error) {
	c, err = scanChange(s.read.QueryRowContext(ctx, selectChanges+"kind = ? AND key = ?", int(kind), key))
	if errors.Is(err, sql.ErrNoRows) {
		return node.Change{}, false, nil
	}
	if err != nil {
		return node.Change{}, false, fmt.Errorf("read change: %w", err)
	}
	return c, true, nil
}

// number gives the nearest number that SQLite has: there are no changes beyond.
func number(n uint64) int64 { return int64(min(n, 1<<63-1)) }

// some says whether a statement changed anything.
func some(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
