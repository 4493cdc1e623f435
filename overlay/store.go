package overlay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"

	datastore "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/kith-im/kith/identity"
	recordpb "github.com/libp2p/go-libp2p-record/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
)

// What a device keeps of others' records: for strangers and, apart from these,
// for contacts whose records it was told to keep (Overlay.Keep).
const (
	storeRecords   = 10_000
	storeOctets    = 64 << 20
	contactRecords = 12_000 // 2 000 contacts of one slot key, or 1 000 of two
	contactOctets  = 32 << 20
)

// How long a record is given past its expiry, as clocks differ, how often the
// expired are looked for, and how long a key stays marked as an own or a
// contact's one: records live for two days and an hour.
const (
	storeGrace = 10 * time.Minute
	sweepEvery = 10 * time.Minute
	markAge    = 50 * time.Hour
)

// kind is on whose behalf a record is kept.
type kind int

const (
	stranger kind = iota
	contactKind
	mine
	kinds
)

// store keeps records in memory for both DHTs. Of each it keeps the key and the
// value and nothing else: not when it came, nor from whom. When there are too
// many of a kind, the record of that kind which is farthest from this device's
// own id gives way, as that is the one which others are the more likely to
// keep; so a flood of keys from elsewhere in the key space moves nothing that
// this device is responsible for. Own records stay. All are gone when they
// expire.
type store struct {
	self [32]byte
	now  func() time.Time
	most [kinds]quota // zero records: no limit

	mu    sync.Mutex
	kept  map[datastore.Key]keptRecord
	marks map[datastore.Key]mark
	used  [kinds]quota
	sweep time.Time // when to look for expired ones
}

// quota is a number of records and of octets of their values.
type quota struct{ records, octets int }

type keptRecord struct {
	key      string
	value    []byte
	kind     kind
	distance [32]byte // as Kademlia counts
	until    time.Time
}

// mark says whose a key is.
type mark struct {
	kind  kind
	until time.Time
}

func newStore(self peer.ID, now func() time.Time) *store {
	return &store{
		self:  sha256.Sum256([]byte(self)),
		now:   now,
		most:  [kinds]quota{stranger: {storeRecords, storeOctets}, contactKind: {contactRecords, contactOctets}},
		kept:  make(map[datastore.Key]keptRecord),
		marks: make(map[datastore.Key]mark),
	}
}

var (
	errStoreFull   = errors.New("record store is full of nearer records")
	errStoreFormat = errors.New("not a record")
	errStoreOld    = errors.New("older than the record that is kept")
)

// storeKey is where kad-dht files a record: "/kith/" and the base32 of its key.
func storeKey(key string) datastore.Key {
	return datastore.NewKey("/kith/" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(key)))
}

// mark makes a key's record an own or a contact's one, now and when it comes. The
// keys of a day are marked anew with every announce and every Keep.
func (s *store) mark(key string, as kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := storeKey(key)
	m, marked := s.marks[k]
	if as < m.kind || !marked && as == contactKind && len(s.marks) >= 2*contactRecords {
		return
	}
	s.marks[k] = mark{as, s.now().Add(markAge)}
	if r, ok := s.kept[k]; ok {
		s.tally(r, -1)
		r.kind = as
		s.kept[k] = r
		s.tally(r, 1)
	}
}

// tally adds or takes away what a record uses.
func (s *store) tally(r keptRecord, sign int) {
	s.used[r.kind].records += sign
	s.used[r.kind].octets += sign * len(r.value)
}

// value gives a record that has not expired.
func (s *store) value(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.live(storeKey(key))
	return r.value, ok
}

func (s *store) live(k datastore.Key) (keptRecord, bool) {
	s.expire()
	r, ok := s.kept[k]
	if !ok || s.now().After(r.until) {
		return keptRecord{}, false
	}
	return r, true
}

// expire drops the expired, now and then.
func (s *store) expire() {
	now := s.now()
	if now.Before(s.sweep) && s.sweep.Sub(now) <= sweepEvery {
		return
	}
	s.sweep = now.Add(sweepEvery)
	for k, r := range s.kept {
		if now.After(r.until) {
			s.drop(k)
		}
	}
	for k, m := range s.marks {
		if now.After(m.until) {
			delete(s.marks, k)
		}
	}
}

func (s *store) drop(k datastore.Key) {
	if r, ok := s.kept[k]; ok {
		s.tally(r, -1)
		delete(s.kept, k)
	}
}

