package nodetest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
)

// memory is a stage in memory.
type memory struct{ world *World }

func (m memory) Join(t *testing.T, name string, _ *identity.Keys) Device { return m.world.Join(name) }

func (m memory) Kill(name string) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	delete(m.world.ports, name)
}

func TestStoriesInMemory(t *testing.T) {
	for name, story := range Stories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				story(t, memory{NewWorld(20 * time.Millisecond)})
			})
		})
	}
}
