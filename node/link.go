package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kith-im/kith/identity"
)

// A new device of the owner: StartLink makes a code, which the owner carries to
// the new device; that one says hello, both show the same digits, both are
// told that they agree, and the new device gets its certificates
// (doc/spec/devices.md section 2). The other side is in join.go.

// Limits of an offer.
const (
	linkLasts = 10 * time.Minute
)

// LinkOffer is what the owner carries to a new device.
type LinkOffer struct {
	Code    string // secret while it lasts
	Expires time.Time
}

// LinkStage says how far the link of a new device has come.
type LinkStage string

// The stages.
const (
	LinkNone    LinkStage = "none"
	LinkWaiting LinkStage = "waiting" // for the new device
	LinkCompare LinkStage = "compare" // for the owner, to compare the digits
	LinkAgreed  LinkStage = "agreed"  // for the owner, to agree at the new device too
	LinkDone    LinkStage = "done"
	LinkRefused LinkStage = "refused"
	LinkExpired LinkStage = "expired"
)

// LinkState is how the link of a new device stands.
type LinkState struct {
	Stage  LinkStage
	Digits []string          // two groups of three, from LinkCompare on
	Name   string            // what the new device is called
	Device identity.DeviceID // once it is linked
}

// offer is a link under way. The mutex of the node guards it.
type offer struct {
	secret  [linkSecret]byte
	permit  identity.Permit
	name    string // given here; empty: what the new device says
	expires time.Time
	state   LinkState

	from     identity.Address // the throw-away principal of the new device
	hello    linkHello
	nonce    [32]byte // ours
	answer   *linked  // to finish, once it is done
	granting bool
}

// over says whether nothing more will come of the offer.
func (o *offer) over() bool {
	return o.state.Stage == LinkDone || o.state.Stage == LinkRefused || o.state.Stage == LinkExpired
}

// StartLink offers to link a new device, for 10 minutes and once; an earlier
// offer ends. The permit says what the device may do. The name is what the
// owner calls it, at most 64 octets; empty leaves that to the device. It fails
// with [identity.ErrNotAdministrator] on a device without the account key.
func (n *Node) StartLink(ctx context.Context, permit identity.Permit, name string) (LinkOffer, error) {
	if !n.keys.Administers() {
		return LinkOffer{}, fmt.Errorf("link: %w", identity.ErrNotAdministrator)
	}
	if n.Revoked() {
		return LinkOffer{}, ErrRevoked
	}
	if err := checkDeviceName(name); err != nil {
		return LinkOffer{}, err
	}
	if !permit.Scopes.Has(identity.ScopeRead) || permit.Renews != nil {
		return LinkOffer{}, badInput("a device must be allowed to read, or it never learns who its owner's contacts are")
	}
	now := time.Now()
	_, brief := n.net.Reach()
	code := linkCode{address: n.Address(), reach: brief}
	rand.Read(code.secret[:]) // never fails
	o := &offer{secret: code.secret, permit: permit, name: name, expires: now.Add(linkLasts)}
	o.state = LinkState{Stage: LinkWaiting, Name: name}
	n.mu.Lock()
	if n.room() < 1 {
		n.mu.Unlock()
		return LinkOffer{}, badInput("there are %d devices already: revoke one first", MaxDevices)
	}
	n.linking = o
	n.mu.Unlock()
	n.tellLink(o)
	return LinkOffer{Code: code.String(), Expires: o.expires}, nil
}

// room says how many more devices a card has room for. The caller holds n.mu.
func (n *Node) room() int {
	room := MaxDevices - 1
	for id, row := range n.own.rows {
		if id != n.Device() && row.Revoked.IsZero() {
			room--
		}
	}
	return room
}

// Link returns how the newest offer to link a device stands.
func (n *Node) Link() LinkState {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.linking == nil {
		return LinkState{Stage: LinkNone}
	}
	n.linking.expire(time.Now())
	return n.linking.shown()
}

func (o *offer) shown() LinkState {
	s := o.state
	s.Digits = slices.Clone(s.Digits)
	return s
}

// expire ends an offer whose time is over.
func (o *offer) expire(now time.Time) {
	if !o.over() && !now.Before(o.expires) {
		o.state = LinkState{Stage: LinkExpired, Name: o.state.Name}
	}
}

// ConfirmLink says whether the digits at the new device are the same. If they
// are, the device is linked as soon as that was said there too.
func (n *Node) ConfirmLink(ctx context.Context, agree bool) error {
	n.mu.Lock()
	o := n.linking
	if o != nil {
		o.expire(time.Now())
	}
	if o == nil || o.state.Stage != LinkCompare {
		n.mu.Unlock()
		return fmt.Errorf("no device waits for digits to be compared: %w", ErrNotFound)
	}
	o.state.Stage = LinkAgreed
	if !agree {
		o.state.Stage = LinkRefused
	}
	n.mu.Unlock()
	n.tellLink(o)
	return nil
}

// CancelLink ends the offer to link a device, if there is one.
func (n *Node) CancelLink() {
	n.mu.Lock()
	o := n.linking
	ended := o != nil && !o.over()
	if ended {
		o.state = LinkState{Stage: LinkRefused, Name: o.state.Name}
	}
	n.mu.Unlock()
	if ended {
		n.tellLink(o)
	}
}

func (n *Node) tellLink(o *offer) {
	n.mu.Lock()
	state := o.shown()
	n.mu.Unlock()
	n.tell(Event{Kind: SawLink, Link: &state})
}

var errLink = errors.New("link: not now, or not by you")

