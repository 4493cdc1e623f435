package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// errBadItem says that an item of another device cannot be taken, now or later.
var errBadItem = errors.New("item not taken")

func badItem(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errBadItem, fmt.Sprintf(format, args...))
}

// takeItems takes what another device of the owner's has, and passes over what
// cannot be taken. Unless final is set, it stops at a message that lacks
// knowledge about its author, and says so. An error is this node's own.
func (n *Node) takeItems(ctx context.Context, by identity.DeviceID, items []item, final bool) (lacking bool, err error) {
	unread := false
	for _, it := range items {
		if n.Revoked() {
			return false, ErrRevoked
		}
		now := time.Now()
		self := n.Device()
		c := Change{Kind: it.kind, Key: it.key, Stamp: it.stamp, Deleted: it.deleted}
		err := n.takeItem(Repeat(ctx, c, bytes.Compare(by[:], self[:]) > 0), ctx, by, it, now)
		unread = unread || it.kind == MessageChange
		switch {
		case err == nil, errors.Is(err, ErrOldVersion):
		case errors.Is(err, errLacking) && !final:
			return true, nil
		case errors.Is(err, errBadItem), errors.Is(err, errLacking):
			n.log.Warn("item of another device", "device", by.Short(), "kind", int(it.kind), "err", err)
		default:
			return false, err
		}
	}
	if unread {
		return false, n.countUnread(ctx)
	}
	return false, nil
}

// takeItem takes one item. Rep repeats the other device's change; a write under
// own is a change of this device's.
func (n *Node) takeItem(rep, own context.Context, by identity.DeviceID, it item, now time.Time) error {
	switch it.kind {
	case ContactChange:
		return n.takeContact(rep, own, it)
	case WatcherChange:
		return n.takeWatcher(rep, own, it)
	case WatchChange:
		return n.takeWatch(rep, it, now)
	case MessageChange:
		return n.takeMessage(rep, it, now)
	case DeviceChange:
		return n.takeDevice(rep, own, by, it)
	case InviteChange:
		return n.takeInvite(rep, by, it)
	case SettingChange:
		return n.takeSetting(rep, own, it, now)
	}
	return badItem("kind %d", it.kind)
}

// person reads the key of an item about a person other than the owner.
func (n *Node) person(key string) (identity.Address, error) {
	who, err := identity.ParseAddress("im:" + key)
	if err != nil || who.String() != key || who == n.Address() {
		return who, badItem("not about a person")
	}
	return who, nil
}

// cardFor verifies the card of a person that an item has; zero if it is none. Key
// is that of their DNS domain, if the item has it.
func (n *Node) cardFor(who identity.Address, raw []byte, key ed25519.PublicKey) identity.SignedCard {
	if len(raw) == 0 {
		return identity.SignedCard{}
	}
	card, err := identity.ParseSignedCard(raw, func(domain string) ed25519.PublicKey {
		if held := n.domainKey(domain); held != nil || domain != who.Domain() {
			return held
		}
		return key
	})
	if err != nil || card.Card().Address != who {
		return identity.SignedCard{}
	}
	return card
}

// takeContact takes a contact as another device has it, all but their card, of
// which the newest is kept.
func (n *Node) takeContact(rep, own context.Context, it item) error {
	who, err := n.person(it.key)
	if err != nil {
		return err
	}
	if it.deleted {
		return n.dropContact(rep, own, who)
	}
	c, raw, ok := readContact(it.body)
	if !ok {
		return badItem("contact: %v", errSyntax)
	}
	c.Person = who
	card := n.cardFor(who, raw, c.Trust.Domain)
	n.mu.Lock()
	held := n.contacts[who]
	n.mu.Unlock()
	fresh, err := n.mergeContact(rep, own, &c, card)
	if err != nil {
		return err
	}
	if held != nil && held.Trust.Account != nil && !held.Trust.Account.Equal(c.Trust.Account) { // accepted there
		if err := n.restartWatch(own, who); err != nil {
			return err
		}
	}
	n.mu.Lock()
	ended := fresh && n.watches[who] != nil && n.watches[who].State == Terminated
	v := n.viewOf(who, time.Now())
	n.mu.Unlock()
	n.tell(Event{Kind: SawContact, View: &v})
	if ended { // added again there
		return n.watch(own, who, "")
	}
	return nil
}

