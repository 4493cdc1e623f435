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

func (a *app) verifyCommand() *cobra.Command {
	var same, differs bool
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Compare keys with a contact, to know that nobody is between us",
		Long: `Compare keys with a contact, to know that nobody is between us.

Both of you run it, and compare the digits or the pictures where nobody can alter
them: face to face, or by a voice you know. They are the same exactly if each of you
has the other's true account key. Say so with --same; contacts are then marked
with ✓ until their key changes.`,
		Example:           "  kith verify bob\n  kith verify bob --same",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if same && differs {
				return misuse("--same and --differs contradict each other", "")
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				var v control.Verification
				var err error
				if same || differs {
					v, err = c.SetVerified(ctx, args[0], same)
				} else {
					v, err = c.Verification(ctx, args[0])
				}
				if err != nil {
					return err
				}
				return a.show(v, func(w io.Writer, s style) {
					switch {
					case same:
						fmt.Fprintf(w, "%s is marked as verified.\n", s.bold(clean(v.Name)))
					case differs:
						fmt.Fprintf(w, "%s is not marked as verified. If the digits differ, do not trust this contact:\n", s.bold(clean(v.Name)))
						fmt.Fprintln(w, "ask them for their invitation by another way, and compare the addresses.")
					default:
						a.printVerification(w, s, v)
					}
				})
			})
		},
	}
	cmd.Flags().BoolVar(&same, "same", false, "the other side sees the same: mark the contact as verified")
	cmd.Flags().BoolVar(&differs, "differs", false, "it does not: take the mark away")
	return cmd
}

func (a *app) printVerification(w io.Writer, s style, v control.Verification) {
	if v.Changed {
		fmt.Fprintf(w, "%s The key of %s has changed. These digits are of the new one.\n\n", s.red("Careful:"), s.bold(clean(v.Name)))
	}
	for i := 0; i < len(v.Digits); i += 4 {
		fmt.Fprintf(w, "    %s\n", s.bold(strings.Join(v.Digits[i:min(i+4, len(v.Digits))], "  ")))
	}
	fmt.Fprintln(w)
	var pictures []string
	for i, e := range v.Emoji {
		pictures = append(pictures, e+" "+v.Words[i])
	}
	for i := 0; i < len(pictures); i += 4 {
		fmt.Fprintf(w, "    %s\n", strings.Join(pictures[i:min(i+4, len(pictures))], "   "))
	}
	switch {
	case !v.Verified.IsZero():
		a.say("\nYou marked them as the same %s.", ago(time.Now(), v.Verified))
	default:
		a.say("\n%s sees the same with `kith verify` on their side, or somebody is between you.\nIf it is the same: kith verify %s --same", clean(v.Name), typed(v.Name))
	}
}

func (a *app) trustCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "trust NAME",
		Short: "Accept the changed key of a contact",
		Long: `Accept the changed key of a contact.

The address of a member of a domain, or under a DNS name, can get another key: because
they lost theirs, or because somebody who controls the domain wants to be them.
kith never follows by itself: messages wait, and what the new key signs is refused,
until you say so. Ask them by another way first; "kith verify" shows digits to compare.`,
		Example:           "  kith verify bob\n  kith trust bob",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := a.sure("Did they tell you that their key has changed?", "--yes"); err != nil {
					return err
				}
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				contact, err := c.Trust(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(contact, func(w io.Writer, s style) {
					fmt.Fprintf(w, "The new key of %s is trusted from now on. What waited for them goes out.\n", s.bold(clean(contact.Name)))
				})
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) introduceCommand() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "introduce A B",
		Short: "Send two contacts each other's card",
		Long: `Send two contacts each other's card, so that they can add each other without an
invitation. They get it as a message from you, now or when they are back, and decide
themselves. Ask them first: each learns the other's address.`,
		Example:           "  kith introduce bob carol --note \"you both play the viola\"",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.names(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				sent, err := c.Introduce(ctx, args[0], args[1], note)
				if err != nil {
					return err
				}
				return a.show(sent, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s and %s get each other's card; `kith history` shows when it has arrived.\n", s.bold(clean(sent[0].Name)), s.bold(clean(sent[1].Name)))
				})
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "a few words for both, at most 256 octets")
	return cmd
}

func (a *app) introductionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "introductions",
		Short:   "List people whom my contacts introduce to me",
		Example: "  kith introductions\n  kith add carol@k51….kith.alt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Introductions(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer, s style) {
					if len(list) == 0 {
						a.say("Nobody has introduced anybody whom you do not have yet.")
						return
					}
					for _, i := range list {
						fmt.Fprintf(w, "%s introduces %s\n", s.bold(clean(i.By)), s.bold(clean(i.Name)))
						if i.Note != "" {
							fmt.Fprintf(w, "  %s\n", quoted(i.Note))
						}
						fmt.Fprintf(w, "  kith add %s\n", typed(i.Link))
					}
				})
			})
		},
	}
}
