package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/kith-im/kith/identity"
)

// How a new device goes about it.
const (
	joinPoll  = time.Second // between two asks whether the other side agreed; so much more before each try
	joinTries = 5           // of one step, if there is no answer
)

// ErrLinkRefused says that the person at one of the two devices did not agree.
var ErrLinkRefused = errors.New("the link was refused")

// JoinConfig is what a new device needs to become one of a person's.
type JoinConfig struct {
	Network Network // its Resolve, DomainKey and Exchange are used
	Code    string  // that StartLink gave
	Name    string  // what the device is called if the owner says nothing else; at most 64 octets
	Dir     string  // where the identity is written, in keys below it
	Pass    []byte  // for the account key, if it is handed over; nil: none

	// Pending has the keys of the device, whose transport key the network may
	// have already; nil: they are made.
	Pending *identity.Pending

	// Confirm shows the digits to the person and asks whether the other device
	// shows the same.
	Confirm func(ctx context.Context, digits []string) (bool, error)

	Log *slog.Logger // nil is silent
}

// joining is the new device's side of a link.
type joining struct {
	cfg     JoinConfig
	code    linkCode
	keys    *identity.Keys // of a throw-away principal
	card    *identity.Card // of the owner
	reaches []identity.Reach
	by      identity.DeviceID // who answers
}

// Join makes this device one of a person's, by the code that another of their
// devices offers: it writes the identity to Dir and returns the keys and the
// owner's newest card, which is for Config.Card. It returns ErrLinkRefused if
// a person said no.
func Join(ctx context.Context, cfg JoinConfig) (*identity.Keys, identity.SignedCard, error) {
	keys, card, err := join(ctx, cfg)
	if err != nil {
		return nil, identity.SignedCard{}, fmt.Errorf("link this device: %w", err)
	}
	return keys, card, nil
}

