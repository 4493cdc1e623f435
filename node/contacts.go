package node

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// maxName is the longest petname, in octets.
const maxName = 64

// AmbiguousError says that a beginning of a petname fits several contacts.
type AmbiguousError struct {
	Given string
	Names []string
}

// Error lists the names that fit.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q could be %s", e.Given, strings.Join(e.Names, " or "))
}

// Add makes a person a contact and starts to watch them. The name is the
// owner's own for them; an empty one becomes the local part of the address,
// made unique. The note, at most 256 octets, greets them in the request. The
// token of an invitation goes with it, once it is known to be theirs, which
// can take 10 s. Adding a contact again renews the hint of where to find them and
// asks again; adding somebody who asked to watch the owner approves that.
func (n *Node) Add(ctx context.Context, inv identity.Invitation, name, note string) (Contact, error) {
	if inv.Address == n.Address() {
		return Contact{}, badInput("that is your own address")
	}
	if len(note) > maxNote {
		return Contact{}, badInput("note of %d octets: at most %d fit", len(note), maxNote)
	}
	var card identity.SignedCard
	if n.cardOf(inv.Address) == nil {
		card = n.introducedCard(ctx, inv.Address)
	}
	fresh := n.relation(inv.Address) != access.Contact
	c, err := n.keepContact(ctx, inv.Address, name, func(c *Contact) {
		if len(inv.Reach) > 0 {
			c.Hint = inv.Reach
		}
		if c.Card.IsZero() {
			c.Card = card
		}
	})
	if err != nil {
		return Contact{}, err
	}
	if err := n.takeToken(ctx, inv); err != nil {
		if fresh {
			err = errors.Join(err, n.forgetContact(ctx, c.Person))
		}
		return Contact{}, err
	}
	if err := n.admitPending(ctx, c.Person); err != nil {
		return Contact{}, err
	}
	return c, n.watch(ctx, c.Person, note)
}

// keepContact makes or changes a contact, in the store first.
func (n *Node) keepContact(ctx context.Context, who identity.Address, name string, change func(*Contact)) (Contact, error) {
	if err := n.contactTurn.take(ctx); err != nil {
		return Contact{}, err
	}
	defer n.contactTurn.give()
	n.mu.Lock()
	c := Contact{Person: who, Added: time.Now()}
	if old := n.contacts[who]; old != nil {
		c = *old
	} else if len(n.contacts) >= MaxContacts {
		n.mu.Unlock()
		return Contact{}, badInput("there are %d contacts already", MaxContacts)
	}
	if name != "" {
		c.Name = name
	}
	if c.Name == "" {
		c.Name = n.freeName(who.Local())
	}
	if w := n.watchers[who]; w != nil && c.Card.IsZero() {
		c.Card = w.Card
	}
	n.mu.Unlock()
	if err := checkName(c.Name); err != nil {
		return Contact{}, err
	}
	if change != nil {
		change(&c)
	}
	c.pin()
	return c, n.writeContact(ctx, c)
}

// changeContact changes somebody who is a contact, in the store first. Change
// says whether it did. It returns ErrNotFound for whoever is no contact.
func (n *Node) changeContact(ctx context.Context, who identity.Address, change func(*Contact) bool) (Contact, error) {
	if err := n.contactTurn.take(ctx); err != nil {
		return Contact{}, err
	}
	defer n.contactTurn.give()
	n.mu.Lock()
	old := n.contacts[who]
	n.mu.Unlock()
	if old == nil {
		return Contact{}, ErrNotFound
	}
	c := *old
	if !change(&c) {
		return c, nil
	}
	return c, n.writeContact(ctx, c)
}

// writeContact writes a contact to disk, then to memory. The caller has the turn.
func (n *Node) writeContact(ctx context.Context, c Contact) error {
	if err := n.store.PutContact(ctx, c); err != nil {
		return fmt.Errorf("keep contact %s: %w", c.Name, err)
	}
	n.mu.Lock()
	n.contacts[c.Person] = &c
	n.notePins(&c)
	n.noteOwner(c.Card)
	n.mu.Unlock()
	return nil
}

// turn lets one at a time read, change and write, so that no change is lost.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }

