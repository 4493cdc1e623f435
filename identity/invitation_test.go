package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInvitation(t *testing.T) {
	a := mustNew(t, "Alice Liddell").Address()
	for _, reach := range []Reach{nil, {0}, bytes.Repeat([]byte{0xff}, maxReach)} {
		s := Invitation{Address: a, Reach: reach}.String()
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
	if s := (Invitation{}).String() + (Invitation{Address: a, Reach: make(Reach, maxReach+1)}).String(); s != "" {
		t.Errorf("invitation that cannot be read: %.100q", s)
	}
}

func FuzzParseInvitation(f *testing.F) {
	for _, v := range readVectors(f, "invitation.json").Invitation {
		f.Add(v.Text)
	}
	for _, v := range readVerification(f).Invitations {
		f.Add(v.Link)
	}
	f.Add("<im:fred@example.com?body=x>")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseInvitation(s)
		if err != nil {
			if !i.Address.IsZero() || i.Reach != nil || i.Token != [16]byte{} {
				t.Fatalf("%+v beside an error", i)
			}
			return
		}
		again, err := ParseInvitation(i.String())
		if err != nil || again.Address != i.Address || !bytes.Equal(again.Reach, i.Reach) || again.Token != i.Token || !again.Expires.Equal(i.Expires) {
			t.Fatalf("%+v, %v; want %+v", again, err, i)
		}
	})
}

