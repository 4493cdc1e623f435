package overlay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// ask makes zones that ask a server.
func ask(t *testing.T, s *nameServer, cfg DNS) *zones {
	t.Helper()
	cfg.Server = s.addr
	z, err := newZones(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// R3861-6-two: a limit of one is refused.
func TestDNSConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  DNS
		want error
	}{
		{DNS{}, nil},
		{DNS{Targets: 2}, nil},
		{DNS{Targets: 1}, errTargets},
		{DNS{Targets: -1}, errTargets},
		{DNS{Server: "192.0.2.53:53"}, nil},
		{DNS{Server: "[2001:db8::53]:5353"}, nil},
		{DNS{Server: "192.0.2.53"}, errDNSServer},
		{DNS{Server: "192.0.2.53:0"}, errDNSServer},
		{DNS{Server: "ns.example.com:53"}, errDNSServer},
	} {
		z, err := newZones(c.cfg, slog.New(slog.DiscardHandler))
		if !errors.Is(err, c.want) || (z == nil) != (err != nil) {
			t.Errorf("%+v: got %v, %v, want error %v", c.cfg, z, err, c.want)
		}
	}
}

func TestDomainKey(t *testing.T) {
	k1, k2 := named(t, 1), named(t, 2)
	long := strings.Repeat(" ", textLimit-len("v=kith1;k=")-len(k1))
	s := serveDNS(t,
		`_kith.plain.test. TXT "v=kith1; k=`+k1+`"`,
		`_kith.tight.test. TXT "v=kith1;k=`+k1+`"`,
		`_kith.parts.test. TXT "v=kith1; k=`+k1[:20]+`" "`+k1[20:]+`"`,
		`_kith.among.test. TXT "v=spf1 -all"`,
		`_kith.among.test. TXT "v=kith2; k=none"`,
		`_kith.among.test. TXT "v=kith1; new=1; k=`+k1+`; flag; p=junk;"`,
		`_kith.twice.test. TXT "v=kith1; k=`+k1+`"`,
		`_kith.twice.test. TXT "v=kith1; k=`+k1+`; k=`+k1+`"`,
		`_kith.limit.test. TXT "v=kith1;`+long[:200]+`" "`+long[200:400]+`" "`+long[400:600]+`" "`+long[600:800]+`" "`+long[800:]+`k=`+k1+`"`,
		`_kith.alias.test. CNAME _kith.plain.test.`,
		`_kith.two.test. TXT "v=kith1; k=`+k1+`"`,
		`_kith.two.test. TXT "v=kith1; k=`+k2+`"`,
		`_kith.both.test. TXT "v=kith1; k=`+k1+`; k=`+k2+`"`,
		`_kith.bad.test. TXT "v=kith1; k=`+k1[:61]+`"`,
		`_kith.upper.test. TXT "v=kith1; k=`+strings.ToUpper(k1)+`"`,
		`_kith.coded.test. TXT "v=kith1; k=%6b`+k1[1:]+`"`,
		`_kith.none.test. TXT "v=kith1; p=`+peerID(t, 1).String()+`"`,
		`_kith.other.test. TXT "hello"`,
		`_kith.late.test. TXT "k=`+k1+`; v=kith1"`,
		`_kith.big.test. TXT "v=kith1;`+long[:200]+`" "`+long[200:400]+`" "`+long[400:600]+`" "`+long[600:800]+`" "`+long[800:]+` k=`+k1+`"`,
		`empty.test. A 192.0.2.1`,
		`_kith.fails.test. TXT "v=kith1; k=`+k1+`"`,
	)
	s.fail("_kith.fails.test.", dns.RcodeServerFailure)
	s.fail("_kith.refused.test.", dns.RcodeRefused)
	s.fail("_kith.notimp.test.", dns.RcodeNotImplemented)
	z := ask(t, s, DNS{})
	anyError := errors.New("any")
	for _, c := range []struct {
		domain string
		found  bool
		err    error
	}{
		{"plain.test", true, nil},
		{"PLAIN.Test", true, nil},
		{"plain.test.", true, nil},
		{"tight.test", true, nil},
		{"parts.test", true, nil},
		{"among.test", true, nil},
		{"twice.test", true, nil},
		{"limit.test", true, nil},
		{"alias.test", true, nil},
		{"two.test", false, errTextKeys},
		{"both.test", false, errTextKeys},
		{"bad.test", false, errTextKey},
		{"upper.test", false, errTextKey},
		{"coded.test", false, errTextKey},
		{"big.test", false, errTextLength},
		{"none.test", false, nil},
		{"other.test", false, nil},
		{"late.test", false, nil},
		{"empty.test", false, nil},
		{"absent.test", false, nil}, // NXDOMAIN
		{"fails.test", false, anyError},
		{"refused.test", false, anyError},
		{"notimp.test", false, anyError},
	} {
		t.Run(c.domain, func(t *testing.T) {
			key, found, err := z.domainKey(t.Context(), c.domain)
			if found != c.found || (err != nil) != (c.err != nil) || c.err != anyError && !errors.Is(err, c.err) {
				t.Fatalf("got %x, %v, %v, want %v, %v", key, found, err, c.found, c.err)
			}
			if found && !key.Equal(publicKey(1)) || !found && key != nil {
				t.Errorf("got key %x", key)
			}
		})
	}
}