// checkName accepts names that a person can type and a terminal can show.
func checkName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.TrimSpace(name) != name {
		return badInput("name %q: want 1 to %d octets without space at either end", name, maxName)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || r == '@' || r == ':' {
			return badInput("name %q: %q cannot be part of a name", name, r)
		}
	}
	return nil
}

// freeName makes a petname unique by a number. The caller holds n.mu.
func (n *Node) freeName(base string) string {
	base = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != '@' && r != ':' && r != ' ' {
			return r
		}
		return '-'
	}, base)
	if len(base) > maxName-6 {
		base = strings.ToValidUTF8(base[:maxName-6], "")
	}
	taken := make(map[string]bool, len(n.contacts))
	for _, c := range n.contacts {
		taken[strings.ToLower(c.Name)] = true
	}
	name := base
	for i := 2; taken[strings.ToLower(name)]; i++ {
		name = base + strconv.Itoa(i)
	}
	return name
}

// Rename gives a contact another petname.
func (n *Node) Rename(ctx context.Context, who identity.Address, name string) error {
	if n.relation(who) != access.Contact {
		return ErrNotFound
	}
	_, err := n.keepContact(ctx, who, name, nil)
	return err
}

// Remove forgets a contact: neither watches the other any longer. Messages
// stay. The one removed is told that both subscriptions ended.
func (n *Node) Remove(ctx context.Context, who identity.Address) error {
	if n.relation(who) != access.Contact {
		return ErrNotFound
	}
	if err := n.unwatch(ctx, who); err != nil {
		return err
	}
	if err := n.forgetContact(ctx, who); err != nil {
		return err
	}
	if w := n.watcher(who); w != nil && w.State == Terminated && !w.decided() {
		// They stopped watching before: without a decision about them, a token
		// that they still have would let them in again.
		w.Event, w.Since = "deactivated", time.Now()
		return n.keepWatcher(ctx, *w, "")
	}
	return n.endWatcher(ctx, who, "deactivated")
}

func (n *Node) forgetContact(ctx context.Context, who identity.Address) error {
	if err := n.contactTurn.take(ctx); err != nil {
		return err
	}
	defer n.contactTurn.give()
	if err := n.store.RemoveContact(ctx, who); err != nil {
		return fmt.Errorf("remove contact: %w", err)
	}
	n.mu.Lock()
	delete(n.contacts, who)
	n.mu.Unlock()
	return nil
}

// relation says what a person is to the owner.
func (n *Node) relation(who identity.Address) access.Relation {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.contacts[who] != nil {
		return access.Contact
	}
	return access.Stranger
}

// Find turns what a person typed into an address: a petname or its unique
// beginning, case aside, or an address in any spelling. It returns ErrNotFound
// or an *AmbiguousError.
func (n *Node) Find(who string) (identity.Address, error) {
	if strings.ContainsRune(who, '@') {
		inv, err := identity.ParseInvitation(who)
		return inv.Address, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var exact, begun []identity.Address
	try := func(name string, a identity.Address) {
		switch {
		case strings.EqualFold(name, who):
			exact = append(exact, a)
		case len(name) > len(who) && strings.EqualFold(name[:len(who)], who):
			begun = append(begun, a)
		}
	}
	for a, c := range n.contacts {
		try(c.Name, a)
	}
	if len(exact) == 0 { // a petname goes before what strangers call themselves
		for a, w := range n.watchers {
			if w.State == Pending && n.contacts[a] == nil {
				try(a.Local(), a)
			}
		}
	}
	if len(exact) > 0 {
		begun = exact
	}
	switch {
	case who == "" || len(begun) == 0:
		return identity.Address{}, fmt.Errorf("%q: %w", who, ErrNotFound)
	case len(begun) > 1:
		return identity.Address{}, n.ambiguous(who, begun)
	}
	return begun[0], nil
}

func (n *Node) ambiguous(given string, people []identity.Address) error {
	e := &AmbiguousError{Given: given}
	for _, a := range people {
		e.Names = append(e.Names, n.nameOf(a))
	}
	sort.Strings(e.Names)
	return e
}

// Name returns what to call a person: the petname, else a short address.
func (n *Node) Name(who identity.Address) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nameOf(who)
}

func (n *Node) nameOf(who identity.Address) string {
	if c := n.contacts[who]; c != nil {
		return c.Name
	}
	return who.Short()
}
