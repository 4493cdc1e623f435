package node

import (
	"context"
	"fmt"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// Messages in: Answer (open, verify) → readMessage → rules → Deliver, one
// transaction of inbox and duplicate table → response.

// Bounds on the DateTime of a message by this clock. The past reaches as far as
// a sender tries, and a little; the duplicate table rejects what was here
// before.
const (
	maxAhead  = 5 * time.Minute
	maxBehind = outboxDeadline + time.Hour
	maxApart  = 5 * time.Minute // DateTime and signing-time of one message
)

// answerMessage is the instant inbox's side of RFC 3860 section 3.4.1.
func (n *Node) answerMessage(ctx context.Context, o *identity.Opened, now time.Time) (*response, error) {
	m, object, err := readMessage(o, now)
	if err != nil {
		return nil, err
	}
	trans := m.MessageID
	switch {
	case !addressed(object, n.Address()):
		return fail(trans, reasonAddressee), nil
	case n.rules.Decide(o.From, n.relation(o.From), access.Send) != access.Allow:
		return fail(trans, reasonPolicy), nil
	case m.Sent.After(now.Add(maxAhead)), m.Sent.Before(now.Add(-maxBehind)):
		return fail(trans, reasonClock), nil
	case !n.introducesWell(m, object):
		return fail(trans, reasonProfile), nil
	case cpim.CheckRequire(object, func(string, string) bool { return false }) != nil:
		return fail(trans, reasonRequire), nil
	}
	found, id, err := n.store.Deliver(ctx, m)
	if err != nil {
		n.log.Error("message not kept", "err", err)
		return later(trans), nil
	}
	switch found {
	case Conflict:
		n.log.Warn("two messages with one Message-ID", "from", o.From.Short())
		return fail(trans, reasonConflict), nil
	case First:
		m.ID = id
		n.mu.Lock()
		n.unread[m.Person]++
		n.mu.Unlock()
		n.tell(Event{Kind: SawMessage, Message: &m})
	}
	return &response{trans: trans}, nil
}

// introducesWell says whether a message that introduces somebody has their card, if
// it has any. Of other messages it is true.
func (n *Node) introducesWell(m Message, object *cpim.Message) bool {
	if m.ContentType != typeIntroduction {
		return true
	}
	in, err := readIntroduction(object.Content())
	if err == nil {
		_, err = in.verified(n.domainKey)
	}
	return err == nil
}

// readMessage reads a signed message. An error means that it is none, or that
// its From is not its signer.
func readMessage(o *identity.Opened, now time.Time) (Message, *cpim.Message, error) {
	object, err := cpim.Parse(o.Entity.Body)
	if err != nil {
		return Message{}, nil, fmt.Errorf("message: %w", err)
	}
	if err := cpim.CheckProfile(object); err != nil {
		return Message{}, nil, fmt.Errorf("message: %w", err)
	}
	from, err := identity.ParseAddress(object.From()[0].URI)
	if err != nil {
		return Message{}, nil, fmt.Errorf("message: From: %w", err)
	}
	if from != o.From {
		return Message{}, nil, fmt.Errorf("message from %s signed by %s", from.Short(), o.From.Short())
	}
	sent, _ := object.DateTime()
	if apart := sent.Sub(o.Time); apart.Abs() > maxApart {
		return Message{}, nil, fmt.Errorf("message: DateTime and signing-time are %v apart", apart)
	}
	m := Message{
		Person: from, MessageID: object.MessageID(), Sent: sent, Stored: now,
		Signed: o.Signed, Digest: o.Digest, Status: Received,
	}
	m.ContentType, _, _ = object.Content().ContentType() // its parameters matter to Text only
	m.Text, _ = object.Content().Text()                  // empty for what is not text
	if m.ContentType == typeIntroduction {
		in, err := readIntroduction(object.Content())
		if err != nil {
			return Message{}, nil, fmt.Errorf("message: %w", err)
		}
		m.Text = in.text(from)
	}
	return m, object, nil
}

// addressed says whether a message names an address in To or cc.
func addressed(m *cpim.Message, me identity.Address) bool {
	for _, list := range [][]cpim.Mailbox{m.To(), m.Cc()} {
		for _, box := range list {
			if a, err := identity.ParseAddress(box.URI); err == nil && a == me {
				return true
			}
		}
	}
	return false
}

// countUnread counts the unread messages of each person.
func (n *Node) countUnread(ctx context.Context) error {
	list, err := n.store.History(ctx, Query{Unread: true}, 1<<20)
	if err != nil {
		return fmt.Errorf("count unread messages: %w", err)
	}
	unread := make(map[identity.Address]int)
	for _, m := range list {
		unread[m.Person]++
	}
	n.mu.Lock()
	n.unread = unread
	n.mu.Unlock()
	return nil
}

// MarkRead marks incoming messages up to and including an ID as read.
func (n *Node) MarkRead(ctx context.Context, upTo int64) error {
	if err := n.store.MarkRead(ctx, upTo); err != nil {
		return fmt.Errorf("mark read: %w", err)
	}
	return n.countUnread(ctx)
}
