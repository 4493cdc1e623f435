package overlay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Limits of what a zone may make this device ask.
const (
	targetsLimit = 16 // devices of a domain
	targetAddrs  = 8  // addresses of one
	aliasLimit   = 8  // aliases of a domain followed
)

var (
	errNotOffered = errors.New("the zone says that the domain does not offer this service")
	errAliasLoop  = errors.New("the zone's aliases go in a circle")
	errAliasLong  = fmt.Errorf("the zone has a chain of more than %d aliases", aliasLimit)
	errAliasName  = errors.New("the zone has an alias of a name that is not in the DNS")
	errTargetName = errors.New("is no host of the DNS")
	errTargetPort = errors.New("has port 0")
	errNoPeer     = errors.New("names no device in a TXT record")
	errNoAddress  = errors.New("has no address that can be used")
)

// target is a place where a domain's service may be reached.
type target struct {
	Host  string // in lower case, without a final dot
	Port  uint16
	Peers []peer.AddrInfo // the devices its TXT names, each with all its addresses
	Err   error           // why it cannot be asked; then Peers is nil
}

func (t target) String() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// targets gives what a domain's zone names for a service ("im" or "pres"), in
// the order in which it is to be tried: at most 16, each looked up. An error
// says that the DNS failed, or errNotOffered.
func (z *zones) targets(ctx context.Context, service, domain string) ([]target, error) {
	ctx, cancel := context.WithTimeout(ctx, zoneTimeout)
	defer cancel()
	list, err := z.list(ctx, service, domain)
	if err != nil {
		return nil, err
	}
	list = list[:min(len(list), targetsLimit)]
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() { z.fill(ctx, &list[i]) }) // until ctx ends
	}
	wg.Wait()
	return list, nil
}

// list gives all targets in order, not looked up yet: those of the SRV records
// of the domain, or of its alias, or else the domain itself, if it has an
// address (RFC 3861 section 4).
func (z *zones) list(ctx context.Context, service, domain string) ([]target, error) {
	name, ok := zoneName(domain)
	if !ok || z.cfg.Off {
		return nil, nil
	}
	seen := make(map[string]bool)
	for range 1 + aliasLimit {
		seen[name] = true
		records, found, err := z.services(ctx, service, name)
		if err != nil {
			return nil, fmt.Errorf("devices of %s: %w", domain, err)
		}
		if found {
			list, err := arrange(records, rand.IntN)
			if err != nil {
				return nil, fmt.Errorf("devices of %s: %w", domain, err)
			}
			return list, nil
		}
		alias, found, err := z.alias(ctx, name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("devices of %s: %w", domain, err)
		case !found:
			return nil, nil
		case alias == name:
			return []target{{Host: name, Port: DefaultPort}}, nil
		case seen[alias]:
			return nil, fmt.Errorf("devices of %s: %w", domain, errAliasLoop)
		}
		name = alias
	}
	return nil, fmt.Errorf("devices of %s: %w", domain, errAliasLong)
}

// services asks for SRV records. Of an answer with bad names in it the others
// are used.
func (z *zones) services(ctx context.Context, service, name string) ([]*net.SRV, bool, error) {
	return dnsQuery(ctx, z, func(ctx context.Context) ([]*net.SRV, error) {
		_, records, err := z.resolver.LookupSRV(ctx, "", "", "_"+service+"."+protoLabel+"."+name+".")
		if len(records) > 0 {
			err = nil
		}
		return records, err
	})
}

// alias gives the name that a name is an alias of, or the same name if it is
// none; found is false if it is none and has no address either.
func (z *zones) alias(ctx context.Context, name string) (string, bool, error) {
	alias, found, err := dnsQuery(ctx, z, func(ctx context.Context) (string, error) {
		return z.resolver.LookupCNAME(ctx, name+".")
	})
	if err != nil || !found {
		return "", false, err
	}
	alias, ok := zoneName(alias)
	if !ok {
		return "", false, errAliasName
	}
	return alias, true, nil
}

