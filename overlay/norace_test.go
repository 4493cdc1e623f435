//go:build !race

package overlay_test

const raced = false
