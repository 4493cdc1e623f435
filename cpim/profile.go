package cpim

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

// NewMessageID returns a fresh imdn.Message-ID: a Token of 26 letters and
// digits with at least 128 random bits, where RFC 5438 section 6.3 wants 64.
func NewMessageID() string { return rand.Text() }

// CheckProfile reports how m departs from kith's application profile, which
// RFC 3862 section 6 leaves to applications: exactly one From, and it is an im:
// URI; at least one To, and at least one im: URI in To or cc; exactly one
// DateTime; exactly one imdn.Message-ID, which is a Token (RFC 5438
// section 10). To and cc may name people elsewhere by any URI beside.
func CheckProfile(m *Message) error {
	ids := 0
	for _, l := range m.lines {
		if m.isMessageID(l) {
			ids++
		}
	}
	switch {
	case m.count(kindFrom) != 1:
		return fmt.Errorf("cpim: %d From headers, want exactly one", m.count(kindFrom))
	case !isIM(m.From()[0]):
		return errors.New("cpim: From is not an im: address")
	case m.count(kindTo) == 0:
		return errors.New("cpim: no To header")
	case !anyIM(m.To()) && !anyIM(m.Cc()):
		return errors.New("cpim: neither To nor cc has an im: address")
	case m.count(kindDateTime) != 1:
		return fmt.Errorf("cpim: %d DateTime headers, want exactly one", m.count(kindDateTime))
	case ids != 1:
		return fmt.Errorf("cpim: %d imdn.Message-ID headers, want exactly one", ids)
	case m.MessageID() == "":
		return errors.New("cpim: imdn.Message-ID is not a token")
	}
	return nil
}

func isIM(b Mailbox) bool {
	scheme, _, _ := strings.Cut(b.URI, ":")
	return strings.EqualFold(scheme, "im")
}

func anyIM(boxes []Mailbox) bool {
	for _, b := range boxes {
		if isIM(b) {
			return true
		}
	}
	return false
}

// A RequireError lists the names in Require headers that are not understood. A
// recipient refuses the message with them as the reason (RFC 3862 section 3.5)
// and does not show its content.
type RequireError struct{ Names []Name }

func (e *RequireError) Error() string {
	var b strings.Builder
	b.WriteString("cpim: message requires what is not understood:")
	for i, n := range e.Names {
		if i == 3 {
			fmt.Fprintf(&b, " and %d more", len(e.Names)-i)
			break
		}
		fmt.Fprintf(&b, " %.200q", n.URN())
	}
	return b.String()
}

// CheckRequire returns a [*RequireError] if the message requires a header or a
// feature that understood denies (sections 3.5 and 4.7). The headers of section
// 4 are always understood, all else is asked for once for each mention. A nil
// understood denies all. It is to be called before anything of the message is
// shown or acted on.
func CheckRequire(m *Message, understood func(ns, name string) bool) error {
	var missing []Name
	for _, n := range m.Require() {
		if n.NS == NSCore && kindOf(n.Local) != kindOther {
			continue
		}
		if understood == nil || !understood(n.NS, n.Local) {
			missing = append(missing, n)
		}
	}
	if missing != nil {
		return &RequireError{missing}
	}
	return nil
}
