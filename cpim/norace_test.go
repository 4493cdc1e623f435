//go:build !race

package cpim

const raceEnabled = false
