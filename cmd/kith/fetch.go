package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) fetchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fetch NAME",
		Short: "Print somebody's presence document as XML, after verification",
		Long: `Print somebody's presence document (PIDF, RFC 3863) as XML, after verification.

Their device is asked now; if it does not answer, the newest document stored here
is printed, and a line on standard error says so.`,
		Example:           "  kith fetch bob\n  kith fetch bob > bob.xml && kith inspect bob.xml",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				doc, err := c.Fetch(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(doc, func(w io.Writer, _ style) {
					if !a.quiet {
						source := "asked for just now"
						if !doc.Fresh {
							source = "the newest one stored here: they did not answer"
						}
						fmt.Fprintf(a.err, "# %s, version %d.%d, signed %s by device %s, %s\n", clean(doc.Name), doc.Boot, doc.Seq,
							doc.SignedAt.Local().Format("2006-01-02 15:04:05"), shorten(doc.Device, 9), source)
					}
					text := cleanDocument(doc.XML, terminal(w))
					fmt.Fprint(w, text)
					if len(text) > 0 && text[len(text)-1] != '\n' && terminal(w) {
						fmt.Fprintln(w)
					}
				})
			})
		},
	}
}

// cleanDocument keeps the octets for files and pipes, and is harmless for terminals.
func cleanDocument(xml string, forTerminal bool) string {
	if forTerminal {
		return cleanLines(xml)
	}
	return xml
}
