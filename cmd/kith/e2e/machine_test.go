package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the kith program under test.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kith-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "kith")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/kith-im/kith/cmd/kith").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build kith: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// machine is one person's computer: a home directory, perhaps a network
// namespace, and a node process that may be killed.
type machine struct {
	t     *testing.T
	name  string
	home  string
	netns string
	flags []string // of kith up
	node  *exec.Cmd
	log   bytes.Buffer
}

func newMachine(t *testing.T, name, netns string, flags ...string) *machine {
	t.Helper()
	m := &machine{t: t, name: name, home: filepath.Join(t.TempDir(), name), netns: netns, flags: flags}
	t.Cleanup(func() {
		m.kill()
		if t.Failed() {
			t.Logf("%s's node said:\n%s", name, m.log.String())
		}
	})
	m.up()
	return m
}

// command prepares kith with arguments, at this machine.
func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{binary, "--home", m.home}, args...)
	if m.netns != "" {
		args = append([]string{"ip", "netns", "exec", m.netns}, args...)
	}
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

// up starts the node and waits until it answers.
func (m *machine) up() {
	m.t.Helper()
	args := append([]string{"up", "--name", m.name, "--log-level", "warn"}, m.flags...)
	m.node = m.command(context.Background(), args...)
	m.node.Stdout, m.node.Stderr = &m.log, &m.log
	m.node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ip netns exec replaces itself; be sure all the same
	if err := m.node.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.until(20*time.Second, "node answers", func() bool {
		_, err := m.kith("me")
		return err == nil
	})
}

// kill ends the node as a power cut would.
func (m *machine) kill() {
	if m.node == nil {
		return
	}
	syscall.Kill(-m.node.Process.Pid, syscall.SIGKILL)
	m.node.Wait()
	m.node = nil
}

// kith runs a command with --json and returns what it printed.
func (m *machine) kith(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := m.command(ctx, append([]string{"--json"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kith %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// must is kith for what has to succeed.
func (m *machine) must(args ...string) string {
	m.t.Helper()
	out, err := m.kith(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", m.name, err, out)
	}
	return out
}

// list reads a JSON array.
func list[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return all
}

// contact and message are the parts of the JSON output that tests read.
type contact struct {
	Name, Liveness, Show string
}

type message struct {
	Text, Direction, Status string
}

// sees says whether the machine's owner sees a contact so.
func (m *machine) sees(name, show, liveness string) bool {
	for _, c := range list[contact](m.t, m.must("ls")) {
		if c.Name == name {
			return c.Liveness == liveness && c.Show == show
		}
	}
	return false
}

// until waits for something to come true.
func (m *machine) until(d time.Duration, what string, ok func() bool) time.Duration {
	m.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > d {
			m.t.Fatalf("%s: not within %v: %s", m.name, d, what)
		}
		pace()
	}
	return time.Since(began)
}

// pace keeps a loop of commands from spinning. Real processes live in real
// time.
func pace() { <-time.After(50 * time.Millisecond) }

// meet makes the owners of two machines contacts who see each other.
func meet(t *testing.T, alice, bob *machine) {
	t.Helper()
	var me struct{ Invitation string }
	if err := json.Unmarshal([]byte(bob.must("me")), &me); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	alice.must("add", me.Invitation, bob.name)
	bob.until(20*time.Second, "request arrives", func() bool {
		_, err := bob.kith("approve", alice.name)
		return err == nil
	})
	alice.until(20*time.Second, "sees bob", func() bool { return alice.sees(bob.name, "open", "live") })
	bob.until(20*time.Second, "sees alice", func() bool { return bob.sees(alice.name, "open", "live") })
	t.Logf("%s and %s see each other after %v", alice.name, bob.name, time.Since(began).Round(time.Millisecond))
}

// send tries to send a text and says whether it was accepted: delivered (0) or
// kept for later (4). What failed was not accepted.
func (m *machine) send(to, text string) bool {
	_, err := m.kith("send", to, text, "--timeout", "500ms")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 4 {
		return true
	}
	return err == nil
}
