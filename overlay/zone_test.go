package overlay

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
)

// welcome is a handler that admits all and answers nobody.
type welcome struct{}

func (welcome) Admit(string, string) bool { return true }
func (welcome) Stir()                     {}
func (welcome) Hear(context.Context, string, identity.Sealed) (bool, error) {
	return false, errRefused
}
func (welcome) Answer(context.Context, string, string, identity.Sealed) (identity.Sealed, error) {
	return identity.Sealed{}, errRefused
}

// zoneMember makes alice@example.test, and gives the name of the domain's key.
func zoneMember(t *testing.T, now time.Time) (keys *identity.Keys, name string) {
	t.Helper()
	domain, err := identity.CreateDomain(filepath.Join(t.TempDir(), "domain"), "example.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer domain.Close()
	address, err := identity.ParseAddress("alice@example.test")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	request, err := identity.RequestAccount(home, address, domain.Key(), nil)
	if err != nil {
		t.Fatal(err)
	}
	grant, err := domain.Enrol(request, identity.Enrolment{Until: now.AddDate(0, 1, 0), Days: 3}, now)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = identity.AcceptAccount(home, grant, nil, now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if name, err = domain.KeyName(); err != nil {
		t.Fatal(err)
	}
	return keys, name
}

// TestResolveByZone finds a member of a DNS domain whom no DHT knows, at the
// device that the zone names, over the real TCP and a real DNS server.
// R3861-3-resolve, R3861-5-next-hop, and by each order of DNS and overlay: R3861-5-local-choice.
func TestResolveByZone(t *testing.T) {
	now := time.Now()
	keys, name := zoneMember(t, now)
	s := serveDNS(t, `_kith.example.test. TXT "v=kith1; k=`+name+`"`)
	open := func(n byte, d DNS) *Overlay {
		d.Server = s.addr
		o, err := New(Config{Key: seeded(n), Listen: []string{"/ip4/127.0.0.1/tcp/0"}, DNS: d})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- o.Serve(ctx, welcome{}) }() // until cancelled
		t.Cleanup(func() { cancel(); <-done; o.Close() })
		return o
	}
	alice := open(1, DNS{})
	full, _ := alice.Reach()
	card, err := keys.SignCard(identity.CardDraft{Serial: 1, Reach: full}, now)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := alice.Announce(t.Context(), card); n != 0 || err != nil {
		t.Fatalf("announce alone: %d, %v", n, err)
	}
	s.add(t, append(device(t, "host.example.test", 1, "127.0.0.1"),
		fmt.Sprintf("_im._kith.example.test. SRV 0 0 %d host.example.test.", alice.Port()))...)

	for i, d := range []DNS{{}, {Last: true}, {Off: true}} {
		reader := open(byte(2+i), d)
		key, _, err := alice.DomainKey(t.Context(), "example.test")
		if err != nil {
			t.Fatal(err)
		}
		at := identity.Locator{Address: keys.Address(), Domain: key}
		got, found, err := reader.Resolve(t.Context(), at)
		if err != nil || found == d.Off || found && got.Card().Serial != 1 {
			t.Errorf("%+v: found %v, %v", d, found, err)
		}
		report, err := reader.Lookup(t.Context(), at)
		if err != nil || report.Found == d.Off {
			t.Errorf("%+v: lookup found %v, %v", d, report.Found, err)
		}
		zone := 0
		for _, p := range report.Probes {
			if p.Network == "dns" && p.Found {
				zone++
			}
		}
		if d.Off != (zone == 0) {
			t.Errorf("%+v: %d probes of the zone found it: %+v", d, zone, report.Probes)
		}
	}
}
