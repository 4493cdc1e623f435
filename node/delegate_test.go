package node_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/nodetest"
	"github.com/kith-im/kith/node/store"
	"github.com/kith-im/kith/pidf"
)

// TestDelegatedTuple (R2779-2.3.4): an assistant that its owner lets publish one tuple
// publishes that one and nothing else, and the owner's contacts see it.
func TestDelegatedTuple(t *testing.T) {
	bubble(t, func(t *testing.T, _ *nodetest.World, alice, bob *nodetest.Person) {
		sensor := alice.Link("sensor", identity.Permit{Scopes: identity.ScopePublish | identity.ScopeRead, Tuples: []string{"door"}})
		defer sensor.End()
		bob.Shows(time.Minute, alice, 2)
		if err := alice.SetStatus(t.Context(), node.Away, "out", time.Time{}); err != nil {
			t.Fatal(err)
		}
		bob.Until(time.Minute, "what both devices say", func() bool {
			v, _ := bob.View(alice.Address())
			return len(v.Devices) == 2 && v.Devices[0].Note == "out" && v.Devices[1].Note == "out"
		})
		var card identity.SignedCard
		bob.Until(5*time.Minute, "a card that lists the sensor", func() bool {
			var found bool
			card, found, _ = bob.Lookup(t.Context(), alice.Address())
			return found && card.Card().Admits(sensor.Device()) == nil
		})
		bob.End()
		kept, err := store.Open(filepath.Join(bob.Dir(), "kith.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		list, err := kept.Publications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, p := range list {
			o, err := identity.Verify(p.Signed, card.Card().Known(), time.Now())
			if err != nil || o.Device != sensor.Device() {
				continue
			}
			found = true
			d, err := pidf.Parse(o.Entity.Body)
			if err != nil || len(d.Tuples) != 1 || d.Tuples[0].ID != "door" || len(d.Persons)+len(d.Devices)+len(d.Notes) != 0 {
				t.Errorf("the sensor published %+v, %v", d, err)
			}
		}
		if !found {
			t.Error("bob has no document of the sensor")
		}
	})
}

// delegation is an owner whose program is the test's and who is contact of alice,
// and an assistant that may publish the tuple "door" and whose certificate ends two
// hours after the test began.
type delegation struct {
	*liar
	assistant *identity.Keys
	renewal   []byte // grant that renews its certificates
	epoch     identity.Epoch
	seq       uint64
}

// newDelegation waits for 400 days less two hours.
func newDelegation(t *testing.T) *delegation {
	t.Helper()
	d := &delegation{liar: &liar{outsider: newOutsider(t, "liar")}, epoch: identity.NewEpoch()}
	d.assistant = deviceFor(t, d.keys, identity.Permit{Scopes: identity.ScopePublish | identity.ScopeRead, Tuples: []string{"door"}})
	listed := d.assistant.DeviceCard(nil)
	time.Sleep(time.Until(listed.Signing.NotAfter) - 2*time.Hour)
	now := time.Now()
	for _, k := range []*identity.Keys{d.keys, d.assistant} {
		if _, err := k.Rotate(now); err != nil {
			t.Fatal(err)
		}
	}
	request, due, err := d.assistant.Renewal(now)
	if err != nil || !due {
		t.Fatalf("renewal of the assistant: %v, %v", due, err)
	}
	grant, renewed, err := d.keys.Certify(request, identity.Permit{Renews: &listed}, now)
	if err != nil {
		t.Fatal(err)
	}
	d.renewal, listed.Sealing = grant, renewed.Sealing
	d.card = mustSignCard(t, d.keys, identity.CardDraft{Serial: 2, Reach: identity.Reach("liar"), Others: []identity.DeviceCard{listed}}, now)
	if len(d.card.Card().Devices) != 2 {
		t.Fatal("the assistant is not in the card")
	}
	return d
}

// document signs a document of the owner's, as by some device, that shows a note.
func (d *delegation) document(by *identity.Keys, note string, change func(*pidf.Presence)) identity.Signed {
	d.t.Helper()
	p := pidf.Presence{Entity: d.keys.Address().Pres(), Tuples: []pidf.Tuple{{
		ID: "door", Status: pidf.Status{Basic: pidf.Open}, Timestamp: time.Now(), Notes: []pidf.Note{{Text: note}},
	}}}
	if change != nil {
		change(&p)
	}
	xml, err := p.Marshal()
	if err != nil {
		d.t.Fatal(err)
	}
	d.seq++
	signed, err := by.Sign(node.PresenceEntity(xml, d.epoch, node.Version{Boot: 1, Seq: d.seq}), true, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	return signed
}

// publishes brings a document to alice, who takes it or, for a reason, not.
func (d *delegation) publishes(alice *nodetest.Person, name string, signed identity.Signed, why string) {
	d.t.Helper()
	sealed, err := d.epoch.Seal(signed)
	if err != nil {
		d.t.Fatal(err)
	}
	fresh, err := alice.Hear(d.t.Context(), "somewhere", sealed)
	said := "-"
	if err != nil {
		said = err.Error()
	}
	if fresh != (why == "") || !strings.Contains(said, why) {
		d.t.Errorf("%s: taken: %v, %v; want %q", name, fresh, err, why)
	}
}

// shown is the note that alice sees of a device; "-" if she sees nothing of it.
func (d *delegation) shown(alice *nodetest.Person, by *identity.Keys) string {
	v, err := alice.View(d.keys.Address())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, device := range v.Devices {
		if device.ID == by.Device() {
			return device.Note
		}
	}
	return "-"
}

// TestDelegation (R2779-2.3.4): what goes beyond a delegation, is signed without one or
// after its end is refused.
func TestDelegation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDelegation(t)
		unlisted, mallory := secondDevice(t, d.keys), newOutsider(t, "mallory")
		reader := deviceFor(t, d.keys, identity.Permit{Scopes: identity.ScopeSend | identity.ScopeRead})
		w := nodetest.NewWorld(10 * time.Millisecond)
		alice := nodetest.NewPerson(t, memory{w}, "alice")
		defer alice.End()
		d.joins(t, w, alice)
		if _, err := d.asks(alice, node.Presence, node.NotifyOf(d.subscript, 10, d.epoch, d.document(d.keys, "mine", nil))); err != nil {
			t.Fatal(err)
		}
		if got := d.shown(alice, d.keys); got != "mine" {
			t.Fatalf("of the owner: %q", got)
		}
		beyond := "more than its device may publish"
		for _, test := range []struct {
			name   string
			by     *identity.Keys
			change func(*pidf.Presence)
			why    string // "-": silently
		}{
			{"another tuple", d.assistant, func(p *pidf.Presence) { p.Tuples[0].ID = "window" }, beyond},
			{"another tuple beside its own", d.assistant, func(p *pidf.Presence) {
				p.Tuples = append(p.Tuples, pidf.Tuple{ID: "window", Status: pidf.Status{Basic: pidf.Open}})
			}, beyond},
			{"a person", d.assistant, func(p *pidf.Presence) { p.Persons = []pidf.Person{{ID: "p"}} }, beyond},
			{"a device", d.assistant, func(p *pidf.Presence) { p.Devices = []pidf.Device{{ID: "d", DeviceID: "urn:x-mac:0003ba4811e3"}} }, beyond},
			{"a note about all of it", d.assistant, func(p *pidf.Presence) { p.Notes = []pidf.Note{{Text: "all"}} }, beyond},
			{"about somebody else", d.assistant, func(p *pidf.Presence) { p.Entity = alice.Address().Pres() }, "document about"},
			{"without a delegation", mallory.keys, nil, "publication of mallory"},
			{"permitted to read only", reader, nil, "-"},
			{"not in the owner's card", unlisted, nil, "-"},
		} {
			d.publishes(alice, test.name, d.document(test.by, "no", test.change), test.why)
			if got := d.shown(alice, test.by); got != "-" {
				t.Errorf("%s: alice sees %q", test.name, got)
			}
		}
		d.publishes(alice, "its own tuple", d.document(d.assistant, "ajar", nil), "")
		early := d.document(d.assistant, "early", nil)
		time.Sleep(3 * time.Hour)
		d.publishes(alice, "signed after its certificate ended", d.document(d.assistant, "late", nil), identity.ErrExpired.Error())
		d.publishes(alice, "signed before its certificate ended", early, identity.ErrExpired.Error())
		if got := d.shown(alice, d.assistant); got != "ajar" {
			t.Errorf("of the assistant: %q", got)
		}
		if err := d.assistant.Renew(d.renewal, time.Now()); err != nil {
			t.Fatal(err)
		}
		d.publishes(alice, "another tuple, renewed", d.document(d.assistant, "no", func(p *pidf.Presence) { p.Tuples[0].ID = "window" }), beyond)
		d.publishes(alice, "its own tuple, renewed", d.document(d.assistant, "shut", nil), "")
		if got := d.shown(alice, d.assistant); got != "shut" {
			t.Errorf("of the renewed assistant: %q", got)
		}
	})
}
