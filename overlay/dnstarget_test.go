package overlay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// brief is a target in one line: host:port, devices by number, addresses.
func brief(t *testing.T, list []target) []string {
	t.Helper()
	var lines []string
	for _, tg := range list {
		s := tg.String()
		for _, p := range tg.Peers {
			for n := byte(1); n < 10; n++ {
				if p.ID == peerID(t, n) {
					s += fmt.Sprintf(" %d", n)
				}
			}
		}
		if len(tg.Peers) > 0 {
			s += " " + strings.Join(texts(tg.Peers[0].Addrs), " ")
		}
		if tg.Err != nil {
			s += " " + tg.Err.Error()
		}
		lines = append(lines, s)
	}
	return lines
}

func device(t *testing.T, host string, n byte, address string) []string {
	kind := "A"
	if strings.Contains(address, ":") {
		kind = "AAAA"
	}
	return []string{
		fmt.Sprintf(`_kith.%s. TXT "v=kith1; p=%s"`, host, peerID(t, n)),
		fmt.Sprintf(`%s. %s %s`, host, kind, address),
	}
}

// R3861-3-service-labels, R3861-3-query-name, R3861-3-several-protocols: one
// SRV query a service; R3861-4-fqdn: of the absolute name; R3861-4-srv-first:
// before all others.
func TestTargetQueries(t *testing.T) {
	s := serveDNS(t,
		`_im._kith.example.test. SRV 0 0 4001 A.Hosts.Test.`,
		`_pres._kith.example.test. SRV 0 0 4002 a.hosts.test.`)
	s.add(t, device(t, "a.hosts.test", 1, "192.0.2.1")...)
	z := ask(t, s, DNS{})
	for service, port := range map[string]string{"im": "4001", "pres": "4002"} {
		list, err := z.targets(t.Context(), service, "Example.test")
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"a.hosts.test:" + port + " 1 /ip4/192.0.2.1/udp/" + port + "/quic-v1 /ip4/192.0.2.1/tcp/" + port}
		if diff := cmp.Diff(want, brief(t, list)); diff != "" {
			t.Errorf("%s: %s", service, diff)
		}
		log := s.log()
		if first := "_" + service + "._kith.example.test. SRV"; log[0] != first {
			t.Errorf("%s: got %s first, want %s", service, log[0], first)
		}
		slices.Sort(log[1:])
		rest := []string{"_kith.a.hosts.test. TXT", "a.hosts.test. A", "a.hosts.test. AAAA"}
		if diff := cmp.Diff(rest, log[1:]); diff != "" {
			t.Errorf("%s: %s", service, diff)
		}
	}
}

// R3861-3-pres-same: the services of a domain are apart. R3861-4-srv-first: SRV
// is asked for before addresses.
func TestTargetsOfOneService(t *testing.T) {
	s := serveDNS(t, `_im._kith.example.test. SRV 0 0 4001 a.hosts.test.`)
	s.add(t, device(t, "a.hosts.test", 1, "192.0.2.1")...)
	list, err := ask(t, s, DNS{}).targets(t.Context(), "pres", "example.test")
	if list != nil || err != nil {
		t.Errorf("got %v, %v, want none", list, err)
	}
	want := []string{"_pres._kith.example.test. SRV", "example.test. A", "example.test. AAAA", "example.test. CNAME"}
	log := s.log()
	slices.Sort(log[1:])
	if diff := cmp.Diff(want, log); diff != "" {
		t.Error(diff)
	}
}

