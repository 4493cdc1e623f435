// Command hello is two people in one program. They meet, see each other and
// talk, with no server; it ends with status 0 only if all of that happened.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
	"github.com/kith-im/kith/overlay"
)

func main() {
	dir := must(os.MkdirTemp("", "kith-hello-"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	ann, annEnds := start(ctx, "ann", dir)
	bob, bobEnds := start(ctx, "bob", dir)
	fmt.Fprintf(os.Stderr, "Ann is %s\nBob is %s\n", ann.Address(), bob.Address())

	must(bob.Add(ctx, ann.Invitation(), "Ann", "It's me, Bob.")) // people pass invitations as links
	wait(ctx, ann, func() bool { return len(ann.Requests()) == 1 })
	fmt.Printf("Ann is asked: %s\n", ann.Requests()[0].Note)
	must(ann.Approve(ctx, bob.Address(), "Bob")) // from now on she watches him, too

	check(ann.SetStatus(ctx, node.Away, "making tea", time.Time{}))
	wait(ctx, bob, func() bool { return must(bob.View(ann.Address())).Note == "making tea" })
	seen := must(bob.View(ann.Address()))
	fmt.Printf("Bob sees %s: %s, %s, %s\n", seen.Name, seen.Show, seen.Note, seen.Liveness)

	sent := must(bob.Send(ctx, ann.Address(), "A cup for me, please!"))
	sent = must(bob.Await(ctx, sent.ID)) // until Ann's device has signed for it
	inbox := must(ann.History(ctx, node.Query{Incoming: true}, 10))
	if seen.Liveness != node.Live || sent.Status != node.Delivered || len(inbox) != 1 || inbox[0].Text != sent.Text {
		log.Fatalf("not all of it happened: seen %+v, sent %+v, in the inbox %+v", seen, sent, inbox)
	}
	fmt.Printf("Ann reads from %s: %s\n", ann.Name(inbox[0].Person), inbox[0].Text)
	cancel()
	check(errors.Join(annEnds(), bobEnds(), os.RemoveAll(dir)))
}

// start joins the layers of one person. They end with ctx; ends waits for that.
func start(ctx context.Context, name, dir string) (n *node.Node, ends func() error) {
	keys := must(identity.New(name, time.Now()))
	net := must(overlay.New(overlay.Config{Key: keys.TransportKey(), Listen: []string{"/ip4/127.0.0.1/tcp/0"}}))
	kept := must(store.Open(filepath.Join(dir, name+".db")))
	n = must(node.New(ctx, node.Config{Keys: keys, Network: net, Store: kept}))
	done := make(chan error)
	go func() { done <- net.Serve(ctx, n) }() // ends with ctx
	go func() { done <- n.Run(ctx) }()        // ends with ctx
	return n, func() error { return errors.Join(<-done, <-done, net.Close(), kept.Close()) }
}

// wait returns once ok does. Events are hints that it may be time to look again.
func wait(ctx context.Context, n *node.Node, ok func() bool) {
	last := n.LastEvent()
	if ok() {
		return
	}
	for range n.Events(ctx, last) {
		if ok() {
			return
		}
	}
	log.Fatal(ctx.Err())
}

func must[T any](v T, err error) T { check(err); return v }
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
