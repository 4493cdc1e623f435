package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// PutWatch writes the row of w.Person whole.
func (s *Store) PutWatch(ctx context.Context, w node.Watch) error {
	change := node.Change{Kind: node.WatchChange, Key: w.Person.String()}
	err := s.logged(ctx, change, func(tx *sql.Tx) (changed bool, err error) {
		changed, err = differs(ctx, tx, "watches WHERE person = ? AND id = ?", person(w.Person), octets(w.ID[:]))
		if err != nil {
			return false, err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO watches (person, id, state, reason, expires, epoch, serial, confirmed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (person) DO UPDATE SET id = excluded.id, state = excluded.state, reason = excluded.reason,
				expires = excluded.expires, epoch = excluded.epoch, serial = excluded.serial, confirmed = excluded.confirmed`,
			person(w.Person), octets(w.ID[:]), int(w.State), w.Reason,
			instant(w.Expires), epoch(w.Epoch), unsigned(w.Serial), instant(w.Confirmed))
		return changed, err
	})
	if err != nil {
		return fmt.Errorf("write watch: %w", err)
	}
	return nil
}

// RemoveWatch forgets the row; publications stay. One that is not there is removed already.
func (s *Store) RemoveWatch(ctx context.Context, who identity.Address) error {
	change := node.Change{Kind: node.WatchChange, Key: who.String(), Deleted: true}
	err := s.logged(ctx, change, func(tx *sql.Tx) (bool, error) {
		return some(tx.ExecContext(ctx, "DELETE FROM watches WHERE person = ?", person(who)))
	})
	if err != nil {
		return fmt.Errorf("remove watch: %w", err)
	}
	return nil
}

// Watches returns all rows, by address.
func (s *Store) Watches(ctx context.Context) ([]node.Watch, error) {
	all, err := list(ctx, s.read, s.scanWatch,
		"SELECT person, id, state, reason, expires, epoch, serial, confirmed FROM watches ORDER BY person")
	if err != nil {
		return nil, fmt.Errorf("read watches: %w", err)
	}
	return all, nil
}

func (s *Store) scanWatch(r row) (w node.Watch, err error) {
	err = r.Scan(s.person(&w.Person), fixed(w.ID[:]), &w.State, &w.Reason,
		(*instant)(&w.Expires), (*epoch)(&w.Epoch), (*unsigned)(&w.Serial), (*instant)(&w.Confirmed))
	return w, err
}

// PutPublication writes the newest publication of one device to one audience
// and refuses, with node.ErrOldVersion, a version that does not rise. Of
// several at once the newest stays.
func (s *Store) PutPublication(ctx context.Context, p node.Publication) error {
	result, err := s.write.ExecContext(ctx, `INSERT INTO publications (person, device, audience, boot, seq, signed, heard)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (person, device, audience) DO UPDATE SET boot = excluded.boot, seq = excluded.seq,
			signed = excluded.signed, heard = excluded.heard
			WHERE (excluded.boot, excluded.seq) > (publications.boot, publications.seq)`,
		person(p.Person), octets(p.Device[:]), octets(p.Audience[:]),
		unsigned(p.Version.Boot), unsigned(p.Version.Seq), signed(p.Signed), instant(p.Heard))
	if err == nil {
		err = affected(result, node.ErrOldVersion)
	}
	if err != nil {
		return fmt.Errorf("write publication: %w", err)
	}
	return nil
}

// Publications returns the newest one of each person, device and audience, in that order.
func (s *Store) Publications(ctx context.Context) ([]node.Publication, error) {
	all, err := list(ctx, s.read, s.scanPublication, `SELECT person, device, audience, boot, seq, signed, heard
		FROM publications ORDER BY person, device, audience`)
	if err != nil {
		return nil, fmt.Errorf("read publications: %w", err)
	}
	return all, nil
}

func (s *Store) scanPublication(r row) (p node.Publication, err error) {
	err = r.Scan(s.person(&p.Person), fixed(p.Device[:]), fixed(p.Audience[:]),
		(*unsigned)(&p.Version.Boot), (*unsigned)(&p.Version.Seq), (*signed)(&p.Signed), (*instant)(&p.Heard))
	return p, err
}
