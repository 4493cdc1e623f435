package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/kith-im/kith/node"
)

func testDeliver(t *testing.T, s node.Store) {
	ctx := t.Context()
	first := incoming(t, "bob", "m1", "hello")
	tests := []struct {
		name    string
		message node.Message
		want    node.Delivery
	}{
		{"first", first, node.First},
		{"again", first, node.Duplicate},
		{"another under its id", incoming(t, "bob", "m1", "hello!"), node.Conflict},
		{"the first still wins", first, node.Duplicate},
		{"another id", incoming(t, "bob", "m2", "hello"), node.First},
		{"case of an id counts", incoming(t, "bob", "M1", "hello"), node.First},
		{"the id from another person", incoming(t, "anna", "m1", "hello"), node.First},
		{"an odd id", incoming(t, "bob", "m1\x00 '\"%\xff", "hello"), node.First},
		{"the odd id again", incoming(t, "bob", "m1\x00 '\"%\xff", "hello"), node.Duplicate},
		{"no id", incoming(t, "bob", "", "hello"), node.First},
	}
	var want []node.Message
	for _, test := range tests {
		got, id, err := s.Deliver(ctx, test.message)
		if err != nil || got != test.want {
			t.Fatalf("%s: got %v, %v, want %v", test.name, got, err, test.want)
		}
		if got == node.First {
			test.message.ID = id
			want = append(want, test.message)
			same(t, must(s.Message(ctx, id))(t), test.message)
		}
	}
	same(t, must(s.History(ctx, node.Query{}, 100))(t), want)
	same(t, len(must(s.Queued(ctx))(t)), 0)
	for i := 1; i < len(want); i++ {
		if want[i].ID <= want[i-1].ID {
			t.Errorf("id %d follows %d", want[i].ID, want[i-1].ID)
		}
	}
	if _, _, err := s.Deliver(ctx, node.Message{MessageID: "m"}); err == nil {
		t.Error("a message from nobody was written")
	}
}

