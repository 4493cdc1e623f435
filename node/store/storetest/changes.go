package storetest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// testChanges does one thing after the other and looks at what each adds to
// the log: one row, that of the thing, or none.
func testChanges(t *testing.T, s node.Store) {
	ctx := t.Context()
	bob, asks, sees, dev, inv := contact(t, "bob", "Bob"), watcher(t, "bob"), watch(t, "bob"), device(1), invite(1)
	const who = "bob@example.org"
	put := func(change func(*node.Contact)) func() error {
		return func() error { change(&bob); return s.PutContact(ctx, bob) }
	}
	asking := func(change func(*node.Watcher)) func() error {
		return func() error { change(&asks); return s.PutWatcher(ctx, asks) }
	}
	seeing := func(change func(*node.Watch)) func() error {
		return func() error { change(&sees); return s.PutWatch(ctx, sees) }
	}
	having := func(change func(*node.Device)) func() error {
		return func() error { change(&dev); return s.PutDevice(ctx, dev) }
	}
	inviting := func(change func(*node.Invite)) func() error {
		return func() error { change(&inv); return s.PutInvite(ctx, inv) }
	}
	tests := []struct {
		name    string
		do      func() error
		kind    node.ChangeKind // 0: no change
		key     string
		deleted bool
	}{
		{"no contact removed", func() error { return s.RemoveContact(ctx, bob.Person) }, 0, "", false},
		{"contact", put(func(*node.Contact) {}), node.ContactChange, who, false},
		{"contact again", put(func(*node.Contact) {}), 0, "", false},
		{"name", put(func(c *node.Contact) { c.Name = "Robert" }), node.ContactChange, who, false},
		{"case of the name", put(func(c *node.Contact) { c.Name = "ROBERT" }), node.ContactChange, who, false},
		{"card of a contact", put(func(c *node.Contact) { c.Card = signedCard(t) }), 0, "", false},
		{"hint", put(func(c *node.Contact) { c.Hint = nil }), node.ContactChange, who, false},
		{"pin", put(func(c *node.Contact) { c.Trust.Account = publicKey(9) }), node.ContactChange, who, false},
		{"verified", put(func(c *node.Contact) { c.Trust.Verified = at(50) }), node.ContactChange, who, false},
		{"token", put(func(c *node.Contact) { c.Token = [16]byte{} }), node.ContactChange, who, false},
		{"approval", put(func(c *node.Contact) { c.Approval[3] = 3 }), node.ContactChange, who, false},
		{"contact removed", func() error { return s.RemoveContact(ctx, bob.Person) }, node.ContactChange, who, true},
		{"contact removed again", func() error { return s.RemoveContact(ctx, bob.Person) }, 0, "", false},
		{"contact back", put(func(*node.Contact) {}), node.ContactChange, who, false},

		{"watcher", asking(func(*node.Watcher) {}), node.WatcherChange, who, false},
		{"renewal", asking(func(w *node.Watcher) { w.Expires, w.Since, w.Card = at(9999), at(3), signedCard(t) }), 0, "", false},
		{"approved", asking(func(w *node.Watcher) { w.State, w.Event = node.Active, "approved" }), node.WatcherChange, who, false},
		{"lapsed", asking(func(w *node.Watcher) { w.State, w.Event = node.Terminated, "timeout" }), 0, "", false},
		{"gave up", asking(func(w *node.Watcher) { w.State, w.Event = node.Waiting, "giveup" }), 0, "", false},
		{"rejected", asking(func(w *node.Watcher) { w.State, w.Event = node.Terminated, "rejected" }), node.WatcherChange, who, false},

		{"watch", seeing(func(*node.Watch) {}), node.WatchChange, who, false},
		{"answer", seeing(func(w *node.Watch) { w.Confirmed, w.Serial, w.State = at(99), 7, node.Pending }), 0, "", false},
		{"new subscription", seeing(func(w *node.Watch) { w.ID[0]++ }), node.WatchChange, who, false},
		{"watch removed", func() error { return s.RemoveWatch(ctx, bob.Person) }, node.WatchChange, who, true},
		{"watch removed again", func() error { return s.RemoveWatch(ctx, bob.Person) }, 0, "", false},
		{"publication", func() error { return s.PutPublication(ctx, publication(t, "bob", 1, 1)) }, 0, "", false},

		{"device", having(func(*node.Device) {}), node.DeviceChange, dev.ID.String(), false},
		{"bookkeeping", having(func(d *node.Device) { d.Seen, d.Cursor = at(77), 5 }), 0, "", false},
		{"new name", having(func(d *node.Device) { d.Name = "pad" }), node.DeviceChange, dev.ID.String(), false},
		{"revoked", having(func(d *node.Device) { d.Revoked = at(30) }), node.DeviceChange, dev.ID.String(), false},
		{"not revoked", having(func(d *node.Device) { d.Revoked = time.Time{} }), 0, "", false},

		{"invitation", inviting(func(*node.Invite) {}), node.InviteChange, inv.Key(), false},
		{"invitation again", inviting(func(*node.Invite) {}), 0, "", false},
		{"use", func() error { _, err := s.UseInvite(ctx, token(1), bob.Person, at(20)); return err }, node.InviteChange, inv.Key(), false},
		{"use again", func() error { _, err := s.UseInvite(ctx, token(1), bob.Person, at(21)); return err }, 0, "", false},
		{"taken back", inviting(func(i *node.Invite) { i.Revoked = true }), node.InviteChange, inv.Key(), false},

		{"status", func() error { return s.PutSetting(ctx, "status", []byte("x")) }, node.SettingChange, "status", false},
		{"status again", func() error { return s.PutSetting(ctx, "status", []byte("x")) }, 0, "", false},
		{"audience key", func() error { return s.PutSetting(ctx, "epoch contacts", []byte("x")) }, node.SettingChange, "epoch contacts", false},
		{"own card", func() error { return s.PutSetting(ctx, "card", []byte("x")) }, node.SettingChange, "card", false},
		{"another setting", func() error { return s.PutSetting(ctx, "window", []byte("x")) }, 0, "", false},
		{"counter", func() error { _, err := s.Count(ctx, "boot", 1); return err }, 0, "", false},
	}
	for _, test := range tests {
		last := must(s.LastChange(ctx))(t)
		if err := test.do(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got := must(s.Changes(ctx, last, 10))(t)
		if test.kind == 0 {
			if len(got) != 0 {
				t.Errorf("%s: got changes %v, want none", test.name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Kind != test.kind || got[0].Key != test.key || got[0].Deleted != test.deleted || got[0].Seq <= last {
			t.Errorf("%s: got changes %v after %d, want one of kind %d, %s, deleted %v", test.name, got, last, test.kind, test.key, test.deleted)
			continue
		}
		same(t, must(s.LastChange(ctx))(t), got[0].Seq)
		same(t, change(t, s, test.kind, test.key), got[0])
	}
	same(t, len(must(s.Changes(ctx, 0, 100))(t)), 8) // one row a thing
}

// change returns the newest change of a thing, which has one.
func change(t *testing.T, s node.Store, kind node.ChangeKind, key string) node.Change {
	t.Helper()
	c, found, err := s.ChangeOf(t.Context(), kind, key)
	check(t, err)
	if !found {
		t.Errorf("no change of kind %d, %s", kind, key)
	}
	return c
}

func testMessageChanges(t *testing.T, s node.Store) {
	ctx := t.Context()
	keys := func(after uint64) (keys []string) {
		for _, c := range must(s.Changes(ctx, after, 1000))(t) {
			if c.Kind != node.MessageChange || c.Deleted {
				t.Errorf("got change %v of a message", c)
			}
			keys = append(keys, c.Key)
		}
		return keys
	}
	in, out := incoming(t, "bob", "m1", "hello"), outgoing(t, "bob", "m1", "hello")
	_, id, err := s.Deliver(ctx, in)
	check(t, err)
	out.ID = must(s.Enqueue(ctx, out))(t)
	other := adopted(t, "bob", "m2", "hello")
	_, _, err = s.Adopt(ctx, other)
	check(t, err)
	same(t, keys(0), []string{in.Key(), out.Key(), other.Key()})

	last := must(s.LastChange(ctx))(t)
	for range 2 { // the second time nothing changes
		_, _, err = s.Deliver(ctx, in)
		check(t, err)
		_, _, err = s.Adopt(ctx, other)
		check(t, err)
		out.Tries, out.Reason, out.Next = out.Tries+1, "no answer", at(60)
		check(t, s.Settle(ctx, out))
		same(t, keys(last), nil)
	}
	out.Status = node.Delivered
	check(t, s.Settle(ctx, out))
	check(t, s.MarkRead(ctx, id))
	same(t, keys(last), []string{out.Key(), in.Key()})
	same(t, keys(0), []string{other.Key(), out.Key(), in.Key()})
	last = must(s.LastChange(ctx))(t)
	check(t, s.MarkRead(ctx, id))
	check(t, s.Settle(ctx, out))
	same(t, keys(last), nil)

	ids := converse(t, s)
	last = must(s.LastChange(ctx))(t)
	check(t, s.SetRead(ctx, ids[6]))
	check(t, s.MarkRead(ctx, ids[8]))
	same(t, len(keys(last)), 5) // each of the five once
}

// testChangePages reads the log as a sibling does, while it grows.
func testChangePages(t *testing.T, s node.Store) {
	ctx := t.Context()
	same(t, must(s.LastChange(ctx))(t), 0)
	if _, found, err := s.ChangeOf(ctx, node.ContactChange, "bob@example.org"); err != nil || found {
		t.Errorf("empty log: got %v, %v", found, err)
	}
	devices := make(map[string]string)
	names := make(map[string]string) // read so far
	var cursor uint64
	for round := range 40 {
		d := device(byte(round % 7))
		d.Name = fmt.Sprint("name ", round)
		devices[d.ID.String()] = d.Name
		check(t, s.PutDevice(ctx, d))
		for _, c := range must(s.Changes(ctx, cursor, round%3))(t) {
			if c.Seq <= cursor {
				t.Fatalf("change %d after %d", c.Seq, cursor)
			}
			cursor = c.Seq
			for _, d := range must(s.Devices(ctx))(t) {
				if d.ID.String() == c.Key {
					names[c.Key] = d.Name
				}
			}
		}
	}
	for _, c := range must(s.Changes(ctx, cursor, 100))(t) {
		names[c.Key] = devices[c.Key]
	}
	same(t, names, devices)
	for _, test := range []struct {
		after uint64
		limit int
		want  int
	}{{0, 100, 7}, {0, 3, 3}, {0, 0, 0}, {0, -1, 0}, {cursor + 100, 10, 0}, {math.MaxUint64, 10, 0}, {1 << 63, 10, 0}} {
		same(t, len(must(s.Changes(ctx, test.after, test.limit))(t)), test.want)
	}
}

// testChangeStamps wants milliseconds of this clock that rise with each change
// of a thing, however fast they come.
func testChangeStamps(t *testing.T, s node.Store) {
	ctx := t.Context()
	before := time.Now().Truncate(time.Millisecond)
	check(t, s.PutSetting(ctx, "status", []byte("first")))
	first := change(t, s, node.SettingChange, "status")
	if first.Stamp.Before(before) || first.Stamp.After(time.Now()) || first.Stamp.Nanosecond()%1e6 != 0 || first.Stamp.Location() != time.UTC {
		t.Errorf("got stamp %v, want whole milliseconds after %v", first.Stamp, before)
	}
	last := first
	for i := range 20 {
		check(t, s.PutSetting(ctx, "status", fmt.Append(nil, i)))
		c := change(t, s, node.SettingChange, "status")
		if !c.Stamp.After(last.Stamp) {
			t.Errorf("stamp %v follows %v", c.Stamp, last.Stamp)
		}
		last = c
	}
	// After a change of a clock that is ahead, too.
	ahead := node.Change{Kind: node.SettingChange, Key: "status", Stamp: time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()}
	check(t, s.PutSetting(node.Repeat(ctx, ahead, false), "status", []byte("ahead")))
	check(t, s.PutSetting(ctx, "status", []byte("here")))
	same(t, change(t, s, node.SettingChange, "status").Stamp, ahead.Stamp.Add(time.Millisecond))
}

// testRepeat writes what another device changed, earlier and later than what
// is here.
func testRepeat(t *testing.T, s node.Store) {
	bob, asks, sees := contact(t, "bob", "Bob 0"), watcher(t, "bob"), watch(t, "bob")
	type thing struct {
		kind node.ChangeKind
		key  string
		put  func(ctx context.Context, n byte) error
		get  func() byte
	}
	things := []thing{
		{node.ContactChange, bob.Person.String(), func(ctx context.Context, n byte) error {
			c := bob
			c.Approval[0] = n
			return s.PutContact(ctx, c)
		}, func() byte { return must(s.Contacts(t.Context()))(t)[0].Approval[0] }},
		{node.WatcherChange, bob.Person.String(), func(ctx context.Context, n byte) error {
			w := asks
			w.Note = string(rune(n))
			return s.PutWatcher(ctx, w)
		}, func() byte { return must(s.Watchers(t.Context()))(t)[0].Note[0] }},
		{node.WatchChange, bob.Person.String(), func(ctx context.Context, n byte) error {
			w := sees
			w.ID[0] = n
			return s.PutWatch(ctx, w)
		}, func() byte { return must(s.Watches(t.Context()))(t)[0].ID[0] }},
		{node.SettingChange, "status", func(ctx context.Context, n byte) error {
			return s.PutSetting(ctx, "status", []byte{n})
		}, func() byte { return must(s.Setting(t.Context(), "status"))(t)[0] }},
	}
	tests := []struct {
		name   string
		stamp  int
		wins   bool
		value  byte
		want   byte
		old    bool
		logged bool
	}{
		{"first", 100, false, 'a', 'a', false, true},
		{"older", 99, true, 'b', 'a', true, false},
		{"the same moment", 100, false, 'b', 'a', true, false},
		{"the same moment and wins", 100, true, 'b', 'b', false, true},
		{"an echo", 100, true, 'b', 'b', false, false},
		{"newer", 101, false, 'c', 'c', false, true},
		{"newer and the same", 102, false, 'c', 'c', false, true},
		{"what was then", 100, true, 'b', 'c', true, false},
	}
	for _, thing := range things {
		for _, test := range tests {
			c := node.Change{Kind: thing.kind, Key: thing.key, Stamp: at(test.stamp).Truncate(time.Second), Seq: 77, Deleted: true}
			last := must(s.LastChange(t.Context()))(t)
			err := thing.put(node.Repeat(t.Context(), c, test.wins), test.value)
			if test.old {
				isError(t, err, node.ErrOldVersion)
			} else if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if got := thing.get(); got != test.want {
				t.Errorf("kind %d, %s: got %q, want %q", thing.kind, test.name, got, test.want)
			}
			if logged := must(s.LastChange(t.Context()))(t) > last; logged != test.logged {
				t.Errorf("kind %d, %s: got logged %v, want %v", thing.kind, test.name, logged, test.logged)
			}
			if got := change(t, s, thing.kind, thing.key); !test.old && (!got.Stamp.Equal(c.Stamp) || got.Deleted) {
				t.Errorf("kind %d, %s: got %v, want stamp %v", thing.kind, test.name, got, c.Stamp)
			}
		}
		// A write of this device, and one under the context for something else.
		other := node.Change{Kind: thing.kind, Key: "other", Stamp: at(1)}
		for n := byte('x'); n <= 'y'; n++ {
			check(t, thing.put(node.Repeat(t.Context(), other, false), n))
			same(t, thing.get(), n)
		}
	}
}

func testRepeatRemoval(t *testing.T, s node.Store) {
	ctx := t.Context()
	bob := contact(t, "bob", "Bob")
	repeat := func(seconds int) context.Context {
		c := node.Change{Kind: node.ContactChange, Key: bob.Person.String(), Stamp: at(seconds).Truncate(time.Second)}
		return node.Repeat(ctx, c, false)
	}
	// The removal of what is not here is kept in mind: what comes late is refused.
	check(t, s.RemoveContact(repeat(100), bob.Person))
	isError(t, s.PutContact(repeat(50), bob), node.ErrOldVersion)
	same(t, len(must(s.Contacts(ctx))(t)), 0)
	same(t, change(t, s, node.ContactChange, bob.Person.String()).Deleted, true)
	check(t, s.PutContact(repeat(150), bob))
	isError(t, s.RemoveContact(repeat(120), bob.Person), node.ErrOldVersion)
	same(t, len(must(s.Contacts(ctx))(t)), 1)
	check(t, s.RemoveContact(repeat(151), bob.Person))
	same(t, len(must(s.Contacts(ctx))(t)), 0)

	check(t, s.PutContact(ctx, bob)) // by its owner, now
	isError(t, s.RemoveContact(repeat(152-3600*24*365), bob.Person), node.ErrOldVersion)
	eve := contact(t, "eve", "bob")
	c := node.Change{Kind: node.ContactChange, Key: eve.Person.String(), Stamp: at(1)}
	isError(t, s.PutContact(node.Repeat(ctx, c, true), eve), node.ErrNameTaken)
	if _, found, err := s.ChangeOf(ctx, node.ContactChange, eve.Person.String()); err != nil || found {
		t.Errorf("what was refused is logged: %v, %v", found, err)
	}
}

// testRepeatUnites has what cannot be undone arrive late.
func testRepeatUnites(t *testing.T, s node.Store) {
	ctx := t.Context()
	inv, dev := invite(1), device(1)
	check(t, s.PutInvite(ctx, inv))
	check(t, s.PutDevice(ctx, dev))
	repeat := func(kind node.ChangeKind, key string) context.Context {
		return node.Repeat(ctx, node.Change{Kind: kind, Key: key, Stamp: time.UnixMilli(5)}, false)
	}
	asks, hears := repeat(node.InviteChange, inv.Key()), repeat(node.DeviceChange, dev.ID.String())

	old, stale := inv, dev
	old.Revoked, old.Note, old.Used, old.UsedBy, old.LastUsed = true, "stale", 3, address(t, "bob"), at(5)
	stale.Revoked, stale.Name, stale.Seen, stale.Cursor = at(60), "stale", at(70), 1
	for range 2 { // the second time nothing changes
		check(t, s.PutInvite(asks, old))
		check(t, s.PutDevice(hears, stale))
	}
	inv.Revoked, inv.Used, inv.UsedBy, inv.LastUsed = true, 3, old.UsedBy, old.LastUsed
	dev.Revoked = stale.Revoked
	same(t, must(s.Invites(ctx))(t), []node.Invite{inv})
	same(t, must(s.Devices(ctx))(t), []node.Device{dev})
	// What came of it is nobody else's yet: it is a change of now.
	all := must(s.Changes(ctx, 0, 10))(t)
	same(t, len(all), 2)
	for _, c := range all {
		if c.Stamp.Before(at(-86400)) || c.Seq != 3 && c.Seq != 4 {
			t.Errorf("got change %v, want one of now, once", c)
		}
	}
}

// testRepeatConverges lets two tables of one store stand for two devices: they
// exchange their rows in any order and come to the same.
func testRepeatConverges(t *testing.T, s node.Store) {
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(1, 2))
	people := []identity.Address{{}, address(t, "bob"), address(t, "anna")}
	for n := range byte(30) {
		make := func(token byte) node.Invite {
			i := invite(n)
			i.Hash = node.TokenHash([16]byte{n, token})
			i.Once, i.Revoked, i.Note = n%2 == 0, rng.IntN(3) == 0, fmt.Sprint(rng.IntN(2))
			if i.UsedBy = people[rng.IntN(3)]; !i.UsedBy.IsZero() {
				i.Used, i.LastUsed = 1+rng.IntN(2), at(rng.IntN(50))
			}
			return i
		}
		sides := []node.Invite{make(0), make(1)}
		for _, i := range sides {
			c := node.Change{Kind: node.InviteChange, Key: i.Key(), Stamp: at(rng.IntN(3))}
			check(t, s.PutInvite(node.Repeat(ctx, c, false), i))
		}
		row := func(key string) (node.Invite, node.Change) {
			for _, i := range must(s.Invites(ctx))(t) {
				if i.Key() == key {
					return i, change(t, s, node.InviteChange, key)
				}
			}
			t.Fatal("an invitation is gone")
			return node.Invite{}, node.Change{}
		}
		for range 4 {
			for from := range sides {
				i, c := row(sides[from].Key())
				i.Hash = sides[1-from].Hash
				c.Key = i.Key()
				check(t, s.PutInvite(node.Repeat(ctx, c, from == 1), i))
			}
		}
		one, c1 := row(sides[0].Key())
		two, c2 := row(sides[1].Key())
		two.Hash = one.Hash
		if diff := cmp.Diff(one, two, equal); diff != "" || !c1.Stamp.Equal(c2.Stamp) {
			t.Errorf("%d: after the exchange the sides differ, stamps %v and %v:\n%s", n, c1.Stamp, c2.Stamp, diff)
		}
	}
}

// testRepeatHostile gives stamps that leave no room for later ones.
func testRepeatHostile(t *testing.T, s node.Store) {
	ctx := t.Context()
	for _, ms := range []int64{-1, math.MinInt64, math.MaxInt64, 1<<52 + 1} {
		c := node.Change{Kind: node.SettingChange, Key: "status", Stamp: time.UnixMilli(ms)}
		if err := s.PutSetting(node.Repeat(ctx, c, true), "status", []byte("x")); err == nil {
			t.Errorf("a change %d ms after 1970 was written", ms)
		}
	}
	same(t, must(s.LastChange(ctx))(t), 0)
	last := node.Change{Kind: node.SettingChange, Key: "status", Stamp: time.UnixMilli(1 << 52).UTC()}
	check(t, s.PutSetting(node.Repeat(ctx, last, false), "status", []byte("x")))
	check(t, s.PutSetting(ctx, "status", []byte("y")))
	same(t, change(t, s, node.SettingChange, "status").Stamp, last.Stamp.Add(time.Millisecond))
	// A setting of this device alone is not logged whatever the context.
	own := node.Change{Kind: node.SettingChange, Key: "window", Stamp: at(1)}
	check(t, s.PutSetting(node.Repeat(ctx, own, false), "window", []byte("x")))
	if _, found, err := s.ChangeOf(ctx, node.SettingChange, "window"); err != nil || found {
		t.Errorf("got %v, %v for a setting that is not shared", found, err)
	}
}
