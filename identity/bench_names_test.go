package identity

import (
	"crypto/ed25519"
	"path/filepath"
	"testing"
	"time"
)

func BenchmarkBlindPublic(b *testing.B) {
	key := testDomain().Public().(ed25519.PublicKey)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (blinding{"alice", "2026-11-20", 0}).public(key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBlindPrivate(b *testing.B) {
	key := testDomain()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (blinding{"alice", "2026-11-20", 0}).private(key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecordKeys is what a look-up computes before it asks anybody.
func BenchmarkRecordKeys(b *testing.B) {
	l := Locator{Address: testName(b, "alice").Address}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := RecordKeys(l, testTime); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSealRecord makes one of the six records of a card, which is packed once for all.
func BenchmarkSealRecord(b *testing.B) {
	k := mustNew(b, "alice")
	text := mustPack(b, mustCard(b, k, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (blinding{"alice", "2026-11-20", 0}).sealRecord(k.Address(), text, k.account, testTime, [recordNonce]byte{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSealName makes one of the three signatures of a day, in the domain.
func BenchmarkSealName(b *testing.B) {
	n := mustName(b, testName(b, "alice"))
	b.ReportAllocs()
	for b.Loop() {
		mustSeal(b, n, blinding{"alice", "2026-11-20", 0})
	}
}

// BenchmarkNameRecords makes today's and tomorrow's records from signatures, at the member.
func BenchmarkNameRecords(b *testing.B) {
	k := mustMember(b, mustDomain(b, "", ""), "alice")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.NameRecords(testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenName(b *testing.B) {
	n := testName(b, "alice")
	r := mustSeal(b, mustName(b, n), blinding{"alice", utcDay(testTime), 0})
	l := Locator{Address: n.Address}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenRecord(l, r.Key, r.Value, testTime); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEnrol makes a grant for 30 days; its file is not encrypted.
func BenchmarkEnrol(b *testing.B) {
	d := mustDomain(b, "", "")
	_, request := mustRequest(b, d, "alice", "")
	b.ReportAllocs()
	for b.Loop() {
		if len(d.members) > 0 {
			d.members[0].Serial = 1
		}
		if _, err := d.Enrol(request, Enrolment{Until: testTime.Add(30 * day)}, testTime); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAcceptAccount verifies a grant of 30 days and makes the keys of a device.
func BenchmarkAcceptAccount(b *testing.B) {
	d := mustDomain(b, "", "")
	dir, request := mustRequest(b, d, "alice", "")
	grant, err := d.Enrol(request, Enrolment{Until: testTime.Add(30 * day)}, testTime)
	if err != nil {
		b.Fatal(err)
	}
	_, r, err := readRequest(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseAccountGrant(grant, r, testTime.Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := AcceptAccount(filepath.Clean(dir), grant, nil, testTime); err != nil {
		b.Fatal(err)
	}
}
