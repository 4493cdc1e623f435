package nodetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
)

// Device is a place in some network: what a person's node talks through.
type Device interface {
	node.Network
	Serve(ctx context.Context, h Handler) error
	Close() error
}

// Stage is where a story plays: it makes devices of persons, and can take
// one away without a goodbye.
type Stage interface {
	// Join makes the device of a person, anew after Kill. The key is its
	// transport key.
	Join(t *testing.T, name string, keys *identity.Keys) Device
	// Kill has a device vanish: its power is cut.
	Kill(name string)
}

// Lease is the lease of persons on a stage.
const Lease = 30 * time.Second

// Person is a person with one device. Its methods fail the test by themselves.
type Person struct {
	*node.Node
	Name string

	t     *testing.T
	stage Stage
	keys  *identity.Keys
	dir   string
	card  identity.SignedCard // of a device just linked
	log   *slog.Logger
	stop  func()
}

// NewPerson makes a person, with fresh keys and an empty store, and starts
// their node.
func NewPerson(t *testing.T, stage Stage, name string) *Person {
	t.Helper()
	keys, err := identity.New(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return NewPersonOf(t, stage, name, keys, t.TempDir())
}

// NewPersonOf is NewPerson with keys made elsewhere, and with a directory whose
// kith.db may be there already.
func NewPersonOf(t *testing.T, stage Stage, name string, keys *identity.Keys, dir string) *Person {
	t.Helper()
	p := &Person{Name: name, t: t, stage: stage, keys: keys, dir: dir}
	if testing.Verbose() {
		p.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("at", name)
	}
	p.Start()
	return p
}

// Start starts the person's node, after NewPerson, Kill or Leave.
func (p *Person) Start() {
	p.t.Helper()
	kept, err := store.Open(filepath.Join(p.dir, "kith.db"))
	if err != nil {
		p.t.Fatal(err)
	}
	device := p.stage.Join(p.t, p.Name, p.keys)
	ctx, cancel := context.WithCancel(context.Background())
	p.Node, err = node.New(ctx, node.Config{Keys: p.keys, Network: device, Store: kept, Lease: Lease, Log: p.log, Card: p.card})
	if err != nil {
		p.t.Fatal(err)
	}
	p.card = identity.SignedCard{}
	done := make(chan struct{}, 2)
	go func() { // ends with ctx
		if err := device.Serve(ctx, p.Node); err != nil {
			p.t.Errorf("%s: serve: %v", p.Name, err)
		}
		done <- struct{}{}
	}()
	go func() { // ends with ctx
		if err := p.Run(ctx); err != nil {
			p.t.Errorf("%s: run: %v", p.Name, err)
		}
		done <- struct{}{}
	}()
	p.stop = func() {
		cancel()
		<-done
		<-done
		if err := device.Close(); err != nil {
			p.t.Errorf("%s: close network: %v", p.Name, err)
		}
		if err := kept.Close(); err != nil {
			p.t.Errorf("%s: close store: %v", p.Name, err)
		}
		p.stop = nil
	}
}

// Kill ends the person's node at this moment, without a goodbye.
func (p *Person) Kill() {
	p.stage.Kill(p.Name)
	p.stop()
}

// Leave says goodbye and ends the person's node.
func (p *Person) Leave() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Goodbye(ctx); err != nil {
		p.t.Errorf("%s: goodbye: %v", p.Name, err)
	}
	p.stop()
}

// End ends the node if it still runs; every story calls it for every person
// before its bubble ends.
func (p *Person) End() {
	if p.stop != nil {
		p.stop()
	}
}

// Until waits at most d for something to come true.
func (p *Person) Until(d time.Duration, what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(50 * time.Millisecond) {
		if !time.Now().Before(end) {
			p.t.Fatalf("%s: not within %v: %s", p.Name, d, what)
		}
	}
}

// Sees waits at most d until the person sees a contact as described.
func (p *Person) Sees(d time.Duration, who *Person, show node.Show, live node.Liveness) node.View {
	p.t.Helper()
	var v node.View
	p.Until(d, "sees "+who.Name+" "+string(show)+" and "+string(live), func() bool {
		v, _ = p.View(who.Address())
		return v.Show == show && v.Liveness == live
	})
	return v
}

// Adds makes who a contact by their invitation.
func (p *Person) Adds(who *Person) {
	p.t.Helper()
	if _, err := p.Add(p.t.Context(), who.Invitation(), who.Name, ""); err != nil {
		p.t.Fatalf("%s adds %s: %v", p.Name, who.Name, err)
	}
}

// Approves waits for the request of who and approves it.
func (p *Person) Approves(who *Person) {
	p.t.Helper()
	p.Until(time.Minute, "request of "+who.Name, func() bool {
		for _, w := range p.Requests() {
			if w.Person == who.Address() {
				return true
			}
		}
		return false
	})
	if _, err := p.Approve(p.t.Context(), who.Address(), who.Name); err != nil {
		p.t.Fatalf("%s approves %s: %v", p.Name, who.Name, err)
	}
}

// Meet makes two persons contacts of each other who see each other live.
func Meet(p, q *Person) {
	p.t.Helper()
	p.Adds(q)
	q.Approves(p)
	p.Sees(time.Minute, q, node.Open, node.Live)
	q.Sees(time.Minute, p, node.Open, node.Live)
}

// Says sends a text and returns the message once it is settled, or as it
// stands after d.
func (p *Person) Says(d time.Duration, who *Person, text string) node.Message {
	p.t.Helper()
	m, err := p.Send(p.t.Context(), who.Address(), text)
	if err != nil {
		p.t.Fatalf("%s to %s: %v", p.Name, who.Name, err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), d)
	defer cancel()
	m, err = p.Await(ctx, m.ID)
	if err != nil && ctx.Err() == nil {
		p.t.Fatalf("%s to %s: %v", p.Name, who.Name, err)
	}
	return m
}

// Heard returns the texts received from who, oldest first.
func (p *Person) Heard(who *Person) []string {
	p.t.Helper()
	list, err := p.History(p.t.Context(), node.Query{Person: who.Address(), Incoming: true}, 10000)
	if err != nil {
		p.t.Fatal(err)
	}
	var texts []string
	for _, m := range list {
		texts = append(texts, m.Text)
	}
	return texts
}
