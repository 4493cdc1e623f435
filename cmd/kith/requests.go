package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) requestsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "requests",
		Short:   "List people who ask to see my status",
		Example: "  kith requests\n  kith approve bob",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Requests(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer, s style) { a.printRequests(w, s, list) })
			})
		},
	}
}

func (a *app) printRequests(w io.Writer, s style, list []control.Request) {
	if len(list) == 0 {
		a.say("Nobody is waiting for your approval.")
		return
	}
	rows := [][]cell{s.heading("NAME", "ADDRESS", "ASKED", "NOTE")}
	for _, r := range list {
		rows = append(rows, []cell{{clean(r.Handle), s.bold}, {text: short(r.Address)}, {text: ago(time.Now(), r.Since)}, {text: quoted(r.Note)}})
	}
	table(w, rows)
	a.say("\nName and note are what they call themselves; the address is what nobody can forge.\nAnswer with `kith approve NAME` or `kith deny NAME`.")
}

func (a *app) approveCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:               "approve NAME",
		Short:             "Let somebody see my status, and ask to see theirs",
		Example:           "  kith approve bob\n  kith approve bob@k51….kith.alt --name bobby",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.pending,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				contact, err := c.Approve(ctx, args[0], name)
				if err != nil {
					return err
				}
				return a.show(contact, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s sees your status from now on.\n", s.bold(clean(contact.Name)))
				})
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "your own name for them")
	return cmd
}

func (a *app) denyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "deny NAME",
		Short: "Refuse somebody who asks to see my status",
		Long: `Refuse somebody who asks to see my status. They are told so.

To end what was approved before, remove the contact.`,
		Example:           "  kith deny mallory",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.pending,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				if err := c.Deny(ctx, args[0]); err != nil {
					return err
				}
				return a.show(map[string]string{"denied": args[0]}, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s does not see your status.\n", s.bold(clean(args[0])))
				})
			})
		},
	}
}
