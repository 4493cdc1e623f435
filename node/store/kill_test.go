package store_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
)

// victim names the variable that makes the test binary write until it is killed.
const victim = "KITH_STORE_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		fmt.Println("error:", writeForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// message gives message i, the same in every process.
func message(i int) node.Message {
	bob, err := identity.ParseAddress("bob@example.org")
	if err != nil {
		panic(err)
	}
	return node.Message{
		Person: bob, MessageID: fmt.Sprint("m", i), Digest: sha256.Sum256(fmt.Append(nil, i)),
		ContentType: "text/plain", Text: fmt.Sprint("hello ", i), Sent: time.Unix(int64(i), 0),
	}
}

// writeForever delivers, enqueues and settles, and prints what was
// acknowledged: "in N", "out N" or "done ID". Between, it changes what else
// devices share, in a way that tells how often: see logged.
func writeForever(path string) error {
	s, err := store.Open(path)
	if err != nil {
		return err
	}
	ctx := context.Background()
	first, err := s.Count(ctx, "first", 0)
	if err != nil {
		return err
	}
	dev := node.Device{ID: identity.DeviceID{1}, Added: time.Unix(0, 0)}
	if all, err := s.Devices(ctx); err != nil {
		return err
	} else if len(all) > 0 {
		dev = all[0]
	}
	if err := s.PutInvite(ctx, node.Invite{Made: time.Unix(1, 0), Hash: node.TokenHash([16]byte{1})}); err != nil {
		return err
	}
	for i := int(first) * 100000; ; i++ {
		_, in, err := s.Deliver(ctx, message(i))
		if err != nil {
			return err
		}
		fmt.Println("in", i)
		id, err := s.Enqueue(ctx, message(i))
		if err != nil {
			return err
		}
		fmt.Println("out", i)
		if i%2 == 0 {
			if err := s.Settle(ctx, node.Message{ID: id, Status: node.Delivered}); err != nil {
				return err
			}
			fmt.Println("done", i)
		}
		if err := s.SetRead(ctx, in); err != nil {
			return err
		}
		if err := share(ctx, s, i, &dev); err != nil {
			return err
		}
	}
}

// share changes an invitation, a device and a contact.
func share(ctx context.Context, s *store.Store, i int, dev *node.Device) error {
	who, err := identity.ParseAddress(fmt.Sprintf("user%d@example.org", i%2))
	if err != nil {
		return err
	}
	if _, err := s.UseInvite(ctx, [16]byte{1}, who, time.Unix(int64(i), 0)); err != nil {
		return err
	}
	dev.Added = dev.Added.Add(time.Nanosecond)
	if err := s.PutDevice(ctx, *dev); err != nil {
		return err
	}
	bob := message(0).Person
	if i%2 == 0 {
		return s.PutContact(ctx, node.Contact{Person: bob, Name: "Bob"})
	}
	return s.RemoveContact(ctx, bob)
}

// logged fails unless the change log has a row for each thing and just those.
// The number of the last change is how often something changed. The things tell
// that too, but for the contact, which is there after each odd change.
func logged(t *testing.T, s *store.Store, all []node.Message) {
	t.Helper()
	ctx := t.Context()
	changes, err := s.Changes(ctx, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]node.Change)
	for _, c := range changes {
		rows[fmt.Sprint(c.Kind, " ", c.Key)] = c
	}
	times, things := 0, len(all)
	for _, m := range all {
		if c, ok := rows[fmt.Sprint(node.MessageChange, " ", m.Key())]; !ok || c.Deleted {
			t.Fatalf("%s is not in the change log: %v", m.Key(), c)
		}
		times++
		if m.Read || m.Status == node.Delivered {
			times++
		}
	}
	devices, err := s.Devices(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		times, things = times+int(d.Added.UnixNano()), things+1
	}
	invites, err := s.Invites(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range invites {
		times, things = times+1+i.Used, things+1
	}
	contacts, err := s.Contacts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := rows[fmt.Sprint(node.ContactChange, " bob@example.org")]
	if ok {
		things++
	}
	last, err := s.LastChange(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if here, odd := len(contacts) > 0, (int(last)-times)%2 == 1; here != (ok && !c.Deleted) || here != odd {
		t.Fatalf("%d contacts, but %d changes, of which others made %d, and the last was %v", len(contacts), last, times, c)
	}
	if len(changes) != things {
		t.Fatalf("%d rows in the change log for %d things", len(changes), things)
	}
}

// A process killed at any moment loses nothing that it acknowledged, and has
// nothing twice.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kith.db")
	acknowledged := make(map[string]bool)
	for round := range 20 {
		for _, line := range killed(t, path) {
			acknowledged[line] = true
		}
		s, err := store.Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		all, err := s.History(t.Context(), node.Query{}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		count := make(map[string]int)
		for _, m := range all {
			number := strings.TrimPrefix(m.MessageID, "m")
			if m.Out {
				count["out "+number]++
			} else {
				count["in "+number]++
			}
			if m.Status == node.Delivered {
				count["done "+number]++
			}
		}
		for line := range acknowledged {
			if count[line] != 1 {
				t.Fatalf("round %d: %q is there %d times", round, line, count[line])
			}
		}
		logged(t, s, all)
		for _, m := range all {
			if m.Out {
				continue
			}
			if found, _, err := s.Deliver(t.Context(), m); err != nil || found != node.Duplicate {
				t.Fatalf("round %d: %s again: got %v, %v", round, m.MessageID, found, err)
			}
			break
		}
		words, err := s.History(t.Context(), node.Query{Text: "hello"}, 1<<20)
		if err != nil || len(words) != len(all) {
			t.Fatalf("round %d: search found %d of %d messages, error %v", round, len(words), len(all), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) == 0 {
		t.Error("no process lived long enough to write")
	}
	t.Logf("%d acknowledged writes", len(acknowledged))
}

// killed runs a victim and kills it at a random moment: sometimes while it
// opens the store, mostly while it writes. It returns the whole lines printed.
func killed(t *testing.T, path string) []string {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), victim+"="+path)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { command.Process.Kill() })
	defer timer.Stop()
	var lines []string
	reader := bufio.NewReader(out)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			break
		}
		if strings.HasPrefix(line, "error:") {
			t.Errorf("victim: %s", line)
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	if err := command.Wait(); err == nil {
		t.Error("the victim ended by itself")
	}
	if complaints.Len() > 0 {
		t.Errorf("victim: %s", complaints.Bytes())
	}
	return lines
}
