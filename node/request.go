package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
)

// exchangeTimeout bounds one exchange with one device (doc/spec/limits.md), and
// nextDevice is how long the next device of a person waits for the one before.
const (
	exchangeTimeout = 15 * time.Second
	nextDevice      = 500 * time.Millisecond
)

// errNobody says that no card of a person can be found. Whoever asked tries
// again later: the person may simply not have been here yet.
var errNobody = errors.New("nobody publishes this address now")

// operation is a signed request on its way.
type operation struct {
	protocol string
	signed   identity.Signed
	trans    string
}

// request sends an operation to a person's devices in turn and returns the
// verified response of the first that answers. The newest known card is tried
// first, then the one that the network finds.
func (n *Node) request(ctx context.Context, who identity.Address, op operation) (*response, error) {
	var r *response
	err := n.withCards(ctx, who, func(card *identity.Card) (err error) {
		r, err = n.race(ctx, op, card)
		return err
	})
	return r, err
}

// withCards tries something with the newest known card of a person, then with the
// one that the network finds, if that is a newer one.
func (n *Node) withCards(ctx context.Context, who identity.Address, try func(*identity.Card) error) (err error) {
	defer func() { err = n.explain(who, err) }()
	card, hints := n.whereIs(who)
	var first error
	if !card.IsZero() {
		if first = try(card.Card()); first == nil {
			return nil
		}
	}
	fresh, found, err := n.resolve(ctx, who, hints)
	switch {
	case err != nil:
		return errors.Join(first, fmt.Errorf("look up %s: %w", who.Short(), err))
	case !found && first != nil:
		return first
	case !found:
		return errNobody
	}
	if err := n.learnCard(ctx, fresh); err != nil {
		return err
	}
	if !card.IsZero() && fresh.Card().Serial <= card.Card().Serial {
		return first
	}
	return try(fresh.Card())
}

// race asks the devices of a card one after the other, the next one after half
// a second or when one has failed, until one gives an answer. What it asks is
// sealed to all of them.
func (n *Node) race(ctx context.Context, op operation, card *identity.Card) (*response, error) {
	devices := n.inOrder(card)
	if len(devices) == 0 {
		return nil, fmt.Errorf("%s has no device that can be reached", card.Address.Short())
	}
	sealed, err := n.keys.SealTo(op.signed, card)
	if err != nil {
		return nil, fmt.Errorf("seal to %s: %w", card.Address.Short(), err)
	}
	type answer struct {
		r   *response
		err error
	}
	var asking sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer asking.Wait()
	defer cancel()
	answers := make(chan answer)
	var unsure *response
	next, waiting := 0, 0
	err = nil
	for {
		if next < len(devices) {
			d := devices[next]
			next, waiting = next+1, waiting+1
			asking.Go(func() { // ends within exchangeTimeout or with ctx
				r, err := n.askDevice(ctx, op, card, d, sealed)
				select {
				case answers <- answer{r, err}:
				case <-ctx.Done():
				}
			})
		}
		var bell <-chan time.Time
		if next < len(devices) {
			bell = time.After(nextDevice)
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return nil, ctx.Err()
		case a := <-answers:
			waiting--
			switch {
			case a.err != nil:
				err = errors.Join(err, a.err)
			case a.r.outcome == indeterminant:
				unsure = a.r
			default:
				return a.r, nil
			}
			if waiting == 0 && next == len(devices) {
				if unsure != nil {
					return unsure, nil
				}
				return nil, err
			}
		}
	}
}

// inOrder lists the devices of a card that read what is sealed to their person
// and can be reached, those that are live first.
func (n *Node) inOrder(card *identity.Card) []identity.DeviceCard {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []identity.DeviceCard
	for _, d := range card.Devices {
		if d.Reads() && len(n.reachesTo(d)) > 0 {
			list = append(list, d)
		}
	}
	live := func(d identity.DeviceCard) int {
		if w := n.watches[card.Address]; w != nil {
			if s := w.devices[d.ID]; s != nil {
				return rank(s.hold.liveness(now))
			}
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b identity.DeviceCard) int { return live(b) - live(a) })
	return list
}

