package nodetest

import (
	"context"
	"errors"
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

// neighbour is a device of somebody else, whose program never has an answer. It
// is there so that two who both moved can find each other again.
type neighbour struct{}

func (neighbour) Admit(protocol, _ string) bool {
	return protocol != "/kith/im/1" && protocol != "/kith/presence/1" && protocol != "/kith/device/1"
}
func (neighbour) Stir() {}
func (neighbour) Hear(context.Context, string, identity.Sealed) (bool, error) {
	return false, nil
}
func (neighbour) Answer(context.Context, string, string, identity.Sealed) (identity.Sealed, error) {
	return identity.Sealed{}, errors.New("nobody here")
}

func TestStoriesOverOverlay(t *testing.T) {
	bothMove := map[string]bool{
		"WaitingMessages": true, "BothRestart": true, "AwayDevice": true, "AdministratorGone": true, "LinkedAdministrator": true,
	}
	for name, story := range Stories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stage := newSimulated(100 * time.Millisecond)
				if !bothMove[name] {
					story(t, stage)
					return
				}
				keys, err := identity.New("somebody", time.Now())
				if err != nil {
					t.Fatal(err)
				}
				other := stage.Join(t, "somebody", keys)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- other.Serve(ctx, neighbour{}) }() // ends with ctx
				defer func() {
					cancel()
					if err := errors.Join(<-done, other.Close()); err != nil {
						t.Error(err)
					}
					time.Sleep(2 * time.Minute) // what it left behind ends
				}()
				story(t, stage)
			})
		})
	}
}
