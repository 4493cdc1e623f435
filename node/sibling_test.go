package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// sibling is a device of alice's that somebody else has in hand: its program
// answers what it is told to.
type sibling struct {
	t    *testing.T
	keys *identity.Keys

	mu    sync.Mutex
	items []node.Item
	base  *uint64 // where alice was in the log of the program before
}

func (*sibling) Admit(string, string) bool                                   { return true }
func (*sibling) Stir()                                                       {}
func (*sibling) Hear(context.Context, string, identity.Sealed) (bool, error) { return false, nil }

func (s *sibling) Answer(_ context.Context, protocol, _ string, request identity.Sealed) (identity.Sealed, error) {
	o, err := s.keys.Open(request, identity.Known{}, time.Now())
	if err != nil || protocol != node.Devices {
		return identity.Sealed{}, errors.Join(err, errors.New("not for siblings"))
	}
	after, err := node.SyncAfter(o.Entity.Body)
	if err != nil {
		return identity.Sealed{}, err
	}
	s.mu.Lock()
	if s.base == nil {
		s.base = &after
	}
	page := s.items[min(after-*s.base, uint64(len(s.items))):]
	e := node.SyncedEntity(request.Digest(), after+uint64(len(page)), false, page...)
	s.mu.Unlock()
	signed, err := s.keys.Sign(e, true, time.Now())
	if err != nil {
		return identity.Sealed{}, err
	}
	return s.keys.SealReply(signed, o)
}

// says has the device say so when it is asked next, and waits until all was taken.
func (s *sibling) says(alice *nodetest.Person, items ...node.Item) {
	s.t.Helper()
	s.mu.Lock()
	s.items = append(s.items, items...)
	all := uint64(len(s.items))
	s.mu.Unlock()
	alice.Until(time.Hour, "all taken", func() bool {
		for _, d := range alice.Devices() {
			if d.ID == s.keys.Device() {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.base != nil && d.Cursor == *s.base+all
			}
		}
		return false
	})
}

// turned links a device to alice and puts a program of the test's on it.
func turned(t *testing.T, w *nodetest.World, alice *nodetest.Person) *sibling {
	t.Helper()
	phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
	time.Sleep(10 * time.Second) // it tells how it can be reached
	phone.Kill()
	s := &sibling{t: t, keys: phone.Keys()}
	port := w.Join("phone")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		port.Serve(ctx, s)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func TestHostileSibling(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		s := turned(t, w, alice)
		now := time.Now()
		mallory := newOutsider(t, "mallory")
		message := func(by *identity.Keys, from, to identity.Address, change func(*cpim.Draft)) (string, node.Message) {
			var id string
			e := text(t, from, to, func(d *cpim.Draft) {
				if change != nil {
					change(d)
				}
				id = d.MessageID
			})
			signed, err := by.Sign(e, true, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return id, node.Message{Signed: signed, Stored: time.Now(), Status: node.Received}
		}
		item := func(kind node.ChangeKind, key string, body []byte) node.Item {
			return node.Item{Kind: kind, Key: key, Stamp: now.Add(time.Hour), Body: body}
		}
		var items []node.Item
		for name, signer := range map[string]*identity.Keys{"mallory as bob": mallory.keys, "the phone as bob": s.keys} {
			id, m := message(signer, bob.Address(), alice.Address(), nil)
			items = append(items, item(node.MessageChange, "in "+bob.Address().String()+" "+id, node.MessageBody(m)))
			_ = name
		}
		id, m := message(bob.Keys(), bob.Address(), mallory.keys.Address(), nil) // not to alice
		items = append(items, item(node.MessageChange, "in "+bob.Address().String()+" "+id, node.MessageBody(m)))
		id, m = message(bob.Keys(), bob.Address(), alice.Address(), nil)
		items = append(items, item(node.MessageChange, "in "+mallory.keys.Address().String()+" "+id, node.MessageBody(m))) // another key
		m.Stored = now.Add(24 * time.Hour)
		items = append(items, item(node.MessageChange, "in "+bob.Address().String()+" "+id, node.MessageBody(m))) // from the future
		id, m = message(mallory.keys, alice.Address(), bob.Address(), nil)
		m.Status = node.Delivered
		items = append(items, item(node.MessageChange, "out "+bob.Address().String()+" "+id, node.MessageBody(m))) // sent by nobody of alice's
		forged, err := mallory.keys.DeviceCard(identity.Reach("mallory")).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		items = append(items,
			item(node.DeviceChange, mallory.keys.Device().String(), node.DeviceBody(node.Device{Name: "m", Card: forged, Added: now})),
			item(node.DeviceChange, alice.Device().String(), node.DeviceBody(node.Device{Name: "m", Card: forged, Added: now})),
			item(node.DeviceChange, "zz", []byte("zz")),
			item(node.SettingChange, "card", []byte("no card")),
			item(node.SettingChange, "epoch contacts", make([]byte, 32)),
			item(node.SettingChange, "status", []byte(`{"show":"sleeping"}`)),
			item(node.SettingChange, "status", []byte(`{"show":"open","note":"`+strings.Repeat("x", 300)+`"}`)),
			item(node.SettingChange, "level", []byte("0")),
			item(node.ContactChange, alice.Address().String(), node.ContactBody(node.Contact{Name: "me", Added: now})),
			item(node.ContactChange, "nobody", node.ContactBody(node.Contact{Name: "x", Added: now})),
			item(node.ContactChange, "x@example.org", node.ContactBody(node.Contact{Name: "a\x1b[2J", Added: now})),
			item(node.WatcherChange, "x@example.org", []byte{0x30, 0x80}),
			item(node.WatchChange, alice.Address().String(), node.WatchBody(node.Watch{ID: node.SubscriptID{1}})),
			item(node.InviteChange, "00", []byte{0x30, 0}),
		)
		devices, status := len(alice.Devices()), alice.Status()
		s.says(alice, items...)
		if got := alice.Heard(bob); len(got) != 0 {
			t.Errorf("alice heard %q", got)
		}
		if got := alice.Wrote(bob); len(got) != 0 {
			t.Errorf("alice wrote %q", got)
		}
		if got := len(alice.Contacts()); got != 1 {
			t.Errorf("%d contacts", got)
		}
		if got := len(alice.Devices()); got != devices || alice.Revoked() {
			t.Errorf("%d devices, want %d; revoked: %v", got, devices, alice.Revoked())
		}
		if got := alice.Status(); got != status {
			t.Errorf("status %+v, want %+v", got, status)
		}
		if m := bob.Says(20*time.Second, alice, "still you?"); m.Status != node.Delivered {
			t.Errorf("got status %v (%s)", m.Status, m.Reason)
		}
		bob.Sees(time.Minute, alice, node.Open, node.Live)
	})
}