// answerLink takes one step of a new device. What cannot come from who was
// given the code gets no answer.
func (n *Node) answerLink(ctx context.Context, o *identity.Opened, request identity.Sealed, now time.Time) (identity.Entity, error) {
	step, err := parseLinkStep(o.Entity.Body)
	if err != nil {
		return identity.Entity{}, err
	}
	n.mu.Lock()
	of := n.linking
	before := LinkNone
	if of != nil {
		before = of.state.Stage
		of.expire(now)
	}
	answer, err := of.take(o.From, step, n.Device())
	grant := err == nil && answer == nil
	changed := of != nil && of.state.Stage != before
	n.mu.Unlock()
	if changed {
		n.tellLink(of)
	}
	if err != nil {
		return identity.Entity{}, err
	}
	if grant {
		if answer, err = n.grantLink(ctx, of, now); err != nil {
			return identity.Entity{}, err
		}
	}
	reply := *answer
	reply.digest = request.Digest()
	body, err := reply.marshal()
	return identity.Entity{Type: typeLinked, Body: body}, err
}

// take moves an offer on by one step. No answer and no error means that the
// grant is due. The node's mutex is held.
func (o *offer) take(from identity.Address, step *linkStep, by identity.DeviceID) (*linked, error) {
	if o == nil || o.state.Stage == LinkExpired {
		return nil, errLink
	}
	if !step.knows(o.secret) { // nobody guesses it: counting would let strangers end the offer
		return nil, errLink
	}
	if step.step == stepHello {
		return o.takeHello(from, step.body)
	}
	if o.from.IsZero() || o.from != from {
		return nil, errLink
	}
	if o.state.Stage == LinkRefused {
		return &linked{outcome: linkRefused}, nil
	}
	switch step.step {
	case stepReveal:
		return o.takeReveal(step.body, by)
	case stepRefuse:
		if o.state.Stage != LinkDone {
			o.state = LinkState{Stage: LinkRefused, Name: o.state.Name}
		}
		return &linked{outcome: linkRefused}, nil
	}
	switch {
	case o.answer != nil:
		return o.answer, nil
	case o.state.Stage == LinkCompare:
		return &linked{outcome: linkWait}, nil
	case o.state.Stage == LinkAgreed && o.granting:
		return &linked{outcome: linkWait}, nil // another request is at it
	case o.state.Stage == LinkAgreed:
		o.granting = true
		return nil, nil
	}
	return nil, errLink
}

// takeHello binds an offer to the first device that knows the secret. The same
// hello again gets the same answer: the first one may have been lost.
func (o *offer) takeHello(from identity.Address, body []byte) (*linked, error) {
	hello, err := parseLinkHello(body)
	if err != nil {
		return nil, err
	}
	switch {
	case o.from.IsZero() && o.state.Stage == LinkWaiting:
		o.from, o.hello = from, *hello
		rand.Read(o.nonce[:]) // never fails
		if o.name == "" {
			o.state.Name = hello.name
		}
	case o.from != from || o.hello.commit != hello.commit || string(o.hello.request) != string(hello.request):
		return nil, errLink
	}
	nonce, err := marshalNonce(o.nonce)
	return &linked{nonce: nonce}, err
}

// takeReveal opens the commitment. One that does not open is somebody's
// attempt to choose the digits, and ends the offer.
func (o *offer) takeReveal(body []byte, by identity.DeviceID) (*linked, error) {
	nonce, err := parseNonce(body)
	if err != nil {
		return nil, err
	}
	if commitTo(nonce, o.hello.request) != o.hello.commit {
		o.state = LinkState{Stage: LinkRefused, Name: o.state.Name}
		return nil, errLink
	}
	if o.state.Stage == LinkWaiting {
		o.state.Stage, o.state.Digits = LinkCompare, linkDigits(o.nonce, nonce, o.hello.request, by)
	}
	return &linked{}, nil
}

// grantLink certifies the new device, once both sides have agreed.
func (n *Node) grantLink(ctx context.Context, o *offer, now time.Time) (*linked, error) {
	answer, id, err := n.certifyLink(ctx, o, now)
	n.mu.Lock()
	o.granting = false
	if err == nil {
		o.answer = answer
		o.state.Stage, o.state.Device = LinkDone, id
	}
	n.mu.Unlock()
	if err != nil {
		n.log.Error("device not linked", "err", err)
		return nil, err
	}
	n.tellLink(o)
	n.spreadCard()
	return answer, nil
}

func (n *Node) certifyLink(ctx context.Context, o *offer, now time.Time) (*linked, identity.DeviceID, error) {
	grant, d, err := n.keys.Certify(o.hello.request, o.permit, now)
	if err != nil {
		return nil, d.ID, fmt.Errorf("certify device: %w", err)
	}
	der, err := d.Bytes()
	if err != nil {
		return nil, d.ID, fmt.Errorf("describe device: %w", err)
	}
	err = n.keepDevice(ctx, d.ID, func(row *Device) {
		row.Name, row.Card, row.Added = o.state.Name, der, now
		row.Scopes, row.Account = d.Scopes(), o.permit.Account
	})
	if err != nil {
		return nil, d.ID, err
	}
	card, err := n.freshCard(ctx, now)
	if err != nil {
		return nil, d.ID, err
	}
	if err := card.Card().Admits(d.ID); err != nil {
		return nil, d.ID, fmt.Errorf("card does not list the new device: %w", err)
	}
	kept, err := n.store.Setting(ctx, keepCard)
	if err != nil {
		return nil, d.ID, fmt.Errorf("load card: %w", err)
	}
	return &linked{outcome: linkDone, grant: grant, card: kept}, d.ID, nil
}
