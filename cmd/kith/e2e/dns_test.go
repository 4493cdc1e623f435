package e2e

import (
	"encoding/json"
	"net"

	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone is a DNS server on loopback that says what a test wants.
type zone struct {
	t       *testing.T
	addr    string
	servers []*dns.Server

	mu      sync.Mutex
	records []dns.RR
	broken  bool // it answers SERVFAIL
}

func newZone(t *testing.T) *zone {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{t: t, addr: packets.LocalAddr().String()}
	streams, err := net.Listen("tcp", z.addr)
	if err != nil {
		t.Fatal(err)
	}
	z.servers = []*dns.Server{{PacketConn: packets, Handler: z}, {Listener: streams, Handler: z}}
	var wg sync.WaitGroup
	for _, s := range z.servers {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		wg.Go(func() { s.ActivateAndServe() }) // ends with Shutdown
		<-ready
	}
	t.Cleanup(func() {
		for _, s := range z.servers {
			s.Shutdown()
		}
		wg.Wait()
	})
	return z
}

// says replaces what the zone says, as lines of a zone file.
func (z *zone) says(lines ...string) {
	z.t.Helper()
	var records []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			z.t.Fatal(err)
		}
		records = append(records, rr)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = records
}

// ServeDNS answers from what the zone says.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	known := false
	for _, rr := range z.records {
		if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
			continue
		}
		known = true
		if rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	if z.broken {
		m.Rcode, m.Answer = dns.RcodeServerFailure, nil
	}
	w.WriteMsg(m)
}

// domain makes a domain's file and enrols fred, whose home is made.
func (m *machine) domain(file string, dnsName string, home string, local string) []string {
	m.t.Helper()
	read := func(args ...string) string {
		m.t.Helper()
		return m.must(args...)
	}
	read("domain", "new", "--file", file, "--dns", dnsName, "--no-passphrase")
	var info struct{ Key string }
	if err := json.Unmarshal([]byte(read("domain", "list", "--file", file)), &info); err != nil {
		m.t.Fatal(err)
	}
	member := &machine{t: m.t, home: home}
	request, grant := home+".request", home+".grant"
	member.must("domain", "request", local+"@"+dnsName, "--key", info.Key, "--out", request)
	read("domain", "enrol", local, request, "--file", file, "--out", grant)
	member.must("domain", "accept", grant)
	var lines []string
	if err := json.Unmarshal([]byte(read("domain", "zone", "--file", file)), &lines); err != nil {
		m.t.Fatal(err)
	}
	return lines
}

// TestHostileDNS shows R3861-7-security and R3861-5-next-hop: the DNS is believed once,
// about a key; whoever answers for it later gets no message and is shown to nobody. It
// also shows R3861-1-scope: a domain that publishes records is found through the DNS.
func TestHostileDNS(t *testing.T) {
	dir := t.TempDir()
	z := newZone(t)
	flags := []string{"--listen", "127.0.0.1:0", "--no-lan", "--dns", z.addr}
	bob := newMachine(t, "bob", "", flags...)

	// The true fred of example.test, and one of a domain key that a liar made.
	truth := bob.domain(filepath.Join(dir, "true.domain"), "example.test", filepath.Join(dir, "fred"), "fred")
	lie := bob.domain(filepath.Join(dir, "false.domain"), "example.test", filepath.Join(dir, "liar"), "fred")
	meet := func() []string { return append(flags, "--bootstrap", bob.place()) }
	fred := &machine{t: t, name: "fred", home: filepath.Join(dir, "fred"), flags: meet()}
	t.Cleanup(fred.kill)

	// Nothing in the zone: nobody is found, and nobody is guessed.
	if out, err := bob.kith("lookup", "fred@example.test"); err == nil {
		t.Fatalf("found without a zone: %s", out)
	}
	z.says(truth...)
	fred.up()
	bob.must("add", "fred@example.test")
	fred.until(20*time.Second, "bob asks", func() bool { return strings.Contains(fred.must("requests"), `"bob@`) })
	fred.must("approve", "bob")
	bob.until(20*time.Second, "sees fred", func() bool { return strings.Contains(bob.must("ls"), `"liveness":"live"`) })
	bob.must("send", "fred", "to the true fred")

	// The zone changes hands. The liar is up; fred is not.
	fred.kill()
	z.says(lie...)
	liar := &machine{t: t, name: "liar", home: filepath.Join(dir, "liar"), flags: meet()}
	t.Cleanup(liar.kill)
	liar.up()
	bob.kith("send", "fred", "nobody else may read this", "--timeout", "2s") // it waits
	bob.kith("lookup", "fred@example.test")
	bob.kill() // a restart must not forget the pin
	bob.up()
	bob.kith("send", "fred", "nor this", "--timeout", "3s")
	if out := liar.must("inbox"); strings.Contains(out, "may read this") || strings.Contains(out, "nor this") {
		t.Fatalf("the liar has mail: %s", out)
	}
	if out := bob.must("ls"); strings.Contains(out, `"liveness":"live"`) {
		t.Fatalf("the liar is shown: %s", out)
	}
	if out, err := liar.kith("add", bob.invitation()); err == nil {
		liar.kith("send", "bob", "I am fred", "--timeout", "3s")
		if in := bob.must("inbox"); strings.Contains(in, "I am fred") {
			t.Fatalf("the liar writes as fred: %s %s", out, in)
		}
	}

	// The true fred comes back, also while the DNS is broken.
	liar.kill()
	z.mu.Lock()
	z.broken = true
	z.mu.Unlock()
	fred.flags = meet() // bob has moved
	fred.up()
	bob.until(40*time.Second, "message arrives", func() bool { return strings.Contains(fred.must("inbox"), "nobody else may read this") })
}

// place is where the node is to be found, for --bootstrap.
func (m *machine) place() string {
	m.t.Helper()
	var net struct {
		Peer   string
		Listen []string
	}
	if err := json.Unmarshal([]byte(m.must("net")), &net); err != nil {
		m.t.Fatal(err)
	}
	return net.Listen[0] + "/p2p/" + net.Peer
}

// invitation is the one that everybody may have.
func (m *machine) invitation() string {
	m.t.Helper()
	var me struct{ Invitation string }
	if err := json.Unmarshal([]byte(m.must("me")), &me); err != nil {
		m.t.Fatal(err)
	}
	return me.Invitation
}
