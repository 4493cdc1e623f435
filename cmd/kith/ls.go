package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) lsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List contacts and what they show",
		Long: `List contacts and what they show.

  ● live     their device signed for this within its lease
  ◐ stale    the lease has just ended without a word
  ○ gone     they said goodbye, or have been silent for two leases
  · unknown  nothing is known yet; the remark says why

A ✓ after the name says that you compared keys ("kith verify").`,
		Example: "  kith ls\n  kith ls --json | jq '.[] | select(.liveness==\"live\") | .name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Contacts(ctx)
				if err != nil {
					return err
				}
				requests, err := c.Requests(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer, s style) { a.printContacts(w, s, list, len(requests)) })
			})
		},
	}
}

func (a *app) printContacts(w io.Writer, s style, list []control.Contact, requests int) {
	now := time.Now()
	rows := [][]cell{s.heading("NAME", "", "STATUS", "SINCE", "NOTE")}
	for _, c := range list {
		name := clean(c.Name)
		if c.Verified {
			name += " ✓"
		}
		if c.Unread > 0 {
			name += fmt.Sprintf(" (%d new)", c.Unread)
		}
		since := ago(now, c.Since)
		if c.Liveness == "stale" || c.Liveness == "gone" {
			since = "heard " + ago(now, c.Heard)
		}
		rows = append(rows, []cell{
			{name, s.bold},
			{liveness(c.Liveness), func(t string) string { return s.alive(c.Liveness, t) }},
			{text: showing(c)}, {since, s.dim}, {text: shorten(remark(c), 60)},
		})
	}
	if len(list) > 0 {
		table(w, rows)
	} else {
		a.say("No contacts yet. Give `kith me` to a friend, or add theirs: kith add INVITATION")
	}
	if requests > 0 {
		a.say("\n%s waiting for your approval: `kith requests`", peopleAre(requests))
	}
}

func peopleAre(n int) string {
	if n == 1 {
		return "1 person is"
	}
	return fmt.Sprintf("%d people are", n)
}
