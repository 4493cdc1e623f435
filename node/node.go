// Package node is RFC 2778 as a program: one person's presentity and instant
// inbox, and the watcher and sender that go with them, on one device.
//
// New loads a node's state, Run keeps it going until its context ends, and
// Goodbye tells the watchers that it will. Between them the node publishes
// its owner's presence, watches contacts, and sends and receives messages.
// It reaches the world through a Network and remembers through a Store; it
// knows neither libp2p nor SQL. There is one straight path each for
// presence out (publish.go) and in (watch.go), and for messages out (send.go)
// and in (receive.go).
package node

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/access"
)

// Bounds on the lease that a node gives with its presence.
const (
	DefaultLease  = 2 * time.Minute
	shortestLease = time.Second
	longestLease  = 24 * time.Hour
)

// Limits of a node (doc/spec/limits.md).
const (
	MaxContacts = 10000
	MaxRequests = 100 // strangers whose request waits for a decision
)

// Config is what a node is made of.
type Config struct {
	Keys    *identity.Keys
	Network Network
	Store   Store
	Rules   *access.Rules // nil means access.Default
	Lease   time.Duration // 0 means DefaultLease; from 1 s to 24 h, in whole seconds
	Thing   bool          // the owner is a device or a program: its documents have no person
	Log     *slog.Logger  // nil is silent

	// Card is the owner's card that Join gave, for the first New on a new device;
	// zero: what the store has.
	Card identity.SignedCard
}

// Node is one device of one person. Its methods are safe for concurrent use.
type Node struct {
	keys  *identity.Keys
	net   Network
	store Store
	rules *access.Rules
	lease time.Duration
	thing bool
	log   *slog.Logger

	journal journal
	gate    gate
	workers sync.WaitGroup // started by Run's loops; waited for by Run

	contactTurn turn // whoever changes a contact has it
	watchTurn   turn // whoever changes a watch has it, and no other turn beside it

	wakeAnnounce, wakePublish, wakeNotify, wakeWatch, wakeSend, wakeSync chan struct{} // size 1

	rosterTurn turn          // whoever changes the row of a device has it
	caughtUp   chan struct{} // closed once the owner's other devices were asked for news, or there are none

	mu        sync.Mutex // guards all below; held for memory only
	card      identity.SignedCard
	mine      Mine
	out       audience // of contacts; the only one with documents
	contacts  map[identity.Address]*Contact
	watchers  map[identity.Address]*Watcher
	owed      map[identity.Address]*owing
	watches   map[identity.Address]*watching
	epochs    map[string]identity.Address // whose documents an epoch's KEK id opens
	outbox    map[identity.Address]*outgoing
	unread    map[identity.Address]int
	owners    map[identity.DeviceID]identity.Address   // of devices in cards known
	domains   map[string]ed25519.PublicKey             // keys of DNS domains held to
	heard     map[string]time.Time                     // when the zone of a domain said its key, in this run
	refreshed map[identity.Address]time.Time           // when a newer card was last looked for
	rechecked map[identity.Address]time.Time           // when the keys of a contact not found were last asked for
	errands   errands                                  // for strangers
	logged    map[string]bool                          // what is to be logged once
	deferred  map[identity.Address]identity.Invitation // those that wait for a card
	recovered bool                                     // this home was made of the account key alone; set by New
	anew      bool                                     // it was, or of a backup, and does not know yet what came after that
	leaving   bool                                     // Goodbye was said
	own       roster                                   // the owner's devices
	linking   *offer                                   // to link a device; nil if there is none
	told      map[identity.DeviceID]identity.Reach     // of contacts' devices, newer than their cards
	met       map[identity.DeviceID][32]byte           // who knows by which certificate we sign
}

// New loads a node's state from its store and starts a new boot of it. The
// network may already call the node when New returns; nothing is sent before
// Run.
func New(ctx context.Context, cfg Config) (*Node, error) {
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.Lease < shortestLease || cfg.Lease > longestLease || cfg.Lease%time.Second != 0 {
		return nil, fmt.Errorf("lease of %v: want whole seconds from %v to %v", cfg.Lease, shortestLease, longestLease)
	}
	if cfg.Rules == nil {
		rules, err := access.Parse(access.Default)
		if err != nil {
			return nil, fmt.Errorf("default rules: %w", err)
		}
		cfg.Rules = rules
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		keys: cfg.Keys, net: cfg.Network, rules: cfg.Rules,
		lease: cfg.Lease, thing: cfg.Thing, log: cfg.Log,
		wakeAnnounce: make(chan struct{}, 1), wakePublish: make(chan struct{}, 1), wakeNotify: make(chan struct{}, 1),
		wakeWatch: make(chan struct{}, 1), wakeSend: make(chan struct{}, 1), wakeSync: make(chan struct{}, 1),
		rosterTurn: make(turn, 1), caughtUp: make(chan struct{}),
		contacts: make(map[identity.Address]*Contact), watchers: make(map[identity.Address]*Watcher),
		owed: make(map[identity.Address]*owing), watches: make(map[identity.Address]*watching),
		epochs: make(map[string]identity.Address), outbox: make(map[identity.Address]*outgoing),
		owners: make(map[identity.DeviceID]identity.Address), domains: make(map[string]ed25519.PublicKey), heard: make(map[string]time.Time),
		refreshed: make(map[identity.Address]time.Time), rechecked: make(map[identity.Address]time.Time),
		logged: make(map[string]bool), contactTurn: make(turn, 1), watchTurn: make(turn, 1),
		deferred: make(map[identity.Address]identity.Invitation), own: newRoster(),
		told: make(map[identity.DeviceID]identity.Reach), met: make(map[identity.DeviceID][32]byte),
	}
	n.store = ringing{cfg.Store, n.wakeSync}
	if err := n.load(ctx, cfg.Card); err != nil {
		return nil, err
	}
	return n, nil
}

