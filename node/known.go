package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// known is what this node knows of people when it verifies what they signed. The
// caller does not hold n.mu.
func (n *Node) known() identity.Known {
	return identity.Known{Card: n.cardOf, Signer: n.ownerOf, Domain: n.domainKey}
}

// knownWith is known, and a card that may be of somebody who is no contact.
func (n *Node) knownWith(card *identity.Card) identity.Known {
	more, all := card.Known(), n.known()
	if card == nil {
		return all
	}
	return identity.Known{
		Card: func(a identity.Address) *identity.Card {
			if held := n.cardOf(a); held != nil && (a != card.Address || held.Serial > card.Serial) {
				return held
			}
			return more.Card(a)
		},
		Signer: func(id identity.DeviceID) identity.Address {
			if a := more.Signer(id); !a.IsZero() {
				return a
			}
			return n.ownerOf(id)
		},
		Domain: func(domain string) ed25519.PublicKey {
			if key := n.domainKey(domain); key != nil {
				return key
			}
			return more.Domain(domain)
		},
	}
}

// cardOf returns the newest card of a person, nil if there is none.
func (n *Node) cardOf(who identity.Address) *identity.Card {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.newestCard(who).Card()
}

// newestCard returns the newest card of a person, zero if there is none. The
// caller holds n.mu.
func (n *Node) newestCard(who identity.Address) (card identity.SignedCard) {
	if who == n.Address() {
		return n.card
	}
	if c := n.contacts[who]; c != nil {
		card = c.Card
	}
	if w := n.watchers[who]; w != nil && newer(w.Card, card) {
		card = w.Card
	}
	return card
}

// ownerOf says whose device that is, as far as is known.
func (n *Node) ownerOf(id identity.DeviceID) identity.Address {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.owners[id]
}

// noteOwner has ownerOf find the devices of a card. The caller holds n.mu, or
// nobody knows the node yet.
func (n *Node) noteOwner(card identity.SignedCard) {
	if card.IsZero() {
		return
	}
	for _, d := range card.Card().Devices {
		n.owners[d.ID] = card.Card().Address
	}
}

// domainKey returns the key of a DNS domain that this node holds to.
func (n *Node) domainKey(domain string) ed25519.PublicKey {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.domains[domain]
}

// askZone asks the zone of a DNS domain for its key and holds to it from then on
// (doc/spec/dns.md).
func (n *Node) askZone(ctx context.Context, domain string) error {
	key, found, err := n.net.DomainKey(ctx, domain)
	switch {
	case err != nil:
		return fmt.Errorf("ask the zone of %s: %w", domain, err)
	case !found:
		return fmt.Errorf("the zone of %s names no key: %w", domain, errNobody)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.domains[domain] == nil {
		n.domains[domain] = key
	}
	return nil
}

// locate says what a person is found by. For an address under a DNS domain it
// may ask the zone.
func (n *Node) locate(ctx context.Context, who identity.Address) (identity.Locator, error) {
	l := identity.Locator{Address: who}
	if card := n.cardOf(who); card != nil {
		l = card.Locator()
	}
	if _, overlay := who.DomainKey(); overlay {
		return l, nil
	}
	if n.domainKey(who.Domain()) == nil {
		if err := n.askZone(ctx, who.Domain()); err != nil {
			return l, err
		}
	}
	l.Domain = n.domainKey(who.Domain())
	return l, nil
}

// open opens and verifies a request. It asks the zone of a domain not seen
// before, and looks for a newer card of a person whose card does not list the
// device.
func (n *Node) open(ctx context.Context, request identity.Sealed, now time.Time) (*identity.Opened, error) {
	known := n.known()
	known.Unlisted = true
	o, err := n.keys.Open(request, known, now)
	if unknown, ok := errors.AsType[*identity.UnknownDomainError](err); ok {
		if err := n.askZone(ctx, unknown.Domain); err != nil {
			return nil, err
		}
		o, err = n.keys.Open(request, known, now)
	}
	if err != nil || o.Listed {
		return o, err
	}
	if s, err := parseSubscribe(o.Entity.Body, n.domainKey); o.Entity.Type == typeSubscribe && err == nil && s.card.Card().Address == o.From {
		n.learnCard(ctx, s.card)
	}
	if n.cardOf(o.From).Admits(o.Device) != nil {
		n.refresh(ctx, o.From, now)
	}
	if err := n.cardOf(o.From).Admits(o.Device); err != nil {
		return nil, fmt.Errorf("%s: %w", o.From.Short(), err)
	}
	o.Listed = true
	return o, nil
}

// How a newer card of a person is looked for when one of their devices is not in
// the newest that is known.
const (
	refreshWait = 5 * time.Second
	refreshGap  = 30 * time.Second // between two, for one person
)

// refresh looks for a newer card of a person, if that was not done just before.
func (n *Node) refresh(ctx context.Context, who identity.Address, now time.Time) {
	n.mu.Lock()
	recent := now.Sub(n.refreshed[who]) < refreshGap
	if !recent {
		if len(n.refreshed) >= gateTracked {
			clear(n.refreshed)
		}
		n.refreshed[who] = now
	}
	n.mu.Unlock()
	if recent {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	if _, _, err := n.Lookup(ctx, who); err != nil {
		n.log.Debug("newer card not found", "person", who.Short(), "err", err)
	}
}
