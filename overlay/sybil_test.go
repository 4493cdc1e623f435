package overlay_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay/overlaytest"
	dhtpb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
)

// sharedBits is how many leading bits of distance two names in the DHT have in
// common.
func sharedBits(a, b [32]byte) int {
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 256
}

// grind makes transport keys whose peer ids lie next to a key of the DHT: each
// shares so many bits with it that an honest device hardly ever does.
func grind(t *testing.T, key string, n, shared int) (keys []ed25519.PrivateKey) {
	t.Helper()
	target := sha256.Sum256([]byte(key))
	seed := make([]byte, ed25519.SeedSize)
	for i := uint64(0); len(keys) < n; i++ {
		binary.BigEndian.PutUint64(seed, i)
		private := ed25519.NewKeyFromSeed(seed)
		public, err := crypto.UnmarshalEd25519PublicKey(private.Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		if sharedBits(sha256.Sum256([]byte(id)), target) >= shared {
			keys = append(keys, private)
		}
	}
	return keys
}

// conspire makes devices answer every question of the DHTs with each other, and
// acknowledge every record without storing it.
func conspire(sybils []*person) {
	var all []*dhtpb.Message_Peer
	for _, s := range sybils {
		info := host.InfoFromHost(s.Host())
		p := &dhtpb.Message_Peer{Id: []byte(info.ID), Connection: dhtpb.Message_CONNECTED}
		for _, a := range info.Addrs {
			p.Addrs = append(p.Addrs, a.Bytes())
		}
		all = append(all, p)
	}
	answer := func(s network.Stream) {
		defer s.Close()
		r := bufio.NewReader(s)
		for {
			n, err := binary.ReadUvarint(r)
			if err != nil || n > 64<<10 {
				return
			}
			body := make([]byte, n)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			var m dhtpb.Message
			if proto.Unmarshal(body, &m) != nil {
				return
			}
			if m.GetType() != dhtpb.Message_PUT_VALUE {
				m.Record = nil
				m.CloserPeers = all
			}
			out, err := proto.Marshal(&m)
			if err != nil {
				return
			}
			if _, err := s.Write(append(binary.AppendUvarint(nil, uint64(len(out))), out...)); err != nil {
				return
			}
		}
	}
	for _, s := range sybils {
		s.Host().SetStreamHandler("/kith/kad/1.0.0", answer)
		s.Host().SetStreamHandler("/kith/lan/kad/1.0.0", answer)
	}
}

// surround starts 20 devices around a key, each in a network of its own.
func surround(t *testing.T, net *overlaytest.Net, key string, shared int, way *person) (sybils []*person, stop func()) {
	t.Helper()
	var stops []func()
	for i, private := range grind(t, key, 20, shared) {
		cfg := net.Host(fmt.Sprint("sybil", i))
		cfg.Key, cfg.Bootstrap = private, way.Addresses()
		s, stop := start(t, "sybil", cfg)
		sybils, stops = append(sybils, s), append(stops, stop)
		time.Sleep(time.Second)
	}
	return sybils, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// eclipsed counts the honest devices that hold a record.
func eclipsed(honest []*person, owner *person, r identity.Record) (holders int) {
	for _, p := range honest {
		if v, ok := p.Holds(r.Key); ok && p != owner && bytes.Equal(v, r.Value) {
			holders++
		}
	}
	return holders
}

// slots are the keys of somebody's records today.
func slots(t *testing.T, p *person) []string {
	t.Helper()
	keys, err := identity.RecordKeys(p.at(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return keys[:]
}

// TestSybils puts 20 devices around one key of an address, each in a network of
// its own, which claim to store and do not.
func TestSybils(t *testing.T) {
	if raced {
		t.Skip("a large network, tested without the race detector")
	}
	n, shared := 40, 9
	if os.Getenv("KITH_SCALE") != "" {
		n, shared = 100, 11
	}
	simulate(t, overlaytest.Uniform(31), func(t *testing.T, net *overlaytest.Net) {
		honest, stop := crowd(t, net, n)
		defer stop()
		// Until its table has been refreshed twice, a device takes newcomers for
		// those it knows.
		time.Sleep(25 * time.Minute)
		// In a network this small an attack on one key hits all keys that begin
		// with the same bits, so take people whose others do not: 20 of 60 devices
		// are the attacker's here.
		owner := honest[3]
		target := sha256.Sum256([]byte(slots(t, owner)[0]))
		elsewhere := func(key string) bool { return sharedBits(sha256.Sum256([]byte(key)), target) == 0 }
		for i, p := range honest[3:] {
			target = sha256.Sum256([]byte(slots(t, p)[0]))
			if keys := slots(t, p); elsewhere(keys[1]) && elsewhere(keys[2]) {
				honest[3], honest[3+i] = p, owner
				owner = p
				break
			}
		}
		keys := slots(t, owner)
		i := 8 + slices.IndexFunc(honest[8:], func(p *person) bool {
			near := slices.DeleteFunc(slots(t, p), elsewhere)
			return len(near) <= 1
		})
		other := honest[i]
		sybils, stop := surround(t, net, keys[0], shared, honest[0])
		defer stop()
		conspire(sybils)
		time.Sleep(time.Minute)
		card, _ := mustAnnounce(t, owner)
		net.Kill(owner.name) // who has all records
		for _, r := range card.Records() {
			holders := eclipsed(honest, owner, r)
			switch {
			case r.Key == keys[0] && holders > 2:
				t.Fatalf("%d honest devices hold the record of slot 0: the attack does not work", holders)
			case r.Key != keys[0] && elsewhere(r.Key) && holders < 8:
				t.Errorf("%d honest devices hold a record of another slot", holders)
			}
		}
		var most time.Duration
		for _, p := range honest[4:24] {
			began := time.Now()
			mustResolve(t, "with one slot eclipsed", p, owner.at(), 5*time.Second)
			most = max(most, time.Since(began))
		}
		t.Logf("found in at most %v", most)
		report, err := honest[25].Lookup(t.Context(), owner.at())
		if got := slotsFound(report); err != nil || !got[1] || !got[2] {
			t.Errorf("slots: %v, %v", got, err)
		}
		conspiracy(t, net, sybils, other, honest[(i+1)%n])
	})
}

// conspiracy has somebody who knows no honest device: whom the DHT hides, hints
// find.
func conspiracy(t *testing.T, net *overlaytest.Net, sybils []*person, who, contact *person) {
	t.Helper()
	mustAnnounce(t, who)
	victim, stop := on(t, net, "victim", sybils...)
	defer stop()
	time.Sleep(10 * time.Second)
	if _, found, err := victim.Resolve(t.Context(), who.at()); found || err != nil {
		t.Errorf("the eclipse does not work: %v, %v", found, err)
	}
	mustResolve(t, "eclipsed, by hint", victim, who.at(), time.Second, who.brief())
	if err := contact.Keep(t.Context(), who.at()); err != nil {
		t.Fatal(err)
	}
	net.Kill(who.name)
	mustResolve(t, "eclipsed, by a contact", victim, who.at(), 6*time.Second, who.brief(), contact.brief())
}
