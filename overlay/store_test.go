package overlay

import (
	"fmt"
	"testing"

	datastore "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
)

func TestStoreQuota(t *testing.T) {
	s := newStore(peer.ID("self"))
	const storeRecords, storeOctets = 100, 200_000 // a small one
	s.mostRecords, s.mostOctets = storeRecords, storeOctets
	ctx := t.Context()
	s.own("/kith/mine")
	if err := s.Put(ctx, storeKey("/kith/mine"), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range storeRecords + 300 {
		if err := s.Put(ctx, storeKey(fmt.Sprint("/kith/", i)), make([]byte, 1000)); err != nil {
			refused++
		}
	}
	if got := s.count(); got != storeRecords {
		t.Errorf("%d records, want %d", got, storeRecords)
	}
	if !s.holds("/kith/mine") {
		t.Error("own record gave way")
	}
	if refused == 0 || refused == 301 {
		t.Errorf("%d records refused: farther ones should be, nearer ones not", refused)
	}
	// Large ones push out others until the octets fit.
	for i := range 1000 {
		s.Put(ctx, storeKey(fmt.Sprint("/kith/large", i)), make([]byte, 8<<10))
		if s.octets > storeOctets {
			t.Fatalf("%d octets", s.octets)
		}
	}
	octets := 0
	for _, r := range s.kept {
		octets += len(r.value)
	}
	if octets != s.octets || !s.holds("/kith/mine") {
		t.Errorf("%d octets counted, %d there", s.octets, octets)
	}
	for k := range s.kept {
		s.Delete(ctx, k)
	}
	if s.octets != 0 {
		t.Errorf("%d octets of nothing", s.octets)
	}
	if _, err := s.Get(ctx, storeKey("/kith/mine")); err != datastore.ErrNotFound {
		t.Errorf("get: %v", err)
	}
}
