package nodetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Stories are what people must be able to live through in any network, by
// name. Each gets a fresh stage and runs in virtual time.
func Stories() map[string]func(*testing.T, Stage) {
	return map[string]func(*testing.T, Stage){
		"MeetAndTalk":      meetAndTalk,
		"KilledAndBack":    killedAndBack,
		"Goodbye":          goodbye,
		"StrangerRefused":  strangerRefused,
		"Denied":           denied,
		"Removed":          removed,
		"WaitingMessages":  waitingMessages,
		"Invisible":        invisible,
		"BothRestart":      bothRestart,
		"LongConversation": longConversation,
		"Invited":          invited,

		"TwoDevices":          twoDevices,
		"AwayDevice":          awayDevice,
		"RevokedDevice":       revokedDevice,
		"AdministratorGone":   administratorGone,
		"RevokedMeanwhile":    revokedMeanwhile,
		"LinkedAdministrator": linkedAdministrator,
	}
}

// cast makes persons and ends them when the story does.
func cast(t *testing.T, stage Stage, names ...string) []*Person {
	var all []*Person
	for _, name := range names {
		all = append(all, NewPerson(t, stage, name))
	}
	return all
}

func end(all []*Person) {
	for _, p := range all {
		p.End()
	}
	time.Sleep(2 * time.Minute) // what their networks left behind ends
}

func meetAndTalk(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	if err := bob.SetStatus(t.Context(), node.Away, "tea", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if v := alice.Sees(5*time.Second, bob, node.Away, node.Live); v.Note != "tea" {
		t.Errorf("note: got %q, want %q", v.Note, "tea")
	}
	if m := alice.Says(10*time.Second, bob, "hello"); m.Status != node.Delivered {
		t.Errorf("alice to bob: got status %v (%s)", m.Status, m.Reason)
	}
	if m := bob.Says(10*time.Second, alice, "hello you"); m.Status != node.Delivered {
		t.Errorf("bob to alice: got status %v (%s)", m.Status, m.Reason)
	}
	if got := bob.Heard(alice); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("bob heard %q", got)
	}
	if got := alice.Heard(bob); !slices.Equal(got, []string{"hello you"}) {
		t.Errorf("alice heard %q", got)
	}
	time.Sleep(5 * Lease) // leases keep them live
	alice.Sees(0, bob, node.Away, node.Live)
	bob.Sees(0, alice, node.Open, node.Live)
}

func killedAndBack(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	bob.Kill()
	killed := time.Now()
	for range int(3 * Lease / time.Second) {
		time.Sleep(time.Second)
		v, err := alice.View(bob.Address())
		if err != nil {
			t.Fatal(err)
		}
		if v.Liveness == node.Live && time.Since(killed) > Lease+time.Second {
			t.Fatalf("live %v after the kill, lease %v", time.Since(killed), Lease)
		}
	}
	alice.Sees(0, bob, node.Open, node.Gone)
	bob.Start()
	alice.Sees(30*time.Second, bob, node.Open, node.Live)
	bob.Sees(30*time.Second, alice, node.Open, node.Live)
}

func goodbye(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	bob.Leave()
	alice.Sees(2*time.Second, bob, node.Closed, node.Gone)
}

func strangerRefused(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "mallory")
	defer end(all)
	alice, mallory := all[0], all[1]
	time.Sleep(5 * time.Second)
	if m := mallory.Says(30*time.Second, alice, "buy this"); m.Status != node.Refused {
		t.Errorf("message: got status %v (%s), want refused", m.Status, m.Reason)
	}
	if got := alice.Heard(mallory); got != nil {
		t.Errorf("alice heard %q", got)
	}
	if f, err := mallory.Fetch(t.Context(), alice.Address()); err == nil {
		t.Errorf("fetch by a stranger got %s", f.Document)
	}
	mallory.Adds(alice)
	time.Sleep(time.Minute)
	v, err := mallory.View(alice.Address())
	if err != nil || v.Watch != node.Pending || v.Liveness != node.UnknownLive {
		t.Errorf("got %+v, %v, want pending and unknown", v, err)
	}
}

func denied(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	alice.Adds(bob)
	bob.Until(time.Minute, "request", func() bool { return len(bob.Requests()) == 1 })
	if err := bob.Deny(t.Context(), alice.Address()); err != nil {
		t.Fatal(err)
	}
	alice.Until(time.Minute, "told of the denial", func() bool {
		v, err := alice.View(bob.Address())
		return err == nil && v.Watch == node.Terminated
	})
	time.Sleep(10 * time.Minute)
	if n := len(bob.Requests()); n != 0 {
		t.Errorf("%d requests after the denial", n)
	}
}

