package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// mustDomain makes a domain of a new key, with a passphrase or without.
func mustDomain(t testing.TB, dns, pass string) *Domain {
	t.Helper()
	d, err := createDomain(filepath.Join(t.TempDir(), "domain"), dns, []byte(pass), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// mustRequest asks for an account and gives the home that waits for it.
func mustRequest(t testing.TB, d *Domain, local, pass string) (dir string, request []byte) {
	t.Helper()
	a, err := addressIn(local, d.Name())
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "home")
	request, err = requestAccount(dir, a, d.Key(), []byte(pass), 2)
	if err != nil {
		t.Fatal(err)
	}
	return dir, request
}

// mustMember makes a member of a domain until 100 days after testTime.
func mustMember(t testing.TB, d *Domain, local string) *Keys {
	t.Helper()
	dir, request := mustRequest(t, d, local, "")
	grant, err := d.Enrol(request, Enrolment{Until: testTime.Add(100 * day), Days: 5}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	k, err := AcceptAccount(dir, grant, nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestEnrol follows an account from its request to what a stranger finds: the name in the slots of the domain key, the card in those of the account key.
func TestEnrol(t *testing.T) {
	for _, test := range []struct{ dns, domainPass, accountPass string }{
		{"", "", ""},
		{"", "domain word", ""}, // account keys under a passphrase: TestAcceptPassphrase
		{"Example.com", "", ""},
	} {
		d := mustDomain(t, test.dns, test.domainPass)
		dir, request := mustRequest(t, d, "fred flint", test.accountPass)
		word := func() ([]byte, error) { return []byte(test.accountPass), nil }
		if _, err := Open(dir, word); err == nil {
			t.Error("an account opened before its domain has agreed")
		}
		until := testTime.Add(40 * day)
		grant, err := d.Enrol(request, Enrolment{Local: "fred flint", Until: until}, testTime)
		if err != nil {
			t.Fatal(err)
		}
		made, err := AcceptAccount(dir, grant, word, testTime)
		if err != nil {
			t.Fatal(err)
		}
		k, err := Open(dir, word)
		if err != nil || k.Device() != made.Device() || k.Address().String() != "%22fred%20flint%22@"+d.Name() {
			t.Fatalf("opened %v, %v", k, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, requestedDir)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the waiting keys are still there: %v", err)
		}
		if c := k.chain[0]; !c.NotAfter.Equal(until) || !c.NotBefore.Equal(testTime.Add(-backdate)) {
			t.Errorf("certificate from %s to %s", c.NotBefore, c.NotAfter)
		}
		names, signed, err := k.NameRecords(testTime)
		if err != nil || len(names) != 6 || !signed.Equal(until) {
			t.Fatalf("%d name records until %s, %v", len(names), signed, err)
		}
		lookUp(t, k, d, names)
		if want := []Member{{
			Address: k.Address(), Account: mustID(t, k.accountKey()), Serial: 1, Enrolled: testTime, Until: until, Signed: testTime.Truncate(day).Add(41 * day),
			key: k.accountKey(), issued: testTime.Add(-backdate),
		}}; fmt.Sprint(d.Members()) != fmt.Sprint(want) {
			t.Errorf("members %v; want %v", d.Members(), want)
		}
		if _, err := AcceptAccount(dir, grant, word, testTime.Add(time.Minute)); err != nil {
			t.Errorf("the same grant again: %v", err)
		}
	}
}

// lookUp finds a member as a stranger does who knows the address and, of a DNS domain, the key that the zone gave.
func lookUp(t *testing.T, k *Keys, d *Domain, names []Record) {
	t.Helper()
	l := Locator{Address: k.Address()}
	if _, overlay := l.Address.DomainKey(); !overlay {
		var unknown *UnknownDomainError
		if _, err := RecordKeys(l, testTime); !errors.As(err, &unknown) || unknown.Domain != "example.com" {
			t.Errorf("slots without the key of a DNS domain: %v", err)
		}
		l.Domain = d.Key()
	}
	keys, err := RecordKeys(l, testTime)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		found, err := OpenRecord(l, key, names[i].Value, testTime)
		if err != nil || names[i].Key != key || !found.Card.IsZero() || !k.accountKey().Equal(found.Name.Account) || found.Name.Address != l.Address {
			t.Fatalf("name: %+v, %v", found.Name, err)
		}
	}
	l.Account = k.accountKey()
	card := mustCard(t, k, 9)
	if keys, err = RecordKeys(l, testTime); err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		r := card.Records()[i]
		found, err := OpenRecord(l, key, r.Value, testTime)
		if err != nil || r.Key != key || found.Card.Card().Serial != 9 || !found.Name.IsZero() {
			t.Fatalf("card: %v", err)
		}
		l.Account = nil
		if _, err := OpenRecord(l, key, r.Value, testTime); err == nil {
			t.Error("a record in a slot of the account key opened as one of the domain key")
		}
		l.Account = k.accountKey()
		if found, err := OpenRecord(l, names[i].Key, names[i].Value, testTime); err != nil || !l.Account.Equal(found.Name.Account) {
			t.Errorf("the name of who is known by account key: %v", err)
		}
	}
}

func mustID(t *testing.T, key ed25519.PublicKey) string {
	t.Helper()
	id, err := publicKeyID(key)
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// TestEnrolTaken holds local parts that look like a member's to be refused (RFC 7904: bogus presence).
func TestEnrolTaken(t *testing.T) {
	d := mustDomain(t, "", "")
	mustMember(t, d, "william.moore")
	mustMember(t, d, "O'Brien+work")
	for _, test := range []struct {
		local string
		taken bool
	}{
		{"William.Moore", true},
		{"wi11iam.moore", true},
		{"wiliiam.moore", true},
		{"vvilliam.moore", true},
		{"williammoore", true},
		{"william_moore", true},
		{"william-m0Ore", true},
		{"will.iam.moore", true},
		{"william moore", true},
		{"williarn.moore", true},
		{"w|lliam.moore", true},
		{"o'brien+vvork", true},
		{"O'Brien+home", false},
		{"william.more", false},
		{"wilma.moore", false},
		{"william.moore2", false},
	} {
		_, request := mustRequest(t, d, test.local, "")
		_, err := d.Enrol(request, Enrolment{Until: testTime.Add(day)}, testTime)
		if errors.Is(err, ErrTaken) != test.taken || !test.taken && err != nil {
			t.Errorf("%s: %v", test.local, err)
		}
	}
	if n := len(d.Members()); n != 6 {
		t.Errorf("%d members: want 6", n)
	}
}

func TestEnrolRefusals(t *testing.T) {
	d, other := mustDomain(t, "", ""), mustDomain(t, "", "")
	_, fred := mustRequest(t, d, "fred", "")
	_, foreign := mustRequest(t, other, "fred", "")
	block, _ := pem.Decode(fred)
	flipped := bytes.Clone(block.Bytes)
	flipped[len(flipped)-1] ^= 1
	until := testTime.Add(10 * day)
	for name, test := range map[string]struct {
		request []byte
		e       Enrolment
	}{
		"another domain":      {foreign, Enrolment{Until: until}},
		"another local part":  {fred, Enrolment{Local: "wilma", Until: until}},
		"bad local part":      {fred, Enrolment{Local: "wil\nma", Until: until}},
		"bad signature":       {encodeArmour(pemRequest, flipped), Enrolment{Until: until}},
		"another kind":        {encodeArmour(pemGrant, block.Bytes), Enrolment{Until: until}},
		"twice":               {append(bytes.Clone(fred), fred...), Enrolment{Until: until}},
		"text before":         {append([]byte("hello\n"), fred...), Enrolment{Until: until}},
		"empty":               {[]byte{}, Enrolment{Until: until}},
		"huge":                {bytes.Repeat([]byte{'A'}, maxAsk+1), Enrolment{Until: until}},
		"renewal of nobody":   {nil, Enrolment{Until: until}},
		"renewal of stranger": {nil, Enrolment{Local: "wilma", Until: until}},
		"in the past":         {fred, Enrolment{Until: testTime}},
		"year 10000":          {fred, Enrolment{Until: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"301 days":            {fred, Enrolment{Until: until, Days: maxNameDays + 1}},
		"negative days":       {fred, Enrolment{Until: until, Days: -1}},
	} {
		if grant, err := d.Enrol(test.request, test.e, testTime); err == nil || grant != nil || len(d.Members()) != 0 {
			t.Errorf("%s: %d octets, %v, %d members", name, len(grant), err, len(d.Members()))
		}
	}
	if _, err := d.Enrol([]byte(strings.ReplaceAll("\r\n "+string(fred)+"\n\n", "\n", "\r\n")), Enrolment{Until: until, Days: maxNameDays}, testTime); err != nil {
		t.Errorf("a request that was mailed: %v", err)
	}
}

// TestReplace gives an address to another account key, and then an expired one.
func TestReplace(t *testing.T) {
	d := mustDomain(t, "", "")
	first := mustMember(t, d, "fred")
	e := Enrolment{Until: testTime.Add(day), Days: 1}
	dir, request := mustRequest(t, d, "fred", "")
	if _, err := d.Enrol(request, e, testTime); !errors.Is(err, ErrTaken) {
		t.Fatalf("another account key: %v", err)
	}
	e.Replace = true
	grant, err := d.Enrol(request, e, testTime.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	second, err := AcceptAccount(dir, grant, nil, testTime.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for days := range 5 { // as long as the first account has signatures
		now := testTime.Add(time.Duration(days) * day)
		old, _, err := first.NameRecords(now)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePresigned(mustRead(t, filepath.Join(second.dir, nameFile)), d.Key(), testTime.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := p.records(now, d.Key())
		if err != nil {
			t.Fatal(err)
		}
		for i := range fresh {
			if fresh[i].Key != old[i].Key || CompareRecords(fresh[i].Value, old[i].Value) <= 0 {
				t.Errorf("day %d: the replaced name wins", days)
			}
		}
	}
	if _, err := d.Expire("fred", testTime.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	e.Replace = false
	if _, err := d.Enrol(request, e, testTime); !errors.Is(err, ErrTaken) {
		t.Errorf("an expired address, unforced: %v", err)
	}
	if _, err := d.Enrol(nil, Enrolment{Local: "fred", Until: e.Until}, testTime); !errors.Is(err, ErrTaken) {
		t.Errorf("renewal of an expired address, unforced: %v", err)
	}
	_, like := mustRequest(t, d, "Fred", "")
	if _, err := d.Enrol(like, e, testTime); !errors.Is(err, ErrTaken) {
		t.Errorf("like an expired address, unforced: %v", err)
	}
	e.Replace = true
	if _, err := d.Enrol(request, e, testTime); err != nil {
		t.Errorf("an expired address, forced: %v", err)
	}
	if m := d.Members(); len(m) != 1 || m[0].Serial != 4 || m[0].Expired {
		t.Errorf("members %+v", m)
	}
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRenew enrols a member again and lets it go on with new certificates and its own keys.
func TestRenew(t *testing.T) {
	d := mustDomain(t, "", "")
	k := mustMember(t, d, "fred")
	home := filepath.Dir(k.dir)
	card := mustCard(t, k, 1)
	if _, _, err := k.NameRecords(testTime.Add(5 * day)); !errors.Is(err, ErrExpired) {
		t.Fatalf("name records after the last signature: %v", err)
	}
	later := testTime.Add(5 * day)
	old, err := d.Enrol(nil, Enrolment{Local: "fred", Until: testTime.Add(200 * day)}, later)
	if err != nil {
		t.Fatal(err)
	}
	grant, err := d.Enrol(nil, Enrolment{Local: "fred", Until: testTime.Add(200 * day)}, later)
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := AcceptAccount(home, grant, nil, later)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AcceptAccount(home, old, nil, later); err == nil {
		t.Error("an older grant replaces a newer one")
	}
	again, err := Open(home, nil)
	if err != nil || again.Device() != k.Device() || !again.accountKey().Equal(k.accountKey()) || again.chain[0].Equal(k.chain[0]) {
		t.Fatalf("%v, %v", again, err)
	}
	names, until, err := renewed.NameRecords(later)
	if err != nil || len(names) != 6 || !until.Equal(testTime.Add(200*day)) {
		t.Fatalf("%d records until %s, %v", len(names), until, err)
	}
	found, err := OpenRecord(Locator{Address: k.Address()}, names[0].Key, names[0].Value, later)
	if err != nil || found.Name.Serial != 3 {
		t.Errorf("%+v, %v", found.Name, err)
	}
	if _, err := again.Rotate(later); err != nil {
		t.Fatal(err)
	}
	if _, err := again.SignCard(CardDraft{Serial: card.Card().Serial + 1}, later); err != nil {
		t.Errorf("card after the renewal: %v", err)
	}
	if _, err := renewed.SignCard(CardDraft{Serial: 3}, testTime.Add(201*day)); !errors.Is(err, ErrExpired) {
		t.Errorf("card after the membership: %v", err)
	}
}

// TestExpire ends a membership: the records of the domain win over those the member has left, on every day.
func TestExpire(t *testing.T) {
	d := mustDomain(t, "", "")
	k := mustMember(t, d, "fred")
	if _, err := d.Expire("wilma", testTime); err == nil {
		t.Error("expired who never was a member")
	}
	for days := range 5 {
		now := testTime.Add(time.Duration(days) * day)
		left, _, err := k.NameRecords(now)
		if err != nil {
			t.Fatal(err)
		}
		records, err := d.Expire("fred", now)
		if err != nil {
			t.Fatal(err)
		}
		if want := slotsPerDay * min(expiryDays, 5-days); len(records) != want {
			t.Fatalf("day %d: %d records; want %d", days, len(records), want)
		}
		for i, r := range records[:slotsPerDay] {
			if err := CheckRecord(r.Key, r.Value, now); err != nil {
				t.Fatal(err)
			}
			if r.Key != left[i].Key || CompareRecords(r.Value, left[i].Value) <= 0 {
				t.Errorf("day %d: the member's record wins", days)
			}
			found, err := OpenRecord(Locator{Address: k.Address()}, r.Key, r.Value, now)
			if err != nil || found.Name.Account != nil || found.Name.Serial != 2 || found.Name.Address != k.Address() || found.Name.IsZero() {
				t.Errorf("day %d: %+v, %v", days, found.Name, err)
			}
		}
	}
	if records, err := d.Expire("fred", testTime.Add(5*day)); err != nil || len(records) != 0 {
		t.Errorf("%d records after the member's last, %v", len(records), err)
	}
	if m := d.Members(); len(m) != 1 || !m[0].Expired || m[0].Serial != 2 {
		t.Errorf("members %+v", m)
	}
}

// TestExpireLate expires a membership that is over already.
func TestExpireLate(t *testing.T) {
	d := mustDomain(t, "", "")
	mustMember(t, d, "fred")
	if records, err := d.Expire("fred", testTime.Add(1000*day)); err != nil || len(records) != 0 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// files is what a directory holds, as text to compare.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		fmt.Fprintf(&all, "%s %x\n", path, sha256.Sum256(mustRead(t, path)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestRequestAccount(t *testing.T) {
	d, other := mustDomain(t, "", ""), mustDomain(t, "example.org", "")
	dir, request := mustRequest(t, d, "fred", "")
	a := mustAddress(t, "fred@"+d.Name())
	again, err := RequestAccount(dir, a, nil, nil)
	if err != nil || !bytes.Equal(again, request) {
		t.Errorf("the same request again: %v", err)
	}
	if _, err := RequestAccount(dir, mustAddress(t, "wilma@"+d.Name()), nil, nil); err == nil {
		t.Error("a second request beside the first")
	}
	if _, err := RequestAccount(t.TempDir(), a, other.Key(), nil); err == nil {
		t.Error("an overlay domain with another key")
	}
	var unknown *UnknownDomainError
	if _, err := RequestAccount(t.TempDir(), mustAddress(t, "fred@example.org"), nil, nil); !errors.As(err, &unknown) {
		t.Errorf("a DNS domain without its key: %v", err)
	}
	if err := os.Chmod(filepath.Join(dir, requestedDir, requestPEM), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := RequestAccount(dir, a, nil, nil); err == nil {
		t.Error("files that others may read")
	}
}
