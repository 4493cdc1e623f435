package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
)

// Fetched is a verified presence document.
type Fetched struct {
	Document []byte          // the PIDF document as signed
	Signed   identity.Signed // the object it came in
	Device   identity.DeviceID
	Version  Version
	SignedAt time.Time
	Fresh    bool // from the presentity just now; else from the store
}

// fetchWait is how long the presentity is asked when the newest stored document
// could be shown instead.
const fetchWait = 3 * time.Second

// Fetch returns a person's current presence document: asked for once (RFC 3859
// section 3.4.1 with duration 0), or if nobody answers the newest stored one.
// A refusal is an error; so is having nothing at all.
func (n *Node) Fetch(ctx context.Context, who identity.Address) (Fetched, error) {
	now := time.Now()
	held, found := n.stored(who, now)
	asking := ctx
	if found { // whoever asks gets something, also from a short wait
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, fetchWait)
		defer cancel()
	}
	fresh, err := n.fetchFrom(asking, who, now)
	if _, refused := errors.AsType[*RefusedError](err); err != nil && found && !refused {
		return held, nil
	}
	return fresh, err
}

// fetchFrom asks all devices of a person that publish, and returns the newest of
// their documents.
func (n *Node) fetchFrom(ctx context.Context, who identity.Address, now time.Time) (newest Fetched, err error) {
	op, err := n.newSubscribe(ctx, who, newSubscriptID(), 0, "")
	if err != nil {
		return Fetched{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // of newest and refused
	var refused *RefusedError
	err = n.withCards(ctx, who, func(card *identity.Card) error {
		err := n.each(card, n.publishers(card), func(d identity.DeviceCard) error {
			r, err := n.askAlone(ctx, op, card, d)
			if err != nil {
				return err
			}
			f, err := n.fetched(r, who, now)
			mu.Lock()
			defer mu.Unlock()
			if no, ok := errors.AsType[*RefusedError](err); ok {
				refused = no
			} else if err == nil && f.SignedAt.After(newest.SignedAt) {
				newest = f
				time.AfterFunc(askMoment, cancel) // for the others
			}
			return err
		})
		if refused != nil {
			return nil // an answer
		}
		return err
	})
	switch {
	case !newest.Signed.IsZero():
		return newest, nil
	case refused != nil:
		return Fetched{}, refused
	}
	return Fetched{}, err
}

// fetched reads the answer to a fetch.
func (n *Node) fetched(r *response, who identity.Address, now time.Time) (Fetched, error) {
	if r.outcome == failure {
		return Fetched{}, &RefusedError{Reason: r.reason}
	}
	if r.outcome != success || r.standing == nil || r.standing.document.IsZero() {
		return Fetched{}, errors.New("the presentity has no document now")
	}
	f, err := openFetched(r.standing.document, who, n.known(), now)
	f.Fresh = err == nil
	return f, err
}

// RefusedError says that the other side said no.
type RefusedError struct{ Reason string }

// Error gives the other side's reason.
func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// openFetched verifies a document and that it is that person's.
func openFetched(s identity.Signed, who identity.Address, known identity.Known, now time.Time) (Fetched, error) {
	o, err := identity.Verify(s, known, now)
	if err != nil {
		return Fetched{}, fmt.Errorf("document: %w", err)
	}
	p, err := readPublication(o)
	if err != nil {
		return Fetched{}, err
	}
	if o.From != who {
		return Fetched{}, fmt.Errorf("document of %s instead of %s", o.From.Short(), who.Short())
	}
	return Fetched{Document: o.Entity.Body, Signed: s, Device: o.Device, Version: p.version, SignedAt: o.Time}, nil
}

// stored returns the newest document held of a person.
func (n *Node) stored(who identity.Address, now time.Time) (Fetched, bool) {
	n.mu.Lock()
	var newest *shown
	if w, card := n.watches[who], n.newestCard(who).Card(); w != nil && card != nil {
		for id, s := range w.devices {
			if card.Admits(id) == nil && s.audience == w.Epoch.Audience() && (newest == nil || s.hold.heard.After(newest.hold.heard)) {
				newest = s
			}
		}
	}
	n.mu.Unlock()
	if newest == nil {
		return Fetched{}, false
	}
	f, err := openFetched(newest.signed, who, n.known(), newest.hold.heard)
	return f, err == nil
}
