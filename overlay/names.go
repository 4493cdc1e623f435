package overlay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/identity"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	dhtpb "github.com/libp2p/go-libp2p-kad-dht/pb"
	recordpb "github.com/libp2p/go-libp2p-record/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// The prefixes of the two DHTs (doc/spec/frames.md section 5).
const (
	wanPrefix = "/kith"
	lanPrefix = "/kith/lan"
)

// Diversity of the WAN table: devices from one /16 or AS, in a bucket and in
// all. The LAN table has no such limit.
const (
	diverseInBucket = 2
	diverseInTable  = 3
)

// names finds and stores address records, in two DHTs on one host: a WAN of
// devices that everybody can reach, and a LAN that every device serves.
type names struct {
	host   host.Host
	store  *store // what both DHTs keep here
	wan    *table
	lan    *table
	direct *dhtpb.ProtocolMessenger // asks single devices
	calls  sync.WaitGroup           // goroutines of Resolve and Lookup
	puts   *meter
	now    func() time.Time
	asked  atomic.Int64 // requests of others
}

// table is one DHT, and the way to ask single devices in it.
type table struct {
	name string // "wan", "lan", in reports
	*dht.IpfsDHT
	asks *dhtpb.ProtocolMessenger
}

func newNames(h host.Host, g *gate, cfg Config) (*names, error) {
	now := cfg.now
	if now == nil {
		now = time.Now
	}
	n := &names{host: h, store: newStore(h.ID(), now), puts: newMeter(), now: now}
	common := []dht.Option{
		dht.Validator(validator{now}),
		dht.Datastore(n.store),
		dht.DisableProviders(),
		dht.MaxRecordAge(0), // the store knows when each record ends
		dht.OnRequestHook(n.limitPuts),
		dht.BootstrapPeers(), // seekNeighbours does it
	}
	mode := dht.ModeAuto
	if cfg.Public {
		mode = dht.ModeServer
	}
	var err error
	if n.direct, err = dhtpb.NewProtocolMessenger(direct{h}); err != nil {
		return nil, err
	}
	n.wan, err = newTable("wan", guardedHost{h, g}, append(common,
		dht.ProtocolPrefix(wanPrefix),
		dht.Mode(mode),
		dht.QueryFilter(dht.PublicQueryFilter),
		dht.RoutingTableFilter(dht.PublicRoutingTableFilter),
		dht.RoutingTablePeerDiversityFilter(dht.NewRTPeerDiversityFilter(h, diverseInBucket, diverseInTable)),
		dht.AddressFilter(func(a []ma.Multiaddr) []ma.Multiaddr { return ma.FilterAddrs(a, manet.IsPublicAddr) }),
	))
	if err != nil {
		return nil, err
	}
	n.lan, err = newTable("lan", guardedHost{h, g}, append(common,
		dht.ProtocolPrefix(lanPrefix),
		dht.Mode(dht.ModeServer),
		dht.QueryFilter(dht.PrivateQueryFilter),
		dht.RoutingTableFilter(nearby),
	))
	if err != nil {
		return nil, errors.Join(err, n.wan.Close())
	}
	return n, nil
}

func newTable(name string, h host.Host, options []dht.Option) (*table, error) {
	d, err := dht.New(h, options...)
	if err != nil {
		return nil, fmt.Errorf("%s DHT: %w", name, err)
	}
	asks, err := dhtpb.NewProtocolMessenger(d.MessageSender())
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &table{name, d, asks}, nil
}

func (n *names) close() error {
	err := errors.Join(n.wan.Close(), n.lan.Close())
	n.calls.Wait()
	return err
}

// nearby keeps the LAN table to devices connected directly over addresses that
// are not public, or are of a network this device has an interface in.
func nearby(d any, p peer.ID) bool {
	for _, c := range d.(*dht.IpfsDHT).Host().Network().ConnsToPeer(p) {
		a := c.RemoteMultiaddr()
		if !isCircuit(a) && (!manet.IsPublicAddr(a) || onLink(a)) {
			return true
		}
	}
	return false
}

func onLink(a ma.Multiaddr) bool {
	ip, err := manet.ToIP(a)
	if err != nil {
		return false
	}
	nets, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(nets, func(n net.Addr) bool {
		ipnet, ok := n.(*net.IPNet)
		return ok && ipnet.Contains(ip)
	})
}

// validator is what every storing device checks; it cannot know more.
type validator struct{ now func() time.Time }

func (v validator) Validate(key string, value []byte) error {
	return identity.CheckRecord(key, value, v.now())
}

func (validator) Select(_ string, values [][]byte) (int, error) {
	best := 0
	for i := range values {
		if identity.CompareRecords(values[i], values[best]) > 0 {
			best = i
		}
	}
	return best, nil
}

