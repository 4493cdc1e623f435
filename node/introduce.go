package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// typeIntroduction is the content type of a message that introduces somebody
// (doc/spec/operations.md section 6).
const typeIntroduction = "application/vnd.kith.introduction"

// Limits of an introduction, in octets.
const (
	maxLink         = 4 << 10
	maxIntroduction = 24 << 10
)

// Introduction is a contact's word that somebody can be found by a link.
type Introduction struct {
	From    identity.Address // the contact who introduces
	Address identity.Address // who is introduced
	Name    string           // local part of their address
	Link    string           // to Add
	Note    string
	Message int64 // the message it came in
}

// introduced is the body of an introduction.
type introduced struct {
	link identity.Invitation
	note string
	card []byte // signed card of who is introduced; may be empty
}

// Introduce sends two contacts each other's card and link, as messages that are
// delivered or told of like any other. The note, at most 256 octets, goes to both.
func (n *Node) Introduce(ctx context.Context, a, b identity.Address, note string) (toA, toB Message, err error) {
	if a == b {
		return toA, toB, badInput("that is one and the same person")
	}
	if len(note) > maxNote {
		return toA, toB, badInput("note of %d octets: at most %d fit", len(note), maxNote)
	}
	for _, who := range []identity.Address{a, b} {
		if n.relation(who) != access.Contact {
			return toA, toB, ErrNotFound
		}
		if err := n.keyTrouble(who); err != nil {
			return toA, toB, fmt.Errorf("introduce %s: %w", n.Name(who), err)
		}
	}
	if toA, err = n.sendIntroduction(ctx, a, b, note); err != nil {
		return toA, toB, err
	}
	toB, err = n.sendIntroduction(ctx, b, a, note)
	return toA, toB, err
}

func (n *Node) sendIntroduction(ctx context.Context, to, who identity.Address, note string) (Message, error) {
	n.mu.Lock()
	in := introduced{link: identity.Invitation{Address: who}, note: note, card: n.newestCard(who).Bytes()}
	if c := n.contacts[who]; c != nil {
		in.link.Reach = c.Hint
	}
	n.mu.Unlock()
	body, err := in.marshal()
	if err != nil {
		return Message{}, fmt.Errorf("write introduction: %w", err)
	}
	content := cpim.Content{
		Header: []cpim.MIMEField{{Name: "Content-Type", Value: typeIntroduction}, {Name: "Content-Transfer-Encoding", Value: "binary"}},
		Body:   body,
	}
	m, err := n.composeContent(to, content, time.Now())
	if err != nil {
		return Message{}, err
	}
	m.ContentType, m.Text = typeIntroduction, in.text(n.Address())
	return n.enqueue(ctx, m)
}

func (in introduced) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addText(b, in.link.String())
		addText(b, in.note)
		addOptional(b, tagIntroduced, in.card)
	})
	return b.Bytes()
}

var tagIntroduced = asn1.Tag(0).ContextSpecific()

// parseIntroduction reads the body of an introduction. The card in it is not yet
// verified.
func parseIntroduction(body []byte) (introduced, error) {
	var i introduced
	var link cryptobyte.String
	in, ok := sequence(body)
	if len(body) > maxIntroduction || !ok || !in.ReadASN1(&link, asn1.UTF8String) || len(link) > maxLink ||
		!readText(&in, &i.note) || !readOptional(&in, tagIntroduced, &i.card) || !in.Empty() {
		return introduced{}, fmt.Errorf("introduction: %w", errSyntax)
	}
	var err error
	if i.link, err = identity.ParseInvitation(string(link)); err != nil {
		return introduced{}, fmt.Errorf("introduction: %w", err)
	}
	if i.link.String() != string(link) || i.link.Token != [16]byte{} || i.card != nil && len(i.card) == 0 {
		return introduced{}, fmt.Errorf("introduction: %w", errSyntax)
	}
	return i, nil
}

// verified returns the card of who is introduced, zero if there is none or the key
// of their DNS domain is not known.
func (in introduced) verified(domain domainKeys) (identity.SignedCard, error) {
	if in.card == nil {
		return identity.SignedCard{}, nil
	}
	card, err := identity.ParseSignedCard(in.card, domain)
	if _, unknown := errors.AsType[*identity.UnknownDomainError](err); unknown {
		return identity.SignedCard{}, nil
	}
	if err != nil {
		return identity.SignedCard{}, fmt.Errorf("introduction: %w", err)
	}
	if card.Card().Address != in.link.Address {
		return identity.SignedCard{}, fmt.Errorf("introduction of %s with the card of %s", in.link.Address.Short(), card.Card().Address.Short())
	}
	return card, nil
}

