package overlay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	datastore "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	recordpb "github.com/libp2p/go-libp2p-record/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
)

// clock is a time that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// filed is what a DHT would file under a key: a record of a size, which ends at a
// time. Its signature is the validator's affair.
func filed(t *testing.T, key string, size int, issued, expires time.Time) []byte {
	t.Helper()
	value := make([]byte, size)
	binary.BigEndian.PutUint64(value[33:], uint64(issued.Unix()))
	binary.BigEndian.PutUint64(value[41:], uint64(expires.Unix()))
	b, err := proto.Marshal(&recordpb.Record{Key: []byte(key), Value: value, TimeReceived: "2026-11-20T12:00:00.123456789Z"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testStore() (*store, *clock) {
	c := &clock{time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	return newStore(peer.ID("self"), c.now), c
}

// checkSums compares what the store counts with what it holds.
func checkSums(t *testing.T, s *store) {
	t.Helper()
	var want [kinds]quota
	for _, r := range s.kept {
		want[r.kind].records++
		want[r.kind].octets += len(r.value)
	}
	if want != s.used {
		t.Fatalf("counted %v, there are %v", s.used, want)
	}
	for kind, most := range s.most {
		if most.records > 0 && (s.used[kind].records > most.records || s.used[kind].octets > most.octets) {
			t.Fatalf("kind %d uses %v of %v", kind, s.used[kind], most)
		}
	}
}

func TestStoreQuota(t *testing.T) {
	s, c := testStore()
	s.most[stranger] = quota{100, 200_000}
	s.most[contactKind] = quota{20, 20_000}
	end := c.at.Add(time.Hour)
	put := func(key string, size int) error {
		return s.Put(t.Context(), storeKey(key), filed(t, key, size, c.at, end))
	}
	s.mark("/kith/mine", mine)
	if err := put("/kith/mine", 1000); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		key := fmt.Sprint("/kith/contact", i)
		s.mark(key, contactKind)
		if err := put(key, 1000); err != nil {
			t.Errorf("contact %d of 20: %v", i, err)
		}
	}
	refused := 0
	for i := range 400 {
		err := put(fmt.Sprint("/kith/", i), 1000)
		if i < 100 && err != nil {
			t.Errorf("record %d of 100: %v", i, err)
		}
		if err != nil {
			refused++
		}
		checkSums(t, s)
	}
	if got := s.used[stranger].records; got != 100 {
		t.Errorf("%d strangers' records, want 100", got)
	}
	if refused == 0 || refused == 300 {
		t.Errorf("%d records refused: farther ones should be, nearer ones not", refused)
	}
	// One contact beyond the limit: the farthest of the contacts gives way, or it
	// does itself.
	s.mark("/kith/contact20", contactKind)
	if err := put("/kith/contact20", 1000); err != nil && !errors.Is(err, errStoreFull) {
		t.Error(err)
	}
	if got := s.used[contactKind]; got != (quota{20, 20_000}) {
		t.Errorf("contacts use %v", got)
	}
	// Large ones push out others until the octets fit.
	for i := range 1000 {
		put(fmt.Sprint("/kith/large", i), 8<<10)
		checkSums(t, s)
	}
	if _, ok := s.value("/kith/mine"); !ok {
		t.Error("own record gave way")
	}
	if got := s.used[contactKind].records; got != 20 {
		t.Errorf("%d contacts' records after the flood, want 20", got)
	}
	for k := range s.kept {
		s.Delete(t.Context(), k)
	}
	checkSums(t, s)
	if _, err := s.Get(t.Context(), storeKey("/kith/mine")); err != datastore.ErrNotFound {
		t.Errorf("get: %v", err)
	}
}

func TestStoreLimits(t *testing.T) {
	s, _ := testStore()
	if s.most[stranger] != (quota{10_000, 64 << 20}) || s.most[contactKind] != (quota{12_000, 32 << 20}) || s.most[mine] != (quota{}) {
		t.Errorf("limits are %v", s.most)
	}
	for i := range 2*contactRecords + 1 {
		s.mark(fmt.Sprint("/kith/", i), contactKind)
	}
	if got := len(s.marks); got != 2*contactRecords {
		t.Errorf("%d keys marked, want %d", got, 2*contactRecords)
	}
	s.mark("/kith/mine", mine)
	if got := s.marks[storeKey("/kith/mine")].kind; got != mine {
		t.Errorf("own key marked %v", got)
	}
	s.mark("/kith/mine", contactKind)
	if got := s.marks[storeKey("/kith/mine")].kind; got != mine {
		t.Errorf("own key became %v", got)
	}
}

// TestStoreMark marks keys whose record is there already.
func TestStoreMark(t *testing.T) {
	s, c := testStore()
	key := "/kith/a"
	if err := s.Put(t.Context(), storeKey(key), filed(t, key, 1024, c.at, c.at.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	for _, as := range []kind{contactKind, mine} {
		s.mark(key, as)
		checkSums(t, s)
		if s.used[as] != (quota{1, 1024}) {
			t.Errorf("marked %v: used %v", as, s.used)
		}
	}
}

func TestStoreExpiry(t *testing.T) {
	s, c := testStore()
	for i := range 10 {
		key := fmt.Sprint("/kith/", i)
		s.mark(key, kind(i%3))
		if err := s.Put(t.Context(), storeKey(key), filed(t, key, 1024, c.at, c.at.Add(time.Duration(i+1)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	c.at = c.at.Add(3*time.Hour + storeGrace)
	if _, ok := s.value("/kith/2"); !ok {
		t.Error("gone at its end")
	}
	c.at = c.at.Add(time.Second)
	if _, ok := s.value("/kith/2"); ok {
		t.Error("there after its end")
	}
	if has, _ := s.Has(t.Context(), storeKey("/kith/2")); has {
		t.Error("has it after its end")
	}
	c.at = c.at.Add(sweepEvery)
	res, err := s.Query(t.Context(), query.Query{})
	if err != nil {
		t.Fatal(err)
	}
	entries, _ := res.Rest()
	if len(entries) != 7 || len(s.kept) != 7 {
		t.Errorf("%d records left, %d in memory, want 7", len(entries), len(s.kept))
	}
	c.at = c.at.Add(markAge)
	if s.expire(); len(s.kept)+len(s.marks) != 0 {
		t.Errorf("%d records and %d marks left", len(s.kept), len(s.marks))
	}
	checkSums(t, s)
}

// TestStoreKeepsNoMore than keys and values: not the time of arrival, and not
// what a hostile device adds.
func TestStoreKeepsNoMore(t *testing.T) {
	s, c := testStore()
	key := "/kith/a"
	plain := filed(t, key, 1024, c.at, c.at.Add(time.Hour))
	stuffed := append(plain[:len(plain):len(plain)], 0xfa, 0x07, 3, 'x', 'y', 'z') // field 127
	if err := s.Put(t.Context(), storeKey(key), stuffed); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), storeKey(key))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(got, []byte("xyz")) || bytes.Contains(got, []byte("2026")) {
		t.Errorf("kept %q", got[1000:])
	}
	if again, _ := s.Get(t.Context(), storeKey(key)); !bytes.Equal(got, again) {
		t.Error("given differently twice")
	}
	for name, bad := range map[string][]byte{"empty": nil, "not a record": []byte("xx"), "short": filed(t, key, 1024, c.at, c.at)[:20]} {
		if err := s.Put(t.Context(), storeKey(key), bad); err == nil {
			t.Errorf("%s: stored", name)
		}
	}
	// An older one does not replace it, as when both DHTs put at once.
	if err := s.Put(t.Context(), storeKey(key), filed(t, key, 1024, c.at.Add(-time.Second), c.at.Add(time.Hour))); !errors.Is(err, errStoreOld) {
		t.Errorf("an older record: %v", err)
	}
}

func TestMeter(t *testing.T) {
	m, now := newMeter(), time.Unix(1_800_000_000, 0)
	for range putsPerMinute {
		if !m.allow("a", now) {
			t.Fatal("refused within the limit")
		}
	}
	if m.allow("a", now) {
		t.Error("one beyond the limit allowed")
	}
	for i := range meterLimit - 1 {
		if !m.allow(peer.ID(fmt.Sprint("p", i)), now) {
			t.Fatalf("device %d refused", i)
		}
	}
	if m.allow("one more", now) {
		t.Error("one more device than is remembered was allowed")
	}
	if !m.allow("p1", now) {
		t.Error("a remembered device refused")
	}
	if later := now.Add(time.Minute); !m.allow("a", later) || !m.allow("one more", later) {
		t.Error("refused a minute later")
	}
}
