package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Deliver writes an incoming message, as received and whatever m.Out and
// m.Status say, with its row in the duplicate table in one transaction. A
// message already seen from that person is not written again.
func (s *Store) Deliver(ctx context.Context, m node.Message) (node.Delivery, int64, error) {
	m.Out, m.Status, m.Device = false, node.Received, identity.DeviceID{}
	var found node.Delivery
	var id int64
	err := s.change(ctx, func(tx *sql.Tx) (err error) {
		digest, err := known(ctx, tx, m)
		switch {
		case err != nil:
			return err
		case digest != nil && bytes.Equal(digest, m.Digest[:]):
			found = node.Duplicate
			return nil
		case digest != nil:
			found = node.Conflict
			return nil
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO duplicates (person, message_id, digest, seen) VALUES (?, ?, ?, ?)",
			person(m.Person), m.MessageID, octets(m.Digest[:]), instant(time.Now()))
		if err != nil {
			return err
		}
		found = node.First
		id, err = insertMessage(ctx, tx, m)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("deliver message: %w", err)
	}
	return found, id, nil
}

// known returns the digest of an incoming message that was here before, or
// nil. A row of the duplicate table may have been pruned while its message is
// still there, and the other way round.
func known(ctx context.Context, tx *sql.Tx, m node.Message) (digest []byte, err error) {
	err = tx.QueryRowContext(ctx, `SELECT digest FROM duplicates WHERE person = ?1 AND message_id = ?2
		UNION ALL SELECT digest FROM messages WHERE person = ?1 AND message_id = ?2 AND out = 0 LIMIT 1`,
		person(m.Person), m.MessageID).Scan(&digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return digest, err
}

// PruneDuplicates forgets the rows of the duplicate table written before a
// moment. What is still in the history is known all the same.
func (s *Store) PruneDuplicates(ctx context.Context, before time.Time) error {
	if _, err := s.write.ExecContext(ctx, "DELETE FROM duplicates WHERE seen < ?", instant(before)); err != nil {
		return fmt.Errorf("prune duplicates: %w", err)
	}
	return nil
}

// Enqueue writes an outgoing message, as queued and whatever m.Out, m.Status
// and m.Device say, and returns its ID.
func (s *Store) Enqueue(ctx context.Context, m node.Message) (id int64, err error) {
	m.Out, m.Status, m.Read, m.Device = true, node.Queued, false, identity.DeviceID{}
	err = s.change(ctx, func(tx *sql.Tx) (err error) {
		id, err = insertMessage(ctx, tx, m)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("enqueue message: %w", err)
	}
	return id, nil
}

// insertMessage writes all of a message but its ID, which it returns, and logs that.
func insertMessage(ctx context.Context, tx *sql.Tx, m node.Message) (int64, error) {
	result, err := tx.ExecContext(ctx, `INSERT INTO messages (out, person, message_id, sent, stored, signed, digest,
			content_type, text, status, reason, tries, next, deadline, settled, read, device)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.Out, person(m.Person), m.MessageID, instant(m.Sent), instant(m.Stored), signed(m.Signed), octets(m.Digest[:]),
		m.ContentType, m.Text, int(m.Status), m.Reason, m.Tries, instant(m.Next), instant(m.Deadline), instant(m.Settled), m.Read,
		array(m.Device[:]))
	if err != nil {
		return 0, err
	}
	if err := logMessage(ctx, tx, m); err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

func logMessage(ctx context.Context, tx *sql.Tx, m node.Message) error {
	return logChange(ctx, tx, node.Change{Kind: node.MessageChange, Key: m.Key()}, time.Now().UnixMilli())
}

// Settle updates status, reason, tries, next try and the time it was settled
// of the outgoing message m.ID; node.ErrNotFound if there is none.
func (s *Store) Settle(ctx context.Context, m node.Message) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		old := node.Message{Out: true}
		err := tx.QueryRowContext(ctx, "SELECT person, message_id, status FROM messages WHERE id = ? AND out = 1", m.ID).
			Scan(s.person(&old.Person), &old.MessageID, &old.Status)
		if errors.Is(err, sql.ErrNoRows) {
			return node.ErrNotFound
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE messages SET status = ?, reason = ?, tries = ?, next = ?, settled = ? WHERE id = ?",
			int(m.Status), m.Reason, m.Tries, instant(m.Next), instant(m.Settled), m.ID)
		if err != nil || m.Status == old.Status {
			return err
		}
		return logMessage(ctx, tx, old)
	})
	if err != nil {
		return fmt.Errorf("settle message %d: %w", m.ID, err)
	}
	return nil
}

// affected returns none if a statement changed nothing.
func affected(result sql.Result, none error) error {
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}

const selectMessages = `SELECT id, out, person, message_id, sent, stored, signed, digest, content_type, messages.text, status,
	reason, tries, next, deadline, settled, read, device FROM `

func (s *Store) scanMessage(r row) (m node.Message, err error) {
	err = r.Scan(&m.ID, &m.Out, s.person(&m.Person), &m.MessageID, (*instant)(&m.Sent), (*instant)(&m.Stored),
		(*signed)(&m.Signed), fixed(m.Digest[:]), &m.ContentType, &m.Text, &m.Status, &m.Reason, &m.Tries,
		(*instant)(&m.Next), (*instant)(&m.Deadline), (*instant)(&m.Settled), &m.Read,
		array(m.Device[:]))
	return m, err
}

// Queued returns the outgoing messages of this device not yet settled, oldest first.
func (s *Store) Queued(ctx context.Context) ([]node.Message, error) {
	all, err := list(ctx, s.read, s.scanMessage, selectMessages+"messages WHERE status = 2 AND device IS NULL ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	return all, nil
}

// querier is the common part of sql.DB and sql.Tx.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// message returns the first message that meets a condition; node.ErrNotFound if there is none.
func (s *Store) message(ctx context.Context, from querier, where string, args ...any) (node.Message, error) {
	m, err := s.scanMessage(from.QueryRowContext(ctx, selectMessages+"messages WHERE "+where+" ORDER BY id LIMIT 1", args...))
	if errors.Is(err, sql.ErrNoRows) {
		err = node.ErrNotFound
	}
	if err != nil {
		return node.Message{}, err
	}
	return m, nil
}

// Message returns one message; node.ErrNotFound if there is none.
func (s *Store) Message(ctx context.Context, id int64) (node.Message, error) {
	m, err := s.message(ctx, s.read, "id = ?", id)
	if err != nil {
		return node.Message{}, fmt.Errorf("read message %d: %w", id, err)
	}
	return m, nil
}

// History returns messages by ID, ascending: the newest limit of those that
// match, none for a limit below one. A text without any letter or digit, such
// as "?!", matches nothing; one of white space alone matches all.
func (s *Store) History(ctx context.Context, q node.Query, limit int) ([]node.Message, error) {
	from, key, where, args := "messages", "id", []string{}, []any{}
	if words := match(q.Text); words != "" {
		// The index of words walks backwards too, and stops at the limit.
		from, key = "words CROSS JOIN messages ON id = words.rowid", "words.rowid"
		where, args = append(where, "words MATCH ?"), append(args, words)
	}
	where, args = append(where, key+" > ?"), append(args, q.After)
	if !q.Person.IsZero() {
		where, args = append(where, "person = ?"), append(args, person(q.Person))
	}
	if q.Incoming {
		where = append(where, "out = 0")
	}
	if q.Unread {
		where = append(where, "out = 0 AND read = 0")
	}
	query := selectMessages + from + " WHERE " + strings.Join(where, " AND ") + " ORDER BY " + key + " DESC LIMIT ?"
	all, err := list(ctx, s.read, s.scanMessage, query, append(args, max(limit, 0))...)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	slices.Reverse(all)
	return all, nil
}

// match turns what a person typed into an FTS5 query for rows containing all
// its words. Each word is a quoted string, in which nothing but the quote and
// the end of the text has a meaning.
func match(text string) string {
	const unknown = "\uFFFD" // separates words, as NUL and broken UTF-8 would
	text = strings.ReplaceAll(strings.ToValidUTF8(text, unknown), "\x00", unknown)
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = `"` + strings.ReplaceAll(word, `"`, `""`) + `"`
	}
	return strings.Join(words, " ")
}
