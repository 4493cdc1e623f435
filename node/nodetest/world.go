// Package nodetest has what tests of people need: a World, which is a network
// in memory, a Stage on which persons with real keys and real stores live in
// any network, and the stories that every network must let them live.
//
// Stories run in virtual time: call them inside synctest.Test.
package nodetest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
)

// Handler is the program on a device; *node.Node is one.
type Handler interface {
	Admit(protocol, from string) bool
	Answer(ctx context.Context, protocol, from string, request identity.Sealed) (identity.Sealed, error)
	Hear(ctx context.Context, from string, s identity.Sealed) (fresh bool, err error)
	Stir()
}

// World is a network in memory: devices by name, a directory that checks
// records as a DHT's storing nodes do, and links that can be cut. A message
// takes Latency one way.
type World struct {
	Latency time.Duration

	mu        sync.Mutex
	ports     map[string]*Port
	records   map[string][]byte
	cut       map[[2]string]bool
	mute      map[string]bool // devices whose responses get lost
	stalled   map[string]bool // devices that take requests and never answer
	overheard []identity.Sealed
	zones     map[string]ed25519.PublicKey
	kept      map[kept]int
}

// kept is a device, and a person whose records it stored again.
type kept struct {
	device string
	person identity.Address
}

// NewWorld returns an empty world.
func NewWorld(latency time.Duration) *World {
	return &World{
		Latency: latency, ports: make(map[string]*Port), records: make(map[string][]byte),
		cut: make(map[[2]string]bool), mute: make(map[string]bool), stalled: make(map[string]bool), zones: make(map[string]ed25519.PublicKey), kept: make(map[kept]int),
	}
}

// Port is one device's place in a world. It fits node.Network.
type Port struct {
	world   *World
	name    string
	handler Handler                     // nil unless serving
	listens map[string][]identity.Reach // by topic
}

// Join puts a device into the world, or one that was killed back into it.
func (w *World) Join(name string) *Port {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &Port{world: w, name: name, listens: make(map[string][]identity.Reach)}
	w.ports[name] = p
	return p
}

// Serve brings what arrives to h until ctx ends.
func (p *Port) Serve(ctx context.Context, h Handler) error {
	p.world.mu.Lock()
	p.handler = h
	var others []Handler
	for _, q := range p.world.ports {
		if q != p && q.handler != nil {
			others = append(others, q.handler)
		}
	}
	p.world.mu.Unlock()
	for _, o := range others {
		o.Stir()
	}
	<-ctx.Done()
	p.world.mu.Lock()
	p.handler = nil
	p.world.mu.Unlock()
	return nil
}

// Close takes the device out of the world without a goodbye.
func (p *Port) Close() error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.world.ports[p.name] == p {
		delete(p.world.ports, p.name)
	}
	return nil
}

// Cut ends the link between two devices; Heal makes it good again.
func (w *World) Cut(a, b string) { w.link(a, b, true) }

// Heal undoes Cut.
func (w *World) Heal(a, b string) { w.link(a, b, false) }

func (w *World) link(a, b string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[[2]string{a, b}], w.cut[[2]string{b, a}] = cut, cut
}

// LoseResponses has requests reach a device and its responses get lost.
func (w *World) LoseResponses(name string, lose bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mute[name] = lose
}

// Stall has a device take requests and never answer, until the asker gives up.
func (w *World) Stall(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled[name] = true
}

// Overheard returns all publications so far, oldest first: what somebody who
// records the network can play again.
func (w *World) Overheard() []identity.Sealed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]identity.Sealed(nil), w.overheard...)
}

// Reach names the device.
func (p *Port) Reach() (full, brief identity.Reach) {
	return identity.Reach(p.name), identity.Reach(p.name)
}

// Announce stores records that pass the check of storing nodes.
func (p *Port) Announce(ctx context.Context, card identity.SignedCard) (int, error) {
	if err := p.travel(ctx); err != nil {
		return 0, err
	}
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range card.Records() {
		if err := identity.CheckRecord(r.Key, r.Value, time.Now()); err != nil {
			return 0, err
		}
		if old := w.records[r.Key]; old == nil || identity.CompareRecords(r.Value, old) > 0 {
			w.records[r.Key] = r.Value
		}
	}
	return len(w.ports) - 1, nil
}

// Resolve reads the record of the day, and of a domain's member first the name.
func (p *Port) Resolve(ctx context.Context, l identity.Locator, hints ...identity.Reach) (identity.SignedCard, bool, error) {
	if err := p.travel(ctx); err != nil {
		return identity.SignedCard{}, false, err
	}
	found, err := p.read(l, time.Now())
	if err == nil && !found.Name.IsZero() && found.Name.Account != nil {
		l.Account = found.Name.Account
		found, err = p.read(l, time.Now())
	}
	return found.Card, !found.Card.IsZero(), err
}

