package node

import "errors"

// Errors that callers branch on.
var (
	ErrNotFound   = errors.New("not found")
	ErrNameTaken  = errors.New("another contact has that name")
	ErrOldVersion = errors.New("not newer than what is stored")
)
