package overlay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"sync"

	datastore "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/peer"
)

// What a device keeps for others: no more records and octets than this.
const (
	storeRecords = 10_000
	storeOctets  = 64 << 20
)

// store keeps records in memory for both DHTs. When it is full, the record
// farthest from this device's own id gives way, as that is the one which others
// are the more likely to keep; so a flood of keys from elsewhere in the key
// space moves nothing that this device is responsible for. Own records stay.
type store struct {
	self                    [32]byte
	mostRecords, mostOctets int

	mu     sync.Mutex
	kept   map[datastore.Key]keptRecord
	mine   map[datastore.Key]bool
	octets int
}

type keptRecord struct {
	value    []byte
	distance [32]byte // as Kademlia counts; zero for own records
}

func newStore(self peer.ID) *store {
	return &store{
		self:        sha256.Sum256([]byte(self)),
		mostRecords: storeRecords,
		mostOctets:  storeOctets,
		kept:        make(map[datastore.Key]keptRecord),
		mine:        make(map[datastore.Key]bool),
	}
}

var errStoreFull = errors.New("record store is full of nearer records")

// storeKey is where kad-dht files a record: "/kith/" and the base32 of its key.
func storeKey(key string) datastore.Key {
	return datastore.NewKey("/kith/" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(key)))
}

// own marks a key as this device's own. There are 12 at a time and two new sets
// a day; the marks of old days are few and go with the process.
func (s *store) own(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mine[storeKey(key)] = true
}

func (s *store) holds(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.kept[storeKey(key)]
	return ok
}

// distance is how far a record's key is from this device. Own ones are here.
func (s *store) distance(k datastore.Key) (d [32]byte) {
	if s.mine[k] {
		return d
	}
	name := k.BaseNamespace()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(name)
	if err != nil {
		raw = []byte(name)
	}
	d = sha256.Sum256(raw)
	for i := range d {
		d[i] ^= s.self[i]
	}
	return d
}

// Put implements datastore.Write.
func (s *store) Put(_ context.Context, k datastore.Key, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, replaced := s.kept[k]
	r := keptRecord{value, s.distance(k)}
	for {
		records, octets := len(s.kept), s.octets-len(old.value)+len(value)
		if !replaced {
			records++
		}
		if records <= s.mostRecords && octets <= s.mostOctets {
			break
		}
		far, most := k, r.distance
		for other, o := range s.kept {
			if bytes.Compare(o.distance[:], most[:]) > 0 {
				far, most = other, o.distance
			}
		}
		if far == k {
			return errStoreFull
		}
		s.octets -= len(s.kept[far].value)
		delete(s.kept, far)
	}
	s.octets += len(value) - len(old.value)
	s.kept[k] = r
	return nil
}

// Get implements datastore.Read.
func (s *store) Get(_ context.Context, k datastore.Key) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.kept[k]
	if !ok {
		return nil, datastore.ErrNotFound
	}
	return r.value, nil
}

// Has implements datastore.Read.
func (s *store) Has(_ context.Context, k datastore.Key) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.kept[k]
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
	s.octets -= len(s.kept[k].value)
	delete(s.kept, k)
	return nil
}

// Query implements datastore.Read; the DHTs sweep by it.
func (s *store) Query(_ context.Context, q query.Query) (query.Results, error) {
	s.mu.Lock()
	entries := make([]query.Entry, 0, len(s.kept))
	for k, r := range s.kept {
		if strings.HasPrefix(k.String(), q.Prefix) {
			entries = append(entries, query.Entry{Key: k.String(), Value: r.value, Size: len(r.value)})
		}
	}
	s.mu.Unlock()
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
