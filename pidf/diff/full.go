package diff

import (
	"slices"
	"strconv"
)

// Presence turns a pidf-full document into the document of type
// application/pidf+xml with the same content: the root gets its other name and
// loses its version, nothing else changes. The error is an *Error.
func Presence(full []byte) ([]byte, error) {
	doc, err := read(full)
	if err != nil {
		return nil, notXML("document: ", err)
	}
	if doc.root.space != Namespace || doc.root.local != "pidf-full" {
		return nil, &Error{Code: InvalidDiffFormat, Line: doc.line(doc.root.off), Section: "5262 3", Msg: "document: root element is not pidf-full"}
	}
	return doc.presence()
}

func (d *document) presence() ([]byte, error) {
	root := *d.root
	root.attrs = slices.Clone(root.attrs)
	if i := root.find("", "version"); i >= 0 {
		root.attrs = slices.Delete(root.attrs, i, i+1)
	}
	root.rename(pidfNamespace, "presence")
	return d.with(&root)
}

// Full turns a presence document into a pidf-full document of the given version
// with the same content. The error is an *Error.
func Full(presence []byte, version uint32) ([]byte, error) {
	doc, err := read(presence)
	if err != nil {
		return nil, notXML("document: ", err)
	}
	if doc.root.space != pidfNamespace || doc.root.local != "presence" {
		return nil, &Error{Code: InvalidDiffFormat, Line: doc.line(doc.root.off), Section: "5262 3", Msg: "document: root element is not presence"}
	}
	if err := doc.sendable(); err != nil {
		return nil, err
	}
	root := *doc.root
	root.attrs = append(slices.Clone(root.attrs), newAttr("", "version", "", strconv.FormatUint(uint64(version), 10)))
	root.rename(Namespace, "pidf-full")
	return doc.with(&root)
}

// with writes the document with another root.
func (d *document) with(root *node) ([]byte, error) {
	b := append([]byte(d.before), root.append(nil)...)
	b = append(b, d.after...)
	if _, err := read(b); err != nil {
		return nil, notXML("result: ", err)
	}
	return b, nil
}

// rename gives a root another name, under a prefix that it binds or, if it binds
// none to space, a new one.
func (n *node) rename(space, local string) {
	prefix, ok := n.prefixFor(space, "")
	if n.findDecl("") >= 0 {
		if uri, _ := n.lookup(""); uri == space {
			prefix, ok = "", true
		}
	}
	if !ok {
		prefix = n.freePrefix("p")
		n.attrs = append(n.attrs, newDecl(prefix, space))
	}
	n.prefix, n.space, n.local = prefix, space, local
	if n.etag != "" {
		n.etag = "</" + n.qname() + ">"
	}
}

// freePrefix returns a prefix that n does not declare, base if possible.
func (n *node) freePrefix(base string) string {
	p := base
	for i := 0; n.findDecl(p) >= 0; i++ {
		p = base + strconv.Itoa(i)
	}
	return p
}

// sendable checks what a document needs to become a pidf-full.
func (d *document) sendable() error {
	msg := ""
	v, versioned := d.root.get("version")
	if _, ok := d.root.get("entity"); !ok {
		msg = "has no entity"
	} else if versioned && d.root.local == "presence" {
		msg = "is a presence with an attribute version"
	} else if _, ok := parseVersion(v); versioned && !ok {
		msg = "has a malformed version"
	}
	if msg == "" {
		return nil
	}
	return &Error{Code: InvalidAttributeValue, Line: d.line(d.root.off), Section: "5262 3", Msg: "document: " + msg}
}
