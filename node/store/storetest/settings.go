package storetest

import (
	"bytes"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func testCounters(t *testing.T, s node.Store) {
	tests := []struct {
		name    string
		atLeast uint64
		want    uint64
	}{
		{"boot", 0, 1},
		{"boot", 0, 2},
		{"boot", 3, 3},
		{"boot", 3, 4},
		{"boot", 1, 5},
		{"serial", 1763632800, 1763632800},
		{"serial", 1763632800, 1763632801},
		{"BOOT", 0, 1},
		{"", 1 << 63, 1 << 63},
		{"", 0, 1<<63 + 1},
		{"boot", 0, 6},
		{"last", math.MaxUint64, math.MaxUint64},
	}
	ctx := t.Context()
	for _, test := range tests {
		same(t, must(s.Count(ctx, test.name, test.atLeast))(t), test.want)
	}
	if n, err := s.Count(ctx, "last", 0); err == nil || n != 0 {
		t.Errorf("after the last number: got %d, %v, want 0 and an error", n, err)
	}
}

func testCountersAtOnce(t *testing.T, s node.Store) {
	const callers, calls = 4, 10
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				n, err := s.Count(t.Context(), "serial", 5)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[n] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	same(t, len(seen), callers*calls)
	same(t, must(s.Count(t.Context(), "serial", 0))(t), uint64(5+callers*calls))
}

func testSettings(t *testing.T, s node.Store) {
	ctx := t.Context()
	if got := must(s.Setting(ctx, "status"))(t); got != nil {
		t.Errorf("got %q, want nil", got)
	}
	value := []byte("open")
	check(t, s.PutSetting(ctx, "status", value))
	value[0] = 'X' // the caller's again
	got := must(s.Setting(ctx, "status"))(t)
	same(t, string(got), "open")
	got[0] = 'X'
	same(t, string(must(s.Setting(ctx, "status"))(t)), "open")

	for _, value := range [][]byte{{}, nil} {
		check(t, s.PutSetting(ctx, "status", value))
		if got := must(s.Setting(ctx, "status"))(t); got == nil || len(got) != 0 {
			t.Errorf("got %#v, want an empty value", got)
		}
	}
	most := bytes.Repeat([]byte{0, 255}, 32<<10)
	check(t, s.PutSetting(ctx, "rules", most))
	if err := s.PutSetting(ctx, "rules", append(most, 1)); err == nil {
		t.Error("a value above 64 KiB was written")
	}
	if !bytes.Equal(must(s.Setting(ctx, "rules"))(t), most) {
		t.Error("64 KiB were changed")
	}
}

// testEveryoneAtOnce has readers and writers of everything run together; the
// race detector and the final state are the judges.
func testEveryoneAtOnce(t *testing.T, s node.Store) {
	const rounds = 10
	ctx := t.Context()
	fill(t, s)
	bob, seen, in, out := contact(t, "bob", ""), publication(t, "bob", 3, 0), incoming(t, "bob", "", "hello"), outgoing(t, "bob", "", "hello")
	asks, people := watcher(t, "bob"), []identity.Address{address(t, "bob"), address(t, "anna")}
	jobs := []func(i int) error{
		func(i int) error { c := bob; c.Name = fmt.Sprint("Bob ", i); return s.PutContact(ctx, c) },
		func(i int) error { return s.PutWatcher(ctx, asks) },
		func(i int) error { p := seen; p.Version.Seq = uint64(i); return s.PutPublication(ctx, p) },
		func(i int) error { m := in; m.MessageID = fmt.Sprint(i); _, _, err := s.Deliver(ctx, m); return err },
		func(i int) error {
			m := out
			m.MessageID = fmt.Sprint(i)
			id, err := s.Enqueue(ctx, m)
			if err != nil {
				return err
			}
			return s.Settle(ctx, node.Message{ID: id, Status: node.Delivered})
		},
		func(i int) error { _, err := s.Contacts(ctx); return err },
		func(i int) error { _, err := s.History(ctx, node.Query{Text: "hello"}, 100); return err },
		func(i int) error { _, err := s.Queued(ctx); return err },
		func(i int) error { return s.MarkRead(ctx, int64(i)) },
		func(i int) error { _, err := s.Count(ctx, "boot", 0); return err },
		func(i int) error { d := device(1); d.Cursor = uint64(i); return s.PutDevice(ctx, d) },
		func(i int) error { _, err := s.UseInvite(ctx, token(1), people[i%2], at(20)); return err },
		func(i int) error { _, err := s.Changes(ctx, uint64(i), 100); return err },
	}
	var wg sync.WaitGroup
	for _, job := range jobs {
		wg.Go(func() {
			for i := range rounds {
				if err := job(i + 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	same(t, len(must(s.History(ctx, node.Query{}, 1000))(t)), 3+2*rounds)
	same(t, len(must(s.Queued(ctx))(t)), 1)
	same(t, must(s.Count(ctx, "boot", 0))(t), uint64(8+rounds))
	same(t, must(s.Publications(ctx))(t)[0].Version, node.Version{Boot: 3, Seq: rounds})
	same(t, must(s.Devices(ctx))(t)[0].Cursor, uint64(rounds))
	same(t, must(s.Invites(ctx))(t)[0].Used, rounds)
}
