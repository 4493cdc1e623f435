package node

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/kith-im/kith/identity"
)

// Verification is what the owner and another person compare, by voice or side by
// side, to be sure of each other's key. Both see the same.
type Verification struct {
	Digits     []string  // 12 groups of 5
	Emoji      []string  // 11; quicker, and as good for people who know each other's voice
	Names      []string  // of the emoji, in English
	Verified   time.Time // when the owner said that they agree; zero: not, or of another key
	KeyChanged bool      // the words are of the key that waits for Trust
}

// Words returns the verification words of the owner and a person whose card is
// known: of the key that they are known by or, if it has changed, of the new one.
// ErrNotFound means that nothing is known of them, an *InputError that their key
// is not known yet.
func (n *Node) Words(who identity.Address) (Verification, error) {
	n.mu.Lock()
	c, card := n.contacts[who], n.newestCard(who)
	n.mu.Unlock()
	var t Trust
	var key ed25519.PublicKey
	switch {
	case who == n.Address():
		return Verification{}, badInput("that is your own address")
	case c != nil:
		t = c.Trust
		if key = t.Account; t.NewAccount != nil {
			key = t.NewAccount
		}
	case card.IsZero():
		return Verification{}, ErrNotFound
	default:
		key = card.Card().AccountKey()
	}
	if key == nil {
		return Verification{}, badInput("the key of %s is not known yet: they have not been reached", n.Name(who))
	}
	words, err := identity.NewVerification(n.keys.Locator(), identity.Locator{Address: who, Account: key})
	if err != nil {
		return Verification{}, fmt.Errorf("words for %s: %w", n.Name(who), err)
	}
	v := Verification{Digits: words.Digits, Emoji: words.Emoji, Names: words.Names, KeyChanged: t.changed()}
	if t.verified() && !v.KeyChanged {
		v.Verified = t.Verified
	}
	return v, nil
}

// MarkVerified notes that the owner compared words with a contact and found them
// the same, or takes that back. The mark is for the key of now: it does not
// outlive it.
func (n *Node) MarkVerified(ctx context.Context, who identity.Address, yes bool) error {
	var problem error
	_, err := n.changeContact(ctx, who, func(c *Contact) bool {
		t := c.Trust
		t.Verified, t.VerifiedKey = time.Time{}, [32]byte{}
		switch {
		case yes && t.changed():
			problem = badInput("the key of %s has changed: accept the new one first, with `kith trust %s`", c.Name, c.Name)
			return false
		case yes && len(t.Account) != len(t.VerifiedKey):
			problem = badInput("the key of %s is not known yet: they have not been reached", c.Name)
			return false
		case yes:
			t.Verified, t.VerifiedKey = time.Now(), [32]byte(t.Account)
		}
		changed := !t.equal(c.Trust)
		c.Trust = t
		return changed
	})
	switch {
	case problem != nil:
		return problem
	case err != nil:
		return err
	}
	n.tellKey(who)
	return nil
}
