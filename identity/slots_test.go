package identity

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestAccountSlots holds what is in the slots of an account key to be its own card.
func TestAccountSlots(t *testing.T) {
	d := mustDomain(t, "", "")
	fred := mustMember(t, d, "fred")
	l := fred.Locator()
	b := blinding{"fred", utcDay(testTime), 0}
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	card := mustCard(t, fred, 1)
	elsewhere, err := b.sealRecord(l.Address, mustPack(t, card), other, testTime, [recordNonce]byte{})
	if err != nil {
		t.Fatal(err)
	}
	thief := Locator{l.Address, nil, other.Public().(ed25519.PublicKey)}
	if _, err := OpenRecord(thief, elsewhere.Key, elsewhere.Value, testTime); err == nil {
		t.Error("a card in a slot of another account key")
	}
	inDomain, err := b.sealRecord(l.Address, mustPack(t, card), d.key, testTime, [recordNonce]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRecord(Locator{Address: l.Address}, inDomain.Key, inDomain.Value, testTime); err == nil {
		t.Error("a member's card in a slot of the domain key")
	}
	name, err := Name{l.Address, l.Account, 1, testTime, testTime.Add(day)}.sign(d.key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := name.seal(b, fred.account)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRecord(l, r.Key, r.Value, testTime); err == nil {
		t.Error("a name in a slot of the account key")
	}
	for name, bad := range map[string]Locator{
		"nobody":                 {},
		"another domain key":     {Address: l.Address, Domain: l.Account},
		"account of small order": {Address: l.Address, Account: append([]byte{1}, make([]byte, 31)...)},
		"short account":          {Address: l.Address, Account: l.Account[:31]},
		"short domain":           {Address: mustAddress(t, "fred@example.com"), Domain: l.Domain[:31]},
	} {
		if keys, err := RecordKeys(bad, testTime); err == nil || keys != [3]string{} {
			t.Errorf("%s: slots %v", name, keys)
		}
		if _, err := OpenRecord(bad, r.Key, r.Value, testTime); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// TestSlotsUnlinkable compares what storing nodes see of the slots of one member, over days and salts: nothing but what all records of a day share.
func TestSlotsUnlinkable(t *testing.T) {
	signed := mustName(t, testName(t, "alice"))
	var all []Record
	offsets := map[uint64]int{}
	for d := range 30 {
		today := testTime.Truncate(day).Add(time.Duration(d) * day)
		for salt := range byte(slotsPerDay) {
			r := mustSeal(t, signed, blinding{"alice", utcDay(today), salt})
			issued, _ := recordTimes(r.Value)
			offsets[issued-uint64(today.Add(-nameLead).Unix())]++
			all = append(all, r)
		}
	}
	if len(offsets) < 60 {
		t.Errorf("90 slots show %d times within their day", len(offsets))
	}
	windows := map[string]int{}
	for i, r := range all {
		visible := slices.Concat(r.Value[1:33], r.Value[recordHead:])
		for at := 0; at+8 <= len(visible); at++ {
			window := string(visible[at : at+8])
			if other, ok := windows[window]; ok && other != i {
				t.Fatalf("records %d and %d have eight octets in common", other, i)
			}
			windows[window] = i
		}
		if other := all[(i+1)%len(all)]; other.Key[6:10] == r.Key[6:10] {
			t.Errorf("slots %s and %s", r.Key, other.Key)
		}
	}
}

// TestManyMembers holds thousands of local parts of one domain to distinct slots, all of them found by nobody but who knows the local part.
func TestManyMembers(t *testing.T) {
	domain := testDomain().Public().(ed25519.PublicKey)
	slots := map[string]bool{}
	const members = 5000
	for i := range members {
		blinded, err := blinding{fmt.Sprintf("member%d", i), utcDay(testTime), byte(i % slotsPerDay)}.public(domain)
		if err != nil {
			t.Fatal(err)
		}
		slots[slotKey(blinded)] = true
	}
	if len(slots) != members {
		t.Errorf("%d slots for %d members", len(slots), members)
	}
	n := testName(t, "member1")
	r := mustSeal(t, mustName(t, n), blinding{"member1", utcDay(testTime), 0})
	l := Locator{Address: testName(t, "member2").Address}
	if _, err := OpenRecord(l, r.Key, r.Value, testTime); err == nil {
		t.Error("another member's record opened")
	}
}

// TestDayChange runs publishers, storing nodes and readers whose clocks differ by up to ten minutes from each other over two changes of the day: whoever
// looks, at whatever minute, finds what is stored.
func TestDayChange(t *testing.T) {
	d := mustDomain(t, "", "")
	fred := mustMember(t, d, "fred")
	name, card := Locator{Address: fred.Address()}, fred.Locator()
	clocks := []time.Duration{-clockSkew, 0, clockSkew}
	start := testTime.Truncate(day).Add(22 * time.Hour)
	for _, skew := range clocks {
		stored := map[string][]byte{}
		for at := time.Duration(0); at <= 28*time.Hour; at += 10 * time.Minute {
			now := start.Add(at)
			if at%time.Hour == 0 {
				signed, err := fred.SignCard(CardDraft{Serial: uint64(at/time.Hour) + 1}, now.Add(skew))
				if err != nil {
					t.Fatal(err)
				}
				names, _, err := fred.NameRecords(now.Add(skew))
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range append(names, signed.Records()...) {
					if err := CheckRecord(r.Key, r.Value, now); err != nil {
						t.Fatalf("publisher %s off at %s: %v", skew, now, err)
					}
					stored[r.Key] = r.Value
				}
			}
			if toMidnight := now.Sub(now.Round(day)).Abs(); toMidnight > 30*time.Minute && at%(3*time.Hour) != 0 {
				continue
			}
			for _, reader := range clocks {
				if (skew - reader).Abs() > clockSkew {
					continue // too far from each other
				}
				seen := now.Add(reader)
				for _, l := range []Locator{name, card} {
					keys, err := RecordKeys(l, seen)
					if err != nil {
						t.Fatal(err)
					}
					for _, key := range keys {
						slots := card.Domain
						if l.Account != nil {
							slots = l.Account
						}
						if _, err := OpenRecord(l, key, stored[key], seen); err != nil {
							t.Fatalf("publisher %s, reader %s off at %s: %v", skew, reader, now, err)
						}
						b, err := findBlinding("fred", slots, stored[key][1:33], seen)
						if err != nil || b.day != utcDay(seen) {
							t.Fatalf("slot of %s found as of %s: %v", utcDay(seen), b.day, err)
						}
					}
				}
			}
		}
	}
	if _, err := findBlinding("fred", card.Account, make([]byte, 32), testTime); err == nil {
		t.Error("found the slot of nobody")
	}
}
