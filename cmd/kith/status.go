package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) statusCommand() *cobra.Command {
	var note, until string
	shows := []string{
		"open\tready to talk", "away\tnot here", "busy\there, but occupied", "dnd\tdo not disturb",
		"closed\tcannot be reached", "invisible\tlike closed, to others",
	}
	cmd := &cobra.Command{
		Use:   "status [open|away|busy|dnd|closed|invisible]",
		Short: "Show or change what others see of me",
		Long: `Show or change what others see of me.

  open, away, busy   messages are welcome
  dnd, closed        others see that messages are not welcome now
  invisible          others see "closed"; you see everything

A note stays until the status is set again. With --until, you show "open" again
from that time on, given as 18:00, as 45m, or as 2026-11-20T18:00:00Z.`,
		Example:   "  kith status\n  kith status away --note \"tea\"\n  kith status busy --until 18:00",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: shows,
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := moment(until, time.Now())
			if err != nil {
				return err
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				now, err := c.Status(ctx)
				if err != nil {
					return err
				}
				if len(args) > 0 || cmd.Flags().Changed("note") || until != "" {
					if len(args) > 0 {
						now.Show = args[0]
					}
					if now, err = c.SetStatus(ctx, now.Show, note, end); err != nil {
						return err
					}
				}
				return a.show(now, func(w io.Writer, s style) { fmt.Fprintln(w, "You show: "+own(now)) })
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "a few words for the people who see you")
	cmd.Flags().StringVar(&until, "until", "", "when to show open again")
	return cmd
}

// own is one's own status in words.
func own(m control.Status) string {
	text := m.Show
	if m.Note != "" {
		text += ", " + quoted(m.Note)
	}
	if !m.Until.IsZero() {
		text += " until " + day(time.Now(), m.Until)
	}
	return text
}

// moment reads a time of today or tomorrow, a duration, or an RFC 3339 time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if d, wrong := time.ParseDuration(text); wrong == nil {
		at, err = now.Add(d), nil
	}
	if clock, wrong := time.Parse("15:04", text); wrong == nil {
		y, m, d := now.Date()
		at, err = time.Date(y, m, d, clock.Hour(), clock.Minute(), 0, 0, now.Location()), nil
		if !at.After(now) {
			at = at.AddDate(0, 0, 1)
		}
	}
	if err != nil || !at.After(now) {
		return time.Time{}, misuse(fmt.Sprintf("--until %q is not a time to come", text), "write it as in 18:00, 45m or 2026-11-20T18:00:00Z")
	}
	return at, nil
}
