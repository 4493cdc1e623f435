package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// storeOf makes a store file of an old schema and has fill write to it.
func storeOf(t testing.TB, version int, fill func(run func(statement string, args ...any))) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kith.db")
	db, err := connect(path, 1, "&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= version; n++ {
		text, err := schema.ReadFile(fmt.Sprintf("schema/%03d.sql", n))
		if err != nil {
			t.Fatal(err)
		}
		run(string(text))
	}
	run(fmt.Sprintf("PRAGMA user_version = %d", version))
	fill(run)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// oldMessage is row number n of a store of before, of which some are odd.
func oldMessage(t *testing.T, n int) node.Message {
	t.Helper()
	m := hello(t, n)
	m.ID, m.Out = int64(n), n%2 == 0
	m.Digest = sha256.Sum256([]byte(m.MessageID))
	m.Status, m.Read = node.Received, n%3 == 0
	m.Sent, m.Stored, m.Deadline = m.Sent.UTC(), m.Stored.UTC(), time.Time{}
	if n == 5 {
		m.MessageID = "o\x00dd '\"%\xff id"
	}
	if m.Out {
		m.Status, m.Read = node.Queued, false
	}
	if n == 4 {
		m.Status, m.Reason, m.Settled, m.Tries = node.Delivered, "at last", time.Unix(100, 0).UTC(), 3
	}
	return m
}

