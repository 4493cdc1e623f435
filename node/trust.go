package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kith-im/kith/identity"
)

// A contact is known by keys: that of the account and, under a DNS domain, that
// of the domain. The first card pins them; another key is shown to the owner and
// not followed until Trust says so (doc/spec/address.md section 6).

// ErrKeyChanged says that somebody goes by another key than the one they are
// known by: a new one of theirs, or somebody else's.
var ErrKeyChanged = errors.New("their key has changed")

// changed says whether a key was seen that is not trusted.
func (t Trust) changed() bool { return t.NewDomain != nil || t.NewAccount != nil }

// verified says whether the owner compared the key that is pinned now.
func (t Trust) verified() bool {
	return !t.Verified.IsZero() && len(t.Account) == len(t.VerifiedKey) && [32]byte(t.Account) == t.VerifiedKey
}

// judge holds keys that somebody is said to have to those pinned, and pins those
// of which there are none yet. A nil key says nothing.
func (t Trust) judge(domain, account ed25519.PublicKey) (after Trust, agrees bool) {
	agrees = true
	switch {
	case domain == nil:
	case t.Domain == nil:
		t.Domain = domain
	case !t.Domain.Equal(domain):
		t.NewDomain, agrees = domain, false
	}
	switch {
	case account == nil:
	case t.Account == nil && agrees:
		t.Account = account
	case !t.Account.Equal(account):
		t.NewAccount, agrees = account, false
	}
	return t, agrees
}

// settle is judge for what the domain itself says now: what it says no longer is
// offered no longer.
func (t Trust) settle(domain, account ed25519.PublicKey) (after Trust, agrees bool) {
	if domain != nil {
		t.NewDomain = nil
	}
	if account != nil {
		t.NewAccount = nil
	}
	return t.judge(domain, account)
}

// accept takes what was offered in place of what was pinned.
func (t Trust) accept() Trust {
	switch {
	case t.NewAccount != nil:
		t.Account = t.NewAccount
	case t.NewDomain != nil && t.Account.Equal(t.Domain):
		t.Account = t.NewDomain // they are their own domain
	}
	if t.NewDomain != nil {
		t.Domain = t.NewDomain
	}
	return Trust{Domain: t.Domain, Account: t.Account}
}

func (t Trust) equal(u Trust) bool {
	return t.Domain.Equal(u.Domain) && t.Account.Equal(u.Account) && t.sameOffer(u) &&
		t.Verified.Equal(u.Verified) && t.VerifiedKey == u.VerifiedKey
}

func (t Trust) sameOffer(u Trust) bool {
	return t.NewDomain.Equal(u.NewDomain) && t.NewAccount.Equal(u.NewAccount)
}

// keysOf are the keys of a card that can be pinned. That of an overlay domain
// is in the address.
func keysOf(card *identity.Card) (domain, account ed25519.PublicKey) {
	if _, overlay := card.Address.DomainKey(); !overlay {
		domain = card.DomainKey()
	}
	return domain, card.AccountKey()
}

// pin pins the keys of the card that is known of a contact. If others are pinned,
// the card is one of before, and forgotten.
func (c *Contact) pin() {
	if c.Card.IsZero() {
		return
	}
	after, agrees := c.Trust.judge(keysOf(c.Card.Card()))
	if !agrees {
		c.Card = identity.SignedCard{}
		return
	}
	c.Trust = after
}

// notePins has the node hold to the keys that a contact is known by: after load,
// and after each change of a contact's Trust. The caller holds n.mu.
func (n *Node) notePins(c *Contact) {
	if c.Trust.Domain != nil {
		n.domains[c.Person.Domain()] = c.Trust.Domain
	}
}

// keyTrouble is the error for a contact whose key has changed, nil for others.
func (n *Node) keyTrouble(who identity.Address) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.contacts[who]
	if c == nil || !c.Trust.changed() {
		return nil
	}
	return fmt.Errorf("%w; compare it and `kith trust %s`", ErrKeyChanged, c.Name)
}

// explain gives the reason why a contact could not be asked: a changed key
// before whatever came of it.
func (n *Node) explain(who identity.Address, err error) error {
	if err == nil || errors.Is(err, ErrKeyChanged) {
		return err
	}
	if trouble := n.keyTrouble(who); trouble != nil {
		return trouble
	}
	return err
}

