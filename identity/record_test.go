package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestRecords(t *testing.T) {
	k := mustNew(t, "alice")
	card := mustCard(t, k, 1)
	all := card.Records()
	if len(all) != 6 {
		t.Fatalf("%d records: want 6", len(all))
	}
	today, err := RecordKeys(Locator{Address: k.Address()}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	tomorrow, err := RecordKeys(Locator{Address: k.Address()}, testTime.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	want := append(today[:], tomorrow[:]...)
	issued := map[uint64]bool{}
	for i, r := range all {
		if r.Key != want[i] || len(r.Key) != len("/kith/")+52 {
			t.Errorf("record %d: key %s; want %s", i, r.Key, want[i])
		}
		if slices.Contains(want[:i], r.Key) {
			t.Errorf("record %d: key %s twice", i, r.Key)
		}
		if bytes.Contains(r.Value, []byte("alice")) || bytes.Contains(r.Value, k.account[32:]) {
			t.Errorf("record %d shows whose it is", i)
		}
		got, err := OpenRecord(Locator{Address: k.Address()}, r.Key, r.Value, testTime)
		if err != nil || !bytes.Equal(got.Card.Bytes(), card.Bytes()) {
			t.Errorf("record %d: %v", i, err)
		}
		from, until := recordTimes(r.Value)
		issued[from] = true
		if latest := uint64(testTime.Add(-clockSkew).Unix()); from > latest || from+offsetSpan <= latest || until-from > 48*3600 {
			t.Errorf("record %d: times %d, %d", i, from, until)
		}
	}
	if len(issued) < 3 {
		t.Errorf("issue times link the slots: %v", issued)
	}
	midnight := testTime.Truncate(24 * time.Hour)
	early, err := k.SignCard(CardDraft{Serial: 2}, midnight)
	if err == nil {
		t.Fatal("card before the certificates are valid")
	}
	late, err := k.SignCard(CardDraft{Serial: 2}, midnight.Add(24*time.Hour))
	if err != nil || !early.IsZero() {
		t.Fatal(err)
	}
	for i, r := range late.Records() {
		if err := CheckRecord(r.Key, r.Value, midnight.Add(24*time.Hour)); err != nil {
			t.Errorf("record %d made at midnight: %v", i, err)
		}
	}
}

// TestReissue holds two issues in one slot to their order.
func TestReissue(t *testing.T) {
	k := mustNew(t, "alice")
	first := mustCard(t, k, 1).Records()
	later, err := k.SignCard(CardDraft{Serial: 2}, testTime.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for i, second := range later.Records() {
		if CompareRecords(second.Value, first[i].Value) <= 0 || CompareRecords(first[i].Value, second.Value) >= 0 {
			t.Errorf("record %d does not rise", i)
		}
	}
	a, b := first[0].Value, mustCard(t, k, 1).Records()[0].Value
	if CompareRecords(a, a) != 0 || CompareRecords(a, b) == 0 || CompareRecords(a, b) != -CompareRecords(b, a) {
		t.Error("equal times are not ordered by octets")
	}
	if CompareRecords(nil, a) >= 0 || CompareRecords(a, []byte{0xff}) <= 0 || CompareRecords(nil, nil) != 0 {
		t.Error("garbage wins")
	}
}

func TestCheckRecordHostile(t *testing.T) {
	k := mustNew(t, "alice")
	good := mustCard(t, k, 1).Records()[0]
	other := mustCard(t, mustNew(t, "mallory"), 1).Records()[0]
	sign := func(change func(v []byte)) []byte {
		v := slices.Clone(good.Value)
		change(v)
		key, err := blinding{"alice", utcDay(testTime), 0}.private(k.account)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := key.sign(append([]byte(recordContext+"\x00"), v[:len(v)-64]...))
		if err != nil {
			t.Fatal(err)
		}
		copy(v[len(v)-64:], signature)
		return v
	}
	times := func(from, until time.Duration) func(v []byte) {
		return func(v []byte) {
			binary.BigEndian.PutUint64(v[33:], uint64(testTime.Add(from).Unix()))
			binary.BigEndian.PutUint64(v[41:], uint64(testTime.Add(until).Unix()))
		}
	}
	for _, test := range []struct {
		name  string
		key   string
		value []byte
		want  error // nil: any
	}{
		{"empty", good.Key, nil, nil},
		{"one octet short", good.Key, good.Value[:len(good.Value)-1], nil},
		{"one octet long", good.Key, append(slices.Clone(good.Value), 0), nil},
		{"smaller class", good.Key, good.Value[:1024], ErrSignature},
		{"larger class", good.Key, append(slices.Clone(good.Value), make([]byte, 2048)...), ErrSignature},
		{"16 KiB", good.Key, make([]byte, 16<<10), nil},
		{"other version", good.Key, sign(func(v []byte) { v[0] = 2 }), nil},
		{"other slot", other.Key, good.Value, nil},
		{"other slot's value", good.Key, other.Value, nil},
		{"other namespace", "/pk/" + good.Key[6:], good.Value, nil},
		{"upper case slot", "/kith/" + string(bytes.ToUpper([]byte(good.Key[6:]))), good.Value, nil},
		{"from the future", good.Key, sign(times(11*time.Minute, time.Hour)), ErrExpired},
		{"too old", good.Key, sign(times(-2*time.Hour, -11*time.Minute)), ErrExpired},
		{"over-long validity", good.Key, sign(times(0, 48*time.Hour+time.Second)), nil},
		{"ends before it begins", good.Key, sign(times(0, -time.Minute)), nil},
		{"times that overflow", good.Key, sign(func(v []byte) {
			binary.BigEndian.PutUint64(v[33:], 1<<63)
			binary.BigEndian.PutUint64(v[41:], 1<<63+3600)
		}), nil},
		{"unsigned change of time", good.Key, func() []byte { v := slices.Clone(good.Value); times(-time.Minute, time.Hour)(v); return v }(), ErrSignature},
	} {
		err := CheckRecord(test.key, test.value, testTime)
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v; want %v", test.name, err, test.want)
		}
		if c, err := OpenRecord(Locator{Address: k.Address()}, test.key, test.value, testTime); err == nil || !c.Card.IsZero() {
			t.Errorf("%s: OpenRecord took it", test.name)
		}
	}
	for name, value := range map[string][]byte{
		"10 minutes ahead": sign(times(10*time.Minute, time.Hour)),
		"10 minutes over":  sign(times(-time.Hour, -10*time.Minute)),
		"48 hours":         sign(times(0, 48*time.Hour)),
	} {
		if err := CheckRecord(good.Key, value, testTime); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckRecordFlips(t *testing.T) {
	good := mustCard(t, mustNew(t, "alice"), 1).Records()[0]
	for i := 0; i < len(good.Value); i += 13 {
		value := slices.Clone(good.Value)
		value[i] ^= 1 << (i % 8)
		if CheckRecord(good.Key, value, testTime) == nil {
			t.Errorf("octet %d altered and accepted", i)
		}
	}
}

// TestOpenRecordForeignCard puts the card of one address, rightly signed, into the record of another: whoever owns a slot may seal anything.
func TestOpenRecordForeignCard(t *testing.T) {
	alice, mallory := mustNew(t, "alice"), mustNew(t, "mallory")
	stolen := mustCard(t, alice, 1)
	b := blinding{"mallory", utcDay(testTime), 0}
	key, err := b.private(mallory.account)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := b.recordCipher(mallory.Address(), key.public)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(text []byte) Record {
		head := append([]byte{recordVersion}, key.public...)
		head = binary.BigEndian.AppendUint64(head, uint64(testTime.Unix()))
		head = binary.BigEndian.AppendUint64(head, uint64(testTime.Add(time.Hour).Unix()))
		nonce := make([]byte, recordNonce)
		value := aead.Seal(append(slices.Clone(head), nonce...), nonce, text, head)
		signature, err := key.sign(append([]byte(recordContext+"\x00"), value...))
		if err != nil {
			t.Fatal(err)
		}
		return Record{slotKey(key.public), append(value, signature...)}
	}
	own := mustCard(t, mallory, 1)
	long := mustPack(t, own)
	binary.BigEndian.PutUint16(long, 65535)
	dirty := mustPack(t, own)
	dirty[len(dirty)-1] = 1
	after := mustPack(t, own)
	binary.BigEndian.PutUint16(after, binary.BigEndian.Uint16(after)+1)
	bomb := mustPack(t, SignedCard{raw: make([]byte, 1<<20)})
	for name, test := range map[string]struct {
		text []byte
		good bool
	}{
		"own card":          {mustPack(t, own), true},
		"foreign card":      {mustPack(t, stolen), false},
		"length too long":   {long, false},
		"padding not zero":  {dirty, false},
		"octet after card":  {after, false},
		"unpacks to 1 MiB":  {bomb, false},
		"not packed at all": {append([]byte{0, 40}, bytes.Repeat([]byte{0xff}, 1024-recordOverhead-2)...), false},
		"no card":           {make([]byte, 2048-recordOverhead), false},
	} {
		r := seal(test.text)
		if err := CheckRecord(r.Key, r.Value, testTime); err != nil {
			t.Errorf("%s: CheckRecord: %v", name, err)
		}
		if _, err := OpenRecord(Locator{Address: mallory.Address()}, r.Key, r.Value, testTime); (err == nil) != test.good {
			t.Errorf("%s: OpenRecord: %v", name, err)
		}
	}
	good := own.Records()[0]
	if _, err := OpenRecord(Locator{Address: alice.Address()}, good.Key, good.Value, testTime); err == nil {
		t.Error("record opened for an address that it is not of")
	}
	if _, err := OpenRecord(Locator{}, good.Key, good.Value, testTime); err == nil {
		t.Error("record opened for nobody")
	}
}

func mustPack(t testing.TB, c SignedCard) []byte {
	t.Helper()
	text, err := c.pack()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRecordKeysOfDNS(t *testing.T) {
	a, err := ParseAddress("fred@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := RecordKeys(Locator{Address: a}, testTime); err == nil {
		t.Error("slots for a DNS domain")
	}
}

// vectorCard is the card of record.json: the same in all processes of a fuzzer.
func vectorCard(t testing.TB) (SignedCard, Record) {
	t.Helper()
	v := readVectors(t, "vectors/record.json").Record
	raw, err := hex.DecodeString(v.SignedCard)
	if err != nil {
		t.Fatal(err)
	}
	value, err := hex.DecodeString(v.Value)
	if err != nil {
		t.Fatal(err)
	}
	card, err := ParseSignedCard(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return card, Record{v.Key, value}
}

func FuzzCheckRecord(f *testing.F) {
	_, good := vectorCard(f)
	f.Add(good.Key, good.Value)
	f.Add(good.Key, good.Value[:1024])
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if err := CheckRecord(key, value, testTime); err == nil {
			if !ed25519.Verify(value[1:33], append([]byte(recordContext+"\x00"), value[:len(value)-64]...), value[len(value)-64:]) {
				t.Fatal("accepted without a signature")
			}
		}
		if CompareRecords(value, good.Value) != -CompareRecords(good.Value, value) {
			t.Fatal("comparison is not antisymmetric")
		}
	})
}

// FuzzOpenRecord seals arbitrary text in a good record, which reaches the code behind the signature.
func FuzzOpenRecord(f *testing.F) {
	card, _ := vectorCard(f)
	f.Add(card.Bytes())
	f.Add([]byte{0x30, 0x00})
	b := blinding{"alice", utcDay(testTime), 0}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > maxCard {
			return
		}
		r, err := b.sealRecord(card.Card().Address, mustPack(t, SignedCard{raw: raw}), testAccount(), testTime, [recordNonce]byte{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenRecord(Locator{Address: card.Card().Address}, r.Key, r.Value, testTime)
		if (err == nil) == got.Card.IsZero() || err == nil && !bytes.Equal(got.Card.Bytes(), raw) {
			t.Fatalf("opened %x, %v", got.Card.Bytes(), err)
		}
	})
}
