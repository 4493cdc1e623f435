package composing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/cpim/composing"
)

var start = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// TestSender plays inputs at given seconds and notes what is sent and when the
// sender wants to be woken.
func TestSender(t *testing.T) {
	const w, c, s, a = composing.Wake, composing.Composed, composing.Sent, composing.Abandoned
	type step struct {
		at   float64
		in   composing.Input
		send string  // state, "" for nothing
		wake float64 // 0 for never
	}
	refresh := composing.Config{Refresh: time.Minute}
	tests := []struct {
		name  string
		c     composing.Config
		steps []step
	}{
		{"one message", refresh, []step{{0, c, "active", 15}, {5, c, "", 20}, {6, s, "", 0}}},
		{"idle after 15 seconds", refresh, []step{{0, c, "active", 15}, {10, c, "", 25}, {24.9, w, "", 25}, {25, w, "idle", 0}, {26, w, "", 0}}},
		{"no idle once sent", refresh, []step{{0, c, "active", 15}, {3, s, "", 0}, {18, w, "", 0}}},
		{"refresh", refresh, []step{{0, c, "active", 15}, {14, c, "", 29}, {28, c, "", 43}, {42, c, "", 57}, {56, c, "", 60}, {60, w, "active", 71}, {71, w, "idle", 0}}},
		{"late wake", refresh, []step{{0, c, "active", 15}, {100, w, "idle", 0}}},
		{"back within the interval", refresh, []step{{0, c, "active", 15}, {15, w, "idle", 0}, {50, c, "", 60}, {60, w, "active", 65}, {65, w, "idle", 0}}},
		{"back and gone within the interval", refresh, []step{{0, c, "active", 15}, {15, w, "idle", 0}, {20, c, "", 35}, {35, w, "", 0}}},
		{"back after the interval", refresh, []step{{0, c, "active", 15}, {15, w, "idle", 0}, {60, c, "active", 75}}},
		{"next message at once", refresh, []step{{0, c, "active", 15}, {3, s, "", 0}, {4, c, "active", 19}}},
		{"abandoned", refresh, []step{{0, c, "active", 15}, {3, a, "idle", 0}, {4, c, "", 19}, {5, a, "", 0}}},
		{"abandoned before anything", refresh, []step{{0, a, "", 0}, {1, s, "", 0}, {2, w, "", 0}}},
		{"no refresh", composing.Config{}, []step{{0, c, "active", 15}, {14, c, "", 29}, {28, c, "", 43}, {42, c, "", 57}, {56, c, "", 71}, {70, c, "", 85}, {85, w, "idle", 0}}},
		{"no refresh, back within a minute", composing.Config{}, []step{{0, c, "active", 15}, {15, w, "idle", 0}, {50, c, "", 60}, {60, w, "active", 65}}},
		{"longer refresh", composing.Config{Refresh: 90 * time.Second, Idle: 2 * time.Minute}, []step{{0, c, "active", 90}, {90, w, "active", 120}, {120, w, "idle", 0}}},
		{"refresh below the limit", composing.Config{Refresh: time.Second, Idle: 2 * time.Minute}, []step{{0, c, "active", 60}, {59, w, "", 60}, {60, w, "active", 120}}},
		{"clock set back", refresh, []step{{100, c, "active", 115}, {0, c, "", 115}, {115, w, "idle", 0}}},
	}
	for _, tt := range tests {
		var state composing.Sender
		for i, step := range tt.steps {
			next, send, wake := state.Step(tt.c, step.in, at(step.at))
			state = next
			var got string
			if send != nil {
				got = send.State
			}
			var want time.Time
			if step.wake > 0 {
				want = at(step.wake)
			}
			if got != step.send || !wake.Equal(want) {
				t.Errorf("%s, step %d: sent %q, wake %v, want %q, %v", tt.name, i, got, wake.Sub(start), step.send, want.Sub(start))
			}
			if state.Active() != !wake.IsZero() {
				t.Errorf("%s, step %d: active = %v, wake %v", tt.name, i, state.Active(), wake)
			}
		}
	}
}

