package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/pidf"
)

// maxInspected is the largest file that is read, in octets; the formats have
// smaller limits of their own.
const maxInspected = 1 << 20

// inspection is the verdict on one file, and the line that --json prints.
type inspection struct {
	File    string  `json:"file"`
	OK      bool    `json:"ok"`
	Type    string  `json:"type"`
	Fields  any     `json:"fields,omitempty"`
	Error   *string `json:"error,omitempty"`
	Section *string `json:"section,omitempty"` // of the RFC that is broken
	Line    *int    `json:"line,omitempty"`

	source string // the offending line, for people
}

// inspector reads files as the flags say.
type inspector struct {
	kind    string // auto, cpim, pidf or smime
	lenient bool
	profile bool
}

func (a *app) inspectCommand() *cobra.Command {
	var in inspector
	cmd := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "Parse and verify PIDF, CPIM and S/MIME files",
		Long: `Parse and verify files; - is standard input. No node is needed.

  cpim    messages (RFC 3862), with or without their own MIME header
  pidf    presence documents (RFC 3863, 4479, 4480)
  smime   signed objects (RFC 8551): multipart/signed, or signed-data in DER; the
          signature and its chain up to the key in the address are verified

A refusal names the line and the section of the RFC. The exit status is 1 if any
file was refused.`,
		Example: "  kith inspect status.xml message.cpim\n  kith fetch bob | kith inspect --json - | jq .fields.tuples",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			switch in.kind {
			case "auto", "cpim", "pidf", "smime":
			default:
				return misuse(fmt.Sprintf("--type %q is unknown", in.kind), "choose auto, cpim, pidf or smime")
			}
			refused := 0
			for _, file := range files {
				v := a.inspect(in, file)
				if !v.OK {
					refused++
				}
				if err := a.printInspection(v); err != nil {
					return err
				}
			}
			if refused > 0 {
				return &exit{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&in.kind, "type", "auto", "what the files are: auto, cpim, pidf or smime")
	cmd.Flags().BoolVar(&in.lenient, "lenient", false, "read PIDF as bridges do: what can be made sense of is accepted")
	cmd.Flags().BoolVar(&in.profile, "profile", false, "hold CPIM to what kith demands beyond the format")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"auto", "cpim", "pidf", "smime"}, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// inspect reads one file.
func (a *app) inspect(in inspector, file string) inspection {
	v := inspection{File: file, Type: in.kind}
	content, err := a.readFile(file)
	if err == nil {
		if v.Type == "auto" {
			v.Type = kindOf(content)
		}
		v.Fields, err = in.read(v.Type, content)
	}
	if err == nil {
		v.OK = true
		return v
	}
	v.Fields = nil
	text := err.Error()
	if e, ok := errors.AsType[*cpim.SyntaxError](err); ok {
		section := cite(e.Section)
		text, v.Section, v.Line = e.Msg, &section, &e.Line
	}
	if e, ok := errors.AsType[*pidf.SyntaxError](err); ok {
		section := cite(e.Section)
		text, v.Section, v.Line = e.Msg, &section, &e.Line
	}
	v.Error = &text
	if v.Line != nil {
		v.source = sourceLine(content, *v.Line)
	}
	return v
}

// cite writes "RFC 3862 2.2", or "3863 4.1.2", as people do: "RFC 3862 section
// 2.2". What is no section of an RFC stays as it is.
func cite(section string) string {
	number, rest, ok := strings.Cut(strings.TrimPrefix(section, "RFC "), " ")
	if _, err := strconv.Atoi(number); err != nil {
		return section
	}
	if !ok {
		return "RFC " + number
	}
	return "RFC " + number + " section " + rest
}

// sourceLine returns a line of a file, from 1, in a length that fits a screen.
func sourceLine(b []byte, number int) string {
	for line := range bytes.Lines(b) {
		if number--; number > 0 {
			continue
		}
		text := []rune(strings.TrimRight(strings.ToValidUTF8(string(line), "\uFFFD"), "\r\n"))
		if len(text) > 100 {
			text = append(text[:99], '…')
		}
		return string(text)
	}
	return ""
}

func (a *app) readFile(file string) ([]byte, error) {
	from := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxInspected+1))
	if err == nil && len(b) > maxInspected {
		err = fmt.Errorf("larger than %d KiB", maxInspected>>10)
	}
	return b, err
}

// kindOf guesses what octets are.
func kindOf(b []byte) string {
	mediatype := strings.ToLower(mimeField(b, "content-type"))
	switch {
	case len(b) > 1 && b[0] == 0x30 && b[1] >= 0x80, strings.HasPrefix(mediatype, "multipart/signed"):
		return "smime"
	case markup(b), strings.HasPrefix(mediatype, "application/pidf+xml"):
		return "pidf"
	}
	return "cpim"
}

