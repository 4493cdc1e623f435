package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// Reasons in a failure response, and what they say to people.
const (
	reasonPolicy    = "not allowed"
	reasonFull      = "too many requests wait already"
	reasonSecond    = "already subscribed with another SubscriptID"
	reasonCard      = "your card has expired: is your clock right?"
	reasonClock     = "the DateTime is too far from this clock"
	reasonProfile   = "not a message that kith understands"
	reasonRequire   = "the message requires what is not understood here"
	reasonConflict  = "another message with this Message-ID came before"
	reasonStore     = "it could not be kept; try again later"
	reasonAddressee = "not addressed to this person"
)

// Answer opens, verifies, decides and answers one request of another device.
// The network calls it after Admit. An error means that no answer is due: the
// request cannot have come from an honest device, or this node is at fault.
func (n *Node) Answer(ctx context.Context, protocol, from string, request identity.Sealed) (identity.Sealed, error) {
	now := time.Now()
	if protocol == Devices {
		return n.answerDevices(ctx, from, request, now)
	}
	if err := n.serves(); err != nil {
		return identity.Sealed{}, err
	}
	opened, err := n.open(ctx, request, now)
	if err != nil {
		return identity.Sealed{}, err
	}
	n.gate.vouch(from, n.relation(opened.From) == access.Contact)
	var r *response
	switch {
	case protocol == Presence && opened.Entity.Type == typeSubscribe:
		r, err = n.answerSubscribe(ctx, opened, now)
	case protocol == Presence && opened.Entity.Type == typeNotify:
		r, err = n.answerNotify(ctx, opened, now)
	case protocol == Messages && opened.Entity.Type == typeMessage:
		r, err = n.answerMessage(ctx, opened, now)
	default:
		err = fmt.Errorf("%s on %s", opened.Entity.Type, protocol)
	}
	if err != nil {
		return identity.Sealed{}, err
	}
	r.digest = request.Digest()
	body, err := r.marshal()
	if err != nil {
		return identity.Sealed{}, fmt.Errorf("write response: %w", err)
	}
	signed, err := n.keys.Sign(identity.Entity{Type: typeResponse, Body: body}, false, now)
	if err != nil {
		return identity.Sealed{}, fmt.Errorf("sign response: %w", err)
	}
	return n.keys.SealReply(signed, opened)
}

func fail(trans, reason string) *response {
	return &response{trans: trans, outcome: failure, reason: reason}
}

// later answers that this node could not do its part; the same request may
// succeed later.
func later(trans string) *response {
	return &response{trans: trans, outcome: indeterminant, reason: reasonStore}
}

var errMisdirected = errors.New("request names somebody else than its signer or this node's owner")