// Failures are told from absence, and say which server failed.
func TestDNSFails(t *testing.T) {
	s := serveDNS(t,
		`_im._kith.srv.test. SRV 0 0 1 a.srv.test.`,
		`half.test. A 192.0.2.1`, `_kith.half.test. TXT "v=kith1; p=`+peerID(t, 1).String()+`"`)
	z := ask(t, s, DNS{})
	for _, broken := range []string{
		"_im._kith.srv.test.", // the SRV records
		"alias.test. CNAME",   // whether it is an alias
		"address.test. A",     // whether it has an address
		"address6.test. AAAA", // of either kind
		"half.test. AAAA",     // no matter, there is the other kind
	} {
		s.fail(broken, dns.RcodeServerFailure)
	}
	for domain, want := range map[string]int{"srv.test": -1, "alias.test": -1, "address.test": -1, "address6.test": -1, "half.test": 1, "nothing.test": 0} {
		list, err := z.targets(t.Context(), "im", domain)
		if len(list) != max(want, 0) || (err != nil) != (want < 0) {
			t.Errorf("%s: got %v, %v, want %d", domain, list, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), s.addr) {
			t.Errorf("%s: %v, want the server named, %s", domain, err, s.addr)
		}
		if want > 0 && (len(list[0].Peers) != 1 || len(list[0].Peers[0].Addrs) != 2) {
			t.Errorf("%s: got %+v", domain, list)
		}
	}

	t.Run("timeout", func(t *testing.T) {
		s.lose("_kith.slow.test.", 100)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, found, err := z.domainKey(ctx, "slow.test")
		if e, ok := errors.AsType[net.Error](err); found || !ok || !e.Timeout() {
			t.Errorf("got %v, %v, want a timeout", found, err)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		z, err := newZones(DNS{Server: "127.0.0.1:1"}, z.log)
		if err != nil {
			t.Fatal(err)
		}
		if _, found, err := z.domainKey(t.Context(), "plain.test"); found || err == nil {
			t.Errorf("got %v, %v, want an error", found, err)
		}
		if list, err := z.targets(t.Context(), "im", "plain.test"); list != nil || err == nil {
			t.Errorf("got %v, %v, want an error", list, err)
		}
	})
	t.Run("lame", func(t *testing.T) {
		s.meddle(func(_ dns.Question, m *dns.Msg) {
			*m = dns.Msg{MsgHdr: dns.MsgHdr{Id: m.Id, Response: true}, Question: m.Question}
		})
		if _, found, err := z.domainKey(t.Context(), "plain.test"); found || err == nil {
			t.Errorf("got %v, %v, want an error", found, err)
		}
	})
}

// A lost datagram is sent again in time.
func TestDNSLoss(t *testing.T) {
	s := serveDNS(t, `_kith.plain.test. TXT "v=kith1; k=`+named(t, 1)+`"`)
	s.lose("_kith.plain.test.", 1)
	began := time.Now()
	_, found, err := ask(t, s, DNS{}).domainKey(t.Context(), "plain.test")
	if !found || err != nil {
		t.Errorf("got %v, %v after %v", found, err, time.Since(began))
	}
}

// The system's servers are asked where the resolver says they are.
func TestDNSDial(t *testing.T) {
	s := serveDNS(t, `_kith.plain.test. TXT "v=kith1; k=`+named(t, 1)+`"`)
	z, err := newZones(DNS{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		c, err := z.dial(t.Context(), network, s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != s.addr {
			t.Errorf("%s: reached %s, want %s", network, got, s.addr)
		}
		if _, datagrams := c.(net.PacketConn); datagrams != (network == "udp") {
			t.Errorf("%s: the resolver takes it for datagrams: %v", network, datagrams)
		}
		c.Close()
	}
}

// Answers too long for a datagram come by TCP.
func TestDNSTruncated(t *testing.T) {
	s := serveDNS(t, `_kith.plain.test. TXT "v=kith1; k=`+named(t, 1)+`"`)
	for i := range 40 {
		s.add(t, fmt.Sprintf(`_kith.plain.test. TXT "other %d %s"`, i, strings.Repeat("x", 200)))
	}
	key, found, err := ask(t, s, DNS{}).domainKey(t.Context(), "plain.test")
	if !found || err != nil || !key.Equal(publicKey(1)) {
		t.Errorf("got %x, %v, %v", key, found, err)
	}
	s.add(t, `_kith.huge.test. TXT "v=kith1; k=`+named(t, 1)+`;"`+strings.Repeat(` "`+strings.Repeat("x", 255)+`"`, 240))
	if key, found, err := ask(t, s, DNS{}).domainKey(t.Context(), "huge.test"); key != nil || found || !errors.Is(err, errTextLength) {
		t.Errorf("60 KiB: got %x, %v, %v, want %v", key, found, err, errTextLength)
	}
	want := []string{"_kith.plain.test. TXT udp", "_kith.plain.test. TXT tcp", "_kith.huge.test. TXT udp", "_kith.huge.test. TXT tcp"}
	if diff := cmp.Diff(want, s.packets()); diff != "" {
		t.Error(diff)
	}
}

// R3861-3-fqdn: what is no name of the DNS is never asked for.
// R3861-4-lookup: nor is anything with the DNS turned off.
func TestDNSUnasked(t *testing.T) {
	s := serveDNS(t)
	z := ask(t, s, DNS{})
	label := strings.Repeat("a", 63)
	for _, domain := range []string{
		"", ".", "..", "fred", "localhost", "a..test", ".test", "a.test..", "-a.test", "a-.test", "a_b.test", "a b.test", "a\x00.test",
		"grüße.test", "\u212aith.test", "192.0.2.1", "2001:db8::1", "a." + label + "a.test", strings.Repeat(label+".", 4) + "test",
		named(t, 1) + ".kith.alt", "a." + named(t, 1) + ".kith.alt", "KITH.ALT", "a.alt.", "a.local", "a.onion", "a.localhost", "a.invalid",
	} {
		if key, found, err := z.domainKey(t.Context(), domain); key != nil || found || err != nil {
			t.Errorf("key of %q: got %x, %v, %v, want none", domain, key, found, err)
		}
		if list, err := z.targets(t.Context(), "im", domain); list != nil || err != nil {
			t.Errorf("targets of %q: got %v, %v, want none", domain, list, err)
		}
	}
	off := ask(t, s, DNS{Off: true})
	if key, found, err := off.domainKey(t.Context(), "example.test"); key != nil || found || !errors.Is(err, errDNSOff) {
		t.Errorf("key, DNS off: got %x, %v, %v, want %v", key, found, err, errDNSOff)
	}
	if list, err := off.targets(t.Context(), "pres", "example.test"); list != nil || err != nil {
		t.Errorf("targets, DNS off: got %v, %v, want none", list, err)
	}
	if log := s.log(); log != nil {
		t.Errorf("the server was asked %q", log)
	}
}
