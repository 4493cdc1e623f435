package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kith-im/kith/identity"
)

// whereIs returns what is known of a person without asking anybody: the
// newest card, and hints for a lookup.
func (n *Node) whereIs(who identity.Address) (card identity.SignedCard, hints []identity.Reach) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.contacts[who]; c != nil && len(c.Hint) > 0 {
		hints = append(hints, c.Hint)
	}
	card = n.newestCard(who)
	if !card.IsZero() {
		for _, d := range card.Card().Devices {
			if len(d.Reach) > 0 {
				hints = append(hints, d.Reach)
			}
		}
	}
	return card, hints
}

// newer says whether card a replaces card b of the same person.
func newer(a, b identity.SignedCard) bool {
	return !a.IsZero() && (b.IsZero() || a.Card().Serial > b.Card().Serial)
}

// learnCard keeps a verified card of a contact or a watcher if its serial rises.
// It refuses, with ErrKeyChanged, a card of a contact under other keys than they
// are known by, and has the owner told. The node goes on even if the disk
// refuses; the next card is another chance.
func (n *Node) learnCard(ctx context.Context, card identity.SignedCard) error {
	if err := n.learnContact(ctx, card, time.Now()); err != nil {
		return err
	}
	who := card.Card().Address
	n.mu.Lock()
	var watcher *Watcher
	barred := false
	if w := n.watchers[who]; w != nil && newer(card, w.Card) {
		barred = w.State == Active && revokesMore(card, w.Card)
		changed := *w
		changed.Card = card
		n.watchers[who], watcher = &changed, &changed
		n.noteOwner(card)
	}
	n.mu.Unlock()
	if watcher != nil {
		if err := n.store.PutWatcher(ctx, *watcher); err != nil {
			n.log.Error("card not kept", "err", err)
		}
	}
	if barred { // a device that is none of theirs any more has the audience's key
		return n.newEpoch(ctx)
	}
	return nil
}

// revokesMore says whether a card revokes a device that an older one did not.
func revokesMore(card, old identity.SignedCard) bool {
	for _, id := range card.Card().Revoked {
		if old.IsZero() || !slices.Contains(old.Card().Revoked, id) {
			return true
		}
	}
	return false
}

// learnContact is learnCard for a contact; of others it has nothing to say.
func (n *Node) learnContact(ctx context.Context, card identity.SignedCard, now time.Time) error {
	who := card.Card().Address
	n.mu.Lock()
	c := n.contacts[who]
	n.mu.Unlock()
	if c == nil {
		return nil
	}
	if _, agrees := c.Trust.judge(keysOf(card.Card())); !agrees && now.After(card.Card().Expires) {
		return fmt.Errorf("card under another key than that of %s, and expired: %w", c.Name, ErrKeyChanged) // of long ago, maybe
	}
	if !n.offer(ctx, who, func(t Trust) (Trust, bool) { return t.judge(keysOf(card.Card())) }) {
		return cmp.Or(n.keyTrouble(who), ErrKeyChanged)
	}
	learned := false
	_, err := n.changeContact(ctx, who, func(c *Contact) bool {
		if _, agrees := c.Trust.judge(keysOf(card.Card())); agrees && newer(card, c.Card) {
			c.Card, learned = card, true
		}
		return learned
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		n.log.Error("card not kept", "err", err)
	}
	n.mu.Lock()
	if w := n.watches[who]; w != nil && learned && err == nil {
		w.topics = nil // listen again, at the new addresses
	}
	n.mu.Unlock()
	if learned && err == nil {
		n.cardLearned(ctx, card.Card())
	}
	return nil
}

// resolve asks the network for a person's card.
func (n *Node) resolve(ctx context.Context, who identity.Address, hints []identity.Reach) (identity.SignedCard, bool, error) {
	l, err := n.locate(ctx, who)
	if errors.Is(err, errNobody) {
		return identity.SignedCard{}, false, nil
	}
	if err != nil {
		return identity.SignedCard{}, false, err
	}
	card, found, err := n.net.Resolve(ctx, l, hints...)
	switch {
	case err == nil && !found:
		err = n.recheckLost(ctx, who, time.Now())
	case found && !n.stillBy(who, l):
		return identity.SignedCard{}, false, errOvertaken
	}
	return card, found, err
}

// errOvertaken says that the key of a contact was accepted while they were looked
// for by the one before.
var errOvertaken = errors.New("looked for by the key of before")

// stillBy says whether a person is looked for by the keys that they are known by
// now.
func (n *Node) stillBy(who identity.Address, l identity.Locator) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.contacts[who]
	if c == nil || l.Account == nil || c.Trust.Account == nil {
		return true
	}
	return c.Trust.Account.Equal(l.Account) && (c.Trust.Domain == nil || c.Trust.Domain.Equal(l.Domain))
}

// Lookup asks the network for the card of an address, in at most 10 s. For a
// contact it is ErrKeyChanged if the card is under other keys than theirs.
func (n *Node) Lookup(ctx context.Context, who identity.Address) (card identity.SignedCard, found bool, err error) {
	_, hints := n.whereIs(who)
	card, found, err = n.resolve(ctx, who, hints)
	if err != nil || !found {
		return identity.SignedCard{}, false, err
	}
	if err := n.learnCard(ctx, card); err != nil {
		return identity.SignedCard{}, false, err
	}
	return card, true, nil
}
