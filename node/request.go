package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// exchangeTimeout bounds one exchange with one device (doc/spec/limits.md).
const exchangeTimeout = 15 * time.Second

// errNobody says that no card of a person can be found. Whoever asked tries
// again later: the person may simply not have been here yet.
var errNobody = errors.New("nobody publishes this address now")

// request sends a signed operation to a person's devices and returns the
// verified response of the first that answers. The newest known card is tried
// first, then the one that the network finds.
func (n *Node) request(ctx context.Context, protocol string, who identity.Address, op identity.Signed, trans string) (_ *response, err error) {
	defer func() { err = n.explain(who, err) }()
	card, hints := n.whereIs(who)
	var first error
	if !card.IsZero() {
		r, err := n.requestAt(ctx, protocol, card.Card(), op, trans)
		if err == nil {
			return r, nil
		}
		first = err
	}
	fresh, found, err := n.resolve(ctx, who, hints)
	switch {
	case err != nil:
		return nil, errors.Join(first, fmt.Errorf("look up %s: %w", who.Short(), err))
	case !found && first != nil:
		return nil, first
	case !found:
		return nil, errNobody
	}
	if err := n.learnCard(ctx, fresh); err != nil {
		return nil, err
	}
	if !card.IsZero() && fresh.Card().Serial <= card.Card().Serial {
		return nil, first
	}
	return n.requestAt(ctx, protocol, fresh.Card(), op, trans)
}

// requestAt asks the devices of one card in turn.
func (n *Node) requestAt(ctx context.Context, protocol string, card *identity.Card, op identity.Signed, trans string) (*response, error) {
	sealed, err := n.keys.SealTo(op, card)
	if err != nil {
		return nil, fmt.Errorf("seal to %s: %w", card.Address.Short(), err)
	}
	err = fmt.Errorf("%s has no device that can be reached", card.Address.Short())
	for _, d := range card.Devices {
		if len(d.Reach) == 0 {
			continue
		}
		var r *response
		if r, err = n.askDevice(ctx, protocol, card, d.Reach, sealed, trans); err == nil {
			return r, nil
		}
	}
	return nil, err
}

// askDevice makes one exchange and verifies the response: signed by a device of
// the same person, about this operation and these octets.
func (n *Node) askDevice(ctx context.Context, protocol string, card *identity.Card, to identity.Reach, sealed identity.Sealed, trans string) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	answer, err := n.net.Exchange(ctx, protocol, to, sealed)
	if err != nil {
		return nil, err
	}
	opened, err := n.keys.Open(answer, n.knownWith(card), time.Now())
	if err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	if opened.From != card.Address {
		return nil, fmt.Errorf("response signed by %s instead of %s", opened.From.Short(), card.Address.Short())
	}
	if opened.Entity.Type != typeResponse {
		return nil, fmt.Errorf("response of type %q", opened.Entity.Type)
	}
	r, err := parseResponse(opened.Entity.Body, n.domainKey)
	if err != nil {
		return nil, err
	}
	if r.trans != trans || r.digest != sealed.Digest() {
		return nil, errors.New("response to another request")
	}
	return r, nil
}
