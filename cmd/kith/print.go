package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/control"
)

// show prints a value as JSON, or calls the function that prints it for people.
func (a *app) show(v any, people func(w io.Writer, s style)) error {
	if !a.json {
		people(a.out, a.style)
		return nil
	}
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// say prints one line for people, unless they want JSON or quiet.
func (a *app) say(format string, args ...any) {
	if !a.json && !a.quiet {
		fmt.Fprintf(a.out, format+"\n", args...)
	}
}

// showing is a contact's status in words: "away", "was away", "unknown".
func showing(c control.Contact) string {
	switch {
	case c.Show == "":
		return ""
	case c.Liveness == "live" || c.Show == "closed":
		return clean(c.Show)
	}
	return "was " + clean(c.Show)
}

// remark is what is worth saying of a contact beside the status.
func remark(c control.Contact) string {
	if c.Reason != "" && c.Liveness != "live" {
		return "(" + clean(c.Reason) + ")"
	}
	return clean(c.Note)
}

// quoted is somebody's text in quotation marks, or nothing.
func quoted(text string) string {
	if text == "" {
		return ""
	}
	return "“" + clean(text) + "”"
}

// verdict is what became of an outgoing message, in a mark and a word.
func verdict(s style, m control.Message) string {
	switch m.Status {
	case "delivered":
		return s.green("✓")
	case "refused":
		return s.red("✗ refused" + because(m))
	case "queued":
		return s.yellow("… queued")
	case "unconfirmed":
		return s.red("? not confirmed" + because(m))
	}
	return ""
}

func because(m control.Message) string {
	if m.Outgoing == nil || m.Outgoing.Reason == "" {
		return ""
	}
	return ": " + clean(m.Outgoing.Reason)
}

// conversation prints messages with the day above and the time before them.
// Names are those of the other side; our own lines begin with "me".
func conversation(w io.Writer, s style, messages []control.Message, named bool) {
	cells := len("me")
	for _, m := range messages {
		cells = max(cells, min(24, width(clean(m.Name))+len("to ")))
	}
	today := ""
	for _, m := range messages {
		at := m.Stored.Local()
		if d := at.Format("Monday, 2 January 2006"); d != today {
			today = d
			fmt.Fprintln(w, s.dim("— "+d+" —"))
		}
		fmt.Fprintln(w, line(s, at, m, cells, named))
	}
}

// line prints one message; further lines of its text are indented under the first.
func line(s style, at time.Time, m control.Message, cells int, named bool) string {
	name, paint := shorten(clean(m.Name), cells), s.cyan
	if m.Direction == "out" {
		name, paint = "me", s.dim
		if named {
			name = shorten("to "+clean(m.Name), cells)
		}
	}
	text := cleanLines(m.Text)
	if text == "" {
		text = "(" + clean(m.ContentType) + ")"
	}
	indent := "\n" + strings.Repeat(" ", len("15:04  ")+cells+2)
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", indent)
	parts := s.dim(at.Format("15:04")) + "  " + paint(pad(name, cells)) + "  " + text
	if v := verdict(s, m); v != "" {
		parts += "  " + v
	}
	if m.Direction == "in" && !m.Read {
		parts += "  " + s.bold("(new)")
	}
	return parts
}
