package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/base/go-bip39"
)

func TestPhraseVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/bip39.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		hexed, words, _ := strings.Cut(strings.TrimSpace(line), " ")
		seed, err := hex.DecodeString(hexed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParsePhrase([]byte(words)); err != nil || !bytes.Equal(got, seed) {
			t.Errorf("ParsePhrase(%q) = %x, %v", words, got, err)
		}
		if got := phrase(seed); string(got) != words {
			t.Errorf("phrase(%s) = %q, want %q", hexed, got, words)
		}
		if !bytes.Equal(seed, make([]byte, 32)) {
			t.Errorf("seed %s is still in memory", hexed)
		}
	}
}

// The library whose word list we use is the referee for what we make of it.
func TestPhraseReferee(t *testing.T) {
	for i := range 200 {
		seed := bytes.Repeat([]byte{byte(i * 37)}, 32)
		copy(seed, fmt.Sprint("seed ", i))
		want, err := bip39.NewMnemonic(seed)
		if err != nil {
			t.Fatal(err)
		}
		if got := phrase(bytes.Clone(seed)); string(got) != want {
			t.Fatalf("phrase(%x) = %q, want %q", seed, got, want)
		}
		if got, err := ParsePhrase([]byte(want)); err != nil || !bytes.Equal(got, seed) {
			t.Fatalf("ParsePhrase(%q) = %x, %v", want, got, err)
		}
	}
}

const testPhrase = "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group space point ten exist slush involve unfold"

func TestParsePhrase(t *testing.T) {
	words := strings.Fields(testPhrase)
	var list strings.Builder
	for i, w := range words {
		fmt.Fprintf(&list, "%2d. %s\r\n", i+1, strings.ToUpper(w))
	}
	swap := func(i, j int) string {
		w := strings.Fields(testPhrase)
		w[i], w[j] = w[j], w[i]
		return strings.Join(w, " ")
	}
	for name, test := range map[string]struct{ text, want string }{
		"plain":        {testPhrase, ""},
		"a list":       {list.String(), ""},
		"white space":  {"\n\t " + strings.Join(words, " \u00a0\n") + "\n\n", ""},
		"mixed case":   {strings.ReplaceAll(testPhrase, "o", "O"), ""},
		"mistyped":     {strings.Replace(testPhrase, "warrior", "warior", 1), "word 7, 'warior', is not in the list; did you mean 'warrior'?"},
		"swapped":      {strings.Replace(testPhrase, "camp", "capm", 1), "did you mean 'calm' or 'camp'?"},
		"two changes":  {strings.Replace(testPhrase, "primary", "brimery", 1), "did you mean 'primary'?"},
		"beginning":    {"acount " + testPhrase, "word 1, 'acount', is not in the list; did you mean 'account'?"}, // not amount
		"two are near": {strings.Replace(testPhrase, "group", "grup", 1), "'group'"},
		"no idea":      {strings.Replace(testPhrase, "ten", "xxxxxxxx", 1), "word 20, 'xxxxxxxx', is not in the list"},
		"foreign":      {strings.Replace(testPhrase, "ten", "größenwahnsinnige", 1), "word 20"},
		"another word": {strings.Replace(testPhrase, "ten", "tent", 1), "do not belong together"},
		"other order":  {swap(3, 4), "do not belong together"},
		"one less":     {strings.TrimSuffix(testPhrase, " unfold"), "23 words, not 24"},
		"one more":     {testPhrase + " zoo", "25 words, not 24"},
		"none":         {" 1. 2. 3. ", "0 words, not 24"},
		"large":        {strings.Repeat("zoo ", maxPhrase/4) + "x", "more than 4096 octets"},
	} {
		seed, err := ParsePhrase([]byte(test.text))
		switch {
		case test.want == "" && (err != nil || string(phrase(seed)) != testPhrase):
			t.Errorf("%s: %x, %v", name, seed, err)
		case test.want != "" && (err == nil || seed != nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %x, %v; want %q", name, seed, err, test.want)
		case err != nil && strings.Contains(err.Error(), "effort"):
			t.Errorf("%s: the error tells the words: %v", name, err)
		}
	}
}

func FuzzParsePhrase(f *testing.F) {
	f.Add([]byte(testPhrase))
	f.Add([]byte("1. VOID\n2. come"))
	f.Add([]byte("abandon \xff zoo"))
	f.Fuzz(func(t *testing.T, text []byte) {
		seed, err := ParsePhrase(text)
		if err != nil {
			if seed != nil {
				t.Fatalf("a seed beside %v", err)
			}
			return
		}
		words := phrase(bytes.Clone(seed))
		if again, err := ParsePhrase(words); err != nil || !bytes.Equal(again, seed) {
			t.Fatalf("%q read again: %x, %v; want %x", words, again, err, seed)
		}
	})
}

func TestRecover(t *testing.T) {
	dir, k := mustCreate(t, "")
	card := mustCard(t, k, 1).Card()
	words, err := k.Phrase()
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"alice", k.Address().String(), k.Address().IM()} {
		seed, err := ParsePhrase(words)
		if err != nil {
			t.Fatal(err)
		}
		empty := filepath.Join(t.TempDir(), "new")
		again, err := Recover(empty, who, seed, nil, testTime)
		if err != nil {
			t.Fatal(err)
		}
		if again.Address() != k.Address() || again.Device() == k.Device() || again.TransportKey().Equal(k.TransportKey()) {
			t.Errorf("%s: address %v, want %v; device %v, want another than %v", who, again.Address(), k.Address(), again.Device(), k.Device())
		}
		got, err1 := os.ReadFile(keyFile(empty, accountPEM))
		want, err2 := os.ReadFile(keyFile(dir, accountPEM))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, want) || !bytes.Equal(again.chain[0].Raw, card.Account.Raw) {
			t.Errorf("%s: another account certificate, %v", who, err)
		}
		if opened, err := Open(empty, nil); err != nil || opened.Device() != again.Device() {
			t.Errorf("%s: not on disk: %v", who, err)
		}
	}
}

func TestRecoverRefuses(t *testing.T) {
	dir, k := mustCreate(t, "")
	_, other := mustCreate(t, "")
	words, err := k.Phrase()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := ParsePhrase(words)
	if err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	for name, test := range map[string]struct {
		dir, who string
		seed     []byte
		want     string
	}{
		"another's words":  {empty, other.Address().String(), seed, ErrOtherDomain.Error()},
		"a DNS domain":     {empty, "alice@example.com", seed, ErrOtherDomain.Error()},
		"a bad address":    {empty, "alice@", seed, "bad label"},
		"a bad name":       {empty, "", seed, "local part"},
		"half a seed":      {empty, "alice", seed[:16], "16 octets"},
		"an identity here": {dir, "alice", seed, "exist"},
	} {
		if again, err := Recover(test.dir, test.who, test.seed, nil, testTime); err == nil || again != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	linked := &Keys{address: k.address, chain: k.chain}
	if words, err := linked.Phrase(); !errors.Is(err, ErrNotAdministrator) || words != nil {
		t.Errorf("without the account key: %v", err)
	}
}
