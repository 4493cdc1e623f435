package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// cable makes two network namespaces joined by a veth pair, with nothing else
// in them but loopback: no default route, no DNS, no other host.
func cable(t *testing.T) (a, b string) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Skip("network namespaces need root and the program ip (Debian: iproute2)")
	}
	id := os.Getpid()
	a, b = fmt.Sprintf("kith%da", id), fmt.Sprintf("kith%db", id)
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	run("netns", "add", a)
	t.Cleanup(func() { run("netns", "del", a) })
	run("netns", "add", b)
	t.Cleanup(func() { run("netns", "del", b) })
	run("link", "add", "veth0", "netns", a, "type", "veth", "peer", "name", "veth0", "netns", b)
	for ns, addr := range map[string]string{a: "10.77.0.1/24", b: "10.77.0.2/24"} {
		run("-n", ns, "addr", "add", addr, "dev", "veth0")
		run("-n", ns, "link", "set", "veth0", "up")
		run("-n", ns, "link", "set", "lo", "up")
	}
	return a, b
}

// TestCable has two people on a cable find each other by address alone, and
// one of them killed during a conversation.
func TestCable(t *testing.T) {
	a, b := cable(t)
	began := time.Now()
	alice := newMachine(t, "alice", a, "--lease", "5s")
	bob := newMachine(t, "bob", b, "--lease", "5s")
	var me struct{ Address string }
	if err := json.Unmarshal([]byte(bob.must("me")), &me); err != nil {
		t.Fatal(err)
	}
	alice.must("add", me.Address, "bob") // no invitation: who that is, and where, is found on the cable
	bob.until(30*time.Second, "request arrives", func() bool {
		_, err := bob.kith("approve", "alice")
		return err == nil
	})
	alice.until(20*time.Second, "sees bob", func() bool { return alice.sees("bob", "open", "live") })
	bob.until(20*time.Second, "sees alice", func() bool { return bob.sees("alice", "open", "live") })
	t.Logf("met by address alone %v after the first start", time.Since(began).Round(time.Millisecond))
	converse(t, alice, bob, 200)
	bob.kill()
	killed := time.Now()
	alice.until(15*time.Second, "bob is gone", func() bool { return alice.sees("bob", "open", "gone") })
	t.Logf("gone %v after the kill, with a lease of 5 s", time.Since(killed).Round(10*time.Millisecond))
}
