package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The schema is the sum of the numbered files; each leads from the version
// before it to its own number. A released file is never edited.
//
//go:embed schema/*.sql
var schema embed.FS

// newest is the number of the last file in schema.
const newest = 2

// create makes an empty store at path, where there is no file, whole or not at
// all: so a file of no octets is one that was damaged. The caller has the lock.
func create(path string) error {
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s-wal belongs to a file that is not there: put it back, or move the other away too", path), err)
	}
	fresh := path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm"} { // of one that did not get far
		if err := os.Remove(fresh + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	file, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	db, err := connect(fresh, 1, "&_txlock=immediate")
	if err != nil {
		return err
	}
	if err := errors.Join(migrate(context.Background(), db), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// migrate brings the file to the newest schema, in one transaction: the file
// has the old one or the new one.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing is left to undo after Commit
	var have int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	if have < 0 || have > newest {
		return fmt.Errorf("schema %d is from a newer kith, this one knows those up to %d", have, newest)
	}
	if have == newest {
		return nil
	}
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if have == 0 && tables > 0 {
		return fmt.Errorf("the file is a database of another program")
	}
	for n := have + 1; n <= newest; n++ {
		text, err := schema.ReadFile(fmt.Sprintf("schema/%03d.sql", n))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(text)); err != nil {
			return fmt.Errorf("schema %d: %w", n, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", newest)); err != nil {
		return err
	}
	return tx.Commit()
}
