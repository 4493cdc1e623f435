package main

import (
	"context"
	"fmt"
	"io"

	"github.com/mdp/qrterminal/v3"
	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) meCommand() *cobra.Command {
	var qr bool
	cmd := &cobra.Command{
		Use:   "me",
		Short: "Show my address and invitation",
		Long: `Show my address and invitation.

The invitation is a link with the address and with where this node can be found
now. Whoever has it may ask to see your status; you decide with "kith approve".
The address alone is enough once both nodes are part of a larger network.`,
		Example: "  kith me\n  kith me --qr\n  kith me --json | jq -r .invitation",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				me, err := c.Me(ctx)
				if err != nil {
					return err
				}
				return a.show(me, func(w io.Writer, s style) { printMe(w, s, me, qr) })
			})
		},
	}
	cmd.Flags().BoolVar(&qr, "qr", false, "show the invitation as a QR code too")
	return cmd
}

func printMe(w io.Writer, s style, me control.Me, qr bool) {
	fmt.Fprintf(w, "%s  %s\n", s.dim("address   "), me.Address)
	fmt.Fprintf(w, "%s  %s\n", s.dim("invitation"), s.bold(me.Invitation))
	fmt.Fprintf(w, "%s  %s\n", s.dim("showing   "), own(me.Status))
	if len(me.Reach) == 0 {
		fmt.Fprintln(w, "\nThis node knows no address at which others can reach it yet, so the invitation holds none.")
	}
	if qr {
		fmt.Fprintln(w)
		qrCode(w, me.Invitation)
	}
}

// qrCode draws a text as a QR code.
func qrCode(w io.Writer, text string) {
	qrterminal.GenerateWithConfig(text, qrterminal.Config{
		Level: qrterminal.L, Writer: w, HalfBlocks: true, QuietZone: 2,
		BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
		BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
	})
}
