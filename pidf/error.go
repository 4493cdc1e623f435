package pidf

import (
	"errors"
	"fmt"

	"github.com/kith-im/kith/internal/xmlscan"
)

// SyntaxError says where a document breaks which rule.
type SyntaxError struct {
	Line    int    // counted from 1
	Section string // of an RFC, as in "3863 4.1.2"
	Msg     string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("pidf: line %d: %s (RFC %s)", e.Line, e.Msg, e.Section)
}

// notXML turns an error of xmlscan into a SyntaxError.
func notXML(err error) error {
	if x, ok := errors.AsType[*xmlscan.Error](err); ok {
		return &SyntaxError{Line: x.Line, Section: "3863 4.1", Msg: x.Msg}
	}
	return err
}
