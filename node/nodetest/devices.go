package nodetest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Everything is what a device may do that its owner uses like any other.
const Everything = identity.ScopePublish | identity.ScopeSend | identity.ScopeRead

// nobody is the program of a device that is not yet anybody's.
type nobody struct{}

func (nobody) Admit(protocol, _ string) bool {
	return protocol != node.Messages && protocol != node.Presence && protocol != node.Devices
}
func (nobody) Stir()                                                       {}
func (nobody) Hear(context.Context, string, identity.Sealed) (bool, error) { return false, nil }
func (nobody) Answer(context.Context, string, string, identity.Sealed) (identity.Sealed, error) {
	return identity.Sealed{}, errors.New("nobody here")
}

// Link makes the person another device, by a code and digits as people do, and
// starts its node. The new device is a Person of its own, of the same address.
func (p *Person) Link(name string, permit identity.Permit) *Person {
	p.t.Helper()
	q, err := p.TryLink(name, permit, func(digits []string) bool {
		shown := p.Node.Link()
		if shown.Stage != node.LinkCompare || !slices.Equal(shown.Digits, digits) {
			p.t.Errorf("%s links %s: one shows %v, the other %+v", p.Name, name, digits, shown)
			return false
		}
		if err := p.ConfirmLink(p.t.Context(), true); err != nil {
			p.t.Errorf("%s links %s: %v", p.Name, name, err)
		}
		return true
	})
	if err != nil {
		p.t.Fatalf("%s links %s: %v", p.Name, name, err)
	}
	q.Start()
	return q
}

// TryLink is Link up to the grant; agree is asked at the new device.
func (p *Person) TryLink(name string, permit identity.Permit, agree func(digits []string) bool) (*Person, error) {
	p.t.Helper()
	offer, err := p.StartLink(p.t.Context(), permit, "")
	if err != nil {
		return nil, err
	}
	return p.JoinBy(offer.Code, name, agree)
}

// JoinBy has a new device use a code that the person got.
func (p *Person) JoinBy(code, name string, agree func(digits []string) bool) (*Person, error) {
	p.t.Helper()
	q := &Person{Name: name, t: p.t, stage: p.stage, dir: p.t.TempDir()}
	if testing.Verbose() {
		q.log = slog.New(slog.NewTextHandler(p.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("at", name)
	}
	passing, err := identity.New("passing", time.Now())
	if err != nil {
		return nil, err
	}
	device := p.stage.Join(p.t, name, passing)
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- device.Serve(ctx, nobody{}) }() // ends with ctx
	defer func() {
		cancel()
		if err := errors.Join(<-done, device.Close()); err != nil {
			p.t.Errorf("%s: %v", name, err)
		}
	}()
	soon, late := context.WithTimeout(ctx, 5*time.Minute)
	defer late()
	q.keys, q.card, err = node.Join(soon, node.JoinConfig{
		Network: device, Code: code, Name: name, Dir: q.dir, Log: q.log,
		Confirm: func(_ context.Context, digits []string) (bool, error) { return agree(digits), nil },
	})
	return q, err
}

// Keys returns the person's keys on this device.
func (p *Person) Keys() *identity.Keys { return p.keys }

// Dir returns where the device has its files.
func (p *Person) Dir() string { return p.dir }

// Shows waits at most d until a contact is seen with so many live devices.
func (p *Person) Shows(d time.Duration, who *Person, live int) {
	p.t.Helper()
	p.Until(d, "live devices of "+who.Name, func() bool {
		v, _ := p.View(who.Address())
		n := 0
		for _, device := range v.Devices {
			if device.Liveness == node.Live {
				n++
			}
		}
		return n == live
	})
}

// Wrote returns the texts sent to who, on whichever device, oldest first.
func (p *Person) Wrote(who *Person) []string {
	p.t.Helper()
	list, err := p.History(p.t.Context(), node.Query{Person: who.Address()}, 10000)
	if err != nil {
		p.t.Fatal(err)
	}
	var texts []string
	for _, m := range list {
		if m.Out {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// unread counts the messages of who not yet read.
func (p *Person) unread(who *Person) int {
	v, _ := p.View(who.Address())
	return v.Unread
}

// hears waits at most d for texts of who, in any order and each once.
func (p *Person) hears(d time.Duration, who *Person, want ...string) {
	p.t.Helper()
	p.Until(d, "hears "+who.Name, func() bool { return len(p.Heard(who)) >= len(want) })
	if got := p.Heard(who); !sameTexts(got, want) {
		p.t.Errorf("%s heard %q of %s, want %q", p.Name, got, who.Name, want)
	}
}

func sameTexts(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
