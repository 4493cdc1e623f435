package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

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
	if c.Changed {
		return "(" + clean(or(c.Reason, "their key has changed")) + ")"
	}
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

// verdict is what became of an outgoing message: a mark, and words unless all
// is well.
func verdict(s style, m control.Message) (mark, words string) {
	switch m.Status {
	case "delivered":
		return s.green("✓"), ""
	case "refused":
		return s.red("✗"), s.red("(refused" + because(m) + ")")
	case "queued":
		return s.yellow("…"), s.yellow("(queued)")
	case "unconfirmed":
		return s.red("?"), s.red("(not confirmed" + because(m) + ")")
	}
	if !m.Read {
		return s.bold("•"), ""
	}
	return " ", ""
}

func because(m control.Message) string {
	if m.Outgoing == nil || m.Outgoing.Reason == "" {
		return ""
	}
	return ": " + clean(m.Outgoing.Reason)
}

// conversation prints messages with the day above and the time before them.
// Our own are by "me", or "to" somebody if there are several people.
func conversation(w io.Writer, s style, messages []control.Message, several bool) {
	by := func(m control.Message) string {
		switch {
		case m.Direction == "in":
			return shorten(clean(m.Name), 24)
		case several:
			return shorten("to "+clean(m.Name), 24)
		}
		return "me"
	}
	cells := 0
	for _, m := range messages {
		cells = max(cells, width(by(m)))
	}
	today := ""
	for _, m := range messages {
		at := m.Stored.Local()
		if d := at.Format("Monday, 2 January 2006"); d != today {
			today = d
			fmt.Fprintln(w, s.dim("— "+d+" —"))
		}
		paint := s.cyan
		if m.Direction == "out" {
			paint = s.dim
		}
		mark, words := verdict(s, m)
		text := said(m, len("15:04  ")+cells+len("  * "))
		if words != "" {
			text += "  " + words
		}
		fmt.Fprintln(w, s.dim(at.Format("15:04"))+"  "+paint(pad(by(m), cells))+"  "+mark+" "+text)
	}
}

// said is the text of a message, its further lines indented by so many cells.
func said(m control.Message, indent int) string {
	text := strings.TrimRight(cleanLines(m.Text), "\n")
	if text == "" {
		return "(" + clean(m.ContentType) + ")"
	}
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", indent))
}

// typed is a name as one types it in a shell.
func typed(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("'\"$`\\!*?&|;<>()[]{}~#", r) }) {
		return "'" + strings.ReplaceAll(clean(name), "'", "'\\''") + "'"
	}
	return clean(name)
}
