package node

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kith-im/kith/identity"
)

// seedIntroductions are introductions, the first of them good.
func seedIntroductions(t testing.TB) [][]byte {
	t.Helper()
	a, err := identity.ParseAddress("carol@example.org")
	if err != nil {
		t.Fatal(err)
	}
	all := [][]byte{nil}
	for _, in := range []introduced{
		{link: identity.Invitation{Address: a}, note: "chess", card: []byte("card")},
		{link: identity.Invitation{Address: a, Reach: identity.Reach("somewhere")}},
		{},
	} {
		body, err := in.marshal()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, body)
	}
	all[0] = all[1]
	return all
}

func TestParseIntroduction(t *testing.T) {
	good := seedIntroductions(t)[0]
	in, err := parseIntroduction(good)
	if err != nil || in.link.Address.Local() != "carol" || in.note != "chess" || string(in.card) != "card" {
		t.Errorf("got %+v, %v", in, err)
	}
	for i := range good {
		if in, err := parseIntroduction(good[:i]); err == nil {
			t.Errorf("cut after %d octets: %+v", i, in)
		}
	}
	a := in.link.Address
	empty := bytes.Clone(good[:len(good)-len("card")])
	empty[1] -= byte(len("card"))
	empty[len(empty)-1] = 0
	if in, err := parseIntroduction(empty); err == nil {
		t.Errorf("empty card: %+v", in)
	}
	for name, in := range map[string]introduced{
		"note too long": {link: identity.Invitation{Address: a}, note: strings.Repeat("x", maxNote+1)},
		"too large":     {link: identity.Invitation{Address: a}, card: make([]byte, maxIntroduction)},
		"no link":       {note: "hello"},
	} {
		body, err := in.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseIntroduction(body); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// FuzzParseIntroduction: what is read is written again as it was, and nothing is
// given beside an error.
func FuzzParseIntroduction(f *testing.F) {
	for _, seed := range seedIntroductions(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := parseIntroduction(body)
		if err != nil {
			if !in.link.Address.IsZero() || in.card != nil || in.note != "" {
				t.Fatalf("%+v beside an error", in)
			}
			return
		}
		again, err := in.marshal()
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%x written again as %x, %v", body, again, err)
		}
		if card, err := in.verified(nil); err != nil && !card.IsZero() {
			t.Fatalf("card beside an error: %v", err)
		}
	})
}
