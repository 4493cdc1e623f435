package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) lookupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lookup ADDRESS",
		Short: "Ask the DHT for an address, and verify the answer",
		Long: `Ask the DHT for an address, and verify the answer: the record is opened with a
key that only those who know the address can compute, and its signature must be by
the key that the address names. Nobody publishing it ends within 10 s (exit 1).`,
		Example:           "  kith lookup bob@k51….kith.alt\n  kith lookup bob",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				found, err := c.Lookup(ctx, args[0])
				if err != nil {
					return err
				}
				if err := a.show(found, func(w io.Writer, s style) { printLookup(w, s, found) }); err != nil {
					return err
				}
				if n := found.Name; n != nil && n.Expired {
					return fail("its domain has withdrawn "+short(found.Address), "")
				}
				if !found.Found {
					return fail("not found: nobody publishes "+short(found.Address), "is the address complete, and has their node ever been up?")
				}
				return nil
			})
		},
	}
}

func printLookup(w io.Writer, s style, l control.Lookup) {
	now := time.Now()
	fmt.Fprintf(w, "%s  %s\n", s.dim("address "), l.Address)
	if c := l.Card; c != nil {
		fmt.Fprintf(w, "%s  %s signed by the key that the address leads to\n", s.dim("verified"), s.green("✓"))
		fmt.Fprintf(w, "%s  %d, issued %s, good until %s, %d octets\n", s.dim("serial  "), c.Serial, ago(now, c.Issued), day(now, c.Expires), c.Size)
		for _, d := range c.Devices {
			fmt.Fprintf(w, "%s  %s\n", s.dim("device  "), shorten(d.ID, 17))
			for _, r := range d.Reach {
				fmt.Fprintf(w, "            %s\n", clean(r))
			}
		}
	}
	if n := l.Name; n != nil {
		if n.Expired {
			fmt.Fprintf(w, "%s  %s\n", s.dim("name    "), s.red("its domain has withdrawn this address"))
		} else {
			fmt.Fprintf(w, "%s  %s given out by its domain, until %s\n", s.dim("name    "), s.green("✓"), day(now, n.Until))
		}
	}
	if len(l.Places) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := [][]cell{s.heading("ASKED", "", "TIME", "ANSWER")}
	for _, p := range l.Places {
		found := cell{"-", s.dim}
		if p.Found {
			found = cell{"✓", s.green}
		}
		rows = append(rows, []cell{{text: p.Name}, found, {text: fmt.Sprintf("%d ms", p.Millis)}, {text: clean(p.Detail)}})
	}
	table(w, rows)
}
