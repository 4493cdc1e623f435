package node

import (
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity"
)

// What devices of one person say to each other to stay alike (doc/spec/devices.md
// section 3).
const (
	typeSync   = "application/vnd.kith.sync"
	typeSynced = "application/vnd.kith.synced"
)

// Limits of an answer. One item may be larger than a page, and then has one to
// itself.
const (
	maxPage  = 190 << 10 // octets of items
	maxItem  = 250 << 10 // octets; a larger one stays where it is
	maxItems = 256
	maxKey   = 2048 // octets of an item's key
	maxStamp = 1 << 45

	maxStampAhead = 24 * time.Hour // of this clock
)

var (
	tagRenewal  = asn1.Tag(0).ContextSpecific()
	tagNewReach = asn1.Tag(1).ContextSpecific()
)

// syncWant says which items are asked for.
type syncWant int

const (
	wantAll    syncWant = iota
	wantPeople          // no messages: what it takes to verify them
)

// syncRequest asks another device of the owner's for what changed there.
type syncRequest struct {
	after   uint64 // cursor into the other's change log
	have    uint64 // newest number in one's own
	want    syncWant
	renewal []byte         // of certificates, for a device that administers
	reach   identity.Reach // of the signer's device now
}

func (r syncRequest) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Uint64(r.after)
		b.AddASN1Uint64(r.have)
		b.AddASN1Enum(int64(r.want))
		addOptional(b, tagRenewal, r.renewal)
		addOptional(b, tagNewReach, r.reach)
	})
	return b.Bytes()
}

func parseSyncRequest(der []byte) (*syncRequest, error) {
	var r syncRequest
	var want int
	var reach []byte
	in, ok := sequence(der)
	if !ok || !readUint(&in, &r.after) || !readUint(&in, &r.have) || !in.ReadASN1Enum(&want) ||
		!readOptional(&in, tagRenewal, &r.renewal) || !readOptional(&in, tagNewReach, &reach) || !in.Empty() ||
		want < int(wantAll) || want > int(wantPeople) || len(reach) > maxReach {
		return nil, fmt.Errorf("sync: %w", errSyntax)
	}
	r.want, r.reach = syncWant(want), reach
	return &r, nil
}

// synced is what changed, oldest first.
type synced struct {
	digest [32]byte // of the sealed request
	last   uint64   // cursor after these items
	more   bool
	grant  []byte // answers a renewal
	items  []item
}

// item is one thing as it stands, and its newest change.
type item struct {
	kind    ChangeKind
	key     string
	stamp   time.Time // in whole milliseconds
	deleted bool
	body    []byte // DER; of a setting, its value
}

func (s synced) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(s.digest[:])
		b.AddASN1Uint64(s.last)
		b.AddASN1Boolean(s.more)
		addOptional(b, tagRenewal, s.grant)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, it := range s.items {
				b.AddASN1(asn1.SEQUENCE, it.add)
			}
		})
	})
	return b.Bytes()
}

func (it item) add(b *cryptobyte.Builder) {
	b.AddASN1Enum(int64(it.kind))
	addText(b, it.key)
	b.AddASN1Int64(it.stamp.UnixMilli())
	b.AddASN1Boolean(it.deleted)
	b.AddASN1OctetString(it.body)
}

func parseSynced(der []byte) (*synced, error) {
	var s synced
	var list cryptobyte.String
	in, ok := sequence(der)
	if !ok || !readFixed(&in, s.digest[:]) || !readUint(&in, &s.last) || !in.ReadASN1Boolean(&s.more) ||
		!readOptional(&in, tagRenewal, &s.grant) || !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return nil, fmt.Errorf("sync: answer: %w", errSyntax)
	}
	for !list.Empty() {
		var it item
		if len(s.items) == maxItems || !readItem(&list, &it) {
			return nil, fmt.Errorf("sync: item: %w", errSyntax)
		}
		s.items = append(s.items, it)
	}
	return &s, nil
}

// limit takes the last word of all time from a clock that runs far ahead: what is
// changed here later could have no later stamp.
func (s *synced) limit(now time.Time) {
	most := now.Add(maxStampAhead).Truncate(time.Millisecond)
	for i := range s.items {
		if s.items[i].stamp.After(most) {
			s.items[i].stamp = most
		}
	}
}

func readItem(in *cryptobyte.String, it *item) bool {
	var one, key cryptobyte.String
	var kind int
	var stamp int64
	if !in.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1Enum(&kind) || !one.ReadASN1(&key, asn1.UTF8String) ||
		!one.ReadASN1Integer(&stamp) || !one.ReadASN1Boolean(&it.deleted) || !one.ReadASN1Bytes(&it.body, asn1.OCTET_STRING) || !one.Empty() ||
		kind < int(ContactChange) || kind > int(SettingChange) || len(key) > maxKey || stamp < 0 || stamp > maxStamp {
		return false
	}
	it.kind, it.key, it.stamp = ChangeKind(kind), string(key), time.UnixMilli(stamp).UTC()
	return true
}

// addMoment writes a moment in milliseconds since 1970; 0 for none.
func addMoment(b *cryptobyte.Builder, t time.Time) {
	if t.IsZero() {
		b.AddASN1Int64(0)
		return
	}
	b.AddASN1Int64(max(t.UnixMilli(), 1))
}

func readMoment(in *cryptobyte.String, out *time.Time) bool {
	var ms int64
	if !in.ReadASN1Integer(&ms) || ms < 0 || ms > maxStamp {
		return false
	}
	*out = time.Time{}
	if ms > 0 {
		*out = time.UnixMilli(ms).UTC()
	}
	return true
}

// readOctets reads an OCTET STRING of at most limit octets.
func readOctets(in *cryptobyte.String, out *[]byte, limit int) bool {
	return in.ReadASN1Bytes(out, asn1.OCTET_STRING) && len(*out) <= limit
}

// readMaybe reads an OCTET STRING of len(out) octets or none.
func readMaybe(in *cryptobyte.String, out []byte) bool {
	var raw []byte
	if !in.ReadASN1Bytes(&raw, asn1.OCTET_STRING) || len(raw) != 0 && len(raw) != len(out) {
		return false
	}
	copy(out, raw)
	return true
}

// addMaybe writes octets, or none if they are all zero.
func addMaybe(b *cryptobyte.Builder, value []byte) {
	for _, c := range value {
		if c != 0 {
			b.AddASN1OctetString(value)
			return
		}
	}
	b.AddASN1OctetString(nil)
}
