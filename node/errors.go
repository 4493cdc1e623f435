package node

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	ErrNotFound   = errors.New("not found")
	ErrNameTaken  = errors.New("another contact has that name")
	ErrOldVersion = errors.New("not newer than what is stored")
)

// InputError says that what the owner gave cannot be used, and why.
type InputError struct{ Why string }

// Error says why.
func (e *InputError) Error() string { return e.Why }

func badInput(format string, args ...any) error {
	return &InputError{fmt.Sprintf(format, args...)}
}
