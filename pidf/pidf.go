// Package pidf reads and writes presence documents: the Presence Information
// Data Format of RFC 3863, with the persons and devices of RFC 4479, the rich
// presence of RFC 4480, the names and links of RFC 4482, and for reading the
// timed status of RFC 4481.
//
// Parse is for documents from kith peers: it accepts what RFC 3863 calls valid,
// with the few choices named there. ParseLenient is for bridges. ParseMedia is
// Parse under the MIME label of the document. Marshal holds what it writes to
// the schemas of those RFCs; only the inside of an Element is its author's.
//
// A document never changes how the base format is read (section 4.2): elements
// that this package does not know are kept, octet for octet, as an Element
// where they stood. Nothing is fetched, no entity is expanded. Limits: MaxSize
// octets, 32 levels, 64 attributes on an element.
//
// The package does not decide whether a document is outdated, whose it is, or
// who may see it. A signature covers the octets received, never what Marshal
// makes of them again.
package pidf

import (
	"time"

	"github.com/kith-im/kith/pidf/rpid"
)

// MaxSize is the largest document in octets, read or written.
const MaxSize = 16 << 10

// Namespaces of the elements that this package reads and writes by itself.
const (
	Namespace = "urn:ietf:params:xml:ns:pidf"              // RFC 3863
	DataModel = "urn:ietf:params:xml:ns:pidf:data-model"   // RFC 4479
	CIPID     = "urn:ietf:params:xml:ns:pidf:cipid"        // RFC 4482
	Timed     = "urn:ietf:params:xml:ns:pidf:timed-status" // RFC 4481, read only: see Tuple.Timed
)

// Presence is one document about one presentity (RFC 3863 section 4.1.1).
type Presence struct {
	Entity  string // pres: URI of the presentity
	Tuples  []Tuple
	Notes   []Note // about the presentity
	Persons []Person
	Devices []Device
	Ext     []Element
}

// Tuple is a service and its state (RFC 3863 section 4.1.2, RFC 4479 section
// 3.3).
type Tuple struct {
	// ID tells the tuple from every other tuple, person and device of the
	// presentity and keeps its value over time. It is compared as it is.
	// Marshal wants an XML name.
	ID     string
	Status Status

	DeviceIDs    []string // devices that provide the service
	Relationship *rpid.Relationship
	ServiceClass *rpid.ServiceClass
	Class        string // a group that the presentity made up, for filtering
	UserInput    *rpid.UserInput
	Privacy      []rpid.Privacy
	StatusIcons  []rpid.StatusIcon
	DisplayNames []Note // at most one of each language
	Links        Links
	Ext          []Element // timed status among them

	Contact   *Contact // nil to hide it or if there is none
	Notes     []Note   // about the service, never a substitute for status
	Timestamp time.Time
}

// Status is the state of a tuple (section 4.1.3): Basic, Ext, or both.
type Status struct {
	Basic Basic
	Ext   []Element
}

// Basic says whether a contact takes messages now (section 4.1.4). It speaks of
// the inbox; Closed does not mean that its owner is away.
type Basic string

// The values of Basic.
const (
	Absent Basic = ""
	Open   Basic = "open"
	Closed Basic = "closed"
)

// Contact is where a service is reached (section 4.1.5).
type Contact struct {
	URI      string // absolute; empty only beside a service class without URIs
	Priority Priority
}

// Note is a comment for people (section 4.1.6). Lang is the language tag in
// force at the place, its own or that of an element around it; empty if none.
type Note = rpid.Note

// Links point from a tuple or person to what does not change with their status
// (RFC 4482). Each is an absolute URI, or empty. To fetch one tells its owner
// who is watching, from where and when (section 8); this package never does.
type Links struct {
	Card     string // a business card, as vCard
	Homepage string
	Icon     string // a picture of the person or service
	Map      string
	Sound    string // a jingle, or how the name is pronounced
}

// Person is one occurrence of what is known about the human (RFC 4479 section
// 3.2). Several of them mean ambiguity, not several people.
type Person struct {
	ID           string // as Tuple.ID
	Activities   []rpid.Activities
	Moods        []rpid.Moods
	Spheres      []rpid.Sphere
	PlaceTypes   []rpid.PlaceType
	Places       []rpid.PlaceIs
	Privacy      []rpid.Privacy
	StatusIcons  []rpid.StatusIcon
	TimeOffsets  []rpid.TimeOffset
	UserInput    *rpid.UserInput
	Class        string
	DisplayNames []Note
	Links        Links
	Ext          []Element
	Notes        []Note // see Presence.NotesFor
	Timestamp    time.Time
}

// Device is one occurrence of a device (RFC 4479 section 3.4).
type Device struct {
	ID        string // of the occurrence, as Tuple.ID
	DeviceID  string // of the device, a URN
	UserInput *rpid.UserInput
	Class     string
	Ext       []Element
	Notes     []Note
	Timestamp time.Time
}

// Element is an element of a vocabulary that this package does not know, or
// one it knows that is malformed or out of place.
type Element struct {
	NS, Name string
	// Raw are the octets as received, with declarations added for namespaces
	// that were bound around them, and xml:lang if a language was in force
	// there and the element holds text or attributes: they mean the same in
	// any place. Timed status gets no xml:lang.
	Raw []byte
	// MustUnderstand says that the element, or one in it, is marked as
	// mandatory to understand (section 4.2.3); use it only if Understood.
	MustUnderstand bool
}
