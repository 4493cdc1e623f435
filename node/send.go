package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
)

// Messages out: Send → compose → outbox on disk → sendLoop → deliver → request
// → settle. One person's messages go in order, one at a time; different
// people's side by side.

const (
	maxSending = 16       // people delivered to at once
	maxText    = 64 << 10 // octets of a text
)

// outgoing is what waits for one person.
type outgoing struct {
	queue    []int64   // IDs in the outbox, oldest first
	next     time.Time // when to try again; zero is now
	failures int
	busy     bool
}

// Send signs a text for a person and puts it into the outbox. It is on disk
// when Send returns, and is tried until it is settled or a week has passed.
// The text is at most 64 KiB of UTF-8.
func (n *Node) Send(ctx context.Context, who identity.Address, text string) (Message, error) {
	if who == n.Address() {
		return Message{}, badInput("that is your own address")
	}
	if strings.TrimSpace(text) == "" {
		return Message{}, badInput("there is nothing to send")
	}
	if len(text) > maxText {
		return Message{}, badInput("text of %d octets: at most %d fit", len(text), maxText)
	}
	m, err := n.composeContent(who, cpim.NewText(text), time.Now())
	if err != nil {
		return Message{}, err
	}
	m.ContentType, m.Text = "text/plain", text
	return n.enqueue(ctx, m)
}

// enqueue puts a message into the outbox.
func (n *Node) enqueue(ctx context.Context, m Message) (_ Message, err error) {
	if n.Revoked() {
		return Message{}, ErrRevoked
	}
	if !n.keys.DeviceCard(nil).Scopes().Has(identity.ScopeSend) {
		return Message{}, badInput("this device was not linked for sending messages")
	}
	n.mu.Lock()
	o := n.outgoingTo(m.Person)
	n.mu.Unlock()
	if m.ID, err = n.store.Enqueue(ctx, m); err != nil {
		return Message{}, fmt.Errorf("keep message: %w", err)
	}
	n.mu.Lock()
	o.queue = append(o.queue, m.ID)
	o.next = time.Time{}
	n.mu.Unlock()
	wake(n.wakeSend)
	return m, nil
}

// composeContent makes a signed Message/CPIM object (RFC 3862) of a content. What
// people read of it is for the caller to fill in.
func (n *Node) composeContent(who identity.Address, content cpim.Content, now time.Time) (Message, error) {
	m := Message{
		Out: true, Person: who, MessageID: cpim.NewMessageID(),
		Sent: now.Truncate(time.Second), Stored: now,
		Status: Queued, Deadline: now.Add(outboxDeadline),
	}
	object, err := cpim.New(cpim.Draft{
		From: cpim.Mailbox{URI: n.Address().IM()}, To: []cpim.Mailbox{{URI: who.IM()}},
		DateTime: m.Sent, MessageID: m.MessageID, Content: content,
	})
	if err != nil {
		return Message{}, fmt.Errorf("write message: %w", err)
	}
	body, err := object.Marshal()
	if err != nil {
		return Message{}, fmt.Errorf("write message: %w", err)
	}
	e := identity.Entity{Type: typeMessage, Body: body}
	raw, err := e.Marshal()
	if err != nil {
		return Message{}, fmt.Errorf("write message: %w", err)
	}
	m.Digest = sha256.Sum256(raw)
	if m.Signed, err = n.keys.Sign(e, true, now); err != nil {
		return Message{}, fmt.Errorf("sign message: %w", err)
	}
	return m, nil
}

// outgoingTo returns what waits for a person. The caller holds n.mu.
func (n *Node) outgoingTo(who identity.Address) *outgoing {
	o := n.outbox[who]
	if o == nil {
		o = new(outgoing)
		n.outbox[who] = o
	}
	return o
}

// loadOutbox has everything unsettled tried again, and counts what is unread.
func (n *Node) loadOutbox(ctx context.Context) error {
	queued, err := n.store.Queued(ctx)
	if err != nil {
		return fmt.Errorf("load outbox: %w", err)
	}
	for _, m := range queued {
		o := n.outgoingTo(m.Person)
		o.queue = append(o.queue, m.ID)
	}
	return n.countUnread(ctx)
}

