package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"
)

// TestAcceptRefusals offers grants that are not for this account, and finds the home as it was.
func TestAcceptRefusals(t *testing.T) {
	d, other := mustDomain(t, "example.com", ""), mustDomain(t, "example.com", "")
	dir, request := mustRequest(t, d, "fred", "")
	_, wilma := mustRequest(t, d, "wilma", "")
	e := Enrolment{Until: testTime.Add(10 * day), Days: 2}
	enrol := func(d *Domain, request []byte) []byte {
		grant, err := d.Enrol(request, e, testTime)
		if err != nil {
			t.Fatal(err)
		}
		return grant
	}
	good := enrol(d, request)
	block, _ := pem.Decode(good)
	// The key of another domain enrols the very same account.
	r, err := parseAccountRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	_, account, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	hijacked, err := other.grant(Member{Address: r.address, key: r.account, Serial: 1, issued: testTime, Until: e.Until}, 1, testTime)
	if err != nil {
		t.Fatal(err)
	}
	hijack, err := hijacked.marshal()
	if err != nil {
		t.Fatal(err)
	}
	// One's own domain certificate above an account certificate by another.
	mixed, err := (&accountGrant{hijacked.account, d.certificate, hijacked.names}).marshal()
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := d.grant(Member{Address: r.address, key: account.Public().(ed25519.PublicKey), Serial: 1, issued: testTime, Until: e.Until}, 1, testTime)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := stolen.marshal()
	if err != nil {
		t.Fatal(err)
	}
	own, err := d.grant(Member{Address: r.address, key: r.account, Serial: 1, issued: testTime, Until: e.Until}, 1, testTime)
	if err != nil {
		t.Fatal(err)
	}
	swapped, err := (&accountGrant{own.account, own.domain, stolen.names}).marshal()
	if err != nil {
		t.Fatal(err)
	}
	own.names.signatures = slices.Repeat(own.names.signatures, maxNameDays+1)
	long, err := own.marshal()
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	for name, test := range map[string]struct {
		grant []byte
		now   time.Time
		want  error // nil: any
	}{
		"of another key":           {hijack, testTime, nil},
		"certified by another key": {mixed, testTime, nil},
		"for another account key":  {theirs, testTime, nil},
		"name of another key":      {swapped, testTime, nil},
		"for wilma":                {enrol(d, wilma), testTime, nil},
		"after its end":            {good, testTime.Add(11 * day), ErrExpired},
		"before its beginning":     {good, testTime.Add(-2 * time.Hour), ErrExpired},
		"301 days":                 {long, testTime, nil},
		"a request":                {request, testTime, nil},
		"octets after it":          {encodeArmour(pemGrant, append(bytes.Clone(block.Bytes), 0)), testTime, nil},
		"empty":                    {nil, testTime, nil},
		"huge":                     {make([]byte, maxEnrolment+1), testTime, nil},
	} {
		if k, err := AcceptAccount(dir, test.grant, nil, test.now); err == nil || k != nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
	for i := 0; i < len(block.Bytes); i += 5 {
		altered := bytes.Clone(block.Bytes)
		altered[i] ^= 1 << (i % 8)
		if k, err := AcceptAccount(dir, encodeArmour(pemGrant, altered), nil, testTime); err == nil || k != nil {
			t.Errorf("octet %d altered and accepted", i)
		}
	}
	if after := files(t, dir); after != before {
		t.Errorf("a refused grant changed the home:\n%s\n%s", before, after)
	}
	if _, err := AcceptAccount(t.TempDir(), good, nil, testTime); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a grant where nothing was requested: %v", err)
	}
	k, err := AcceptAccount(dir, good, nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := RequestAccount(dir, k.Address(), d.Key(), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a request where an identity is: %v", err)
	}
	before = files(t, dir)
	for name, grant := range map[string][]byte{"of another key": hijack, "for another account key": theirs, "swapped": swapped} {
		if _, err := AcceptAccount(dir, grant, nil, testTime); err == nil {
			t.Errorf("renewal %s accepted", name)
		}
	}
	if after := files(t, dir); after != before {
		t.Error("a refused renewal changed the home")
	}
}

func FuzzParseAccountRequest(f *testing.F) {
	member := testName(f, "alice")
	request, err := accountRequest{member.Address, testDomain().Public().(ed25519.PublicKey), member.Account}.sign(testAccount())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request)
	f.Add([]byte("-----BEGIN KITH ACCOUNT REQUEST-----\nMAA=\n-----END KITH ACCOUNT REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseAccountRequest(text)
		if err != nil {
			if !r.address.IsZero() || r.account != nil {
				t.Fatal("a request beside an error")
			}
			return
		}
		if again, err := r.sign(testAccount()); err != nil || r.account.Equal(member.Account) && !bytes.Equal(again, request) && r.address == member.Address {
			t.Fatalf("%s, %v", again, err)
		}
	})
}

func FuzzParseAccountGrant(f *testing.F) {
	domain, member := testDomain(), testName(f, "alice")
	certificate, err := domainCertificate(domain)
	if err != nil {
		f.Fatal(err)
	}
	r := accountRequest{member.Address, domain.Public().(ed25519.PublicKey), member.Account}
	holder := &Domain{name: member.Address.Domain(), key: domain, certificate: certificate}
	g, err := holder.grant(Member{Address: member.Address, key: member.Account, Serial: 1, issued: testTime, Until: testTime.Add(day)}, 1, testTime)
	if err != nil {
		f.Fatal(err)
	}
	text, err := g.marshal()
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if _, err := parseAccountGrant(text, r, testTime); err != nil {
		f.Fatal(err)
	}
	f.Add(block.Bytes)
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, der []byte) {
		g, err := parseAccountGrant(encodeArmour(pemGrant, der), r, testTime)
		if (err == nil) != (g != nil) {
			t.Fatalf("%v beside %v", g, err)
		}
		if err == nil && (g.names.name.Address != r.address || !r.account.Equal(g.names.name.Account)) {
			t.Fatal("a grant of somebody else")
		}
	})
}
