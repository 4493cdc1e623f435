package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/node"
)

// The demo's clock: a lease that shows a crash soon, a bound on each step,
// and one on the whole.
const (
	demoLease = 2 * time.Second
	demoStep  = 30 * time.Second
	demoWhole = 90 * time.Second
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See it work: two people and a door sensor on this machine",
		Long: `See it work: two people and a door sensor, each with a node of their own, in this
one process over real libp2p on loopback. They meet by address in the DHT, see each
other's status change, write to each other, and one of them is killed and comes back.

Each line is checked as it is printed; the exit status is 0 only if all of it
happened. It takes about ten seconds, needs no network, and leaves nothing behind.`,
		Example: "  kith demo\n  kith demo --json | jq -c '{t, who, text}'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, demoWhole)
			defer cancel()
			dir, err := os.MkdirTemp("", "kith-demo-")
			if err != nil {
				return fmt.Errorf("make a place for the demo: %w", err)
			}
			t := &tale{app: a, ctx: ctx, dir: dir, began: time.Now()}
			err = t.run()
			err = errors.Join(err, t.end(), os.RemoveAll(dir))
			if errors.Is(ctx.Err(), context.Canceled) {
				return fail("stopped before the end", "")
			}
			return err
		},
	}
}

// tale is one run of the demo.
type tale struct {
	app   *app
	ctx   context.Context // ends with the demo; a tale lives no longer than one call
	dir   string
	began time.Time
	cast  []*actor
	part  int
}

// actor is somebody in the tale: a node with its own home directory.
type actor struct {
	*instance
	name    string
	thing   bool
	started time.Time
	vanish  context.CancelFunc // stops the node
	wg      sync.WaitGroup     // of run
	err     error              // of run, once wg is done
}

// start runs an actor's node.
func (t *tale) start(p *actor, bootstrap ...string) error {
	listen, err := listenAddresses([]string{"127.0.0.1:0"})
	if err != nil {
		return err
	}
	none := func() ([]byte, error) { return nil, nil }
	p.instance, err = open(t.ctx, settings{
		home: filepath.Join(t.dir, p.name), name: p.name, newPass: none,
		listen: listen, bootstrap: bootstrap, lease: demoLease, thing: p.thing,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ctx, cancel := context.WithCancel(t.ctx)
	p.vanish, p.started = cancel, time.Now()
	p.wg.Go(func() { p.err = p.run(ctx, 0, nil) }) // ends by vanish or with the demo
	return nil
}

// stop ends an actor's node, with a goodbye if that is positive.
func (p *actor) stop(goodbye time.Duration) error {
	if p.instance == nil {
		return nil
	}
	var err error
	if goodbye > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		err = p.node.Goodbye(ctx)
	}
	p.vanish()
	p.wg.Wait()
	err = errors.Join(err, p.err, p.close())
	p.instance = nil
	return err
}

// end stops whoever still runs.
func (t *tale) end() error {
	var errs []error
	for _, p := range t.cast {
		errs = append(errs, p.stop(0))
	}
	return errors.Join(errs...)
}

// scene is one line of the tale; the form that --json prints.
type scene struct {
	T    float64 `json:"t"` // seconds since the beginning
	Part int     `json:"part"`
	Who  string  `json:"who,omitempty"`
	Text string  `json:"text"`
	MS   int64   `json:"ms,omitempty"` // how long what is told took
	OK   bool    `json:"ok"`
}

// heading begins a part of the tale.
func (t *tale) heading(text string) {
	t.part++
	if t.app.json {
		t.print(scene{Text: text, OK: true})
		return
	}
	fmt.Fprintf(t.app.out, "\n%s\n", t.app.style.bold(fmt.Sprintf("%d. %s", t.part, text)))
}

// says prints what somebody did or saw, and how long it took if that matters.
func (t *tale) says(p *actor, took time.Duration, format string, args ...any) {
	t.print(scene{Who: p.name, Text: fmt.Sprintf(format, args...), MS: took.Milliseconds(), OK: true})
}

func (t *tale) print(l scene) {
	since := time.Since(t.began)
	l.T, l.Part = float64(since.Milliseconds())/1000, t.part
	// An error of the output shows when the process ends; the tale goes on.
	_ = t.app.show(l, func(w io.Writer, s style) {
		text := l.Text
		if l.MS > 0 {
			text = pad(text, 54) + "  " + s.dim(seconds(time.Duration(l.MS)*time.Millisecond))
		}
		fmt.Fprintf(w, "  %s  %s %s\n", s.dim(fmt.Sprintf("%4.1f s", since.Seconds())), s.cyan(pad(l.Who, 6)), s.marks(text))
	})
}

// failure says what should have happened and what did.
func (t *tale) failure(p *actor, expected, saw string) error {
	if t.app.json {
		t.print(scene{Who: p.name, Text: "expected: " + expected + "; saw: " + saw})
	}
	return fail(fmt.Sprintf("the demo failed in part %d: %s should have seen: %s", t.part, p.name, expected), "instead: "+saw)
}

// await waits until something is true for an actor, and says how long it took.
func (t *tale) await(p *actor, expected string, seen func() (saw string, ok bool)) (time.Duration, error) {
	began := time.Now()
	limit := time.NewTimer(demoStep)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		saw, ok := seen()
		if ok {
			return time.Since(began), nil
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return 0, t.failure(p, expected, saw)
		case <-t.ctx.Done():
			return 0, t.failure(p, expected, saw+" (the demo's "+demoWhole.String()+" are over)")
		}
	}
}

// sees waits until p sees what it should of another.
func (t *tale) sees(p, other *actor, expected string, match func(node.View) bool) (time.Duration, error) {
	who := other.node.Address()
	return t.await(p, other.name+" "+expected, func() (string, bool) {
		v, err := p.node.View(who)
		if err != nil {
			return err.Error(), false
		}
		return fmt.Sprintf("%s, showing %q, note %q, %s", v.Liveness, v.Show, v.Note, v.Reason), match(v)
	})
}
