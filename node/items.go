package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity"
)

// What the owner's devices copy from each other, as octets (doc/spec/devices.md
// section 4). items.go writes and reads them, mirror.go believes them or not.

// pageSource holds the tables that one page needs, each read at most once.
type pageSource struct {
	contacts map[string]Contact
	watchers map[string]Watcher
	watches  map[string]Watch
	devices  map[string]Device
	invites  map[string]Invite
}

// table reads rows by their key, unless that was done.
func table[T any](into *map[string]T, rows func() ([]T, error), key func(T) string) error {
	if *into != nil {
		return nil
	}
	list, err := rows()
	if err != nil {
		return err
	}
	*into = make(map[string]T, len(list))
	for _, row := range list {
		(*into)[key(row)] = row
	}
	return nil
}

// itemOf gives the thing that changed as it stands; nil if it is not there any
// more, or nothing to other devices.
func (n *Node) itemOf(ctx context.Context, c Change, from *pageSource) (*item, error) {
	it := &item{kind: c.Kind, key: c.Key, stamp: c.Stamp, deleted: c.Deleted}
	if c.Deleted {
		return it, nil
	}
	body, found, err := n.bodyOf(ctx, c, from)
	if err != nil || !found {
		return nil, err
	}
	it.body = body
	return it, nil
}

func (n *Node) bodyOf(ctx context.Context, c Change, from *pageSource) (body []byte, found bool, err error) {
	switch c.Kind {
	case ContactChange:
		err = table(&from.contacts, func() ([]Contact, error) { return n.store.Contacts(ctx) }, func(c Contact) string { return c.Person.String() })
		return written(from.contacts, c.Key, err, contactBody)
	case WatcherChange:
		err = table(&from.watchers, func() ([]Watcher, error) { return n.store.Watchers(ctx) }, func(w Watcher) string { return w.Person.String() })
		return written(from.watchers, c.Key, err, watcherBody)
	case WatchChange:
		err = table(&from.watches, func() ([]Watch, error) { return n.store.Watches(ctx) }, func(w Watch) string { return w.Person.String() })
		return written(from.watches, c.Key, err, watchBody)
	case DeviceChange:
		err = table(&from.devices, func() ([]Device, error) { return n.store.Devices(ctx) }, func(d Device) string { return d.ID.String() })
		return written(from.devices, c.Key, err, deviceBody)
	case InviteChange:
		err = table(&from.invites, func() ([]Invite, error) { return n.store.Invites(ctx) }, func(i Invite) string { return i.Key() })
		return written(from.invites, c.Key, err, inviteBody)
	case MessageChange:
		m, err := n.store.MessageByKey(ctx, c.Key)
		if errors.Is(err, ErrNotFound) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		body, err := messageBody(m)
		return body, err == nil, err
	case SettingChange:
		body, err := n.store.Setting(ctx, c.Key)
		return body, body != nil, err
	}
	return nil, false, fmt.Errorf("change of kind %d", c.Kind)
}

func written[T any](rows map[string]T, key string, err error, write func(T) ([]byte, error)) ([]byte, bool, error) {
	row, found := rows[key]
	if err != nil || !found {
		return nil, false, err
	}
	body, err := write(row)
	return body, err == nil, err
}

// sequenceOf writes a SEQUENCE.
func sequenceOf(fields func(*cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, fields)
	return b.Bytes()
}

func contactBody(c Contact) ([]byte, error) {
	return sequenceOf(func(b *cryptobyte.Builder) {
		addText(b, c.Name)
		addMoment(b, c.Added)
		b.AddASN1OctetString(c.Hint)
		for _, key := range []ed25519.PublicKey{c.Trust.Domain, c.Trust.Account, c.Trust.NewDomain, c.Trust.NewAccount} {
			b.AddASN1OctetString(key)
		}
		addMoment(b, c.Trust.Verified)
		addMaybe(b, c.Trust.VerifiedKey[:])
		addMaybe(b, c.Token[:])
		addMaybe(b, c.Approval[:])
		b.AddASN1OctetString(c.Card.Bytes())
	})
}

// readContact reads the body of a contact. Its card is octets, to be verified.
func readContact(body []byte) (c Contact, card []byte, ok bool) {
	in, ok := sequence(body)
	ok = ok && readText(&in, &c.Name) && readMoment(&in, &c.Added)
	ok = ok && readOctets(&in, (*[]byte)(&c.Hint), maxReach)
	for _, key := range []*ed25519.PublicKey{&c.Trust.Domain, &c.Trust.Account, &c.Trust.NewDomain, &c.Trust.NewAccount} {
		ok = ok && readKey(&in, key)
	}
	ok = ok && readMoment(&in, &c.Trust.Verified) && readMaybe(&in, c.Trust.VerifiedKey[:]) && readMaybe(&in, c.Token[:]) &&
		readMaybe(&in, c.Approval[:]) && in.ReadASN1Bytes(&card, asn1.OCTET_STRING) && in.Empty()
	return c, card, ok && checkName(c.Name) == nil
}

// readKey reads an Ed25519 key or none.
func readKey(in *cryptobyte.String, out *ed25519.PublicKey) bool {
	var raw []byte
	if !in.ReadASN1Bytes(&raw, asn1.OCTET_STRING) || len(raw) != 0 && len(raw) != ed25519.PublicKeySize {
		return false
	}
	*out = nil
	if len(raw) > 0 {
		*out = raw
	}
	return true
}

