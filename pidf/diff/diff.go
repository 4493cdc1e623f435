// Package diff reads, applies and makes partial presence documents: the format
// application/pidf-diff+xml of RFC 5262, which carries either a whole presence
// document with a version (pidf-full) or the changes from one version to the
// next (pidf-diff), as operations of RFC 5261. It is for large documents on
// narrow links; a small document is better sent whole.
//
// A publisher that keeps the document it sent last calls Create with that one
// and the new one, and sends the result. A watcher calls Apply with the
// document it holds and the update, and reads the result with package pidf. Both
// may hold documents with the root presence or pidf-full; Full and Presence
// turn one into the other. Only pidf-full has a place for the version.
//
// Octets that no operation touches stay as they are. Apply(old, Create(old,
// new)) is Equivalent to new, which says precisely what may differ.
//
// Nothing here checks that a document is valid PIDF, only that it is well-formed
// XML in the sense of internal/xmlscan; read the result with pidf.Parse. A
// signature covers the octets of the update that was sent: what Apply makes has
// no signature of its own.
//
// Of the selectors of RFC 5261 section 4.1 all are understood but id(): steps by
// name, * and namespaced name with predicates by position, by attribute, by
// child and by own value; text(), comment(), processing-instruction(),
// attributes and namespace declarations as targets. Nodes beside the root
// element cannot be selected. The first step presence stands for the root
// whether it is presence or pidf-full, as the example of RFC 5262 section 6 has
// it. Added content keeps its prefixes: a declaration is added to it where the
// place does not bind a prefix the same way.
//
// Limits: MaxSize octets for an update and for each document, MaxOps operations,
// MaxWork for the selectors of one update, besides those of package pidf on
// depth and attributes.
package diff

import (
	"math"
	"strconv"

	"github.com/kith-im/kith/internal/xmlscan"
)

// Namespace is that of the elements of RFC 5262.
const Namespace = "urn:ietf:params:xml:ns:pidf-diff"

// ContentType is the MIME label of an update (RFC 5262 section 5.2).
const ContentType = "application/pidf-diff+xml; charset=UTF-8"

// Limits. A document beyond pidf.MaxSize is none that kith publishes; the format
// is meant for those of others, too.
const (
	MaxSize = 256 << 10 // octets of a document or update
	MaxOps  = 1024      // operations in an update
	MaxWork = 2 << 20   // nodes and octets that the selectors of an update may look at
)

// Update is a parsed update. It is immutable.
type Update struct {
	doc       *document
	full      bool
	version   uint32
	versioned bool
	entity    string
	named     bool // entity is stated
	ops       []op
}

// Full reports whether the update carries a whole document (pidf-full).
func (u *Update) Full() bool { return u.full }

// Version returns the sequence number of the update; ok is false if it has none
// (RFC 5262 section 3.1).
func (u *Update) Version() (n uint32, ok bool) { return u.version, u.versioned }

// Entity returns the URI of the presentity, empty if the update does not state
// it (RFC 5262 section 3.2).
func (u *Update) Entity() string { return u.entity }

// Len returns the number of operations.
func (u *Update) Len() int { return len(u.ops) }

// Parse reads an update strictly; the error is an *Error. It checks all that can
// be known without the document: structure, attributes, syntax and prefixes of
// selectors. A pidf-full must be well-formed XML with an entity, and its version
// a number.
func Parse(b []byte) (*Update, error) {
	doc, err := read(b)
	if err != nil {
		return nil, notXML("", err)
	}
	u := &Update{doc: doc}
	root := doc.root
	switch {
	case root.space == Namespace && root.local == "pidf-full":
		u.full = true
	case root.space != Namespace || root.local != "pidf-diff":
		return nil, u.fail(root, InvalidDiffFormat, "5262 3", "root element is neither pidf-diff nor pidf-full")
	}
	if err := u.rootAttrs(); err != nil {
		return nil, err
	}
	if u.full {
		return u, nil
	}
	for _, k := range root.kids {
		switch {
		case k.kind == text && !k.blank() && k.value != "":
			return nil, u.fail(k, InvalidDiffFormat, "5262 7", "text between operations")
		case k.kind != element:
			continue
		case len(u.ops) == MaxOps:
			return nil, u.fail(k, InvalidDiffFormat, "5262 7", "too many operations")
		}
		o, err := u.readOp(k)
		if err != nil {
			return nil, err
		}
		u.ops = append(u.ops, o)
	}
	return u, nil
}

