package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

// maxInput is how much text a message holds, in octets: the node's own limit.
const maxInput = 64 << 10

func (a *app) sendCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "send NAME TEXT...",
		Short: "Send a message and wait for the verdict",
		Long: `Send a message and wait for the verdict, at most --timeout.

  delivered   their device has it and signed for it                    (exit 0)
  refused     their device signed a refusal; the reason is shown       (exit 3)
  queued      no verdict in time: the message is kept on disk and tried
              again by itself, at once when they come back             (exit 4)

TEXT - reads the message from standard input.`,
		Example:           "  kith send bob \"shall we meet at 8?\"\n  fortune | kith send bob -\n  kith send bob hello --timeout 1m",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.text(args[1:])
			if err != nil {
				return err
			}
			wait := a.timeout
			a.timeout += 5 * time.Second // the node answers by then, with a verdict or without
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				began := time.Now()
				m, err := c.Send(ctx, args[0], text, wait)
				if err != nil {
					return err
				}
				if err := a.show(m, func(w io.Writer, s style) { a.printVerdict(w, s, m, time.Since(began)) }); err != nil {
					return err
				}
				return verdictCode(m)
			})
		},
	}
}

// text is the message: the arguments, or standard input.
func (a *app) text(args []string) (string, error) {
	text := strings.Join(args, " ")
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(a.in, maxInput+1))
		if err != nil {
			return "", fmt.Errorf("read the message: %w", err)
		}
		if len(b) > maxInput {
			return "", fail("the message is larger than 64 KiB", "send it in parts")
		}
		text = strings.TrimRight(string(b), "\r\n")
	}
	if strings.TrimSpace(text) == "" {
		return "", misuse("the message is empty", "write it after the name, or `-` to read it from standard input")
	}
	return text, nil
}

func (a *app) printVerdict(w io.Writer, s style, m control.Message, took time.Duration) {
	name := s.bold(clean(m.Name))
	switch m.Status {
	case "delivered":
		fmt.Fprintf(w, "%s delivered to %s in %s\n", s.green("✓"), name, seconds(took))
	case "refused":
		fmt.Fprintf(w, "%s %s refused it%s\n", s.red("✗"), name, because(m))
	case "unconfirmed":
		fmt.Fprintf(w, "%s not confirmed by %s%s\n", s.red("?"), name, because(m))
	default:
		fmt.Fprintf(w, "%s queued: %s has not confirmed within %s\n", s.yellow("…"), name, seconds(took.Round(100*time.Millisecond)))
		if m.Outgoing != nil && !m.Outgoing.Deadline.IsZero() {
			a.say("  It is kept and tried again until %s; `kith history %s` shows the verdict.", day(time.Now(), m.Outgoing.Deadline), typed(m.Name))
		}
	}
}

// verdictCode is the exit code for a message's status; all is said already.
func verdictCode(m control.Message) error {
	switch m.Status {
	case "delivered":
		return nil
	case "refused":
		return &exit{code: exitRefused}
	}
	return &exit{code: exitUnconfirmed}
}
