package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// update writes the files of vectors anew: go test ./identity -run VECTOR -update. A change of them is a change of the format.
var update = flag.Bool("update", false, "write testdata/*.json anew")

// testAccount is the account key of all vectors: its seed is the SHA-256 of "kith test account".
func testAccount() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("kith test account"))
	return ed25519.NewKeyFromSeed(seed[:])
}

type vectors struct {
	Seed       string         `json:"account_seed"`
	PublicKey  string         `json:"account_public_key"`
	Address    Address        `json:"address"`
	Blinding   []blindVector  `json:"blinding,omitempty"`
	Record     *recordVector  `json:"record,omitempty"`
	Invitation []inviteVector `json:"invitation,omitempty"`
	Epoch      *epochVector   `json:"epoch,omitempty"`
}

type blindVector struct {
	Day       string `json:"day"`
	Salt      byte   `json:"salt"`
	Blinded   string `json:"blinded_public_key"`
	Key       string `json:"dht_key"`
	Offset    int64  `json:"issue_offset_seconds"`
	Message   string `json:"message"`
	Signature string `json:"signature"`
}

type recordVector struct {
	Now        time.Time `json:"now"`
	Day        string    `json:"day"`
	Salt       byte      `json:"salt"`
	RecordKey  string    `json:"record_key"`
	Nonce      string    `json:"nonce"`
	SignedCard string    `json:"signed_card"`
	Key        string    `json:"dht_key"`
	Value      string    `json:"value"`
}

type inviteVector struct {
	Reach string `json:"reach"`
	Text  string `json:"text"`
}

type epochVector struct {
	Key      string `json:"key"`
	Audience string `json:"audience"`
	KEKID    string `json:"kek_id"`
	KEK      string `json:"kek"`
	Day      string `json:"day"`
	Topic    string `json:"topic"`
}

// checkVectors compares what this package computes with a file.
func checkVectors(t *testing.T, name string, got vectors) {
	t.Helper()
	account := testAccount()
	got.Seed, got.PublicKey = hex.EncodeToString(account.Seed()), hex.EncodeToString(account[32:])
	a, err := NewAddress("alice", account.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	got.Address = a
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/"+name, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := readVectors(t, name)
	if diff := cmp.Diff(got, want, cmp.AllowUnexported(Address{})); diff != "" {
		t.Errorf("%s: got (-), want (+):\n%s", name, diff)
	}
}

func readVectors(t testing.TB, name string) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBlindingVectors(t *testing.T) {
	var got vectors
	for _, day := range []string{"2026-11-20", "2026-11-21"} {
		for salt := range byte(slotsPerDay) {
			b := blinding{"alice", day, salt}
			key, err := b.private(testAccount())
			if err != nil {
				t.Fatal(err)
			}
			public, err := b.public(testAccount().Public().(ed25519.PublicKey))
			if err != nil || string(public) != string(key.public) {
				t.Fatalf("%s %d: public half %x, private half %x, %v", day, salt, public, key.public, err)
			}
			signature, err := key.sign([]byte("kith"))
			if err != nil || !ed25519.Verify(public, []byte("kith"), signature) {
				t.Fatalf("%s %d: plain Ed25519 refuses the signature: %v", day, salt, err)
			}
			if ed25519.Verify(public, []byte("Kith"), signature) {
				t.Fatalf("%s %d: signature fits another message", day, salt)
			}
			offset, err := issueOffset(testAccount(), sha256.Sum256(public))
			if err != nil {
				t.Fatal(err)
			}
			got.Blinding = append(got.Blinding, blindVector{day, salt, hex.EncodeToString(public), slotKey(public), offset, "kith", hex.EncodeToString(signature)})
		}
	}
	checkVectors(t, "vectors/blinding.json", got)
}

func TestRecordVector(t *testing.T) {
	nonce := [recordNonce]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	var card SignedCard
	if *update {
		k, err := newKeys("alice", testAccount(), testTime)
		if err != nil {
			t.Fatal(err)
		}
		card = mustCard(t, k, 7)
	} else {
		raw, err := hex.DecodeString(readVectors(t, "vectors/record.json").Record.SignedCard)
		if err != nil {
			t.Fatal(err)
		}
		if card, err = ParseSignedCard(raw, nil); err != nil {
			t.Fatal(err)
		}
	}
	b := blinding{"alice", "2026-11-20", 1}
	record, err := b.sealRecord(card.Card().Address, mustPack(t, card), testAccount(), testTime, nonce)
	if err != nil {
		t.Fatal(err)
	}
	got := recordVector{testTime, b.day, b.salt, hex.EncodeToString(mustRecordKey(t, b, card.Card().Address, record.Value)), hex.EncodeToString(nonce[:]), hex.EncodeToString(card.Bytes()), record.Key, hex.EncodeToString(record.Value)}
	if *update {
		checkVectors(t, "vectors/record.json", vectors{Record: &got})
	}
	// How a card is packed is the packer's choice, so the vector is for readers: what it holds opens here, and what is made here does.
	kept, err := hex.DecodeString(readVectors(t, "vectors/record.json").Record.Value)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string][]byte{"the vector": kept, "made here": record.Value} {
		opened, err := OpenRecord(Locator{Address: card.Card().Address}, record.Key, value, testTime)
		if err != nil || string(opened.Card.Bytes()) != string(card.Bytes()) || opened.Card.Card().Serial != 7 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// noise is octets that cannot be packed, always the same.
func noise(n int) []byte {
	var all []byte
	for sum := sha256.Sum256(nil); len(all) < n; sum = sha256.Sum256(sum[:]) {
		all = append(all, sum[:]...)
	}
	return all[:n]
}

func TestInvitationVectors(t *testing.T) {
	a, err := NewAddress("alice", testAccount().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	var got vectors
	for _, reach := range []string{"", "\x00", "reach of alice"} {
		got.Invitation = append(got.Invitation, inviteVector{hex.EncodeToString([]byte(reach)), Invitation{Address: a, Reach: Reach(reach)}.String()})
	}
	checkVectors(t, "invitation.json", got)
}

func TestEpochVector(t *testing.T) {
	key := sha256.Sum256([]byte("kith test epoch"))
	e, err := ParseEpoch(key[:])
	if err != nil {
		t.Fatal(err)
	}
	audience, kek := e.Audience(), e.kek()
	got := epochVector{hex.EncodeToString(key[:]), hex.EncodeToString(audience[:]), hex.EncodeToString(kek.ID), hex.EncodeToString(kek.Key[:]),
		"2026-11-20", e.Topic(testTime)}
	checkVectors(t, "epoch.json", vectors{Epoch: &got})
}
