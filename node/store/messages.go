package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kith-im/kith/node"
)

// Deliver writes an incoming message, as received and whatever m.Out and
// m.Status say, with its row in the duplicate table in one transaction. A
// message already seen from that person is not written again.
func (s *Store) Deliver(ctx context.Context, m node.Message) (node.Delivery, int64, error) {
	m.Out, m.Status = false, node.Received
	var found node.Delivery
	var id int64
	err := s.change(ctx, func(tx *sql.Tx) (err error) {
		var digest []byte
		err = tx.QueryRowContext(ctx, "SELECT digest FROM duplicates WHERE person = ? AND message_id = ?",
			person(m.Person), m.MessageID).Scan(&digest)
		switch {
		case err == nil && bytes.Equal(digest, m.Digest[:]):
			found = node.Duplicate
			return nil
		case err == nil:
			found = node.Conflict
			return nil
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO duplicates (person, message_id, digest) VALUES (?, ?, ?)",
			person(m.Person), m.MessageID, octets(m.Digest[:]))
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

// Enqueue writes an outgoing message, as queued and whatever m.Out and
// m.Status say, and returns its ID.
func (s *Store) Enqueue(ctx context.Context, m node.Message) (int64, error) {
	m.Out, m.Status, m.Read = true, node.Queued, false
	id, err := insertMessage(ctx, s.write, m)
	if err != nil {
		return 0, fmt.Errorf("enqueue message: %w", err)
	}
	return id, nil
}

// execer is the common part of sql.DB and sql.Tx.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// insertMessage writes all of a message but its ID, which it returns.
func insertMessage(ctx context.Context, to execer, m node.Message) (int64, error) {
	result, err := to.ExecContext(ctx, `INSERT INTO messages (out, person, message_id, sent, stored, signed, digest,
			content_type, text, status, reason, tries, next, deadline, settled, read)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.Out, person(m.Person), m.MessageID, instant(m.Sent), instant(m.Stored), signed(m.Signed), octets(m.Digest[:]),
		m.ContentType, m.Text, int(m.Status), m.Reason, m.Tries, instant(m.Next), instant(m.Deadline), instant(m.Settled), m.Read)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// Settle updates status, reason, tries, next try and the time it was settled
// of the outgoing message m.ID; node.ErrNotFound if there is none.
func (s *Store) Settle(ctx context.Context, m node.Message) error {
	result, err := s.write.ExecContext(ctx, `UPDATE messages SET status = ?, reason = ?, tries = ?, next = ?, settled = ?
		WHERE id = ? AND out = 1`,
		int(m.Status), m.Reason, m.Tries, instant(m.Next), instant(m.Settled), m.ID)
	if err == nil {
		err = affected(result, node.ErrNotFound)
	}
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
	reason, tries, next, deadline, settled, read FROM `

func (s *Store) scanMessage(r row) (m node.Message, err error) {
	err = r.Scan(&m.ID, &m.Out, s.person(&m.Person), &m.MessageID, (*instant)(&m.Sent), (*instant)(&m.Stored),
		(*signed)(&m.Signed), fixed(m.Digest[:]), &m.ContentType, &m.Text, &m.Status, &m.Reason, &m.Tries,
		(*instant)(&m.Next), (*instant)(&m.Deadline), (*instant)(&m.Settled), &m.Read)
	return m, err
}

// Queued returns the outgoing messages not yet settled, oldest first.
func (s *Store) Queued(ctx context.Context) ([]node.Message, error) {
	all, err := list(ctx, s.read, s.scanMessage, selectMessages+"messages WHERE status = 2 ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	return all, nil
}

// Message returns one message; node.ErrNotFound if there is none.
func (s *Store) Message(ctx context.Context, id int64) (node.Message, error) {
	m, err := s.scanMessage(s.read.QueryRowContext(ctx, selectMessages+"messages WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		err = node.ErrNotFound
	}
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

// MarkRead marks incoming messages up to and including an ID as read.
func (s *Store) MarkRead(ctx context.Context, upTo int64) error {
	if _, err := s.write.ExecContext(ctx, "UPDATE messages SET read = 1 WHERE out = 0 AND read = 0 AND id <= ?", upTo); err != nil {
		return fmt.Errorf("mark messages read: %w", err)
	}
	return nil
}
