package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) searchCommand() *cobra.Command {
	var find control.Find
	cmd := &cobra.Command{
		Use:     "search WORDS...",
		Short:   "Find messages that contain all the words",
		Example: "  kith search train tickets\n  kith search --with bob tickets",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			find.Text = strings.Join(args, " ")
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Messages(ctx, find)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer, s style) {
					if len(list) == 0 {
						a.say("No message contains %s.", quoted(find.Text))
					}
					conversation(w, s, list, true)
				})
			})
		},
	}
	cmd.Flags().StringVar(&find.With, "with", "", "only those to and from this person")
	cmd.Flags().IntVarP(&find.Limit, "limit", "n", 50, "at most so many, the newest")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("with", a.names(1)))
	return cmd
}
