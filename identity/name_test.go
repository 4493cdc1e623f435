package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// testDomain is the domain key of all vectors: its seed is the SHA-256 of "kith test domain".
func testDomain() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("kith test domain"))
	return ed25519.NewKeyFromSeed(seed[:])
}

// testName states that alice under the domain of the vectors has the account key of the vectors.
func testName(t testing.TB, local string) Name {
	t.Helper()
	a, err := NewAddress(local, testDomain().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return Name{a, testAccount().Public().(ed25519.PublicKey), 7, testTime, testTime.Add(30 * day)}
}

func mustName(t testing.TB, n Name) signedName {
	t.Helper()
	signed, err := n.sign(testDomain())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func mustSeal(t testing.TB, n signedName, b blinding) Record {
	t.Helper()
	r, err := n.seal(b, testDomain())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestName(t *testing.T) {
	for name, want := range map[string]Name{
		"member":    testName(t, "alice"),
		"expired":   {Address: testName(t, "alice").Address, Serial: 1, Issued: testTime, Until: testTime.Add(time.Second)},
		"last":      {testName(t, "alice").Address, testName(t, "alice").Account, maxNameSerial, testTime, noExpiry},
		"quoted":    testName(t, "fred flint"),
		"longest":   testName(t, strings.Repeat("#", maxLocal)),
		"in a zone": {mustAddress(t, "fred@example.com"), testName(t, "alice").Account, 1, testTime, testTime.Add(day)},
	} {
		signed := mustName(t, want)
		got, err := parseName(signed.raw, testDomain().Public().(ed25519.PublicKey), testTime)
		if diff := cmp.Diff(want, got.Name, cmp.AllowUnexported(Address{})); err != nil || diff != "" || !bytes.Equal(got.raw, signed.raw) {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		if isName(mustCard(t, mustNew(t, "alice"), 1).Bytes()) || !isName(signed.raw) || isName(nil) {
			t.Error("a name is not told from a card")
		}
	}
}

// TestNameRefused offers names that are not, not now, or not in the one form that there is.
func TestNameRefused(t *testing.T) {
	good := testName(t, "alice")
	domain := testDomain()
	// statement writes what may not be stated, with fields added at the end.
	statement := func(change func(*Name), more ...byte) []byte {
		n := good
		if change != nil {
			change(&n)
		}
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(n.Address.local + "@" + n.Address.domain)) })
			b.AddASN1Uint64(n.Serial)
			b.AddASN1GeneralizedTime(n.Issued)
			b.AddASN1GeneralizedTime(n.Until)
			if n.Account != nil {
				b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(n.Account) })
			}
			b.AddBytes(more)
		})
		return b.BytesOrPanic()
	}
	wrap := func(statement []byte, key ed25519.PrivateKey, context string) []byte {
		var b cryptobyte.Builder
		b.AddASN1(nameTag, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(statement)
			b.AddASN1OctetString(ed25519.Sign(key, append([]byte(context), statement...)))
		})
		return b.BytesOrPanic()
	}
	sign := func(change func(*Name), more ...byte) []byte {
		return wrap(statement(change, more...), domain, nameContext)
	}
	if _, err := parseName(sign(nil), domain.Public().(ed25519.PublicKey), testTime); err != nil {
		t.Fatal(err)
	}
	version := statement(nil)
	version[4] = 2
	for name, test := range map[string]struct {
		raw  []byte
		want error // nil: any
	}{
		"empty":               {nil, nil},
		"a card":              {mustCard(t, mustNew(t, "alice"), 1).Bytes(), nil},
		"only a statement":    {statement(nil), nil},
		"octets behind":       {append(sign(nil), 0), nil},
		"field behind":        {sign(nil, 0x05, 0x00), nil},
		"version 2":           {wrap(version, domain, nameContext), nil},
		"huge":                {append(sign(nil), make([]byte, maxName)...), nil},
		"another key":         {wrap(statement(nil), testAccount(), nameContext), ErrSignature},
		"another context":     {wrap(statement(nil), domain, cardContext), ErrSignature},
		"serial 0":            {sign(func(n *Name) { n.Serial = 0 }), nil},
		"serial 3601":         {sign(func(n *Name) { n.Serial = maxNameSerial + 1 }), nil},
		"serial of 64 bits":   {sign(func(n *Name) { n.Serial = 1<<64 - 1 }), nil},
		"ends as it begins":   {sign(func(n *Name) { n.Until = n.Issued }), nil},
		"is over":             {sign(func(n *Name) { n.Issued, n.Until = n.Issued.Add(-day), n.Issued.Add(-11*time.Minute) }), ErrExpired},
		"is to come":          {sign(func(n *Name) { n.Issued = n.Issued.Add(11 * time.Minute) }), ErrExpired},
		"key of 31 octets":    {sign(func(n *Name) { n.Account = n.Account[:31] }), nil},
		"no key":              {sign(func(n *Name) { n.Account = ed25519.PublicKey{} }), nil},
		"key of small order":  {sign(func(n *Name) { n.Account = append([]byte{1}, make([]byte, 31)...) }), nil},
		"key of the domain":   {sign(func(n *Name) { n.Account = domain.Public().(ed25519.PublicKey) }), nil},
		"no address":          {sign(func(n *Name) { n.Address = Address{} }), nil},
		"upper case domain":   {sign(func(n *Name) { n.Address.domain = strings.ToUpper(n.Address.domain) }), nil},
		"escaped letter":      {sign(func(n *Name) { n.Address.local = "%61lice" }), nil},
		"an address with im:": {sign(func(n *Name) { n.Address.local = "im:alice" }), nil},
	} {
		if n, err := parseName(test.raw, domain.Public().(ed25519.PublicKey), testTime); err == nil || !n.IsZero() || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %+v, %v", name, n.Name, err)
		}
	}
	raw := mustName(t, good).raw
	for i := range raw {
		altered := bytes.Clone(raw)
		altered[i] ^= 1 << (i % 8)
		if _, err := parseName(altered, domain.Public().(ed25519.PublicKey), testTime); err == nil {
			t.Errorf("octet %d altered and accepted", i)
		}
	}
	for _, n := range []Name{{}, {Address: good.Address, Serial: 1}, {Address: good.Address, Issued: testTime, Until: testTime.Add(1)}} {
		if _, err := n.sign(domain); err == nil {
			t.Errorf("signed %+v", n)
		}
	}
}

