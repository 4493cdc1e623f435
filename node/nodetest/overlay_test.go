package nodetest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay"
	"github.com/kith-im/kith/overlay/overlaytest"
)

// simulated is a stage of real overlays on a simulated internet. A device that
// comes back does so at another address, as on most home lines.
type simulated struct {
	net    *overlaytest.Net
	starts map[string]int
	known  []string // of the first device, for the others to start from
}

func newSimulated(latency time.Duration) *simulated {
	return &simulated{net: overlaytest.New(overlaytest.Fixed(latency)), starts: make(map[string]int)}
}

func (s *simulated) host(name string) string { return fmt.Sprint(name, "#", s.starts[name]) }

// device lets an overlay serve a Handler of this package.
type device struct{ *overlay.Overlay }

func (d device) Serve(ctx context.Context, h Handler) error { return d.Overlay.Serve(ctx, h) }

func (s *simulated) Join(t *testing.T, name string, keys *identity.Keys) Device {
	t.Helper()
	s.starts[name]++
	cfg := s.net.Host(s.host(name))
	cfg.Key = keys.TransportKey()
	cfg.Bootstrap = s.known
	o, err := overlay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s.known == nil {
		s.known = o.Addresses()
	}
	return device{o}
}

func (s *simulated) Kill(name string) { s.net.Kill(s.host(name)) }

func TestStoriesOverOverlay(t *testing.T) {
	if testing.Short() {
		t.Skip("real libp2p in virtual time takes a minute of CPU; run without -short")
	}
	for name, story := range Stories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				story(t, newSimulated(100*time.Millisecond))
			})
		})
	}
}
