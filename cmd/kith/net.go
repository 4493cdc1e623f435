package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) netCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "net",
		Short:   "Show how this node is connected",
		Example: "  kith net",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				n, err := c.Network(ctx)
				if err != nil {
					return err
				}
				return a.show(n, func(w io.Writer, s style) { printNet(w, s, n) })
			})
		},
	}
}

func printNet(w io.Writer, s style, n control.Network) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s  %s\n", s.dim(pad(name, 12)), fmt.Sprintf(format, args...))
	}
	if n.Connected == 0 {
		row("connected", "%s", s.yellow("to nobody yet: add a contact by invitation, or start with --bootstrap"))
	} else {
		row("connected", "to %s", count(n.Connected, "device"))
	}
	row("DHT", "%d known on the internet, %d on the local network", n.WAN, n.LAN)
	if n.Reachability != "" {
		row("reachable", "%s", n.Reachability)
	}
	row("topics", "%d", n.Topics)
	row("peer id", "%s", n.Peer)
	for i, l := range n.Listen {
		name := ""
		if i == 0 {
			name = "listening"
		}
		row(name, "%s", clean(l))
	}
}
