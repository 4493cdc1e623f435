package overlay_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay"
)

// person is keys, a device and what the device was asked and told.
type person struct {
	*overlay.Overlay
	name   string
	keys   *identity.Keys
	serial uint64
	ahead  time.Duration // how wrong the clock is that cards are signed by

	stirs   atomic.Int64
	refuse  atomic.Pointer[func(protocol, from string) bool]
	mu      sync.Mutex
	heard   map[[32]byte]int
	asked   []string // protocols of requests
	deaf    bool     // Hear fails
	unheard error
}

// start makes a person on a device and serves until the test ends or stop is
// called.
func start(t *testing.T, name string, cfg overlay.Config) (p *person, stop func()) {
	t.Helper()
	keys, err := identity.New(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return startAs(t, name, keys, cfg)
}

// startAs is start with keys that are there.
func startAs(t *testing.T, name string, keys *identity.Keys, cfg overlay.Config) (p *person, stop func()) {
	t.Helper()
	if cfg.Key == nil {
		cfg.Key = keys.TransportKey()
	}
	o, err := overlay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p = &person{Overlay: o, name: name, keys: keys, heard: make(map[[32]byte]int)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Serve(ctx, p) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve %s: %v", name, err)
		}
		if err := o.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	})
	return p, stop
}

func (p *person) Admit(protocol, from string) bool {
	if refuse := p.refuse.Load(); refuse != nil {
		return !(*refuse)(protocol, from)
	}
	return true
}

// Answer gives the request back, which is sealed to the right device in these
// tests: nobody opens it.
func (p *person) Answer(_ context.Context, protocol, _ string, request identity.Sealed) (identity.Sealed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, protocol)
	return request, p.unheard
}

func (p *person) Hear(_ context.Context, _ string, s identity.Sealed) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf {
		return false, errors.New("not for me")
	}
	p.heard[s.Digest()]++
	return p.heard[s.Digest()] == 1, nil
}

func (p *person) Stir() { p.stirs.Add(1) }

func (p *person) hears(s identity.Sealed) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[s.Digest()]
}

// calls is how many requests and different publications came.
func (p *person) calls() (asked, heard int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked), len(p.heard)
}

// at is what others look for.
func (p *person) at() identity.Locator { return identity.Locator{Address: p.keys.Address()} }

func (p *person) full() identity.Reach  { full, _ := p.Reach(); return full }
func (p *person) brief() identity.Reach { _, brief := p.Reach(); return brief }

// card signs a card with a rising serial and the reach of now.
func (p *person) card(t *testing.T) identity.SignedCard {
	t.Helper()
	p.serial++
	c, err := p.keys.SignCard(identity.CardDraft{Serial: p.serial, Reach: p.full()}, time.Now().Add(p.ahead))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *person) signed(t *testing.T, text string) identity.Signed {
	t.Helper()
	s, err := p.keys.Sign(identity.Entity{Type: "text/plain", Body: []byte(text)}, true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request is sealed to whoever the card is of.
func (p *person) request(t *testing.T, to *person, text string) identity.Sealed {
	t.Helper()
	s, err := p.keys.SealTo(p.signed(t, text), to.card(t).Card())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// publication is sealed to an audience.
func (p *person) publication(t *testing.T, e identity.Epoch, text string) identity.Sealed {
	t.Helper()
	s, err := e.Seal(p.signed(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