// TestSiblingAddsNoMoreContactsThanFit: at the limit of contacts, and beyond it.
func TestSiblingAddsNoMoreContactsThanFit(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, _ *nodetest.Person) {
		s := turned(t, w, alice)
		at := func(i int) identity.Address {
			a, err := identity.ParseAddress(fmt.Sprintf("c%d@example.org", i))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		node.FillContacts(alice.Node, at, node.MaxContacts-3) // and bob
		var items []node.Item
		for i := range 5 {
			who := at(node.MaxContacts + i)
			items = append(items, node.Item{
				Kind: node.ContactChange, Key: who.String(), Stamp: time.Now(),
				Body: node.ContactBody(node.Contact{Name: fmt.Sprint("late ", i), Added: time.Now()}),
			})
		}
		s.says(alice, items...)
		if got := len(alice.Contacts()); got != node.MaxContacts {
			t.Errorf("%d contacts, want %d", got, node.MaxContacts)
		}
	})
}

// TestHistoryOfRevokedDevices: what a contact's device, or one's own, signed before
// it was revoked stays what they wrote.
func TestHistoryOfRevokedDevices(t *testing.T) {
	bubble(t, func(t *testing.T, w *nodetest.World, alice, bob *nodetest.Person) {
		phone := alice.Link("phone", identity.Permit{Scopes: nodetest.Everything})
		pad := bob.Link("pad", identity.Permit{Scopes: nodetest.Everything})
		defer func() { phone.End(); pad.End() }()
		bob.Shows(time.Minute, alice, 2)
		alice.Shows(time.Minute, bob, 2)
		if m := pad.Says(time.Minute, alice, "from the pad"); m.Status != node.Delivered {
			t.Fatalf("got status %v (%s)", m.Status, m.Reason)
		}
		if m := phone.Says(time.Minute, bob, "from the phone"); m.Status != node.Delivered {
			t.Fatalf("got status %v (%s)", m.Status, m.Reason)
		}
		alice.Until(time.Minute, "the copy", func() bool { return len(alice.Wrote(bob)) == 1 })
		if err := errors.Join(alice.Revoke(t.Context(), phone.Device()), bob.Revoke(t.Context(), pad.Device())); err != nil {
			t.Fatal(err)
		}
		alice.Shows(time.Minute, bob, 1)
		desk := alice.Link("desk", identity.Permit{Scopes: nodetest.Everything})
		defer desk.End()
		desk.Until(time.Minute, "history", func() bool { return len(desk.Heard(bob)) == 1 && len(desk.Wrote(bob)) == 1 })
	})
}