func mustInvite(t testing.TB, k *Keys, i Invitation) string {
	t.Helper()
	link, err := k.SignInvitation(i)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// member is keys of an account under another's overlay domain.
func member(t testing.TB) *Keys {
	t.Helper()
	domain, account := mustNew(t, "holder"), mustNew(t, "x")
	a, err := NewAddress("alice", domain.accountKey())
	if err != nil {
		t.Fatal(err)
	}
	c, err := accountCertificate(a, account.accountKey(), domain.chain[0], domain.account)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newDevice(a, account.account, append(domain.chain[:0:0], c, domain.chain[0]), testTime)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTokenInvitation(t *testing.T) {
	want := Invitation{Token: [16]byte{1, 15: 9}, Expires: testTime.Add(time.Hour)}
	for name, k := range map[string]*Keys{"own domain": mustNew(t, "Alice Liddell"), "member": member(t)} {
		for _, reach := range []Reach{nil, {0}, bytes.Repeat([]byte{0xff}, maxReach)} {
			want.Reach = reach
			link := mustInvite(t, k, want)
			for _, form := range []string{link, " \n<" + link + ">\t", "KITH:" + link[5:]} {
				got, err := ParseInvitation(form)
				if err != nil || got.Address != k.Address() || !bytes.Equal(got.Reach, reach) || got.Token != want.Token || !got.Expires.Equal(want.Expires) {
					t.Fatalf("%s: %+v, %v", name, got, err)
				}
				if err := got.Verify(k.accountKey()); err != nil || got.String() != link {
					t.Errorf("%s: %v; again %q", name, err, got.String())
				}
				if err := got.Verify(mustNew(t, "mallory").accountKey()); !errors.Is(err, ErrSignature) {
					t.Errorf("%s: another's key: %v", name, err)
				}
				if err := got.Verify(nil); !errors.Is(err, ErrSignature) {
					t.Errorf("%s: no key: %v", name, err)
				}
			}
		}
		t.Logf("%s: link of %d characters with a reach of 100 octets", name, len(mustInvite(t, k, Invitation{Token: want.Token, Expires: want.Expires, Reach: noise(100)})))
	}
	if err := (Invitation{}).Verify(nil); err != nil {
		t.Errorf("no token: %v", err)
	}
	if s := want.String() + (Invitation{Address: mustNew(t, "a").Address(), Token: want.Token}).String(); s != "" {
		t.Errorf("token without a signature: %.100q", s)
	}
}

// TestTokenInvitationIsTamperEvident changes each character of a link, and each octet with the checksum made good again.
func TestTokenInvitationIsTamperEvident(t *testing.T) {
	k := mustNew(t, "alice")
	link := mustInvite(t, k, Invitation{Token: [16]byte{1}, Expires: testTime, Reach: Reach("somewhere")})
	for i := range link {
		for _, c := range []byte{link[i] ^ 1, link[i] ^ 2, 'A', '-'} {
			if strings.EqualFold(link[i:i+1], string(c)) && i < strings.Index(link, "?") {
				continue // schemes and domains are the same in any case
			}
			altered := link[:i] + string(c) + link[i+1:]
			if got, err := ParseInvitation(altered); err == nil && altered != link {
				t.Errorf("character %d altered to %q: %+v", i, c, got)
			}
		}
		if got, err := ParseInvitation(link[:i]); err == nil {
			t.Errorf("cut after %d: %+v", i, got)
		}
	}
	for who, k := range map[string]*Keys{"own domain": k, "member": member(t)} {
		i, err := ParseInvitation(mustInvite(t, k, Invitation{Token: [16]byte{1}, Expires: testTime, Reach: Reach("somewhere")}))
		if err != nil {
			t.Fatal(err)
		}
		payload := slices.Concat([]byte{i.kind}, i.terms(), i.signature, i.Reach)
		for at := range payload {
			for bit := range 8 {
				altered := bytes.Clone(payload)
				altered[at] ^= 1 << bit
				sum := i.checksum(altered[:1], altered[1:])
				form := "kith:" + i.Address.String() + "?t=" + base64.RawURLEncoding.EncodeToString(slices.Concat(altered[:1], sum, altered[1:]))
				got, err := ParseInvitation(form)
				if err == nil && who == "own domain" && got.kind == signedByDomain {
					t.Errorf("%s: octet %d altered, taken: %+v", who, at, got)
				}
				if err == nil && got.Verify(k.accountKey()) == nil {
					t.Errorf("%s: octet %d altered, verified", who, at)
				}
			}
		}
	}
}

func TestSignInvitationRefuses(t *testing.T) {
	k := mustNew(t, "alice")
	good := Invitation{Token: [16]byte{1}, Expires: testTime}
	for name, i := range map[string]Invitation{
		"no token":      {Expires: testTime},
		"no expiry":     {Token: good.Token},
		"before 1970":   {Token: good.Token, Expires: time.Unix(-1, 0)},
		"1970":          {Token: good.Token, Expires: time.Unix(0, 0)},
		"after 2106":    {Token: good.Token, Expires: time.Unix(1<<32, 0)},
		"reach too big": {Token: good.Token, Expires: testTime, Reach: make(Reach, maxReach+1)},
	} {
		if link, err := k.SignInvitation(i); err == nil {
			t.Errorf("%s: %s", name, link)
		}
	}
	if _, err := ParseInvitation(mustInvite(t, k, Invitation{Token: good.Token, Expires: time.Unix(1<<32-1, 0)})); err != nil {
		t.Errorf("latest expiry: %v", err)
	}
	linked := &Keys{address: k.address, chain: k.chain, device: k.device}
	if _, err := linked.SignInvitation(good); !errors.Is(err, ErrNotAdministrator) {
		t.Errorf("device without the account key: %v", err)
	}
	if _, ok := linked.Approval(k.address); ok {
		t.Error("approval without the account key")
	}
}

func TestApproval(t *testing.T) {
	k, again := mustNew(t, "alice"), new(Keys)
	again.account = ed25519.NewKeyFromSeed(k.account.Seed())
	bob, carol := mustNew(t, "bob").Address(), mustNew(t, "carol").Address()
	one, ok := k.Approval(bob)
	two, _ := again.Approval(bob)
	if !ok || one != two {
		t.Errorf("got %x, %v; with the key alone %x", one, ok, two)
	}
	if other, _ := k.Approval(carol); other == one {
		t.Error("one approval for two people")
	}
	if other, _ := mustNew(t, "alice").Approval(bob); other == one {
		t.Error("one approval of two people")
	}
	if _, ok := k.Approval(Address{}); ok {
		t.Error("approval of nobody")
	}
}
