package node

import (
	"context"
	"time"

	"github.com/kith-im/kith/identity"
)

// ringing is a store that has the sync loop look for news after each write
// that the owner's other devices may have to learn of.
type ringing struct {
	Store
	bell chan struct{}
}

func (s ringing) rung(err error) error {
	if err == nil {
		wake(s.bell)
	}
	return err
}

func (s ringing) PutContact(ctx context.Context, c Contact) error {
	return s.rung(s.Store.PutContact(ctx, c))
}

func (s ringing) RemoveContact(ctx context.Context, who identity.Address) error {
	return s.rung(s.Store.RemoveContact(ctx, who))
}

func (s ringing) PutWatcher(ctx context.Context, w Watcher) error {
	return s.rung(s.Store.PutWatcher(ctx, w))
}

func (s ringing) PutWatch(ctx context.Context, w Watch) error {
	return s.rung(s.Store.PutWatch(ctx, w))
}

func (s ringing) RemoveWatch(ctx context.Context, who identity.Address) error {
	return s.rung(s.Store.RemoveWatch(ctx, who))
}

func (s ringing) Deliver(ctx context.Context, m Message) (Delivery, int64, error) {
	found, id, err := s.Store.Deliver(ctx, m)
	return found, id, s.rung(err)
}

func (s ringing) Enqueue(ctx context.Context, m Message) (int64, error) {
	id, err := s.Store.Enqueue(ctx, m)
	return id, s.rung(err)
}

func (s ringing) Settle(ctx context.Context, m Message) error {
	return s.rung(s.Store.Settle(ctx, m))
}

func (s ringing) MarkRead(ctx context.Context, upTo int64) error {
	return s.rung(s.Store.MarkRead(ctx, upTo))
}

func (s ringing) Adopt(ctx context.Context, m Message) (Delivery, int64, error) {
	found, id, err := s.Store.Adopt(ctx, m)
	return found, id, s.rung(err)
}

func (s ringing) SetRead(ctx context.Context, id int64) error {
	return s.rung(s.Store.SetRead(ctx, id))
}

func (s ringing) PutSetting(ctx context.Context, name string, value []byte) error {
	return s.rung(s.Store.PutSetting(ctx, name, value))
}

func (s ringing) PutDevice(ctx context.Context, d Device) error {
	return s.rung(s.Store.PutDevice(ctx, d))
}

func (s ringing) PutInvite(ctx context.Context, i Invite) error {
	return s.rung(s.Store.PutInvite(ctx, i))
}

func (s ringing) UseInvite(ctx context.Context, token [16]byte, by identity.Address, now time.Time) (Invite, error) {
	i, err := s.Store.UseInvite(ctx, token, by, now)
	return i, s.rung(err)
}
