package node

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	MirrorStore
	SettingStore
	DeviceStore
	InviteStore
	ChangeStore
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
	// Queued returns the outgoing messages of this device not yet settled,
	// oldest first.
	Queued(ctx context.Context) ([]Message, error)
	// Message returns one message; ErrNotFound if there is none.
	Message(ctx context.Context, id int64) (Message, error)
	// History returns messages by ID, ascending: the newest limit of those
	// that match.
	History(ctx context.Context, q Query, limit int) ([]Message, error)
	// MarkRead marks incoming messages up to and including an ID as read.
	MarkRead(ctx context.Context, upTo int64) error
	// PruneDuplicates forgets the rows of the duplicate table written before a
	// moment. What is still in the history is known all the same.
	PruneDuplicates(ctx context.Context, before time.Time) error
}

// MirrorStore is what one more device of the same person needs to take part
// in the history. Incoming messages that a sibling had first go to Deliver.
type MirrorStore interface {
	// Adopt writes an outgoing message of m.Device, with its status. One that
	// is there already takes over status, reason and time of settling if they
	// outrank its own: Duplicate, with its ID. Conflict means that another
	// message to that person has the Message-ID; nothing is written.
	Adopt(ctx context.Context, m Message) (Delivery, int64, error)
	// MessageByKey returns the message with a key; ErrNotFound if there is none.
	MessageByKey(ctx context.Context, key string) (Message, error)
	// SetRead marks a single incoming message as read; ErrNotFound if there is none.
	SetRead(ctx context.Context, id int64) error
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

// DeviceStore keeps the devices of the owner.
type DeviceStore interface {
	// PutDevice writes one device whole, but a revoked one stays so, since the
	// earlier of two moments.
	PutDevice(ctx context.Context, d Device) error
	// Devices returns all devices, revoked ones too, oldest Added first.
	Devices(ctx context.Context) ([]Device, error)
}

// InviteStore keeps the invitations that the owner gave out.
type InviteStore interface {
	// PutInvite writes one invitation whole, but a revoked one stays so, a use
	// is not forgotten, and the count of uses does not sink.
	PutInvite(ctx context.Context, i Invite) error
	// Invites returns all invitations, oldest first.
	Invites(ctx context.Context) ([]Invite, error)
	// UseInvite notes the use of a token by a person, in one transaction with
	// finding out whether it is good: ErrNotFound for one that is unknown,
	// ErrInviteRevoked, ErrInviteExpired, or ErrInviteUsed if it was for one
	// person and another one was first. Who used it last may use it again: the
	// answer may have been lost. That is not counted.
	UseInvite(ctx context.Context, token [16]byte, by identity.Address, now time.Time) (Invite, error)
}

// Errors about invitations.
var (
	ErrInviteRevoked = errors.New("the invitation was taken back")
	ErrInviteExpired = errors.New("the invitation has expired")
	ErrInviteUsed    = errors.New("the invitation was for one person and is used")
)

// ChangeStore is the log of what the owner's other devices must learn of. It
// has one row for each thing, with the number of its newest change; a row is
// written in the same transaction as the change. A write that leaves a thing
// as it was is none.
type ChangeStore interface {
	// Changes returns at most limit changes with larger numbers, ascending.
	Changes(ctx context.Context, after uint64, limit int) ([]Change, error)
	// LastChange returns the number of the newest change, 0 if there is none.
	LastChange(ctx context.Context) (uint64, error)
	// ChangeOf returns the newest change of one thing, and whether there is one.
	ChangeOf(ctx context.Context, kind ChangeKind, key string) (c Change, found bool, err error)
}

// ChangeKind says what a change is of.
type ChangeKind int

// The kinds, and what a change of them is. What is not named, such as the
// newest card of a contact or the expiry of a subscription, each device
// learns for itself.
const (
	ContactChange ChangeKind = iota + 1 // put or removed, in all but the card; key: the address
	WatcherChange                       // ID, state, event or note, unless a timer ended it (timeout, giveup); key: the address
	WatchChange                         // ID, or removed; key: the address
	MessageChange                       // written, its status, or read; key: Message.Key
	DeviceChange                        // all but Seen and Cursor; key: the device ID
	InviteChange                        // all; key: Invite.Key
	SettingChange                       // one that SharedSetting names; key: its name
)

// Change is a row of the change log.
type Change struct {
	Seq     uint64 // from 1; rises with each change
	Kind    ChangeKind
	Key     string
	Stamp   time.Time // when, in whole milliseconds; rises with each change of the thing
	Deleted bool
}

// repeatKey is the key of the repetition that a context carries.
type repeatKey struct{}

type repetition struct {
	change Change
	wins   bool
}

// Repeat gives the context for a write that repeats here what was changed on
// another device: change c, with its Kind, Key and Stamp. The write takes that
// stamp instead of the time; it is refused with ErrOldVersion, whole, if the
// thing was changed here later than that or, unless wins is set, in the same
// millisecond. Of a device and an invitation an old change is not refused: what
// cannot be undone of it is kept, and if that makes a thing that neither side
// had, it is a change of now. Messages are united by their status whatever the
// stamps. Other writes under the context are as ever.
func Repeat(ctx context.Context, c Change, wins bool) context.Context {
	return context.WithValue(ctx, repeatKey{}, repetition{c, wins})
}

// Repeated returns what Repeat was given, if it is about this thing. A store
// asks.
func Repeated(ctx context.Context, kind ChangeKind, key string) (c Change, wins, ok bool) {
	r, _ := ctx.Value(repeatKey{}).(repetition)
	if r.change.Kind != kind || r.change.Key != key || kind == 0 {
		return Change{}, false, false
	}
	return r.change, r.wins, true
}

// keepCard is the setting with the owner's newest card and its records.
const keepCard = "card"

// SharedSetting says whether a setting is the person's and not the device's,
// so that their other devices learn of it.
func SharedSetting(name string) bool {
	return name == keepStatus || name == keepEpoch || name == keepCard
}

// Contact is a person whom the owner added or approved.
type Contact struct {
	Person   identity.Address
	Name     string // the owner's own name for them (petname), unique
	Added    time.Time
	Card     identity.SignedCard // newest one seen; may be zero
	Hint     identity.Reach      // from an invitation; may be empty
	Trust    Trust
	Token    [16]byte // of their invitation, to present until they approve; zero: none
	Approval [16]byte // from their grant, to present in each subscribe; zero: none
}

// Trust is which keys a contact is known by. Keys are nil if there are none.
type Trust struct {
	Domain, Account       ed25519.PublicKey // pinned
	NewDomain, NewAccount ed25519.PublicKey // seen instead, not trusted until the owner says so
	Verified              time.Time         // when the owner compared words with them; zero: never
	VerifiedKey           [32]byte          // the account key compared
}

// Device is a device of the owner, of now or of old.
type Device struct {
	ID      identity.DeviceID
	Name    string // the owner's, at most 64 octets
	Card    []byte // DER of its device card, at most 16 KiB
	Scopes  identity.Scopes
	Account bool // it holds the account key
	Added   time.Time
	Revoked time.Time // zero: it is not

	// This device's own bookkeeping about it, no change to siblings.
	Seen   time.Time
	Cursor uint64 // how far its change log has been read here
}

// Invite is an invitation with a token. The token itself is shown once and not kept.
type Invite struct {
	Hash     [32]byte // TokenHash of the token
	As       string   // audience of those who come with it, at most 256 octets
	Note     string   // the owner's own, at most 256 octets
	Made     time.Time
	Expires  time.Time // zero: never
	Once     bool      // for one person
	Revoked  bool
	Used     int // how often
	LastUsed time.Time
	UsedBy   identity.Address // last; zero: nobody
}

// TokenHash is what of a token is kept: its SHA-256.
func TokenHash(token [16]byte) [32]byte { return sha256.Sum256(token[:]) }

// ID names an invitation for people: 8 hexadecimal digits.
func (i Invite) ID() string { return hex.EncodeToString(i.Hash[:4]) }

// Key names an invitation among changes: 64 hexadecimal digits.
func (i Invite) Key() string { return hex.EncodeToString(i.Hash[:]) }

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
	Reason      string            // of a refusal or of giving up
	Tries       int               // outgoing only, as are the following
	Next        time.Time         // when to try again
	Deadline    time.Time         // when to give up
	Settled     time.Time         // when the final status came
	Read        bool              // incoming only
	Device      identity.DeviceID // outgoing only: written on that device of the owner; zero: on this one
}

// Key names a message among changes, alike on all devices of the owner: "in"
// or "out", the address and the Message-ID, with a space between.
func (m Message) Key() string {
	way := "in "
	if m.Out {
		way = "out "
	}
	return way + m.Person.String() + " " + m.MessageID
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

// Outranks says whether s is the better knowledge of two about one outgoing
// message: Delivered, then Refused, Unconfirmed, Queued.
func (s Status) Outranks(t Status) bool {
	rank := [...]int{Queued: 1, Unconfirmed: 2, Refused: 3, Delivered: 4}
	if s < Queued || s > Unconfirmed || t < Queued || t > Unconfirmed {
		return false
	}
	return rank[s] > rank[t]
}

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
