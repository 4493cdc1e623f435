package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) renameCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "rename NAME NEW",
		Short:             "Change my name for somebody",
		Example:           "  kith rename bob \"Bob from work\"",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				contact, err := c.Rename(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return a.show(contact, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s is now called %s.\n", short(contact.Address), s.bold(clean(contact.Name)))
				})
			})
		},
	}
}
