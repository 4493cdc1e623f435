package node

import (
	"context"
	"errors"

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

// learnCard keeps a verified card if its serial rises. The node goes on with
// it even if the disk refuses; the next card is another chance.
func (n *Node) learnCard(ctx context.Context, card identity.SignedCard) {
	who := card.Card().Address
	n.mu.Lock()
	n.noteOwner(card)
	var contact *Contact
	if c := n.contacts[who]; c != nil && newer(card, c.Card) {
		changed := *c
		changed.Card = card
		n.contacts[who], contact = &changed, &changed
		if w := n.watches[who]; w != nil {
			w.topics = nil // listen again, at the new addresses
		}
	}
	var watcher *Watcher
	if w := n.watchers[who]; w != nil && newer(card, w.Card) {
		changed := *w
		changed.Card = card
		n.watchers[who], watcher = &changed, &changed
	}
	n.mu.Unlock()
	if contact != nil {
		if err := n.store.PutContact(ctx, *contact); err != nil {
			n.log.Error("card not kept", "err", err)
		}
	}
	if watcher != nil {
		if err := n.store.PutWatcher(ctx, *watcher); err != nil {
			n.log.Error("card not kept", "err", err)
		}
	}
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
	return n.net.Resolve(ctx, l, hints...)
}

// Lookup asks the network for the card of an address, in at most 10 s.
func (n *Node) Lookup(ctx context.Context, who identity.Address) (card identity.SignedCard, found bool, err error) {
	_, hints := n.whereIs(who)
	card, found, err = n.resolve(ctx, who, hints)
	if found {
		n.learnCard(ctx, card)
	}
	return card, found, err
}
