package overlay_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay"
)

// mute is a device's program that admits everybody and has nothing to say.
type mute struct{}

func (mute) Admit(protocol, from string) bool { return true }
func (mute) Answer(context.Context, string, string, identity.Sealed) (identity.Sealed, error) {
	return identity.Sealed{}, errors.New("nothing to say")
}
func (mute) Hear(context.Context, string, identity.Sealed) (bool, error) { return false, nil }
func (mute) Stir()                                                       {}

// Two devices of two people meet: one announces its card, the other, who has an
// invitation, resolves it.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	serve := func(k *identity.Keys) (*overlay.Overlay, func()) {
		o, err := overlay.New(overlay.Config{
			Key:    k.TransportKey(),
			Listen: []string{"/ip4/127.0.0.1/tcp/0"},
		})
		if err != nil {
			panic(err)
		}
		done := make(chan error)
		go func() { done <- o.Serve(ctx, mute{}) }()
		return o, func() {
			<-done
			o.Close()
		}
	}
	keys := func(name string) *identity.Keys {
		k, err := identity.New(name, time.Now())
		if err != nil {
			panic(err)
		}
		return k
	}
	k := keys("alice")
	alice, stopAlice := serve(k)
	bob, stopBob := serve(keys("bob"))

	full, brief := alice.Reach()
	card, err := k.SignCard(identity.CardDraft{Serial: 1, Reach: full}, time.Now())
	if err != nil {
		panic(err)
	}
	acks, err := alice.Announce(ctx, card)
	fmt.Println("others keep it:", acks, err)

	found, ok, err := bob.Resolve(ctx, identity.Locator{Address: k.Address()}, brief)
	fmt.Println("found:", ok, err, found.Card().Address.Local())

	cancel()
	stopAlice()
	stopBob()
	// Output:
	// others keep it: 0 <nil>
	// found: true <nil> alice
}