func removed(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob", "carol")
	defer end(all)
	alice, bob, carol := all[0], all[1], all[2]
	Meet(alice, bob)
	Meet(carol, bob)
	if err := bob.Remove(t.Context(), alice.Address()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	if err := bob.SetStatus(t.Context(), node.Busy, "secret", time.Time{}); err != nil {
		t.Fatal(err)
	}
	carol.Sees(30*time.Second, bob, node.Busy, node.Live)
	if v, _ := alice.View(bob.Address()); v.Show == node.Busy || v.Note == "secret" || v.Watch != node.Terminated {
		t.Errorf("alice, removed, sees %+v", v)
	}
	if m := alice.Says(30*time.Second, bob, "why?"); m.Status != node.Refused {
		t.Errorf("message of one removed: got status %v", m.Status)
	}
}

func waitingMessages(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	bob.Leave()
	for i := range 5 {
		if m := alice.Says(0, bob, fmt.Sprint("later ", i)); m.Status != node.Queued {
			t.Errorf("to somebody away: got status %v", m.Status)
		}
	}
	time.Sleep(2 * time.Hour)
	alice.Kill()
	alice.Start()
	bob.Start()
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint("later ", i))
	}
	bob.Until(time.Minute, "all five", func() bool { return len(bob.Heard(alice)) >= 5 })
	if got := bob.Heard(alice); !slices.Equal(got, want) {
		t.Errorf("bob heard %q, want %q", got, want)
	}
}

func invisible(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	if err := bob.SetStatus(t.Context(), node.Invisible, "hiding", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if v := alice.Sees(5*time.Second, bob, node.Closed, node.Gone); v.Note != "" {
		t.Errorf("note of somebody invisible: %q", v.Note)
	}
	if m := alice.Says(10*time.Second, bob, "there?"); m.Status != node.Delivered {
		t.Errorf("to somebody invisible: got status %v", m.Status)
	}
}

func bothRestart(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	alice.Kill()
	bob.Kill()
	time.Sleep(time.Hour)
	alice.Start()
	if v, _ := alice.View(bob.Address()); v.Liveness == node.Live {
		t.Errorf("live from the disk: %+v", v)
	}
	bob.Start()
	alice.Sees(time.Minute, bob, node.Open, node.Live)
	bob.Sees(time.Minute, alice, node.Open, node.Live)
}

func longConversation(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob")
	defer end(all)
	alice, bob := all[0], all[1]
	Meet(alice, bob)
	var want []string
	for i := range 200 {
		text := fmt.Sprint("line ", i)
		want = append(want, text)
		if _, err := alice.Send(t.Context(), bob.Address(), text); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Send(t.Context(), alice.Address(), text); err != nil {
			t.Fatal(err)
		}
		if i == 100 {
			bob.Kill()
			time.Sleep(10 * time.Second)
			bob.Start()
		}
	}
	bob.Until(5*time.Minute, "all lines", func() bool { return len(bob.Heard(alice)) >= 200 })
	alice.Until(5*time.Minute, "all lines", func() bool { return len(alice.Heard(bob)) >= 200 })
	time.Sleep(time.Minute)
	if got := bob.Heard(alice); !slices.Equal(got, want) {
		t.Errorf("bob heard %d lines, out of order or twice: %q", len(got), got)
	}
	if got := alice.Heard(bob); !slices.Equal(got, want) {
		t.Errorf("alice heard %d lines, out of order or twice: %q", len(got), got)
	}
}

func invited(t *testing.T, stage Stage) {
	all := cast(t, stage, "alice", "bob", "carol")
	defer end(all)
	alice, bob, carol := all[0], all[1], all[2]
	time.Sleep(5 * time.Second)
	link, _, err := alice.Invite(t.Context(), node.InviteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := identity.ParseInvitation(link)
	if err != nil {
		t.Fatal(err)
	}
	for _, guest := range []*Person{bob, carol} {
		if _, err := guest.Add(t.Context(), inv, "", ""); err != nil {
			t.Fatal(err)
		}
		guest.Sees(time.Minute, alice, node.Open, node.Live)
		alice.Sees(time.Minute, guest, node.Open, node.Live)
	}
	toBob, _, err := alice.Introduce(t.Context(), bob.Address(), carol.Address(), "")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := alice.Await(t.Context(), toBob.ID); err != nil || m.Status != node.Delivered {
		t.Fatalf("introduction: got status %v (%s), %v", m.Status, m.Reason, err)
	}
	list, err := bob.Introductions(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("bob was introduced to %+v, %v", list, err)
	}
	if inv, err = identity.ParseInvitation(list[0].Link); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Add(t.Context(), inv, "", ""); err != nil {
		t.Fatal(err)
	}
	carol.Approves(bob)
	bob.Sees(time.Minute, carol, node.Open, node.Live)
}
