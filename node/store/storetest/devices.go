package storetest

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func testDevices(t *testing.T, s node.Store) {
	ctx := t.Context()
	same(t, len(must(s.Devices(ctx))(t)), 0)
	first, second := device(1), device(2)
	least := node.Device{ID: identity.DeviceID{3}, Card: []byte{}}
	for _, d := range []node.Device{second, first, least} {
		check(t, s.PutDevice(ctx, d))
	}
	same(t, must(s.Devices(ctx))(t), []node.Device{least, first, second})

	// Written whole.
	second = node.Device{ID: second.ID, Name: strings.Repeat("x", 64), Card: make([]byte, 16<<10), Added: second.Added}
	check(t, s.PutDevice(ctx, second))
	same(t, must(s.Devices(ctx))(t), []node.Device{least, first, second})

	long, large := second, second
	long.Name += "x"
	large.Card = make([]byte, 16<<10+1)
	for _, d := range []node.Device{long, large} {
		if err := s.PutDevice(ctx, d); err == nil {
			t.Errorf("a device with a name of %d and a card of %d octets was written", len(d.Name), len(d.Card))
		}
	}
}

func testDeviceRevoked(t *testing.T, s node.Store) {
	ctx := t.Context()
	d := device(1)
	tests := []struct {
		name    string
		revoked time.Time
		want    time.Time
	}{
		{"not", time.Time{}, time.Time{}},
		{"later", at(50), at(50)},
		{"not any more", time.Time{}, at(50)},
		{"later than that", at(60), at(50)},
		{"earlier after all", at(40), at(40)},
	}
	for i, test := range tests {
		d.Name, d.Revoked, d.Seen = test.name, test.revoked, at(i)
		check(t, s.PutDevice(ctx, d))
		d.Revoked = test.want
		same(t, must(s.Devices(ctx))(t), []node.Device{d})
	}
	d = device(2) // revoked when first heard of
	d.Revoked = at(1)
	check(t, s.PutDevice(ctx, d))
	same(t, must(s.Devices(ctx))(t)[1], d)
}

func testInvites(t *testing.T, s node.Store) {
	ctx := t.Context()
	same(t, len(must(s.Invites(ctx))(t)), 0)
	first, second := invite(1), invite(2)
	second.Once, second.Used, second.LastUsed, second.UsedBy = true, 1, at(7), address(t, "bob")
	check(t, s.PutInvite(ctx, second))
	check(t, s.PutInvite(ctx, first))
	same(t, must(s.Invites(ctx))(t), []node.Invite{first, second})

	// Written whole, but for what cannot be undone.
	first.As, first.Note, first.Expires, first.Revoked = "", "other", time.Time{}, true
	check(t, s.PutInvite(ctx, first))
	same(t, must(s.Invites(ctx))(t), []node.Invite{first, second})
	unused, again := second, first
	unused.Used, unused.LastUsed, unused.UsedBy = 0, time.Time{}, identity.Address{}
	again.Revoked = false
	check(t, s.PutInvite(ctx, unused))
	check(t, s.PutInvite(ctx, again))
	same(t, must(s.Invites(ctx))(t), []node.Invite{first, second})

	long := invite(3)
	long.Note = strings.Repeat("x", 257)
	if err := s.PutInvite(ctx, long); err == nil {
		t.Error("a note of 257 octets was written")
	}
	same(t, first.ID(), first.Key()[:8])
}

func testUseInvite(t *testing.T, s node.Store) {
	ctx := t.Context()
	once, many, revoked, forever := invite(1), invite(2), invite(3), invite(4)
	once.Once, revoked.Revoked, forever.Expires = true, true, time.Time{}
	for _, i := range []node.Invite{once, many, revoked, forever} {
		check(t, s.PutInvite(ctx, i))
	}
	bob, anna := address(t, "bob"), address(t, "anna")
	tests := []struct {
		name  string
		token [16]byte
		by    identity.Address
		now   int
		err   error
		used  int
	}{
		{"unknown", token(9), bob, 10, node.ErrNotFound, 0},
		{"zero", [16]byte{}, bob, 10, node.ErrNotFound, 0},
		{"the hash of one", [16]byte(once.Hash[:16]), bob, 10, node.ErrNotFound, 0},
		{"once, too late", token(1), bob, 100, node.ErrInviteExpired, 0},
		{"once", token(1), bob, 99, nil, 1},
		{"once, lost answer", token(1), bob, 99, nil, 1},
		{"once, another", token(1), anna, 99, node.ErrInviteUsed, 0},
		{"once, expired now", token(1), bob, 101, node.ErrInviteExpired, 0},
		{"many", token(2), bob, 10, nil, 1},
		{"many, lost answer", token(2), bob, 11, nil, 1},
		{"many, another", token(2), anna, 12, nil, 2},
		{"revoked", token(3), bob, 10, node.ErrInviteRevoked, 0},
		{"forever", token(4), bob, 1 << 30, nil, 1},
	}
	for _, test := range tests {
		before := snapshot(t, s)
		got, err := s.UseInvite(ctx, test.token, test.by, at(test.now))
		if test.err != nil {
			isError(t, err, test.err)
			same(t, got, node.Invite{})
			same(t, snapshot(t, s), before)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got.Used != test.used || got.UsedBy != test.by || got.Hash != node.TokenHash(test.token) {
			t.Errorf("%s: got %+v, want %d uses, by %s", test.name, got, test.used, test.by)
		}
		for _, i := range must(s.Invites(ctx))(t) {
			if i.Hash == got.Hash {
				same(t, got, i)
			}
		}
	}
	if _, err := s.UseInvite(ctx, token(2), identity.Address{}, at(10)); err == nil {
		t.Error("nobody used an invitation")
	}
}

// testUseInviteAtOnce has two people race for an invitation for one.
func testUseInviteAtOnce(t *testing.T, s node.Store) {
	ctx := t.Context()
	once := invite(1)
	once.Once = true
	check(t, s.PutInvite(ctx, once))
	people := []identity.Address{address(t, "bob"), address(t, "anna")}
	won := make([]int, len(people))
	var wg sync.WaitGroup
	for p, who := range people {
		wg.Go(func() {
			for range 10 {
				switch _, err := s.UseInvite(ctx, token(1), who, at(10)); {
				case err == nil:
					won[p]++
				case !errors.Is(err, node.ErrInviteUsed):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if won[0] != 10*(1-won[1]/10) || won[0]%10 != 0 {
		t.Errorf("they could use it %v times, of 10 each", won)
	}
	same(t, must(s.Invites(ctx))(t)[0].Used, 1)
}
