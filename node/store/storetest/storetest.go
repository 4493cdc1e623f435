// Package storetest says what any node.Store must do. Call [Test] from a test
// of the store, and [TestDurable] too if it outlives its process.
package storetest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Test runs the suite. Each call of open gives an empty store of its own,
// closed, if it has to be, by t.Cleanup.
func Test(t *testing.T, open func(t *testing.T) node.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, node.Store)
	}{
		{"Contacts", testContacts},
		{"ContactTrust", testContactTrust},
		{"MemberCards", testMemberCards},
		{"ContactNames", testContactNames},
		{"ContactsRemoved", testContactsRemoved},
		{"Watchers", testWatchers},
		{"Watches", testWatches},
		{"WatchesRemoved", testWatchesRemoved},
		{"Publications", testPublications},
		{"PublicationVersions", testPublicationVersions},
		{"PublicationsAtOnce", testPublicationsAtOnce},
		{"Deliver", testDeliver},
		{"DeliverAtOnce", testDeliverAtOnce},
		{"Enqueue", testEnqueue},
		{"Settle", testSettle},
		{"MessageNotFound", testMessageNotFound},
		{"History", testHistory},
		{"HistoryPages", testHistoryPages},
		{"Text", testText},
		{"HostileText", testHostileText},
		{"MarkRead", testMarkRead},
		{"SetRead", testSetRead},
		{"PruneDuplicates", testPruneDuplicates},
		{"Adopt", testAdopt},
		{"AdoptStatus", testAdoptStatus},
		{"MessageByKey", testMessageByKey},
		{"Devices", testDevices},
		{"DeviceRevoked", testDeviceRevoked},
		{"Invites", testInvites},
		{"UseInvite", testUseInvite},
		{"UseInviteAtOnce", testUseInviteAtOnce},
		{"Counters", testCounters},
		{"CountersAtOnce", testCountersAtOnce},
		{"Settings", testSettings},
		{"Changes", testChanges},
		{"ChangePages", testChangePages},
		{"ChangeStamps", testChangeStamps},
		{"MessageChanges", testMessageChanges},
		{"Repeat", testRepeat},
		{"RepeatRemoval", testRepeatRemoval},
		{"RepeatUnites", testRepeatUnites},
		{"RepeatConverges", testRepeatConverges},
		{"RepeatHostile", testRepeatHostile},
		{"Cancelled", testCancelled},
		{"EveryoneAtOnce", testEveryoneAtOnce},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Durable is a store that can be closed and opened again.
type Durable interface {
	node.Store
	Close() error
}

// TestDurable closes a store and looks at what another one finds in the same
// place. Open opens the store of a directory and leaves closing it to the test.
// It can run inside a bubble of testing/synctest.
func TestDurable(t *testing.T, open func(t *testing.T, dir string) Durable) {
	ctx, dir := t.Context(), t.TempDir()
	first := open(t, dir)
	fill(t, first)
	want := snapshot(t, first)
	check(t, first.Close())

	second := open(t, dir)
	same(t, snapshot(t, second), want)
	delivery, _, err := second.Deliver(ctx, incoming(t, "bob", "m1", "hello"))
	check(t, err)
	same(t, delivery, node.Duplicate)
	isError(t, second.PutPublication(ctx, publication(t, "bob", 2, 1)), node.ErrOldVersion)
	n, err := second.Count(ctx, "boot", 0)
	check(t, err)
	same(t, n, uint64(8))
	id, err := second.Enqueue(ctx, outgoing(t, "bob", "m9", "again"))
	check(t, err)
	if newest := want.History[len(want.History)-1].ID; id <= newest {
		t.Errorf("id %d after reopening, not above %d", id, newest)
	}
	check(t, second.Close())
}

// fill puts something of everything into a store.
func fill(t *testing.T, s node.Store) {
	t.Helper()
	ctx := t.Context()
	check(t, s.PutContact(ctx, contact(t, "bob", "Bob")))
	check(t, s.PutWatcher(ctx, watcher(t, "bob")))
	check(t, s.PutWatch(ctx, watch(t, "bob")))
	check(t, s.PutPublication(ctx, publication(t, "bob", 2, 1)))
	_, _, err := s.Deliver(ctx, incoming(t, "bob", "m1", "hello"))
	check(t, err)
	_, err = s.Enqueue(ctx, outgoing(t, "bob", "m2", "hello to you"))
	check(t, err)
	_, err = s.Count(ctx, "boot", 7)
	check(t, err)
	check(t, s.PutSetting(ctx, "status", []byte("open")))
	_, _, err = s.Adopt(ctx, adopted(t, "bob", "m5", "hello from the other one"))
	check(t, err)
	check(t, s.PutDevice(ctx, device(1)))
	check(t, s.PutInvite(ctx, invite(1)))
}

// contents is all that a store can be asked for.
type contents struct {
	Contacts     []node.Contact
	Watchers     []node.Watcher
	Watches      []node.Watch
	Publications []node.Publication
	History      []node.Message
	Queued       []node.Message
	Status       []byte
	Devices      []node.Device
	Invites      []node.Invite
	Changes      []node.Change
}

func snapshot(t *testing.T, s node.Store) (c contents) {
	t.Helper()
	ctx := t.Context()
	c.Contacts = must(s.Contacts(ctx))(t)
	c.Watchers = must(s.Watchers(ctx))(t)
	c.Watches = must(s.Watches(ctx))(t)
	c.Publications = must(s.Publications(ctx))(t)
	c.History = must(s.History(ctx, node.Query{}, 1000))(t)
	c.Queued = must(s.Queued(ctx))(t)
	c.Status = must(s.Setting(ctx, "status"))(t)
	c.Devices = must(s.Devices(ctx))(t)
	c.Invites = must(s.Invites(ctx))(t)
	c.Changes = must(s.Changes(ctx, 0, 1000))(t)
	return c
}

// testCancelled calls each method with a context that has ended: an error,
// nothing written, and a store as good as before.
func testCancelled(t *testing.T, s node.Store) {
	fill(t, s)
	want := snapshot(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func() error{
		"PutContact":     func() error { return s.PutContact(ctx, contact(t, "carol", "Carol")) },
		"RemoveContact":  func() error { return s.RemoveContact(ctx, address(t, "bob")) },
		"Contacts":       func() error { _, err := s.Contacts(ctx); return err },
		"PutWatcher":     func() error { return s.PutWatcher(ctx, watcher(t, "carol")) },
		"Watchers":       func() error { _, err := s.Watchers(ctx); return err },
		"PutWatch":       func() error { return s.PutWatch(ctx, watch(t, "carol")) },
		"RemoveWatch":    func() error { return s.RemoveWatch(ctx, address(t, "bob")) },
		"Watches":        func() error { _, err := s.Watches(ctx); return err },
		"PutPublication": func() error { return s.PutPublication(ctx, publication(t, "bob", 3, 1)) },
		"Publications":   func() error { _, err := s.Publications(ctx); return err },
		"Deliver":        func() error { _, _, err := s.Deliver(ctx, incoming(t, "bob", "m3", "x")); return err },
		"Enqueue":        func() error { _, err := s.Enqueue(ctx, outgoing(t, "bob", "m4", "x")); return err },
		"Settle":         func() error { return s.Settle(ctx, node.Message{ID: 2, Status: node.Delivered}) },
		"Queued":         func() error { _, err := s.Queued(ctx); return err },
		"Message":        func() error { _, err := s.Message(ctx, 1); return err },
		"History":        func() error { _, err := s.History(ctx, node.Query{}, 10); return err },
		"MarkRead":       func() error { return s.MarkRead(ctx, 9) },
		"Count":          func() error { _, err := s.Count(ctx, "boot", 0); return err },
		"Setting":        func() error { _, err := s.Setting(ctx, "status"); return err },
		"PutSetting":     func() error { return s.PutSetting(ctx, "status", []byte("busy")) },
		"Adopt":          func() error { _, _, err := s.Adopt(ctx, adopted(t, "bob", "m6", "x")); return err },
		"MessageByKey":   func() error { _, err := s.MessageByKey(ctx, "in bob@example.org m1"); return err },
		"SetRead":        func() error { return s.SetRead(ctx, 1) },
		"Prune":          func() error { return s.PruneDuplicates(ctx, at(1<<30)) },
		"PutDevice":      func() error { return s.PutDevice(ctx, device(2)) },
		"Devices":        func() error { _, err := s.Devices(ctx); return err },
		"PutInvite":      func() error { return s.PutInvite(ctx, invite(2)) },
		"Invites":        func() error { _, err := s.Invites(ctx); return err },
		"UseInvite":      func() error { _, err := s.UseInvite(ctx, token(1), address(t, "bob"), at(20)); return err },
		"Changes":        func() error { _, err := s.Changes(ctx, 0, 10); return err },
		"LastChange":     func() error { _, err := s.LastChange(ctx); return err },
		"ChangeOf":       func() error { _, _, err := s.ChangeOf(ctx, node.SettingChange, "status"); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v, want one that is context.Canceled", name, err)
		}
	}
	same(t, snapshot(t, s), want)
	same(t, must(s.Count(t.Context(), "boot", 0))(t), uint64(8))
}

// equal compares values of package identity by what they stand for.
var equal = cmp.Options{
	cmp.Comparer(func(a, b identity.Address) bool { return a == b }),
	cmp.Comparer(func(a, b identity.SignedCard) bool { return string(a.Bytes()) == string(b.Bytes()) }),
	cmp.Comparer(func(a, b identity.Signed) bool { return string(a.Bytes()) == string(b.Bytes()) }),
	cmp.Comparer(func(a, b identity.Epoch) bool { return a == b }),
}

func same[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("wrong result (-want +got):\n%s", diff)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func isError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// must takes the two results of a call, then the test that ends on the error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		check(t, err)
		return value
	}
}

func address(t *testing.T, local string) identity.Address {
	t.Helper()
	return must(identity.ParseAddress(local + "@example.org"))(t)
}

var base = time.Date(2026, 11, 20, 10, 0, 0, 123456789, time.UTC)

// at gives the moment so many seconds after a fixed one.
func at(seconds int) time.Time { return base.Add(time.Duration(seconds) * time.Second) }

// signed gives what a device of some person signed.
func signed(t *testing.T, text string) identity.Signed {
	t.Helper()
	keys := must(identity.New("signer", at(0)))(t)
	entity := identity.Entity{Type: "text/plain; charset=utf-8", Body: []byte(text)}
	return must(keys.Sign(entity, true, at(0)))(t)
}

func signedCard(t *testing.T) identity.SignedCard {
	t.Helper()
	keys := must(identity.New("signer", at(0)))(t)
	return must(keys.SignCard(identity.CardDraft{Serial: 1, Reach: identity.Reach("reach")}, at(0)))(t)
}

func contact(t *testing.T, local, name string) node.Contact {
	t.Helper()
	return node.Contact{
		Person: address(t, local), Name: name, Added: at(1),
		Card: signedCard(t), Hint: identity.Reach{0, 1, 255}, Token: [16]byte{1, 15: 2}, Approval: [16]byte{3, 15: 4},
		Trust: node.Trust{
			Domain: publicKey(1), Account: publicKey(2), NewDomain: publicKey(3), NewAccount: publicKey(4),
			Verified: at(3), VerifiedKey: [32]byte{5, 31: 6},
		},
	}
}

func publicKey(n byte) ed25519.PublicKey { return ed25519.PublicKey{n, 31: n} }

func watcher(t *testing.T, local string) node.Watcher {
	t.Helper()
	return node.Watcher{
		Person: address(t, local), ID: node.SubscriptID{1, 2, 15: 255}, State: node.Pending, Event: "subscribe",
		Since: at(2), Expires: at(3600), Card: signedCard(t), Note: "hi, it is " + local,
	}
}

func watch(t *testing.T, local string) node.Watch {
	t.Helper()
	return node.Watch{
		Person: address(t, local), ID: node.SubscriptID{3, 15: 4}, State: node.Active, Reason: "none",
		Expires: at(7200), Epoch: identity.NewEpoch(), Serial: 1<<64 - 1, Confirmed: at(4),
	}
}

func publication(t *testing.T, local string, boot, seq uint64) node.Publication {
	t.Helper()
	return node.Publication{
		Person: address(t, local), Device: identity.DeviceID{5, 19: 6}, Audience: [16]byte{7, 15: 8},
		Version: node.Version{Boot: boot, Seq: seq}, Signed: signed(t, fmt.Sprint(boot, seq)), Heard: at(5),
	}
}

// incoming is a message as Deliver takes it; its ID is the store's to give.
func incoming(t *testing.T, local, id, text string) node.Message {
	t.Helper()
	return node.Message{
		Person: address(t, local), MessageID: id, Sent: at(6), Stored: at(7), Signed: signed(t, text),
		Digest: sha256.Sum256([]byte(id + text)), ContentType: "text/plain", Text: text, Status: node.Received,
	}
}

func outgoing(t *testing.T, local, id, text string) node.Message {
	t.Helper()
	m := incoming(t, local, id, text)
	m.Out, m.Status, m.Next, m.Deadline = true, node.Queued, at(8), at(7*86400)
	return m
}

// adopted is an outgoing message that another device delivered.
func adopted(t *testing.T, local, id, text string) node.Message {
	t.Helper()
	m := outgoing(t, local, id, text)
	m.Device, m.Status, m.Settled, m.Next = identity.DeviceID{9, 19: 8}, node.Delivered, at(9), time.Time{}
	return m
}

func device(n byte) node.Device {
	return node.Device{
		ID: identity.DeviceID{n, 19: n}, Name: fmt.Sprint("phone ", n), Card: []byte{0x30, n},
		Scopes: identity.ScopeSend | identity.ScopeRead, Account: true, Added: at(int(n)),
		Seen: at(10), Cursor: 1<<64 - 1,
	}
}

func token(n byte) [16]byte { return [16]byte{n, 15: n} }

func invite(n byte) node.Invite {
	return node.Invite{
		Hash: node.TokenHash(token(n)), As: "contacts", Note: fmt.Sprint("for guest ", n), Made: at(int(n)), Expires: at(100),
	}
}

// unlogged is without the change log.
func unlogged(c contents) contents {
	c.Changes = nil
	return c
}