func TestTargets(t *testing.T) {
	s := serveDNS(t,
		// R3861-4-implicit-srv
		`_kith.bare.test. TXT "v=kith1; k=`+named(t, 1)+`; p=`+peerID(t, 1).String()+`"`,
		`bare.test. A 192.0.2.1`, `bare.test. AAAA 2001:db8::1`,
		// R3861-4-srv-excludes-a
		`_im._kith.dead.test. SRV 0 0 1 gone.test.`,
		`_kith.dead.test. TXT "v=kith1; p=`+peerID(t, 2).String()+`"`, `dead.test. A 192.0.2.2`,
		// and it may be named
		`_im._kith.own.test. SRV 0 0 1 own.test.`,
		`_kith.own.test. TXT "v=kith1; p=`+peerID(t, 2).String()+`"`, `own.test. A 192.0.2.2`,
		// R3861-4-cname
		`alias.test. CNAME real.test.`,
		`_im._kith.real.test. SRV 0 0 2 one.real.test.`,
		`_kith.one.real.test. TXT "v=kith1; p=`+peerID(t, 3).String()+`"`, `one.real.test. A 192.0.2.3`,
		`_kith.real.test. TXT "v=kith1; k=`+named(t, 3)+`"`,
		`tobare.test. CNAME alias2.test.`, `alias2.test. CNAME bare.test.`,
		`_im._kith.under.test. CNAME _im._kith.real.test.`,
		`circle.test. CNAME circle2.test.`, `circle2.test. CNAME circle.test.`,
		`self.test. CNAME self.test.`,
		`toalt.test. CNAME kith.alt.`,
		`dangling.test. CNAME nowhere.test.`,
		// R3861-6-priority-weight
		`_im._kith.closed.test. SRV 0 0 0 .`, `closed.test. A 192.0.2.2`,
		`_im._kith.partly.test. SRV 0 0 0 .`, `_im._kith.partly.test. SRV 1 0 1 own.test.`,
		// what a device needs
		`_im._kith.odd.test. SRV 1 0 1 nobody.test.`, `nobody.test. A 192.0.2.2`,
		`_im._kith.odd.test. SRV 2 0 1 nowhere.test.`, `_kith.nowhere.test. TXT "v=kith1; p=`+peerID(t, 2).String()+`"`,
		`_im._kith.odd.test. SRV 3 0 0 own.test.`,
		`_im._kith.odd.test. SRV 4 0 1 `+named(t, 1)+`.kith.alt.`,
		`_im._kith.odd.test. SRV 5 0 1 localhost.`,
		`_im._kith.odd.test. SRV 6 0 7 own.test.`,
		`_im._kith.odd.test. SRV 7 0 7 OWN.test.`,
		`_im._kith.odd.test. SRV 8 0 7 broken.test.`, `broken.test. A 192.0.2.2`,
		`_im._kith.odd.test. SRV 9 0 7 a_b.test.`,
		`_im._kith.literal.test. SRV 0 0 7 192.0.2.1.`,
		`_im._kith.literals.test. SRV 0 0 7 192.0.2.1.`, `_im._kith.literals.test. SRV 0 0 7 own.test.`,
	)
	for i := range aliasLimit {
		s.add(t, fmt.Sprintf("long%d.test. CNAME long%d.test.", i, i+1))
	}
	s.add(t, fmt.Sprintf("_im._kith.long%d.test. SRV 0 0 1 own.test.", aliasLimit))
	s.add(t, "longer.test. CNAME long0.test.")
	s.fail("_kith.broken.test.", dns.RcodeServerFailure)
	const own = "own.test:1 2 /ip4/192.0.2.2/udp/1/quic-v1 /ip4/192.0.2.2/tcp/1"
	const own7 = "own.test:7 2 /ip4/192.0.2.2/udp/7/quic-v1 /ip4/192.0.2.2/tcp/7"
	const bare = "bare.test:4778 1 /ip4/192.0.2.1/udp/4778/quic-v1 /ip4/192.0.2.1/tcp/4778" +
		" /ip6/2001:db8::1/udp/4778/quic-v1 /ip6/2001:db8::1/tcp/4778"
	const real = "one.real.test:2 3 /ip4/192.0.2.3/udp/2/quic-v1 /ip4/192.0.2.3/tcp/2"
	z := ask(t, s, DNS{})
	for _, c := range []struct {
		domain string
		want   []string
		err    error
	}{
		{"absent.test", nil, nil},
		{"bare.test", []string{bare}, nil},
		{"dead.test", []string{"gone.test:1 names no device in a TXT record"}, nil},
		{"own.test", []string{own}, nil},
		{"alias.test", []string{real}, nil},
		{"tobare.test", []string{bare}, nil},
		{"under.test", []string{real}, nil},
		{"long0.test", []string{own}, nil},
		{"longer.test", nil, errAliasLong},
		{"circle.test", nil, errAliasLoop},
		{"self.test", []string{"self.test:4778 names no device in a TXT record"}, nil},
		{"toalt.test", nil, errAliasName},
		{"dangling.test", nil, nil},
		{"closed.test", nil, errNotOffered},
		{"partly.test", []string{own}, nil},
		{"odd.test", []string{
			"nobody.test:1 names no device in a TXT record",
			"nowhere.test:1 has no address that can be used",
			"own.test:0 has port 0",
			named(t, 1) + ".kith.alt.:1 is no host of the DNS",
			"localhost.:1 is no host of the DNS",
			own7,
			"broken.test:7 lookup _kith.broken.test. on " + s.addr + ": server misbehaving",
			"a_b.test.:7 is no host of the DNS",
		}, nil},
		{"literals.test", []string{own7}, nil},
	} {
		t.Run(c.domain, func(t *testing.T) {
			list, err := z.targets(t.Context(), "im", c.domain)
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, %v, want %v", brief(t, list), err, c.err)
			}
			if diff := cmp.Diff(c.want, brief(t, list)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("malformed", func(t *testing.T) {
		if list, err := z.targets(t.Context(), "im", "literal.test"); list != nil || err == nil {
			t.Errorf("got %v, %v, want an error", list, err)
		}
	})
	// R3861-4-cname: an alias gives reach and no key.
	t.Run("key of an alias", func(t *testing.T) {
		if key, found, err := z.domainKey(t.Context(), "alias.test"); key != nil || found || err != nil {
			t.Errorf("got %x, %v, %v, want none", key, found, err)
		}
	})
}

// A zone cannot make a device ask many, or itself.
func TestTargetLimits(t *testing.T) {
	s := serveDNS(t)
	for i := range 1000 {
		s.add(t, fmt.Sprintf("_im._kith.many.test. SRV %d 0 1 h%d.test.", 1+i, i))
	}
	for i := range targetsLimit {
		for n := byte(1); n < 9; n++ {
			s.add(t, device(t, fmt.Sprintf("h%d.test", i), n, fmt.Sprintf("192.0.2.%d", n))...)
			s.add(t, fmt.Sprintf("h%d.test. AAAA 2001:db8::%d", i, n))
		}
	}
	z := ask(t, s, DNS{})
	list, err := z.targets(t.Context(), "im", "many.test")
	if err != nil || len(list) != targetsLimit {
		t.Fatalf("got %d targets, %v, want %d", len(list), err, targetsLimit)
	}
	for i, tg := range list {
		if tg.Host != fmt.Sprintf("h%d.test", i) || len(tg.Peers) != targetPeers {
			t.Fatalf("target %d: %v with %d devices, want %d", i, tg, len(tg.Peers), targetPeers)
		}
		for _, p := range tg.Peers {
			if len(p.Addrs) != 2*targetAddrs {
				t.Fatalf("target %d: %d addresses", i, len(p.Addrs))
			}
		}
	}
	if n := len(s.log()); n != 2+3*targetsLimit { // the SRV query twice: datagram, stream
		t.Errorf("%d queries, want %d", n, 2+3*targetsLimit)
	}
}

func TestTargetAddresses(t *testing.T) {
	s := serveDNS(t, `_im._kith.local.test. SRV 0 0 1 local.hosts.test.`,
		`local.hosts.test. AAAA ::1`, `local.hosts.test. AAAA fe80::1`, `local.hosts.test. AAAA ::`, `local.hosts.test. AAAA fd00::1`,
		`local.hosts.test. A 169.254.169.254`, `local.hosts.test. A 0.0.0.0`, `local.hosts.test. A 255.255.255.255`,
		`local.hosts.test. A 224.0.0.1`, `local.hosts.test. A 10.0.0.1`, `local.hosts.test. AAAA ff02::1`,
		`local.hosts.test. AAAA ::ffff:10.0.0.1`, `local.hosts.test. AAAA ::ffff:127.0.0.1`)
	s.add(t, device(t, "local.hosts.test", 1, "127.0.0.1")...)
	z := ask(t, s, DNS{})
	for _, c := range []struct {
		server string
		want   []string
	}{
		{s.addr, []string{"10.0.0.1", "127.0.0.1", "::1", "fd00::1"}},
		{"192.0.2.53:53", []string{"10.0.0.1", "fd00::1"}},
		{"", []string{"10.0.0.1", "fd00::1"}},
	} {
		elsewhere, err := newZones(DNS{Server: c.server}, z.log)
		if err != nil {
			t.Fatal(err)
		}
		elsewhere.resolver = z.resolver
		list, err := elsewhere.targets(t.Context(), "im", "local.test")
		if err != nil || len(list) != 1 || len(list[0].Peers) != 1 {
			t.Fatalf("got %v, %v", brief(t, list), err)
		}
		var got []string
		for _, a := range list[0].Peers[0].Addrs {
			got = append(got, strings.Split(a.String(), "/")[2])
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, slices.Compact(got)); diff != "" {
			t.Errorf("server %q: %s", c.server, diff)
		}
	}
}

// Answers that are not well formed are failures, and panic nobody.
func TestTargetsHostile(t *testing.T) {
	s := serveDNS(t, `_im._kith.example.test. SRV 0 0 1 a.test.`)
	z := ask(t, s, DNS{})
	for name, target := range map[string]string{
		"NUL":       `a\000b.test.`,
		"space":     `a\032b.test.`,
		"dot":       `a\.b.test.`,
		"high":      `\255.test.`,
		"bare":      `9.`,
		"formatted": `%s%n.test.`,
	} {
		t.Run(name, func(t *testing.T) {
			s.meddle(func(_ dns.Question, m *dns.Msg) {
				for i, rr := range m.Answer {
					if srv, ok := rr.(*dns.SRV); ok {
						bad := *srv
						bad.Target = target
						m.Answer[i] = &bad
					}
				}
			})
			if list, err := z.targets(t.Context(), "im", "example.test"); list != nil || err == nil {
				t.Errorf("got %v, %v, want an error", list, err)
			}
		})
	}
}

// R3861-6-priority-weight
func TestOrder(t *testing.T) {
	record := func(priority, weight uint16, target string) *net.SRV {
		return &net.SRV{Priority: priority, Weight: weight, Target: target}
	}
	random := rand.New(rand.NewPCG(1, 2))
	const draws = 10_000
	for _, c := range []struct {
		name    string
		records []*net.SRV
		shares  map[string]float64 // of being first
	}{
		{"as in RFC 2782", []*net.SRV{record(0, 1, "old"), record(0, 3, "new"), record(1, 60000, "backup")}, map[string]float64{"old": 0.25, "new": 0.75}},
		{"many", []*net.SRV{record(7, 10, "a"), record(7, 20, "b"), record(7, 30, "c"), record(7, 40, "d")},
			map[string]float64{"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}},
		{"without weights", []*net.SRV{record(0, 0, "a"), record(0, 0, "b"), record(0, 0, "c"), record(65535, 0, "z")},
			map[string]float64{"a": 1. / 3, "b": 1. / 3, "c": 1. / 3}},
		{"some without", []*net.SRV{record(0, 0, "a"), record(0, 9, "b")}, map[string]float64{"a": 0.1, "b": 0.9}},
		{"largest", []*net.SRV{record(0, 65535, "a"), record(0, 65535, "b")}, map[string]float64{"a": 0.5, "b": 0.5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := make(map[string]int)
			for range draws {
				got := order(c.records, random.IntN)
				first[got[0].Target]++
				if !slices.IsSortedFunc(got, func(a, b *net.SRV) int { return int(a.Priority) - int(b.Priority) }) {
					t.Fatalf("not by priority: %v", got)
				}
			}
			for name, n := range first {
				if want := c.shares[name] * draws; float64(n) < 0.95*want || float64(n) > 1.05*want {
					t.Errorf("%s: first in %d of %d, want %.0f within 5 %%", name, n, draws, want)
				}
			}
		})
	}
	t.Run("second", func(t *testing.T) { // drawn by weight among those that are left
		records := []*net.SRV{record(0, 50, "a"), record(0, 30, "b"), record(0, 20, "c")}
		second, total := 0, 0
		for range draws {
			if got := order(records, random.IntN); got[0].Target == "a" {
				total++
				if got[1].Target == "b" {
					second++
				}
			}
		}
		if share := float64(second) / float64(total); share < 0.95*0.6 || share > 1.05*0.6 {
			t.Errorf("b after a: %.3f, want 0.6", share)
		}
	})
	t.Run("none lost", func(t *testing.T) {
		var records []*net.SRV
		for i := range 300 {
			records = append(records, record(uint16(random.IntN(5)), uint16(random.IntN(5)), fmt.Sprint(i)))
		}
		got := order(records, random.IntN)
		slices.SortFunc(got, func(a, b *net.SRV) int { return slices.Index(records, a) - slices.Index(records, b) })
		if diff := cmp.Diff(records, got); diff != "" {
			t.Error(diff)
		}
	})
}
