package composing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/rfc3339"
	"github.com/kith-im/kith/internal/xmlscan"
)

const (
	xsi        = "http://www.w3.org/2001/XMLSchema-instance"
	maxRefresh = 24 * time.Hour
	maxType    = 127 // octets of a type or a subtype (RFC 6838 section 4.2)
)

// Parse reads a document. It shares no memory with b. On error the result is
// nil and the error is a [*SyntaxError].
func Parse(b []byte) (*Status, error) {
	doc, err := xmlscan.Parse(b, xmlscan.Options{MaxSize: MaxSize})
	if err != nil {
		if e, ok := errors.AsType[*xmlscan.Error](err); ok {
			return nil, &SyntaxError{e.Line, "RFC 3994 6", e.Msg}
		}
		return nil, &SyntaxError{1, "RFC 3994 6", err.Error()}
	}
	r := reader{doc: doc}
	s := r.status()
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

// A reader walks the children of the root. The first error stays.
type reader struct {
	doc  *xmlscan.Doc
	next *xmlscan.Elem
	err  *SyntaxError
}

func (r *reader) fail(e *xmlscan.Elem, section, msg string) {
	if r.err == nil {
		r.err = &SyntaxError{r.doc.Line(e), "RFC 3994 " + section, msg}
	}
}

func (r *reader) status() *Status {
	root := r.doc.Root()
	if root.Space != Namespace || root.Name != "isComposing" {
		r.fail(root, "6", "root is not isComposing of "+Namespace)
		return nil
	}
	if root.HasInk() {
		r.fail(root, "6.1", "text in isComposing")
	}
	r.attributes(root)
	r.next = r.doc.First(root)
	s := new(Status)
	e, text := r.take("state")
	if e == nil {
		r.fail(root, "3.4", "state is not the first element")
		return nil
	}
	s.State = text
	if e, text = r.take("lastactive"); e != nil {
		var err error
		if s.LastActive, err = rfc3339.Parse(xmlscan.TrimSpace(text)); err != nil {
			r.fail(e, "3.5", "lastactive is not an absolute time")
		}
	}
	if e, text = r.take("contenttype"); e != nil {
		if s.ContentType = text; !isMedia(text) {
			r.fail(e, "3.5", "contenttype is neither a media type nor one with its subtype")
		}
	}
	if e, text = r.take("refresh"); e != nil {
		var ok bool
		if s.Refresh, ok = seconds(xmlscan.TrimSpace(text)); !ok {
			r.fail(e, "6.1", "refresh is not a positive number")
		}
	}
	r.extensions(s)
	return s
}

// take returns the next element and its text if it has the name, else nil.
func (r *reader) take(name string) (*xmlscan.Elem, string) {
	e := r.next
	if e == nil || e.Space != Namespace || e.Name != name {
		return nil, ""
	}
	r.next = r.doc.Next(e)
	r.attributes(e)
	if r.doc.First(e) != nil {
		r.fail(e, "6.1", "element in "+e.Name)
	}
	return e, r.doc.Text(e)
}

// attributes refuses all but the hints that XML Schema allows everywhere. They
// are ignored; those in the examples of the RFC name another namespace.
func (r *reader) attributes(e *xmlscan.Elem) {
	for _, a := range r.doc.Attrs(e) {
		if a.Space != xsi || a.Name != "schemaLocation" && a.Name != "noNamespaceSchemaLocation" {
			r.fail(e, "6.1", "attribute "+a.Name+" on "+e.Name)
		}
	}
}

func (r *reader) extensions(s *Status) {
	for ; r.next != nil && r.err == nil; r.next = r.doc.Next(r.next) {
		e := r.next
		switch e.Space {
		case Namespace:
			r.fail(e, "6.1", e.Name+" is unknown, repeated or out of place")
		case "":
			r.fail(e, "3.5", "additional element "+e.Name+" is in no namespace")
		}
		s.Ext = append(s.Ext, Extension{e.Space, e.Name, r.doc.AppendRaw(nil, e)})
	}
}

// seconds reads xs:positiveInteger, which has no upper bound.
func seconds(s string) (time.Duration, bool) {
	s = strings.TrimPrefix(s, "+")
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > int64(maxRefresh/time.Second) {
		return maxRefresh, true
	}
	return time.Duration(n) * time.Second, true
}

// isMedia tells whether s is a type, or a type and a subtype (RFC 6838
// section 4.2).
func isMedia(s string) bool {
	name, sub, found := strings.Cut(s, "/")
	return isMediaName(name) && (!found || isMediaName(sub))
}

func isMediaName(s string) bool {
	if s == "" || len(s) > maxType {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || strings.IndexByte("!#$&-^_.+", c) < 0) {
			return false
		}
	}
	return true
}

// Marshal writes the document, valid by the schema of section 6.1, in UTF-8,
// its time in UTC. Equal values give equal octets. It fails if State is empty,
// LastActive outside of the years 1 to 9999, Refresh no number of whole seconds
// up to a day, if any of it is not what Parse could return, or if the document
// exceeds MaxSize. What an extension says inside is written as it is.
func (s *Status) Marshal() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("composing: marshal: %w", err)
	}
	b := make([]byte, 0, 256)
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\r\n"+`<isComposing xmlns="`+Namespace+`"><state>`...)
	b = append(xmlscan.AppendEscaped(b, s.State, false), "</state>"...)
	if !s.LastActive.IsZero() {
		b = append(rfc3339.AppendFormat(append(b, "<lastactive>"...), s.LastActive), "</lastactive>"...)
	}
	if s.ContentType != "" {
		b = append(xmlscan.AppendEscaped(append(b, "<contenttype>"...), s.ContentType, false), "</contenttype>"...)
	}
	if s.Refresh > 0 {
		b = fmt.Appendf(b, "<refresh>%d</refresh>", s.Refresh/time.Second)
	}
	for _, x := range s.Ext {
		b = append(b, x.Raw...)
	}
	if b = append(b, "</isComposing>"...); len(b) > MaxSize {
		return nil, errors.New("composing: marshal: document is too large")
	}
	return b, nil
}

func (s *Status) check() error {
	switch {
	case s.State == "" || !xmlscan.IsText(s.State):
		return errors.New("state is empty or holds characters that XML excludes")
	case !s.LastActive.IsZero() && (rfc3339.Format(s.LastActive) == "" || s.LastActive.UTC().Year() == 0):
		return errors.New("time of last activity outside the years 1 to 9999")
	case s.ContentType != "" && !isMedia(s.ContentType):
		return errors.New("content type is neither a media type nor one with its subtype")
	case s.Refresh < 0 || s.Refresh > maxRefresh || s.Refresh%time.Second != 0:
		return errors.New("refresh is not a number of whole seconds of at most a day")
	}
	for _, x := range s.Ext {
		if err := checkExtension(x); err != nil {
			return fmt.Errorf("extension %s: %w", x.Name, err)
		}
	}
	return nil
}

func checkExtension(x Extension) error {
	doc, err := xmlscan.Parse(x.Raw, xmlscan.Options{MaxSize: MaxSize, Fragment: true})
	if err != nil {
		return err
	}
	root := doc.Root()
	switch {
	case root.Space != x.NS || root.Name != x.Name:
		return errors.New("octets are those of another element")
	case x.NS == "" || x.NS == Namespace:
		return errors.New("not in a namespace of its own")
	case doc.Unbound():
		return errors.New("an element without namespace would take that of isComposing")
	case 1+doc.Depth(root) > xmlscan.MaxDepth:
		return errors.New("elements are nested too deeply")
	}
	return nil
}
