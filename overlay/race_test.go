//go:build race

package overlay_test

// raced says that the race detector watches, which makes large networks take
// minutes.
const raced = true
