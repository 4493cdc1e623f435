package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) inviteCommand() *cobra.Command {
	var in control.InviteInput
	var qr bool
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Make an invitation that needs no approval",
		Long: `Make an invitation that needs no approval: whoever adds it sees your status at once
and becomes your contact. It holds your address and where this node is now, and works
without any other node. It is shown once; kith keeps only its fingerprint.

"kith me" shows an invitation that everybody may have: who adds that one has to ask.`,
		Example: "  kith invite --once --expires 7d\n  kith invite --note choir --expires 24h --qr\n  kith invite --once --json | jq -r .link",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				i, err := c.MakeInvite(ctx, in)
				if err != nil {
					return err
				}
				return a.show(i, func(w io.Writer, s style) {
					fmt.Fprintln(w, s.bold(i.Link))
					if qr {
						fmt.Fprintln(w)
						qrCode(w, i.Link)
					}
					who := "Whoever has it"
					if i.Once {
						who = "The first who uses it"
					}
					a.say("\n%s becomes your contact without asking, %s.", who, within(time.Now(), i.Expires))
					a.say("Take it back with `kith invites revoke %s`.", i.ID)
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&in.Once, "once", false, "for one person")
	flags.StringVar(&in.Expires, "expires", "", "how long it is good, as in 7d or 36h (default 30d)")
	flags.StringVar(&in.As, "as", "", "audience of those who come with it (default contacts)")
	flags.StringVar(&in.Note, "note", "", "what it is for, for your own list")
	flags.BoolVar(&qr, "qr", false, "show it as a QR code too")
	return cmd
}

// within says until when something is good.
func within(now, end time.Time) string {
	if end.IsZero() {
		return "until you take it back"
	}
	return "until " + end.Local().Format("2 Jan 15:04") + " (" + spanTo(now, end) + ")"
}

// spanTo is how long it is to a moment, in words.
func spanTo(now, end time.Time) string {
	switch d := end.Sub(now); {
	case d < 2*time.Minute:
		return count(int(d.Round(time.Second)/time.Second), "second")
	case d < 2*time.Hour:
		return count(int(d.Round(time.Minute)/time.Minute), "minute")
	case d < 48*time.Hour:
		return count(int(d.Round(time.Hour)/time.Hour), "hour")
	default:
		return count(int(d.Round(24*time.Hour)/(24*time.Hour)), "day")
	}
}

func (a *app) invitesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "invites",
		Short:   "List the invitations I made, and take them back",
		Example: "  kith invites\n  kith invites revoke 1a2b3c4d",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Invites(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer, s style) { a.printInvites(w, s, list) })
			})
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:               "revoke ID",
		Short:             "Take an invitation back; whom it let in stays",
		Example:           "  kith invites revoke 1a2b3c4d",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.inviteIDs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				i, err := c.RevokeInvite(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(i, func(w io.Writer, s style) {
					fmt.Fprintf(w, "Invitation %s lets nobody in any more.\n", s.bold(i.ID))
				})
			})
		},
	})
	return cmd
}

func (a *app) printInvites(w io.Writer, s style, list []control.Invite) {
	if len(list) == 0 {
		a.say("You have made no invitation. `kith invite` makes one.")
		return
	}
	now := time.Now()
	rows := [][]cell{s.heading("ID", "STATE", "MADE", "GOOD", "USED", "NOTE")}
	for _, i := range list {
		good, used := within(now, i.Expires), "no"
		if i.State != "open" {
			good = ""
		}
		if i.Used > 0 {
			used = count(i.Used, "time") + ", last by " + short(i.UsedBy)
		} else if i.Once {
			used = "no, for one person"
		}
		rows = append(rows, []cell{{i.ID, s.bold}, {text: i.State}, {ago(now, i.Made), s.dim}, {text: good}, {text: used}, {text: quoted(i.Note)}})
	}
	table(w, rows)
}

// inviteIDs completes the ids of invitations that are open.
func (a *app) inviteIDs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || a.settle() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	list, err := control.Dial(a.home).Invites(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, i := range list {
		if i.State == "open" {
			ids = append(ids, i.ID+"\t"+clean(i.Note))
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
