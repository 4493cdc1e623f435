package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
)

// Presence in: Hear (or an answer to our subscribe, or a notify) → open →
// takeDocument or takeLease → store → tell. What to hear is settled by
// subscribing, in subscribe.go.

// signingWindow is how far the signing-time of a publication heard without
// being asked for may be from our clock to count as a sign of life. Beyond it
// the document is shown, but its author is asked before it counts as live.
const signingWindow = 5 * time.Minute

// watching is a watch and what goes on about it.
type watching struct {
	Watch
	note     string    // greeting in the request
	next     time.Time // when to ask again; zero is not by itself
	failures int       // of asking, in a row
	asking   bool
	ending   bool     // to be told that we watch no longer
	afresh   bool     // to start over when what is asked now has ended
	why      string   // why nothing is known yet, for people
	topics   []string // listened to
	devices  map[identity.DeviceID]*shown
	former   SubscriptID // a subscription of this device that another device's replaces, to be ended; zero: none
	asked    map[identity.DeviceID]*asked
	serials  map[identity.DeviceID]uint64 // of the newest standing of each device in this run
	left     map[[16]byte]bool            // audiences whose key was replaced in this run
	told     View                         // the last one told as an event
}

// shown is the newest document of one device of a contact.
type shown struct {
	version  Version
	audience [16]byte
	digest   [32]byte // of the octets signed
	signed   identity.Signed
	face
}

// publication is a presence document opened and read, not yet believed.
type publication struct {
	*identity.Opened
	audience [16]byte
	version  Version
	length   time.Duration
	face     face
}

// Hear takes a publication from a topic or from its publisher's hands. Fresh
// means that others may want it. An error means that it cannot come from an
// honest device. The network calls it for everything it hears.
func (n *Node) Hear(ctx context.Context, from string, s identity.Sealed) (fresh bool, err error) {
	n.mu.Lock()
	who, ok := n.epochs[string(s.KEKID())]
	var epoch identity.Epoch
	if w := n.watches[who]; ok && w != nil && w.State == Active && !n.own.revoked {
		epoch = w.Epoch
	}
	n.mu.Unlock()
	if epoch.IsZero() {
		return false, nil
	}
	now := time.Now()
	o, err := epoch.Open(s, n.known(), now)
	switch {
	case errors.Is(err, identity.ErrUnknownSigner), errors.Is(err, identity.ErrUnlisted):
		n.askSoon(who) // a device that is newer than our card
		return false, nil
	case err != nil:
		return false, err
	case o.From != who:
		return false, fmt.Errorf("publication of %s in the audience of %s", o.From.Short(), who.Short())
	}
	switch o.Entity.Type {
	case typePresence:
		return n.takeDocument(ctx, who, o, nil, now)
	case typeLease:
		return n.takeLease(who, o, now)
	}
	return false, fmt.Errorf("publication of type %q", o.Entity.Type)
}

// readPublication reads what a signed presence document says. It must be
// about the person who signed it (RFC 3863 section 3.2, RFC 2779 5.2.4).
func readPublication(o *identity.Opened) (*publication, error) {
	p := &publication{Opened: o}
	id, err := base64.RawURLEncoding.Strict().DecodeString(o.Entity.Field(fieldAudience))
	if err != nil || len(id) != len(p.audience) {
		return nil, fmt.Errorf("%s: %w", fieldAudience, errSyntax)
	}
	copy(p.audience[:], id)
	if p.version, err = parseVersion(o.Entity.Field(fieldVersion)); err != nil {
		return nil, fmt.Errorf("%s: %w", fieldVersion, err)
	}
	seconds, err := strconv.ParseUint(o.Entity.Field(fieldLease), 10, 32)
	if err != nil || seconds > uint64(longestLease/time.Second) {
		return nil, fmt.Errorf("%s: %w", fieldLease, errSyntax)
	}
	p.length = time.Duration(seconds) * time.Second
	entity, face, err := readDocument(o.Entity.Body, o.Tuples)
	if err != nil {
		return nil, err
	}
	if entity != o.From {
		return nil, fmt.Errorf("document about %s signed by %s", entity.Short(), o.From.Short())
	}
	p.face = face
	return p, nil
}

func parseVersion(s string) (Version, error) {
	boot, seq, ok := strings.Cut(s, ".")
	b, err1 := strconv.ParseUint(boot, 10, 63)
	q, err2 := strconv.ParseUint(seq, 10, 63)
	v := Version{Boot: b, Seq: q}
	if !ok || err1 != nil || err2 != nil || b == 0 || q == 0 || fmt.Sprintf("%d.%d", b, q) != s {
		return Version{}, errSyntax
	}
	return v, nil
}

