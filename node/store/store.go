// Package store keeps a node's state in one SQLite file. Call [Open] with the
// path of the file, hand the [Store] to the node as its node.Store, and
// [Store.Close] it when the node has stopped.
//
// What a method was given is on disk when it returns nil: the file is in
// write-ahead mode with synchronous=FULL. Signed objects are kept as received.
// The file, its companions (-wal, -shm) and the lock file beside it have mode
// 0600; the contents are not encrypted.
//
// Limits: times are kept to the nanosecond and reach from 1678 to 2261; a
// setting has at most 64 KiB; SQLite takes rows of up to 1 GB, far above
// anything that passes the limits of the protocols. Searching goes by words as
// Unicode separates them, without case and accents; scripts written without
// spaces are found only by what stands between two separators.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/ext/fts5"

	"github.com/kith-im/kith/node"
)

// ErrLocked means that another process, or another Store of this one, has the file open.
var ErrLocked = errors.New("another kith runs on this home")

// Store is an open file. Its methods are safe for concurrent use; it
// implements node.Store, where each of them is described.
type Store struct {
	write *sql.DB  // one connection, so writers queue in Go and never meet SQLITE_BUSY
	read  *sql.DB  // a few connections: a long search does not hold up a delivery
	lock  *os.File // held until Close

	addresses addresses // seen in rows
}

var _ node.Store = (*Store)(nil)

// readers is how many reads run at once. Each connection costs one or two MB.
const readers = 2

// Open opens the store at path and makes it if there is none; the directory
// must exist. It returns ErrLocked, wrapped, while another process has the
// store, and refuses a file that a newer kith has written, that is damaged or
// that is no store. A file found readable by others is made private.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s := &Store{lock: lock}
	if err := s.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, explain(err)), s.Close())
	}
	return s, nil
}

// open does the work of Open under the lock. On error the caller closes s.
func (s *Store) open(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = create(path)
	case err == nil && info.Size() == 0: // SQLite would take it for a new one
		err = fmt.Errorf("%s: it is empty", damaged)
	}
	if err != nil {
		return err
	}
	if s.write, err = connect(path, 1, "&_txlock=immediate"); err != nil {
		return err
	}
	ctx := context.Background() // opening is not given up half-way
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	if s.read, err = connect(path, readers, "&_pragma=query_only(on)"); err != nil {
		return err
	}
	// From here to Close a reader is open, so that SQLite keeps its companion files.
	if err := s.read.PingContext(ctx); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	// The driver syncs new files but not the directory that names them.
	return syncDir(filepath.Dir(path))
}

// connect gives a pool of at most n connections, which it keeps.
func connect(path string, n int, parameters string) (*sql.DB, error) {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") { // C:/...
		slashed = "/" + slashed
	}
	name := url.URL{
		Scheme: "file",
		Path:   slashed,
		RawQuery: "_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)" +
			"&_pragma=foreign_keys(on)&_pragma=secure_delete(on)&_pragma=temp_store(memory)" + parameters,
	}
	db, err := driver.Open(name.String(), fts5.Register)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// damaged says what a person can do.
const damaged = "the file is damaged or no store: restore a backup, or move it and its -wal away to start anew"

// explain puts that before SQLite's own words.
func explain(err error) error {
	if errors.Is(err, sqlite3.NOTADB) || errors.Is(err, sqlite3.CORRUPT) {
		return fmt.Errorf("%s: %w", damaged, err)
	}
	return err
}

// Close writes everything into the one file and lets others open it. The
// Store is not used after it; methods still running end with an error.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	errs = append(errs, s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// change runs f in a transaction and commits it if f returns nil.
func (s *Store) change(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		if back := tx.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) {
			return errors.Join(err, back)
		}
		return err
	}
	return tx.Commit()
}

// list runs a query and gives what scan makes of its rows.
func list[T any](ctx context.Context, db *sql.DB, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// row is the common part of sql.Row and sql.Rows.
type row interface{ Scan(into ...any) error }