func watcherBody(w Watcher) ([]byte, error) {
	return sequenceOf(func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(w.ID[:])
		b.AddASN1Enum(int64(w.State))
		addText(b, w.Event)
		addMoment(b, w.Since)
		addMoment(b, w.Expires)
		addText(b, w.Note)
		b.AddASN1OctetString(w.Card.Bytes())
	})
}

func readWatcher(body []byte) (w Watcher, card []byte, ok bool) {
	var state int
	in, ok := sequence(body)
	ok = ok && readFixed(&in, w.ID[:]) && in.ReadASN1Enum(&state) && state >= int(Pending) && state <= int(Terminated) && readText(&in, &w.Event) &&
		readMoment(&in, &w.Since) && readMoment(&in, &w.Expires) && readText(&in, &w.Note) && in.ReadASN1Bytes(&card, asn1.OCTET_STRING) && in.Empty()
	w.State = State(state)
	return w, card, ok
}

func watchBody(w Watch) ([]byte, error) {
	return sequenceOf(func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(w.ID[:])
		b.AddASN1Boolean(w.State == Terminated)
		addText(b, w.Reason)
	})
}

func readWatch(body []byte) (w Watch, ok bool) {
	var ended bool
	in, ok := sequence(body)
	ok = ok && readFixed(&in, w.ID[:]) && in.ReadASN1Boolean(&ended) && readText(&in, &w.Reason) && in.Empty()
	w.State = Pending
	if ended {
		w.State = Terminated
	}
	return w, ok
}

func deviceBody(d Device) ([]byte, error) {
	return sequenceOf(func(b *cryptobyte.Builder) {
		addText(b, d.Name)
		b.AddASN1OctetString(d.Card)
		b.AddASN1Uint64(uint64(d.Scopes))
		b.AddASN1Boolean(d.Account)
		addMoment(b, d.Added)
	})
}

func readDevice(body []byte) (d Device, ok bool) {
	var scopes uint64
	in, ok := sequence(body)
	ok = ok && readText(&in, &d.Name) && in.ReadASN1Bytes(&d.Card, asn1.OCTET_STRING) && readUint(&in, &scopes) && scopes < 1<<8 &&
		in.ReadASN1Boolean(&d.Account) && readMoment(&in, &d.Added) && in.Empty()
	d.Scopes = identity.Scopes(scopes)
	return d, ok && checkDeviceName(d.Name) == nil
}

func inviteBody(i Invite) ([]byte, error) {
	return sequenceOf(func(b *cryptobyte.Builder) {
		addText(b, i.As)
		addText(b, i.Note)
		addMoment(b, i.Made)
		addMoment(b, i.Expires)
		b.AddASN1Boolean(i.Once)
		b.AddASN1Boolean(i.Revoked)
		b.AddASN1Uint64(uint64(i.Used))
		addMoment(b, i.LastUsed)
		usedBy := ""
		if !i.UsedBy.IsZero() {
			usedBy = i.UsedBy.Pres()
		}
		b.AddASN1OctetString([]byte(usedBy))
	})
}

func readInvite(body []byte) (i Invite, ok bool) {
	var used uint64
	var usedBy []byte
	in, ok := sequence(body)
	ok = ok && readText(&in, &i.As) && readText(&in, &i.Note) && readMoment(&in, &i.Made) && readMoment(&in, &i.Expires) &&
		in.ReadASN1Boolean(&i.Once) && in.ReadASN1Boolean(&i.Revoked) && readUint(&in, &used) && used < 1<<31 &&
		readMoment(&in, &i.LastUsed) && readOctets(&in, &usedBy, maxKey) && in.Empty()
	if ok && len(usedBy) > 0 {
		var err error
		i.UsedBy, err = identity.ParseAddress(string(usedBy))
		ok = err == nil
	}
	i.Used = int(used)
	return i, ok
}

// messageBody writes a message, as signed.
func messageBody(m Message) ([]byte, error) {
	return sequenceOf(func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(m.Signed.Bytes())
		addMoment(b, m.Stored)
		b.AddASN1Enum(int64(m.Status))
		addText(b, cut(m.Reason))
		addMoment(b, m.Settled)
		b.AddASN1Boolean(m.Read)
	})
}

// cut shortens a reason to what fits.
func cut(s string) string {
	if len(s) <= maxNote {
		return s
	}
	for i := range s {
		if i > maxNote-4 {
			return s[:i]
		}
	}
	return s[:maxNote-4]
}

func readMessageBody(body []byte) (m Message, ok bool) {
	var raw []byte
	var status int
	in, ok := sequence(body)
	ok = ok && readOctets(&in, &raw, maxItem) && readMoment(&in, &m.Stored) && in.ReadASN1Enum(&status) && status >= int(Received) && status <= int(Unconfirmed) &&
		readText(&in, &m.Reason) && readMoment(&in, &m.Settled) && in.ReadASN1Boolean(&m.Read) && in.Empty()
	if !ok {
		return m, false
	}
	var err error
	m.Signed, err = identity.ParseSigned(raw)
	m.Status = Status(status)
	return m, err == nil
}
