package imdn

import (
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/internal/xmlscan"
)

// Reasons not to answer a message with a notification (section 7.2.1).
var (
	ErrNotification = errors.New("a notification gets no notification")
	ErrNotRequested = errors.New("the sender did not ask for it")
	ErrSent         = errors.New("a notification of that type has been sent")
	ErrRole         = errors.New("not a notification that this role may send")
)

// maxSubject is the longest subject that an answer repeats, in octets. Part of a
// subject would not be that subject.
const maxSubject = 1 << 10

// Sent is the set of types of which a notification has been sent for one
// message. Keep it with the message; zero is none.
type Sent uint8

// Has tells whether a notification of type t has been sent.
func (s Sent) Has(t Type) bool { return s&(1<<t) != 0 }

// With gives the set with t in it.
func (s Sent) With(t Type) Sent { return s | 1<<t }

// A Report is what [Answer] tells about a message.
type Report struct {
	Disposition Disposition
	From        cpim.Mailbox // who answers
	Time        time.Time    // when: the DateTime of the answer

	// Recipient is the URI of the recipient of whom the answer speaks, "" for
	// From itself. A store that answers for another gives that other's.
	Recipient string
	// Intermediary is set by whoever handles the message for its recipient. It
	// may report processing and that delivery failed; a recipient may report
	// all but processing (sections 7.2.1, 8.1 and 8.2).
	Intermediary bool
	Sent         Sent // what has been sent for this message before

	MessageID string // of the answer, "" for a fresh one
	Subject   bool   // repeat a Subject of at most 1 KiB without language tag, if there is one
	Routes    bool   // copy IMDN-Record-Route into IMDN-Route
}

// Check tells whether m may be answered with r: nil, or one of ErrNotification,
// ErrSent, ErrRole and ErrNotRequested, wrapped, or a malformed request.
func Check(m *cpim.Message, r Report) error {
	if looksLikeOne(m.Content()) {
		return fmt.Errorf("imdn: %w", ErrNotification)
	}
	t := r.Disposition.Type()
	switch {
	case t == 0:
		return errors.New("imdn: unknown disposition")
	case r.Sent.Has(t):
		return fmt.Errorf("imdn: %s: %w", r.Disposition, ErrSent)
	case !allowed(r.Disposition, r.Intermediary):
		return fmt.Errorf("imdn: %s: %w", r.Disposition, ErrRole)
	}
	requests, err := Requests(m)
	if err != nil {
		return err
	}
	for _, q := range requests {
		if fits(q.Name, r.Disposition) {
			return nil
		}
	}
	return fmt.Errorf("imdn: %s: %w", r.Disposition, ErrNotRequested)
}

func allowed(d Disposition, intermediary bool) bool {
	switch d.Type() {
	case Processing:
		return intermediary
	case Delivery:
		return !intermediary || d != Delivered
	}
	return !intermediary
}

// fits tells whether a request covers d. Forbidden and error are answers to
// both requests for delivery.
func fits(request string, d Disposition) bool {
	switch request {
	case WantDelivered:
		return d.Type() == Delivery && d != Failed
	case WantFailed:
		return d.Type() == Delivery && d != Delivered
	case WantDisplayed:
		return d.Type() == Display
	case WantProcessed:
		return d.Type() == Processing
	}
	return false
}

// Answer makes the notification that tells the sender of m what became of it
// (section 7.2.1.1). It fails as [Check] does; and if m lacks the Message-ID
// and the DateTime that a request needs, or the one From to send to.
//
// Send it to its To, or with Routes to the first IMDN-Route. Routes is off by
// default, against the letter of section 7.2.1: the headers it copies were put
// in by whoever carried m, outside of its sender's signature (section 14.1),
// and would lead the answer past others than the sender.
//
// After sending it, note the type in Sent.
func Answer(m *cpim.Message, r Report) (cpim.Draft, error) {
	if err := Check(m, r); err != nil {
		return cpim.Draft{}, err
	}
	n, err := about(m, r)
	if err != nil {
		return cpim.Draft{}, err
	}
	body, err := n.Marshal()
	if err != nil {
		return cpim.Draft{}, err
	}
	d := cpim.Draft{
		From:      r.From,
		To:        m.From(),
		DateTime:  r.Time,
		MessageID: r.MessageID,
		Content: cpim.Content{
			Header: []cpim.MIMEField{{Name: "Content-Type", Value: MediaType}, {Name: "Content-Disposition", Value: notification}},
			Body:   body,
		},
	}
	if d.MessageID == "" {
		d.MessageID = cpim.NewMessageID()
	}
	if !r.Routes {
		return d, nil
	}
	boxes, err := RecordRoute(m)
	if err != nil {
		return cpim.Draft{}, err
	}
	for _, box := range boxes {
		if err := AddRoute(&d, box); err != nil {
			return cpim.Draft{}, err
		}
	}
	return d, nil
}

// about gives what r says about m.
func about(m *cpim.Message, r Report) (*Notification, error) {
	n := &Notification{
		MessageID:   m.MessageID(),
		DateTime:    m.DateTimeRaw(),
		Recipient:   r.Recipient,
		Disposition: r.Disposition,
	}
	switch {
	case len(m.From()) != 1:
		return nil, fmt.Errorf("imdn: answer to %d From headers", len(m.From()))
	case n.MessageID == "" || n.DateTime == "":
		return nil, errors.New("imdn: request without Message-ID and DateTime")
	case r.From.URI == "" || r.Time.IsZero():
		return nil, errors.New("imdn: report without From and Time")
	}
	if n.Recipient == "" {
		n.Recipient = r.From.URI
	}
	original, err := OriginalTo(m)
	if err != nil {
		return nil, err
	}
	if n.OriginalRecipient = original.URI; n.OriginalRecipient == "" {
		n.OriginalRecipient = n.Recipient
	}
	if r.Subject {
		for _, s := range m.Subjects() {
			if s.Lang == cpim.DefaultLang && len(s.Text) <= maxSubject && xmlscan.IsText(s.Text) {
				n.Subject = s.Text
				break
			}
		}
	}
	return n, nil
}