// takeDocument believes a document that is newer than what is held, on disk
// first. A grant comes with a document asked for: then it speaks of now, even
// if it is the one already held.
func (n *Node) takeDocument(ctx context.Context, who identity.Address, o *identity.Opened, g *grant, now time.Time) (fresh bool, err error) {
	p, err := readPublication(o)
	if err != nil {
		return false, err
	}
	n.mu.Lock()
	w := n.watches[who]
	if w == nil || p.audience != w.Epoch.Audience() {
		n.mu.Unlock()
		return false, nil
	}
	old := w.devices[o.Device]
	n.mu.Unlock()
	if old != nil && old.audience == p.audience && !old.version.Less(p.version) {
		if g != nil && old.version == p.version && old.digest == o.Digest {
			n.confirm(who, old, g, now)
		}
		return false, nil
	}
	err = n.store.PutPublication(ctx, Publication{
		Person: who, Device: o.Device, Audience: p.audience, Version: p.version, Signed: o.Signed, Heard: now,
	})
	if errors.Is(err, ErrOldVersion) {
		return false, nil
	}
	if err != nil {
		n.log.Error("publication not kept", "err", err)
		return false, nil
	}
	held := &shown{version: p.version, audience: p.audience, digest: o.Digest, signed: o.Signed, face: p.face}
	held.hold = hold{heard: now, length: p.length, confirmed: g != nil || near(o.Time, now)}
	if g != nil {
		held.hold = grantHold(g, p.length, now)
	}
	n.mu.Lock()
	if cur := w.devices[o.Device]; cur == nil || cur.audience != p.audience || cur.version.Less(p.version) {
		w.devices[o.Device] = held
	}
	n.mu.Unlock()
	if !held.hold.confirmed {
		n.askSoon(who)
	}
	n.viewChanged(who, now)
	return true, nil
}

// near says whether a signing-time may be now.
func near(signed, now time.Time) bool {
	return signed.After(now.Add(-signingWindow)) && signed.Before(now.Add(signingWindow))
}

// grantHold is the hold on a document that its author vouched for at now: what
// is left of the lease, out of a full one.
func grantHold(g *grant, length time.Duration, now time.Time) hold {
	left := min(g.lease, length)
	return hold{heard: now.Add(left - length), length: length, count: g.count, confirmed: true}
}

// confirm renews the hold on a document that its author just vouched for.
func (n *Node) confirm(who identity.Address, s *shown, g *grant, now time.Time) {
	n.mu.Lock()
	fresh := grantHold(g, s.hold.length, now)
	if s.hold.count <= fresh.count {
		s.hold = fresh
	}
	n.mu.Unlock()
	n.viewChanged(who, now)
}

// takeLease renews the hold on the current document of a device. A lease on a
// document not held means that one was missed.
func (n *Node) takeLease(who identity.Address, o *identity.Opened, now time.Time) (fresh bool, err error) {
	l, err := parseLease(o.Entity.Body)
	if err != nil {
		return false, err
	}
	if l.duration < shortestLease || l.duration > longestLease {
		return false, fmt.Errorf("lease of %v", l.duration)
	}
	n.mu.Lock()
	w := n.watches[who]
	if w == nil || l.audience != w.Epoch.Audience() {
		n.mu.Unlock()
		return false, nil
	}
	s := w.devices[o.Device]
	missed := s == nil || s.audience != l.audience || s.version.Less(l.version)
	current := !missed && s.version == l.version && s.digest == l.digest && l.count > s.hold.count
	if current && near(o.Time, now) && s.hold.confirmed {
		s.hold = hold{heard: now, length: l.duration, count: l.count, confirmed: true}
	} else if current {
		missed = true // after a restart, or with a clock far off: ask before believing
	}
	n.mu.Unlock()
	if missed {
		n.askSoon(who)
	}
	if current {
		n.viewChanged(who, now)
	}
	return current, nil
}

// viewChanged tells of a contact's view if it differs from the last one told,
// and has messages go out that waited for the contact to be live.
func (n *Node) viewChanged(who identity.Address, now time.Time) {
	n.mu.Lock()
	w := n.watches[who]
	if w == nil {
		n.mu.Unlock()
		return
	}
	v := n.viewOf(who, now)
	old := w.told
	changed := v.Show != old.Show || v.Note != old.Note || v.Liveness != old.Liveness || !v.Since.Equal(old.Since)
	if changed {
		w.told = v
	}
	n.mu.Unlock()
	if !changed {
		return
	}
	n.tell(Event{Kind: SawPresence, View: &v})
	if v.Liveness == Live && old.Liveness != Live {
		n.hurry(who)
	}
	wake(n.wakeWatch)
}

// composeView composes the view of a person of their documents. The caller holds n.mu.
func (n *Node) composeView(who identity.Address, now time.Time) View {
	v := View{Person: who, Name: n.nameOf(who), Liveness: UnknownLive, Unread: n.unread[who]}
	w := n.watches[who]
	if w == nil {
		return v
	}
	v.Watch, v.Reason = w.State, w.why
	if w.State == Terminated {
		v.Reason = w.Reason
		return v
	}
	card := n.newestCard(who).Card()
	var faces []face
	for id, s := range w.devices {
		if s.audience != w.Epoch.Audience() || card != nil && card.Admits(id) != nil {
			continue
		}
		faces = append(faces, s.face)
		v.Devices = append(v.Devices, DeviceView{
			ID: id, Show: s.show, Note: s.note, Since: s.since, Liveness: s.hold.liveness(now), Heard: s.hold.heard,
		})
	}
	slices.SortFunc(v.Devices, func(a, b DeviceView) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	if f, ok := compose(faces, now); ok {
		v.Show, v.Note, v.Since = f.show, f.note, f.since
		v.Liveness, v.Heard, v.Until = f.hold.liveness(now), f.hold.heard, f.hold.until()
	}
	if v.Liveness == Live {
		v.Reason = ""
	}
	return v
}

// View returns what is seen of a contact now.
func (n *Node) View(who identity.Address) (View, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.contacts[who] == nil {
		return View{}, ErrNotFound
	}
	return n.viewOf(who, time.Now()), nil
}

// Contacts returns what is seen of all contacts now, by name.
func (n *Node) Contacts() []View {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	list := make([]View, 0, len(n.contacts))
	for who := range n.contacts {
		list = append(list, n.viewOf(who, now))
	}
	slices.SortFunc(list, func(a, b View) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return list
}
