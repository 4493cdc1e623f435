package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// PutContact writes one contact whole. It returns node.ErrNameTaken if another
// person has its name, compared without case as strings.EqualFold does.
func (s *Store) PutContact(ctx context.Context, c node.Contact) error {
	folded := fold(c.Name)
	err := s.change(ctx, func(tx *sql.Tx) error {
		var taken bool
		err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM contacts WHERE folded = ? AND person <> ?)",
			folded, person(c.Person)).Scan(&taken)
		if err != nil {
			return err
		}
		if taken {
			return node.ErrNameTaken
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO contacts (person, name, folded, added, card, hint) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (person) DO UPDATE SET name = excluded.name, folded = excluded.folded,
				added = excluded.added, card = excluded.card, hint = excluded.hint`,
			person(c.Person), c.Name, folded, instant(c.Added), card(c.Card), hint(c.Hint))
		return err
	})
	if err != nil {
		return fmt.Errorf("write contact: %w", err)
	}
	return nil
}

// RemoveContact forgets a contact; messages stay. One that is not there is removed already.
func (s *Store) RemoveContact(ctx context.Context, who identity.Address) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM contacts WHERE person = ?", person(who)); err != nil {
		return fmt.Errorf("remove contact: %w", err)
	}
	return nil
}

// Contacts returns all contacts, by name without case.
func (s *Store) Contacts(ctx context.Context) ([]node.Contact, error) {
	all, err := list(ctx, s.read, s.scanContact, "SELECT person, name, added, card, hint FROM contacts ORDER BY folded")
	if err != nil {
		return nil, fmt.Errorf("read contacts: %w", err)
	}
	return all, nil
}

func (s *Store) scanContact(r row) (c node.Contact, err error) {
	err = r.Scan(s.person(&c.Person), &c.Name, (*instant)(&c.Added), (*card)(&c.Card), (*[]byte)(&c.Hint))
	return c, err
}

// PutWatcher writes the row of w.Person whole.
func (s *Store) PutWatcher(ctx context.Context, w node.Watcher) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO watchers (person, id, state, event, since, expires, card, note)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (person) DO UPDATE SET id = excluded.id, state = excluded.state, event = excluded.event,
			since = excluded.since, expires = excluded.expires, card = excluded.card, note = excluded.note`,
		person(w.Person), octets(w.ID[:]), int(w.State), w.Event,
		instant(w.Since), instant(w.Expires), card(w.Card), w.Note)
	if err != nil {
		return fmt.Errorf("write watcher: %w", err)
	}
	return nil
}

// Watchers returns all rows, oldest Since first, and those of one moment in
// the order in which they were first written.
func (s *Store) Watchers(ctx context.Context) ([]node.Watcher, error) {
	all, err := list(ctx, s.read, s.scanWatcher,
		"SELECT person, id, state, event, since, expires, card, note FROM watchers ORDER BY since, rowid")
	if err != nil {
		return nil, fmt.Errorf("read watchers: %w", err)
	}
	return all, nil
}

func (s *Store) scanWatcher(r row) (w node.Watcher, err error) {
	err = r.Scan(s.person(&w.Person), fixed(w.ID[:]), &w.State, &w.Event,
		(*instant)(&w.Since), (*instant)(&w.Expires), (*card)(&w.Card), &w.Note)
	return w, err
}
