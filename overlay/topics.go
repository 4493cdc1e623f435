package overlay

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/identity"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pubsubpb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Limits of topics (doc/spec/limits.md).
const (
	topicsLimit      = 1000     // listened to
	helloLimit       = 4096     // announced by a neighbour in one packet
	publicationLimit = 64 << 10 // a sealed document of 16 KiB with its certificates
	rpcLimit         = 256 << 10
	pushesAtOnce     = 32
	hearTimeout      = 10 * time.Second
	fanoutIdle       = 49 * time.Hour // topics are of one day and overlap by one
)

var topicGrammar = regexp.MustCompile(`^k1/[A-Za-z0-9_-]{22}$`)

var pubsubProtocols = []protocol.ID{pubsub.GossipSubID_v13, pubsub.GossipSubID_v12, pubsub.GossipSubID_v11}

var (
	errTopic       = errors.New("not a topic name")
	errTopics      = fmt.Errorf("more than %d topics", topicsLimit)
	errPublication = errors.New("not a publication: not sealed to an audience")
	errTooLong     = fmt.Errorf("publication longer than %d octets", publicationLimit)
)

// topics publishes and listens by gossipsub, without author and without its
// signatures: what is carried is signed inside, and neighbours must not learn
// who wrote it.
type topics struct {
	host   host.Host
	log    *slog.Logger
	gate   *gate
	pubsub *pubsub.PubSub
	vetted *vetted
	end    context.CancelFunc
	wake   chan struct{} // size 1: tend has something to do

	// handles is a lock, held while pubsub is asked for the handles of joined;
	// it is taken before mu.
	handles chan struct{}
	joined  map[string]*joined // guarded by handles

	mu        sync.Mutex
	listening map[string]listen
	contacts  map[peer.ID]*contact // publishers that tend keeps connected
}

// joined is a topic that pubsub knows: to publish only, or to listen as well.
type joined struct {
	topic *pubsub.Topic
	relay pubsub.RelayCancelFunc // nil when only published to
	used  time.Time              // last Publish
}

// listen is what Listen asked for.
type listen struct {
	since      time.Time
	publishers []peer.AddrInfo
}

func newTopics(h host.Host, g *gate, log *slog.Logger) (*topics, error) {
	v, err := newVetted(h)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	t := &topics{
		host: h, log: log, gate: g, vetted: v, end: end,
		wake:      make(chan struct{}, 1),
		handles:   make(chan struct{}, 1),
		joined:    make(map[string]*joined),
		listening: make(map[string]listen),
		contacts:  make(map[peer.ID]*contact),
	}
	t.pubsub, err = pubsub.NewGossipSub(ctx, vettedHost{guardedHost{h, g}, v}, t.options()...)
	if err != nil {
		end()
		return nil, fmt.Errorf("pubsub: %w", err)
	}
	h.Network().Notify(&network.NotifyBundle{
		DisconnectedF: func(n network.Network, c network.Conn) {
			if n.Connectedness(c.RemotePeer()) != network.Connected {
				v.unpark(c.RemotePeer())
				t.stir()
			}
		},
	})
	return t, nil
}

func (t *topics) options() []pubsub.Option {
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dout, params.Dlazy = 6, 4, 10, 2, 6
	params.PrunePeers = 6
	params.IDontWantMessageThreshold = 16 << 10
	return []pubsub.Option{
		pubsub.WithGossipSubProtocols(pubsubProtocols, pubsub.GossipSubDefaultFeatures),
		pubsub.WithGossipSubParams(params),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerExchange(false),
		pubsub.WithMaxMessageSize(rpcLimit),
		pubsub.WithMaxControlMessageSize(rpcLimit),
		pubsub.WithValidateQueueSize(4096),
		pubsub.WithPeerOutboundQueueSize(1024),
		pubsub.WithSeenMessagesTTL(2 * time.Minute),
		pubsub.WithSubscriptionFilter(pubsub.WrapLimitSubscriptionFilter(
			pubsub.NewRegexpSubscriptionFilter(topicGrammar), helloLimit)),
		pubsub.WithDefaultValidator(t.validate, pubsub.WithValidatorTimeout(hearTimeout)),
		pubsub.WithPeerScore(scores(), &pubsub.PeerScoreThresholds{
			GossipThreshold: -100, PublishThreshold: -1000, GraylistThreshold: -10_000, AcceptPXThreshold: 1000,
		}),
	}
}

// scores punish broken promises and floods of one address only: topics are
// silent for hours, so that counting deliveries would punish everyone.
func scores() *pubsub.PeerScoreParams {
	return &pubsub.PeerScoreParams{
		AppSpecificScore:            func(peer.ID) float64 { return 20 }, // all are vetted
		AppSpecificWeight:           1,
		IPColocationFactorWeight:    -10,
		IPColocationFactorThreshold: 10, // families share an address
		BehaviourPenaltyWeight:      -10,
		BehaviourPenaltyDecay:       0.5,
		DecayInterval:               12 * time.Second,
		DecayToZero:                 0.01,
		RetainScore:                 10 * time.Minute,
	}
}

// messageID tells publications apart without an author.
func messageID(m *pubsubpb.Message) string {
	h := sha256.New()
	h.Write([]byte(m.GetTopic()))
	h.Write(m.GetData())
	return string(h.Sum(nil))
}

