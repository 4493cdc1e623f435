package winfo

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/kith-im/kith/internal/xmlscan"
)

// Marshal writes the document in UTF-8 without needless white space. Equal
// values give equal octets. It fails if the document would not be valid under
// RFC 3858, exceeds a limit, or has a watcher whose event never leads to its
// status by RFC 3857.
func (d *Document) Marshal() ([]byte, error) {
	w := writer{b: make([]byte, 0, 512), ids: map[string]bool{}}
	w.b = append(w.b, `<?xml version="1.0" encoding="UTF-8"?><watcherinfo xmlns="`+Namespace+`" version="`...)
	w.b = append(strconv.AppendUint(w.b, uint64(d.Version), 10), '"')
	if d.Full {
		w.b = append(w.b, ` state="full">`...)
	} else {
		w.b = append(w.b, ` state="partial">`...)
	}
	resources := map[string]bool{}
	for i := range d.Lists {
		l := &d.Lists[i]
		w.check(isURI(l.Resource), "resource is not an absolute URI")
		w.check(!resources[l.Resource], "two lists for one resource")
		w.check(isToken(l.Package), "package is not a token")
		resources[l.Resource] = true
		w.b = append(w.b, "<watcher-list"...)
		w.attr("resource", l.Resource)
		w.attr("package", l.Package)
		w.b = append(w.b, '>')
		for j := range l.Watchers {
			w.watcher(&l.Watchers[j])
		}
		w.b = append(w.b, "</watcher-list>"...)
	}
	w.b = append(w.b, "</watcherinfo>\n"...)
	w.check(len(w.ids) <= MaxWatchers, "too many watchers")
	w.check(len(w.b) <= MaxSize, "document is too large")
	if w.err != nil {
		return nil, fmt.Errorf("winfo: %w", w.err)
	}
	return w.b, nil
}

// writer appends to b; err is the first thing that is wrong.
type writer struct {
	b   []byte
	err error
	ids map[string]bool
}

func (w *writer) check(ok bool, msg string) {
	if !ok && w.err == nil {
		w.err = errors.New(msg)
	}
}

func (w *writer) attr(name, value string) {
	w.check(xmlscan.IsText(value), name+" holds characters that XML excludes")
	w.b = append(append(append(w.b, ' '), name...), `="`...)
	w.b = append(xmlscan.AppendEscaped(w.b, value, true), '"')
}

func (w *writer) seconds(name string, n *uint64) {
	if n != nil {
		w.attr(name, strconv.FormatUint(*n, 10))
	}
}

func (w *writer) watcher(v *Watcher) {
	w.check(isToken(v.ID), "id is not a token")
	w.check(!w.ids[v.ID], "id "+v.ID+" is used twice")
	w.check(v.Event.LeadsTo(v.Status), "watcher "+v.ID+": event and status do not belong together")
	w.check(isURI(v.URI), "watcher "+v.ID+": not an absolute URI")
	w.check(v.Lang == "" || isLanguage(v.Lang), "watcher "+v.ID+": not a language tag")
	w.ids[v.ID] = true
	w.b = append(w.b, "<watcher"...)
	w.attr("id", v.ID)
	w.attr("status", string(v.Status))
	w.attr("event", string(v.Event))
	if v.DisplayName != "" {
		w.attr("display-name", v.DisplayName)
	}
	if v.Lang != "" {
		w.attr("xml:lang", v.Lang)
	}
	w.seconds("expiration", v.Expiration)
	w.seconds("duration-subscribed", v.Subscribed)
	w.b = append(w.b, '>')
	w.b = append(xmlscan.AppendEscaped(w.b, v.URI, false), "</watcher>"...)
}
