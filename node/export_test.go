package node

import (
	"context"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kith-im/kith/identity"
)

// What the tests outside the package need to speak to a node like another
// program would: operations as octets, and what a response says.

func SubscribeEntity(watcher, target identity.Address, d time.Duration, id SubscriptID, card identity.SignedCard, note string) identity.Entity {
	body, err := subscribe{watcher: watcher, target: target, duration: d, id: id, trans: newTransID(), card: card, note: note}.marshal()
	if err != nil {
		panic(err)
	}
	return identity.Entity{Type: typeSubscribe, Body: body}
}

type Said struct {
	Outcome  string
	Reason   string
	State    State
	Document bool
	Grant    bool
}

func ReadResponse(body []byte) (Said, error) {
	r, err := parseResponse(body, nil)
	if err != nil {
		return Said{}, err
	}
	s := Said{Outcome: [...]string{"success", "failure", "indeterminant"}[r.outcome], Reason: r.reason}
	if r.standing != nil {
		s.State, s.Document, s.Grant = r.standing.state, !r.standing.document.IsZero(), r.standing.grant != nil
	}
	return s, nil
}

// FillContacts makes a node believe that it has so many contacts.
func FillContacts(n *Node, who func(i int) identity.Address, count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range count {
		n.contacts[who(i)] = &Contact{Person: who(i), Name: who(i).Local()}
	}
}

// ResponseEntity answers a request: with success and, given an id, the standing
// of a subscription.
func ResponseEntity(trans string, digest [32]byte, id *SubscriptID, state State, serial uint64) identity.Entity {
	return ResponseLasting(trans, digest, id, state, serial, time.Hour)
}

// ResponseLasting is ResponseEntity for another time than an hour.
func ResponseLasting(trans string, digest [32]byte, id *SubscriptID, state State, serial uint64, d time.Duration) identity.Entity {
	r := response{trans: trans, digest: digest}
	if id != nil {
		r.standing = &standing{id: *id, state: state, serial: serial, duration: d}
	}
	body, err := r.marshal()
	if err != nil {
		panic(err)
	}
	return identity.Entity{Type: typeResponse, Body: body}
}

// NotifyEntity tells a watcher how its subscription stands.
func NotifyEntity(id SubscriptID, state State, serial uint64) identity.Entity {
	body, err := notify{trans: newTransID(), standing: standing{id: id, state: state, serial: serial, duration: time.Hour, reason: "told"}}.marshal()
	if err != nil {
		panic(err)
	}
	return identity.Entity{Type: typeNotify, Body: body}
}

// NotifyOf is NotifyEntity of an active subscription, with a grant and a document.
func NotifyOf(id SubscriptID, serial uint64, epoch identity.Epoch, document identity.Signed) identity.Entity {
	body, err := notify{trans: newTransID(), standing: standing{
		id: id, state: Active, serial: serial, duration: time.Hour, grant: &grant{epoch: epoch, lease: time.Minute}, document: document,
	}}.marshal()
	if err != nil {
		panic(err)
	}
	return identity.Entity{Type: typeNotify, Body: body}
}

// DocumentEntity is a presence document of a person for an audience.
func DocumentEntity(who identity.Address, device identity.DeviceID, epoch identity.Epoch, v Version, note string) identity.Entity {
	xml, err := writeDocument(who, device, Mine{Show: Open, Note: note, Since: time.Now()}, false, nil)
	if err != nil {
		panic(err)
	}
	return PresenceEntity(xml, epoch, v)
}

// PresenceEntity is any presence document for an audience.
func PresenceEntity(xml []byte, epoch identity.Epoch, v Version) identity.Entity {
	return identity.Entity{Type: typePresence, Fields: publicationFields(&audience{epoch: epoch, version: v, length: time.Minute}), Body: xml}
}

// ReadSubscribe reads who is to be answered how.
func ReadSubscribe(body []byte) (trans string, id SubscriptID, err error) {
	s, err := parseSubscribe(body, nil)
	if err != nil {
		return "", SubscriptID{}, err
	}
	return string(s.trans[:]), s.id, nil
}

// SubscribeWithToken is SubscribeEntity for an hour, with a token.
func SubscribeWithToken(watcher, target identity.Address, id SubscriptID, card identity.SignedCard, token [16]byte) identity.Entity {
	body, err := subscribe{watcher: watcher, target: target, duration: time.Hour, id: id, trans: newTransID(), card: card, token: token}.marshal()
	if err != nil {
		panic(err)
	}
	return identity.Entity{Type: typeSubscribe, Body: body}
}

// IntroductionBody is what introduces somebody, well or badly.
func IntroductionBody(link, note string, card []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addText(b, link)
		addText(b, note)
		addOptional(b, tagIntroduced, card)
	})
	return b.BytesOrPanic()
}

// Item is what one device of a person tells another one of a thing.
type Item struct {
	Kind    ChangeKind
	Key     string
	Stamp   time.Time
	Deleted bool
	Body    []byte
}

// SyncedEntity answers a sync.
func SyncedEntity(digest [32]byte, last uint64, more bool, items ...Item) identity.Entity {
	s := synced{digest: digest, last: last, more: more}
	for _, it := range items {
		s.items = append(s.items, item{it.Kind, it.Key, it.Stamp, it.Deleted, it.Body})
	}
	body, err := s.marshal()
	if err != nil {
		panic(err)
	}
	return identity.Entity{Type: typeSynced, Body: body}
}

// SyncAfter reads a sync.
func SyncAfter(body []byte) (after uint64, err error) {
	r, err := parseSyncRequest(body)
	if err != nil {
		return 0, err
	}
	return r.after, nil
}

// Bodies of items.
func ContactBody(c Contact) []byte { return must(contactBody(c)) }
func WatcherBody(w Watcher) []byte { return must(watcherBody(w)) }
func WatchBody(w Watch) []byte     { return must(watchBody(w)) }
func DeviceBody(d Device) []byte   { return must(deviceBody(d)) }
func MessageBody(m Message) []byte { return must(messageBody(m)) }
func InviteBody(i Invite) []byte   { return must(inviteBody(i)) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// AskZone and Locate are what requests and look-ups do about DNS domains.
func AskZone(ctx context.Context, n *Node, domain string) error { return n.askZone(ctx, domain) }

func Locate(ctx context.Context, n *Node, who identity.Address) (identity.Locator, error) {
	return n.locate(ctx, who)
}