// viewOf is what is seen of a person, and whether they are who they were. The
// caller holds n.mu.
func (n *Node) viewOf(who identity.Address, now time.Time) View {
	v := n.composeView(who, now)
	c := n.contacts[who]
	if c == nil {
		return v
	}
	v.KeyChanged = c.Trust.changed()
	v.Verified = c.Trust.verified() && !v.KeyChanged
	if v.KeyChanged {
		v.Reason = fmt.Sprintf("%v; compare it and `kith trust %s`", ErrKeyChanged, c.Name)
	}
	return v
}

// offer judges the keys that somebody is said to have, and keeps what came of it.
// It says whether they are those pinned.
func (n *Node) offer(ctx context.Context, who identity.Address, judge func(Trust) (Trust, bool)) bool {
	var agrees, fresh bool
	_, err := n.changeContact(ctx, who, func(c *Contact) bool {
		var after Trust
		after, agrees = judge(c.Trust)
		if after.equal(c.Trust) {
			return false
		}
		fresh = after.changed() && !after.sameOffer(c.Trust)
		c.Trust = after
		return true
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		n.log.Error("keys of a contact not kept", "err", err)
	}
	if fresh {
		n.log.Warn("key of a contact changed", "person", who.Short())
		n.tellKey(who)
	}
	return agrees
}

func (n *Node) tellKey(who identity.Address) {
	n.mu.Lock()
	v := n.viewOf(who, time.Now())
	n.mu.Unlock()
	n.tell(Event{Kind: SawKey, View: &v})
}

// Trust accepts the key that a contact goes by now: what was verified of the old
// one is forgotten, they are watched anew, and what waits for them is sent. The
// new key of a DNS domain counts for all contacts under it; a change of their
// own keys stays to be accepted one by one. It returns ErrNotFound for
// somebody who is no contact, and an *InputError if no key has changed.
func (n *Node) Trust(ctx context.Context, who identity.Address) error {
	n.mu.Lock()
	c := n.contacts[who]
	if c == nil || !c.Trust.changed() {
		n.mu.Unlock()
		if c == nil {
			return ErrNotFound
		}
		return badInput("the key of %s has not changed", c.Name)
	}
	domain := c.Trust.NewDomain
	var others []identity.Address
	for a := range n.contacts {
		if domain != nil && a != who && a.Domain() == who.Domain() {
			others = append(others, a)
		}
	}
	n.mu.Unlock()
	for _, a := range others {
		if err := n.forgetCard(ctx, a, func(t Trust) Trust { t.Domain, t.NewDomain = domain, nil; return t }); err != nil {
			return err
		}
	}
	if err := n.forgetCard(ctx, who, Trust.accept); err != nil {
		return err
	}
	n.log.Info("key of a contact accepted", "person", who.Short())
	if err := n.startOver(ctx, who); err != nil {
		return err
	}
	n.tellKey(who)
	n.hurry(who)
	return nil
}

// forgetCard changes the keys a contact is known by, and forgets the card under
// those of before.
func (n *Node) forgetCard(ctx context.Context, who identity.Address, change func(Trust) Trust) error {
	_, err := n.changeContact(ctx, who, func(c *Contact) bool {
		c.Trust, c.Card = change(c.Trust), identity.SignedCard{}
		return true
	})
	if err != nil {
		return err
	}
	w := n.watcher(who)
	if w == nil {
		return nil
	}
	w.Card = identity.SignedCard{}
	return n.keepWatcher(ctx, *w, "")
}

// startOver ends what stands between this node and the old key of a contact: the
// new one knows neither subscription. The owner's other devices start over with
// the change of the contact.
func (n *Node) startOver(ctx context.Context, who identity.Address) error {
	if w := n.watcher(who); w != nil && w.State == Active {
		now := time.Now()
		w.State, w.Event, w.Since, w.Expires = Terminated, "deactivated", now, now
		if err := n.keepWatcher(ctx, *w, SawWatcher); err != nil {
			return err
		}
		if err := n.newEpoch(ctx); err != nil {
			return err
		}
	}
	return n.restartWatch(ctx, who)
}

// restartWatch watches somebody under another key than before, unless the owner
// has ended that.
func (n *Node) restartWatch(ctx context.Context, who identity.Address) error {
	n.mu.Lock()
	w := n.watches[who]
	over := w != nil && w.Reason != endedByOwner
	if over {
		w.afresh = w.asking // what is under way may still be with the old key
		over = !w.asking
	}
	n.mu.Unlock()
	if !over {
		return nil
	}
	return n.watchAfresh(ctx, who, w)
}

// watchAfresh forgets what a watch brought under another key. The ID stays: what
// was under way may have taken it to the new one.
func (n *Node) watchAfresh(ctx context.Context, who identity.Address, w *watching) error {
	if err := n.watchTurn.take(ctx); err != nil {
		return err
	}
	defer n.watchTurn.give()
	n.mu.Lock()
	row := Watch{Person: who, ID: w.ID, State: Pending}
	n.mu.Unlock()
	if err := n.store.PutWatch(ctx, row); err != nil {
		return fmt.Errorf("keep watch: %w", err)
	}
	n.mu.Lock()
	w.Watch, w.devices, w.afresh = row, make(map[identity.DeviceID]*shown), false
	w.failures, w.next, w.why = 0, time.Now(), whyLooking
	n.mu.Unlock()
	wake(n.wakeWatch)
	return nil
}

// How often domains are asked whether their people still have the same keys.
const (
	checkEvery  = 24 * time.Hour
	checkSpread = 10 * time.Minute // from the start to the first time
	checkGap    = 10 * time.Minute // between two for one person who is not found
)

// trustLoop asks, once a day each, the domains that can change the keys of
// contacts whether they did.
func (n *Node) trustLoop(ctx context.Context) {
	due := make(map[string]time.Time) // by domain
	for {
		now := time.Now()
		next := now.Add(jitter(time.Hour)) // contacts come and go
		for domain, people := range n.movable() {
			if due[domain].IsZero() {
				due[domain] = now.Add(rand.N(checkSpread))
			}
			if !due[domain].After(now) {
				n.recheck(ctx, domain, people...)
				due[domain] = now.Add(jitter(checkEvery))
			}
			next = sooner(next, due[domain])
		}
		if !pause(ctx, next, nil) {
			return
		}
	}
}

// movable returns the contacts whose keys are for a domain to say, by domain.
func (n *Node) movable() map[string][]identity.Address {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string][]identity.Address)
	for who, c := range n.contacts {
		if c.Trust.movable(who) {
			all[who.Domain()] = append(all[who.Domain()], who)
		}
	}
	return all
}

