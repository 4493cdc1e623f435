package storetest

import (
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func testAdopt(t *testing.T, s node.Store) {
	ctx := t.Context()
	m := adopted(t, "bob", "m1", "hello")
	adopt := func(m node.Message) (node.Delivery, int64) {
		t.Helper()
		found, id, err := s.Adopt(ctx, m)
		check(t, err)
		return found, id
	}
	given := m
	given.ID, given.Out, given.Read = 77, false, true // the store's to say
	found, id := adopt(given)
	m.ID = id
	same(t, found, node.First)
	same(t, must(s.Message(ctx, id))(t), m)

	again, second := adopt(m)
	same(t, again, node.Duplicate)
	same(t, second, id)
	other := adopted(t, "bob", "m1", "something else")
	conflict, none := adopt(other)
	same(t, conflict, node.Conflict)
	same(t, none, 0)
	same(t, must(s.History(ctx, node.Query{}, 10))(t), []node.Message{m})
	// The ID is free for other people and the other direction.
	if found, _ := adopt(adopted(t, "anna", "m1", "hello")); found != node.First {
		t.Errorf("the same Message-ID to somebody else: got %v", found)
	}
	in, _, err := s.Deliver(ctx, incoming(t, "bob", "m1", "hello"))
	check(t, err)
	same(t, in, node.First)

	// One that waits elsewhere is not in this device's queue.
	waiting := adopted(t, "bob", "m2", "wait")
	waiting.Status, waiting.Settled = node.Queued, time.Time{}
	adopt(waiting)
	own := outgoing(t, "bob", "m3", "mine")
	own.ID = must(s.Enqueue(ctx, own))(t)
	same(t, must(s.Queued(ctx))(t), []node.Message{own})

	nobodys, received, odd := waiting, waiting, waiting
	nobodys.Device, received.Status, odd.Status = identity.DeviceID{}, node.Received, 9
	for _, m := range []node.Message{nobodys, received, odd} {
		m.MessageID = "bad"
		if _, _, err := s.Adopt(ctx, m); err == nil {
			t.Errorf("a message of device %s with status %d was written", m.Device, m.Status)
		}
	}
}

func testAdoptStatus(t *testing.T, s node.Store) {
	ctx := t.Context()
	statuses := []node.Status{node.Queued, node.Unconfirmed, node.Refused, node.Delivered} // by rank
	for i, old := range statuses {
		for j, new := range statuses {
			m := adopted(t, "bob", string(rune('a'+4*i+j)), "hello")
			m.Status, m.Reason, m.Settled, m.Tries = old, "old", at(1), 2
			_, id, err := s.Adopt(ctx, m)
			check(t, err)
			m.ID = id
			before := must(s.LastChange(ctx))(t)
			given := m
			given.Status, given.Reason, given.Settled, given.Text, given.Tries = new, "new", at(2), "new", 3
			_, _, err = s.Adopt(ctx, given)
			check(t, err)
			changed := must(s.LastChange(ctx))(t) > before
			if j > i {
				m.Status, m.Reason, m.Settled = new, "new", at(2)
			}
			same(t, must(s.Message(ctx, id))(t), m)
			same(t, changed, j > i)
			same(t, new.Outranks(old), j > i)
		}
	}
	// What another device knows of this one's own message counts too.
	own := outgoing(t, "bob", "own", "mine")
	id := must(s.Enqueue(ctx, own))(t)
	given := own
	given.Device, given.Status, given.Settled = identity.DeviceID{1}, node.Refused, at(5)
	_, _, err := s.Adopt(ctx, given)
	check(t, err)
	got := must(s.Message(ctx, id))(t)
	same(t, got.Status, node.Refused)
	same(t, got.Device, identity.DeviceID{})
	same(t, len(must(s.Queued(ctx))(t)), 0)
	if node.Received.Outranks(node.Queued) || node.Delivered.Outranks(node.Received) || node.Status(99).Outranks(0) {
		t.Error("a status that no outgoing message has outranks another")
	}
}

func testMessageByKey(t *testing.T, s node.Store) {
	ctx := t.Context()
	var all []node.Message
	for _, id := range []string{"m1", "with space", " ", "", "o\x00dd '\"%\xff", "in bob@example.org m1"} {
		in := incoming(t, "bob", id, "in")
		_, n, err := s.Deliver(ctx, in)
		check(t, err)
		in.ID = n
		out := outgoing(t, "bob", id, "out")
		out.ID = must(s.Enqueue(ctx, out))(t)
		all = append(all, in, out)
	}
	keys := make(map[string]bool)
	for _, m := range all {
		keys[m.Key()] = true
		same(t, must(s.MessageByKey(ctx, m.Key()))(t), m)
		if _, found, err := s.ChangeOf(ctx, node.MessageChange, m.Key()); err != nil || !found {
			t.Errorf("%q: got %v, %v, want a change", m.Key(), found, err)
		}
	}
	same(t, len(keys), len(all))
	for _, key := range []string{
		"", " ", "in", "in ", "in bob@example.org", "in bob@example.org m2", "IN bob@example.org m1", "out  m1", "in eve@example.org m1", "\x00\xff ' ",
	} {
		m, err := s.MessageByKey(ctx, key)
		isError(t, err, node.ErrNotFound)
		same(t, m, node.Message{})
	}
}

func testSetRead(t *testing.T, s node.Store) {
	ctx := t.Context()
	ids := converse(t, s)
	check(t, s.SetRead(ctx, ids[4]))
	same(t, found(t, s, ids, node.Query{Unread: true}, 100), []int{0, 2, 6, 8})
	last := must(s.LastChange(ctx))(t)
	check(t, s.SetRead(ctx, ids[4]))
	same(t, must(s.LastChange(ctx))(t), last)
	for _, id := range []int64{ids[1], 0, -1, ids[9] + 1} {
		isError(t, s.SetRead(ctx, id), node.ErrNotFound)
	}
	same(t, must(s.LastChange(ctx))(t), last)
}

// testPruneDuplicates forgets what the history still knows.
func testPruneDuplicates(t *testing.T, s node.Store) {
	ctx := t.Context()
	m := incoming(t, "bob", "m1", "hello")
	_, _, err := s.Deliver(ctx, m)
	check(t, err)
	for _, before := range []time.Time{time.Now().Add(-time.Hour), time.Now().Add(time.Hour)} {
		check(t, s.PruneDuplicates(ctx, before))
		found, _, err := s.Deliver(ctx, m)
		check(t, err)
		same(t, found, node.Duplicate)
		found, _, err = s.Deliver(ctx, incoming(t, "bob", "m1", "other"))
		check(t, err)
		same(t, found, node.Conflict)
	}
	same(t, len(must(s.History(ctx, node.Query{}, 10))(t)), 1)
}