func join(ctx context.Context, cfg JoinConfig) (*identity.Keys, identity.SignedCard, error) {
	if err := checkDeviceName(cfg.Name); err != nil {
		return nil, identity.SignedCard{}, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	code, err := parseLinkCode(cfg.Code)
	if err != nil {
		return nil, identity.SignedCard{}, err
	}
	j := &joining{cfg: cfg, code: code}
	if j.keys, err = identity.New("new-device", time.Now()); err != nil {
		return nil, identity.SignedCard{}, err
	}
	if err := j.find(ctx); err != nil {
		return nil, identity.SignedCard{}, err
	}
	pending := cfg.Pending
	if pending == nil {
		if pending, err = identity.NewPending(); err != nil {
			return nil, identity.SignedCard{}, fmt.Errorf("make keys: %w", err)
		}
	}
	done, err := j.agree(ctx, pending)
	if err != nil {
		return nil, identity.SignedCard{}, err
	}
	return j.accept(pending, done)
}

// find looks for the owner's card.
func (j *joining) find(ctx context.Context) error {
	l := identity.Locator{Address: j.code.address}
	var hints []identity.Reach
	if len(j.code.reach) > 0 {
		hints = append(hints, j.code.reach)
	}
	if _, overlay := l.Address.DomainKey(); !overlay {
		key, found, err := j.cfg.Network.DomainKey(ctx, l.Address.Domain())
		if err != nil {
			return fmt.Errorf("ask the zone of %s: %w", l.Address.Domain(), err)
		}
		if !found {
			return fmt.Errorf("the zone of %s names no key", l.Address.Domain())
		}
		l.Domain = key
	}
	for try := 1; ; try++ {
		card, found, err := j.cfg.Network.Resolve(ctx, l, hints...)
		if err == nil && found {
			j.card = card.Card()
			break
		}
		if err == nil {
			err = errNobody
		}
		if try == joinTries {
			return fmt.Errorf("look up %s: %w", l.Address.Short(), err)
		}
		if !pause(ctx, time.Now().Add(time.Duration(try)*joinPoll), nil) {
			return ctx.Err()
		}
	}
	j.reaches = hints
	for _, d := range j.card.Devices {
		if len(d.Reach) > 0 && d.Scopes().Has(identity.ScopeAdminister) {
			j.reaches = append(j.reaches, d.Reach)
		}
	}
	return nil
}

// agree goes through the steps of a link up to the grant.
func (j *joining) agree(ctx context.Context, pending *identity.Pending) (*linked, error) {
	request, err := pending.Request()
	if err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	var nonce [32]byte
	rand.Read(nonce[:]) // never fails
	body, err := linkHello{commitTo(nonce, request), request, j.cfg.Name}.marshal()
	if err != nil {
		return nil, fmt.Errorf("write hello: %w", err)
	}
	answer, err := j.step(ctx, stepHello, body)
	if err != nil {
		return nil, err
	}
	theirs, err := parseNonce(answer.nonce)
	if err != nil {
		return nil, err
	}
	if body, err = marshalNonce(nonce); err != nil {
		return nil, fmt.Errorf("write reveal: %w", err)
	}
	if answer, err = j.step(ctx, stepReveal, body); err != nil {
		return nil, err
	}
	if answer.outcome == linkRefused {
		return nil, ErrLinkRefused
	}
	same, err := j.cfg.Confirm(ctx, linkDigits(theirs, nonce, request, j.by))
	if err != nil || !same {
		tell, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
		defer cancel()
		_, untold := j.once(tell, stepRefuse, []byte{0x30, 0})
		if err != nil {
			return nil, err
		}
		j.cfg.Log.Debug("refused", "err", untold)
		return nil, ErrLinkRefused
	}
	for {
		answer, err := j.step(ctx, stepFinish, []byte{0x30, 0})
		switch {
		case err != nil:
			return nil, err
		case answer.outcome == linkDone:
			return answer, nil
		case answer.outcome == linkRefused:
			return nil, ErrLinkRefused
		}
		if !pause(ctx, time.Now().Add(joinPoll), nil) {
			return nil, ctx.Err()
		}
	}
}

// step takes a step, a few times if there is no answer.
func (j *joining) step(ctx context.Context, step int, body []byte) (*linked, error) {
	for try := 1; ; try++ {
		answer, err := j.once(ctx, step, body)
		if err == nil || try == joinTries || ctx.Err() != nil {
			return answer, err
		}
		j.cfg.Log.Debug("no answer", "step", step, "err", err)
		if !pause(ctx, time.Now().Add(time.Duration(try)*joinPoll), nil) {
			return nil, ctx.Err()
		}
	}
}

// once takes a step, at each place where the other device may be.
func (j *joining) once(ctx context.Context, step int, body []byte) (*linked, error) {
	der, err := newLinkStep(j.code.secret, step, body)
	if err != nil {
		return nil, fmt.Errorf("write step: %w", err)
	}
	signed, err := j.keys.Sign(identity.Entity{Type: typeLink, Body: der}, true, time.Now())
	if err != nil {
		return nil, fmt.Errorf("sign step: %w", err)
	}
	sealed, err := j.keys.SealTo(signed, j.card)
	if err != nil {
		return nil, fmt.Errorf("seal step: %w", err)
	}
	err = errors.New("the other device cannot be reached")
	for _, to := range j.reaches {
		var answer *linked
		if answer, err = j.exchange(ctx, to, sealed); err == nil {
			j.reaches = []identity.Reach{to}
			return answer, nil
		}
	}
	return nil, err
}

func (j *joining) exchange(ctx context.Context, to identity.Reach, sealed identity.Sealed) (*linked, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	reply, err := j.cfg.Network.Exchange(ctx, Devices, to, sealed)
	if err != nil {
		return nil, err
	}
	o, err := j.keys.Open(reply, j.card.Known(), time.Now())
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	switch {
	case o.From != j.code.address || !o.Scopes.Has(identity.ScopeAdminister):
		return nil, errors.New("answer of somebody who cannot link devices")
	case o.Entity.Type != typeLinked:
		return nil, fmt.Errorf("answer of type %q", o.Entity.Type)
	case j.by != identity.DeviceID{} && j.by != o.Device:
		return nil, errors.New("answer of another device")
	}
	answer, err := parseLinked(o.Entity.Body)
	if err != nil {
		return nil, err
	}
	if answer.digest != sealed.Digest() {
		return nil, errors.New("answer to another request")
	}
	j.by = o.Device
	return answer, nil
}

// accept writes the identity.
func (j *joining) accept(pending *identity.Pending, done *linked) (*identity.Keys, identity.SignedCard, error) {
	now := time.Now()
	card, err := parseKeptCard(done.card, j.code.address, func(domain string) ed25519.PublicKey {
		if domain == j.card.Address.Domain() {
			return j.card.DomainKey()
		}
		return nil
	}, now)
	if err != nil {
		return nil, identity.SignedCard{}, err
	}
	keys, err := pending.Accept(j.cfg.Dir, j.code.address, done.grant, j.cfg.Pass, now)
	if err != nil {
		return nil, identity.SignedCard{}, err
	}
	if err := card.Card().Admits(keys.Device()); err != nil {
		j.cfg.Log.Warn("the card does not list this device yet", "err", err)
	}
	return keys, card, nil
}
