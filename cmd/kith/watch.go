package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) watchCommand() *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show presence and messages as they happen",
		Long: `Show presence and messages as they happen, until Ctrl-C.

With --json, each line is one event with its id; --after ID goes on after it.
After a long absence the oldest events are gone: ask again with the other commands.`,
		Example: "  kith watch\n  kith watch --json | jq -r 'select(.kind==\"message\") | .message.text'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			c := control.Dial(a.home)
			defer c.Close()
			return a.watch(ctx, c, after)
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "begin after this event id; 0: from now on")
	return cmd
}

func (a *app) watch(ctx context.Context, c *control.Client, after uint64) error {
	if !a.json {
		list, err := c.Contacts(ctx)
		if err != nil {
			return err
		}
		for _, contact := range list {
			fmt.Fprintln(a.out, moved(a.style, time.Now(), contact))
		}
		a.say("%s", a.style.dim("Watching "+count(len(list), "contact")+"; Ctrl-C ends."))
	}
	for e, err := range c.Events(ctx, after) {
		if err != nil {
			return err
		}
		err := a.show(e, func(w io.Writer, s style) {
			if text := happened(s, e); text != "" {
				fmt.Fprintln(w, text)
			}
		})
		if err != nil {
			return err
		}
	}
	if ctx.Err() == nil {
		return fail("the node has stopped", "start it again with `kith up`")
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil // Ctrl-C is how this ends
	}
	return ctx.Err()
}

// moved is one line on what a contact shows.
func moved(s style, at time.Time, c control.Contact) string {
	text := s.dim(at.Local().Format("15:04:05")) + "  " + s.alive(c.Liveness, mark(c.Liveness)) + " " + s.bold(clean(c.Name)) + " "
	switch c.Liveness {
	case "live":
		text += "is " + clean(c.Show)
	case "stale":
		text += "has fallen silent, " + showing(c)
	case "gone":
		text += "is gone"
	default:
		return text + s.dim(or(remark(c), "(nothing known yet)"))
	}
	if c.Note != "" && c.Liveness != "gone" {
		text += "  " + quoted(c.Note)
	}
	return text
}

// happened is one line on an event, empty if it is nothing for people.
func happened(s style, e control.Event) string {
	at := s.dim(e.Time.Local().Format("15:04:05")) + "  "
	switch {
	case e.Kind == "read":
		return ""
	case e.Kind == "revoked":
		return at + s.red("! this device was revoked: it shows nothing and sends nothing any more")
	case e.Kind == "card-end":
		return at + s.yellow("! none of your devices that administer was on for two days: strangers do not find you until one is")
	case e.Kind == "copy" && e.Message != nil:
		return at + "  " + s.dim("to "+clean(e.Message.Name)+"  "+shorten(clean(e.Message.Text), 48)+"  (sent from another device of yours)")
	case e.Link != nil:
		return linked(s, at, *e.Link)
	case e.Kind == "key" && e.Contact != nil:
		return at + keyed(s, *e.Contact)
	case e.Kind == "contact" && e.Contact != nil:
		return "" // done by the owner, elsewhere
	case e.Kind == "invite" && e.Request != nil:
		return at + "  " + s.bold(clean(e.Request.Name)) + " came with your invitation and is a contact now"
	case e.Message != nil && e.Message.Direction == "in":
		name := clean(e.Message.Name)
		return at + s.cyan("› "+name) + "  " + said(*e.Message, len("15:04:05  › ")-2+width(name)+2)
	case e.Message != nil:
		mark, words := verdict(s, *e.Message)
		return strings.TrimRight(at+mark+" "+s.dim("to "+clean(e.Message.Name)+"  "+shorten(clean(e.Message.Text), 48))+"  "+words, " ")
	case e.Kind == "presence" && e.Contact.Liveness == "unknown":
		return "" // a "watch" event says why
	case e.Contact != nil && e.Kind == "watch":
		return at + subscribed(s, *e.Contact)
	case e.Contact != nil:
		return moved(s, e.Time, *e.Contact)
	case e.Request != nil:
		return at + asked(s, e.Kind, *e.Request)
	}
	return ""
}

// linked says how the link of a new device goes on.
func linked(s style, at string, l control.LinkState) string {
	switch l.Stage {
	case "done":
		return at + "  " + s.bold(clean(or(l.Name, "another device"))) + " is a device of yours now"
	case "refused", "expired":
		return at + "  no device was linked (" + l.Stage + ")"
	}
	return "" // kith link shows it
}

// keyed says what became of a contact's key.
func keyed(s style, c control.Contact) string {
	if c.Changed {
		return s.red("! ") + s.bold(clean(c.Name)) + " goes by another key; ask them by another way, then: kith verify " + typed(c.Name) + ", kith trust " + typed(c.Name)
	}
	return "  the key of " + s.bold(clean(c.Name)) + " is trusted"
}

// subscribed says how our own request to see somebody stands.
func subscribed(s style, c control.Contact) string {
	name := s.bold(clean(c.Name))
	switch c.Watch {
	case "active":
		return "  " + name + " lets you see their status"
	case "pending":
		return "  " + name + " was asked; waiting for their approval"
	case "terminated":
		return "  " + name + " does not let you see their status" + parenthesis(c.Reason)
	}
	return "  " + name + parenthesis(c.Reason)
}

// asked says how somebody's request to see us stands.
func asked(s style, kind string, r control.Request) string {
	name := s.bold(clean(r.Name))
	switch {
	case r.State == "pending":
		return "? " + name + " asks to see your status " + quoted(r.Note) + "  " + s.dim("answer: kith approve "+typed(r.Handle))
	case r.State == "active":
		return "  " + name + " sees your status"
	case kind == "watcher":
		return "  " + name + " sees your status no longer" + parenthesis(r.Event)
	}
	return "  " + name + parenthesis(r.Event)
}

func parenthesis(text string) string {
	if text == "" {
		return ""
	}
	return " (" + clean(text) + ")"
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
