package overlay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"crypto/ed25519"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// R3861-5-list-protocols: each service of each target has its record, another
// program reads them, and so does the resolver.
func TestZoneRecords(t *testing.T) {
	k, p1, p2 := named(t, 1), peerID(t, 1).String(), peerID(t, 2).String()
	lines, err := ZoneRecords("Example.TEST.", publicKey(1), []ZoneTarget{
		{Host: "a.hosts.test", Peers: []string{p1, p2}},
		{Host: "B.hosts.test.", Port: 443, Priority: 10, Weight: 5, Peers: []string{p2}},
		{Host: "B.hosts.test.", Port: 80, Priority: 10, Weight: 1, Peers: []string{p2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`_kith.example.test. 3600 IN TXT "v=kith1; k=` + k + `"`,
		`_im._kith.example.test. 3600 IN SRV 0 0 4778 a.hosts.test.`,
		`_pres._kith.example.test. 3600 IN SRV 0 0 4778 a.hosts.test.`,
		`_im._kith.example.test. 3600 IN SRV 10 5 443 b.hosts.test.`,
		`_pres._kith.example.test. 3600 IN SRV 10 5 443 b.hosts.test.`,
		`_im._kith.example.test. 3600 IN SRV 10 1 80 b.hosts.test.`,
		`_pres._kith.example.test. 3600 IN SRV 10 1 80 b.hosts.test.`,
		`_kith.a.hosts.test. 3600 IN TXT "v=kith1; p=` + p1 + `; p=` + p2 + `"`,
		`_kith.b.hosts.test. 3600 IN TXT "v=kith1; p=` + p2 + `"`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Fatal(diff)
	}
	parser := dns.NewZoneParser(strings.NewReader(strings.Join(lines, "\n")+"\n"), "", "")
	var read []string
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		read = append(read, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Error(diff)
	}

	s := serveDNS(t, append(lines, "a.hosts.test. A 192.0.2.1", "b.hosts.test. A 192.0.2.2")...)
	z := ask(t, s, DNS{})
	if key, found, err := z.domainKey(t.Context(), "example.test"); !found || err != nil || !key.Equal(publicKey(1)) {
		t.Errorf("key: got %x, %v, %v", key, found, err)
	}
	for _, service := range []string{"im", "pres"} {
		list, err := z.targets(t.Context(), service, "example.test")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tg := range list {
			got = append(got, fmt.Sprintf("%s %d %v", tg, len(tg.Peers), tg.Err))
		}
		slices.Sort(got[1:]) // of one priority
		want := []string{"a.hosts.test:4778 2 <nil>", "b.hosts.test:443 1 <nil>", "b.hosts.test:80 1 <nil>"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", service, diff)
		}
	}
}

func TestZoneRecordsRefused(t *testing.T) {
	p := peerID(t, 1).String()
	five := []string{p, p, p, p, p}
	host := func(name string, peers ...string) []ZoneTarget { return []ZoneTarget{{Host: name, Peers: peers}} }
	for _, c := range []struct {
		name    string
		domain  string
		key     ed25519.PublicKey
		targets []ZoneTarget
		want    error // nil: any
	}{
		{"overlay domain", named(t, 1) + ".kith.alt", publicKey(1), nil, errZoneDomain},
		{"short name", "fred", publicKey(1), nil, errZoneDomain},
		{"second line", "example.test.\n@ A 192.0.2.1\n.test", publicKey(1), nil, errZoneDomain},
		{"no key", "example.test", nil, nil, nil},
		{"bad key", "example.test", make([]byte, 32), nil, nil},
		{"no host", "example.test", publicKey(1), host("", p), errZoneDomain},
		{"address", "example.test", publicKey(1), host("192.0.2.1", p), errZoneDomain},
		{"no devices", "example.test", publicKey(1), host("a.test"), errZonePeers},
		{"five devices", "example.test", publicKey(1), host("a.test", five...), errZonePeers},
		{"no peer id", "example.test", publicKey(1), host("a.test", `"; k=`), nil},
		{"other key type", "example.test", publicKey(1), host("a.test", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"), errReachPeer},
		{"many", "example.test", publicKey(1), make([]ZoneTarget, targetsLimit+1), errZoneCount},
	} {
		lines, err := ZoneRecords(c.domain, c.key, c.targets)
		if lines != nil || err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %q, %v, want %v", c.name, lines, err, c.want)
		}
	}
}
