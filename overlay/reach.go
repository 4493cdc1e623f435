package overlay

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Limits of the two encodings (doc/spec/frames.md section 4).
const (
	reachLimit   = 1024 // octets of either
	reachAddrs   = 16   // addresses in either
	briefAddrs   = 6    // addresses in a brief one that this device writes
	peerIDLength = 38   // identity multihash of an Ed25519 public key
)

// The first octets tell the encodings apart: a multihash of function 0, and the
// first field of a protobuf.
const (
	briefMark = 0x00
	fullMark  = 0x0a
)

var (
	errReachLength   = fmt.Errorf("reach is empty or longer than %d octets", reachLimit)
	errReachForm     = errors.New("reach is neither a signed peer record nor a brief one")
	errReachPeer     = errors.New("reach names no Ed25519 peer id")
	errReachSigner   = errors.New("reach is signed by another device than it names")
	errReachAddrs    = fmt.Errorf("reach has more than %d addresses", reachAddrs)
	errReachTruncate = errors.New("reach ends within an address")
)

// Reach says how this device can be reached now: full, signed by it, for cards;
// brief for invitations. Either is nil if it cannot be made.
func (o *Overlay) Reach() (full, brief identity.Reach) {
	addrs := byUse(o.host.Addrs())
	full, err := fullReach(o.host, addrs)
	if err != nil {
		o.log.Error("reach", "err", err)
	}
	return full, briefReach(o.host.ID(), addrs)
}

// fullReach drops the least useful addresses until the record fits.
func fullReach(h host.Host, addrs []ma.Multiaddr) (identity.Reach, error) {
	key := h.Peerstore().PrivKey(h.ID())
	addrs = addrs[:min(len(addrs), reachAddrs)]
	for {
		rec := peer.PeerRecordFromAddrInfo(peer.AddrInfo{ID: h.ID(), Addrs: addrs})
		envelope, err := record.Seal(rec, key)
		if err != nil {
			return nil, fmt.Errorf("sign peer record: %w", err)
		}
		b, err := envelope.Marshal()
		if err != nil {
			return nil, fmt.Errorf("sign peer record: %w", err)
		}
		if len(b) <= reachLimit {
			return b, nil
		}
		addrs = addrs[:len(addrs)-1]
	}
}

func briefReach(id peer.ID, addrs []ma.Multiaddr) identity.Reach {
	b := []byte(id)
	n := 0
	for _, a := range addrs {
		raw := a.Bytes()
		if n == briefAddrs || len(raw) > 255 || len(b)+1+len(raw) > reachLimit {
			continue
		}
		b = append(append(b, byte(len(raw))), raw...)
		n++
	}
	return b
}

// Describe lists the addresses in a reach for people to read, as multiaddrs
// ending in /p2p; nil if it cannot be read.
func Describe(r identity.Reach) []string {
	info, err := parseReach(r)
	if err != nil {
		return nil
	}
	addrs, err := peer.AddrInfoToP2pAddrs(&info)
	if err != nil {
		return nil
	}
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}

// parseReach reads either encoding. Names to be looked up in the DNS and other
// addresses that do not start with an IP address are left out.
func parseReach(r identity.Reach) (peer.AddrInfo, error) {
	if len(r) == 0 || len(r) > reachLimit {
		return peer.AddrInfo{}, errReachLength
	}
	var info peer.AddrInfo
	var err error
	switch r[0] {
	case briefMark:
		info, err = parseBrief(r)
	case fullMark:
		info, err = parseFull(r)
	default:
		err = errReachForm
	}
	if err != nil {
		return peer.AddrInfo{}, err
	}
	if len(info.Addrs) > reachAddrs {
		return peer.AddrInfo{}, errReachAddrs
	}
	info.Addrs = slices.DeleteFunc(info.Addrs, func(a ma.Multiaddr) bool {
		_, err := manet.ToIP(a)
		return err != nil
	})
	return info, nil
}

func parseFull(b []byte) (peer.AddrInfo, error) {
	var rec peer.PeerRecord
	envelope, err := record.ConsumeTypedEnvelope(b, &rec)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("reach: %w", err)
	}
	if !rec.PeerID.MatchesPublicKey(envelope.PublicKey) {
		return peer.AddrInfo{}, errReachSigner
	}
	if err := checkPeerID([]byte(rec.PeerID)); err != nil {
		return peer.AddrInfo{}, err
	}
	return peer.AddrInfo{ID: rec.PeerID, Addrs: rec.Addrs}, nil
}

func parseBrief(b []byte) (peer.AddrInfo, error) {
	if len(b) < peerIDLength {
		return peer.AddrInfo{}, errReachPeer
	}
	id, rest := b[:peerIDLength], b[peerIDLength:]
	if err := checkPeerID(id); err != nil {
		return peer.AddrInfo{}, err
	}
	info := peer.AddrInfo{ID: peer.ID(id)}
	for len(rest) > 0 {
		n := int(rest[0])
		if n == 0 || len(rest) < 1+n {
			return peer.AddrInfo{}, errReachTruncate
		}
		a, err := ma.NewMultiaddrBytes(rest[1 : 1+n])
		if err != nil {
			return peer.AddrInfo{}, fmt.Errorf("reach address: %w", err)
		}
		if len(info.Addrs) == reachAddrs {
			return peer.AddrInfo{}, errReachAddrs
		}
		info.Addrs = append(info.Addrs, a)
		rest = rest[1+n:]
	}
	return info, nil
}

// checkPeerID accepts the peer ids of transport keys only: the key itself, so
// that nothing has to be asked for it.
func checkPeerID(b []byte) error {
	if len(b) != peerIDLength {
		return errReachPeer
	}
	id, err := peer.IDFromBytes(b)
	if err != nil {
		return fmt.Errorf("%w: %w", errReachPeer, err)
	}
	if _, err := id.ExtractPublicKey(); err != nil {
		return fmt.Errorf("%w: %w", errReachPeer, err)
	}
	return nil
}

// byUse orders addresses so that any beginning of the list is a good choice:
// in turn a public one, one of a local network, one through a relay, and
// loopback ones last. Of a kind, QUIC comes before TCP, as it gets through more
// NATs.
func byUse(addrs []ma.Multiaddr) []ma.Multiaddr {
	var kinds [4][]ma.Multiaddr
	for _, a := range addrs {
		k := 0
		switch {
		case isCircuit(a):
			k = 2
		case manet.IsIPLoopback(a):
			k = 3
		case !manet.IsPublicAddr(a):
			k = 1
		}
		kinds[k] = append(kinds[k], a)
	}
	for _, of := range kinds {
		slices.SortStableFunc(of, func(a, b ma.Multiaddr) int { return transportRank(a) - transportRank(b) })
	}
	var out []ma.Multiaddr
	for i := range addrs {
		for k := range 3 {
			if i < len(kinds[k]) {
				out = append(out, kinds[k][i])
			}
		}
	}
	return append(out, kinds[3]...)
}

func isCircuit(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// transportRank puts IPv4 QUIC first, then IPv4 TCP, IPv6 QUIC, IPv6 TCP, others.
func transportRank(a ma.Multiaddr) int {
	rank := 4
	for _, c := range a {
		switch c.Protocol().Code {
		case ma.P_IP4:
			rank = 0
		case ma.P_IP6:
			rank = 2
		case ma.P_QUIC_V1:
			return rank
		case ma.P_TCP:
			return rank + 1
		}
	}
	return 4
}
