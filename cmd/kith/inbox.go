package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) inboxCommand() *cobra.Command {
	find := control.Find{In: true}
	var peek bool
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "Show received messages",
		Long: `Show the newest received messages. Those shown count as read afterwards,
unless --peek is given; --json never changes anything.`,
		Example: "  kith inbox --unread\n  kith inbox --json --unread | jq -r '.[].text'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Messages(ctx, find)
				if err != nil {
					return err
				}
				return a.read(ctx, c, list, peek, func() {
					if find.Unread {
						a.say("No new messages.")
					} else {
						a.say("No messages yet.")
					}
				})
			})
		},
	}
	cmd.Flags().BoolVarP(&find.Unread, "unread", "u", false, "only new ones")
	cmd.Flags().BoolVar(&peek, "peek", false, "leave them unread")
	cmd.Flags().IntVarP(&find.Limit, "limit", "n", 50, "at most so many, the newest")
	return cmd
}

// read prints messages and marks them as read, if they were for a person.
func (a *app) read(ctx context.Context, c *control.Client, list []control.Message, peek bool, none func()) error {
	err := a.show(list, func(w io.Writer, s style) { conversation(w, s, list, false) })
	if err != nil || a.json {
		return err
	}
	if len(list) == 0 {
		none()
		return nil
	}
	if peek {
		return nil
	}
	return c.MarkRead(ctx, list[len(list)-1].ID)
}

func (a *app) historyCommand() *cobra.Command {
	var find control.Find
	cmd := &cobra.Command{
		Use:               "history NAME",
		Short:             "Show the conversation with somebody",
		Long:              "Show the newest messages to and from somebody, and what became of those sent:\n✓ delivered, … queued, ✗ refused, ? not confirmed.",
		Example:           "  kith history bob\n  kith history bob -n 500 --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			find.With = args[0]
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Messages(ctx, find)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer, s style) {
					if len(list) == 0 {
						a.say("No messages with %s yet.", clean(args[0]))
					}
					conversation(w, s, list, false)
				})
			})
		},
	}
	cmd.Flags().IntVarP(&find.Limit, "limit", "n", 50, "at most so many, the newest")
	cmd.Flags().Int64Var(&find.After, "after", 0, "only those with a larger id")
	return cmd
}
