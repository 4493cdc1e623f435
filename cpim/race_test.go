//go:build race

package cpim

const raceEnabled = true
