package overlay

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// DNS is how domains that are not overlay domains are looked up (RFC 3861,
// doc/spec/dns.md). The zero value asks the system's servers. Overlay domains
// are never asked for.
type DNS struct {
	// Off asks no server: only the overlay finds people then, and the keys of
	// new domains cannot be learned.
	Off bool
	// Server is the one server to ask, an IP address and port such as
	// "192.0.2.53:53" or "[2001:db8::53]:53"; empty asks the system's.
	Server string
	// Last asks the overlay first, and the devices of the zone when nobody
	// there had an answer; otherwise both are asked at once.
	Last bool
	// Targets is how many of a domain's devices are tried before giving up, at
	// least 2 (RFC 3861 section 6); zero tries all, which are 16 at most.
	Targets int
}

// DefaultPort is where a domain's own address is tried when its zone has
// addresses and no SRV records (RFC 3861 section 4), and the port of a
// ZoneTarget that gives none.
const DefaultPort = 4778

// How long the DNS may take.
const (
	zoneTimeout  = 9 * time.Second // all queries about a domain, and asking what they name
	queryTimeout = 5 * time.Second // one query with its repetitions
	datagramWait = 2 * time.Second // before an unanswered datagram is sent again
)

var (
	errDNSOff    = errors.New("the DNS is turned off")
	errTargets   = errors.New("the limit of targets tried must be 0 for all, or at least 2 (RFC 3861 section 6)")
	errDNSServer = errors.New("the DNS server must be an IP address and a port")
)

// zones asks the DNS about domains. It keeps nothing: what may be kept, and how
// long, is known to the servers it asks.
type zones struct {
	cfg      DNS
	log      *slog.Logger
	server   netip.AddrPort // asked instead of the system's, if valid
	resolver *net.Resolver
}

// newZones refuses a limit of one target, and a server given by its name: to
// look that up would need another server.
func newZones(cfg DNS, log *slog.Logger) (*zones, error) {
	if cfg.Targets < 0 || cfg.Targets == 1 {
		return nil, errTargets
	}
	z := &zones{cfg: cfg, log: log}
	if cfg.Server != "" {
		server, err := netip.ParseAddrPort(cfg.Server)
		if err != nil || server.Port() == 0 {
			return nil, fmt.Errorf("%w, not %.80q", errDNSServer, cfg.Server)
		}
		z.server = server
	}
	// StrictErrors: half an answer about an alias would be taken for absence.
	z.resolver = &net.Resolver{PreferGo: true, StrictErrors: true, Dial: z.dial}
	return z, nil
}

// DomainKey asks the zone of a DNS domain for its domain key. Found is false
// when the zone does not exist or names no key; an error says that this could
// not be learned now, because the DNS failed or is turned off or the zone
// contradicts itself. What it says is as good as the DNS: pin the first key.
func (o *Overlay) DomainKey(ctx context.Context, domain string) (key ed25519.PublicKey, found bool, err error) {
	return o.zones.domainKey(ctx, domain)
}

// ZoneKey is [Overlay.DomainKey] for programs that have no overlay yet.
func ZoneKey(ctx context.Context, cfg DNS, domain string) (key ed25519.PublicKey, found bool, err error) {
	z, err := newZones(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, false, err
	}
	return z.domainKey(ctx, domain)
}

func (z *zones) domainKey(ctx context.Context, domain string) (ed25519.PublicKey, bool, error) {
	domain, ok := zoneName(domain)
	if !ok {
		return nil, false, nil
	}
	if z.cfg.Off {
		return nil, false, fmt.Errorf("key of %s: %w", domain, errDNSOff)
	}
	text, err := z.texts(ctx, domain)
	if err != nil {
		return nil, false, fmt.Errorf("key of %s: %w", domain, err)
	}
	return text.key, text.key != nil, nil
}

// texts reads the TXT records beside a domain or a target.
func (z *zones) texts(ctx context.Context, name string) (zoneText, error) {
	records, _, err := dnsQuery(ctx, z, func(ctx context.Context) ([]string, error) {
		return z.resolver.LookupTXT(ctx, textLabel+"."+name+".")
	})
	if err != nil {
		return zoneText{}, err
	}
	return parseTexts(records)
}

// dnsQuery does one lookup within its time. Found is false, without an error, when
// the DNS says that there is no such name or no such record of it.
func dnsQuery[T any](ctx context.Context, z *zones, ask func(context.Context) (T, error)) (v T, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	v, err = ask(ctx)
	if err == nil {
		return v, true, nil
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return v, false, nil
		}
		if z.server.IsValid() { // the resolver names the system's
			named := *e
			named.Server = z.server.String()
			err = &named
		}
	}
	return v, false, err
}

// dial reaches a DNS server. A lost datagram must leave time for another.
func (z *zones) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if z.server.IsValid() {
		address = z.server.String()
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return impatient{udp}, nil
	}
	return c, nil
}

// impatient is a connection that waits no longer than datagramWait.
type impatient struct{ *net.UDPConn }

func (c impatient) SetDeadline(t time.Time) error {
	if soon := time.Now().Add(datagramWait); soon.Before(t) {
		t = soon
	}
	return c.UDPConn.SetDeadline(t)
}

// searchZone asks the devices that a domain's zone names for a service ("im" or
// "pres"), in their order, until one gives a good record, and says what came of
// each that was asked. Each is asked like a hint: ask says whether the device
// had a good record. It takes no longer than 9 s. An error says that the DNS
// failed; a domain without devices in the DNS has no attempts.
func (o *Overlay) searchZone(ctx context.Context, service, domain string, ask func(ctx context.Context, p peer.AddrInfo) bool) ([]attempt, error) {
	return o.zones.search(ctx, service, domain, func(ctx context.Context, p peer.AddrInfo) bool {
		return p.ID != o.host.ID() && ask(ctx, p)
	})
}