// Keep counts: a world loses no records.
func (p *Port) Keep(_ context.Context, l identity.Locator) error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.world.kept[kept{p.name, l.Address}]++
	return nil
}

// Kept says how often a device was told to store a person's records again.
func (w *World) Kept(device string, who identity.Address) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept[kept{device, who}]
}

// DomainKey asks the world's zones.
func (p *Port) DomainKey(ctx context.Context, domain string) (ed25519.PublicKey, bool, error) {
	if err := p.travel(ctx); err != nil {
		return nil, false, err
	}
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	key := p.world.zones[domain]
	return key, key != nil, nil
}

// SetZone has the zone of a DNS domain name a key.
func (w *World) SetZone(domain string, key ed25519.PublicKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zones[domain] = key
}

// read gives the first good record of what l is found by.
func (p *Port) read(l identity.Locator, now time.Time) (identity.Found, error) {
	keys, err := identity.RecordKeys(l, now)
	if err != nil {
		return identity.Found{}, err
	}
	for _, key := range keys {
		p.world.mu.Lock()
		value := p.world.records[key]
		p.world.mu.Unlock()
		if value == nil {
			continue
		}
		if found, err := identity.OpenRecord(l, key, value, now); err == nil {
			return found, nil
		}
	}
	return identity.Found{}, nil
}

// travel takes the time of one way.
func (p *Port) travel(ctx context.Context) error {
	select {
	case <-time.After(p.world.Latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handlerAt finds the program on a device that this one can reach.
func (p *Port) handlerAt(name string) (Handler, error) {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.ports[name]
	if q == nil || q.handler == nil || w.cut[[2]string{p.name, name}] || w.ports[p.name] != p {
		return nil, fmt.Errorf("%s: no route", name)
	}
	return q.handler, nil
}

// Exchange asks the other device's handler.
func (p *Port) Exchange(ctx context.Context, protocol string, to identity.Reach, request identity.Sealed) (identity.Sealed, error) {
	if err := p.travel(ctx); err != nil {
		return identity.Sealed{}, err
	}
	h, err := p.handlerAt(string(to))
	if err != nil {
		return identity.Sealed{}, err
	}
	if !h.Admit(protocol, p.name) {
		return identity.Sealed{}, errors.New("refused")
	}
	p.world.mu.Lock()
	stalled := p.world.stalled[string(to)]
	p.world.mu.Unlock()
	if stalled {
		<-ctx.Done()
		return identity.Sealed{}, ctx.Err()
	}
	// What crosses is octets: the other side reads its own copy.
	copied, err := identity.ParseSealed(append([]byte(nil), request.Bytes()...))
	if err != nil {
		return identity.Sealed{}, err
	}
	answer, err := h.Answer(ctx, protocol, p.name, copied)
	if err != nil {
		return identity.Sealed{}, errors.New("ended unanswered")
	}
	if err := p.travel(ctx); err != nil {
		return identity.Sealed{}, err
	}
	p.world.mu.Lock()
	lost := p.world.mute[string(to)]
	p.world.mu.Unlock()
	if _, err := p.handlerAt(string(to)); err != nil || lost {
		return identity.Sealed{}, errors.New("response lost")
	}
	return answer, nil
}

// Publish brings s to the listeners of the topic and to the given devices.
func (p *Port) Publish(ctx context.Context, topic string, s identity.Sealed, to []identity.Reach) (int, error) {
	if err := p.travel(ctx); err != nil {
		return 0, err
	}
	w := p.world
	w.mu.Lock()
	w.overheard = append(w.overheard, s)
	names := make(map[string]bool)
	for name, q := range w.ports {
		if _, ok := q.listens[topic]; ok && q != p {
			names[name] = true
		}
	}
	w.mu.Unlock()
	for _, r := range to {
		names[string(r)] = true
	}
	return p.hand(ctx, s, names), nil
}

// Push brings s to the given devices.
func (p *Port) Push(ctx context.Context, s identity.Sealed, to []identity.Reach) (int, error) {
	if err := p.travel(ctx); err != nil {
		return 0, err
	}
	names := make(map[string]bool)
	for _, r := range to {
		names[string(r)] = true
	}
	return p.hand(ctx, s, names), nil
}

func (p *Port) hand(ctx context.Context, s identity.Sealed, names map[string]bool) (reached int) {
	for name := range names {
		h, err := p.handlerAt(name)
		if err != nil {
			continue
		}
		if _, err := h.Hear(ctx, p.name, s); err == nil {
			reached++
		}
	}
	return reached
}

// Listen joins a topic.
func (p *Port) Listen(topic string, publishers []identity.Reach) error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.listens[topic] = publishers
	return nil
}

// Leave leaves a topic.
func (p *Port) Leave(topic string) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	delete(p.listens, topic)
}
