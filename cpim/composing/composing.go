// Package composing reads and writes isComposing documents, by which one side
// of a conversation tells that it is typing (RFC 3994), and decides when to
// send them and what to show.
//
// Who composes keeps a [Sender], who watches a [Receiver], one for each
// conversation and direction. Both are plain values: a step takes the state,
// what happened and the time, and gives the new state and what follows from it.
// Nothing runs by itself; each says when it wants to be woken.
//
// A document travels as the content of a Message/CPIM of type [MediaType]. Such
// a message is sent only where there is a conversation already (section 7); it
// is not stored, and it does not ask for notifications.
//
// Parse accepts what is valid by the schema of section 6.1 and the prose around
// it. Every refusal is a [*SyntaxError]. A document has at most [MaxSize]
// octets; reading is linear in them.
package composing

import (
	"fmt"
	"time"
)

// Names that RFC 3994 registers.
const (
	Namespace = "urn:ietf:params:xml:ns:im-iscomposing"
	MediaType = "application/im-iscomposing+xml"
)

// MaxSize is the largest document in octets.
const MaxSize = 4 << 10

// States that section 3.1 defines. All others count as idle (section 3.5).
const (
	Active = "active"
	Idle   = "idle"
)

// A Status is one isComposing document.
type Status struct {
	State string // Active, Idle, or a token of a later specification
	// LastActive is when the user last edited something; zero is unknown.
	LastActive time.Time
	// ContentType is a hint at what is being composed, such as "audio" or
	// "text/html"; "" is unknown.
	ContentType string
	// Refresh is the time after which another Active can be expected, in whole
	// seconds; 0 is not given. What exceeds a day is read as a day.
	Refresh time.Duration
	Ext     []Extension
}

// Active tells whether the status says that somebody composes.
func (s *Status) Active() bool { return s.State == Active }

// An Extension is an element of another namespace, kept as received.
type Extension struct {
	NS, Name string
	Raw      []byte // XML that stands for itself, with the namespaces it uses
}

// A SyntaxError says why octets are not an isComposing document.
type SyntaxError struct {
	Line    int    // of the document, counted from 1
	Section string // the rule that is broken, such as "RFC 3994 6.1"
	Msg     string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("composing: line %d: %s (%s)", e.Line, e.Msg, e.Section)
}
