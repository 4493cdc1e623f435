// Package rpid holds the words of rich presence, RFC 4480: what a person is
// doing, how they feel, at what kind of place and in which role they are,
// whether they use the keyboard, and who answers a contact that is not theirs.
// The words for places are those of RFC 4589.
//
// It is vocabulary only. Package pidf reads these types from presence
// documents and writes them; see pidf.Person, pidf.Tuple and pidf.Device. A
// word read from somebody else's document may be one that RFC 4480 does not
// list: Known tells, and pidf refuses to write such a word.
package rpid

import "time"

// Namespace is the XML namespace of the elements of RFC 4480.
const Namespace = "urn:ietf:params:xml:ns:pidf:rpid"

// Words that several lists share. They are untyped and fit each of them.
const (
	Unknown = "unknown" // stands alone: it excludes every other word
	Other   = "other"   // as a Relation only; elsewhere text goes into Other fields
)

// Span is the time during which a statement holds (RFC 4480 section 3.1). A
// zero bound is open.
type Span struct {
	From, Until time.Time
}

// Contains reports whether t lies in s; From is inside, Until is not.
func (s Span) Contains(t time.Time) bool {
	return (s.From.IsZero() || !t.Before(s.From)) && (s.Until.IsZero() || t.Before(s.Until))
}

// At returns the first element of list that holds at t, as a person may state
// several activities with spans that follow each other; ok is false if there
// is none.
func At[T interface{ Contains(time.Time) bool }](list []T, t time.Time) (now T, ok bool) {
	for _, v := range list {
		if v.Contains(t) {
			return v, true
		}
	}
	return now, false
}

// Note is free text. Lang is an RFC 3066 language tag, empty for unknown.
type Note struct {
	Lang, Text string
}

// Foreign is an element of another namespace with which somebody extended a
// list of words (section 6). Raw are its octets as received, with every
// namespace binding and the language they need.
type Foreign struct {
	NS, Name string
	Raw      []byte
}

// Attr is an attribute that RFC 4480 does not define, which its schema permits
// on most elements. NS is an absolute URI, or empty for a name without prefix.
// Prefixes inside Value lose their meaning.
type Attr struct {
	NS, Name, Value string
}

// Activities says what a person is doing (section 3.2). Values may be empty.
type Activities struct {
	ID string // an XML name that other elements may refer to, or empty
	Span
	Attrs  []Attr
	Notes  []Note
	Values []Activity
	Other  []Note // activities that have no word, as text
	Ext    []Foreign
}

// Moods says how a person feels (section 3.5). At least one of Values, Other
// and Ext is present.
type Moods struct {
	ID string
	Span
	Attrs  []Attr
	Notes  []Note
	Values []Mood
	Other  []Note
	Ext    []Foreign
}

// Sphere is the role in which a person acts (section 3.11).
type Sphere struct {
	ID string
	Span
	Attrs []Attr
	Value Role
	// Text is a role in plain text, as the example in section 4 has it against
	// the schema of section 5. It is read and never written.
	Text string
	Ext  []Foreign
}

// Role is the value of a Sphere: Home, Work, Unknown, or empty for a role of
// another vocabulary.
type Role string

// The roles of section 3.11.
const (
	Home Role = "home"
	Work Role = "work"
)

// Known reports whether RFC 4480 defines r.
func (r Role) Known() bool { return r == Home || r == Work || r == Unknown }

// Relationship says whom the contact of a tuple reaches, if not the presentity
// itself (section 3.9).
type Relationship struct {
	Notes []Note
	Value Relation
	Other Note // the text that goes with the value Other
	Ext   []Foreign
}

// Relation is the value of a Relationship: a constant below, Other, Unknown,
// or empty for one of another vocabulary.
type Relation string

// The relations of section 3.9.
const (
	Assistant  Relation = "assistant"
	Associate  Relation = "associate"
	Family     Relation = "family"
	Friend     Relation = "friend"
	Self       Relation = "self"
	Supervisor Relation = "supervisor"
)

// Known reports whether RFC 4480 defines r.
func (r Relation) Known() bool {
	switch r {
	case Assistant, Associate, Family, Friend, Self, Supervisor, Other, Unknown:
		return true
	}
	return false
}

// UserInput says whether a device, service or person sees human input
// (section 3.14).
type UserInput struct {
	ID    string
	Attrs []Attr
	State Input
	// IdleThreshold is how long no input makes Idle, in whole seconds; 0 if
	// unstated.
	IdleThreshold time.Duration
	// LastInput is when input was last seen; zero keeps it private, an option
	// that section 3.14 demands.
	LastInput time.Time
}

// Input is Active or Idle.
type Input string

// The states of section 3.14.
const (
	Active Input = "active"
	Idle   Input = "idle"
)

// Known reports whether RFC 4480 defines i.
func (i Input) Known() bool { return i == Active || i == Idle }
