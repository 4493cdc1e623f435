package diff

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kith-im/kith/internal/xmlscan"
)

// Code is the name of an error element of RFC 5261 section 5.1, which RFC 5262
// section 11 adopts.
type Code string

// The error elements. This package never returns InvalidEntityDeclaration,
// InvalidPrologOperation or UnsupportedXMLID: a DOCTYPE is refused as
// InvalidDiffFormat, no selector reaches what stands before the root, and xml:id
// is an attribute like others.
const (
	InvalidAttributeValue    Code = "invalid-attribute-value"        // of sel, type, pos, ws, version or entity
	InvalidCharacterSet      Code = "invalid-character-set"          // not UTF-8
	InvalidDiffFormat        Code = "invalid-diff-format"            // not well-formed or not valid
	InvalidEntityDeclaration Code = "invalid-entity-declaration"     // the document declares entities
	InvalidNamespacePrefix   Code = "invalid-namespace-prefix"       // without declaration, or reserved
	InvalidNamespaceURI      Code = "invalid-namespace-uri"          // empty or reserved
	InvalidNodeTypes         Code = "invalid-node-types"             // content that does not fit the target
	InvalidPatchDirective    Code = "invalid-patch-directive"        // cannot be carried out
	InvalidRootElement       Code = "invalid-root-element-operation" // would remove the root or give it siblings
	InvalidPrologOperation   Code = "invalid-xml-prolog-operation"   // on what stands before the root
	InvalidWhitespace        Code = "invalid-whitespace-directive"   // no such white space
	UnlocatedNode            Code = "unlocated-node"                 // sel finds none, or more than one
	UnsupportedIDFunction    Code = "unsupported-id-function"        // sel uses id()
	UnsupportedXMLID         Code = "unsupported-xml-id"             // sel depends on xml:id
)

// Errors of the version rule of Apply; match them with errors.Is.
var (
	// ErrGap says that an update before this one is missing: get a full document.
	ErrGap = errors.New("an update is missing")
	// ErrStale says that the document is already as new as the update.
	ErrStale = errors.New("update is not newer than the document")
)

// Error says why an update cannot be read or applied. The document that it
// should have changed is as before.
type Error struct {
	Code    Code
	Line    int    // of the update, counted from 1; of the other document if Msg says so
	Section string // of an RFC, as in "5261 4.1"
	Msg     string

	cause error
}

func (e *Error) Error() string {
	return fmt.Sprintf("pidf diff: line %d: %s: %s (RFC %s)", e.Line, e.Code, e.Msg, e.Section)
}

// Unwrap returns ErrGap or ErrStale if one of them is the reason.
func (e *Error) Unwrap() error { return e.cause }

// notXML turns an error of xmlscan about the document called what into an Error.
func notXML(what string, err error) error {
	x, ok := errors.AsType[*xmlscan.Error](err)
	if !ok {
		return err
	}
	code := InvalidDiffFormat
	if strings.Contains(x.Msg, "UTF") {
		code = InvalidCharacterSet
	}
	return &Error{Code: code, Line: x.Line, Section: "5262 3", Msg: what + x.Msg}
}
