package imdn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kith-im/kith/cpim"
)

// What a Disposition-Notification header can ask for (sections 7.1.1.3 and 10).
const (
	WantDelivered = "positive-delivery"
	WantFailed    = "negative-delivery"
	WantDisplayed = "display"
	WantProcessed = "processing"
)

// A Request is one value of a Disposition-Notification header. Names other than
// the four are legal and ignored (section 7.2.1).
type Request struct {
	Name   string
	Params []cpim.Param
}

const (
	disposition = "Disposition-Notification"
	originalTo  = "Original-To"
	recordRoute = "IMDN-Record-Route"
	route       = "IMDN-Route"
)

// Requests gives what the sender of m asks for, over all
// Disposition-Notification headers, in order. An empty value asks for nothing.
// The error is for a header against section 10; to ignore a request, which a
// recipient always may (section 14.2), is the answer to it.
func Requests(m *cpim.Message) ([]Request, error) {
	var list []Request
	for h := range m.Headers() {
		if h.NS != cpim.NSIMDN || h.Local != disposition {
			continue
		}
		if len(h.Params) > 0 {
			return nil, errors.New("imdn: parameter on " + disposition)
		}
		if h.Raw == "" {
			continue
		}
		for rest, more := h.Raw, true; more; {
			var r Request
			var ok bool
			if r, rest, more, ok = scanRequest(rest); !ok {
				return nil, errors.New("imdn: malformed " + disposition)
			}
			if len(list) == MaxValues {
				return nil, fmt.Errorf("imdn: more than %d requests", MaxValues)
			}
			list = append(list, r)
		}
	}
	return list, nil
}

// scanRequest reads notify-req and the COMMA after it, which is what more
// tells. Spaces stand around commas and semicolons only.
func scanRequest(s string) (r Request, rest string, more, ok bool) {
	if r.Name, s = scanToken(s); r.Name == "" {
		return Request{}, "", false, false
	}
	for {
		after := strings.TrimLeft(s, " ")
		switch {
		case s == "":
			return r, "", false, true
		case strings.HasPrefix(after, ","):
			return r, strings.TrimLeft(after[1:], " "), true, true
		case !strings.HasPrefix(after, ";"):
			return Request{}, "", false, false
		}
		var p cpim.Param
		if p, s, ok = scanParam(strings.TrimLeft(after[1:], " ")); !ok {
			return Request{}, "", false, false
		}
		r.Params = append(r.Params, p)
	}
}

// scanParam reads Ext-param: a Name, "=", and a Token or a String.
func scanParam(s string) (p cpim.Param, rest string, ok bool) {
	name, s := scanToken(s)
	value, found := strings.CutPrefix(s, "=")
	if name == "" || !found || strings.IndexByte(name, '.') >= 0 || !ascii(name) {
		return cpim.Param{}, "", false
	}
	if !strings.HasPrefix(value, `"`) {
		token, rest := scanToken(value)
		return cpim.Param{Name: name, Value: token}, rest, token != ""
	}
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			return cpim.Param{Name: name, Value: cpim.Header{Raw: value[1:i]}.Value()}, value[i+1:], true
		}
	}
	return cpim.Param{}, "", false
}

func scanToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && tokenOctet(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// OriginalTo gives the address that m had before an intermediary changed it,
// the zero Mailbox if there is none. The error is for a malformed header and
// for a second one (section 6.4).
func OriginalTo(m *cpim.Message) (cpim.Mailbox, error) {
	boxes, err := mailboxes(m, originalTo)
	if err != nil || len(boxes) == 0 {
		return cpim.Mailbox{}, err
	}
	if len(boxes) > 1 {
		return cpim.Mailbox{}, errors.New("imdn: more than one " + originalTo)
	}
	return boxes[0], nil
}

// RecordRoute gives the intermediaries that want to see the notifications of m,
// the topmost header first (section 6.5). In a notification it means nothing
// and is to be ignored.
func RecordRoute(m *cpim.Message) ([]cpim.Mailbox, error) { return mailboxes(m, recordRoute) }

// Route gives the intermediaries that a notification still has to pass, the
// next one first (sections 6.6 and 8). If there are none, it goes to its To.
func Route(m *cpim.Message) ([]cpim.Mailbox, error) { return mailboxes(m, route) }

func mailboxes(m *cpim.Message, name string) ([]cpim.Mailbox, error) {
	var list []cpim.Mailbox
	for h := range m.Headers() {
		if h.NS != cpim.NSIMDN || h.Local != name {
			continue
		}
		box, ok := readMailbox(h.Raw)
		if !ok || len(h.Params) > 0 {
			return nil, errors.New("imdn: malformed " + name)
		}
		if len(list) == MaxValues {
			return nil, fmt.Errorf("imdn: more than %d %s", MaxValues, name)
		}
		list = append(list, box)
	}
	return list, nil
}

// readMailbox reads a value that has the syntax of From, by reading it as one.
func readMailbox(raw string) (cpim.Mailbox, bool) {
	m, err := cpim.Parse([]byte("From: " + raw + "\r\n\r\nContent-Type: text/plain\r\n\r\n"))
	if err != nil || len(m.From()) != 1 {
		return cpim.Mailbox{}, false
	}
	return m.From()[0], true
}

// writeMailbox is the reverse of readMailbox: a name as tokens where it can be.
func writeMailbox(box cpim.Mailbox) (string, error) {
	uri := "<" + box.URI + ">"
	for _, raw := range []string{box.Name + " " + uri, cpim.Quote(box.Name, '"') + uri, uri} {
		if got, ok := readMailbox(raw); ok && got == box {
			return raw, nil
		}
	}
	return "", fmt.Errorf("imdn: %.80q is not an absolute URI, or its name is not text", box.URI)
}

// AddRequest asks for notifications of what becomes of a message, by
// [WantDelivered] and its siblings or other tokens. It gives the draft a
// MessageID if it has none. The draft must have its DateTime (section 7.1.1.2)
// and its content, and must be no notification: for one, none can be asked.
func AddRequest(d *cpim.Draft, names ...string) error {
	switch {
	case len(names) == 0 || len(names) > MaxValues:
		return fmt.Errorf("imdn: %d requests, want 1 to %d", len(names), MaxValues)
	case d.DateTime.IsZero():
		return errors.New("imdn: request in a message without DateTime")
	case looksLikeOne(d.Content):
		return fmt.Errorf("imdn: request: %w", ErrNotification)
	case has(d, disposition):
		return errors.New("imdn: message has requests already")
	}
	for i, name := range names {
		if !isToken(name) || slices.Contains(names[:i], name) {
			return fmt.Errorf("imdn: request %.80q is not a token, or is there twice", name)
		}
	}
	if d.MessageID == "" {
		d.MessageID = cpim.NewMessageID()
	}
	add(d, len(d.Extra), disposition, strings.Join(names, ", "))
	return nil
}

// AddOriginalTo notes the address that a message had before this intermediary
// changed it (section 6.4). There can be only one. Since it changes the message
// under any signature of its sender, nothing else in this package writes it.
func AddOriginalTo(d *cpim.Draft, box cpim.Mailbox) error {
	if has(d, originalTo) {
		return errors.New("imdn: " + originalTo + " is there already and must not change")
	}
	return addMailbox(d, len(d.Extra), originalTo, box)
}

// AddRecordRoute puts an intermediary's address on top of those that want to
// see the notifications of a message (section 8). Nothing else in this package
// writes it. It has no place in a notification.
func AddRecordRoute(d *cpim.Draft, box cpim.Mailbox) error {
	if looksLikeOne(d.Content) {
		return fmt.Errorf("imdn: %s: %w", recordRoute, ErrNotification)
	}
	return addMailbox(d, 0, recordRoute, box)
}

// AddRoute adds an intermediary that a notification has to pass after those it
// has (section 6.6).
func AddRoute(d *cpim.Draft, box cpim.Mailbox) error {
	return addMailbox(d, len(d.Extra), route, box)
}

func addMailbox(d *cpim.Draft, at int, name string, box cpim.Mailbox) error {
	raw, err := writeMailbox(box)
	if err != nil {
		return err
	}
	add(d, at, name, raw)
	return nil
}

// add inserts a header into a fresh slice: the draft may share its own.
func add(d *cpim.Draft, at int, name, raw string) {
	h := cpim.Header{Name: cpim.Name{NS: cpim.NSIMDN, Local: name}, Raw: raw}
	d.Extra = slices.Insert(slices.Clone(d.Extra), at, h)
}

func has(d *cpim.Draft, name string) bool {
	return slices.ContainsFunc(d.Extra, func(h cpim.Header) bool {
		return h.NS == cpim.NSIMDN && h.Local == name
	})
}