func (u *Update) fail(n *node, code Code, section, msg string) error {
	return &Error{Code: code, Line: u.doc.line(n.off), Section: section, Msg: msg}
}

// rootAttrs reads version and entity.
func (u *Update) rootAttrs() error {
	root := u.doc.root
	for i := range root.attrs {
		a := &root.attrs[i]
		switch {
		case a.decl:
		case a.space == "" && a.local == "version":
			n, ok := parseVersion(a.value)
			if !ok {
				return u.fail(root, InvalidAttributeValue, "5262 3.1", "version is not an unsigned number of 32 bits")
			}
			u.version, u.versioned = n, true
		case a.space == "" && a.local == "entity":
			u.entity, u.named = a.value, true
		case !u.full:
			return u.fail(root, InvalidDiffFormat, "5262 7", "unknown attribute "+a.local)
		}
	}
	if u.full && !u.named {
		return u.fail(root, InvalidDiffFormat, "5262 7", "pidf-full without entity")
	}
	return nil
}

// parseVersion reads an xs:unsignedInt.
func parseVersion(s string) (uint32, bool) {
	s = xmlscan.TrimSpace(s)
	if s != "" && (s[0] == '+' || s == "-0") {
		s = s[1:]
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// Apply makes the document that an update leads to from old: the octets of a
// presence or pidf-full document, as old is. For a pidf-full update old may be
// empty; the result is then a presence document.
//
// If both have a version, a pidf-diff must be the next one, and a pidf-full a
// later one: the errors are otherwise those that errors.Is finds to be ErrGap
// or ErrStale. A version is written to the result if its root is pidf-full. An
// entity must be the same in all of them. The error is an *Error; the lines are
// those of update unless its Msg says otherwise.
func Apply(old, update []byte) ([]byte, error) {
	u, err := Parse(update)
	if err != nil {
		return nil, err
	}
	return u.Apply(old)
}

// Apply is the function Apply for an update that has been parsed.
func (u *Update) Apply(old []byte) ([]byte, error) {
	if u.full && len(old) == 0 {
		return u.doc.presence()
	}
	doc, err := readFull(old)
	if err != nil {
		return nil, err
	}
	if err := u.follows(doc.root); err != nil {
		return nil, err
	}
	if u.full {
		if doc.root.local == "presence" {
			return u.doc.presence()
		}
		return []byte(u.doc.src), nil
	}
	p := patcher{u: u, doc: doc, size: len(old), work: MaxWork}
	for i := range u.ops {
		if err := p.apply(&u.ops[i]); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// readFull reads a presence or pidf-full document.
func readFull(b []byte) (*document, error) {
	doc, err := read(b)
	if err != nil {
		return nil, notXML("document: ", err)
	}
	if !isRoot(doc.root.space, doc.root.local) {
		return nil, &Error{Code: InvalidDiffFormat, Line: doc.line(doc.root.off), Section: "5262 3",
			Msg: "document: root element is neither presence nor pidf-full"}
	}
	return doc, nil
}

// follows holds version and entity of u against those of a document.
func (u *Update) follows(old *node) error {
	if e, _ := old.get("entity"); u.named && e != u.entity {
		return u.fail(u.doc.root, InvalidAttributeValue, "5262 3.2", "entity is not that of the document")
	}
	held, ok := versionOf(old)
	if !ok || !u.versioned {
		return nil
	}
	err := &Error{Code: InvalidAttributeValue, Line: u.doc.line(u.doc.root.off), Section: "5262 3"}
	switch {
	case u.version <= held:
		err.cause = ErrStale
	case !u.full && (held == math.MaxUint32 || u.version != held+1):
		err.cause = ErrGap
	default:
		return nil
	}
	err.Msg = err.cause.Error()
	return err
}

// versionOf returns the version of a pidf-full.
func versionOf(root *node) (uint32, bool) {
	v, ok := root.get("version")
	if !ok || root.local != "pidf-full" {
		return 0, false
	}
	return parseVersion(v)
}
