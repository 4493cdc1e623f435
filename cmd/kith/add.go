package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) addCommand() *cobra.Command {
	var in control.AddInput
	cmd := &cobra.Command{
		Use:   "add INVITATION|ADDRESS [NAME]",
		Short: "Add somebody: ask to see their status, and let them see mine",
		Long: `Add somebody: ask to see their status, and let them see mine.

An invitation says where they can be found. A bare address is looked up in the
DHT. They learn your address and the note; you see nothing of them before they
approve. NAME is your own name for them; without it, it is taken from the address.`,
		Example: "  kith add 'kith:bob@k51…' bobby --note \"it's alice, from the choir\"\n  kith add bob@k51….kith.alt",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Invitation = args[0]
			if len(args) == 2 {
				in.Name = args[1]
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				added, err := c.Add(ctx, in)
				if err != nil {
					return err
				}
				return a.show(added, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s is in your contacts (%s).\n", s.bold(clean(added.Name)), short(added.Address))
					if added.Watch != "active" {
						a.say("They may see your status; you see theirs as soon as they approve. `kith ls` shows how it stands.")
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&in.Note, "note", "", "a greeting shown with your request, at most 256 octets")
	return cmd
}