// eventBits are those of an event's ID that count the events of one start: four
// million. Boots of a restored home are Unix times, and JSON readers know
// integers up to 2^53 only.
const eventBits = 22

// Names of counters and settings in the store.
const (
	countBoot   = "boot"
	countCard   = "card"
	countSerial = "standing"
	keepStatus  = "status"
	keepEpoch   = "epoch contacts"
)

func (n *Node) load(ctx context.Context, card identity.SignedCard) error {
	boot, err := n.store.Count(ctx, countBoot, 1)
	if err != nil {
		return fmt.Errorf("count this start: %w", err)
	}
	n.journal.startAt(boot << eventBits)
	n.out.version.Boot = boot
	if err := n.loadDevices(ctx, card); err != nil {
		return err
	}
	if err := n.loadOwn(ctx); err != nil {
		return err
	}
	contacts, err := n.store.Contacts(ctx)
	if err != nil {
		return fmt.Errorf("load contacts: %w", err)
	}
	for _, c := range contacts {
		c.pin() // those of old have a card and no pins
		n.contacts[c.Person] = &c
		n.notePins(&c)
		n.noteOwner(c.Card)
	}
	watchers, err := n.store.Watchers(ctx)
	if err != nil {
		return fmt.Errorf("load watchers: %w", err)
	}
	for _, w := range watchers {
		n.watchers[w.Person] = &w
		n.noteOwner(w.Card)
	}
	if err := n.loadInvites(ctx); err != nil {
		return err
	}
	if err := n.loadWatches(ctx); err != nil {
		return err
	}
	return n.loadOutbox(ctx)
}

// loadOwn loads the owner's status and the key of the contacts audience.
func (n *Node) loadOwn(ctx context.Context) error {
	raw, err := n.store.Setting(ctx, keepStatus)
	if err != nil {
		return fmt.Errorf("load status: %w", err)
	}
	n.mine = Mine{Show: Open, Since: time.Now()}
	if raw != nil {
		if err := json.Unmarshal(raw, &n.mine); err != nil {
			return fmt.Errorf("load status: %w", err)
		}
	}
	key, err := n.store.Setting(ctx, keepEpoch)
	if err != nil {
		return fmt.Errorf("load audience key: %w", err)
	}
	if key == nil && !n.own.ready {
		return nil // the owner's other devices have it
	}
	if key == nil {
		n.out.epoch = identity.NewEpoch()
		return n.store.PutSetting(ctx, keepEpoch, n.out.epoch.Bytes())
	}
	if n.out.epoch, err = identity.ParseEpoch(key); err != nil {
		return fmt.Errorf("load audience key: %w", err)
	}
	return nil
}

// Run keeps the node going until ctx ends: it announces, publishes, watches
// and sends. It returns when all its goroutines have, without a goodbye.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.lookBack(ctx)
	for _, loop := range []func(context.Context){n.announceLoop, n.publishLoop, n.notifyLoop, n.watchLoop, n.sendLoop, n.trustLoop, n.syncLoop, n.keepLoop} {
		n.workers.Go(func() { loop(ctx) }) // ends with ctx
	}
	<-ctx.Done()
	n.workers.Wait()
	return nil
}

// Address returns the address of the node's owner.
func (n *Node) Address() identity.Address { return n.keys.Address() }

// Device returns the name of this device.
func (n *Node) Device() identity.DeviceID { return n.keys.Device() }

// Invitation returns what another person needs to find the owner: the
// address, and how this device can be reached now.
func (n *Node) Invitation() identity.Invitation {
	_, brief := n.net.Reach()
	return identity.Invitation{Address: n.Address(), Reach: brief}
}

// wake rings a loop's bell; a bell that rings already is enough.
func wake(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// pause waits until a moment, a bell or the end of ctx. A zero moment never
// comes. It says whether ctx still runs.
func pause(ctx context.Context, until time.Time, bell <-chan struct{}) bool {
	var due <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-due:
	case <-bell:
	}
	return ctx.Err() == nil
}

// sooner returns the earlier of two moments, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
