package node_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
)

// weather is a stage in memory whose DNS can fail.
type weather struct {
	*nodetest.World
	dnsDown *atomic.Bool
}

func newWeather() weather {
	return weather{nodetest.NewWorld(10 * time.Millisecond), new(atomic.Bool)}
}

func (w weather) Join(_ *testing.T, name string, _ *identity.Keys) nodetest.Device {
	return windy{w.World.Join(name), w.dnsDown}
}

func (weather) Kill(string) {}

type windy struct {
	*nodetest.Port
	dnsDown *atomic.Bool
}

func (p windy) DomainKey(ctx context.Context, domain string) (ed25519.PublicKey, bool, error) {
	if p.dnsDown.Load() {
		return nil, false, errors.New("server failure")
	}
	return p.Port.DomainKey(ctx, domain)
}

// newDomain makes a domain: under a DNS name, or "" for an overlay domain.
func newDomain(t *testing.T, dns string) *identity.Domain {
	t.Helper()
	d, err := identity.CreateDomain(filepath.Join(t.TempDir(), "domain"), dns, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// enrol makes new keys for LOCAL in a domain, in place of others if there were any.
func enrol(t *testing.T, d *identity.Domain, local string) *identity.Keys {
	t.Helper()
	a, err := identity.ParseAddress(local + "@" + d.Name())
	if err != nil {
		t.Fatal(err)
	}
	dir, now := t.TempDir(), time.Now()
	request, err := identity.RequestAccount(dir, a, d.Key(), nil)
	if err != nil {
		t.Fatal(err)
	}
	grant, err := d.Enrol(request, identity.Enrolment{Until: now.AddDate(1, 0, 0), Days: 5, Replace: true}, now)
	if err != nil {
		t.Fatal(err)
	}
	k, err := identity.AcceptAccount(dir, grant, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// watchKeys collects the views that tell of keys.
func watchKeys(t *testing.T, p *nodetest.Person) func() []node.View {
	t.Helper()
	from := p.LastEvent()
	return func() []node.View {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var views []node.View
		for e := range p.Events(ctx, from) {
			if e.Kind == node.SawKey {
				views = append(views, *e.View)
			}
		}
		return views
	}
}

func changed(p *nodetest.Person, who identity.Address) func() bool {
	return func() bool {
		v, err := p.View(who)
		return err == nil && v.KeyChanged
	}
}

// TestKeyChangeWaitsForTrust (R2779-5.1.1): the domain gives a contact's address to
// another account key, whose holder then writes.
func TestKeyChangeWaitsForTrust(t *testing.T) {
	for name, dns := range map[string]string{"DNS domain": "corp.example", "overlay domain": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWeather()
				corp := newDomain(t, dns)
				w.SetZone("corp.example", corp.Key())
				alice, bob := nodetest.NewPerson(t, w, "alice"), nodetest.NewPersonOf(t, w, "bob", enrol(t, corp, "bob"), t.TempDir())
				defer alice.End()
				nodetest.Meet(alice, bob)
				compared(t, alice, bob)
				bob.Leave()
				told := watchKeys(t, alice)
				again := nodetest.NewPersonOf(t, w, "bob", enrol(t, corp, "bob"), t.TempDir())
				defer again.End()
				m := alice.Says(time.Second, again, "for bob only")
				again.Adds(alice)
				alice.Until(5*time.Minute, "the key of bob has changed", changed(alice, bob.Address()))
				time.Sleep(time.Hour)

				v, err := alice.View(bob.Address())
				if err != nil || v.Verified || !strings.Contains(v.Reason, "kith trust bob") {
					t.Errorf("got %+v, %v", v, err)
				}
				if m, err = alice.Await(closed(), m.ID); m.Status != node.Queued || !strings.Contains(m.Reason, "their key has changed; compare it and `kith trust bob`") {
					t.Errorf("message to the new key: got %v (%s), %v", m.Status, m.Reason, err)
				}
				if m, err := again.Send(t.Context(), alice.Address(), "it is me"); err != nil || len(alice.Heard(again)) != 0 {
					t.Errorf("alice took %+v, %v", m, err)
				}
				if list := alice.Requests(); len(list) != 0 {
					t.Errorf("a request of the new key waits: %+v", list)
				}
				if views := told(); len(views) != 1 || !views[0].KeyChanged {
					t.Errorf("told %d times of one new key: %+v", len(views), views)
				}
				if err := alice.MarkVerified(t.Context(), bob.Address(), true); err == nil {
					t.Error("a key compared that is not trusted")
				}

				alice.Kill()
				alice.Start()
				sameWords(t, alice, again, true)
				if err := alice.Trust(t.Context(), bob.Address()); err != nil {
					t.Fatal(err)
				}
				if m, err = alice.Await(t.Context(), m.ID); m.Status != node.Delivered {
					t.Errorf("message to the key trusted: got %v (%s), %v", m.Status, m.Reason, err)
				}
				alice.Sees(15*time.Minute, again, node.Open, node.Live)
				again.Sees(15*time.Minute, alice, node.Open, node.Live)
				if v, _ := alice.View(bob.Address()); v.KeyChanged || v.Verified {
					t.Errorf("after trust: got %+v", v)
				}
				sameWords(t, alice, again, false)
				if err := alice.Trust(t.Context(), bob.Address()); err == nil {
					t.Error("trusted what has not changed")
				}
				bob.Start() // with the old key, which nobody trusts any more
				defer bob.End()
				bob.Says(time.Minute, alice, "I had that address")
				if got := alice.Heard(bob); !cmp.Equal(got, []string{"it is me"}) {
					t.Errorf("alice heard %q", got)
				}
			})
		})
	}
}

