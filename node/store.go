package node

import (
	"context"
	"time"

	"github.com/kith-im/kith/identity"
)

// Store is the node's memory. What a method was given is on disk when it
// returns nil, and survives the death of the process at any later moment.
// Package node/store has the real one; package node/store/storetest says what
// any store must do. All methods are safe for concurrent use.
type Store interface {
	ContactStore
	WatcherStore
	WatchStore
	MessageStore
	SettingStore
}

// ContactStore keeps the people its owner added.
type ContactStore interface {
	// PutContact writes one contact whole. It returns ErrNameTaken if another
	// person has its name, compared without case.
	PutContact(ctx context.Context, c Contact) error
	// RemoveContact forgets a contact; messages stay.
	RemoveContact(ctx context.Context, who identity.Address) error
	// Contacts returns all contacts, by name.
	Contacts(ctx context.Context) ([]Contact, error)
}

// WatcherStore keeps the table of who watches this node's person (RFC 3857).
type WatcherStore interface {
	// PutWatcher writes the row of w.Person whole.
	PutWatcher(ctx context.Context, w Watcher) error
	// Watchers returns all rows, oldest first.
	Watchers(ctx context.Context) ([]Watcher, error)
}

// WatchStore keeps whom this node watches and the newest verified
// publications of each of their devices.
type WatchStore interface {
	// PutWatch writes the row of w.Person whole.
	PutWatch(ctx context.Context, w Watch) error
	// RemoveWatch forgets the row; publications stay, and with them the
	// versions that reject replays.
	RemoveWatch(ctx context.Context, who identity.Address) error
	// Watches returns all rows.
	Watches(ctx context.Context) ([]Watch, error)
	// PutPublication writes the newest publication of one device to one
	// audience. It refuses, with ErrOldVersion, a version that does not rise.
	PutPublication(ctx context.Context, p Publication) error
	// Publications returns the newest one of each person, device and audience.
	Publications(ctx context.Context) ([]Publication, error)
}

// MessageStore keeps inbox, outbox and history, which are one table, and
// the duplicate table, which outlives what the owner deletes.
type MessageStore interface {
	// Deliver writes an incoming message and its row in the duplicate table
	// in one transaction. A message already there is not written again:
	// Duplicate for the same digest, Conflict for another one. The row's
	// ID is returned with First.
	Deliver(ctx context.Context, m Message) (Delivery, int64, error)
	// Enqueue writes an outgoing message before its first try and returns its ID.
	Enqueue(ctx context.Context, m Message) (int64, error)
	// Settle updates status, reason, tries, next try and the time it was
	// settled of an outgoing message.
	Settle(ctx context.Context, m Message) error
	// Queued returns the outgoing messages not yet settled, oldest first.
	Queued(ctx context.Context) ([]Message, error)
	// Message returns one message; ErrNotFound if there is none.
	Message(ctx context.Context, id int64) (Message, error)
	// History returns messages by ID, ascending: the newest limit of those
	// that match.
	History(ctx context.Context, q Query, limit int) ([]Message, error)
	// MarkRead marks incoming messages up to and including an ID as read.
	MarkRead(ctx context.Context, upTo int64) error
}

// SettingStore keeps counters and small values.
type SettingStore interface {
	// Count raises a named counter to the larger of its value plus one and
	// atLeast, and returns it.
	Count(ctx context.Context, name string, atLeast uint64) (uint64, error)
	// Setting returns a named value, nil if there is none.
	Setting(ctx context.Context, name string) ([]byte, error)
	// PutSetting writes a named value of at most 64 KiB.
	PutSetting(ctx context.Context, name string, value []byte) error
}

// Contact is a person whom the owner added or approved.
type Contact struct {
	Person identity.Address
	Name   string // the owner's own name for them (petname), unique
	Added  time.Time
	Card   identity.SignedCard // newest one seen; may be zero
	Hint   identity.Reach      // from an invitation; may be empty
}

// State is the state of a subscription (RFC 3857 section 4.7.1).
type State int

// The states.
const (
	Pending    State = iota + 1 // asked, not decided
	Active                      // approved; documents flow
	Waiting                     // lapsed before a decision
	Terminated                  // ended or denied
)

// SubscriptID names one subscription; the watcher makes it (RFC 3859 section 3.4.1).
type SubscriptID [16]byte

// Watcher is one row of the presentity's table.
type Watcher struct {
	Person  identity.Address
	ID      SubscriptID
	State   State
	Event   string // why it is so (RFC 3857 section 4.7.1): subscribe, approved, rejected, timeout, deactivated, ...
	Since   time.Time
	Expires time.Time
	Card    identity.SignedCard // how to reach them
	Note    string              // greeting of a stranger, at most 256 octets
}

// Watch is one row of the watcher's own table.
type Watch struct {
	Person    identity.Address
	ID        SubscriptID
	State     State
	Reason    string // of a termination
	Expires   time.Time
	Epoch     identity.Epoch // key of the audience granted; zero while pending
	Serial    uint64         // of the grant; an older grant is refused
	Confirmed time.Time      // when the presentity last answered
}

// Version orders the publications of one device to one audience.
type Version struct {
	Boot uint64 // how many times the device's node has started
	Seq  uint64 // publications since, from 1
}

// Less says whether v is older than w.
func (v Version) Less(w Version) bool {
	return v.Boot < w.Boot || v.Boot == w.Boot && v.Seq < w.Seq
}

// Publication is a verified presence document as received.
type Publication struct {
	Person   identity.Address
	Device   identity.DeviceID
	Audience [16]byte
	Version  Version
	Signed   identity.Signed // the object as its device signed it
	Heard    time.Time
}

// Message is one instant message, in or out.
type Message struct {
	ID          int64 // local and rising; a cursor
	Out         bool
	Person      identity.Address // the other side
	MessageID   string           // imdn.Message-ID (RFC 5438)
	Sent        time.Time        // DateTime (RFC 3862 section 4.4)
	Stored      time.Time
	Signed      identity.Signed // the object as its sender's device signed it
	Digest      [32]byte        // SHA-256 of the octets signed
	ContentType string
	Text        string // what a person reads; empty for content that is not text
	Status      Status
	Reason      string    // of a refusal or of giving up
	Tries       int       // outgoing only, as are the following
	Next        time.Time // when to try again
	Deadline    time.Time // when to give up
	Settled     time.Time // when the final status came
	Read        bool      // incoming only
}

// Status is where a message stands.
type Status int

// The statuses. RFC 3860 section 3.4.2 knows success, failure and
// indeterminant; a message that nobody answered for is still queued.
const (
	Received    Status = iota + 1 // incoming
	Queued                        // outgoing, not yet confirmed
	Delivered                     // the recipient's device signed for it
	Refused                       // the recipient's device signed a refusal
	Unconfirmed                   // given up at the deadline: may or may not have arrived
)

// Delivery says what Deliver found.
type Delivery int

// The findings.
const (
	First     Delivery = iota + 1 // written
	Duplicate                     // the same message is there already
	Conflict                      // another message with this Message-ID is there
)

// Query selects messages; zero fields select all.
type Query struct {
	Person   identity.Address
	After    int64  // only larger IDs
	Incoming bool   // only received ones
	Unread   bool   // only received ones not marked read
	Text     string // only those containing all its words
}
