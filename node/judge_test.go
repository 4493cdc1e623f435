package node

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func keyOf(b byte) ed25519.PublicKey {
	if b == 0 {
		return nil
	}
	return ed25519.PublicKey(bytes.Repeat([]byte{b}, ed25519.PublicKeySize))
}

// trusts writes pinned and offered keys as four digits: domain, account, new
// domain, new account; 0 is none.
func trusts(t Trust) string {
	digit := func(k ed25519.PublicKey) byte {
		if k == nil {
			return 0
		}
		return k[0]
	}
	return fmt.Sprint(digit(t.Domain), digit(t.Account), digit(t.NewDomain), digit(t.NewAccount))
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name                           string
		domain, account                byte // pinned
		newDomain, newAccount          byte // offered before
		claimedDomain, claimedAccount  byte
		judged, settled, accepted      string
		agrees, agreesWhenSaidByDomain bool
	}{
		{"first of all", 0, 0, 0, 0, 1, 2, "1 2 0 0", "1 2 0 0", "1 2 0 0", true, true},
		{"first, overlay domain", 0, 0, 0, 0, 0, 2, "0 2 0 0", "0 2 0 0", "0 2 0 0", true, true},
		{"zone before the card", 0, 0, 0, 0, 1, 0, "1 0 0 0", "1 0 0 0", "1 0 0 0", true, true},
		{"card after the zone", 1, 0, 0, 0, 1, 2, "1 2 0 0", "1 2 0 0", "1 2 0 0", true, true},
		{"the same", 1, 2, 0, 0, 1, 2, "1 2 0 0", "1 2 0 0", "1 2 0 0", true, true},
		{"another account", 1, 2, 0, 0, 1, 3, "1 2 0 3", "1 2 0 3", "1 3 0 0", false, false},
		{"another domain, the same account", 1, 2, 0, 0, 4, 2, "1 2 4 0", "1 2 4 0", "4 2 0 0", false, false},
		{"both others", 1, 2, 0, 0, 4, 3, "1 2 4 3", "1 2 4 3", "4 3 0 0", false, false},
		{"another domain, the card unseen", 1, 2, 0, 0, 4, 0, "1 2 4 0", "1 2 4 0", "4 2 0 0", false, false},
		{"their own domain, the card unseen", 1, 1, 0, 0, 4, 0, "1 1 4 0", "1 1 4 0", "4 4 0 0", false, false},
		{"another domain before any card", 1, 0, 0, 0, 4, 3, "1 0 4 3", "1 0 4 3", "4 3 0 0", false, false},
		{"as before, after an offer", 1, 2, 4, 3, 1, 2, "1 2 4 3", "1 2 0 0", "4 3 0 0", true, true},
		{"yet another account", 1, 2, 0, 3, 1, 5, "1 2 0 5", "1 2 0 5", "1 5 0 0", false, false},
		{"nothing said", 1, 2, 4, 3, 0, 0, "1 2 4 3", "1 2 4 3", "4 3 0 0", true, true},
	} {
		before := Trust{Domain: keyOf(test.domain), Account: keyOf(test.account), NewDomain: keyOf(test.newDomain), NewAccount: keyOf(test.newAccount)}
		judged, agrees := before.judge(keyOf(test.claimedDomain), keyOf(test.claimedAccount))
		if got := trusts(judged); got != test.judged || agrees != test.agrees {
			t.Errorf("%s: judged %s, %v; want %s, %v", test.name, got, agrees, test.judged, test.agrees)
		}
		settled, agrees := before.settle(keyOf(test.claimedDomain), keyOf(test.claimedAccount))
		if got := trusts(settled); got != test.settled || agrees != test.agreesWhenSaidByDomain {
			t.Errorf("%s: settled %s, %v; want %s, %v", test.name, got, agrees, test.settled, test.agreesWhenSaidByDomain)
		}
		if got := trusts(judged.accept()); got != test.accepted {
			t.Errorf("%s: accepted %s, want %s", test.name, got, test.accepted)
		}
	}
}

func TestVerifiedIsOfOneKey(t *testing.T) {
	trust := Trust{Account: keyOf(1), Verified: epoch0, VerifiedKey: [32]byte(keyOf(1))}
	if !trust.verified() {
		t.Error("not verified")
	}
	trust.NewAccount = keyOf(2)
	accepted := trust.accept()
	trust.Account = keyOf(2)
	if trust.verified() || accepted.verified() || (Trust{Verified: epoch0}).verified() {
		t.Error("verified by another key")
	}
	if diff := cmp.Diff(Trust{Account: keyOf(2)}, accepted); diff != "" {
		t.Error(diff)
	}
}

func TestErrands(t *testing.T) {
	var e errands
	now := epoch0
	run := func(domain string, tries int) (admitted int) {
		for range tries {
			if e.admit(domain, now) {
				admitted++
			}
		}
		return admitted
	}
	if got := run("a.example", 100); got != 4 {
		t.Errorf("%d at once, want 4", got)
	}
	now = now.Add(15 * time.Second)
	if got := run("", 100); got != 1 {
		t.Errorf("%d after 15 s, want 1", got)
	}
	now = now.Add(24 * time.Hour)
	e.failed("a.example", now)
	if got := run("a.example", 100); got != 0 {
		t.Errorf("%d for a domain that failed, want 0", got)
	}
	if got := run("b.example", 100); got != 4 {
		t.Errorf("%d for another after a day, want 4", got)
	}
	now = now.Add(errandsPause)
	if got := run("a.example", 100); got != 4 {
		t.Errorf("%d for a domain that failed long ago, want 4", got)
	}
	for i := range 10 * errandsFailed {
		e.failed(fmt.Sprint(i), now)
	}
	if len(e.bad) > errandsFailed {
		t.Errorf("%d domains remembered, want at most %d", len(e.bad), errandsFailed)
	}
}
