package node

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// Bounds on how long an invitation is good.
const (
	inviteFor      = 30 * 24 * time.Hour // if nothing is said
	shortestInvite = time.Minute
	longestInvite  = 365 * 24 * time.Hour
)

// contactsAudience is the only audience there is.
const contactsAudience = "contacts"

// InviteOptions say what an invitation with a token is for.
type InviteOptions struct {
	Once    bool          // for one person
	Expires time.Duration // 0 means 30 days; from 1 minute to 365 days
	As      string        // audience of those who come with it: "contacts", which is also what "" means
	Note    string        // the owner's own, at most 256 octets
}

// Invite makes an invitation that approves in advance of whoever comes with it:
// they become a contact at their first request. The link is shown once and not
// kept. It fails with identity.ErrNotAdministrator on a device without the
// account key.
func (n *Node) Invite(ctx context.Context, o InviteOptions) (link string, i Invite, err error) {
	if o.Expires == 0 {
		o.Expires = inviteFor
	}
	switch {
	case o.Expires < shortestInvite || o.Expires > longestInvite:
		return "", Invite{}, badInput("an invitation for %v: want 1 minute to 365 days", o.Expires)
	case o.As != "" && o.As != contactsAudience:
		return "", Invite{}, badInput("there is no audience %q: only contacts", o.As)
	case len(o.Note) > maxNote:
		return "", Invite{}, badInput("note of %d octets: at most %d fit", len(o.Note), maxNote)
	}
	now := time.Now()
	draft := n.Invitation()
	rand.Read(draft.Token[:]) // never fails
	draft.Expires = now.Add(o.Expires).Truncate(time.Second)
	if link, err = n.keys.SignInvitation(draft); err != nil {
		return "", Invite{}, err
	}
	i = Invite{Hash: TokenHash(draft.Token), As: o.As, Note: o.Note, Made: now, Expires: draft.Expires, Once: o.Once}
	if err := n.store.PutInvite(ctx, i); err != nil {
		return "", Invite{}, fmt.Errorf("keep invitation: %w", err)
	}
	return link, i, nil
}

// Invites returns all invitations with a token, oldest first.
func (n *Node) Invites(ctx context.Context) ([]Invite, error) { return n.store.Invites(ctx) }

// RevokeInvite takes back an invitation by its ID or the unique beginning of one;
// those who came with it stay. It returns ErrNotFound or an *AmbiguousError.
func (n *Node) RevokeInvite(ctx context.Context, id string) (Invite, error) {
	all, err := n.store.Invites(ctx)
	if err != nil {
		return Invite{}, err
	}
	var found []Invite
	var names []string
	for _, i := range all {
		if id != "" && strings.HasPrefix(i.Key(), strings.ToLower(id)) {
			found, names = append(found, i), append(names, i.ID())
		}
	}
	switch {
	case len(found) == 0:
		return Invite{}, fmt.Errorf("invitation %q: %w", id, ErrNotFound)
	case len(found) > 1:
		return Invite{}, &AmbiguousError{Given: id, Names: names}
	}
	i := found[0]
	i.Revoked = true
	if err := n.store.PutInvite(ctx, i); err != nil {
		return Invite{}, fmt.Errorf("keep invitation: %w", err)
	}
	return i, nil
}

// inviteReason begins the reasons for a token that did not help.
const inviteReason = "the invitation "

// redeem looks at the token of a subscribe that the rules do not deny. It says
// whether the owner approved in advance, or before the loss of all but the
// account key; then its watcher is a contact now, and watched. Else it says why a
// token is not good, if there is a reason to know.
func (n *Node) redeem(ctx context.Context, s *subscribe, row *Watcher, now time.Time) (approved bool, why string) {
	if s.token == [16]byte{} {
		return false, ""
	}
	inv, err := n.inviteOf(ctx, s.token)
	switch {
	case errors.Is(err, ErrNotFound):
		if !n.approvedBefore(s, row) {
			return false, ""
		}
		return n.welcome(ctx, s, "you approved of them before"), ""
	case err == nil && row != nil && row.State == Terminated && (row.Event == "rejected" || row.Event == "deactivated") && row.Since.After(inv.Made):
		return false, inviteReason + "is older than the decision about them"
	case err == nil:
		_, err = n.store.UseInvite(ctx, s.token, s.watcher, now)
	}
	for _, known := range []error{ErrInviteRevoked, ErrInviteExpired, ErrInviteUsed} {
		if errors.Is(err, known) {
			return false, known.Error()
		}
	}
	if err != nil {
		n.log.Error("invitation not used", "err", err)
		return false, ""
	}
	return n.welcome(ctx, s, "came with your invitation "+inv.ID()), ""
}

// inviteOf returns the invitation with a token; ErrNotFound if there is none.
func (n *Node) inviteOf(ctx context.Context, token [16]byte) (Invite, error) {
	all, err := n.store.Invites(ctx)
	if err != nil {
		return Invite{}, err
	}
	hash := TokenHash(token)
	for _, i := range all {
		if i.Hash == hash {
			return i, nil
		}
	}
	return Invite{}, ErrNotFound
}

// keepRecovered is the setting, of any value, of a home that was made anew of the
// account key alone.
const keepRecovered = "recovered"

// approvedBefore says whether a token is the approval that this person gave its
// watcher before their home was lost. Elsewhere, and of somebody about whom this
// home knows, it says nothing.
func (n *Node) approvedBefore(s *subscribe, row *Watcher) bool {
	if !n.recovered || row != nil || n.relation(s.watcher) == access.Contact {
		return false
	}
	want, ok := n.keys.Approval(s.watcher)
	return ok && subtle.ConstantTimeCompare(want[:], s.token[:]) == 1
}

