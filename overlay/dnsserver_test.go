package overlay

import (
	"crypto/ed25519"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/miekg/dns"
)

// nameServer is a DNS server on loopback, by UDP and TCP, that answers as a
// recursive server does and remembers what it was asked.
type nameServer struct {
	addr string

	mu      sync.Mutex
	queries []string                         // "name. TYPE net"
	records map[string][]dns.RR              // by name in lower case
	codes   map[string]int                   // response codes instead of answers, by "name. TYPE" or name
	drop    map[string]int                   // how many queries to leave unanswered
	alter   func(q dns.Question, m *dns.Msg) // the last word, if any
}

// serveDNS starts a server of some records in zone-file syntax, until the test
// ends.
func serveDNS(t *testing.T, records ...string) *nameServer {
	t.Helper()
	s := &nameServer{records: make(map[string][]dns.RR), codes: make(map[string]int), drop: make(map[string]int)}
	s.add(t, records...)
	var packets net.PacketConn
	var listener net.Listener
	var err error
	for range 20 { // until both have the same free port
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if listener, err = net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			break
		}
		packets.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.addr = packets.LocalAddr().String()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait) // runs last
	for _, server := range []*dns.Server{
		{PacketConn: packets, Handler: dns.HandlerFunc(s.answer)},
		{Listener: listener, Handler: dns.HandlerFunc(s.answer)},
	} {
		ready := make(chan bool)
		server.NotifyStartedFunc = func() { close(ready) }
		wg.Go(func() { server.ActivateAndServe() }) // until Shutdown
		<-ready
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

func (s *nameServer) add(t *testing.T, records ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		name := strings.ToLower(rr.Header().Name)
		s.records[name] = append(s.records[name], rr)
	}
}

// fail answers a name, or "name. TYPE", with a response code.
func (s *nameServer) fail(what string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[what] = code
}

// lose leaves some queries for a name unanswered.
func (s *nameServer) lose(name string, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop[name] = count
}

// meddle has the last word on each answer.
func (s *nameServer) meddle(alter func(q dns.Question, m *dns.Msg)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alter = alter
}

// log takes what was asked so far, as "name. TYPE", in order.
func (s *nameServer) log() []string {
	list := s.packets()
	for i, q := range list {
		list[i] = q[:strings.LastIndexByte(q, ' ')]
	}
	return list
}

// packets is log with the network at the end of each.
func (s *nameServer) packets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.queries
	s.queries = nil
	return list
}

func (s *nameServer) answer(w dns.ResponseWriter, request *dns.Msg) {
	q := request.Question[0]
	name := strings.ToLower(q.Name)
	what := name + " " + dns.TypeToString[q.Qtype]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, what+" "+w.LocalAddr().Network())
	for _, key := range []string{what, name} {
		if s.drop[key] > 0 {
			s.drop[key]--
			return
		}
	}
	m := new(dns.Msg)
	m.SetReply(request)
	m.RecursionAvailable = true
	if code, ok := s.codes[what]; ok {
		m.Rcode = code
	} else if code, ok := s.codes[name]; ok {
		m.Rcode = code
	} else {
		m.Rcode = s.follow(m, name, q.Qtype)
	}
	if s.alter != nil {
		s.alter(q, m)
	}
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if o := request.IsEdns0(); o != nil {
			size = int(o.UDPSize())
		}
		m.Truncate(size)
	}
	w.WriteMsg(m)
}

// follow puts records of a name and type into a message, and the aliases on the
// way, but no circle of them.
func (s *nameServer) follow(m *dns.Msg, name string, kind uint16) int {
	for range 20 {
		if len(s.records[name]) == 0 {
			for other := range s.records {
				if strings.HasSuffix(other, "."+name) {
					return dns.RcodeSuccess // an empty non-terminal
				}
			}
			return dns.RcodeNameError
		}
		next := ""
		for _, rr := range s.records[name] {
			if rr.Header().Rrtype == kind {
				m.Answer = append(m.Answer, rr)
			} else if alias, ok := rr.(*dns.CNAME); ok {
				m.Answer = append(m.Answer, rr)
				next = strings.ToLower(alias.Target)
			}
		}
		if next == "" {
			return dns.RcodeSuccess
		}
		name = next
	}
	return dns.RcodeServerFailure
}

// seeded is a key that is always the same.
func seeded(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func publicKey(n byte) ed25519.PublicKey { return seeded(n).Public().(ed25519.PublicKey) }

func peerID(t testing.TB, n byte) peer.ID {
	t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(seeded(n))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func named(t testing.TB, n byte) string {
	t.Helper()
	name, err := keyName(publicKey(n))
	if err != nil {
		t.Fatal(err)
	}
	return name
}
