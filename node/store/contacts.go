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
	folded, t := fold(c.Name), c.Trust
	fields := []any{
		person(c.Person), c.Name, folded, instant(c.Added), hint(c.Hint), key(t.Domain), key(t.Account), key(t.NewDomain), key(t.NewAccount),
		instant(t.Verified), array(t.VerifiedKey[:]), array(c.Token[:]), array(c.Approval[:]),
	}
	change := node.Change{Kind: node.ContactChange, Key: c.Person.String()}
	err := s.logged(ctx, change, func(tx *sql.Tx) (changed bool, err error) {
		free, err := differs(ctx, tx, "contacts WHERE folded = ? AND person <> ?", folded, person(c.Person))
		if err != nil {
			return false, err
		}
		if !free {
			return false, node.ErrNameTaken
		}
		changed, err = differs(ctx, tx, "contacts WHERE ("+contactFields+") IS (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", fields...)
		if err != nil {
			return false, err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO contacts ("+contactFields+`, card)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (person) DO UPDATE SET name = excluded.name, folded = excluded.folded, added = excluded.added,
				hint = excluded.hint, domain = excluded.domain, account = excluded.account, new_domain = excluded.new_domain,
				new_account = excluded.new_account, verified = excluded.verified, verified_key = excluded.verified_key,
				token = excluded.token, approval = excluded.approval, card = excluded.card`,
			append(fields, card(c.Card))...)
		return changed, err
	})
	if err != nil {
		return fmt.Errorf("write contact: %w", err)
	}
	return nil
}

// contactFields are the columns of a contact that siblings share.
const contactFields = `person, name, folded, added, hint, domain, account, new_domain, new_account, verified, verified_key,
	token, approval`

// RemoveContact forgets a contact; messages stay. One that is not there is removed already.
func (s *Store) RemoveContact(ctx context.Context, who identity.Address) error {
	change := node.Change{Kind: node.ContactChange, Key: who.String(), Deleted: true}
	err := s.logged(ctx, change, func(tx *sql.Tx) (bool, error) {
		return some(tx.ExecContext(ctx, "DELETE FROM contacts WHERE person = ?", person(who)))
	})
	if err != nil {
		return fmt.Errorf("remove contact: %w", err)
	}
	return nil
}

// Contacts returns all contacts, by name without case.
func (s *Store) Contacts(ctx context.Context) ([]node.Contact, error) {
	all, err := list(ctx, s.read, s.scanContact, "SELECT "+contactFields+", card FROM contacts ORDER BY folded")
	if err != nil {
		return nil, fmt.Errorf("read contacts: %w", err)
	}
	return all, nil
}

func (s *Store) scanContact(r row) (c node.Contact, err error) {
	var folded string
	t := &c.Trust
	err = r.Scan(s.person(&c.Person), &c.Name, &folded, (*instant)(&c.Added), (*[]byte)(&c.Hint),
		(*key)(&t.Domain), (*key)(&t.Account), (*key)(&t.NewDomain), (*key)(&t.NewAccount),
		(*instant)(&t.Verified), array(t.VerifiedKey[:]), array(c.Token[:]), array(c.Approval[:]), (*card)(&c.Card))
	return c, err
}

// PutWatcher writes the row of w.Person whole.
func (s *Store) PutWatcher(ctx context.Context, w node.Watcher) error {
	change := node.Change{Kind: node.WatcherChange, Key: w.Person.String()}
	err := s.logged(ctx, change, func(tx *sql.Tx) (changed bool, err error) {
		changed, err = differs(ctx, tx, "watchers WHERE (person, id, state, event, note) IS (?, ?, ?, ?, ?)",
			person(w.Person), octets(w.ID[:]), int(w.State), w.Event, w.Note)
		if err != nil {
			return false, err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO watchers (person, id, state, event, since, expires, card, note)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (person) DO UPDATE SET id = excluded.id, state = excluded.state, event = excluded.event,
				since = excluded.since, expires = excluded.expires, card = excluded.card, note = excluded.note`,
			person(w.Person), octets(w.ID[:]), int(w.State), w.Event,
			instant(w.Since), instant(w.Expires), card(w.Card), w.Note)
		return changed && !lapsed(w), err
	})
	if err != nil {
		return fmt.Errorf("write watcher: %w", err)
	}
	return nil
}

// lapsed says whether a timer ended a subscription (RFC 3857 section 4.7.1):
// that is what each device finds for itself, and not a decision.
func lapsed(w node.Watcher) bool { return w.Event == "timeout" || w.Event == "giveup" }

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