// text says for people what an introduction says.
func (in introduced) text(by identity.Address) string {
	s := by.Local() + " introduces " + in.link.Address.Local() + ": " + in.link.String()
	if in.note != "" {
		s += "\n" + in.note
	}
	return s
}

// readIntroduction reads the content of a message that introduces somebody.
func readIntroduction(content cpim.Content) (introduced, error) {
	body, err := content.Decode()
	if err != nil {
		return introduced{}, fmt.Errorf("introduction: %w", err)
	}
	return parseIntroduction(body)
}

// maxIntroductions is how far back in the history introductions are looked for,
// in messages received.
const maxIntroductions = 10000

// Introductions returns who was introduced by contacts and is no contact yet, the
// newest introduction of each by each, oldest first.
func (n *Node) Introductions(ctx context.Context) ([]Introduction, error) {
	var list []Introduction
	err := n.eachIntroduction(ctx, func(i Introduction, _ identity.SignedCard) {
		if n.relation(i.Address) != access.Contact {
			list = append(list, i)
		}
	})
	if err != nil {
		return nil, err
	}
	newest := make(map[[2]identity.Address]int64)
	for _, i := range list {
		newest[[2]identity.Address{i.From, i.Address}] = i.Message
	}
	kept := list[:0]
	for _, i := range list {
		if newest[[2]identity.Address{i.From, i.Address}] == i.Message {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

// eachIntroduction calls use for each introduction of others than the owner that
// contacts sent, oldest first.
func (n *Node) eachIntroduction(ctx context.Context, use func(Introduction, identity.SignedCard)) error {
	list, err := n.store.History(ctx, Query{Incoming: true}, maxIntroductions)
	if err != nil {
		return fmt.Errorf("look for introductions: %w", err)
	}
	for _, m := range list {
		if m.ContentType != typeIntroduction || n.relation(m.Person) != access.Contact {
			continue
		}
		in, card, err := n.introductionOf(m)
		if err != nil {
			n.log.Debug("introduction not shown", "message", m.ID, "err", err)
			continue
		}
		if a := in.link.Address; a != n.Address() {
			use(Introduction{From: m.Person, Address: a, Name: a.Local(), Link: in.link.String(), Note: in.note, Message: m.ID}, card)
		}
	}
	return nil
}

// introductionOf reads a stored message that introduces somebody.
func (n *Node) introductionOf(m Message) (in introduced, card identity.SignedCard, err error) {
	known := n.known()
	known.Unlisted = true // they may have given the device up since, but not revoked it
	o, err := identity.Verify(m.Signed, known, m.Stored)
	if err != nil {
		return in, card, err
	}
	object, err := cpim.Parse(o.Entity.Body)
	if err != nil {
		return in, card, err
	}
	if in, err = readIntroduction(object.Content()); err != nil {
		return in, card, err
	}
	card, err = in.verified(n.domainKey)
	return in, card, err
}

// zoneWait is how long Add asks the zone of a domain in order to believe a card.
const zoneWait = 3 * time.Second

// introducedCard returns the newest card of somebody that contacts brought. For a
// card under a DNS domain not seen before it asks the zone.
func (n *Node) introducedCard(ctx context.Context, who identity.Address) (newest identity.SignedCard) {
	introduced := false
	look := func() {
		err := n.eachIntroduction(ctx, func(i Introduction, card identity.SignedCard) {
			if i.Address == who {
				introduced = true
			}
			if i.Address == who && newer(card, newest) {
				newest = card
			}
		})
		if err != nil {
			n.log.Error("introductions not read", "err", err)
		}
	}
	look()
	if _, overlay := who.DomainKey(); overlay || !introduced || n.domainKey(who.Domain()) != nil {
		return newest
	}
	asking, cancel := context.WithTimeout(ctx, zoneWait)
	defer cancel()
	if err := n.askZone(asking, who.Domain()); err != nil {
		n.log.Debug("zone not asked", "err", err)
		return newest
	}
	look()
	return newest
}
