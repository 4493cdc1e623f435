package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
)

// The schema is the sum of the numbered files; each leads from the version
// before it to its own number. A released file is never edited.
//
//go:embed schema/*.sql
var schema embed.FS

// newest is the number of the last file in schema.
const newest = 1

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
