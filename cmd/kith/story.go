package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// ledger is what the tale verified, for its last line.
type ledger struct {
	delivered int
	gone      time.Duration // from the kill to being seen gone
	back      time.Duration // from the restart to being seen live
	goodbye   time.Duration
}

// run tells the tale; every line that it prints was checked.
func (t *tale) run() error {
	alice, bob, door := &actor{name: "alice"}, &actor{name: "bob"}, &actor{name: "door", thing: true}
	t.cast = []*actor{alice, bob, door}
	t.preface()
	var l ledger
	for _, part := range []func() error{
		func() error { return t.begin(alice, bob, door) },
		func() error { return t.meet(bob, alice) },
		func() error { return t.sensor(alice, door) },
		func() error { return t.change(alice, bob, door) },
		func() error { return t.talk(&l, alice, bob) },
		func() error { return t.crash(&l, alice, bob) },
		func() error { return t.comeBack(&l, alice, bob) },
		func() error { return t.leave(&l, alice, door) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	t.close(l)
	return nil
}

func (t *tale) preface() {
	t.app.say("%s", wrap(fmt.Sprintf("Two people and a door sensor, each with a node like that of `kith up`, "+
		"in this process. They talk over real libp2p on 127.0.0.1: no server, nobody else. "+
		"A lease lasts %.0f s here instead of %.0f min, so that a crash shows soon.",
		demoLease.Seconds(), node.DefaultLease.Minutes()), 78, ""))
}

// begin starts everybody; only the first one's place is known to the others.
func (t *tale) begin(alice *actor, others ...*actor) error {
	t.heading("Everybody makes keys and starts a node")
	if err := t.start(alice); err != nil {
		return err
	}
	t.introduce(alice, "")
	for _, p := range others {
		if err := t.start(p, alice.overlay.Addresses()...); err != nil {
			return err
		}
		more := ""
		if p.thing {
			more = ", a thing, not a person"
		}
		t.introduce(p, more)
	}
	for _, p := range t.cast {
		_, err := t.await(p, "its address record stored by another node", func() (string, bool) {
			_, found, err := others[0].node.Lookup(t.ctx, p.node.Address())
			return fmt.Sprint("found: ", found, ", error: ", err), found
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tale) introduce(p *actor, more string) {
	t.says(p, 0, "is %s on port %d%s", p.node.Address().Short(), p.overlay.Port(), more)
}

// meet makes bob find alice by nothing but her address, and alice approve.
func (t *tale) meet(bob, alice *actor) error {
	t.heading("Bob knows Alice's address, and nothing else")
	began := time.Now()
	_, found, err := bob.overlay.Resolve(t.ctx, identity.Locator{Address: alice.node.Address()})
	if err != nil || !found {
		return t.failure(bob, "alice's record in the DHT", fmt.Sprint("found: ", found, ", error: ", err))
	}
	t.says(bob, time.Since(began), "finds her record in the DHT, which only she can sign")
	const note = "it's Bob, from the choir"
	if _, err := bob.node.Add(t.ctx, identity.Invitation{Address: alice.node.Address()}, "alice", note); err != nil {
		return err
	}
	t.says(bob, 0, "asks to see her status: “%s”", note)
	took, err := t.await(alice, "a request from bob with his note", func() (string, bool) {
		r := alice.node.Requests()
		return fmt.Sprint(len(r), " requests"), len(r) == 1 && r[0].Person == bob.node.Address() && r[0].Note == note
	})
	if err != nil {
		return err
	}
	t.says(alice, took, "sees the request")
	v, err := bob.node.View(alice.node.Address())
	if err != nil || v.Show != node.Unknown || v.Watch == node.Active {
		return t.failure(bob, "nothing of alice before she approves", fmt.Sprintf("%q, %v", v.Show, err))
	}
	t.says(bob, 0, "· sees nothing of her yet")
	if _, err := alice.node.Approve(t.ctx, bob.node.Address(), "bob"); err != nil {
		return err
	}
	t.says(alice, 0, "approves, and asks to see him too")
	if err := t.alive(bob, alice); err != nil {
		return err
	}
	return t.alive(alice, bob)
}

// alive waits until p sees other live and open.
func (t *tale) alive(p, other *actor) error {
	took, err := t.sees(p, other, "live and open", func(v node.View) bool {
		return v.Liveness == node.Live && v.Show == node.Open && v.Watch == node.Active
	})
	if err != nil {
		return err
	}
	t.says(p, took, "● sees %s: open", other.name)
	return nil
}

// sensor brings in a thing, by its invitation.
func (t *tale) sensor(alice, door *actor) error {
	t.heading("Alice adds the sensor at her door, by its invitation")
	if err := door.node.SetStatus(t.ctx, node.Open, "shut", time.Time{}); err != nil {
		return err
	}
	if _, err := alice.node.Add(t.ctx, door.node.Invitation(), "door", ""); err != nil {
		return err
	}
	t.says(alice, 0, "adds %s", shorten(door.node.Invitation().String(), 48))
	took, err := t.await(door, "alice's request", func() (string, bool) {
		r := door.node.Requests()
		return fmt.Sprint(len(r), " requests"), len(r) == 1 && r[0].Person == alice.node.Address()
	})
	if err != nil {
		return err
	}
	if _, err := door.node.Approve(t.ctx, alice.node.Address(), "alice"); err != nil {
		return err
	}
	t.says(door, took, "is told by its owner to approve")
	return t.note(alice, door, "shut")
}

// note waits until p sees a note of another.
func (t *tale) note(p, other *actor, note string) error {
	took, err := t.sees(p, other, "live with the note "+note, func(v node.View) bool {
		return v.Liveness == node.Live && v.Note == note
	})
	if err != nil {
		return err
	}
	t.says(p, took, "● sees %s: “%s”", other.name, note)
	return nil
}

// change shows that a change of presence appears on the other side.
func (t *tale) change(alice, bob, door *actor) error {
	t.heading("Presence changes, and those who may see it do")
	if err := alice.node.SetStatus(t.ctx, node.Away, "tea", time.Time{}); err != nil {
		return err
	}
	t.says(alice, 0, "goes away for tea")
	took, err := t.sees(bob, alice, "away with the note tea", func(v node.View) bool {
		return v.Liveness == node.Live && v.Show == node.Away && v.Note == "tea"
	})
	if err != nil {
		return err
	}
	t.says(bob, took, "● sees alice: away, “tea”")
	if err := door.node.SetStatus(t.ctx, node.Open, "open!", time.Time{}); err != nil {
		return err
	}
	t.says(door, 0, "is opened")
	if err := t.note(alice, door, "open!"); err != nil {
		return err
	}
	for _, v := range bob.node.Contacts() {
		if v.Person == door.node.Address() {
			return t.failure(bob, "nothing of the door", "it is a contact")
		}
	}
	return nil
}

// talk sends a message each way.
func (t *tale) talk(l *ledger, alice, bob *actor) error {
	t.heading("They write to each other")
	if err := t.write(l, bob, alice, "Is there a cup left for me?"); err != nil {
		return err
	}
	return t.write(l, alice, bob, "Two. The door is open.")
}

// write sends a message, waits for the signed verdict, and finds it in the
// inbox of the other, once.
func (t *tale) write(l *ledger, from, to *actor, text string) error {
	began := time.Now()
	m, err := from.node.Send(t.ctx, to.node.Address(), text)
	if err != nil {
		return err
	}
	t.says(from, 0, "→ %s: %s", to.name, text)
	if m, err = from.node.Await(t.ctx, m.ID); err != nil || m.Status != node.Delivered {
		return t.failure(from, "its message delivered", fmt.Sprintf("status %d, %s, %v", m.Status, m.Reason, err))
	}
	if err := t.once(to, from, text); err != nil {
		return err
	}
	l.delivered++
	t.says(to, time.Since(began), "✓ has it on disk, and signed for it")
	return nil
}

// once checks that a message is in somebody's inbox exactly once.
func (t *tale) once(p, from *actor, text string) error {
	list, err := p.node.History(t.ctx, node.Query{Person: from.node.Address(), Incoming: true}, 100)
	if err != nil {
		return err
	}
	n := 0
	for _, m := range list {
		if m.Text == text {
			n++
		}
	}
	if n != 1 {
		return t.failure(p, "the message exactly once", fmt.Sprint(n, " times"))
	}
	return nil
}

// missed is what alice writes while bob is away.
const missed = "Bob? The tea gets cold."

// crash kills bob's node and watches how alice learns of it.
func (t *tale) crash(l *ledger, alice, bob *actor) error {
	t.heading("Bob's machine dies: no goodbye")
	who := bob.node.Address()
	if err := bob.stop(0); err != nil {
		return err
	}
	died := time.Now()
	t.says(bob, 0, "is killed")
	m, err := alice.node.Send(t.ctx, who, missed)
	if err != nil {
		return err
	}
	t.says(alice, 0, "→ bob: %s", missed)
	if err := t.expire(alice, bob.name, who); err != nil {
		return err
	}
	t.says(alice, time.Since(died), "◐ sees bob fall silent: his lease ended")
	_, err = t.await(alice, "bob gone", func() (string, bool) {
		v, err := alice.node.View(who)
		return fmt.Sprint(v.Liveness, err), err == nil && v.Liveness == node.Gone
	})
	if err != nil {
		return err
	}
	l.gone = time.Since(died)
	t.says(alice, l.gone, "○ sees bob gone")
	list, err := alice.node.History(t.ctx, node.Query{Person: who, After: m.ID - 1}, 1)
	if err != nil || len(list) != 1 || list[0].Status != node.Queued {
		return t.failure(alice, "the message kept in the outbox", fmt.Sprint(list, err))
	}
	t.says(alice, 0, "… keeps the message, and will try again")
	return nil
}

// expire waits until somebody is no longer live, and checks that they were
// never shown as live after the end of their lease.
func (t *tale) expire(p *actor, name string, who identity.Address) error {
	var late time.Duration
	_, err := t.await(p, name+" no longer live when the lease ends", func() (string, bool) {
		now := time.Now()
		v, err := p.node.View(who)
		if v.Liveness == node.Live {
			late = max(late, now.Sub(v.Until))
		}
		return fmt.Sprint(v.Liveness, err), err == nil && v.Liveness != node.Live
	})
	if err == nil && late > 0 {
		err = t.failure(p, name+" live until the lease ends", "live for "+seconds(late)+" more")
	}
	return err
}

// comeBack starts bob's node on the files that the dead one left.
func (t *tale) comeBack(l *ledger, alice, bob *actor) error {
	t.heading("Bob is back, with nothing but his files")
	began := time.Now()
	if err := t.start(bob); err != nil {
		return err
	}
	t.says(bob, 0, "is on port %d now, and knows his contacts", bob.overlay.Port())
	_, err := t.sees(alice, bob, "live again", func(v node.View) bool { return v.Liveness == node.Live && v.Show == node.Open })
	if err != nil {
		return err
	}
	l.back = time.Since(began)
	t.says(alice, l.back, "● sees bob: open")
	_, err = t.await(alice, "the kept message delivered", func() (string, bool) {
		list, err := alice.node.History(t.ctx, node.Query{Person: bob.node.Address(), Text: "cold"}, 1)
		return fmt.Sprint(len(list), " found ", err), err == nil && len(list) == 1 && list[0].Status == node.Delivered
	})
	if err != nil {
		return err
	}
	if err := t.once(bob, alice, missed); err != nil {
		return err
	}
	l.delivered++
	t.says(bob, time.Since(began), "✓ “%s” is there, once", missed)
	return t.sight(bob, alice)
}

// sight checks that bob sees alice as she is, not as he remembers her.
func (t *tale) sight(bob, alice *actor) error {
	took, err := t.sees(bob, alice, "live and away", func(v node.View) bool {
		return v.Liveness == node.Live && v.Show == node.Away
	})
	if err != nil {
		return err
	}
	t.says(bob, took, "● sees alice: away, “tea”")
	return nil
}

// leave shows what a goodbye is for.
func (t *tale) leave(l *ledger, alice, door *actor) error {
	t.heading("The door's battery is changed: with a goodbye")
	began := time.Now()
	who := door.node.Address()
	t.says(door, 0, "says goodbye")
	if err := door.stop(farewell); err != nil {
		return err
	}
	_, err := t.await(alice, "the door gone", func() (string, bool) {
		v, err := alice.node.View(who)
		return fmt.Sprint(v.Liveness, err), err == nil && v.Liveness == node.Gone
	})
	if err != nil {
		return err
	}
	l.goodbye = time.Since(began)
	t.says(alice, l.goodbye, "○ sees the door gone, without waiting for its lease")
	return nil
}

// close says what was verified.
func (t *tale) close(l ledger) {
	took := time.Since(t.began)
	text := strings.Join([]string{
		"met by address in the DHT", "nothing seen before approval", "presence seen live on the other side",
		fmt.Sprintf("%d messages each delivered once and signed for", l.delivered),
		"a crash seen in " + seconds(l.gone), "a return seen in " + seconds(l.back), "a goodbye seen in " + seconds(l.goodbye),
	}, ", ")
	if t.app.json {
		t.print(scene{Text: "verified: " + text, MS: took.Milliseconds(), OK: true})
		return
	}
	s := t.app.style
	fmt.Fprintf(t.app.out, "\n%s %s\n", s.green("✓"), wrap("Verified in "+seconds(took)+": "+text+".", 80, "  "))
	t.app.say("\nYour turn: `kith up`, then `kith me` and give the invitation to a friend.")
}
