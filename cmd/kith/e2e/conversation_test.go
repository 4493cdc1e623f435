package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// converse has two people send each other texts while bob's node is killed and
// started again, and checks that what was accepted arrived exactly once.
func converse(t *testing.T, alice, bob *machine, count int) {
	var wg sync.WaitGroup
	accepted := make([]map[string]bool, 2)
	half := make(chan struct{})
	talk := func(i int, from *machine, to string) {
		accepted[i] = make(map[string]bool)
		for k := range count {
			for try := 0; ; try++ { // a text that was not accepted is sent under another name
				text := fmt.Sprintf("%s says %d.%d", from.name, k, try)
				if from.send(to, text) {
					accepted[i][text] = true
					break
				}
				if try > 200 {
					t.Errorf("%s: not accepted: %s", from.name, text)
					return
				}
				pace()
			}
			if i == 0 && k == count/2 {
				close(half)
			}
		}
	}
	wg.Go(func() { talk(0, alice, bob.name) })
	wg.Go(func() { talk(1, bob, alice.name) })
	<-half
	bob.kill()
	pace()
	bob.up()
	wg.Wait()
	for i, pair := range [][2]*machine{{alice, bob}, {bob, alice}} {
		from, to := pair[0], pair[1]
		took := to.until(time.Minute, fmt.Sprintf("%d messages", len(accepted[i])), func() bool {
			got := received(t, to, from.name, count)
			for text := range accepted[i] {
				if got[text] == 0 {
					return false
				}
			}
			return true
		})
		for text, n := range received(t, to, from.name, count) {
			if n != 1 {
				t.Errorf("%s has %q %d times", to.name, text, n)
			}
		}
		t.Logf("%s → %s: %d accepted, all there once, the last %v after the end", from.name, to.name, len(accepted[i]), took.Round(time.Millisecond))
	}
}

// received counts each text that a machine's owner has of somebody.
func received(t *testing.T, m *machine, from string, count int) map[string]int {
	t.Helper()
	got := make(map[string]int)
	for _, one := range list[message](t, m.must("history", from, "--limit", fmt.Sprint(10*count))) {
		if one.Direction == "in" {
			got[one.Text]++
		}
	}
	return got
}

func TestKilledDuringConversation(t *testing.T) {
	began := time.Now()
	alice := newMachine(t, "alice", "", "--listen", "127.0.0.1:0", "--no-lan")
	bob := newMachine(t, "bob", "", "--listen", "127.0.0.1:0", "--no-lan")
	carol := newMachine(t, "carol", "", "--listen", "127.0.0.1:0", "--no-lan")
	meet(t, alice, bob)
	meet(t, carol, bob)
	converse(t, alice, bob, 200)
	carol.until(time.Minute, "sees bob back", func() bool { return carol.sees("bob", "open", "live") })
	carol.must("send", "bob", "what a conversation")
	t.Logf("all of it took %v", time.Since(began).Round(time.Second))
}

// TestDeadIsNotLive kills a node and watches what kith ls says of it.
func TestDeadIsNotLive(t *testing.T) {
	const lease = 5 * time.Second
	alice := newMachine(t, "alice", "", "--listen", "127.0.0.1:0", "--no-lan", "--lease", lease.String())
	bob := newMachine(t, "bob", "", "--listen", "127.0.0.1:0", "--no-lan", "--lease", lease.String())
	meet(t, alice, bob)
	bob.kill()
	killed := time.Now()
	var lastLive, gone time.Duration
	for gone == 0 && time.Since(killed) < 4*lease {
		asked := time.Since(killed)
		switch {
		case alice.sees("bob", "open", "live"):
			lastLive = asked
		case alice.sees("bob", "open", "gone"):
			gone = asked
		}
		pace()
	}
	if lastLive > lease {
		t.Errorf("shown live %v after the kill; its lease is %v", lastLive, lease)
	}
	if gone == 0 {
		t.Error("never shown gone")
	}
	bob.up()
	back := alice.until(20*time.Second, "bob is back", func() bool { return alice.sees("bob", "open", "live") })
	t.Logf("lease %v: last shown live %v after the kill, gone %v after it, live %v after the return",
		lease, lastLive.Round(10*time.Millisecond), gone.Round(10*time.Millisecond), back.Round(10*time.Millisecond))
}
