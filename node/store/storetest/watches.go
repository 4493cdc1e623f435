package storetest

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func testWatches(t *testing.T, s node.Store) {
	ctx := t.Context()
	same(t, len(must(s.Watches(ctx))(t)), 0)
	anna, bob := watch(t, "anna"), node.Watch{Person: address(t, "bob"), State: node.Pending}
	check(t, s.PutWatch(ctx, anna))
	check(t, s.PutWatch(ctx, bob))
	same(t, byPerson(must(s.Watches(ctx))(t)), map[identity.Address]node.Watch{anna.Person: anna, bob.Person: bob})

	anna = node.Watch{Person: anna.Person, ID: node.SubscriptID{9}, State: node.Terminated, Reason: "rejected", Serial: 5}
	check(t, s.PutWatch(ctx, anna))
	same(t, byPerson(must(s.Watches(ctx))(t)), map[identity.Address]node.Watch{anna.Person: anna, bob.Person: bob})
	if err := s.PutWatch(ctx, node.Watch{State: node.Pending}); err == nil {
		t.Error("a watch without address was written")
	}
}

// byPerson forgets the order, which nobody promises.
func byPerson(all []node.Watch) map[identity.Address]node.Watch {
	m := make(map[identity.Address]node.Watch)
	for _, w := range all {
		m[w.Person] = w
	}
	return m
}

func testWatchesRemoved(t *testing.T, s node.Store) {
	ctx := t.Context()
	check(t, s.RemoveWatch(ctx, address(t, "nobody")))
	fill(t, s)
	want := snapshot(t, s)
	check(t, s.RemoveWatch(ctx, address(t, "bob")))
	want.Watches = nil
	same(t, unlogged(snapshot(t, s)), unlogged(want))
	isError(t, s.PutPublication(ctx, publication(t, "bob", 2, 1)), node.ErrOldVersion)
}

func testPublications(t *testing.T, s node.Store) {
	ctx := t.Context()
	same(t, len(must(s.Publications(ctx))(t)), 0)

	// Person, device and audience each have versions of their own.
	type key struct {
		person   identity.Address
		device   identity.DeviceID
		audience [16]byte
	}
	want := make(map[key]node.Publication)
	put := func(p node.Publication) {
		t.Helper()
		check(t, s.PutPublication(ctx, p))
		want[key{p.Person, p.Device, p.Audience}] = p
	}
	for _, local := range []string{"bob", "anna"} {
		for _, device := range []byte{1, 2} {
			for _, audience := range []byte{0, 1} {
				p := publication(t, local, 1, 1)
				p.Device[0], p.Audience[0] = device, audience
				put(p)
			}
		}
	}
	newer := publication(t, "bob", 1, 2)
	newer.Device[0], newer.Audience[0], newer.Heard = 1, 0, at(100)
	put(newer)

	got := make(map[key]node.Publication)
	all := must(s.Publications(ctx))(t)
	for _, p := range all {
		got[key{p.Person, p.Device, p.Audience}] = p
	}
	same(t, len(all), 8)
	if len(got) != len(want) {
		t.Fatalf("got %d keys, want %d", len(got), len(want))
	}
	for k, p := range want {
		same(t, got[k], p)
	}
	if err := s.PutPublication(ctx, node.Publication{Version: node.Version{Boot: 1, Seq: 1}}); err == nil {
		t.Error("a publication without address was written")
	}
}

func testPublicationVersions(t *testing.T, s node.Store) {
	tests := []struct {
		boot, seq uint64
		old       bool
	}{
		{1, 1, false},
		{1, 1, true},
		{1, 2, false},
		{1, 1, true},
		{0, 9, true},
		{2, 1, false},
		{1, 3, true},
		{2, 255, false},
		{2, 256, false}, // octets in the right order
		{2, 255, true},
		{math.MaxInt64, 1, false},
		{math.MaxInt64 + 1, 0, false}, // above what a signed number holds
		{math.MaxInt64, 2, true},
		{math.MaxUint64, math.MaxUint64, false},
		{math.MaxUint64, math.MaxUint64, true},
		{1, math.MaxUint64, true},
	}
	ctx := t.Context()
	var newest node.Publication
	for _, test := range tests {
		p := publication(t, "bob", test.boot, test.seq)
		err := s.PutPublication(ctx, p)
		switch {
		case test.old && !errors.Is(err, node.ErrOldVersion):
			t.Errorf("%v: got error %v, want %v", p.Version, err, node.ErrOldVersion)
		case !test.old && err != nil:
			t.Errorf("%v: %v", p.Version, err)
		case err == nil:
			newest = p
		}
		same(t, must(s.Publications(ctx))(t), []node.Publication{newest})
	}
}

func testPublicationsAtOnce(t *testing.T, s node.Store) {
	const writers, versions = 4, 20
	ctx := t.Context()
	p := publication(t, "bob", 1, 0)
	var wg sync.WaitGroup
	accepted := make([][]uint64, writers)
	for w := range writers {
		wg.Go(func() {
			order := rand.Perm(versions)
			for _, i := range order {
				p := p
				p.Version.Seq = uint64(i*writers+w) + 1
				err := s.PutPublication(ctx, p)
				if err == nil {
					accepted[w] = append(accepted[w], p.Version.Seq)
				} else if !errors.Is(err, node.ErrOldVersion) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for w, seqs := range accepted {
		for i := 1; i < len(seqs); i++ {
			if seqs[i] <= seqs[i-1] {
				t.Errorf("writer %d: %d was accepted after %d", w, seqs[i], seqs[i-1])
			}
		}
	}
	same(t, must(s.Publications(ctx))(t)[0].Version, node.Version{Boot: 1, Seq: writers * versions})
}
