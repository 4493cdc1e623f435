package store

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// maxInviteText is the most octets that a note or the name of an audience may have.
const maxInviteText = 256

const inviteFields = "hash, audience, note, made, expires, once, revoked, used, last_used, used_by"

// PutInvite writes one invitation whole, but a revoked one stays so, a use is
// not forgotten, and the count of uses does not sink.
func (s *Store) PutInvite(ctx context.Context, i node.Invite) error {
	if len(i.Note) > maxInviteText || len(i.As) > maxInviteText {
		return fmt.Errorf("write invitation: note of %d octets, audience of %d, of at most %d", len(i.Note), len(i.As), maxInviteText)
	}
	err := s.united(ctx, inviteChange(i), func(tx *sql.Tx, late bool) (outcome, error) {
		old, err := s.invite(ctx, tx, i.Hash)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return same, err
		}
		did := taken
		if err == nil {
			i, did = uniteInvites(old, i, late)
		}
		changed, err := writeInvite(ctx, tx, i)
		if !changed {
			did = same
		}
		return did, err
	})
	if err != nil {
		return fmt.Errorf("write invitation: %w", err)
	}
	return nil
}

func inviteChange(i node.Invite) node.Change {
	return node.Change{Kind: node.InviteChange, Key: i.Key()}
}

// uniteInvites gives the newer of two rows of an invitation, i unless it is
// late, with what cannot be undone of both.
func uniteInvites(old, i node.Invite, late bool) (node.Invite, outcome) {
	given, united := i, i
	if late {
		united = old
	}
	united.Revoked = old.Revoked || i.Revoked
	united.Used = max(old.Used, i.Used)
	if i.UsedBy.IsZero() || !old.UsedBy.IsZero() && old.LastUsed.After(i.LastUsed) != i.Once {
		i = old // the last user of many, but the first of one
	}
	united.LastUsed, united.UsedBy = i.LastUsed, i.UsedBy
	if late || united != given {
		return united, mixed
	}
	return united, taken
}

// writeInvite writes a row whole and says whether that changed it.
func writeInvite(ctx context.Context, tx *sql.Tx, i node.Invite) (changed bool, err error) {
	var by any
	if !i.UsedBy.IsZero() {
		by = person(i.UsedBy)
	}
	fields := []any{
		octets(i.Hash[:]), i.As, i.Note, instant(i.Made), instant(i.Expires), i.Once, i.Revoked, i.Used, instant(i.LastUsed), by,
	}
	changed, err = differs(ctx, tx, "invites WHERE ("+inviteFields+") IS (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", fields...)
	if err != nil || !changed {
		return false, err
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO invites ("+inviteFields+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", fields...)
	return true, err
}

// Invites returns all invitations, oldest first.
func (s *Store) Invites(ctx context.Context) ([]node.Invite, error) {
	all, err := list(ctx, s.read, s.scanInvite, "SELECT "+inviteFields+" FROM invites ORDER BY made, hash")
	if err != nil {
		return nil, fmt.Errorf("read invitations: %w", err)
	}
	return all, nil
}

func (s *Store) invite(ctx context.Context, tx *sql.Tx, hash [32]byte) (node.Invite, error) {
	return s.scanInvite(tx.QueryRowContext(ctx, "SELECT "+inviteFields+" FROM invites WHERE hash = ?", octets(hash[:])))
}

func (s *Store) scanInvite(r row) (i node.Invite, err error) {
	err = r.Scan(fixed(i.Hash[:]), &i.As, &i.Note, (*instant)(&i.Made), (*instant)(&i.Expires), &i.Once, &i.Revoked,
		&i.Used, (*instant)(&i.LastUsed), s.person(&i.UsedBy))
	return i, err
}

// UseInvite notes the use of a token by a person; see node.InviteStore for the
// errors. What is looked up and compared is the token's hash, so the time it
// takes tells nothing of the token.
func (s *Store) UseInvite(ctx context.Context, token [16]byte, by identity.Address, now time.Time) (node.Invite, error) {
	if by.IsZero() {
		return node.Invite{}, errors.New("use invitation: by nobody")
	}
	hash := node.TokenHash(token)
	var used node.Invite
	err := s.logged(ctx, inviteChange(node.Invite{Hash: hash}), func(tx *sql.Tx) (bool, error) {
		i, err := s.invite(ctx, tx, hash)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return false, node.ErrNotFound
		case err != nil:
			return false, err
		case subtle.ConstantTimeCompare(i.Hash[:], hash[:]) != 1:
			return false, node.ErrNotFound
		case i.Revoked:
			return false, node.ErrInviteRevoked
		case !i.Expires.IsZero() && !now.Before(i.Expires):
			return false, node.ErrInviteExpired
		case i.Once && !i.UsedBy.IsZero() && i.UsedBy != by:
			return false, node.ErrInviteUsed
		case i.UsedBy == by:
			used = i
			return false, nil
		}
		i.Used, i.LastUsed, i.UsedBy = i.Used+1, now, by
		changed, err := writeInvite(ctx, tx, i)
		used = i
		return changed, err
	})
	if err != nil {
		return node.Invite{}, fmt.Errorf("use invitation: %w", err)
	}
	return used, nil
}
