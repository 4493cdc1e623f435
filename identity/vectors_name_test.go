package identity

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// nameVectors are what a second implementation needs to make names and their records: everything follows from the two seeds and the times.
type nameVectors struct {
	DomainSeed    string             `json:"domain_seed"`
	DomainKey     string             `json:"domain_public_key"`
	AccountSeed   string             `json:"account_seed"`
	AccountKey    string             `json:"account_public_key"`
	Certificate   string             `json:"domain_certificate"`
	Request       string             `json:"account_request"`
	Names         []nameVector       `json:"names"`
	Presigned     string             `json:"presigned_names"`
	AccountSlots  [3]string          `json:"account_dht_keys_2026_11_20"`
	LookAlikes    map[string]string  `json:"skeletons"`
	Signatures    []nameRecordVector `json:"presigned_records"`
	RequestedFrom Address            `json:"request_address"`
}

type nameVector struct {
	Address   Address           `json:"address"`
	Account   string            `json:"account_public_key,omitempty"`
	Serial    uint64            `json:"serial"`
	Issued    time.Time         `json:"issued"`
	Until     time.Time         `json:"until"`
	Statement string            `json:"statement"`
	Signed    string            `json:"signed_name"`
	Record    *nameRecordVector `json:"record"`
}

type nameRecordVector struct {
	Day       string `json:"day"`
	Salt      byte   `json:"salt"`
	Blinded   string `json:"blinded_public_key"`
	Key       string `json:"dht_key"`
	RecordKey string `json:"record_key"`
	Offset    uint64 `json:"issue_offset_seconds"`
	Nonce     string `json:"nonce"`
	Signature string `json:"signature"`
	Value     string `json:"value,omitempty"`
}

func mustRecordKey(t *testing.T, b blinding, a Address, value []byte) []byte {
	t.Helper()
	key, err := b.recordKey(a, value[1:33])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// vectorOfRecord shows what a name record is made of.
func vectorOfRecord(t *testing.T, n signedName, b blinding, whole bool) nameRecordVector {
	t.Helper()
	r := mustSeal(t, n, b)
	midnight, err := b.start()
	if err != nil {
		t.Fatal(err)
	}
	issued, _ := recordTimes(r.Value)
	v := nameRecordVector{
		Day: b.day, Salt: b.salt,
		Blinded:   hex.EncodeToString(r.Value[1:33]),
		Key:       r.Key,
		RecordKey: hex.EncodeToString(mustRecordKey(t, b, n.Address, r.Value)),
		Offset:    issued - uint64(midnight.Add(-nameLead).Unix()) - n.Serial,
		Nonce:     hex.EncodeToString(r.Value[recordHead : recordHead+recordNonce]),
		Signature: hex.EncodeToString(r.Value[len(r.Value)-ed25519.SignatureSize:]),
	}
	if whole {
		v.Value = hex.EncodeToString(r.Value)
	}
	return v
}

// TestNameVectors holds names, their records, requests and the list of look-alikes to the octets in testdata/vectors/name.json.
func TestNameVectors(t *testing.T) {
	domain, account := testDomain(), testAccount()
	certificate, err := domainCertificate(domain)
	if err != nil {
		t.Fatal(err)
	}
	member := testName(t, "alice")
	request, err := accountRequest{member.Address, member.domainKey(t), member.Account}.sign(account)
	if err != nil {
		t.Fatal(err)
	}
	got := nameVectors{
		DomainSeed: hex.EncodeToString(domain.Seed()), DomainKey: hex.EncodeToString(domain[32:]),
		AccountSeed: hex.EncodeToString(account.Seed()), AccountKey: hex.EncodeToString(account[32:]),
		Certificate:   hex.EncodeToString(certificate.Raw),
		Request:       string(request),
		RequestedFrom: member.Address,
		LookAlikes:    map[string]string{},
	}
	if got.AccountSlots, err = RecordKeys(Locator{Address: member.Address, Account: member.Account}, testTime); err != nil {
		t.Fatal(err)
	}
	expired := member
	expired.Account, expired.Serial, expired.Issued = nil, 8, testTime.Add(time.Hour)
	quoted := testName(t, "fred flint")
	zone := member
	zone.Address, zone.Serial = mustAddress(t, "alice@example.com"), maxNameSerial
	for i, n := range []Name{member, expired, quoted, zone} {
		signed := mustName(t, n)
		statement, err := n.marshal()
		if err != nil {
			t.Fatal(err)
		}
		r := vectorOfRecord(t, signed, blinding{n.Address.local, "2026-11-20", byte(i % slotsPerDay)}, true)
		got.Names = append(got.Names, nameVector{
			n.Address, hex.EncodeToString(n.Account), n.Serial, n.Issued, n.Until,
			hex.EncodeToString(statement), hex.EncodeToString(signed.raw), &r,
		})
	}
	p := presigned{name: mustName(t, member), first: testTime.Truncate(day)}
	for i := range 2 {
		for salt := range byte(slotsPerDay) {
			v := vectorOfRecord(t, p.name, blinding{"alice", utcDay(p.first.AddDate(0, 0, i)), salt}, false)
			signature, err := hex.DecodeString(v.Signature)
			if err != nil {
				t.Fatal(err)
			}
			got.Signatures, p.signatures = append(got.Signatures, v), append(p.signatures, signature...)
		}
	}
	der, err := p.marshal()
	if err != nil {
		t.Fatal(err)
	}
	got.Presigned = hex.EncodeToString(der)
	for _, local := range []string{"alice", "A1ice", "al.i_c-e", "fred flint", "modern.vvorld", "O'Hara+work"} {
		a, err := addressIn(local, member.Address.domain)
		if err != nil {
			t.Fatal(err)
		}
		got.LookAlikes[local] = skeleton(a)
	}
	checkFile(t, "name.json", got)
	readBack(t, der, member)
}

func (n Name) domainKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	key, ok := n.Address.DomainKey()
	if !ok {
		t.Fatal("no overlay domain")
	}
	return key
}

// readBack makes records from the file that a member has, without the domain key.
func readBack(t *testing.T, der []byte, want Name) {
	t.Helper()
	p, err := parsePresigned(der, want.domainKey(t), testTime)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		at := testTime.Add(time.Duration(i) * day)
		records, err := p.records(at, want.domainKey(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			found, err := OpenRecord(Locator{Address: want.Address}, r.Key, r.Value, at)
			if diff := cmp.Diff(want, found.Name, cmp.AllowUnexported(Address{})); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		}
	}
}

// checkFile compares a value with a file in testdata/vectors, or writes it with -update.
func checkFile[T any](t *testing.T, name string, got T) {
	t.Helper()
	path := "testdata/vectors/" + name
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want T
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Address{})); diff != "" {
		t.Errorf("%s: (-want +got):\n%s", name, diff)
	}
}
