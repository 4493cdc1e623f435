package winfo

import (
	"errors"
	"slices"
)

// Errors of State.Next; match them with errors.Is.
var (
	// ErrGap says that documents are missing. The state is still the new one;
	// the caller should ask for a document with the full state.
	ErrGap = errors.New("winfo: a document is missing")
	// ErrStale says that the document is not newer than the state and was
	// discarded.
	ErrStale = errors.New("winfo: document is not newer than what is known")
	// ErrTooMany says that the state would have more than MaxWatchers watchers;
	// the document was discarded.
	ErrTooMany = errors.New("winfo: too many watchers")
)

// State is what the documents of one subscription to watcher information say
// together (RFC 3858 section 4). The zero value is that before the first.
type State struct {
	Version uint32
	Begun   bool   // a document has been taken; Version means something
	Lists   []List // one for each resource, in order of appearance
}

// Next returns the state after d; s and d stay as they are. The first document
// sets the version. After it a version that is not higher is discarded (the RFC
// leaves an equal one open), one that skips others is taken and reported as a
// gap, unless it has the full state and so leaves nothing to ask for. A first
// document with partial state is a gap, too.
//
// A terminated subscription stays in the state until the next document.
func (s State) Next(d *Document) (State, error) {
	if s.Begun && d.Version <= s.Version {
		return s, ErrStale
	}
	var gap error
	if !d.Full && (!s.Begun || d.Version-s.Version != 1) {
		gap = ErrGap
	}
	next := State{Version: d.Version, Begun: true}
	if !d.Full {
		for _, l := range s.Lists {
			l.Watchers = slices.DeleteFunc(slices.Clone(l.Watchers), func(w Watcher) bool { return w.Status == Terminated })
			next.Lists = append(next.Lists, l)
		}
	}
	for i := range d.Lists {
		next.update(&d.Lists[i])
	}
	n := 0
	for _, l := range next.Lists {
		n += len(l.Watchers)
	}
	if n > MaxWatchers || len(next.Lists) > MaxWatchers {
		return s, ErrTooMany
	}
	return next, gap
}

// update sets the rows of one table; the watchers of s are its own already.
func (s *State) update(l *List) {
	i := slices.IndexFunc(s.Lists, func(t List) bool { return t.Resource == l.Resource })
	if i < 0 {
		s.Lists = append(s.Lists, List{Resource: l.Resource, Package: l.Package, Watchers: slices.Clone(l.Watchers)})
		return
	}
	t := &s.Lists[i]
	t.Package = l.Package
	rows := make(map[string]int, len(t.Watchers))
	for j, w := range t.Watchers {
		rows[w.ID] = j
	}
	for _, w := range l.Watchers {
		if j, ok := rows[w.ID]; ok {
			t.Watchers[j] = w
		} else {
			rows[w.ID] = len(t.Watchers)
			t.Watchers = append(t.Watchers, w)
		}
	}
}