// reachesTo lists ways to reach a device of somebody else's, the newest first. The
// caller holds n.mu.
func (n *Node) reachesTo(d identity.DeviceCard) []identity.Reach {
	return distinct(n.told[d.ID], d.Reach)
}

// askAlone sends an operation to one device, sealed to it alone.
func (n *Node) askAlone(ctx context.Context, op operation, card *identity.Card, d identity.DeviceCard) (*response, error) {
	sealed, err := n.keys.SealToDevice(n.bare(op.signed, d), d)
	if err != nil {
		return nil, fmt.Errorf("seal to device %s: %w", d.ID.Short(), err)
	}
	return n.askDevice(ctx, op, card, d, sealed)
}

// askDevice brings a sealed operation to a device, by each way there, and
// verifies the response.
func (n *Node) askDevice(ctx context.Context, op operation, card *identity.Card, d identity.DeviceCard, sealed identity.Sealed) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	n.mu.Lock()
	ways := n.reachesTo(d)
	n.mu.Unlock()
	err := fmt.Errorf("device %s cannot be reached", d.ID.Short())
	for _, to := range ways {
		var r *response
		if r, err = n.exchange(ctx, op, card, to, sealed); err == nil {
			n.meet(d.ID, r.outcome == success)
			return r, nil
		}
	}
	n.meet(d.ID, false)
	return nil, err
}

// exchange makes one exchange and verifies the response: signed by a device of
// the same person, about this operation and these octets.
func (n *Node) exchange(ctx context.Context, op operation, card *identity.Card, to identity.Reach, sealed identity.Sealed) (*response, error) {
	answer, err := n.net.Exchange(ctx, op.protocol, to, sealed)
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
	if r.trans != op.trans || r.digest != sealed.Digest() {
		return nil, errors.New("response to another request")
	}
	r.by = opened.Device
	return r, nil
}

// Certificates travel until a device has answered with success what carried
// them; then operations name them only. After a failure, or when they have
// changed, they travel again. Messages always carry them: they are kept, and must
// prove who wrote them when the cards of today are forgotten.

// bare leaves out the certificates of what goes to a device that knows them.
func (n *Node) bare(s identity.Signed, to identity.DeviceCard) identity.Signed {
	ours := n.certificate()
	n.mu.Lock()
	known := n.met[to.ID] == ours
	n.mu.Unlock()
	if !known {
		return s
	}
	if bare, err := s.Bare(); err == nil {
		return bare
	}
	return s
}

// meet notes whether a device knows our certificates.
func (n *Node) meet(id identity.DeviceID, knows bool) {
	ours := n.certificate()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !knows || n.card.IsZero() || n.card.Card().Admits(n.Device()) != nil {
		delete(n.met, id)
		return
	}
	if len(n.met) >= gateTracked {
		clear(n.met)
	}
	n.met[id] = ours
}

// certificate names the certificate that this device signs with.
func (n *Node) certificate() [32]byte { return sha256.Sum256(n.keys.DeviceCard(nil).Signing.Raw) }

// noteReach keeps how a device of a contact, or of somebody who may watch, says
// that it can be reached, if its card says something else.
func (n *Node) noteReach(o *identity.Opened, reach identity.Reach) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.watchers[o.From]
	if n.contacts[o.From] == nil && (w == nil || w.State != Active) || string(n.told[o.Device]) == string(reach) {
		return
	}
	if len(n.told) >= gateTracked {
		clear(n.told)
	}
	n.told[o.Device] = reach
	if len(reach) == 0 {
		delete(n.told, o.Device)
	}
	if w := n.watches[o.From]; w != nil {
		w.topics = nil // listen again, at the new addresses
	}
}