// distance is how far a key is from this device.
func (s *store) distance(key string) [32]byte {
	d := sha256.Sum256([]byte(key))
	for i := range d {
		d[i] ^= s.self[i]
	}
	return d
}

// Put implements datastore.Write. The value is libp2p's Record, whose value the
// validator has passed.
func (s *store) Put(_ context.Context, k datastore.Key, value []byte) error {
	var rec recordpb.Record
	if err := proto.Unmarshal(value, &rec); err != nil {
		return err
	}
	_, until, err := recordTimes(rec.GetValue())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := keptRecord{
		key:   string(rec.GetKey()),
		value: bytes.Clone(rec.GetValue()),
		kind:  s.marks[k].kind,
		until: until.Add(storeGrace),
	}
	r.distance = s.distance(r.key)
	// Each DHT has compared the two, but not while the other put.
	if old, ok := s.live(k); ok && identity.CompareRecords(old.value, r.value) > 0 {
		return errStoreOld
	}
	if !s.room(k, r) {
		return errStoreFull
	}
	s.drop(k)
	s.kept[k] = r
	s.tally(r, 1)
	return nil
}

// room makes place for a record, if it is nearer than others of its kind.
func (s *store) room(k datastore.Key, r keptRecord) bool {
	most := s.most[r.kind]
	if most.records == 0 {
		return true
	}
	for {
		used := s.used[r.kind]
		if old, ok := s.kept[k]; ok && old.kind == r.kind {
			used.records--
			used.octets -= len(old.value)
		}
		if used.records < most.records && used.octets+len(r.value) <= most.octets {
			return true
		}
		far, distance := k, r.distance
		for other, o := range s.kept {
			if o.kind == r.kind && bytes.Compare(o.distance[:], distance[:]) > 0 {
				far, distance = other, o.distance
			}
		}
		if far == k {
			return false
		}
		s.drop(far)
	}
}

// recordTimes is when a record was issued and when it ends, as it says at octets
// 33 and 41 (doc/spec/address-record.md section 3).
func recordTimes(value []byte) (issued, expires time.Time, err error) {
	const at = 33
	if len(value) < at+16 {
		return time.Time{}, time.Time{}, errStoreFormat
	}
	second := func(i int) time.Time { return time.Unix(int64(binary.BigEndian.Uint64(value[i:])), 0) }
	return second(at), second(at + 8), nil
}

// Get implements datastore.Read.
func (s *store) Get(_ context.Context, k datastore.Key) ([]byte, error) {
	s.mu.Lock()
	r, ok := s.live(k)
	s.mu.Unlock()
	if !ok {
		return nil, datastore.ErrNotFound
	}
	return r.marshal()
}

// marshal gives libp2p's Record, without the time of arrival: asked for, it would
// tell which records came together.
func (r keptRecord) marshal() ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&recordpb.Record{Key: []byte(r.key), Value: r.value})
}

// Has implements datastore.Read.
func (s *store) Has(_ context.Context, k datastore.Key) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.live(k)
	return ok, nil
}

// GetSize implements datastore.Read.
func (s *store) GetSize(ctx context.Context, k datastore.Key) (int, error) {
	v, err := s.Get(ctx, k)
	if err != nil {
		return -1, err
	}
	return len(v), nil
}

// Delete implements datastore.Write.
func (s *store) Delete(_ context.Context, k datastore.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(k)
	return nil
}

// Query implements datastore.Read.
func (s *store) Query(_ context.Context, q query.Query) (query.Results, error) {
	s.mu.Lock()
	s.expire()
	var kept []keptRecord
	var keys []datastore.Key
	for k, r := range s.kept {
		if strings.HasPrefix(k.String(), q.Prefix) {
			kept, keys = append(kept, r), append(keys, k)
		}
	}
	s.mu.Unlock()
	entries := make([]query.Entry, len(kept))
	for i, r := range kept {
		value, err := r.marshal()
		if err != nil {
			return nil, err
		}
		entries[i] = query.Entry{Key: keys[i].String(), Value: value, Size: len(value)}
	}
	return query.NaiveQueryApply(q, query.ResultsWithEntries(q, entries)), nil
}

// Sync implements datastore.Datastore: memory has nothing to wait for.
func (s *store) Sync(context.Context, datastore.Key) error { return nil }

// Close implements datastore.Datastore.
func (s *store) Close() error { return nil }

// Batch implements datastore.Batching.
func (s *store) Batch(context.Context) (datastore.Batch, error) {
	return datastore.NewBasicBatch(s), nil
}
