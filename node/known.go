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
	c, w := n.contacts[who], n.watchers[who]
	if c != nil {
		card = c.Card
	}
	if w == nil || !newer(w.Card, card) {
		return card
	}
	if c != nil {
		if _, agrees := c.Trust.judge(keysOf(w.Card.Card())); !agrees {
			return card
		}
	}
	return w.Card
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
	if n.domains[domain] == nil || n.hearsay(domain) {
		n.makeRoom()
		n.domains[domain], n.heard[domain] = key, time.Now()
	}
	return nil
}

// hearsayFor is how long a zone's word counts that no contact's pin holds: it may
// have been asked for because a stranger wished it.
const hearsayFor = time.Hour

// hearsay says whether the key of a domain is as its zone said once, and pinned
// with no contact. The caller holds n.mu.
func (n *Node) hearsay(domain string) bool {
	if n.heard[domain].IsZero() {
		return false
	}
	for who, c := range n.contacts {
		if who.Domain() == domain && c.Trust.Domain != nil {
			return false
		}
	}
	return true
}

// stale says whether the zone of a domain is to be asked again.
func (n *Node) stale(domain string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.domains[domain] == nil || now.Sub(n.heard[domain]) > hearsayFor && n.hearsay(domain)
}

// maxDomains bounds the DNS domains held to for people who are no contacts.
const maxDomains = 1024

// makeRoom forgets domains that no contact is known by when there are many. The
// caller holds n.mu.
func (n *Node) makeRoom() {
	if len(n.domains) < maxDomains {
		return
	}
	clear(n.domains)
	clear(n.heard)
	for _, c := range n.contacts {
		n.notePins(c)
	}
}

// askForStranger is askZone for somebody who is no contact, within the budget
// for them.
func (n *Node) askForStranger(ctx context.Context, domain string, now time.Time) error {
	n.mu.Lock()
	admitted := n.errands.admit(domain, now)
	n.mu.Unlock()
	if !admitted {
		return fmt.Errorf("the zone of %s is not asked for strangers now", domain)
	}
	err := n.askZone(ctx, domain)
	if err != nil {
		n.mu.Lock()
		n.errands.failed(domain, now)
		n.mu.Unlock()
	}
	return err
}

// locate says what a person is found by. For an address under a DNS domain it
// may ask the zone.
func (n *Node) locate(ctx context.Context, who identity.Address) (identity.Locator, error) {
	l := identity.Locator{Address: who}
	n.mu.Lock()
	if card := n.newestCard(who); !card.IsZero() {
		l = card.Card().Locator()
	}
	if c := n.contacts[who]; c != nil && c.Trust.Account != nil {
		l.Account = c.Trust.Account
	}
	n.mu.Unlock()
	if _, overlay := who.DomainKey(); overlay {
		return l, nil
	}
	if n.stale(who.Domain(), time.Now()) {
		if err := n.askZone(ctx, who.Domain()); err != nil {
			return l, err
		}
		n.offer(ctx, who, func(t Trust) (Trust, bool) { return t.judge(n.domainKey(who.Domain()), nil) })
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
		if err := n.askForStranger(ctx, unknown.Domain, now); err != nil {
			return nil, err
		}
		o, err = n.keys.Open(request, known, now)
	}
	if errors.Is(err, identity.ErrRevoked) {
		n.logOnce("request of a revoked device", err)
	}
	if err != nil || o.Listed && !n.awaitsCard(o.From) {
		return o, err
	}
	if s, err := parseSubscribe(o.Entity.Body, n.domainKey); o.Entity.Type == typeSubscribe && err == nil && s.card.Card().Address == o.From {
		if err := n.learnCard(ctx, s.card); err != nil {
			return nil, err
		}
	}
	if n.admits(o) != nil {
		n.refresh(ctx, o.From, now)
	}
	if err := n.admits(o); err != nil {
		if errors.Is(err, identity.ErrRevoked) {
			n.logOnce("request of a revoked device", err)
		}
		return nil, err
	}
	o.Listed = true
	return o, nil
}

// awaitsCard says whether a contact is known by keys, but not by a card: then
// what verifies may be under the keys of before.
func (n *Node) awaitsCard(who identity.Address) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.contacts[who]
	return c != nil && c.Trust.Account != nil && n.newestCard(who).IsZero()
}

// admits says whether the card known of a person has the device that signed.
func (n *Node) admits(o *identity.Opened) error {
	card := n.cardOf(o.From)
	if card == nil {
		return fmt.Errorf("%s: no card by the keys that they are known by", o.From.Short())
	}
	if err := card.Admits(o.Device); err != nil {
		return fmt.Errorf("%s: %w", o.From.Short(), err)
	}
	return nil
}

// maxLogged bounds what is remembered of what was logged once.
const maxLogged = 256

// logOnce warns of something that would be logged again at each try.
func (n *Node) logOnce(what string, err error) {
	key := what + ": " + err.Error()
	n.mu.Lock()
	logged := n.logged[key]
	if !logged {
		if len(n.logged) >= maxLogged {
			clear(n.logged)
		}
		n.logged[key] = true
	}
	n.mu.Unlock()
	if !logged {
		n.log.Warn(what, "err", err)
	}
}

// How a newer card of a person is looked for when one of their devices is not in
// the newest that is known.
const (
	refreshWait = 5 * time.Second
	refreshGap  = 30 * time.Second // between two, for one person
)

// refresh looks for a newer card of a person, if that was not done just before.
// For all who are no contacts there is one budget.
func (n *Node) refresh(ctx context.Context, who identity.Address, now time.Time) {
	n.mu.Lock()
	due := now.Sub(n.refreshed[who]) >= refreshGap && (n.contacts[who] != nil || n.errands.admit("", now))
	if due {
		if len(n.refreshed) >= gateTracked {
			clear(n.refreshed)
		}
		n.refreshed[who] = now
	}
	n.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	if _, _, err := n.Lookup(ctx, who); err != nil {
		n.log.Debug("newer card not found", "person", who.Short(), "err", err)
	}
}