func TestSenderStatus(t *testing.T) {
	c := composing.Config{Refresh: 90*time.Second + 1, ContentType: "text/plain"}
	s, active, _ := composing.Sender{}.Step(c, composing.Composed, at(0.5))
	_, idle, _ := s.Step(c, composing.Wake, at(20))
	want := []*composing.Status{
		{State: composing.Active, LastActive: start, ContentType: "text/plain", Refresh: 90 * time.Second},
		{State: composing.Idle, LastActive: start, ContentType: "text/plain"},
	}
	if d := cmp.Diff(want, []*composing.Status{active, idle}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, refresh := range []time.Duration{0, 1, time.Hour, 1000 * time.Hour} {
		_, send, _ := composing.Sender{}.Step(composing.Config{Refresh: refresh}, composing.Composed, start)
		b, err := send.Marshal()
		if err != nil {
			t.Errorf("refresh %v: %v", refresh, err)
		}
		if got, err := composing.Parse(b); err != nil || refresh > 0 && got.Refresh < composing.MinRefresh || refresh == 0 && got.Refresh != 0 {
			t.Errorf("refresh %v: got %v, %v", refresh, got, err)
		}
	}
}

func TestReceiver(t *testing.T) {
	active := func(refresh float64) *composing.Status {
		return &composing.Status{State: composing.Active, Refresh: time.Duration(refresh) * time.Second}
	}
	idle, other := &composing.Status{State: composing.Idle}, &composing.Status{State: "thinking"}
	type step struct {
		at     float64
		status *composing.Status // nil for content
		sent   float64           // below 0 for unknown
		until  float64           // 0 for idle
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"default of 120 seconds", []step{{0, active(0), -1, 120}}},
		{"refresh", []step{{0, active(90), -1, 90}}},
		{"refresh shorter than a sender should use", []step{{0, active(5), -1, 5}}},
		{"several, each from its arrival", []step{{0, active(90), -1, 90}, {1, active(90), -1, 91}, {2, active(60), -1, 62}, {3, active(0), -1, 123}}},
		{"idle", []step{{0, active(90), -1, 90}, {10, idle, -1, 0}}},
		{"another state is idle", []step{{0, active(90), -1, 90}, {10, other, -1, 0}}},
		{"content", []step{{0, active(90), -1, 90}, {10, nil, -1, 0}, {20, active(90), -1, 110}}},
		{"active after expiry", []step{{0, active(60), -1, 60}, {70, active(60), -1, 130}}},
		{"overtaken by content", []step{{10, nil, 5, 0}, {11, active(90), 4, 0}, {12, active(90), 5, 0}, {13, active(90), 6, 103}}},
		{"overtaken idle", []step{{10, nil, 5, 0}, {11, active(90), 6, 101}, {12, idle, 4, 101}}},
		{"older content after newer", []step{{10, nil, 5, 0}, {11, nil, 3, 0}, {12, active(90), 4, 0}}},
		{"refresh beyond a day", []step{{0, &composing.Status{State: composing.Active, Refresh: 1 << 62}, -1, 86400}}},
	}
	for _, tt := range tests {
		var r composing.Receiver
		for i, step := range tt.steps {
			var sent time.Time
			if step.sent >= 0 {
				sent = at(step.sent)
			}
			if step.status == nil {
				r = r.Content(sent)
			} else {
				r = r.Status(step.status, sent, at(step.at))
			}
			var want time.Time
			if step.until > 0 {
				want = at(step.until)
			}
			if !r.Until().Equal(want) {
				t.Errorf("%s, step %d: until %v, want %v", tt.name, i, r.Until(), want)
			}
			if step.until > 0 && (!r.Active(at(step.until-0.001)) || r.Active(at(step.until))) || step.until == 0 && r.Active(at(step.at)) {
				t.Errorf("%s, step %d: Active is wrong", tt.name, i)
			}
		}
	}
}

// TestRandomTyping plays people who type, pause, send and give up at random, a
// receiver at the other end of a line without delay, and holds them to the
// promises of both: the limit on the rate, and that what is shown is true but
// for the idle time and the wait that the limit demands.
func TestRandomTyping(t *testing.T) {
	random := rand.New(rand.NewPCG(3994, 3))
	for range 200 {
		c := composing.Config{Refresh: time.Duration(random.IntN(3)) * 45 * time.Second}
		limit := max(c.Refresh, composing.MinRefresh)
		var s composing.Sender
		var r composing.Receiver
		var lastActive, wake time.Time
		now := start
		for range 300 {
			in := composing.Input(random.IntN(12))
			next := now.Add(time.Duration(random.IntN(20_000)) * time.Millisecond)
			if in > composing.Abandoned {
				in = composing.Composed
			}
			if !wake.IsZero() && !next.Before(wake) {
				next, in = wake, composing.Wake
			}
			now = next
			var send *composing.Status
			s, send, wake = s.Step(c, in, now)
			if in == composing.Sent {
				r, lastActive = r.Content(now), time.Time{}
			}
			if !wake.IsZero() && !wake.After(now) {
				t.Fatalf("asks to be woken %v ago", now.Sub(wake))
			}
			if send != nil {
				if send.Active() {
					if !lastActive.IsZero() && now.Sub(lastActive) < limit {
						t.Fatalf("two active within %v", now.Sub(lastActive))
					}
					lastActive = now
				}
				r = r.Status(send, now, now)
			}
			if r.Active(now) && !s.Active() {
				t.Fatal("shown as composing and is not")
			}
			if c.Refresh > 0 && s.Active() && !r.Active(now) && now.Sub(lastActive) > limit {
				t.Fatal("composing and not shown")
			}
		}
	}
}

// A step of each machine, driven by a program that has its own clock.
func Example() {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	config := composing.Config{Refresh: time.Minute, ContentType: "text/plain"}
	var alice composing.Sender
	var atBob composing.Receiver

	alice, send, wake := alice.Step(config, composing.Composed, now)
	document, err := send.Marshal() // the content of a message to Bob
	if err != nil {
		fmt.Println(err)
		return
	}
	status, err := composing.Parse(document)
	if err != nil {
		fmt.Println(err)
		return
	}
	atBob = atBob.Status(status, now, now)
	fmt.Println("typing:", atBob.Active(now), "until", atBob.Until().Sub(now))

	_, send, _ = alice.Step(config, composing.Wake, wake)
	atBob = atBob.Status(send, wake, wake)
	fmt.Println("typing:", atBob.Active(wake), "after", wake.Sub(now))
	// Output:
	// typing: true until 1m0s
	// typing: false after 15s
}
