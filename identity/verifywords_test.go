package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const verificationFile = "testdata/vectors/verification.json"

// verificationVectors are what a second implementation needs to agree on: comparing keys, tokens and approvals.
type verificationVectors struct {
	About       string             `json:"about"`
	People      []personVector     `json:"people"`
	Compared    []comparedVector   `json:"compared"`
	Invitations []invitationVector `json:"invitations"`
	Approvals   []approvalVector   `json:"approvals"`
}

type personVector struct {
	Address Address `json:"address"`
	Seed    string  `json:"account_seed"`
	Account string  `json:"account_public_key"`
}

type comparedVector struct {
	A      Address  `json:"a"`
	B      Address  `json:"b"`
	Digits []string `json:"digits"`
	Emoji  []string `json:"emoji"`
	Names  []string `json:"names"`
}

type invitationVector struct {
	By      Address   `json:"by"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Reach   string    `json:"reach"`
	Link    string    `json:"link"`
}

type approvalVector struct {
	By       Address `json:"by"`
	Of       Address `json:"of"`
	Approval string  `json:"approval"`
}

func readVerification(t testing.TB) (v verificationVectors) {
	t.Helper()
	text, err := os.ReadFile(verificationFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerificationVectors(t *testing.T) {
	got := verificationVectors{About: "doc/spec/address.md 4 and 5, doc/spec/operations.md 3. Octets are in hexadecimal. The third is under the domain of the first, with a key of its own."}
	alice, err := newKeys("alice", testAccount(), testTime)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := newKeys("bob", seeded("kith test other account"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	carol := &Keys{account: seeded("kith test third account")}
	if carol.address, err = NewAddress("carol", alice.accountKey()); err != nil {
		t.Fatal(err)
	}
	certificate, err := accountCertificate(carol.address, publicOf(carol.account), alice.chain[0], alice.account)
	if err != nil {
		t.Fatal(err)
	}
	carol.chain = append(alice.chain[:0:0], certificate, alice.chain[0])
	all := []*Keys{alice, bob, carol}
	for i, k := range all {
		got.People = append(got.People, personVector{k.address, hex.EncodeToString(k.account.Seed()), hex.EncodeToString(k.accountKey())})
		other := all[(i+1)%len(all)]
		v, err := NewVerification(k.Locator(), other.Locator())
		if err != nil {
			t.Fatal(err)
		}
		got.Compared = append(got.Compared, comparedVector{k.address, other.address, v.Digits, v.Emoji, v.Names})
		invitation := Invitation{Token: [16]byte{byte(i + 1), 15: 0xff}, Expires: testTime, Reach: Reach("reach of " + k.address.Local())}
		link, err := k.SignInvitation(invitation)
		if err != nil {
			t.Fatal(err)
		}
		got.Invitations = append(got.Invitations, invitationVector{k.address, hex.EncodeToString(invitation.Token[:]), testTime, hex.EncodeToString(invitation.Reach), link})
		approval, _ := k.Approval(other.address)
		got.Approvals = append(got.Approvals, approvalVector{k.address, other.address, hex.EncodeToString(approval[:])})
	}
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(verificationFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(readVerification(t), got, cmp.AllowUnexported(Address{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", verificationFile, diff)
	}
}

func TestVerification(t *testing.T) {
	a, b := mustNew(t, "alice").Locator(), mustNew(t, "bob").Locator()
	one, err := NewVerification(a, b)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewVerification(b, a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("the two sides see different words:\n%s", diff)
	}
	if len(one.Digits) != 12 || len(strings.Join(one.Digits, "")) != 60 || len(one.Emoji) != 11 || len(one.Names) != 11 {
		t.Errorf("got %+v", one)
	}
	fake := b
	fake.Account = mustNew(t, "mallory").accountKey()
	if other, err := NewVerification(a, fake); err != nil || cmp.Equal(other.Digits, one.Digits) || cmp.Equal(other.Emoji, one.Emoji) {
		t.Errorf("another key, the same words: %+v, %v", other, err)
	}
	for name, pair := range map[string][2]Locator{"nobody": {a, {}}, "no key": {{Address: a.Address}, b}, "the same": {a, a}} {
		if v, err := NewVerification(pair[0], pair[1]); err == nil {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestEmojiAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, one := range emojiTable {
		if one.name == "" || utf8.RuneCountInString(one.emoji) != 1 || seen[one.emoji] || seen[one.name] {
			t.Errorf("%q %q: want one code point and a name, each once", one.emoji, one.name)
		}
		seen[one.emoji], seen[one.name] = true, true
	}
}

func BenchmarkVerification(b *testing.B) {
	one, two := mustNew(b, "alice").Locator(), mustNew(b, "bob").Locator()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewVerification(one, two); err != nil {
			b.Fatal(err)
		}
	}
}

func seeded(text string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(text))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }
