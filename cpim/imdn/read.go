package imdn

import (
	"errors"
	"strings"

	"github.com/kith-im/kith/internal/rfc3339"
	"github.com/kith-im/kith/internal/xmlscan"
)

// Parse reads a payload. It shares no memory with b. On error the result is nil
// and the error is a [*SyntaxError].
func Parse(b []byte) (*Notification, error) {
	doc, err := xmlscan.Parse(b, xmlscan.Options{MaxSize: MaxSize})
	if err != nil {
		if e, ok := errors.AsType[*xmlscan.Error](err); ok {
			return nil, &SyntaxError{e.Line, "RFC 5438 11.1", e.Msg}
		}
		return nil, &SyntaxError{1, "RFC 5438 11.1", err.Error()}
	}
	r := reader{doc: doc, next: doc.First(doc.Root())}
	n := r.notification()
	if r.err != nil {
		return nil, r.err
	}
	return n, nil
}

// A reader walks the children of one element after another. The first error
// stays; what is read after it is dropped.
type reader struct {
	doc  *xmlscan.Doc
	next *xmlscan.Elem // the child that is read next, nil at the end
	err  *SyntaxError
}

func (r *reader) fail(e *xmlscan.Elem, section, msg string) {
	if r.err == nil {
		r.err = &SyntaxError{r.doc.Line(e), "RFC 5438 " + section, msg}
	}
}

func (r *reader) notification() *Notification {
	root := r.doc.Root()
	if root.Space != Namespace || root.Name != "imdn" {
		r.fail(root, "11.1", "root is not imdn of "+Namespace)
		return nil
	}
	r.bare(root)
	n := new(Notification)
	r.messageID(n)
	r.dateTime(n)
	r.recipients(n)
	r.disposition(n)
	n.Ext = r.extensions()
	if n.Disposition == 0 && n.Ext == nil {
		r.fail(root, "11.1.6", "no notification element")
	}
	return n
}

// take moves on and returns the next child if it has the name, else nil.
func (r *reader) take(name string) *xmlscan.Elem {
	e := r.next
	if e == nil || e.Space != Namespace || e.Name != name {
		return nil
	}
	r.next = r.doc.Next(e)
	return e
}

// bare refuses text and attributes: the schema has none but in extensions.
func (r *reader) bare(e *xmlscan.Elem) {
	if e.HasInk() {
		r.fail(e, "11.1.9", "text in "+e.Name)
	}
	r.plain(e)
}

func (r *reader) plain(e *xmlscan.Elem) {
	if len(r.doc.Attrs(e)) > 0 {
		r.fail(e, "11.1.9", "attribute on "+e.Name)
	}
}

// text returns the text of an element that has nothing else.
func (r *reader) text(e *xmlscan.Elem) string {
	if r.doc.First(e) != nil {
		r.fail(e, "11.1.9", "element in "+e.Name)
	}
	return r.doc.Text(e)
}

func (r *reader) messageID(n *Notification) {
	e := r.take("message-id")
	if e == nil {
		r.fail(r.doc.Root(), "11.1.1", "message-id is not the first element")
		return
	}
	r.plain(e)
	n.MessageID = xmlscan.TrimSpace(r.text(e))
	if !isToken(n.MessageID) {
		r.fail(e, "10", "message-id is not a token")
	}
}

func (r *reader) dateTime(n *Notification) {
	e := r.take("datetime")
	if e == nil {
		r.fail(r.doc.Root(), "11.1.2", "datetime is not the second element")
		return
	}
	r.plain(e)
	n.DateTime = r.text(e)
	if _, err := rfc3339.ParseFold(n.DateTime); err != nil {
		r.fail(e, "11.1.2", "datetime is not an RFC 3339 date-time")
	}
}

// recipients reads the three optional elements, which hang together: by the
// schema each wants the one before it.
func (r *reader) recipients(n *Notification) {
	e := r.take("recipient-uri")
	if e == nil {
		return
	}
	n.Recipient = r.uri(e)
	original := r.take("original-recipient-uri")
	if original == nil {
		r.fail(e, "11.1.9", "recipient-uri without original-recipient-uri")
		return
	}
	n.OriginalRecipient = r.uri(original)
	if e = r.take("subject"); e == nil {
		return
	}
	n.Subject = r.text(e)
	for _, a := range r.doc.Attrs(e) {
		if a.Space != xmlscan.XML || a.Name != "lang" {
			r.fail(e, "11.1.9", "attribute on subject")
		}
		n.SubjectLang = a.Value
	}
}

func (r *reader) uri(e *xmlscan.Elem) string {
	r.plain(e)
	s := xmlscan.TrimSpace(r.text(e))
	if !isURI(s) {
		r.fail(e, "11.1.3", e.Name+" is not an absolute URI")
	}
	return s
}

func (r *reader) disposition(n *Notification) {
	for t := Delivery; t <= Processing; t++ {
		e := r.take(t.String())
		if e == nil {
			continue
		}
		r.bare(e)
		status := r.doc.First(e)
		switch {
		case status == nil || status.Space != Namespace || status.Name != "status":
			r.fail(e, "11.1.6", t.String()+" without status")
		case r.doc.Next(status) != nil:
			r.fail(e, "11.1.6", t.String()+" has more than a status")
		default:
			r.status(n, t, status)
		}
		return
	}
}

func (r *reader) status(n *Notification, t Type, status *xmlscan.Elem) {
	r.bare(status)
	after := r.next
	defer func() { r.next = after }()
	r.next = r.doc.First(status)
	for d := range dispositions {
		if dispositions[d].typ != t {
			continue
		}
		e := r.take(dispositions[d].status)
		if e == nil {
			continue
		}
		r.bare(e)
		if r.doc.First(e) != nil {
			r.fail(e, "11.1.9", "element in "+e.Name)
		}
		n.Disposition = Disposition(d)
		n.StatusExt = r.extensions()
		return
	}
	r.fail(status, "11.1.7", "status does not begin with one that "+t.String()+" can have")
}

// extensions reads all children that are left.
func (r *reader) extensions() []Extension {
	var list []Extension
	for ; r.next != nil && r.err == nil; r.next = r.doc.Next(r.next) {
		e := r.next
		switch e.Space {
		case Namespace:
			r.fail(e, "11.1.9", e.Name+" is unknown, repeated or out of place")
		case "":
			r.fail(e, "11.1.9", "extension "+e.Name+" is in no namespace")
		}
		list = append(list, Extension{e.Space, e.Name, r.doc.AppendRaw(nil, e)})
	}
	return list
}

// isToken tells whether s is a Token of RFC 3862 section 3.6. Beyond ASCII any
// character is one of it.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenOctet(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenOctet(c byte) bool {
	return alphanumeric(c) || c >= 0x80 || strings.IndexByte("!#$%&'*+-^_`|~.", c) >= 0
}

func alphanumeric(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' }

// isURI tells whether s has a scheme and consists of the characters of a URI,
// as what cpim takes from angle brackets does. The schema's type would let
// relative references pass, and nobody is addressed by them.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || scheme == "" || scheme[0]|0x20 < 'a' || scheme[0]|0x20 > 'z' {
		return false
	}
	for i := range len(scheme) {
		if !alphanumeric(scheme[i]) && strings.IndexByte("+-.", scheme[i]) < 0 {
			return false
		}
	}
	for i := range len(rest) {
		if !alphanumeric(rest[i]) && strings.IndexByte(";/?:@&=+$,[]-_.!~*'()%", rest[i]) < 0 {
			return false
		}
	}
	return true
}
