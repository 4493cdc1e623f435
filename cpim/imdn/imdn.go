// Package imdn reads and writes instant message disposition notifications, the
// delivered and displayed ticks of RFC 5438: its headers on a Message/CPIM
// object and its payload, message/imdn+xml.
//
// To ask for notifications, call [AddRequest] on a draft. On receiving a
// message, call [Answer] once for each disposition worth reporting; it holds to
// the rules of section 7.2.1 and gives a draft. On receiving a notification
// ([IsNotification] tells), call [Read]. [Parse] and [Notification.Marshal] are
// the payload alone.
//
// Parse accepts what the schema of section 11.1.9 and the prose around it
// accept: the elements in their order, attributes nowhere, extensions last and
// in namespaces of their own. Every refusal is a [*SyntaxError].
//
// What this package cannot see is left to the caller: the user's consent to a
// display notification (section 14.2), the signature and encryption of an
// answer, which must be those of the message (section 14), and whether the
// From of a message is true, without which an answer may hit a bystander.
//
// Limits: a payload has at most [MaxSize] octets, a message at most
// [MaxPayloads] of them, and in its headers at most [MaxValues] requests and as
// many addresses of each kind. Reading is linear in the input.
package imdn

import "fmt"

// Names that RFC 5438 registers.
const (
	Namespace = "urn:ietf:params:xml:ns:imdn" // of the payload's elements; headers are in cpim.NSIMDN
	MediaType = "message/imdn+xml"
)

// Limits on what is read and written.
const (
	MaxSize     = 16 << 10 // octets of a payload
	MaxPayloads = 1024     // payloads in an aggregated notification
	MaxValues   = 64       // values of a kind in the headers of a message
)

// A Type is one of the disposition types of section 5. A message is answered
// with at most one notification of each.
type Type uint8

// The zero Type is that of a notification which this package does not know.
const (
	Delivery Type = 1 + iota
	Display
	Processing
)

// String gives the name of the element, such as "delivery-notification".
func (t Type) String() string {
	switch t {
	case Delivery:
		return "delivery-notification"
	case Display:
		return "display-notification"
	case Processing:
		return "processing-notification"
	}
	return "unknown notification"
}

// A Disposition is what became of a message: a type and a status that the type
// can have (section 11.1.7).
type Disposition uint8

// The dispositions of section 5. The zero value is that of a payload whose
// notification is an extension alone.
const (
	Delivered Disposition = 1 + iota
	Failed
	DeliveryForbidden
	DeliveryError
	Displayed
	DisplayForbidden
	DisplayError
	Processed
	Stored
	ProcessingForbidden
	ProcessingError
)

// dispositions is the type and the status element of each Disposition.
var dispositions = [...]struct {
	typ    Type
	status string
}{
	{},
	Delivered:           {Delivery, "delivered"},
	Failed:              {Delivery, "failed"},
	DeliveryForbidden:   {Delivery, "forbidden"},
	DeliveryError:       {Delivery, "error"},
	Displayed:           {Display, "displayed"},
	DisplayForbidden:    {Display, "forbidden"},
	DisplayError:        {Display, "error"},
	Processed:           {Processing, "processed"},
	Stored:              {Processing, "stored"},
	ProcessingForbidden: {Processing, "forbidden"},
	ProcessingError:     {Processing, "error"},
}

// known tells whether d is one of the constants.
func (d Disposition) known() bool { return d > 0 && int(d) < len(dispositions) }

// Type gives the type of d, 0 if d is none of the constants.
func (d Disposition) Type() Type {
	if !d.known() {
		return 0
	}
	return dispositions[d].typ
}

// String gives type and status, such as "delivery-notification delivered".
func (d Disposition) String() string {
	if !d.known() {
		return "unknown disposition"
	}
	return dispositions[d].typ.String() + " " + dispositions[d].status
}

// A Notification is one payload of type message/imdn+xml (section 11). It
// speaks of a message that its reader has sent.
type Notification struct {
	MessageID string // of that message, a Token
	DateTime  string // of that message, as its header has it

	// Recipient is who was meant to get the message, OriginalRecipient whom the
	// sender wrote to. Both are absolute URIs, or both are empty.
	Recipient, OriginalRecipient string

	// Subject is one of the message, if the notification repeats it.
	// SubjectLang is its language, which is read and never written: section
	// 11.1.5 wants it where the schema has no place for it.
	Subject, SubjectLang string

	Disposition Disposition
	StatusExt   []Extension // beside the status
	Ext         []Extension // at the end; the notification itself if Disposition is 0
}

// An Extension is an element of another namespace, kept as received.
type Extension struct {
	NS, Name string
	Raw      []byte // XML that stands for itself, with the namespaces it uses
}

// A SyntaxError says why octets are not a payload of type message/imdn+xml.
type SyntaxError struct {
	Line    int    // of the payload, counted from 1
	Section string // the rule that is broken, such as "RFC 5438 11.1.7"
	Msg     string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("imdn: line %d: %s (%s)", e.Line, e.Msg, e.Section)
}
