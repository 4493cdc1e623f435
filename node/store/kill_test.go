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
// acknowledged: "in N", "out N" or "done ID".
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
	for i := int(first) * 100000; ; i++ {
		if _, _, err := s.Deliver(ctx, message(i)); err != nil {
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