// hurry has what waits for a person tried now.
func (n *Node) hurry(who identity.Address) {
	n.mu.Lock()
	if o := n.outbox[who]; o != nil {
		o.next = time.Time{}
	}
	n.mu.Unlock()
	wake(n.wakeSend)
	n.askAgain(who)
}

// sendLoop delivers what is in the outbox.
func (n *Node) sendLoop(ctx context.Context) {
	for {
		next := n.sendDue(ctx, time.Now())
		if !pause(ctx, next, n.wakeSend) {
			return
		}
	}
}

// sendDue starts delivering to those who are due and says when the next are.
func (n *Node) sendDue(ctx context.Context, now time.Time) (next time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	busy := 0
	for _, o := range n.outbox {
		if o.busy {
			busy++
		}
	}
	for who, o := range n.outbox {
		switch {
		case len(o.queue) == 0 || o.busy:
		case o.next.After(now):
			next = sooner(next, o.next)
		case busy < maxSending:
			busy++
			o.busy = true
			n.workers.Go(func() { // ends when the queue is empty, at the first failure, or with ctx
				n.deliver(ctx, who, o)
			})
		}
	}
	return next
}

// deliver sends one person's messages in order until the queue is empty or
// the person does not answer.
func (n *Node) deliver(ctx context.Context, who identity.Address, o *outgoing) {
	defer wake(n.wakeSend)
	for {
		n.mu.Lock()
		if len(o.queue) == 0 || ctx.Err() != nil {
			o.busy = false
			n.mu.Unlock()
			return
		}
		id := o.queue[0]
		n.mu.Unlock()
		settled, err := n.deliverOne(ctx, id)
		n.mu.Lock()
		if settled {
			o.queue = o.queue[1:]
			o.failures = 0
		}
		if err != nil {
			o.failures++
			o.next, o.busy = time.Now().Add(retryDelay(o.failures)), false
			n.mu.Unlock()
			n.log.Debug("message waits", "to", who.Short(), "err", err)
			return
		}
		n.mu.Unlock()
	}
}

// deliverOne makes one try with one message. Settled says that the message is
// done with; an error, that the next one need not be tried now.
func (n *Node) deliverOne(ctx context.Context, id int64) (settled bool, err error) {
	m, err := n.store.Message(ctx, id)
	if err != nil {
		return errors.Is(err, ErrNotFound), fmt.Errorf("read outbox: %w", err)
	}
	if m.Status != Queued {
		return true, nil
	}
	if n.Revoked() {
		return false, ErrRevoked
	}
	r, problem := n.request(ctx, m.Person, operation{Messages, m.Signed, m.MessageID})
	now := time.Now()
	m.Tries++
	switch {
	case problem == nil && r.outcome == success:
		m.Status, m.Settled = Delivered, now
	case problem == nil && r.outcome == failure:
		m.Status, m.Settled, m.Reason = Refused, now, r.reason
	case problem == nil:
		problem = errors.New(r.reason)
	}
	if problem != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		m.Reason = problem.Error()
		m.Next = now.Add(firstDelay)
		if !now.Before(m.Deadline) {
			m.Status, m.Settled = Unconfirmed, now
		}
	}
	if err := n.store.Settle(ctx, m); err != nil {
		return false, fmt.Errorf("keep verdict: %w", err)
	}
	if m.Status == Queued {
		return false, problem
	}
	n.tell(Event{Kind: SawVerdict, Message: &m})
	return true, problem
}

// Await waits until an outgoing message is settled. When ctx ends first, it
// returns the message as it stands and ctx's error.
func (n *Node) Await(ctx context.Context, id int64) (Message, error) {
	for {
		_, bell := n.journal.since(n.LastEvent())
		m, err := n.store.Message(context.WithoutCancel(ctx), id)
		if err != nil || m.Status != Queued {
			return m, err
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return m, ctx.Err()
		}
	}
}

// History returns the newest messages that match, at most limit, oldest first.
func (n *Node) History(ctx context.Context, q Query, limit int) ([]Message, error) {
	return n.store.History(ctx, q, limit)
}
