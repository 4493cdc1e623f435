package node

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
)

// Presence out: SetStatus or a change of heart of the program → publishDocument
// → signDocument → spread. Between changes, publishLease.

const (
	leasesPerTerm = 3                // a lease is renewed when a third of it has run
	documentGap   = time.Second      // between two documents; faster changes are merged
	spreadTimeout = 20 * time.Second // for handing one publication to everybody
)

// Mine is the owner's own status.
type Mine struct {
	Show  Show      `json:"show"`
	Note  string    `json:"note,omitempty"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // when it turns back to open; zero is never
}

// audience is a set of watchers with equal permissions: one key, one topic, one
// document (doc/spec/publication.md section 1).
type audience struct {
	epoch    identity.Epoch
	reserved uint64          // last sequence number given to a document
	version  Version         // of document; Seq is 0 before the first
	document identity.Signed // as signed; zero before the first
	digest   [32]byte        // of the octets signed
	length   time.Duration   // of its lease; 0 on a goodbye
	count    uint64          // leases given on it
	signed   time.Time       // when it, or the newest lease, was signed
	changed  bool            // the status is not yet in document
}

// Status returns the owner's own status.
func (n *Node) Status() Mine {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mine
}

// SetStatus changes the owner's status and publishes it. The note is at most
// 256 octets. A status with an end turns back to open by itself.
func (n *Node) SetStatus(ctx context.Context, show Show, note string, until time.Time) error {
	if _, err := ParseShow(string(show)); err != nil {
		return err
	}
	note = strings.TrimSpace(note)
	if len(note) > maxNote {
		return badInput("note of %d octets: at most %d fit", len(note), maxNote)
	}
	now := time.Now()
	if !until.IsZero() && !until.After(now) {
		return badInput("the end of the status, %s, is in the past", until.Format(time.RFC3339))
	}
	mine := Mine{Show: show, Note: note, Since: n.nextSince(now), Until: until}
	raw, err := json.Marshal(mine)
	if err != nil {
		return fmt.Errorf("keep status: %w", err)
	}
	if err := n.store.PutSetting(ctx, keepStatus, raw); err != nil {
		return fmt.Errorf("keep status: %w", err)
	}
	n.mu.Lock()
	n.mine, n.out.changed = mine, true
	n.mu.Unlock()
	wake(n.wakePublish)
	return nil
}

// nextSince is the timestamp of a change of status: now, in milliseconds, and
// later than that of the change before it (RFC 3863 section 4.1.7), unless the
// clock was set back by more than a moment.
func (n *Node) nextSince(now time.Time) time.Time {
	now = now.Truncate(time.Millisecond)
	if last := n.Status().Since; !last.Before(now) && last.Sub(now) < time.Second {
		return last.Add(time.Millisecond)
	}
	return now
}

// publishLoop publishes a document at the start and on every change, and leases
// between.
func (n *Node) publishLoop(ctx context.Context) {
	if !n.awaitNews(ctx) {
		return
	}
	for {
		if err := n.publishDue(ctx, time.Now()); err != nil && ctx.Err() == nil {
			n.log.Error("presence not published", "err", err)
		}
		if !pause(ctx, n.nextPublish(time.Now()), n.wakePublish) {
			return
		}
	}
}

// nextPublish is when publishDue has something to do, if nothing wakes it.
func (n *Node) nextPublish(now time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.leaving || !n.publishes():
		return time.Time{}
	case n.out.document.IsZero():
		return now.Add(documentGap) // signing failed: try again
	case n.out.changed:
		return n.out.signed.Add(documentGap)
	}
	next := n.mine.Until
	if n.out.length > 0 {
		next = sooner(next, n.out.signed.Add(n.out.length/leasesPerTerm))
	}
	return next
}

// publishes says whether this device publishes at all: not when it was revoked,
// nor without the key of the audience, which another device of the owner's has,
// nor if it is not certified for that. The caller holds n.mu.
func (n *Node) publishes() bool {
	return !n.own.revoked && !n.out.epoch.IsZero() && n.keys.DeviceCard(nil).Scopes().Has(identity.ScopePublish)
}

// publishDue publishes what is due at now: a document or a lease.
func (n *Node) publishDue(ctx context.Context, now time.Time) error {
	n.mu.Lock()
	ended := !n.mine.Until.IsZero() && !now.Before(n.mine.Until)
	leaving := n.leaving || !n.publishes()
	fresh := n.out.document.IsZero() || n.out.changed && !now.Before(n.out.signed.Add(documentGap))
	due := n.out.length > 0 && !n.out.changed && !now.Before(n.out.signed.Add(n.out.length/leasesPerTerm))
	n.mu.Unlock()
	switch {
	case leaving:
		return nil
	case ended:
		return n.SetStatus(ctx, Open, "", time.Time{})
	case fresh:
		return n.publishDocument(ctx, now)
	case due:
		return n.publishLease(ctx, now)
	}
	return nil
}

// publishDocument makes the owner's status a new document and spreads it.
func (n *Node) publishDocument(ctx context.Context, now time.Time) error {
	n.mu.Lock()
	mine, length := n.mine, n.lease
	n.out.changed = false
	n.mu.Unlock()
	if mine.Show == Invisible {
		mine, length = farewell(now), 0
	}
	out, err := n.newDocument(mine, length, now)
	if err != nil {
		return err
	}
	n.log.Debug("presence", "show", mine.Show, "version", out.version)
	return n.spread(ctx, now, out.document)
}

// farewell is the status in a goodbye: closed, from now on.
func farewell(now time.Time) Mine {
	return Mine{Show: Closed, Since: now.Truncate(time.Millisecond)}
}

// newDocument signs a status as the next document and makes it the current
// one, unless a later one was made or the audience's key replaced meanwhile.
func (n *Node) newDocument(mine Mine, length time.Duration, now time.Time) (audience, error) {
	n.mu.Lock()
	n.out.reserved++
	out := n.out
	n.mu.Unlock()
	out.version.Seq = out.reserved
	out.length, out.count, out.signed = length, 0, now
	if err := n.signDocument(&out, mine, now); err != nil {
		return audience{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.out.version.Less(out.version) && n.out.epoch == out.epoch {
		out.reserved, out.changed = n.out.reserved, n.out.changed
		n.out = out
	}
	return out, nil
}

// signDocument writes and signs the document of an audience (doc/spec/publication.md).
func (n *Node) signDocument(out *audience, mine Mine, now time.Time) error {
	xml, err := writeDocument(n.Address(), n.Device(), mine, n.thing, n.own.tuples)
	if err != nil {
		return fmt.Errorf("write presence document: %w", err)
	}
	e := identity.Entity{Type: typePresence, Fields: publicationFields(out), Body: xml}
	raw, err := e.Marshal()
	if err != nil {
		return fmt.Errorf("write presence document: %w", err)
	}
	out.digest = sha256.Sum256(raw)
	out.document, err = n.keys.Sign(e, false, now)
	if err != nil {
		return fmt.Errorf("sign presence document: %w", err)
	}
	return nil
}

// Names of the MIME header fields of a signed presence document.
const (
	fieldAudience = "Kith-Audience"
	fieldVersion  = "Kith-Version"
	fieldLease    = "Kith-Lease"
)

func publicationFields(out *audience) []identity.Field {
	id := out.epoch.Audience()
	return []identity.Field{
		{Name: fieldAudience, Value: base64.RawURLEncoding.EncodeToString(id[:])},
		{Name: fieldVersion, Value: fmt.Sprintf("%d.%d", out.version.Boot, out.version.Seq)},
		{Name: fieldLease, Value: strconv.Itoa(int(out.length / time.Second))},
	}
}

// publishLease signs a lease on the current document and spreads it.
func (n *Node) publishLease(ctx context.Context, now time.Time) error {
	n.mu.Lock()
	n.out.count++
	n.out.signed = now
	out := n.out
	n.mu.Unlock()
	body, err := lease{
		audience: out.epoch.Audience(), version: out.version, count: out.count,
		duration: out.length, digest: out.digest,
	}.marshal()
	if err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	signed, err := n.keys.Sign(identity.Entity{Type: typeLease, Body: body}, false, now)
	if err != nil {
		return fmt.Errorf("sign lease: %w", err)
	}
	return n.spread(ctx, now, signed)
}

// spread seals a signed object to the audience and hands it to the network,
// without waiting for slow watchers: an older publication that arrives after a
// newer one is ignored there.
func (n *Node) spread(ctx context.Context, now time.Time, signed identity.Signed) error {
	n.mu.Lock()
	epoch := n.out.epoch
	to := n.watcherReaches(now, nil)
	n.mu.Unlock()
	sealed, err := epoch.Seal(signed)
	if err != nil {
		return fmt.Errorf("seal publication: %w", err)
	}
	n.workers.Go(func() { // ends within spreadTimeout or with ctx
		n.handOut(ctx, topicsAt(epoch, now), sealed, to)
	})
	return nil
}

// handOut gives a publication to each topic, and with the first one directly
// to those who do not listen yet.
func (n *Node) handOut(ctx context.Context, topics []string, sealed identity.Sealed, to []identity.Reach) {
	ctx, cancel := context.WithTimeout(ctx, spreadTimeout)
	defer cancel()
	for i, topic := range topics {
		if i > 0 {
			to = nil
		}
		if _, err := n.net.Publish(ctx, topic, sealed, to); err != nil && ctx.Err() == nil {
			n.log.Warn("publication not handed out", "err", err)
		}
	}
}

// topicsAt names the topics of an epoch at now: today's, and for an hour each
// side of midnight UTC the neighbouring day's too, so that clocks may differ.
func topicsAt(epoch identity.Epoch, now time.Time) []string {
	before, after := epoch.Topic(now.Add(-time.Hour)), epoch.Topic(now.Add(time.Hour))
	if before == after {
		return []string{after}
	}
	return []string{before, after}
}

// watcherReaches lists the devices of those who watch the owner at now and
// whom keep, unless nil, keeps. The caller holds n.mu.
func (n *Node) watcherReaches(now time.Time, keep func(identity.Address) bool) []identity.Reach {
	var to []identity.Reach
	for who, w := range n.watchers {
		card := n.newestCard(who).Card()
		if w.State != Active || !now.Before(w.Expires) || card == nil || keep != nil && !keep(who) {
			continue
		}
		for _, d := range card.Devices {
			to = append(to, n.reachesTo(d)...)
		}
	}
	return to
}

// Goodbye publishes the signed closed document that tells watchers at once
// what they would otherwise learn when the lease ends. It hands the document to
// every watcher who may be there and waits until they took it; the error is
// ctx's, if it ends first. Nothing is published after a goodbye.
func (n *Node) Goodbye(ctx context.Context) error {
	n.mu.Lock()
	if n.leaving || !n.publishes() {
		n.leaving = true
		n.mu.Unlock()
		return nil
	}
	n.leaving = true
	n.mu.Unlock()
	now := time.Now()
	out, err := n.newDocument(farewell(now), 0, now)
	if err != nil {
		return err
	}
	sealed, err := out.epoch.Seal(out.document)
	if err != nil {
		return fmt.Errorf("seal goodbye: %w", err)
	}
	n.mu.Lock()
	there := n.watcherReaches(now, func(who identity.Address) bool {
		w := n.watches[who]
		return w == nil || w.State != Active || n.viewOf(who, now).Liveness != Gone
	})
	n.mu.Unlock()
	n.handOut(ctx, topicsAt(out.epoch, now), sealed, nil)
	if _, err := n.net.Push(ctx, sealed, there); err != nil {
		return fmt.Errorf("say goodbye: %w", err)
	}
	return ctx.Err()
}
