package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// dump gives all rows of all tables, also those of the index of words.
func dump(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	ctx := t.Context()
	text := func(r row) (string, error) {
		var one string
		return one, r.Scan(&one)
	}
	tables, err := list(ctx, s.read, text, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, table := range tables {
		rows, err := s.read.QueryContext(ctx, `SELECT * FROM "`+table+`"`)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			all[table] = append(all[table], fmt.Sprint(values...))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// busy fills a store with messages, of which one was deleted.
func busy(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	for i := range 50 {
		if _, err := s.Enqueue(ctx, hello(t, i)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Deliver(ctx, hello(t, 1000+i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutSetting(ctx, "status", []byte("open")); err != nil {
		t.Fatal(err)
	}
	run(t, s, "DELETE FROM messages WHERE message_id = '7'")
}

func TestSnapshot(t *testing.T) {
	s, ctx := open(t), t.Context()
	busy(t, s)
	path := filepath.Join(t.TempDir(), "copy")
	if err := s.Snapshot(ctx, path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, []byte("hello number7,")) {
		t.Error("a deleted message is in the copy")
	}
	copied, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if diff := cmp.Diff(dump(t, s), dump(t, copied)); diff != "" {
		t.Errorf("copy differs (-want +got):\n%s", diff)
	}
	if found, err := copied.History(ctx, node.Query{Text: "number12"}, 10); err != nil || len(found) != 1 {
		t.Errorf("search in the copy: %d messages, %v", len(found), err)
	}
	// A copy is no more than that: it goes its own way.
	if _, err := copied.Enqueue(ctx, hello(t, 51)); err != nil {
		t.Error(err)
	}
}

func TestSnapshotRefuses(t *testing.T) {
	s := open(t)
	busy(t, s)
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Snapshot(t.Context(), taken); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if got, err := os.ReadFile(taken); err != nil || string(got) != "mine" {
		t.Errorf("the other file: %q, %v", got, err)
	}
	if err := s.Snapshot(t.Context(), filepath.Join(dir, "none", "copy")); err == nil {
		t.Error("into no directory: copied")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Snapshot(cancelled, filepath.Join(dir, "copy")); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Messages come and go while copies are made; each copy has all up to one
// moment and nothing behind it.
func TestSnapshotWhileWriting(t *testing.T) {
	s, ctx := open(t), t.Context()
	dir := t.TempDir()
	written, stop := make(chan error, 1), make(chan struct{})
	go func() { // ends by stop
		for i := 0; ; i++ {
			select {
			case <-stop:
				written <- nil
				return
			default:
			}
			if _, err := s.Enqueue(ctx, hello(t, i)); err != nil {
				written <- err
				return
			}
		}
	}()
	last := 0
	for i := range 5 {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := s.Snapshot(ctx, path); err != nil {
			t.Fatal(err)
		}
		copied, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		all, err := copied.History(ctx, node.Query{}, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for at, m := range all {
			if m.MessageID != fmt.Sprint(at) {
				t.Fatalf("copy %d: message %s is at %d", i, m.MessageID, at)
			}
		}
		if len(all) < last {
			t.Errorf("copy %d has %d messages, the one before %d", i, len(all), last)
		}
		last = len(all)
		if err := copied.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

func TestReseed(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	old := identity.DeviceID{1, 2, 3}
	path := filepath.Join(t.TempDir(), "kith.db")
	for name, revoke := range map[string]bool{"the old device is gone": true, "the old device stays": false} {
		t.Run(name, func(t *testing.T) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			source := open(t)
			busy(t, source)
			if err := source.Snapshot(ctx, path); err != nil {
				t.Fatal(err)
			}
			r := Restored{From: old, Revoke: revoke, At: now}
			if err := Reseed(ctx, path, r); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for counter, want := range map[string]uint64{"boot": uint64(now.Unix()) + 1, "standing": uint64(now.UnixMilli()) + 1} {
				if got, err := s.Count(ctx, counter, 1); err != nil || got != want {
					t.Errorf("next %s: %d, %v; want %d", counter, got, err, want)
				}
			}
			want := fmt.Sprintf(`{"from":"0102030000000000000000000000000000000000","revoke":%v,"at":"2026-11-20T12:00:00Z"}`, revoke)
			if got, err := s.Setting(ctx, KeepRestored); err != nil || string(got) != want {
				t.Errorf("setting: %s, %v; want %s", got, err, want)
			}
			if got, err := s.Setting(ctx, KeepRecovered); err != nil || got != nil {
				t.Errorf("setting of a store of the account key alone: %s, %v", got, err)
			}
			if queued, err := s.Queued(ctx); err != nil || len(queued) > 0 {
				t.Errorf("%d messages of the other device are tried again, %v", len(queued), err)
			}
			all, err := s.History(ctx, node.Query{}, 1000)
			if err != nil || len(all) != 99 {
				t.Fatalf("%d messages, %v", len(all), err)
			}
			for _, m := range all {
				if !m.Out {
					continue
				}
				if revoke && (m.Status != node.Unconfirmed || !m.Settled.Equal(now) || m.Reason == "") || !revoke && (m.Status != node.Queued || m.Device != old) {
					t.Fatalf("message after the restore: %+v", m)
				}
			}
		})
	}
}

// Counters never fall: a clock that went back does not undo a jump.
func TestReseedNew(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "kith.db")
	late, early := time.Unix(2000, 0), time.Unix(1000, 0)
	for _, at := range []time.Time{late, early} {
		if err := Reseed(ctx, path, Restored{At: at}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Count(ctx, "boot", 1); err != nil || got != 2002 {
		t.Errorf("next boot: %d, %v", got, err)
	}
	if got, err := s.Setting(ctx, KeepRestored); err != nil || got != nil {
		t.Errorf("setting of a store from nowhere: %s, %v", got, err)
	}
	if got, err := s.Setting(ctx, KeepRecovered); err != nil || string(got) != "1970-01-01T00:16:40Z" {
		t.Errorf("setting of a store of the account key alone: %s, %v", got, err)
	}
	if err := Reseed(ctx, path, Restored{At: late}); !errors.Is(err, ErrLocked) {
		t.Errorf("with a node at work: %v", err)
	}
}
