package identity

import (
	"bytes"
	"strings"
	"testing"
)

func TestInvitation(t *testing.T) {
	a := mustNew(t, "Alice Liddell").Address()
	for _, reach := range []Reach{nil, {0}, bytes.Repeat([]byte{0xff}, maxReach)} {
		s := Invitation{a, reach}.String()
		for _, form := range []string{s, " \t\n" + s + "\r\n", "<" + s + ">", " < " + s + " > ", "KITH:" + s[5:]} {
			got, err := ParseInvitation(form)
			if err != nil || got.Address != a || !bytes.Equal(got.Reach, reach) {
				t.Errorf("%.100q: %v", form, err)
			}
		}
		for i := len("kith:") + 1; i < len(s); i += max(1, len(s)/200) {
			if got, err := ParseInvitation(s[:i]); err == nil {
				t.Errorf("cut to %q: %v", s[:i], got)
			}
		}
		if i := len(s) - 3; len(reach) > 0 {
			altered := s[:i] + string(s[i]^1) + s[i+1:]
			if got, err := ParseInvitation(altered); err == nil {
				t.Errorf("altered to %.100q: %v", altered, got)
			}
		}
	}
	for _, form := range []string{a.String(), a.IM(), a.Pres(), a.IM() + "?subject=hello", "<" + a.IM() + ">"} {
		if got, err := ParseInvitation(form); err != nil || got.Address != a || got.Reach != nil {
			t.Errorf("%q: %+v, %v", form, got, err)
		}
	}
	for _, form := range []string{"", "<>", "kith:", "kith:?i=AAAAAA", "im:", "im:?subject=x", "hello", "kith:" + a.String() + "?i=", strings.Repeat("a", maxInvitation+1)} {
		if got, err := ParseInvitation(form); err == nil {
			t.Errorf("%.100q: %+v", form, got)
		}
	}
	if s := (Invitation{}).String() + (Invitation{a, make(Reach, maxReach+1)}).String(); s != "" {
		t.Errorf("invitation that cannot be read: %.100q", s)
	}
}

func FuzzParseInvitation(f *testing.F) {
	for _, v := range readVectors(f, "invitation.json").Invitation {
		f.Add(v.Text)
	}
	f.Add("<im:fred@example.com?body=x>")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseInvitation(s)
		if err != nil {
			if !i.Address.IsZero() || i.Reach != nil {
				t.Fatalf("%+v beside an error", i)
			}
			return
		}
		again, err := ParseInvitation(i.String())
		if err != nil || again.Address != i.Address || !bytes.Equal(again.Reach, i.Reach) {
			t.Fatalf("%+v, %v; want %+v", again, err, i)
		}
	})
}
