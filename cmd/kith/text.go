package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// style colours text for one stream, or leaves it plain.
type style struct{ on bool }

// styleFor colours only terminals, and not those of people who set NO_COLOR.
func styleFor(w io.Writer) style {
	return style{terminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (s style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string   { return s.wrap("1", text) }
func (s style) dim(text string) string    { return s.wrap("2", text) }
func (s style) red(text string) string    { return s.wrap("31", text) }
func (s style) green(text string) string  { return s.wrap("32", text) }
func (s style) yellow(text string) string { return s.wrap("33", text) }
func (s style) cyan(text string) string   { return s.wrap("36", text) }

// alive colours text by the liveness of somebody.
func (s style) alive(liveness, text string) string {
	switch liveness {
	case "live":
		return s.green(text)
	case "stale":
		return s.yellow(text)
	}
	return s.dim(text)
}

// liveness is a mark and a word.
func liveness(l string) string { return mark(l) + " " + l }

// mark is liveness at a glance.
func mark(l string) string {
	switch l {
	case "live":
		return "●"
	case "stale":
		return "◐"
	case "gone":
		return "○"
	}
	return "·"
}

// marks colours the marks of liveness and of delivery in a text.
func (s style) marks(text string) string {
	return strings.NewReplacer("●", s.green("●"), "◐", s.yellow("◐"), "✓", s.green("✓")).Replace(text)
}

// clean makes text from somebody else harmless on one line of a terminal:
// white space becomes a space, and what moves the cursor, changes the direction of writing
// or is invisible becomes U+FFFD.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return harmless(r)
	}, text)
}

// cleanLines is clean, but keeps line ends.
func cleanLines(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r':
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return harmless(r)
	}, text)
}

func harmless(r rune) rune {
	const joiner = '\u200d' // in emoji and in several scripts
	if r == joiner || unicode.IsGraphic(r) {
		return r
	}
	return utf8.RuneError
}

// width is the number of terminal cells that text takes.
func width(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide says whether a terminal gives r two cells, for the blocks that matter.
func wide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd)
}

// pad fills text with spaces to a number of cells.
func pad(text string, cells int) string {
	return text + strings.Repeat(" ", max(0, cells-width(text)))
}

// shorten cuts text to a number of cells.
func shorten(text string, cells int) string {
	if width(text) <= cells {
		return text
	}
	n, end := 0, 0
	for i, r := range text {
		if n += width(string(r)); n > cells-1 {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	return text[:end] + "…"
}

// wrap breaks text at spaces into lines of at most so many cells, and begins
// each but the first with indent.
func wrap(text string, cells int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		switch w := width(word); {
		case i == 0:
			at = w
		case at+1+w > cells:
			b.WriteString("\n" + indent)
			at = width(indent) + w
		default:
			b.WriteByte(' ')
			at += 1 + w
		}
		b.WriteString(word)
	}
	return b.String()
}

// cell is one field of a table: plain text, and how to colour it.
type cell struct {
	text  string
	paint func(string) string // nil: plain
}

// table prints rows in aligned columns, without trailing spaces.
func table(w io.Writer, rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(c.text))
		}
	}
	for _, row := range rows {
		last := len(row) - 1
		for last > 0 && row[last].text == "" {
			last--
		}
		for i, c := range row[:last+1] {
			text, fill := c.text, ""
			if i < last {
				fill = strings.Repeat(" ", widths[i]-width(text)+2)
			}
			if c.paint != nil {
				text = c.paint(text)
			}
			fmt.Fprint(w, text, fill)
		}
		fmt.Fprintln(w)
	}
}

// heading makes the first row of a table.
func (s style) heading(names ...string) []cell {
	row := make([]cell, len(names))
	for i, name := range names {
		row[i] = cell{name, s.dim}
	}
	return row
}

// ago says how long before now t was, as people do.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		return day(now, t) // a clock that is ahead of ours
	case d < 5*time.Second:
		return "just now"
	case d < 100*time.Second:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 20*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return day(now, t)
}

// day says when t was or will be, with the date unless that is today's.
func day(now, t time.Time) string {
	now, t = now.Local(), t.Local()
	switch {
	case t.IsZero():
		return ""
	case now.Format(time.DateOnly) == t.Format(time.DateOnly):
		return t.Format("15:04")
	case now.Year() == t.Year():
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

// seconds is a short duration for people.
func seconds(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// count is a number and a noun, which gets an s unless there is one.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short abbreviates the key in an address: alice@k51qzi…x7f2.
func short(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	key, overlay := strings.CutSuffix(domain, ".kith.alt")
	if !ok || !overlay || len(key) < 16 {
		return address
	}
	return local + "@" + key[:6] + "…" + key[len(key)-4:]
}