// welcome makes somebody a contact who is approved by what they brought, and
// watches them in turn. It says whether that was done.
func (n *Node) welcome(ctx context.Context, s *subscribe, note string) bool {
	if n.relation(s.watcher) == access.Contact {
		return true
	}
	_, err := n.keepContact(ctx, s.watcher, "", func(c *Contact) {
		if newer(s.card, c.Card) {
			c.Card = s.card
		}
	})
	if err == nil {
		err = n.watch(ctx, s.watcher, "")
	}
	if err != nil {
		n.log.Error("invited person not kept", "err", err)
		return false
	}
	n.tell(Event{Kind: SawInvite, Watcher: &Watcher{Person: s.watcher, ID: s.id, State: Active, Event: "approved", Since: time.Now(), Note: note}})
	return true
}

// inVain keeps a request whose token did not help, and says why to the owner and
// in the response.
func (n *Node) inVain(why string, s *subscribe, keep func() (*response, error)) (*response, error) {
	if why != "" {
		s.note = clip("("+why+") "+s.note, maxNote)
	}
	r, err := keep()
	if err == nil && why != "" && r.standing != nil {
		r.standing.reason = why
	}
	return r, err
}

// clip cuts a text to at most so many octets, between characters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// tokenFor is what a subscribe to a contact shows: the token of their invitation
// until they approve, later the approval in their grant.
func (n *Node) tokenFor(who identity.Address) [16]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.contacts[who]
	switch {
	case c == nil:
		return [16]byte{}
	case c.Token != [16]byte{}:
		return c.Token
	}
	return c.Approval
}

// keepApproval notes that a contact approved: a token has done its work.
func (n *Node) keepApproval(ctx context.Context, who identity.Address, g *grant) {
	_, err := n.changeContact(ctx, who, func(c *Contact) bool {
		token, approval := c.Token, c.Approval
		c.Token = [16]byte{}
		if g.approval != [16]byte{} {
			c.Approval = g.approval
		}
		return c.Token != token || c.Approval != approval
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		n.log.Error("approval not kept", "err", err)
	}
}

// tokenWait is how long Add looks for the card that tells whether a token is good.
const tokenWait = 10 * time.Second

// takeToken keeps the token of an invitation with a contact, once the signature
// is that of their account key. Of whoever is their own overlay domain the key is
// in the address, of others in their card. If that is not to be had now, the
// invitation waits for it.
func (n *Node) takeToken(ctx context.Context, inv identity.Invitation) error {
	if inv.Token == [16]byte{} {
		return nil
	}
	if key, overlay := inv.Address.DomainKey(); overlay && inv.Verify(key) == nil {
		return n.putToken(ctx, inv)
	}
	if n.cardOf(inv.Address) == nil {
		ctx, cancel := context.WithTimeout(ctx, tokenWait)
		defer cancel()
		if _, _, err := n.Lookup(ctx, inv.Address); err != nil {
			n.log.Debug("card for an invitation not found", "person", inv.Address.Short(), "err", err)
		}
	}
	card := n.cardOf(inv.Address)
	if card == nil {
		return n.deferToken(ctx, inv)
	}
	if inv.Verify(card.AccountKey()) != nil {
		return badInput("the invitation is not signed by %s: ask them for another link", n.Name(inv.Address))
	}
	return n.putToken(ctx, inv)
}

func (n *Node) putToken(ctx context.Context, inv identity.Invitation) error {
	_, err := n.changeContact(ctx, inv.Address, func(c *Contact) bool {
		changed := c.Token != inv.Token
		c.Token = inv.Token
		return changed
	})
	return err
}

// Invitations that wait for a card are kept as links, a line each.
const (
	keepWaiting = "invitations"
	maxWaiting  = 32
)

// deferToken has an invitation wait for the card of its person.
func (n *Node) deferToken(ctx context.Context, inv identity.Invitation) error {
	n.mu.Lock()
	if _, waits := n.deferred[inv.Address]; !waits && len(n.deferred) >= maxWaiting {
		clear(n.deferred) // the requests go without, and wait for a decision
	}
	n.deferred[inv.Address] = inv
	n.mu.Unlock()
	return n.keepDeferred(ctx)
}

func (n *Node) keepDeferred(ctx context.Context) error {
	n.mu.Lock()
	var lines []string
	for _, inv := range n.deferred {
		lines = append(lines, inv.String())
	}
	n.mu.Unlock()
	return n.store.PutSetting(ctx, keepWaiting, []byte(strings.Join(lines, "\n")))
}

// loadInvites loads what waits for a card, and whether this home is recovered.
func (n *Node) loadInvites(ctx context.Context) error {
	recovered, err := n.store.Setting(ctx, keepRecovered)
	if err != nil {
		return fmt.Errorf("load invitations: %w", err)
	}
	n.recovered = recovered != nil
	n.anew = n.anew || n.recovered
	text, err := n.store.Setting(ctx, keepWaiting)
	if err != nil {
		return fmt.Errorf("load invitations: %w", err)
	}
	for line := range strings.FieldsSeq(string(text)) {
		if inv, err := identity.ParseInvitation(line); err == nil {
			n.deferred[inv.Address] = inv
		}
	}
	return nil
}

// cardLearned looks whether an invitation waits for the card of a contact.
func (n *Node) cardLearned(ctx context.Context, card *identity.Card) {
	n.mu.Lock()
	inv, waits := n.deferred[card.Address]
	delete(n.deferred, card.Address)
	n.mu.Unlock()
	if !waits {
		return
	}
	err := inv.Verify(card.AccountKey())
	if err == nil {
		err = n.putToken(ctx, inv)
	}
	if err == nil {
		err = n.keepDeferred(ctx)
	}
	if err != nil {
		n.log.Warn("invitation not used", "err", err)
	}
	n.askSoon(card.Address)
}
