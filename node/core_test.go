package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var epoch0 = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestLiveness(t *testing.T) {
	at := func(s int) time.Time { return epoch0.Add(time.Duration(s) * time.Second) }
	lease := hold{heard: epoch0, length: 30 * time.Second, confirmed: true}
	old := hold{heard: epoch0, length: 30 * time.Second}
	for _, test := range []struct {
		name string
		hold hold
		now  int
		want Liveness
		turn time.Time
	}{
		{"nothing heard", hold{}, 0, UnknownLive, time.Time{}},
		{"just heard", lease, 0, Live, at(30)},
		{"last instant", lease, 29, Live, at(30)},
		{"lease over", lease, 30, Stale, at(60)},
		{"two leases over", lease, 60, Gone, time.Time{}},
		{"from the disk", old, 1, Stale, at(60)},
		{"long ago, from the disk", old, 61, Gone, time.Time{}},
		{"goodbye", hold{heard: epoch0, confirmed: true}, 0, Gone, time.Time{}},
	} {
		if got := test.hold.liveness(at(test.now)); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		if got := test.hold.turn(at(test.now)); !got.Equal(test.turn) {
			t.Errorf("%s: turns at %v, want %v", test.name, got, test.turn)
		}
	}
}

func TestRetryDelay(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: firstDelay, 2: 2 * firstDelay, 5: 16 * firstDelay, 10: longestDelay, 1000: longestDelay} {
		for range 100 {
			got := retryDelay(failures)
			if got < want*4/5 || got > want*6/5+1 {
				t.Fatalf("after %d failures: got %v, want %v give or take a fifth", failures, got, want)
			}
		}
	}
}

func TestCompose(t *testing.T) {
	live := hold{heard: epoch0, length: time.Minute, confirmed: true}
	gone := hold{heard: epoch0.Add(-time.Hour), length: time.Minute, confirmed: true}
	open := face{show: Open, since: epoch0.Add(-time.Hour), hold: live}
	away := face{show: Away, since: epoch0, hold: live}
	closed := face{show: Closed, since: epoch0.Add(time.Second), hold: live}
	lost := face{show: Open, since: epoch0.Add(time.Minute), hold: gone}
	for _, test := range []struct {
		name  string
		faces []face
		want  face
	}{
		{"live before gone", []face{lost, open}, open},
		{"newest of two live", []face{open, away}, away},
		{"one that takes messages", []face{closed, open}, open},
		{"order does not matter", []face{away, closed, lost, open}, away},
	} {
		got, ok := compose(test.faces, epoch0)
		if !ok || got != test.want {
			t.Errorf("%s: got %+v", test.name, got)
		}
	}
	if _, ok := compose(nil, epoch0); ok {
		t.Error("something of nothing")
	}
}

func TestVersions(t *testing.T) {
	for _, bad := range []string{"", "1", "1.", ".1", "0.1", "1.0", "01.1", "1.1 ", "+1.1", "1.1.1", "-1.1", "9223372036854775808.1"} {
		if v, err := parseVersion(bad); err == nil {
			t.Errorf("%q read as %v", bad, v)
		}
	}
	a, err := parseVersion("1.900")
	if err != nil {
		t.Fatal(err)
	}
	if b := (Version{2, 1}); !a.Less(b) || b.Less(a) || a.Less(a) {
		t.Error("a new boot does not come after all of the last one")
	}
}

func TestTopicsChangeAtMidnight(t *testing.T) {
	day := epoch0.Truncate(24 * time.Hour)
	for _, test := range []struct{ now, want time.Time }{
		{day, day.Add(time.Hour)},
		{day.Add(time.Hour), day.Add(23 * time.Hour)},
		{day.Add(23 * time.Hour), day.Add(25 * time.Hour)},
		{day.Add(24*time.Hour - 1), day.Add(25 * time.Hour)},
	} {
		if got := nextTopics(test.now); !got.Equal(test.want) {
			t.Errorf("after %v: got %v, want %v", test.now, got, test.want)
		}
	}
}

func TestJournal(t *testing.T) {
	var j journal
	j.startAt(100)
	if events, _ := j.since(100); events != nil {
		t.Errorf("got %v of an empty journal", events)
	}
	for range keptEvents + 10 {
		j.add(Event{Kind: SawPresence})
	}
	events, _ := j.since(100)
	if len(events) != keptEvents || events[0].ID != 111 || events[len(events)-1].ID != 100+keptEvents+10 {
		t.Errorf("got %d events from %d", len(events), events[0].ID)
	}
	if events, _ := j.since(j.last - 3); len(events) != 3 {
		t.Errorf("got %d events, want 3", len(events))
	}
	if events, _ := j.since(j.last + 50); events != nil {
		t.Errorf("got %v after the last", events)
	}
}

func TestEventsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{}
		n.journal.startAt(0)
		ctx, cancel := context.WithCancel(t.Context())
		var got []uint64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range n.Events(ctx, 0) {
				got = append(got, e.ID)
			}
		}()
		synctest.Wait()
		n.tell(Event{Kind: SawPresence})
		n.tell(Event{Kind: SawMessage})
		synctest.Wait()
		cancel()
		<-done
		if diff := cmp.Diff([]uint64{1, 2}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzOperations(f *testing.F) {
	l := lease{version: Version{1, 2}, count: 3, duration: time.Minute}
	body, err := l.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	r, err := response{trans: "abc", outcome: failure, reason: "no"}.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r)
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := parseLease(b); err == nil {
			again, err := l.marshal()
			if err != nil || string(again) != string(b) {
				t.Errorf("lease %x written again as %x, %v", b, again, err)
			}
		} else if l != nil {
			t.Error("value with an error")
		}
		if r, err := parseResponse(b, nil); err == nil {
			again, err := r.marshal()
			if err != nil || string(again) != string(b) {
				t.Errorf("response %x written again as %x, %v", b, again, err)
			}
		} else if r != nil {
			t.Error("value with an error")
		}
		if s, err := parseSubscribe(b, nil); (s == nil) != (err != nil) {
			t.Error("neither or both")
		}
		if n, err := parseNotify(b, nil); (n == nil) != (err != nil) {
			t.Error("neither or both")
		}
	})
}
