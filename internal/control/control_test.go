package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
)

var update = flag.Bool("update", false, "write doc/spec/openapi.json anew")

// outlook is the network of a test: nothing to see.
type outlook struct{ node *node.Node }

func (outlook) Status() Network { return Network{Peer: "p", Listen: []string{"/memory"}} }
func (outlook) Put(_ context.Context, records []identity.Record) (int, error) {
	return len(records), nil
}

func (outlook) Describe(r identity.Reach) []string { return []string{string(r)} }

func (v outlook) Lookup(ctx context.Context, who identity.Address) (Lookup, error) {
	card, found, err := v.node.Lookup(ctx, who)
	return Lookup{Address: who.String(), Found: found, Card: CardOf(card, v.Describe), Places: []Place{}}, err
}

// person is a node in memory with its API on a real socket.
type person struct {
	*Client
	node *node.Node
	home string
	stop func()
}

func newPerson(t *testing.T, world *nodetest.World, name string) *person {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	keys, err := identity.New(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	kept, err := store.Open(filepath.Join(home, "kith.db"))
	if err != nil {
		t.Fatal(err)
	}
	port := world.Join(name)
	n, err := node.New(ctx, node.Config{Keys: keys, Network: port, Store: kept})
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Config{Node: n, Net: outlook{n}, Home: home, Version: "test", Snapshot: kept.Snapshot})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{
		func(ctx context.Context) error { return port.Serve(ctx, n) }, n.Run, server.Serve,
	} {
		wg.Go(func() { // ends by stop
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	p := &person{Client: Dial(home), node: n, home: home}
	p.stop = sync.OnceFunc(func() {
		p.Close()
		cancel()
		wg.Wait()
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// until waits for an event after which ok is true.
func (p *person) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events := p.node.Events(ctx, p.node.LastEvent())
	if ok() {
		return
	}
	for range events {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not happen", what)
}

// must returns v, and panics for an error, which fails the test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// meet makes two people each other's contacts.
func meet(t *testing.T, alice, bob *person) {
	t.Helper()
	ctx := t.Context()
	me := must(alice.Me(ctx))
	must(bob.Add(ctx, AddInput{Invitation: me.Invitation, Note: "it's bob"}))
	alice.until(t, "a request", func() bool { return len(must(alice.Requests(ctx))) == 1 })
	must(alice.Approve(ctx, "bob", ""))
	for _, p := range []*person{alice, bob} {
		p.until(t, "seeing the other", func() bool { return must(p.Contacts(ctx))[0].Show == "open" })
	}
}

func TestConversation(t *testing.T) {
	ctx := t.Context()
	world := nodetest.NewWorld(0)
	alice, bob := newPerson(t, world, "alice"), newPerson(t, world, "bob")
	before := alice.node.LastEvent()
	meet(t, alice, bob)

	must(alice.SetStatus(ctx, "away", "tea", time.Time{}))
	bob.until(t, "away", func() bool { return must(bob.Contact(ctx, "ali")).Note == "tea" })
	got := must(bob.Contact(ctx, "alice"))
	if got.Show != "away" || got.Liveness != "live" || got.Watch != "active" || got.Heard.IsZero() || !got.Until.After(got.Heard) {
		t.Errorf("alice as bob sees her: %+v", got)
	}

	sent := must(bob.Send(ctx, "alice", "hello\nworld", 10*time.Second))
	if sent.Status != "delivered" || sent.Direction != "out" || sent.Outgoing == nil || sent.Outgoing.Settled.IsZero() {
		t.Errorf("sent: %+v", sent)
	}
	inbox := must(alice.Messages(ctx, Find{In: true, Unread: true}))
	if len(inbox) != 1 || inbox[0].Text != "hello\nworld" || inbox[0].MessageID != sent.MessageID || inbox[0].Name != "bob" || inbox[0].Outgoing != nil {
		t.Fatalf("inbox: %+v", inbox)
	}
	if c := must(alice.Contact(ctx, "bob")); c.Unread != 1 {
		t.Errorf("unread: %d", c.Unread)
	}
	if err := alice.MarkRead(ctx, inbox[0].ID); err != nil {
		t.Error(err)
	}
	if list := must(alice.Messages(ctx, Find{Unread: true})); len(list) != 0 {
		t.Errorf("unread after reading: %+v", list)
	}
	if list := must(bob.Messages(ctx, Find{With: "alice", Text: "world", Limit: 5})); len(list) != 1 {
		t.Errorf("found %d messages", len(list))
	}

	doc := must(bob.Fetch(ctx, "alice"))
	if !doc.Fresh || !strings.Contains(doc.XML, "tea") || doc.Name != "alice" {
		t.Errorf("document: %+v", doc)
	}
	found := must(bob.Lookup(ctx, "alice"))
	if !found.Found || len(found.Card.Devices) != 1 || found.Card.Devices[0].Reach[0] != "alice" {
		t.Errorf("lookup: %+v", found)
	}

	c := must(bob.Rename(ctx, "alice", "Alice A/B? #1"))
	if got := must(bob.Contact(ctx, c.Name)); got.Name != "Alice A/B? #1" {
		t.Errorf("renamed to %q", got.Name)
	}
	if err := bob.Remove(ctx, c.Address); err != nil {
		t.Error(err)
	}
	if list := must(bob.Contacts(ctx)); len(list) != 0 {
		t.Errorf("contacts after removing: %+v", list)
	}
	checkEvents(t, alice, before)
}

// checkEvents reads what happened to alice, in two sittings.
func checkEvents(t *testing.T, alice *person, after uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := map[string]bool{}
	last, sittings := after, 0
	for !seen["message"] {
		sittings++
		for e, err := range alice.Events(ctx, last) {
			if err != nil {
				t.Fatal(err)
			}
			if e.ID <= last {
				t.Fatalf("event %d after %d", e.ID, last)
			}
			last, seen[e.Kind] = e.ID, true
			if e.Kind == "request" || e.Kind == "message" {
				break // and resume after it
			}
		}
	}
	if !seen["request"] || !seen["presence"] || sittings != 2 {
		t.Errorf("saw %v in %d sittings", seen, sittings)
	}
}

func TestDeny(t *testing.T) {
	ctx := t.Context()
	world := nodetest.NewWorld(0)
	alice, mallory := newPerson(t, world, "alice"), newPerson(t, world, "mallory")
	must(mallory.Add(ctx, AddInput{Invitation: must(alice.Me(ctx)).Address, Name: "victim", Note: "hi"}))
	alice.until(t, "a request", func() bool { return len(must(alice.Requests(ctx))) == 1 })
	got := must(alice.Requests(ctx))[0]
	want := Request{Address: mallory.node.Address().String(), Name: mallory.node.Address().Short(), Handle: "mallory",
		Note: "hi", State: "pending", Event: got.Event, Since: got.Since}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if err := alice.Deny(ctx, "mallory"); err != nil {
		t.Fatal(err)
	}
	mallory.until(t, "the refusal", func() bool { return must(mallory.Contact(ctx, "victim")).Watch == "terminated" })
}

func TestProblems(t *testing.T) {
	ctx := t.Context()
	world := nodetest.NewWorld(0)
	alice, bob := newPerson(t, world, "alice"), newPerson(t, world, "bob")
	me := must(alice.Me(ctx))
	must(alice.Add(ctx, AddInput{Invitation: bob.node.Address().String(), Name: "bob one"}))
	must(alice.Add(ctx, AddInput{Invitation: "bob@example.com", Name: "bob two"}))
	tests := []struct {
		name   string
		call   func() error
		status int
		code   string
	}{
		{"nobody", func() error { _, err := alice.Contact(ctx, "eve"); return err }, 404, CodeNotFound},
		{"no contact", func() error { _, err := alice.Contact(ctx, "eve@example.com"); return err }, 404, CodeNotFound},
		{"no address", func() error { _, err := alice.Contact(ctx, "eve@"); return err }, 400, CodeInput},
		{"two bobs", func() error { _, err := alice.Send(ctx, "bob", "x", 0); return err }, 409, CodeAmbiguous},
		{"name taken", func() error { _, err := alice.Rename(ctx, "bob one", "BOB TWO"); return err }, 409, CodeNameTaken},
		{"cut invitation", func() error {
			_, err := alice.Add(ctx, AddInput{Invitation: me.Invitation[:len(me.Invitation)-2]})
			return err
		}, 400, CodeInput},
		{"myself", func() error { _, err := alice.Add(ctx, AddInput{Invitation: me.Invitation}); return err }, 400, CodeInput},
		{"unknown status", func() error { _, err := alice.SetStatus(ctx, "asleep", "", time.Time{}); return err }, 422, CodeInput},
		{"long note", func() error {
			_, err := alice.SetStatus(ctx, "open", strings.Repeat("x", 257), time.Time{})
			return err
		}, 422, CodeInput},
		{"empty message", func() error { _, err := alice.Send(ctx, "bob one", "", 0); return err }, 422, CodeInput},
		{"no request", func() error { _, err := alice.Approve(ctx, "bob one", ""); return err }, 404, CodeNotFound},
		{"no document", func() error { _, err := alice.Fetch(ctx, "eve@example.com"); return err }, 404, CodeNotFound},
		{"no such device", func() error { _, err := alice.RevokeDevice(ctx, "ffff0000"); return err }, 404, CodeNotFound},
		{"scope", func() error { _, err := alice.StartLink(ctx, LinkInput{Scopes: []string{"administer"}}); return err }, 400, CodeInput},
		{"no link", func() error { _, err := alice.ConfirmLink(ctx, true); return err }, 404, CodeNotFound},
		{"no such invite", func() error { _, err := alice.RevokeInvite(ctx, "ffff0000"); return err }, 404, CodeNotFound},
		{"invite for a week of weeks", func() error { _, err := alice.MakeInvite(ctx, InviteInput{Expires: "soon"}); return err }, 400, CodeInput},
		{"introduce nobody", func() error { _, err := alice.Introduce(ctx, "bob one", "nobody", ""); return err }, 404, CodeNotFound},
		{"compare with nobody", func() error { _, err := alice.Verification(ctx, "nobody"); return err }, 404, CodeNotFound},
		{"trust the same", func() error { _, err := alice.Trust(ctx, "bob one"); return err }, 400, CodeInput},
		{"record of nothing", func() error { _, err := alice.PutRecords(ctx, []identity.Record{{Key: "/kith/x"}}); return err }, 400, CodeInput},
		{"unknown field", func() error {
			_, err := call[Status](ctx, alice.Client, http.MethodPut, "/v1/status", map[string]any{"show": "open", "mood": "good"})
			return err
		}, 422, CodeInput},
		{"unknown parameter", func() error {
			_, err := get[messageList](ctx, alice.Client, "/v1/messages", map[string][]string{"from": {"bob"}})
			return err
		}, 422, CodeInput},
		{"no such call", func() error { _, err := get[Me](ctx, alice.Client, "/v1/you", nil); return err }, 404, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.call()
			p, ok := errors.AsType[*Problem](err)
			if !ok {
				if test.code == "" && err != nil {
					return
				}
				t.Fatalf("got %v, want a problem", err)
			}
			if p.Code != test.code || p.Status != test.status || p.Detail == "" {
				t.Errorf("got %d %s %q, want %d %s", p.Status, p.Code, p.Detail, test.status, test.code)
			}
		})
	}
}

func TestSocket(t *testing.T) {
	world := nodetest.NewWorld(0)
	alice := newPerson(t, world, "alice")
	path := filepath.Join(alice.home, SocketName)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := New(Config{Home: alice.home}); err == nil || !strings.Contains(err.Error(), "another node answers") {
		t.Errorf("second node on a live socket: %v", err)
	}
	alice.stop()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket after the end: %v", err)
	}
	if _, err := alice.Me(t.Context()); !errors.Is(err, ErrNoNode) {
		t.Errorf("no node: %v", err)
	}

	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	if _, err := alice.Me(t.Context()); !errors.Is(err, ErrNoNode) {
		t.Errorf("dead socket: %v", err)
	}
	server, err := New(Config{Home: alice.home})
	if err != nil {
		t.Fatalf("dead socket not replaced: %v", err)
	}
	server.Close()
	if _, err := New(Config{Home: filepath.Join(alice.home, strings.Repeat("x", 100))}); err == nil || !strings.Contains(err.Error(), "shorter home") {
		t.Errorf("long path: %v", err)
	}
}

// TestPlain speaks HTTP as a bot with nothing but curl does.
func TestPlain(t *testing.T) {
	alice := newPerson(t, nodetest.NewWorld(0), "alice")
	resp := must(alice.do(t.Context(), http.MethodGet, "/v1/me", nil))
	defer resp.Body.Close()
	var me map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&me); err != nil {
		t.Fatal(err)
	}
	if me["address"] != alice.node.Address().String() || me["$schema"] != nil || resp.Header.Get("Link") != "" {
		t.Errorf("got %v, Link %q", me, resp.Header.Get("Link"))
	}
	served := must(alice.do(t.Context(), http.MethodGet, "/openapi.json", nil))
	defer served.Body.Close()
	stream := must(alice.do(t.Context(), http.MethodGet, "/v1/events", nil))
	defer stream.Body.Close()
	if got := stream.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("events are %q", got)
	}
	must(alice.SetStatus(t.Context(), "busy", "", time.Time{}))
	alice.stop() // ends the stream
	for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
	}
}

// TestOpenAPI holds the contract still: a change of doc/spec/openapi.json is a
// change for every bot.
func TestOpenAPI(t *testing.T) {
	got := must(OpenAPI("test"))
	golden := filepath.Join("..", "..", "doc", "spec", "openapi.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(must(os.ReadFile(golden))), string(got)); diff != "" {
		t.Errorf("the API changed (-want +got); if that is meant, run the test with -update:\n%s", diff)
	}
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ Summary, OperationID string }
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Components.Schemas["Problem"] == nil || doc.Components.Schemas["ErrorModel"] != nil {
		t.Errorf("OpenAPI %s with %d schemas", doc.OpenAPI, len(doc.Components.Schemas))
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s %s is not described", method, path)
			}
		}
	}
}