// markup says whether octets look like XML.
func markup(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(b, []byte("<"))
}

// mimeField returns a field of the header that octets begin with, unfolded,
// empty if there is none.
func mimeField(b []byte, name string) string {
	value, found := "", false
	for text := range strings.Lines(string(b[:min(len(b), 8192)])) {
		text = strings.TrimRight(text, "\r\n")
		folded := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")
		field, rest, ok := strings.Cut(text, ":")
		switch {
		case found && folded:
			value += " " + strings.TrimSpace(text)
		case found, text == "":
			return strings.TrimSpace(value)
		case !folded && ok && strings.EqualFold(strings.TrimSpace(field), name):
			value, found = strings.TrimSpace(rest), true
		}
	}
	return strings.TrimSpace(value)
}

// read parses octets of a kind into the fields that are shown.
func (in inspector) read(kind string, b []byte) (any, error) {
	switch kind {
	case "pidf":
		return in.pidf(b)
	case "smime":
		return in.smime(b)
	}
	return in.cpim(b)
}

func (a *app) printInspection(v inspection) error {
	if a.json && v.OK {
		return a.show(v, nil)
	}
	if a.json {
		return a.show(struct { // what is absent is null here, not missing
			File    string  `json:"file"`
			OK      bool    `json:"ok"`
			Type    string  `json:"type"`
			Error   *string `json:"error"`
			Section *string `json:"section"`
			Line    *int    `json:"line"`
		}{v.File, v.OK, v.Type, v.Error, v.Section, v.Line}, nil)
	}
	s := a.style
	if !v.OK {
		where := ""
		if v.Line != nil {
			where = fmt.Sprintf("line %d: ", *v.Line)
		}
		section := ""
		if v.Section != nil {
			section = " " + s.dim("("+*v.Section+")")
		}
		fmt.Fprintf(a.out, "%s %s  %s%s%s\n", s.red("✗"), s.bold(clean(v.File)), where, clean(*v.Error), section)
		if v.source != "" {
			fmt.Fprintf(a.out, "  %s %s\n", s.dim(fmt.Sprintf("%4d │", *v.Line)), clean(v.source))
		}
		return nil
	}
	if a.quiet {
		return nil
	}
	fmt.Fprintf(a.out, "%s %s  %s\n", s.green("✓"), s.bold(clean(v.File)), kindWords(v.Type))
	return a.printFields(v.Fields)
}

func kindWords(kind string) string {
	switch kind {
	case "pidf":
		return "presence document (RFC 3863)"
	case "smime":
		return "signed object (RFC 8551), signature and chain verified"
	}
	return "message (RFC 3862)"
}

// printFields prints the JSON form for people: names, values, no brackets.
func (a *app) printFields(fields any) error {
	b, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return a.printValue(dec, "  ")
}

// printValue prints the next value of a JSON stream; what is null or empty is
// left out, and the order is that of the stream.
func (a *app) printValue(dec *json.Decoder, indent string) error {
	token, err := dec.Token()
	if err != nil || token != json.Delim('{') {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if err := a.printField(fmt.Sprint(key), raw, indent); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printField(key string, raw json.RawMessage, indent string) error {
	label := indent + a.style.dim(pad(strings.ReplaceAll(key, "_", " "), 12))
	if text, ok := inline(raw); ok {
		raw = text
	}
	switch raw[0] {
	case '{':
		fmt.Fprintln(a.out, strings.TrimRight(label, " "))
		return a.printValue(json.NewDecoder(bytes.NewReader(raw)), indent+"  ")
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return err
		}
		for _, item := range items {
			if len(key) > 2 {
				key = strings.TrimSuffix(key, "s")
			}
			if err := a.printField(key, item, indent); err != nil {
				return err
			}
		}
	case 'n':
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		text = strings.TrimRight(cleanLines(text), "\n")
		fmt.Fprintf(a.out, "%s %s\n", label, strings.ReplaceAll(text, "\n", "\n"+indent+strings.Repeat(" ", 13)))
	default:
		fmt.Fprintf(a.out, "%s %s\n", label, raw)
	}
	return nil
}

// inline makes one text of the small objects: a mailbox or a namespace, a text
// with its language, a name in its namespace.
func inline(raw json.RawMessage) (json.RawMessage, bool) {
	var o struct{ Name, Prefix, URI, Lang, Text, NS, Value *string }
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if raw[0] != '{' || dec.Decode(&o) != nil {
		return nil, false
	}
	part := func(before string, s *string, after string) string {
		if s == nil {
			return ""
		}
		return before + *s + after
	}
	text := part("", o.Name, " ") + part("", o.Prefix, " ") + part("<", o.URI, ">") +
		part("", o.Text, "") + part(" (", o.Lang, ")") + part("= ", o.Value, " ") + part("{", o.NS, "}")
	b, err := json.Marshal(text)
	return b, err == nil
}
