package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "kith.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func run(t testing.TB, s *Store, statement string) {
	t.Helper()
	if _, err := s.write.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func hello(t testing.TB, i int) node.Message {
	t.Helper()
	bob, err := identity.ParseAddress("bob@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return node.Message{
		Person: bob, MessageID: fmt.Sprint(i), ContentType: "text/plain", Digest: [32]byte{byte(i)},
		Text: fmt.Sprintf("hello number%d, are you there? See you at the station", i),
		Sent: time.Unix(int64(i), 0), Stored: time.Unix(int64(i), 0), Deadline: time.Unix(int64(i)+7*86400, 0),
	}
}

func TestDeletedMessagesStayKnown(t *testing.T) {
	s, ctx := open(t), t.Context()
	_, first, err := s.Deliver(ctx, hello(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "DELETE FROM messages")
	if got, _, err := s.Deliver(ctx, hello(t, 1)); err != nil || got != node.Duplicate {
		t.Errorf("deleted message again: got %v, %v, want %v", got, err, node.Duplicate)
	}
	if got, err := s.History(ctx, node.Query{Text: "hello"}, 10); err != nil || len(got) != 0 {
		t.Errorf("search found %v, %v after deletion", got, err)
	}
	// A cursor that a client holds never comes to name another message.
	if _, second, err := s.Deliver(ctx, hello(t, 2)); err != nil || second <= first {
		t.Errorf("got id %d, %v, want one above %d", second, err, first)
	}
}

func TestPragmas(t *testing.T) {
	s := open(t)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1", "temp_store": "2", "busy_timeout": "10000",
	} {
		var got string
		if err := s.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", pragma, got, err, want)
		}
	}
	if _, err := s.read.ExecContext(t.Context(), "DELETE FROM messages"); err == nil {
		t.Error("a reader may write")
	}
}

// What fills the disk fails alone: the error says so, nothing is half
// written, and it goes on when there is room again.
func TestFull(t *testing.T) {
	s, ctx := open(t), t.Context()
	if _, _, err := s.Deliver(ctx, hello(t, 1)); err != nil {
		t.Fatal(err)
	}
	run(t, s, "PRAGMA max_page_count = 1") // SQLite raises it to the present size
	large := hello(t, 2)
	large.Text = strings.Repeat("large ", 50000)
	_, _, err := s.Deliver(ctx, large)
	if !errors.Is(err, sqlite3.FULL) {
		t.Errorf("deliver: got error %v, want %v", err, sqlite3.FULL)
	}
	if _, err := s.Enqueue(ctx, large); !errors.Is(err, sqlite3.FULL) {
		t.Errorf("enqueue: got error %v, want %v", err, sqlite3.FULL)
	}
	if err := s.PutSetting(ctx, "rules", make([]byte, maxSetting)); !errors.Is(err, sqlite3.FULL) {
		t.Errorf("put setting: got error %v, want %v", err, sqlite3.FULL)
	}
	if all, err := s.History(ctx, node.Query{}, 10); err != nil || len(all) != 1 {
		t.Errorf("got %d messages, %v, want 1", len(all), err)
	}
	run(t, s, "PRAGMA max_page_count = 1000000")
	if got, _, err := s.Deliver(ctx, large); err != nil || got != node.First {
		t.Errorf("with room again: got %v, %v, want %v", got, err, node.First)
	}
}

func TestSchemas(t *testing.T) {
	files, err := schema.ReadDir("schema")
	if err != nil || len(files) != newest {
		t.Errorf("got %d files, %v, want %d", len(files), err, newest)
	}
	tests := []struct{ name, statement, want string }{
		{"newer", fmt.Sprintf("PRAGMA user_version = %d", newest+1), "is from a newer kith"},
		{"negative", "PRAGMA user_version = -1", "is from a newer kith"},
		{"of another program", "PRAGMA user_version = 0", "of another program"},
	}
	for _, test := range tests {
		path := filepath.Join(t.TempDir(), "kith.db")
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, test.statement)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want one that says %q", test.name, err, test.want)
		}
	}
}

func TestTimes(t *testing.T) {
	s, ctx := open(t), t.Context()
	for _, year := range []int{1677, 2263, 9999} {
		m := hello(t, year)
		m.Sent = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		if _, _, err := s.Deliver(ctx, m); err == nil {
			t.Errorf("a message of the year %d was written", year)
		}
		// It left no row in the duplicate table.
		if got, _, err := s.Deliver(ctx, hello(t, year)); err != nil || got != node.First {
			t.Errorf("year %d: got %v, %v, want %v", year, got, err, node.First)
		}
	}
	zone := time.FixedZone("", 3600)
	for i, want := range []time.Time{time.Unix(0, 0), time.Unix(-1, 1), time.Date(1678, 1, 1, 0, 0, 0, 0, zone), time.Date(2262, 1, 1, 0, 0, 0, 1, zone)} {
		m := hello(t, i)
		m.Sent = want
		_, id, err := s.Deliver(ctx, m)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Message(ctx, id); err != nil || !got.Sent.Equal(want) {
			t.Errorf("got %v, %v, want %v", got.Sent, err, want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, pair := range [][2]string{{"Bob", "bOB"}, {"ß", "ẞ"}, {"ǅ", "ǆ"}, {"Σας", "σΑΣ"}, {"i", "I"}, {"İ", "i"}, {"\xff", "\xfe"}, {"", "a"}} {
		if got, want := fold(pair[0]) == fold(pair[1]), strings.EqualFold(pair[0], pair[1]); got != want {
			t.Errorf("%q and %q: got %v, want %v", pair[0], pair[1], got, want)
		}
	}
}

// A reader that does not finish holds up no writer.
func TestReadersAndWriters(t *testing.T) {
	s, ctx := open(t), t.Context()
	if _, _, err := s.Deliver(ctx, hello(t, 1)); err != nil {
		t.Fatal(err)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT id FROM messages")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, _, err := s.Deliver(soon, hello(t, 2)); err != nil {
		t.Error(err)
	}
}