// mergeContact writes a contact of another device. Fresh says that they were none
// here.
func (n *Node) mergeContact(rep, own context.Context, c *Contact, card identity.SignedCard) (fresh bool, err error) {
	if err := n.contactTurn.take(own); err != nil {
		return false, err
	}
	defer n.contactTurn.give()
	n.mu.Lock()
	held := n.contacts[c.Person]
	full := held == nil && len(n.contacts) >= MaxContacts
	n.mu.Unlock()
	if full {
		return false, badItem("there are %d contacts already", MaxContacts)
	}
	if held != nil {
		c.Card = held.Card
	}
	if newer(card, c.Card) {
		if _, agrees := c.Trust.judge(keysOf(card.Card())); agrees {
			c.Card = card
		}
	}
	c.pin()
	err = n.store.PutContact(rep, *c)
	if errors.Is(err, ErrNameTaken) {
		err = n.settleName(rep, own, c)
	}
	if err != nil {
		return false, err
	}
	n.mu.Lock()
	n.contacts[c.Person] = c
	n.notePins(c)
	n.noteOwner(c.Card)
	n.mu.Unlock()
	return held == nil, nil
}

// settleName finds another name for one of two people who were given the same
// one on two devices: both devices rename whoever was added later. The caller
// has the turn.
func (n *Node) settleName(rep, own context.Context, c *Contact) error {
	n.mu.Lock()
	var other *Contact
	for _, held := range n.contacts {
		if held.Person != c.Person && strings.EqualFold(held.Name, c.Name) {
			copied := *held
			other = &copied
		}
	}
	free := n.freeName(c.Name)
	n.mu.Unlock()
	if other == nil {
		return badItem("name taken by nobody")
	}
	a, b := other.Added.UnixMilli(), c.Added.UnixMilli()
	if b > a || b == a && c.Person.String() > other.Person.String() {
		c.Name = free
		return n.store.PutContact(own, *c)
	}
	other.Name = free
	if err := n.writeContact(own, *other); err != nil {
		return err
	}
	return n.store.PutContact(rep, *c)
}

// dropContact forgets a contact that was removed on another device, which told
// them.
func (n *Node) dropContact(rep, own context.Context, who identity.Address) error {
	if n.relation(who) != access.Contact {
		return n.forgetContact(rep, who)
	}
	v := View{Person: who, Name: n.Name(who)}
	if err := n.forgetContact(rep, who); err != nil {
		return err
	}
	n.tell(Event{Kind: SawContact, View: &v})
	return n.unwatch(own, who)
}

func (n *Node) takeWatcher(rep, own context.Context, it item) error {
	who, err := n.person(it.key)
	if err != nil {
		return err
	}
	w, raw, ok := readWatcher(it.body)
	if !ok || it.deleted {
		return badItem("watcher: %v", errSyntax)
	}
	w.Person = who
	card := n.cardFor(who, raw, nil)
	held := n.watcher(who)
	ctx := rep
	if held == nil {
		held = &Watcher{}
		n.mu.Lock()
		full := len(n.watchers) >= MaxContacts+MaxRequests
		n.mu.Unlock()
		if full {
			return badItem("there are too many watchers already")
		}
	}
	// What the owner decided stands, whichever device they did it on, over a
	// request that another one had not yet known to be decided.
	if held.ID == w.ID && held.decided() != w.decided() {
		if held.decided() {
			return nil
		}
		ctx = own
	}
	w.Card = held.Card
	if newer(card, w.Card) {
		w.Card = card
	}
	if held.ID == w.ID && held.State == w.State && held.Expires.After(w.Expires) {
		w.Expires = held.Expires
	}
	changed := held.ID != w.ID || held.State != w.State
	if err := n.store.PutWatcher(ctx, w); err != nil {
		return err
	}
	kind := SawWatcher
	if w.State == Pending {
		kind = SawRequest
	}
	n.mu.Lock()
	n.watchers[who] = &w
	n.noteOwner(w.Card)
	n.mu.Unlock()
	if changed {
		n.tell(Event{Kind: kind, Watcher: &w})
	}
	return nil
}

// decided says whether the owner has decided about a watcher's subscription.
func (w *Watcher) decided() bool {
	return w.State == Active || w.State == Terminated && w.Event != "timeout"
}