// TestNameOfAnotherDomain holds domains to be independent of each other, R2779-2.1.4: the key of one says nothing about an address of another, in
// whatever form it tries.
func TestNameOfAnotherDomain(t *testing.T) {
	x, y := mustDomain(t, "", ""), mustDomain(t, "", "")
	k := mustMember(t, x, "fred") // while nothing of y is there to ask
	names, _, err := k.NameRecords(testTime)
	if err != nil {
		t.Fatal(err)
	}
	l := Locator{Address: k.Address()}
	name := Name{k.Address(), testAccount().Public().(ed25519.PublicKey), 9, testTime, testTime.Add(day)}
	signed, err := name.sign(y.key)
	if err != nil {
		t.Fatal(err)
	}
	b := blinding{k.Address().local, utcDay(testTime), 0}
	foreign, err := signed.seal(b, y.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckRecord(foreign.Key, foreign.Value, testTime); err != nil {
		t.Fatal(err)
	}
	if foreign.Key == names[0].Key {
		t.Error("two domains have the same slot")
	}
	if found, err := OpenRecord(l, foreign.Key, foreign.Value, testTime); err == nil {
		t.Errorf("R2779-2.1.4: %+v", found)
	}
	if err := CheckRecord(names[0].Key, foreign.Value, testTime); err == nil {
		t.Error("R2779-2.1.4: a record by y is stored in a slot of x")
	}
	// Even in a slot of x, sealed by x, the statement must be x's own.
	sealed, err := signed.seal(b, x.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRecord(l, sealed.Key, sealed.Value, testTime); !errors.Is(err, ErrSignature) {
		t.Errorf("R2779-2.1.4: a statement by y in a record by x: %v", err)
	}
	// And y, asked for an address of its own, cannot state one of x, nor x for another of its addresses.
	for _, locator := range []Locator{{Address: mustAddress(t, "fred@"+y.Name())}, {Address: mustAddress(t, "wilma@"+x.Name())}} {
		key := y.key
		if locator.Address.domain == x.Name() {
			key = x.key
		}
		n, err := name.sign(key)
		if err != nil {
			t.Fatal(err)
		}
		n.Address = locator.Address // seals for it what states another
		r, err := n.seal(blinding{locator.Address.local, utcDay(testTime), 0}, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRecord(locator, r.Key, r.Value, testTime); err == nil {
			t.Errorf("R2779-2.1.4: a name of %s for %s", name.Address.Short(), locator.Address.Short())
		}
	}
	if _, err := y.Enrol(nil, Enrolment{Local: "fred", Until: testTime.Add(day)}, testTime); err == nil {
		t.Error("R2779-2.1.4: y renews a member of x")
	}
	// A DNS domain is whose key the zone has: the other key finds nothing.
	dns := mustDomain(t, "example.com", "")
	member := mustMember(t, dns, "fred")
	if names, _, err = member.NameRecords(testTime); err != nil {
		t.Fatal(err)
	}
	for _, key := range []ed25519.PublicKey{x.Key(), nil} {
		if _, err := OpenRecord(Locator{Address: member.Address(), Domain: key}, names[0].Key, names[0].Value, testTime); err == nil {
			t.Error("R2779-2.1.4: a name of a DNS domain by a key that is not the zone's")
		}
	}
	if _, err := ParseSignedCard(mustCard(t, member, 1).Bytes(), func(string) ed25519.PublicKey { return x.Key() }); err == nil {
		t.Error("R2779-2.1.4: a card of a DNS domain by a key that is not the zone's")
	}
}

// TestNameNonce holds the nonces of names apart: under one key of AES-GCM, which is that of a slot, no two plaintexts have the same.
func TestNameNonce(t *testing.T) {
	n := testName(t, "alice")
	b := blinding{"alice", utcDay(testTime), 1}
	nonces := map[string]string{}
	note := func(r Record) {
		text := fmt.Sprintf("%x", sha256.Sum256(r.Value[recordHead+recordNonce:len(r.Value)-ed25519.SignatureSize]))
		nonce := string(r.Value[recordHead : recordHead+recordNonce])
		if known, ok := nonces[nonce]; ok && known != text {
			t.Fatal("two texts under one nonce")
		}
		nonces[nonce] = text
	}
	for serial := range uint64(300) {
		n.Serial = serial + 1
		n.Issued = testTime // the same but for the serial
		signed := mustName(t, n)
		note(mustSeal(t, signed, b))
		note(mustSeal(t, signed, b)) // the same octets once more
		// A signer that is not deterministic would sign one statement in two ways.
		signed.raw = append(bytes.Clone(signed.raw[:len(signed.raw)-1]), signed.raw[len(signed.raw)-1]^1)
		note(mustSeal(t, signed, b))
	}
	if len(nonces) != 600 {
		t.Errorf("%d nonces for 600 texts", len(nonces))
	}
	one := mustSeal(t, mustName(t, n), b)
	for _, other := range []blinding{{"alice", b.day, 0}, {"alice", "2026-11-21", 1}} {
		if r := mustSeal(t, mustName(t, n), other); bytes.Equal(r.Value[recordHead:recordHead+recordNonce], one.Value[recordHead:recordHead+recordNonce]) {
			t.Error("two slots have the same nonce")
		}
	}
}

// TestNameRises holds a later name to a later visible issue time in each slot, by which nodes choose.
func TestNameRises(t *testing.T) {
	n := testName(t, "alice")
	b := blinding{"alice", utcDay(testTime), 2}
	midnight := testTime.Truncate(day)
	n.Serial = 0
	var before Record
	for _, serial := range []uint64{1, 2, 3, 500, 3599, 3600} {
		n.Serial = serial
		r := mustSeal(t, mustName(t, n), b)
		if before.Value != nil && CompareRecords(r.Value, before.Value) <= 0 {
			t.Errorf("serial %d does not win", serial)
		}
		before = r
		issued, expires := recordTimes(r.Value)
		from := midnight.Add(-nameLead)
		if issued < uint64(from.Unix())+serial || issued >= uint64(from.Unix())+serial+offsetSpan || expires != uint64(midnight.Add(25*time.Hour).Unix()) {
			t.Errorf("serial %d: from %d to %d", serial, issued, expires)
		}
		for at, want := range map[time.Duration]bool{-day: false, -21 * time.Hour: true, 0: true, 25*time.Hour + 10*time.Minute: true, 25*time.Hour + 11*time.Minute: false} {
			if err := CheckRecord(r.Key, r.Value, midnight.Add(at)); (err == nil) != want {
				t.Errorf("serial %d at %s: %v", serial, at, err)
			}
		}
	}
}

// TestNameLooksLikeCard holds a name to have the size of most cards, and to show a storing node nothing else that a card would not: nobody can tell by
// size or form whether a slot is of somebody's own domain, or of a member.
func TestNameLooksLikeCard(t *testing.T) {
	d := mustDomain(t, "", "")
	member, own := mustMember(t, d, "fred"), mustNew(t, "fred")
	names, _, err := member.NameRecords(testTime)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(names, mustCard(t, member, 1).Records(), mustCard(t, own, 1).Records())
	for _, local := range []string{"a", strings.Repeat("#", maxLocal)} {
		n := testName(t, local)
		all = append(all, mustSeal(t, mustName(t, n), blinding{n.Address.local, utcDay(testTime), 0}))
		n.Account = nil // expired
		all = append(all, mustSeal(t, mustName(t, n), blinding{n.Address.local, utcDay(testTime), 0}))
		n.Address = mustAddress(t, n.Address.local+"@"+strings.Repeat("a.", 125)+"com")
		all = append(all, mustSeal(t, mustName(t, n), blinding{n.Address.local, utcDay(testTime), 0}))
	}
	for i, r := range all {
		if err := CheckRecord(r.Key, r.Value, testTime); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		if len(r.Value) != leastRecord || r.Value[0] != recordVersion {
			t.Errorf("record %d: %d octets", i, len(r.Value))
		}
		for _, known := range []string{"fred", member.Address().Domain(), string(d.Key()), string(member.accountKey()), string(own.accountKey())} {
			if bytes.Contains(r.Value, []byte(known)) {
				t.Errorf("record %d shows %q", i, known)
			}
		}
	}
}

// TestRecordLimit fills a record of 8 KiB to its last octet, and one octet beyond.
func TestRecordLimit(t *testing.T) {
	const room = maxRecord - recordOverhead - 2
	for _, test := range []struct {
		n, size int
	}{{1, leastRecord}, {leastRecord - recordOverhead - 2, leastRecord}, {leastRecord - recordOverhead - 1, 4 << 10}, {room, maxRecord}, {room + 1, 0}} {
		text, err := pad(noise(test.n))
		if (err == nil) != (test.size > 0) || err == nil && len(text)+recordOverhead != test.size {
			t.Errorf("%d octets: %d, %v", test.n, len(text)+recordOverhead, err)
		}
		if err == nil && (int(binary.BigEndian.Uint16(text)) != test.n || !bytes.Equal(text[2:2+test.n], noise(test.n))) {
			t.Errorf("%d octets: padded wrong", test.n)
		}
	}
	k := mustNew(t, "alice")
	b := blinding{"alice", utcDay(testTime), 0}
	stored := noise(room - 5)
	text, err := store(stored)
	if err != nil {
		t.Fatal(err)
	}
	key, err := b.private(k.account)
	if err != nil {
		t.Fatal(err)
	}
	body, err := b.sealText(k.Address(), key.public, testTime, testTime.Add(time.Hour), [recordNonce]byte{}, text)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.sign(signedPart(body))
	if err != nil {
		t.Fatal(err)
	}
	value := append(body, signature...)
	if err := CheckRecord(slotKey(key.public), value, testTime); err != nil || len(value) != 8192 {
		t.Errorf("record of %d octets: %v", len(value), err)
	}
	opened, err := b.openText(k.Address(), value)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := unpack(opened); err != nil || !bytes.Equal(raw, stored) {
		t.Errorf("unpacked %d octets, %v", len(raw), err)
	}
	if _, err := store(noise(room - 4)); err == nil {
		t.Error("a record of 8193 octets")
	}
	if err := CheckRecord(slotKey(key.public), append(value, 0), testTime); err == nil {
		t.Error("a record of 8193 octets accepted")
	}
}
