package overlay

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
)

// someHost is a host that listens nowhere, always with the same key.
func someHost(t testing.TB, seed byte) host.Host {
	t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Identity(key), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func addresses(t testing.TB, list ...string) (addrs []ma.Multiaddr) {
	t.Helper()
	for _, s := range list {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a)
	}
	return addrs
}

func TestByUse(t *testing.T) {
	relay := "/ip4/5.5.5.5/tcp/1/p2p/12D3KooWQvaQGioVQHtW3eaH6qS3MueVMS1YborQ5Y4purrGYyRE/p2p-circuit"
	got := texts(byUse(addresses(t,
		"/ip4/127.0.0.1/tcp/1", "/ip6/2600::1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1",
		relay, "/ip4/8.8.8.8/udp/1/quic-v1", "/ip4/10.0.0.1/udp/1/quic-v1")))
	want := []string{
		"/ip4/8.8.8.8/udp/1/quic-v1", "/ip4/10.0.0.1/udp/1/quic-v1", relay,
		"/ip4/8.8.8.8/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip6/2600::1/tcp/1", "/ip4/127.0.0.1/tcp/1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReachRoundTrip(t *testing.T) {
	h := someHost(t, 1)
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("/ip6/2600::%x/udp/4001/quic-v1", i+1))
	}
	for name, list := range map[string][]string{
		"none": nil,
		"two":  {"/ip4/8.8.8.8/tcp/4001", "/ip4/127.0.0.1/udp/4001/quic-v1"},
		"many": many,
	} {
		addrs := addresses(t, list...)
		full, err := fullReach(h, addrs)
		if err != nil {
			t.Fatal(err)
		}
		for kind, r := range map[string]identity.Reach{"full": full, "brief": briefReach(h.ID(), addrs)} {
			info, err := parseReach(r)
			if err != nil || len(r) > reachLimit {
				t.Errorf("%s %s: %d octets, %v", name, kind, len(r), err)
				continue
			}
			want := addrs[:min(len(addrs), map[string]int{"full": reachAddrs, "brief": briefAddrs}[kind])]
			if info.ID != h.ID() || !cmp.Equal(texts(info.Addrs), texts(want)) {
				t.Errorf("%s %s: got %v, want %v", name, kind, info, want)
			}
		}
	}
}

func TestReachBad(t *testing.T) {
	h, other := someHost(t, 1), someHost(t, 2)
	addrs := addresses(t, "/ip4/8.8.8.8/tcp/4001")
	brief := briefReach(h.ID(), addrs)
	full, err := fullReach(h, addrs)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := record.Seal(peer.PeerRecordFromAddrInfo(peer.AddrInfo{ID: h.ID(), Addrs: addrs}), other.Peerstore().PrivKey(other.ID()))
	if err != nil {
		t.Fatal(err)
	}
	forgedBytes, err := forged.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(full)
	flipped[len(flipped)-1] ^= 1
	for name, r := range map[string][]byte{
		"empty":              nil,
		"unknown form":       {0x42},
		"too long":           append(bytes.Clone(brief), make([]byte, reachLimit)...),
		"half a peer id":     brief[:20],
		"address cut off":    brief[:len(brief)-1],
		"address of nothing": append(bytes.Clone(brief), 0),
		"no multiaddr":       append(bytes.Clone(brief), 2, 0xff, 0xff),
		"17 addresses":       append(bytes.Clone(brief), bytes.Repeat(brief[peerIDLength:], 16)...),
		"signed by another":  forgedBytes,
		"signature flipped":  flipped,
		"half an envelope":   full[:len(full)/2],
		"a hashed peer id":   append([]byte{0x00, 0x23}, make([]byte, 36)...),
	} {
		if info, err := parseReach(r); err == nil || info.ID != "" || info.Addrs != nil {
			t.Errorf("%s: got %v, %v", name, info, err)
		}
	}
	// Names are not looked up for strangers.
	dns := briefReach(h.ID(), addresses(t, "/dns4/kith.example/tcp/1", "/ip4/8.8.8.8/tcp/4001"))
	if info, err := parseReach(dns); err != nil || len(info.Addrs) != 1 {
		t.Errorf("DNS address: got %v, %v", info, err)
	}
}

func FuzzParseReach(f *testing.F) {
	h := someHost(f, 1)
	addrs := addresses(f, "/ip4/8.8.8.8/tcp/4001", "/ip6/2600::1/udp/1/quic-v1")
	full, err := fullReach(h, addrs)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(full))
	f.Add([]byte(briefReach(h.ID(), addrs)))
	f.Add([]byte{0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := parseReach(b)
		if err != nil {
			if info.ID != "" || info.Addrs != nil {
				t.Errorf("%v with %v", info, err)
			}
			return
		}
		if len(info.Addrs) > reachAddrs || len(info.ID) != peerIDLength {
			t.Errorf("accepted %v", info)
		}
		again, err := parseReach(briefReach(info.ID, info.Addrs))
		if err != nil || again.ID != info.ID || len(again.Addrs) > briefAddrs {
			t.Errorf("%v became %v, %v", info, again, err)
		}
	})
}