func testDeliverAtOnce(t *testing.T, s node.Store) {
	const couriers, messages = 4, 10
	ctx := t.Context()
	var all []node.Message
	for i := range messages {
		all = append(all, incoming(t, "bob", fmt.Sprint("m", i), "hello"))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	found := make(map[node.Delivery]int)
	for range couriers {
		wg.Go(func() {
			for _, m := range all {
				got, _, err := s.Deliver(ctx, m)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				found[got]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	same(t, found, map[node.Delivery]int{node.First: messages, node.Duplicate: messages * (couriers - 1)})
	same(t, len(must(s.History(ctx, node.Query{}, 1000))(t)), messages)
}

func testEnqueue(t *testing.T, s node.Store) {
	ctx := t.Context()
	var want []node.Message
	for i, text := range []string{"one", "two", ""} {
		m := outgoing(t, "bob", fmt.Sprint("m", i), text)
		given := m
		given.ID, given.Out, given.Status, given.Read = 77, false, 0, true // the store's to say
		m.ID = must(s.Enqueue(ctx, given))(t)
		want = append(want, m)
		same(t, must(s.Message(ctx, m.ID))(t), m)
	}
	same(t, must(s.Queued(ctx))(t), want)
	same(t, must(s.History(ctx, node.Query{}, 10))(t), want)
	same(t, len(must(s.History(ctx, node.Query{Incoming: true}, 10))(t)), 0)

	// What was sent is no duplicate of what is received.
	got, _, err := s.Deliver(ctx, incoming(t, "bob", "m0", "one"))
	check(t, err)
	same(t, got, node.First)
	if _, err := s.Enqueue(ctx, node.Message{MessageID: "m"}); err == nil {
		t.Error("a message to nobody was written")
	}
}

func testSettle(t *testing.T, s node.Store) {
	ctx := t.Context()
	var queue []node.Message
	for i := range 4 {
		m := outgoing(t, "bob", fmt.Sprint("m", i), "hello")
		m.ID = must(s.Enqueue(ctx, m))(t)
		queue = append(queue, m)
	}
	// A further try leaves it in the queue, where it was.
	queue[0].Tries, queue[0].Next, queue[0].Reason = 3, at(60), "no answer"
	check(t, s.Settle(ctx, queue[0]))
	same(t, must(s.Queued(ctx))(t), queue)

	for i, status := range []node.Status{node.Delivered, node.Refused, node.Unconfirmed} {
		m := queue[i+1]
		m.Status, m.Reason, m.Settled = status, fmt.Sprint("because ", i), at(90+i)
		// Only what Settle names is updated.
		other := m
		other.Text, other.Person, other.MessageID, other.Deadline = "changed", address(t, "eve"), "changed", at(1)
		check(t, s.Settle(ctx, other))
		same(t, must(s.Message(ctx, m.ID))(t), m)
	}
	same(t, must(s.Queued(ctx))(t), queue[:1])

	_, id, err := s.Deliver(ctx, incoming(t, "bob", "in", "hello"))
	check(t, err)
	isError(t, s.Settle(ctx, node.Message{ID: id, Status: node.Delivered}), node.ErrNotFound)
	isError(t, s.Settle(ctx, node.Message{ID: id + 1, Status: node.Delivered}), node.ErrNotFound)
	same(t, must(s.Message(ctx, id))(t).Status, node.Received)
}

func testMessageNotFound(t *testing.T, s node.Store) {
	for _, id := range []int64{-1, 0, 1, 1<<63 - 1} {
		m, err := s.Message(t.Context(), id)
		isError(t, err, node.ErrNotFound)
		same(t, m, node.Message{})
	}
}

// converse writes ten messages: odd ones come in, even ones go out, by turns
// with bob and anna. It returns their ids.
func converse(t *testing.T, s node.Store) (ids []int64) {
	t.Helper()
	for i, text := range []string{
		"Good morning", "good evening", "Morning coffee?", "coffee, yes", "Crème brûlée",
		"", "the GOOD coffee", "morning-coffee at 10:30", "naïve", "ok",
	} {
		local := []string{"bob", "bob", "anna", "anna"}[i%4]
		if i%2 == 0 {
			_, id, err := s.Deliver(t.Context(), incoming(t, local, fmt.Sprint(i), text))
			check(t, err)
			ids = append(ids, id)
		} else {
			ids = append(ids, must(s.Enqueue(t.Context(), outgoing(t, local, fmt.Sprint(i), text)))(t))
		}
	}
	return ids
}

// found gives the positions in ids, from 0, of what History returns.
func found(t *testing.T, s node.Store, ids []int64, q node.Query, limit int) []int {
	t.Helper()
	at := []int{}
	for _, m := range must(s.History(t.Context(), q, limit))(t) {
		for i, id := range ids {
			if m.ID == id {
				at = append(at, i)
			}
		}
	}
	return at
}

func testHistory(t *testing.T, s node.Store) {
	ids := converse(t, s)
	check(t, s.MarkRead(t.Context(), ids[4]))
	bob, anna := address(t, "bob"), address(t, "anna")
	tests := []struct {
		name  string
		query node.Query
		limit int
		want  []int
	}{
		{"all", node.Query{}, 100, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"newest", node.Query{}, 3, []int{7, 8, 9}},
		{"none", node.Query{}, 0, []int{}},
		{"less than none", node.Query{}, -1, []int{}},
		{"bob", node.Query{Person: bob}, 100, []int{0, 1, 4, 5, 8, 9}},
		{"anna, newest", node.Query{Person: anna}, 2, []int{6, 7}},
		{"stranger", node.Query{Person: address(t, "eve")}, 100, []int{}},
		{"after", node.Query{After: ids[6]}, 100, []int{7, 8, 9}},
		{"after, newest", node.Query{After: ids[6]}, 2, []int{8, 9}},
		{"after the last", node.Query{After: ids[9]}, 100, []int{}},
		{"after nothing", node.Query{After: -5}, 1, []int{9}},
		{"incoming", node.Query{Incoming: true}, 100, []int{0, 2, 4, 6, 8}},
		{"unread", node.Query{Unread: true}, 100, []int{6, 8}},
		{"unread of bob", node.Query{Unread: true, Person: bob}, 100, []int{8}},
		{"text", node.Query{Text: "coffee"}, 100, []int{2, 3, 6, 7}},
		{"text, newest", node.Query{Text: "coffee"}, 2, []int{6, 7}},
		{"all together", node.Query{Person: anna, After: ids[2], Incoming: true, Unread: true, Text: "coffee good"}, 5, []int{6}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { same(t, found(t, s, ids, test.query, test.limit), test.want) })
	}
}

// testHistoryPages reads as a client does that was away: after its cursor, and
// back from there while there is a gap.
func testHistoryPages(t *testing.T, s node.Store) {
	ctx := t.Context()
	var cursor int64
	var seen []string
	for round := range 5 {
		for i := range round {
			_, _, err := s.Deliver(ctx, incoming(t, "bob", fmt.Sprint(round, ".", i), "hello"))
			check(t, err)
		}
		for _, m := range must(s.History(ctx, node.Query{After: cursor}, 100))(t) {
			cursor = m.ID
			seen = append(seen, m.MessageID)
		}
	}
	same(t, strings.Join(seen, " "), "1.0 2.0 2.1 3.0 3.1 3.2 4.0 4.1 4.2 4.3")
}

func testText(t *testing.T, s node.Store) {
	ids := converse(t, s)
	tests := []struct {
		text string
		want []int
	}{
		{"morning", []int{0, 2, 7}},
		{"MORNING", []int{0, 2, 7}},
		{"good morning", []int{0}},
		{"morning good", []int{0}}, // in any order
		{"morn", []int{}},          // words, not beginnings
		{"creme brulee", []int{4}},
		{"CRÈME", []int{4}},
		{"naive", []int{8}},
		{"coffee?", []int{2, 3, 6, 7}},
		{"morning-coffee", []int{2, 7}}, // what stands together is found together
		{"10:30", []int{7}},
		{"tea", []int{}},
		{"", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{" \t\r\n", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"?!", []int{}},
		{"ok ?!", []int{9}},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) { same(t, found(t, s, ids, node.Query{Text: test.text}, 100), test.want) })
	}
}

// testHostileText searches for what has a meaning to some search engine. None
// of it is an error, and none finds more than its words.
func testHostileText(t *testing.T, s node.Store) {
	ids := converse(t, s)
	for _, text := range []string{
		`"`, `""`, `"""`, `coffee"`, `"coffee`, `' OR 1=1 --`, `*`, `coffee*`, `^coffee`, `coffee NOT good`, `NEAR(coffee good, 2)`,
		`text:coffee`, `{text}: coffee`, `-coffee`, `+`, `(`, `)`, `coffee AND`, `OR`, `NOT`, `words:x`, "coffee\x00", "\x00", "cof\x00fee",
		"\xff\xfe", "\xffcoffee", `\`, `%`, `_`, "☕", "\u202e", strings.Repeat("(", 1000), strings.Repeat("coffee ", 20000),
		strings.Repeat("x", 100000), `'; DROP TABLE messages; --`,
	} {
		got := found(t, s, ids, node.Query{Text: text}, 100)
		if len(got) > 4 {
			t.Errorf("%.40q found %v", text, got)
		}
	}
	for _, text := range []string{"a\x00b", "\xff", "'\"", strings.Repeat("long ", 10000)} {
		m := incoming(t, "bob", "hostile"+text[:1], text)
		_, id, err := s.Deliver(t.Context(), m)
		check(t, err)
		m.ID = id
		same(t, must(s.Message(t.Context(), id))(t), m)
	}
	same(t, len(must(s.History(t.Context(), node.Query{Text: "long"}, 10))(t)), 1)
}

func testMarkRead(t *testing.T, s node.Store) {
	ctx := t.Context()
	ids := converse(t, s)
	unread := func() []int { t.Helper(); return found(t, s, ids, node.Query{Unread: true}, 100) }
	same(t, unread(), []int{0, 2, 4, 6, 8})
	check(t, s.MarkRead(ctx, 0))
	same(t, unread(), []int{0, 2, 4, 6, 8})
	check(t, s.MarkRead(ctx, ids[2]))
	same(t, unread(), []int{4, 6, 8})
	check(t, s.MarkRead(ctx, ids[1])) // nothing becomes unread again
	check(t, s.MarkRead(ctx, ids[5])) // an outgoing one as the limit
	same(t, unread(), []int{6, 8})
	check(t, s.MarkRead(ctx, ids[9]+1000))
	same(t, unread(), []int{})
	same(t, must(s.Message(ctx, ids[0]))(t).Read, true)
	same(t, must(s.Message(ctx, ids[1]))(t).Read, false)
	_, id, err := s.Deliver(ctx, incoming(t, "bob", "later", "later"))
	check(t, err)
	ids = append(ids, id)
	same(t, unread(), []int{10})
}