// closed is a context that has ended.
func closed() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// compared has one person compare words with another, and sees that it is shown.
func compared(t *testing.T, p, q *nodetest.Person) {
	t.Helper()
	sameWords(t, p, q, false)
	if err := p.MarkVerified(t.Context(), q.Address(), true); err != nil {
		t.Fatal(err)
	}
	v, _ := p.View(q.Address())
	words, err := p.Words(q.Address())
	if !v.Verified || err != nil || !words.Verified.Equal(time.Now()) {
		t.Errorf("after comparing: got %+v, %v", words, err)
	}
}

func sameWords(t *testing.T, p, q *nodetest.Person, changed bool) {
	t.Helper()
	one, err := p.Words(q.Address())
	if err != nil {
		t.Fatal(err)
	}
	two, err := q.Words(p.Address())
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(one.Digits, two.Digits) || !cmp.Equal(one.Emoji, two.Emoji) || !cmp.Equal(one.Names, two.Names) {
		t.Errorf("%s sees %v, %s sees %v", p.Name, one, q.Name, two)
	}
	if len(one.Digits) != 12 || len(one.Emoji) != 11 || one.KeyChanged != changed || two.KeyChanged {
		t.Errorf("got %+v and %+v", one, two)
	}
}

// TestZoneChangeIsNoticed (R2779-5.1.1): the zone of a contact's domain names
// another key. It is asked daily; that it fails, or names none, is no change.
func TestZoneChangeIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWeather()
		corp := newDomain(t, "corp.example")
		w.SetZone("corp.example", corp.Key())
		alice := nodetest.NewPerson(t, w, "alice")
		defer alice.End()
		bob := nodetest.NewPersonOf(t, w, "bob", enrol(t, corp, "bob"), t.TempDir())
		carol := nodetest.NewPersonOf(t, w, "carol", enrol(t, corp, "carol"), t.TempDir())
		nodetest.Meet(alice, bob)
		nodetest.Meet(alice, carol)
		again := func() { // asks within the first minutes
			alice.Kill()
			alice.Start()
			time.Sleep(11 * time.Minute)
		}
		w.dnsDown.Store(true)
		again()
		w.SetZone("corp.example", nil)
		w.dnsDown.Store(false)
		again()
		if m := alice.Says(time.Minute, bob, "still you"); m.Status != node.Delivered {
			t.Errorf("without the zone: got status %v (%s)", m.Status, m.Reason)
		}
		if v, _ := alice.View(bob.Address()); v.KeyChanged {
			t.Errorf("silence taken for a change: %+v", v)
		}

		other := newDomain(t, "corp.example")
		w.SetZone("corp.example", other.Key())
		bob.Leave()
		carol.Leave()
		told := watchKeys(t, alice)
		time.Sleep(30 * time.Hour)
		alice.Until(time.Minute, "the change of the zone", changed(alice, bob.Address()))
		alice.Until(time.Minute, "for everybody under it", changed(alice, carol.Address()))
		if views := told(); len(views) != 2 {
			t.Errorf("told %d times of one new key for each of two: %+v", len(views), views)
		}
		bob.Start()
		if m := alice.Says(time.Hour, bob, "the key that I know"); m.Status != node.Delivered {
			t.Errorf("to the key pinned: got status %v (%s)", m.Status, m.Reason)
		}
		w.SetZone("corp.example", corp.Key())
		again()
		if v, _ := alice.View(bob.Address()); v.KeyChanged {
			t.Error("shown as changed when the zone says what it said before")
		}

		w.SetZone("corp.example", other.Key())
		bob.Leave()
		bobAgain := nodetest.NewPersonOf(t, w, "bob", enrol(t, other, "bob"), t.TempDir())
		defer bobAgain.End()
		again()
		alice.Until(time.Minute, "the change of the zone", changed(alice, bob.Address()))
		if err := alice.Trust(t.Context(), bob.Address()); err != nil {
			t.Fatal(err)
		}
		bobAgain.Adds(alice)
		m := alice.Says(time.Hour, bobAgain, "the key that I trust")
		if m.Status != node.Delivered {
			t.Errorf("to the key trusted: got status %v (%s)", m.Status, m.Reason)
		}
		if v, _ := alice.View(carol.Address()); v.KeyChanged {
			t.Errorf("the domain's key is accepted for one and not for another under it: %+v", v)
		}
	})
}

// TestOwnDomainCannotChange: whoever is their own overlay domain has their key in
// the address.
func TestOwnDomainCannotChange(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		compared(t, alice, bob)
		alice.Kill()
		alice.Start()
		time.Sleep(11 * time.Minute)
		if v, _ := alice.View(bob.Address()); v.KeyChanged || !v.Verified {
			t.Errorf("got %+v", v)
		}
		if err := alice.Trust(t.Context(), bob.Address()); err == nil {
			t.Error("trusted what cannot change")
		}
		if err := alice.MarkVerified(t.Context(), bob.Address(), false); err != nil {
			t.Fatal(err)
		}
		if v, _ := alice.View(bob.Address()); v.Verified {
			t.Error("verified after that was taken back")
		}
		stranger := newOutsider(t, "bob").keys.Address()
		for name, err := range map[string]error{
			"trust": alice.Trust(t.Context(), stranger), "mark": alice.MarkVerified(t.Context(), stranger, true),
		} {
			if !errors.Is(err, node.ErrNotFound) {
				t.Errorf("%s a stranger: %v", name, err)
			}
		}
		if _, err := alice.Words(stranger); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("words with a stranger: %v", err)
		}
		if _, err := alice.Words(alice.Address()); err == nil {
			t.Error("words with oneself")
		}
	})
}
