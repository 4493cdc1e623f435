package control

import (
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Me is the node's own person and process.
type Me struct {
	Address    string    `json:"address" doc:"LOCAL@DOMAIN" example:"alice@k51qzi5uqu5di….kith.alt"`
	IM         string    `json:"im" doc:"URI of the inbox (RFC 3860)"`
	Pres       string    `json:"pres" doc:"URI of the presentity (RFC 3859)"`
	Device     string    `json:"device" doc:"id of this device, in hexadecimal"`
	Invitation string    `json:"invitation" doc:"link that others add; its reach may improve over time"`
	Reach      []string  `json:"reach" nullable:"false" doc:"network addresses that others are told"`
	Home       string    `json:"home" doc:"directory of the node's files"`
	Version    string    `json:"version" doc:"of the program"`
	Started    time.Time `json:"started"`
	Status     Status    `json:"status"`
}

// Status is what the node's own person shows.
type Status struct {
	Show  string    `json:"show" enum:"open,away,busy,dnd,closed,invisible,idle" doc:"closed: cannot be reached; invisible: others see closed"`
	Note  string    `json:"note,omitempty" maxLength:"1024"`
	Since time.Time `json:"since,omitzero" readOnly:"true"`
	Until time.Time `json:"until,omitzero" doc:"when it turns back to open"`
}

// Contact is somebody whom the owner added or approved, and what they show.
type Contact struct {
	Address  string    `json:"address"`
	Name     string    `json:"name" doc:"the owner's own name for them"`
	Watch    string    `json:"watch" enum:"none,pending,active,waiting,terminated" doc:"state of our subscription (RFC 3857)"`
	Reason   string    `json:"reason,omitempty" doc:"why the subscription ended, or why nothing is known yet"`
	Show     string    `json:"show,omitempty" doc:"open, away, busy, dnd, closed, idle; absent while unknown"`
	Note     string    `json:"note,omitempty" doc:"their text"`
	Since    time.Time `json:"since,omitzero" doc:"when they set it, by their clock"`
	Liveness string    `json:"liveness" enum:"live,stale,gone,unknown" doc:"live: signed for within the lease; stale: the lease has just ended; gone: said goodbye, or silent for long"`
	Heard    time.Time `json:"heard,omitzero" doc:"last signed sign of life"`
	Until    time.Time `json:"until,omitzero" doc:"end of the lease"`
	Unread   int       `json:"unread" doc:"messages not marked read"`
	Verified bool      `json:"verified" doc:"the owner compared the key they are known by"`
	Changed  bool      `json:"key_changed" doc:"they go by another key, which is not trusted yet"`
	Devices  []Shown   `json:"devices" nullable:"false" doc:"what each of their devices shows"`
}

// Shown is what one device of a contact shows.
type Shown struct {
	ID       string    `json:"id"`
	Show     string    `json:"show,omitempty"`
	Note     string    `json:"note,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Liveness string    `json:"liveness" enum:"live,stale,gone,unknown"`
	Heard    time.Time `json:"heard,omitzero"`
}

// Request is somebody who asked to watch the owner, or does.
type Request struct {
	Address string    `json:"address"`
	Name    string    `json:"name" doc:"the owner's name for them, else their shortened address"`
	Handle  string    `json:"handle" doc:"the shortest text that names them in calls and commands"`
	Note    string    `json:"note,omitempty" doc:"their greeting, at most 256 octets"`
	State   string    `json:"state" enum:"pending,active,waiting,terminated"`
	Event   string    `json:"event,omitempty" doc:"why the state is so (RFC 3857)"`
	Since   time.Time `json:"since"`
}

// Message is one instant message, in or out.
type Message struct {
	ID          int64     `json:"id" doc:"local and rising; a cursor"`
	Direction   string    `json:"direction" enum:"in,out"`
	Address     string    `json:"address" doc:"the other side"`
	Name        string    `json:"name" doc:"the owner's name for them, else their shortened address"`
	MessageID   string    `json:"message_id" doc:"imdn.Message-ID (RFC 5438)"`
	Sent        time.Time `json:"sent" doc:"by the sender's clock"`
	Stored      time.Time `json:"stored"`
	ContentType string    `json:"content_type"`
	Text        string    `json:"text"`
	Read        bool      `json:"read" doc:"of incoming ones"`
	Status      string    `json:"status" enum:"received,queued,delivered,refused,unconfirmed" doc:"delivered and refused are signed by the recipient's device; unconfirmed: given up, it may or may not have arrived"`
	Outgoing    *Outgoing `json:"outgoing,omitempty"`
}

// Outgoing is what only messages on their way out have.
type Outgoing struct {
	Reason   string    `json:"reason,omitempty" doc:"of a refusal or of giving up"`
	Tries    int       `json:"tries"`
	Next     time.Time `json:"next,omitzero" doc:"when to try again"`
	Deadline time.Time `json:"deadline,omitzero" doc:"when to give up"`
	Settled  time.Time `json:"settled,omitzero"`
}

// Document is a presence document as its device signed it, after verification.
type Document struct {
	Address  string    `json:"address"`
	Name     string    `json:"name"`
	Device   string    `json:"device" doc:"the device that signed it"`
	Boot     uint64    `json:"boot" doc:"first half of the version"`
	Seq      uint64    `json:"seq" doc:"second half of the version"`
	SignedAt time.Time `json:"signed_at,omitzero"`
	Fresh    bool      `json:"fresh" doc:"asked for just now; else the newest one stored"`
	XML      string    `json:"xml" doc:"application/pidf+xml (RFC 3863)"`
}

// Lookup is what an address leads to.
type Lookup struct {
	Address string  `json:"address"`
	Found   bool    `json:"found"`
	Card    *Card   `json:"card,omitempty"`
	Name    *Name   `json:"name,omitempty" doc:"what its domain says of the address, for a member of one"`
	Places  []Place `json:"places" nullable:"false" doc:"what was asked"`
}

// Card is a verified address record.
type Card struct {
	Serial  uint64       `json:"serial" doc:"rising"`
	Issued  time.Time    `json:"issued"`
	Expires time.Time    `json:"expires"`
	Size    int          `json:"size" doc:"in octets"`
	Devices []CardDevice `json:"devices" nullable:"false"`
}

// Name is a domain's verified statement on one of its addresses.
type Name struct {
	Serial  uint64    `json:"serial" doc:"rising"`
	Issued  time.Time `json:"issued"`
	Until   time.Time `json:"until"`
	Expired bool      `json:"expired" doc:"the domain has withdrawn the address"`
}

// CardDevice is one device on a card.
type CardDevice struct {
	ID    string   `json:"id"`
	Reach []string `json:"reach" nullable:"false" doc:"its network addresses"`
}

// Place is one place that was asked for a record.
type Place struct {
	Name   string `json:"name" doc:"network and slot" example:"lan slot 0"`
	Found  bool   `json:"found"`
	Millis int64  `json:"ms" doc:"time taken, in milliseconds"`
	Detail string `json:"detail,omitempty" doc:"size and age of what was found, or why there is nothing"`
}

// Network is the overlay as one node sees it.
type Network struct {
	Peer         string   `json:"peer" doc:"libp2p peer id of this device"`
	Listen       []string `json:"listen" nullable:"false" doc:"addresses that others are told"`
	Reachability string   `json:"reachability,omitempty" doc:"public, private or unknown"`
	Connected    int      `json:"connected" doc:"devices connected"`
	LAN          int      `json:"lan" doc:"entries of the LAN routing table"`
	WAN          int      `json:"wan" doc:"entries of the WAN routing table"`
	Topics       int      `json:"topics" doc:"topics joined"`
	Records      int      `json:"records" doc:"address records kept for others and for us"`
}

// Event is something that happened. Events are hints: after a gap, ask again.
type Event struct {
	ID      uint64     `json:"id"`
	Time    time.Time  `json:"time"`
	Kind    string     `json:"kind" enum:"presence,watch,message,verdict,request,watcher,invite,key,announce,copy,read,contact,status,link,revoked,card-end" doc:"presence: what a contact shows; watch: our subscription; message: one came; verdict: one of ours was settled; request: somebody asks to watch us; watcher: the state of one who does; announce: our address record was stored on acks devices; invite: somebody came with an invitation; key: a contact goes by another key, or one was accepted; of my other devices: copy, a message sent there; read, one read there; contact, one changed there; status, set there; link: a new device; revoked: this device was; card-end: no administering device was on for two days, strangers find us no longer"`
	Contact *Contact   `json:"contact,omitempty"`
	Message *Message   `json:"message,omitempty"`
	Request *Request   `json:"request,omitempty"`
	Link    *LinkState `json:"link,omitempty"`
	Acks    int        `json:"acks,omitempty" doc:"devices that store our address record"`
}

// ContactOf is the JSON form of a view.
func ContactOf(v node.View) Contact {
	c := Contact{
		Address: v.Person.String(), Name: v.Name, Watch: stateWord(v.Watch), Reason: v.Reason,
		Show: string(v.Show), Note: v.Note, Since: utc(v.Since),
		Liveness: string(v.Liveness), Heard: utc(v.Heard), Until: utc(v.Until), Unread: v.Unread,
		Verified: v.Verified, Changed: v.KeyChanged, Devices: []Shown{},
	}
	for _, d := range v.Devices {
		c.Devices = append(c.Devices, Shown{
			ID: d.ID.String(), Show: string(d.Show), Note: d.Note, Since: utc(d.Since), Liveness: string(d.Liveness), Heard: utc(d.Heard),
		})
	}
	return c
}

// StatusOf is the JSON form of one's own status.
func StatusOf(m node.Mine) Status {
	return Status{Show: string(m.Show), Note: m.Note, Since: utc(m.Since), Until: utc(m.Until)}
}

// RequestOf is the JSON form of a watcher, with the names that n has.
func RequestOf(n *node.Node, w node.Watcher) Request {
	handle := w.Person.Local()
	if found, err := n.Find(handle); err != nil || found != w.Person {
		handle = w.Person.String()
	}
	return Request{
		Address: w.Person.String(), Name: n.Name(w.Person), Handle: handle, Note: w.Note,
		State: stateWord(w.State), Event: w.Event, Since: utc(w.Since),
	}
}

// MessageOf is the JSON form of a message, with the names that n has.
func MessageOf(n *node.Node, m node.Message) Message {
	w := Message{
		ID: m.ID, Direction: "in", Address: m.Person.String(), Name: n.Name(m.Person), MessageID: m.MessageID,
		Sent: utc(m.Sent), Stored: utc(m.Stored), ContentType: m.ContentType, Text: m.Text,
		Read: m.Read, Status: statusWord(m.Status),
	}
	if m.Out {
		w.Direction = "out"
		w.Outgoing = &Outgoing{Reason: m.Reason, Tries: m.Tries, Next: utc(m.Next), Deadline: utc(m.Deadline), Settled: utc(m.Settled)}
	}
	return w
}

// EventOf is the JSON form of an event, with the names that n has.
func EventOf(n *node.Node, e node.Event) Event {
	w := Event{ID: e.ID, Time: utc(e.Time), Kind: string(e.Kind), Acks: e.Acks}
	if e.View != nil {
		c := ContactOf(*e.View)
		w.Contact = &c
	}
	if e.Message != nil {
		m := MessageOf(n, *e.Message)
		w.Message = &m
	}
	if e.Watcher != nil {
		r := RequestOf(n, *e.Watcher)
		w.Request = &r
	}
	if e.Link != nil {
		l := LinkStateOf(*e.Link)
		w.Link = &l
	}
	return w
}

// CardOf is the JSON form of a card; describe names the addresses in a reach.
func CardOf(c identity.SignedCard, describe func(identity.Reach) []string) *Card {
	if c.IsZero() {
		return nil
	}
	card := c.Card()
	w := &Card{Serial: card.Serial, Issued: utc(card.Issued), Expires: utc(card.Expires), Size: len(c.Bytes()), Devices: []CardDevice{}}
	for _, d := range card.Devices {
		w.Devices = append(w.Devices, CardDevice{ID: d.ID.String(), Reach: noNil(describe(d.Reach))})
	}
	return w
}

// NameOf is the JSON form of a name, nil for none.
func NameOf(n identity.Name) *Name {
	if n.IsZero() {
		return nil
	}
	return &Name{Serial: n.Serial, Issued: utc(n.Issued), Until: utc(n.Until), Expired: n.Account == nil}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

// noNil makes an empty list of none, which JSON writes as [].
func noNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func stateWord(s node.State) string {
	switch s {
	case node.Pending:
		return "pending"
	case node.Active:
		return "active"
	case node.Waiting:
		return "waiting"
	case node.Terminated:
		return "terminated"
	}
	return "none"
}

func statusWord(s node.Status) string {
	switch s {
	case node.Received:
		return "received"
	case node.Queued:
		return "queued"
	case node.Delivered:
		return "delivered"
	case node.Refused:
		return "refused"
	}
	return "unconfirmed"
}
