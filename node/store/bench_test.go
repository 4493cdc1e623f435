package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

func BenchmarkOpen(b *testing.B) {
	path := b.TempDir() + "/kith.db"
	for b.Loop() {
		s, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeliver(b *testing.B) {
	s := open(b)
	i := 0
	for b.Loop() {
		i++
		if got, _, err := s.Deliver(b.Context(), hello(b, i)); err != nil || got != node.First {
			b.Fatal(got, err)
		}
	}
}

func BenchmarkEnqueueSettle(b *testing.B) {
	s := open(b)
	i := 0
	for b.Loop() {
		i++
		m := hello(b, i)
		var err error
		if m.ID, err = s.Enqueue(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		m.Status = node.Delivered
		if err := s.Settle(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// History of 20 000 messages with 20 people, signed ones, 50 at a time.
func BenchmarkHistory(b *testing.B) {
	s, ctx := open(b), b.Context()
	keys, err := identity.New("bob", time.Unix(1e9, 0))
	if err != nil {
		b.Fatal(err)
	}
	object, err := keys.Sign(identity.Entity{Type: "text/plain", Body: []byte("hello")}, false, time.Unix(1e9, 0))
	if err != nil {
		b.Fatal(err)
	}
	people := make([]identity.Address, 20)
	for i := range people {
		keys, err := identity.New(fmt.Sprint("person", i), time.Unix(1e9, 0))
		if err != nil {
			b.Fatal(err)
		}
		people[i] = keys.Address()
	}
	run(b, s, "PRAGMA synchronous = off")
	for i := range 20000 {
		m := hello(b, i)
		m.Person, m.Signed = people[i%len(people)], object
		if _, _, err := s.Deliver(ctx, m); err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]node.Query{
		"All": {}, "Person": {Person: people[3]}, "RareWord": {Text: "number12345"}, "CommonWords": {Text: "see you"},
		"Unread": {Unread: true}, "CommonWordsOfPerson": {Text: "see you", Person: people[3]},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				all, err := s.History(ctx, q, 50)
				if err != nil || len(all) == 0 {
					b.Fatal(len(all), err)
				}
			}
		})
	}
}

// Changes is what a device reads that was away while 1000 messages came.
func BenchmarkChanges(b *testing.B) {
	s, ctx := open(b), b.Context()
	run(b, s, "PRAGMA synchronous = off")
	const n = 1000
	for i := range 2 * n {
		if _, _, err := s.Deliver(ctx, hello(b, i)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		all, err := s.Changes(ctx, n, n)
		if err != nil || len(all) != n {
			b.Fatal(len(all), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "us/change")
}

// Migrate brings a store of 10 000 messages to the newest schema.
func BenchmarkMigrate(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		path := storeOf(b, 1, func(run func(string, ...any)) {
			run(`WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
				INSERT INTO messages (out, person, message_id, digest, content_type, text, status, reason, tries, read)
				SELECT 0, 'bob@example.org', 'm' || n, zeroblob(32), 'text/plain', 'hello', 1, '', 0, 0 FROM n`)
			run("INSERT INTO duplicates SELECT person, message_id, digest FROM messages")
		})
		b.StartTimer()
		s, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// Contacts is what a node reads when it starts; each card is verified again.
func BenchmarkContacts(b *testing.B) {
	s, now := open(b), time.Unix(1e9, 0)
	keys, err := identity.New("bob", now)
	if err != nil {
		b.Fatal(err)
	}
	card, err := keys.SignCard(identity.CardDraft{Serial: 1}, now)
	if err != nil {
		b.Fatal(err)
	}
	const n = 1000
	for i := range n {
		c := node.Contact{Person: keys.Address(), Name: fmt.Sprint("name", i), Card: card}
		if i > 0 {
			other, err := identity.New("x", now)
			if err != nil {
				b.Fatal(err)
			}
			c.Person = other.Address()
		}
		if err := s.PutContact(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		all, err := s.Contacts(b.Context())
		if err != nil || len(all) != n {
			b.Fatal(len(all), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "us/contact")
}