// arrange orders SRV records (RFC 2782) and makes targets of them, none twice.
// A target that cannot be stays, with the reason. IntN(n) is a random number
// below n.
func arrange(records []*net.SRV, intN func(n int) int) ([]target, error) {
	if len(records) == 1 && records[0].Target == "." {
		return nil, errNotOffered
	}
	var list []target
	for _, r := range order(records, intN) {
		if r.Target == "." {
			continue
		}
		t := target{Host: r.Target, Port: r.Port}
		if name, ok := zoneName(r.Target); ok {
			t.Host = name
		} else {
			t.Err = errTargetName
		}
		if t.Port == 0 && t.Err == nil {
			t.Err = errTargetPort
		}
		if !slices.ContainsFunc(list, func(o target) bool { return o.Host == t.Host && o.Port == t.Port }) {
			list = append(list, t)
		}
	}
	return list, nil
}

// order puts the lowest priority first, and draws by weight within one. A
// weight of 0 has the chance that RFC 2782 gives it, 1 in the sum and one;
// without any, shares are exactly those of the weights. (The RFC draws from 0 in
// every case, which favours whatever comes first.)
func order(records []*net.SRV, intN func(n int) int) []*net.SRV {
	rest := slices.Clone(records)
	for i := len(rest) - 1; i > 0; i-- { // so that equals come in any order
		j := intN(i + 1)
		rest[i], rest[j] = rest[j], rest[i]
	}
	slices.SortStableFunc(rest, func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	for i := range rest {
		end := i
		sum := 0
		for ; end < len(rest) && rest[end].Priority == rest[i].Priority; end++ {
			sum += int(rest[end].Weight)
		}
		draw := 0
		if rest[i].Weight == 0 {
			draw = intN(sum + 1)
		} else {
			draw = 1 + intN(sum)
		}
		drawn := i
		for running := int(rest[i].Weight); running < draw; running += int(rest[drawn].Weight) {
			drawn++
		}
		r := rest[drawn]
		copy(rest[i+1:drawn+1], rest[i:drawn])
		rest[i] = r
	}
	return rest
}

// fill looks up the addresses and the devices of a target.
func (z *zones) fill(ctx context.Context, t *target) {
	if t.Err != nil {
		return
	}
	var v4, v6 []netip.Addr
	var text zoneText
	var err4, err6, errText error
	var wg sync.WaitGroup
	wg.Go(func() { v4, err4 = z.addresses(ctx, "ip4", t.Host) }) // until ctx ends
	wg.Go(func() { v6, err6 = z.addresses(ctx, "ip6", t.Host) }) // until ctx ends
	wg.Go(func() { text, errText = z.texts(ctx, t.Host) })       // until ctx ends
	wg.Wait()
	addrs := z.usable(v4, v6)
	switch {
	case errText != nil:
		t.Err = errText
	case len(text.peers) == 0:
		t.Err = errNoPeer
	case len(addrs) > 0:
		all := multiaddrs(addrs, t.Port)
		for _, id := range text.peers {
			t.Peers = append(t.Peers, peer.AddrInfo{ID: id, Addrs: all})
		}
	default:
		t.Err = cmp.Or(err4, err6, errNoAddress)
	}
}

func (z *zones) addresses(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, _, err := dnsQuery(ctx, z, func(ctx context.Context) ([]netip.Addr, error) {
		return z.resolver.LookupNetIP(ctx, network, host+".")
	})
	return addrs, err
}

// usable takes addresses of both kinds in turn, up to the limit. Private ones
// stay: a company's zone names its own hosts. Of this machine itself only a
// server on it may speak, and links and groups are no device's address.
func (z *zones) usable(v4, v6 []netip.Addr) []netip.Addr {
	var addrs []netip.Addr
	for i := range max(len(v4), len(v6)) {
		for _, of := range [][]netip.Addr{v4, v6} {
			if i >= len(of) || len(addrs) == targetAddrs {
				continue
			}
			a := of[i].Unmap()
			local := a.IsLoopback() && z.server.Addr().IsLoopback()
			if (local || a.IsGlobalUnicast()) && !slices.Contains(addrs, a) {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// multiaddrs is QUIC and TCP at each address.
func multiaddrs(addrs []netip.Addr, port uint16) []ma.Multiaddr {
	var all []ma.Multiaddr
	for _, a := range addrs {
		ip := "/ip6/"
		if a.Is4() {
			ip = "/ip4/"
		}
		for _, s := range []string{fmt.Sprintf("%s%s/udp/%d/quic-v1", ip, a, port), fmt.Sprintf("%s%s/tcp/%d", ip, a, port)} {
			if m, err := ma.NewMultiaddr(s); err == nil {
				all = append(all, m)
			}
		}
	}
	return all
}
