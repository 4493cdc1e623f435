package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
)

// Messages that another device of the owner's has: each is verified before it is
// taken, as of when it was stored there.

// errLacking says that a message cannot be verified without knowing more about
// its author.
var errLacking = errors.New("author not known well enough")

// takeMessage verifies a message of another device's history and takes it, or
// what is newer about one that is here already.
func (n *Node) takeMessage(ctx context.Context, it item, now time.Time) error {
	given, ok := readMessageBody(it.body)
	if !ok || it.deleted {
		return badItem("message: %v", errSyntax)
	}
	if held, err := n.store.MessageByKey(ctx, it.key); err == nil && bytes.Equal(held.Signed.Bytes(), given.Signed.Bytes()) {
		return n.uniteMessage(ctx, held, given) // it was verified when it was stored
	}
	m, err := n.readHistory(given, now)
	if err != nil {
		return err
	}
	if m.Key() != it.key {
		return badItem("message under the key of another one")
	}
	if m.Out {
		return n.takeSent(ctx, m)
	}
	found, id, err := n.store.Deliver(ctx, m)
	if err != nil {
		return err
	}
	switch found {
	case Conflict:
		return badItem("another message has its Message-ID")
	case Duplicate:
		return nil
	}
	m.ID = id
	if m.Read {
		if err := n.store.SetRead(ctx, id); err != nil {
			return err
		}
	}
	n.tell(Event{Kind: SawMessage, Message: &m})
	return nil
}

// takeSent takes a message that the owner wrote on another device.
func (n *Node) takeSent(ctx context.Context, m Message) error {
	found, id, err := n.store.Adopt(ctx, m)
	if err != nil {
		return err
	}
	m.ID = id
	switch found {
	case Conflict:
		return badItem("another message has its Message-ID")
	case First:
		n.tell(Event{Kind: SawCopy, Message: &m})
	}
	return nil
}

// uniteMessage takes what is newer about a message that is here.
func (n *Node) uniteMessage(ctx context.Context, held, given Message) error {
	switch {
	case !held.Out && given.Read && !held.Read:
		if err := n.store.SetRead(ctx, held.ID); err != nil {
			return err
		}
		held.Read = true
		n.tell(Event{Kind: SawRead, Message: &held})
	case held.Out && given.Status.Outranks(held.Status):
		held.Status, held.Reason, held.Settled = given.Status, given.Reason, given.Settled
		if held.Device == (identity.DeviceID{}) {
			held.Device = n.Device()
		}
		if _, _, err := n.store.Adopt(ctx, held); err != nil {
			return err
		}
		n.tell(Event{Kind: SawVerdict, Message: &held})
	}
	return nil
}

// readHistory verifies a message as of when it was stored, and reads it. What
// its author's device did then stands: that it is not listed any more, or was
// revoked, does not matter.
func (n *Node) readHistory(given Message, now time.Time) (Message, error) {
	if given.Stored.IsZero() || given.Stored.After(now.Add(maxAhead)) {
		return Message{}, badItem("message of no time, or from the future")
	}
	known := n.known()
	known.Domain, known.Unlisted = n.ownDomain, true
	o, err := identity.Verify(given.Signed, known, given.Stored)
	if errors.Is(err, identity.ErrRevoked) {
		o, err = identity.Verify(given.Signed, identity.Known{Domain: n.ownDomain}, given.Stored)
	}
	if _, unknown := errors.AsType[*identity.UnknownDomainError](err); unknown || errors.Is(err, identity.ErrUnknownSigner) {
		return Message{}, fmt.Errorf("%w: %w", errLacking, err)
	}
	if err != nil {
		return Message{}, badItem("message: %v", err)
	}
	if o.Entity.Type != typeMessage {
		return Message{}, badItem("message of type %q", o.Entity.Type)
	}
	m, object, err := readMessage(o, given.Stored)
	if err != nil {
		return Message{}, badItem("%v", err)
	}
	if m.Person != n.Address() {
		if !addressed(object, n.Address()) || !n.introducesWell(m, object) {
			return Message{}, badItem("message that would not have been taken")
		}
		m.Read = given.Read
		return m, nil
	}
	m.Out, m.Device = true, o.Device
	if m.Person, err = recipient(object); err != nil {
		return Message{}, err
	}
	if given.Status < Queued {
		return Message{}, badItem("message sent and received")
	}
	m.Status, m.Reason, m.Settled = given.Status, given.Reason, given.Settled
	return m, nil
}

// recipient is whom a message of the owner's is to.
func recipient(object *cpim.Message) (identity.Address, error) {
	to := object.To()
	if len(to) != 1 {
		return identity.Address{}, badItem("message to %d people", len(to))
	}
	who, err := identity.ParseAddress(to[0].URI)
	if err != nil {
		return identity.Address{}, badItem("message: To: %v", err)
	}
	return who, nil
}