func fillOld(t *testing.T, card identity.SignedCard) func(func(string, ...any)) {
	return func(run func(string, ...any)) {
		run("INSERT INTO contacts VALUES ('bob@example.org', 'Bob', 'bob', 1000000000, NULL, x'0102')")
		run("INSERT INTO contacts VALUES (?, 'Anna', 'anna', NULL, ?, NULL)", card.Card().Address.String(), card.Bytes())
		run("INSERT INTO watchers VALUES (?, zeroblob(16), 2, 'approved', 2000000000, NULL, ?, 'hi')", card.Card().Address.String(), card.Bytes())
		run("INSERT INTO watches VALUES ('bob@example.org', zeroblob(16), 1, '', NULL, NULL, zeroblob(8), 3000000000)")
		run("INSERT INTO settings VALUES ('status', x'01'), ('epoch contacts', x'02'), ('window', x'03')")
		run("INSERT INTO counters VALUES ('boot', x'0000000000000007')")
		for n := 1; n <= 6; n++ {
			m := oldMessage(t, n)
			run(`INSERT INTO messages (id, out, person, message_id, sent, stored, digest, content_type, text, status, reason, tries,
				settled, read) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				m.ID, m.Out, person(m.Person), m.MessageID, instant(m.Sent), instant(m.Stored), m.Digest[:], m.ContentType, m.Text,
				int(m.Status), m.Reason, m.Tries, instant(m.Settled), m.Read)
			if !m.Out {
				run("INSERT INTO duplicates VALUES ('bob@example.org', ?, ?)", m.MessageID, m.Digest[:])
			}
		}
		// A message that was deleted, and one that was sent twice under one ID.
		run("INSERT INTO duplicates VALUES ('bob@example.org', 'deleted', zeroblob(32))")
		run(`INSERT INTO messages (out, person, message_id, digest, content_type, text, status, reason, tries, read)
			SELECT out, person, message_id, digest, content_type, '', 3, '', 0, 0 FROM messages WHERE id = 2`)
	}
}

// A store of before has all it had, and all of it in the change log, so that a
// device that is new learns of all.
func TestMigrate(t *testing.T) {
	ctx := t.Context()
	keys, err := identity.New("anna", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	card, err := keys.SignCard(identity.CardDraft{Serial: 1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	path := storeOf(t, 1, fillOld(t, card))
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	contacts, err := s.Contacts(ctx)
	if err != nil || len(contacts) != 2 || string(contacts[0].Card.Bytes()) != string(card.Bytes()) || string(contacts[1].Hint) != "\x01\x02" {
		t.Errorf("got contacts %+v, %v", contacts, err)
	}
	if len(contacts) == 2 && !cmp.Equal(contacts[0].Trust, node.Trust{}) {
		t.Errorf("got pins %+v, want none", contacts[0].Trust)
	}
	if watchers, err := s.Watchers(ctx); err != nil || len(watchers) != 1 || watchers[0].Card.IsZero() {
		t.Errorf("got watchers %+v, %v", watchers, err)
	}
	if watches, err := s.Watches(ctx); err != nil || len(watches) != 1 {
		t.Errorf("got watches %+v, %v", watches, err)
	}
	if n, err := s.Count(ctx, "boot", 0); err != nil || n != 8 {
		t.Errorf("got counter %d, %v, want 8", n, err)
	}
	var want []node.Message
	for n := 1; n <= 6; n++ {
		want = append(want, oldMessage(t, n))
	}
	same := cmp.Options{
		cmp.Comparer(func(a, b identity.Address) bool { return a == b }), cmp.Comparer(func(a, b identity.Signed) bool { return a.IsZero() == b.IsZero() }),
	}
	got, err := s.History(ctx, node.Query{Text: "hello"}, 100)
	if diff := cmp.Diff(want, got, same); err != nil || diff != "" {
		t.Errorf("messages (-want +got), error %v:\n%s", err, diff)
	}
	if queued, err := s.Queued(ctx); err != nil || len(queued) != 2 || queued[0].ID != 2 || queued[1].ID != 6 {
		t.Errorf("got queue %+v, %v", queued, err)
	}
	checkMigratedLog(t, s, want)
	checkMigratedDuplicates(t, s)
}

// checkMigratedLog wants a row for each thing, with the time of the thing.
func checkMigratedLog(t *testing.T, s *Store, messages []node.Message) {
	t.Helper()
	all, err := s.Changes(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for _, c := range all {
		if c.Deleted {
			t.Errorf("got deleted %v", c)
		}
		got[fmt.Sprint(c.Kind, " ", c.Key)] = c.Stamp.UnixMilli()
	}
	contacts, err := s.Contacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	anna := contacts[0].Person.String()
	want := map[string]int64{
		"1 bob@example.org": 1000, "1 " + anna: 0, "2 " + anna: 2000, "3 bob@example.org": 3000,
		"7 status": 0, "7 epoch contacts": 0,
	}
	for _, m := range messages {
		stamp := m.Stored
		if !m.Settled.IsZero() {
			stamp = m.Settled
		}
		want["4 "+m.Key()] = stamp.UnixMilli()
	}
	want["4 "+messages[1].Key()] = 0 // the one that is there twice
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	for _, m := range messages {
		if got, err := s.MessageByKey(t.Context(), m.Key()); err != nil || got.ID != m.ID {
			t.Errorf("message %d by its key: got %d, %v", m.ID, got.ID, err)
		}
	}
}

// checkMigratedDuplicates wants nothing delivered again that was deleted, until
// it is so old that nobody sends it any more.
func checkMigratedDuplicates(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	deleted := hello(t, 0)
	deleted.MessageID, deleted.Digest = "deleted", [32]byte{}
	deliver := func(m node.Message, want node.Delivery) {
		t.Helper()
		if got, _, err := s.Deliver(ctx, m); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", m.MessageID, got, err, want)
		}
	}
	prune := func(before time.Time) {
		t.Helper()
		if err := s.PruneDuplicates(ctx, before); err != nil {
			t.Error(err)
		}
	}
	deliver(deleted, node.Duplicate)
	prune(time.Unix(6, 0)) // the newest message is of that moment
	deliver(deleted, node.Duplicate)
	prune(time.Unix(6, 1))
	deliver(oldMessage(t, 5), node.Duplicate)
	deliver(deleted, node.First)
	prune(time.Now().Add(-time.Hour))
	run(t, s, "DELETE FROM messages")
	deliver(deleted, node.Duplicate)
	prune(time.Now().Add(time.Hour))
	deliver(deleted, node.First)
}

// A store that cannot be brought to the new schema stays as it was.
func TestMigrateFails(t *testing.T) {
	path := storeOf(t, 1, func(run func(string, ...any)) {
		run("INSERT INTO settings VALUES ('status', x'01')")
		run("CREATE TABLE changes (x)") // in the way
	})
	if _, err := Open(path); err == nil {
		t.Fatal("a store that could not be migrated was opened")
	}
	db, err := connect(path, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := pragma(t, db, "user_version"); got != 1 {
		t.Errorf("got schema %d, want 1", got)
	}
	var columns int
	row := db.QueryRowContext(context.Background(), "SELECT count(*) FROM pragma_table_info('contacts')")
	if err := row.Scan(&columns); err != nil || columns != 6 {
		t.Errorf("contacts have %d columns, %v, want the 6 of before", columns, err)
	}
}

func pragma(t *testing.T, db *sql.DB, name string) (value int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// The plans of the queries that run for each message.
func TestPlans(t *testing.T) {
	s := open(t)
	for _, query := range []string{
		"SELECT id FROM messages WHERE " + whereKey,
		"SELECT id FROM messages WHERE status = 2 AND device IS NULL ORDER BY id",
		selectChanges + "seq > ? ORDER BY seq LIMIT ?",
		selectChanges + "kind = ? AND key = ?",
	} {
		rows, err := s.write.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+strings.ReplaceAll(query, "?", "1"))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			if len(step) > 4 && step[:4] == "SCAN" && step != "SCAN messages USING INDEX messages_queued" {
				t.Errorf("%s: %s", query, step)
			}
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}
