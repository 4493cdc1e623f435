package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Forget a contact; messages stay",
		Example:           "  kith remove bob",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				contact, err := c.Contact(ctx, args[0])
				if err != nil {
					return err
				}
				if err := c.Remove(ctx, contact.Address); err != nil {
					return err
				}
				return a.show(contact, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s is no longer in your contacts. The messages stay.\n", s.bold(clean(contact.Name)))
					a.say("To add them again: kith add %s", contact.Address)
				})
			})
		},
	}
}
