package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/identity"
)

func (a *app) recoveryCommand() *cobra.Command {
	var passFile string
	var yes bool
	cmd := &cobra.Command{
		Use:   "recovery",
		Short: "Show the 24 words that are my account key",
		Long: `Show the 24 words that are my account key.

With them and your address, "kith restore --words" makes you again on an empty device:
your contacts see you there without doing anything. They do not hold your contacts
and messages; "kith backup" does.

Write them on paper. Whoever reads them can be you, for good, and nothing can take
them back. The words follow BIP-39 and stand for the seed of the Ed25519 account key.`,
		Example: "  kith recovery\n  kith recovery --yes --passphrase-file secret.txt\n  kith recovery --yes --json | jq -r '.words | join(\" \")'",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.recovery(homePass(passFile), yes)
		},
	}
	cmd.Flags().StringVar(&passFile, "passphrase-file", "", "file whose first line is the passphrase")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "show them without asking")
	return cmd
}

// recovered is the output of kith recovery --json.
type recovered struct {
	Address string   `json:"address"`
	Words   []string `json:"words"`
}

func (a *app) recovery(s source, yes bool) error {
	if !yes && (a.json || !terminal(a.in) || !terminal(a.out)) {
		return fail("the words are shown on a terminal, after a question", "--yes writes them here all the same; whoever reads them can be you")
	}
	if _, err := identity.Protected(a.home); err != nil {
		return a.noAccount(err, "it has no recovery words")
	}
	keys, err := a.keys(s)
	if err != nil {
		return err
	}
	defer keys.Close()
	if !yes && !a.agreed("Whoever sees the words can be you, for good. Show them on this screen? [y/N] ") {
		return fail("the words were not shown", "")
	}
	phrase, err := keys.Phrase()
	if err != nil {
		return err
	}
	defer clear(phrase)
	if a.json {
		return a.show(recovered{keys.Address().String(), strings.Fields(string(phrase))}, nil)
	}
	printWords(a.out, a.style, phrase)
	if a.quiet {
		return nil
	}
	fmt.Fprintf(a.out, "\nThey are the account key of\n\n    %s\n\n", keys.Address())
	fmt.Fprintf(a.out, "Write them on paper, with their numbers and the address. On an empty device, this then\nmakes you again, and your contacts need not do anything:\n\n    kith restore --words %s\n", typed(keys.Address().Local()))
	if l := keys.Locator(); !bytes.Equal(l.Account, l.Domain) {
		fmt.Fprintf(a.out, "\n%s is somebody's domain. What its holder certified is not in the words:\nkeep a backup (kith backup), or be enrolled again.\n", keys.Address().Domain())
	}
	return nil
}

// printWords prints a recovery phrase in numbered columns; read line by line it
// is in order, and so it is understood when pasted.
func printWords(w io.Writer, s style, phrase []byte) {
	const columns = 4
	n := 0
	for word := range bytes.FieldsSeq(phrase) {
		n++
		number := s.dim(fmt.Sprintf("%4d.", n))
		if n%columns == 0 {
			fmt.Fprintf(w, "%s %s\n", number, word)
		} else {
			fmt.Fprintf(w, "%s %-10s", number, word)
		}
	}
}

// agreed asks a question on the terminal; anything but yes is no.
func (a *app) agreed(question string) bool {
	fmt.Fprint(a.err, question)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(a.err)
		return false
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true
	}
	return false
}