// takeWatch has this device watch whom another one does, by the same
// subscription.
func (n *Node) takeWatch(rep context.Context, it item, now time.Time) error {
	who, err := n.person(it.key)
	if err != nil {
		return err
	}
	if err := n.watchTurn.take(rep); err != nil {
		return err
	}
	defer n.watchTurn.give()
	if it.deleted {
		if err := n.store.RemoveWatch(rep, who); err != nil {
			return err
		}
		n.mu.Lock()
		delete(n.watches, who)
		n.mu.Unlock()
		wake(n.wakeWatch)
		return nil
	}
	given, ok := readWatch(it.body)
	if !ok {
		return badItem("watch: %v", errSyntax)
	}
	n.mu.Lock()
	w := n.watches[who]
	full := w == nil && len(n.watches) >= MaxContacts
	row := Watch{Person: who, ID: given.ID, State: given.State, Reason: given.Reason}
	if w != nil {
		row = w.Watch
		row.ID = given.ID
	}
	n.mu.Unlock()
	if full {
		return badItem("there are %d watches already", MaxContacts)
	}
	if err := n.store.PutWatch(rep, row); err != nil {
		return err
	}
	n.mu.Lock()
	fresh := w == nil
	if fresh {
		w = newWatching(row)
		n.watches[who] = w
	}
	if w.ID != row.ID && w.State != Terminated {
		w.former = w.ID
	}
	if (fresh || w.ID != row.ID) && row.State != Terminated {
		w.next, w.why = now, whyLooking
	}
	w.Watch = row
	n.mu.Unlock()
	wake(n.wakeWatch)
	return nil
}

// takeInvite takes an invitation. A device without the account key makes none: of
// what it has, only what became of those known here counts.
func (n *Node) takeInvite(rep context.Context, by identity.DeviceID, it item) error {
	i, ok := readInvite(it.body)
	raw, err := hex.DecodeString(it.key)
	if !ok || err != nil || len(raw) != len(i.Hash) || it.deleted {
		return badItem("invitation: %v", errSyntax)
	}
	copy(i.Hash[:], raw)
	n.mu.Lock()
	card := n.card.Card()
	n.mu.Unlock()
	if !administers(by, card) {
		all, err := n.store.Invites(rep)
		at := slices.IndexFunc(all, func(held Invite) bool { return held.Hash == i.Hash })
		if err != nil || at < 0 {
			return err // who made it has it
		}
		i.As, i.Made, i.Expires, i.Once = all[at].As, all[at].Made, all[at].Expires, all[at].Once
	}
	return n.store.PutInvite(rep, i)
}

// takeSetting takes what is the person's and not the device's.
func (n *Node) takeSetting(rep, own context.Context, it item, now time.Time) error {
	if it.deleted {
		return badItem("setting without value")
	}
	switch it.key {
	case keepCard:
		card, err := n.parseKept(it.body, now)
		if err != nil {
			return badItem("%v", err)
		}
		return n.takeOwnCard(own, card)
	case keepStatus:
		return n.takeStatus(rep, it.body)
	case keepEpoch:
		epoch, err := identity.ParseEpoch(it.body)
		if err != nil {
			return badItem("%v", err)
		}
		if err := n.store.PutSetting(rep, keepEpoch, it.body); err != nil {
			return err
		}
		n.mu.Lock()
		if n.out.epoch != epoch {
			n.out.epoch, n.out.changed = epoch, true
		}
		n.mu.Unlock()
		wake(n.wakePublish)
		return nil
	}
	return badItem("setting %.40q is not shared", it.key)
}

// takeStatus takes the status that the owner set on another device.
func (n *Node) takeStatus(rep context.Context, raw []byte) error {
	var mine Mine
	if err := json.Unmarshal(raw, &mine); err != nil {
		return badItem("status: %v", err)
	}
	if _, err := ParseShow(string(mine.Show)); err != nil || len(mine.Note) > maxNote {
		return badItem("status: %v", errSyntax)
	}
	if err := n.store.PutSetting(rep, keepStatus, raw); err != nil {
		return err
	}
	n.mu.Lock()
	changed := n.mine != mine
	if changed {
		n.mine, n.out.changed = mine, true
	}
	n.mu.Unlock()
	if changed {
		n.tell(Event{Kind: SawStatus})
		wake(n.wakePublish)
	}
	return nil
}
