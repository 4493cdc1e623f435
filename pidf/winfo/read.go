package winfo

import (
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
)

// Parse reads a watcher information document; the error is a *SyntaxError.
//
// It holds the document to the schema of RFC 3858 section 6, with what section 3
// says beside it: elements and attributes of other namespaces are ignored
// wherever they stand, versions have 32 bits, ids are tokens and unique. Whether
// status and event fit together is not checked: see Event.LeadsTo.
func Parse(b []byte) (*Document, error) {
	x, err := xmlscan.Parse(b, xmlscan.Options{MaxSize: MaxSize})
	if err != nil {
		return nil, notXML(err)
	}
	r := reader{x: x, ids: map[string]bool{}, resources: map[string]bool{}}
	d := r.document(x.Root())
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// reader builds a document until err is set.
type reader struct {
	x              *xmlscan.Doc
	err            error
	ids, resources map[string]bool
}

func (r *reader) fail(e *xmlscan.Elem, section, msg string) {
	if r.err == nil {
		r.err = &SyntaxError{Line: r.x.Line(e), Section: section, Msg: msg}
	}
}

// attrs hands each attribute of e to use, which is false for an unknown one.
func (r *reader) attrs(e *xmlscan.Elem, use func(name, value string) bool) {
	for _, a := range r.x.Attrs(e) {
		switch {
		case a.Space == "" || a.Space == xmlscan.XML:
			name := a.Name
			if a.Space != "" {
				name = "xml:" + name
			}
			if !use(name, a.Value) {
				r.fail(e, "3858 6", "unknown attribute "+name)
			}
		case a.Space == Namespace:
			r.fail(e, "3858 6", "attribute "+a.Name+" has a namespace")
		}
	}
}

// children hands each child called name to read; those of other namespaces are
// ignored, but come after (section 6).
func (r *reader) children(e *xmlscan.Elem, name string, read func(*xmlscan.Elem)) {
	if e.HasInk() {
		r.fail(e, "3858 6", "text in "+e.Name)
	}
	foreign := false
	for c := r.x.First(e); c != nil && r.err == nil; c = r.x.Next(c) {
		switch {
		case c.Space != Namespace && c.Space != "":
			foreign = true
		case c.Space != Namespace || c.Name != name:
			r.fail(c, "3858 6", "unexpected element "+c.Name)
		case foreign:
			r.fail(c, "3858 6", name+" after an extension")
		default:
			read(c)
		}
	}
}

func (r *reader) document(e *xmlscan.Elem) *Document {
	if e.Space != Namespace || e.Name != "watcherinfo" {
		r.fail(e, "3858 3", "root element is not watcherinfo")
		return nil
	}
	d := &Document{}
	version, state := false, ""
	r.attrs(e, func(name, v string) bool {
		switch name {
		case "version":
			n, ok := number(v, 32)
			if !ok {
				r.fail(e, "3858 3", "version is not a number of 32 bits")
			}
			d.Version, version = uint32(n), true
		case "state":
			state = v
		default:
			return false
		}
		return true
	})
	switch {
	case !version:
		r.fail(e, "3858 3", "watcherinfo without version")
	case state != "full" && state != "partial":
		r.fail(e, "3858 3", "state is neither full nor partial")
	}
	d.Full = state == "full"
	r.children(e, "watcher-list", func(c *xmlscan.Elem) { d.Lists = append(d.Lists, r.list(c)) })
	return d
}

func (r *reader) list(e *xmlscan.Elem) (l List) {
	r.attrs(e, func(name, v string) bool {
		switch name {
		case "resource":
			l.Resource = xmlscan.TrimSpace(v)
		case "package":
			l.Package = v
		default:
			return false
		}
		return true
	})
	switch {
	case !isURI(l.Resource):
		r.fail(e, "3858 3", "resource is not an absolute URI")
	case r.resources[l.Resource]:
		r.fail(e, "3858 4", "two lists for one resource")
	case !isToken(l.Package):
		r.fail(e, "3858 3", "package is not a token")
	}
	r.resources[l.Resource] = true
	r.children(e, "watcher", func(c *xmlscan.Elem) { l.Watchers = append(l.Watchers, r.watcher(c)) })
	return l
}

func (r *reader) watcher(e *xmlscan.Elem) (w Watcher) {
	r.attrs(e, func(name, v string) bool {
		switch name {
		case "id":
			w.ID = v
		case "status":
			w.Status = Status(v)
		case "event":
			w.Event = Event(v)
		case "display-name":
			w.DisplayName = v
		case "xml:lang":
			if w.Lang = v; !isLanguage(v) {
				r.fail(e, "3858 6", "xml:lang is not a language tag")
			}
		case "expiration":
			w.Expiration = r.seconds(e, name, v)
		case "duration-subscribed":
			w.Subscribed = r.seconds(e, name, v)
		default:
			return false
		}
		return true
	})
	w.URI = xmlscan.TrimSpace(r.x.Text(e))
	switch {
	case r.x.First(e) != nil:
		r.fail(r.x.First(e), "3858 6", "element in watcher")
	case !isToken(w.ID):
		r.fail(e, "3858 3", "id is not a token")
	case r.ids[w.ID]:
		r.fail(e, "3858 3", "id is used twice")
	case len(r.ids) == MaxWatchers:
		r.fail(e, "3858 3", "too many watchers")
	case !w.Status.Known():
		r.fail(e, "3858 6", "unknown status")
	case !w.Event.Known():
		r.fail(e, "3858 6", "unknown event")
	case !isURI(w.URI):
		r.fail(e, "3858 3", "watcher is not an absolute URI")
	}
	r.ids[w.ID] = true
	return w
}

func (r *reader) seconds(e *xmlscan.Elem, name, v string) *uint64 {
	n, ok := number(v, 64)
	if !ok {
		r.fail(e, "3858 6", name+" is not a number of seconds")
	}
	return &n
}

// number reads an integer that is not negative, as XML Schema writes it.
func number(s string, bits int) (uint64, bool) {
	s = xmlscan.TrimSpace(s)
	if strings.HasPrefix(s, "+") || len(s) > 1 && s[0] == '-' && strings.Trim(s[1:], "0") == "" {
		s = s[1:]
	}
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil
}

// isToken is token of RFC 3261 section 25.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

// isURI reports whether s has a scheme, something after it, and only characters
// that may stand in a URI (RFC 2396).
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" || scheme[0]|0x20 < 'a' || scheme[0]|0x20 > 'z' {
		return false
	}
	for i := 0; i < len(scheme); i++ {
		if c := scheme[i]; !isAlphanumeric(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '%':
			if i+2 >= len(rest) || !isHex(rest[i+1]) || !isHex(rest[i+2]) {
				return false
			}
		case !isAlphanumeric(c) && strings.IndexByte(";/?:@&=+$,-_.!~*'()[]", c) < 0:
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// isLanguage reports whether s has the form of an RFC 3066 language tag.
func isLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) == 0 || len(part) > 8 {
			return false
		}
		for j := 0; j < len(part); j++ {
			if c := part[j]; !isAlphanumeric(c) || i == 0 && c <= '9' {
				return false
			}
		}
	}
	return true
}