// movable says whether the keys pinned can change: whoever is their own overlay
// domain has theirs in the address.
func (t Trust) movable(who identity.Address) bool {
	key, overlay := who.DomainKey()
	return !overlay || t.Account != nil && !t.Account.Equal(key)
}

// recheck asks a domain which keys some of its people have. No answer is no
// change.
func (n *Node) recheck(ctx context.Context, domain string, people ...identity.Address) {
	var key ed25519.PublicKey
	if _, overlay := people[0].DomainKey(); !overlay {
		asked, found, err := n.net.DomainKey(ctx, domain)
		if err != nil || !found {
			n.log.Debug("zone not asked", "domain", domain, "found", found, "err", err)
			return
		}
		key = asked
	}
	for _, who := range people {
		var account ed25519.PublicKey
		card, found, err := n.net.Resolve(ctx, identity.Locator{Address: who, Domain: key})
		if err == nil && found {
			account = card.Card().AccountKey()
		}
		if n.offer(ctx, who, func(t Trust) (Trust, bool) { return t.settle(key, account) }) && account != nil {
			n.learnCard(ctx, card)
		}
	}
}

// recheckLost is recheck for a contact who is not found by the keys pinned, if
// that was not done just before.
func (n *Node) recheckLost(ctx context.Context, who identity.Address, now time.Time) error {
	n.mu.Lock()
	c := n.contacts[who]
	due := c != nil && c.Trust.movable(who) && now.Sub(n.rechecked[who]) >= checkGap
	if due {
		n.rechecked[who] = now
	}
	n.mu.Unlock()
	if due {
		n.recheck(ctx, who.Domain(), who)
	}
	return n.keyTrouble(who)
}