// Announce stores a card's records in both DHTs and here, and says how many
// other devices acknowledged the record that the fewest did. Records which are
// not valid now are left out: those of a day that is over, and names that a
// domain signed for tomorrow before today's first hours are over. Zero without
// an error means that there is nobody to store anything; the handler is stirred
// when that changes. An announce again of records kept elsewhere renews them.
func (o *Overlay) Announce(ctx context.Context, card identity.SignedCard) (int, error) {
	return o.AnnounceRecords(ctx, card.Records())
}

// AnnounceRecords is Announce for records without a card: those by which the
// holder of a domain says that an address of it has expired.
func (o *Overlay) AnnounceRecords(ctx context.Context, records []identity.Record) (int, error) {
	n := o.names
	records = slices.DeleteFunc(slices.Clone(records), func(r identity.Record) bool {
		return identity.CheckRecord(r.Key, r.Value, n.now()) != nil
	})
	if len(records) == 0 {
		return 0, errors.New("announce: no records that are valid now")
	}
	counts := make([]int, len(records))
	var wg sync.WaitGroup
	for i, r := range records {
		if err := n.keep(r, mine); err != nil {
			return 0, fmt.Errorf("announce: keep record: %w", err)
		}
		wg.Go(func() { counts[i] = n.put(ctx, r) }) // until ctx ends or the puts time out
	}
	wg.Wait()
	fewest := slices.Min(counts)
	if fewest == 0 {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("announce: %w", err)
		}
		if n.size() > 0 {
			return 0, errors.New("announce: no device acknowledged a record")
		}
	}
	return fewest, nil
}

// keep stores a record here, for those who ask this device itself, unless a later
// one is kept already.
func (n *names) keep(r identity.Record, as kind) error {
	n.store.mark(r.Key, as)
	// PutValue stores locally before it looks for others, and an ended context
	// keeps it from looking: put does that, and counts.
	ended, end := context.WithCancel(context.Background())
	end()
	err := n.lan.PutValue(ended, r.Key, r.Value)
	if _, ok := n.store.value(r.Key); ok {
		return nil
	}
	return err
}

// putTimeout bounds one lookup and one put.
const putTimeout = 10 * time.Second

// put stores a record at the devices closest to its key in both DHTs and counts
// those that acknowledged.
func (n *names) put(ctx context.Context, r identity.Record) int {
	return n.visit(ctx, r.Key, func(ctx context.Context, t *table, p peer.ID) bool {
		return t.put(ctx, p, r) == nil
	})
}

func (t *table) put(ctx context.Context, p peer.ID, r identity.Record) error {
	return t.asks.PutValue(ctx, p, &recordpb.Record{Key: []byte(r.Key), Value: r.Value})
}

// visit calls do for the devices closest to a key in both DHTs, at once, and
// counts the devices for which it was true. A device close in both is visited in
// both.
func (n *names) visit(ctx context.Context, key string, do func(context.Context, *table, peer.ID) bool) int {
	var mu sync.Mutex
	done := make(map[peer.ID]bool)
	var wg sync.WaitGroup
	for _, t := range []*table{n.wan, n.lan} {
		wg.Go(func() { // until the visits time out
			for _, p := range t.closest(ctx, key) {
				wg.Go(func() { // until the visit times out
					ctx, cancel := context.WithTimeout(ctx, putTimeout)
					defer cancel()
					if do(ctx, t, p) {
						mu.Lock()
						done[p] = true
						mu.Unlock()
					}
				})
			}
		})
	}
	wg.Wait()
	return len(done)
}

// closest finds the devices closest to a key. When many have died and time runs
// out, it is the closest found so far.
func (t *table) closest(ctx context.Context, key string) []peer.ID {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	found, err := t.GetClosestPeers(ctx, key)
	if err != nil && ctx.Err() == nil {
		return nil
	}
	return found
}

// limitPuts refuses records from a device that sends very many. A request of no
// known type ends its stream.
func (n *names) limitPuts(_ context.Context, s network.Stream, req *dhtpb.Message) {
	n.asked.Add(1)
	if req.GetType() == dhtpb.Message_PUT_VALUE && !n.puts.allow(s.Conn().RemotePeer(), time.Now()) {
		req.Type = -1
	}
}

// meter allows each device putsPerMinute, for at most meterLimit devices a
// minute; beyond that, none.
type meter struct {
	mu     sync.Mutex
	minute int64
	counts map[peer.ID]int
}

const (
	putsPerMinute = 240 // a person's card and name are 12 records, and many put for their contacts
	meterLimit    = 4096
)

func newMeter() *meter { return &meter{counts: make(map[peer.ID]int)} }

func (m *meter) allow(p peer.ID, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if minute := now.Unix() / 60; minute != m.minute {
		m.minute = minute
		clear(m.counts)
	}
	if _, known := m.counts[p]; !known && len(m.counts) >= meterLimit {
		return false
	}
	m.counts[p]++
	return m.counts[p] <= putsPerMinute
}
