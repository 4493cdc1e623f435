package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAcceptPassphrase puts the account key under the passphrase of the request, and takes no other.
func TestAcceptPassphrase(t *testing.T) {
	d := mustDomain(t, "", "")
	dir, request := mustRequest(t, d, "fred", "first word")
	grant, err := d.Enrol(request, Enrolment{Until: testTime.Add(day)}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	say := func(word string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(word), nil } }
	for _, pass := range []func() ([]byte, error){nil, say(""), say("second word")} {
		if k, err := AcceptAccount(dir, grant, pass, testTime); !errors.Is(err, ErrPassphrase) || k != nil {
			t.Errorf("%v, %v", k, err)
		}
	}
	if _, err := AcceptAccount(dir, grant, say("first word"), testTime); err != nil {
		t.Fatal(err)
	}
	if data := mustRead(t, filepath.Join(dir, keysDir, accountKey)); !protected(data) {
		t.Error("the account key is not under the passphrase")
	}
	if _, err := Open(dir, say("first word")); err != nil {
		t.Error(err)
	}
}

// TestAcceptInterrupted goes on where a kill left things: before the waiting keys were removed, and between the two files of a renewal.
func TestAcceptInterrupted(t *testing.T) {
	d := mustDomain(t, "", "")
	dir, request := mustRequest(t, d, "fred", "")
	grant, err := d.Enrol(request, Enrolment{Until: testTime.Add(30 * day)}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	waiting := filepath.Join(dir, requestedDir)
	key := mustRead(t, filepath.Join(waiting, accountKey))
	if err := os.Mkdir(filepath.Join(dir, unfinishedDir), 0o700); err != nil {
		t.Fatal(err)
	}
	k, err := AcceptAccount(dir, grant, nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(waiting, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{accountKey: key, requestPEM: request} {
		if err := writeFile(filepath.Join(waiting, name), data); err != nil {
			t.Fatal(err)
		}
	}
	again, err := AcceptAccount(dir, grant, nil, testTime)
	if err != nil || again.Device() != k.Device() {
		t.Fatalf("%v, %v", again, err)
	}
	if _, err := os.Lstat(waiting); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("waiting keys: %v", err)
	}
	old := mustRead(t, filepath.Join(k.dir, accountPEM))
	renewal, err := d.Enrol(nil, Enrolment{Local: "fred", Until: testTime.Add(60 * day)}, testTime.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AcceptAccount(dir, renewal, nil, testTime.Add(day)); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(k.dir, accountPEM), old); err != nil {
		t.Fatal(err)
	}
	between, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if records, _, err := between.NameRecords(testTime.Add(day)); err != nil || len(records) != 6 {
		t.Errorf("%d records, %v", len(records), err)
	}
	whole, err := AcceptAccount(dir, renewal, nil, testTime.Add(day))
	if err != nil || bytes.Equal(mustRead(t, filepath.Join(k.dir, accountPEM)), old) || whole.Device() != k.Device() {
		t.Errorf("%v, %v", whole, err)
	}
}

// TestNameFile holds a member to its own name.
func TestNameFile(t *testing.T) {
	d := mustDomain(t, "", "")
	fred, wilma := mustMember(t, d, "fred"), mustMember(t, d, "wilma")
	path := filepath.Join(fred.dir, nameFile)
	good := mustRead(t, path)
	altered := bytes.Clone(good)
	altered[len(altered)-1] ^= 1 // in the last signature, of the fifth day
	first := bytes.Clone(good)
	first[len(first)-5*signaturesADay] ^= 1
	for name, test := range map[string]struct {
		data  []byte
		after int // days
		want  error
	}{
		"of another member":       {mustRead(t, filepath.Join(wilma.dir, nameFile)), 0, nil},
		"cut off":                 {good[:len(good)-1], 0, nil},
		"signature of today":      {first, 0, ErrSignature},
		"signature of the morrow": {altered, 3, ErrSignature},
		"after the signatures":    {good, 5, ErrExpired},
		"before the signatures":   {good, -1, ErrExpired},
		"after the name":          {good, 101, ErrExpired},
	} {
		if err := writeFile(path, test.data); err != nil {
			t.Fatal(err)
		}
		records, until, err := fred.NameRecords(testTime.AddDate(0, 0, test.after))
		if err == nil || records != nil || !until.IsZero() || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %d records until %s, %v", name, len(records), until, err)
		}
	}
	if err := writeFile(path, altered); err != nil {
		t.Fatal(err)
	}
	if records, _, err := fred.NameRecords(testTime); err != nil || len(records) != 6 {
		t.Errorf("a bad signature of another day: %d records, %v", len(records), err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fred.NameRecords(testTime); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no name: %v", err)
	}
	fred.account = nil
	if records, until, err := fred.NameRecords(testTime); err != nil || records != nil || !until.IsZero() {
		t.Errorf("a device without the account key: %d records, %v", len(records), err)
	}
	own := mustNew(t, "fred")
	if records, until, err := own.NameRecords(testTime); err != nil || records != nil || !until.IsZero() {
		t.Errorf("one's own domain: %d records, %v", len(records), err)
	}
}

// TestNameRecordsTimes gives tomorrow's records as soon as nodes take them, and none on a day without.
func TestNameRecordsTimes(t *testing.T) {
	d := mustDomain(t, "", "")
	fred := mustMember(t, d, "fred")
	midnight := testTime.Truncate(day).Add(day)
	for hours, want := range map[int]int{0: 3, 1: 3, 2: 6, 12: 6, 23: 6} {
		now := midnight.Add(time.Duration(hours) * time.Hour)
		records, until, err := fred.NameRecords(now)
		if err != nil || len(records) != want || !until.Equal(midnight.AddDate(0, 0, 4)) {
			t.Errorf("%d h: %d records until %s, %v; want %d", hours, len(records), until, err, want)
		}
		for _, r := range records {
			if err := CheckRecord(r.Key, r.Value, now); err != nil {
				t.Errorf("%d h: %v", hours, err)
			}
		}
	}
	if records, _, err := fred.NameRecords(midnight.AddDate(0, 0, 3)); err != nil || len(records) != 3 {
		t.Errorf("the last day: %d records, %v", len(records), err)
	}
}

// TestAccountKeyOnce gives an account key to one address of a domain only, and never the domain's own.
func TestAccountKeyOnce(t *testing.T) {
	d := mustDomain(t, "", "")
	fred := mustMember(t, d, "fred")
	e := Enrolment{Until: testTime.Add(day)}
	for name, account := range map[string]ed25519.PrivateKey{"fred's": fred.account, "the domain's": d.key} {
		request, err := accountRequest{mustAddress(t, "wilma@"+d.Name()), d.Key(), account.Public().(ed25519.PublicKey)}.sign(account)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Enrol(request, e, testTime); err == nil {
			t.Errorf("%s key for wilma", name)
		}
	}
	if _, err := d.Expire("fred", testTime); err != nil {
		t.Fatal(err)
	}
	request, err := accountRequest{mustAddress(t, "wilma@"+d.Name()), d.Key(), fred.accountKey()}.sign(fred.account)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Enrol(request, e, testTime); err != nil {
		t.Errorf("the key of an address that has expired: %v", err)
	}
}

// TestAccountRequestHostile offers requests that are not, each of the right key.
func TestAccountRequestHostile(t *testing.T) {
	account, n := testAccount(), testName(t, "alice")
	domain := testDomain().Public().(ed25519.PublicKey)
	small := append([]byte{1}, make([]byte, 31)...)
	for name, r := range map[string]accountRequest{
		"no address":          {Address{}, domain, n.Account},
		"domain of 31 octets": {n.Address, domain[:31], n.Account},
		"small order":         {n.Address, small, n.Account},
		"another account":     {n.Address, domain, domain},
		"not canonical":       {Address{"%61lice", n.Address.domain}, domain, n.Account},
	} {
		text, err := r.sign(account)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseAccountRequest(text); err == nil || !got.address.IsZero() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