// validate gives the handler what came by a topic. What is new is passed on,
// what is not stops here, and what no honest device sends counts against the
// neighbour.
func (t *topics) validate(ctx context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if from == t.host.ID() {
		return pubsub.ValidationAccept
	}
	serving, h, leave := t.gate.enter()
	if h == nil {
		return pubsub.ValidationIgnore
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(serving, cancel)()

	s, err := publication(m.GetData())
	if err != nil {
		t.gate.offend(from, "topic data", err)
		return pubsub.ValidationReject
	}
	fresh, err := h.Hear(ctx, from.String(), s)
	switch {
	case err != nil && ctx.Err() != nil:
		return pubsub.ValidationIgnore
	case err != nil:
		t.gate.offend(from, "publication", err)
		return pubsub.ValidationReject
	case fresh:
		return pubsub.ValidationAccept
	}
	return pubsub.ValidationIgnore
}

func publication(b []byte) (identity.Sealed, error) {
	if len(b) > publicationLimit {
		return identity.Sealed{}, errTooLong
	}
	s, err := identity.ParseSealed(b)
	if err != nil {
		return identity.Sealed{}, err
	}
	if s.KEKID() == nil {
		return identity.Sealed{}, errPublication
	}
	return s, nil
}

// Publish hands a publication to a topic, and by a stream to each of the given
// devices that is not yet known to listen there, 32 at a time. It says how many
// of the devices took it or listen. A device that cannot be reached is not an
// error.
func (o *Overlay) Publish(ctx context.Context, topic string, s identity.Sealed, to []identity.Reach) (int, error) {
	t := o.topics
	if !topicGrammar.MatchString(topic) {
		return 0, fmt.Errorf("publish: %w", errTopic)
	}
	if _, err := publication(s.Bytes()); err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	devices := o.devices(to)
	ids := make([]peer.ID, len(devices))
	for i, d := range devices {
		ids[i] = d.ID
	}
	t.vetted.publishTo(ids, time.Now())

	handle, err := t.fanout(topic)
	if err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	listeners := t.pubsub.ListPeers(topic)
	if err := handle.Publish(ctx, s.Bytes()); err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	silent := slices.DeleteFunc(devices, func(d peer.AddrInfo) bool { return slices.Contains(listeners, d.ID) })
	return len(ids) - len(silent) + o.pushAll(ctx, s, silent), nil
}

// Push hands a publication to each of the given devices by a stream, 32 at a
// time, and says how many took it. A device that cannot be reached is not an
// error.
func (o *Overlay) Push(ctx context.Context, s identity.Sealed, to []identity.Reach) (int, error) {
	if _, err := publication(s.Bytes()); err != nil {
		return 0, fmt.Errorf("push: %w", err)
	}
	return o.pushAll(ctx, s, o.devices(to)), nil
}

func (o *Overlay) pushAll(ctx context.Context, s identity.Sealed, devices []peer.AddrInfo) int {
	var (
		reached atomic.Int64
		wg      sync.WaitGroup
		slots   = make(chan struct{}, pushesAtOnce)
	)
	for _, d := range devices {
		slots <- struct{}{}
		wg.Go(func() { // until the exchange times out or ctx ends
			defer func() { <-slots }()
			if err := o.push(ctx, d, s); err != nil {
				o.log.Debug("publication not pushed", "err", err)
				return
			}
			reached.Add(1)
		})
	}
	wg.Wait()
	return int(reached.Load())
}

// devices reads reaches, without this device itself, broken ones and doubles.
func (o *Overlay) devices(reaches []identity.Reach) []peer.AddrInfo {
	var out []peer.AddrInfo
	for _, r := range reaches {
		info, err := parseReach(r)
		if err != nil {
			o.log.Debug("reach", "err", err)
			continue
		}
		same := func(other peer.AddrInfo) bool { return other.ID == info.ID }
		if info.ID != o.host.ID() && !slices.ContainsFunc(out, same) {
			out = append(out, info)
		}
	}
	return out
}

// Listen joins a topic and keeps this device connected to its publishers until
// Leave, from when Serve runs. Listening again replaces them.
func (o *Overlay) Listen(topic string, publishers []identity.Reach) error {
	if !topicGrammar.MatchString(topic) {
		return fmt.Errorf("listen: %w", errTopic)
	}
	return o.topics.listen(topic, o.devices(publishers))
}

// Leave ends a Listen. Leaving a topic not listened to does nothing.
func (o *Overlay) Leave(topic string) { o.topics.leave(topic) }

func (t *topics) listen(topic string, publishers []peer.AddrInfo) error {
	t.mu.Lock()
	l, known := t.listening[topic]
	if !known && len(t.listening) >= topicsLimit {
		t.mu.Unlock()
		return fmt.Errorf("listen: %w", errTopics)
	}
	if !known {
		l.since = time.Now()
	}
	l.publishers = publishers
	t.listening[topic] = l
	wanted := t.wanted()
	t.mu.Unlock()
	t.vetted.listenTo(wanted)
	t.stir()
	return nil
}

func (t *topics) leave(topic string) {
	t.mu.Lock()
	delete(t.listening, topic)
	wanted := t.wanted()
	t.mu.Unlock()
	t.part(topic)
	t.vetted.listenTo(wanted)
	t.stir()
}

// wanted is all publishers of all topics. The caller holds mu.
func (t *topics) wanted() map[peer.ID]bool {
	wanted := make(map[peer.ID]bool)
	for _, l := range t.listening {
		for _, p := range l.publishers {
			wanted[p.ID] = true
		}
	}
	return wanted
}

func (t *topics) stir() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *topics) close() {
	t.end()
	t.vetted.unpark("")
}
