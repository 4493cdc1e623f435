package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Adopt writes an outgoing message of m.Device, with its status, or has one
// that is there already take over the better knowledge. Its ID is returned
// unless it is a node.Conflict.
func (s *Store) Adopt(ctx context.Context, m node.Message) (found node.Delivery, id int64, err error) {
	m.Out, m.Read = true, false
	if m.Device == (identity.DeviceID{}) || m.Status < node.Queued || m.Status > node.Unconfirmed {
		return 0, 0, fmt.Errorf("adopt message: device %s, status %d", m.Device.Short(), m.Status)
	}
	err = s.change(ctx, func(tx *sql.Tx) error {
		old, err := s.message(ctx, tx, whereKey, true, person(m.Person), m.MessageID)
		switch {
		case errors.Is(err, node.ErrNotFound):
			found = node.First
			id, err = insertMessage(ctx, tx, m)
			return err
		case err != nil:
			return err
		case old.Digest != m.Digest:
			found = node.Conflict
			return nil
		}
		found, id = node.Duplicate, old.ID
		if !m.Status.Outranks(old.Status) {
			return nil
		}
		_, err = tx.ExecContext(ctx, "UPDATE messages SET status = ?, reason = ?, settled = ?, next = NULL WHERE id = ?",
			int(m.Status), m.Reason, instant(m.Settled), old.ID)
		if err != nil {
			return err
		}
		return logMessage(ctx, tx, old)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("adopt message: %w", err)
	}
	return found, id, nil
}

// whereKey takes out, person and Message-ID.
const whereKey = "out = ? AND person = ? AND message_id = ?"

// MessageByKey returns the message with a key that Message.Key gave, on
// whatever device; node.ErrNotFound if there is none.
func (s *Store) MessageByKey(ctx context.Context, key string) (node.Message, error) {
	way, rest, _ := strings.Cut(key, " ")
	who, id, ok := strings.Cut(rest, " ")
	if !ok || way != "in" && way != "out" {
		return node.Message{}, fmt.Errorf("read message by key: %w", node.ErrNotFound)
	}
	m, err := s.message(ctx, s.read, whereKey, way == "out", who, id)
	if err != nil {
		return node.Message{}, fmt.Errorf("read message by key: %w", err)
	}
	return m, nil
}

// MarkRead marks incoming messages up to and including an ID as read.
func (s *Store) MarkRead(ctx context.Context, upTo int64) error {
	if err := s.markRead(ctx, "out = 0 AND read = 0 AND id <= ?", upTo); err != nil {
		return fmt.Errorf("mark messages read: %w", err)
	}
	return nil
}

// SetRead marks a single incoming message as read; node.ErrNotFound if there is none.
func (s *Store) SetRead(ctx context.Context, id int64) error {
	m, err := s.message(ctx, s.read, "id = ? AND out = 0", id)
	if err == nil && !m.Read {
		err = s.markRead(ctx, "out = 0 AND read = 0 AND id = ?", id)
	}
	if err != nil {
		return fmt.Errorf("mark message %d read: %w", id, err)
	}
	return nil
}

// markRead marks the messages that meet a condition, and logs each.
func (s *Store) markRead(ctx context.Context, where string, id int64) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "UPDATE messages SET read = 1 WHERE "+where+" RETURNING person, message_id", id)
		if err != nil {
			return err
		}
		defer rows.Close()
		var marked []node.Message
		for rows.Next() {
			var m node.Message
			if err := rows.Scan(s.person(&m.Person), &m.MessageID); err != nil {
				return err
			}
			marked = append(marked, m)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, m := range marked {
			if err := logMessage(ctx, tx, m); err != nil {
				return err
			}
		}
		return nil
	})
}
