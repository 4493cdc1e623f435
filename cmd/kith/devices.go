package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/internal/control"
)

func (a *app) devicesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List my devices",
		Long: `List my devices: all of them are you. Each gets your messages and shows your
status, and what you do on one you see on the others.

A device that may administer holds the account key: it can enrol and revoke others.`,
		Example: "  kith devices\n  kith devices rename 1a2b3c4d kitchen\n  kith devices --json | jq -r '.devices[].name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				list, err := c.Devices(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func(w io.Writer, s style) { a.printDevices(w, s, list) })
			})
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:               "rename DEVICE NAME",
		Short:             "Call one of my devices something else",
		Example:           "  kith devices rename 1a2b3c4d kitchen",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.deviceNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				d, err := c.RenameDevice(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return a.show(d, func(w io.Writer, s style) {
					fmt.Fprintf(w, "The device is called %s now.\n", s.bold(clean(d.Name)))
				})
			})
		},
	})
	return cmd
}

func (a *app) printDevices(w io.Writer, s style, list control.DeviceList) {
	now := time.Now()
	rows := [][]cell{s.heading("NAME", "ID", "SINCE", "HEARD", "MAY")}
	for _, d := range list.Devices {
		heard := ago(now, d.Seen)
		switch {
		case !d.Revoked.IsZero():
			heard = "revoked " + ago(now, d.Revoked)
		case d.This:
			heard = "this one"
		case d.Seen.IsZero():
			heard = "not yet"
		}
		rows = append(rows, []cell{
			{clean(d.Name), s.bold}, {text: d.ID[:8]}, {ago(now, d.Added), s.dim}, {text: heard}, {strings.Join(d.Scopes, " "), s.dim},
		})
	}
	table(w, rows)
	if list.Revoked {
		a.say("\n%s It shows nothing and sends nothing any more.", s.red("This device was revoked."))
	}
	if !list.Findable.IsZero() && now.After(list.Findable) {
		a.say("\nNo device that may administer has been on for two days: contacts still reach you, strangers do not find you.\nStart one of them to renew your address record.")
	}
}

// deviceNames completes the names of the owner's devices.
func (a *app) deviceNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || a.settle() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	list, err := control.Dial(a.home).Devices(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range list.Devices {
		if !d.This && d.Revoked.IsZero() {
			names = append(names, clean(d.Name)+"\t"+d.ID[:8])
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) revokeCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "revoke DEVICE",
		Short: "Take one of my devices out for good",
		Long: `Take one of my devices out for good: lost, stolen, sold.

Your contacts refuse what it signs as soon as they have your new card, which is
sent to all of them at once; those who are off get it when they return. Nothing is
sealed to it any more. It keeps what it has: messages it read, names it knows.

A device that may administer holds the account key, and whoever can use that key
can undo the revocation. If such a device was stolen while it was running, or had
no passphrase, make a new identity and tell your contacts.`,
		Example:           "  kith revoke phone\n  kith revoke 1a2b3c4d --yes",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.deviceNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := a.sure(fmt.Sprintf("Revoke %s for good?", clean(args[0])), "--yes"); err != nil {
					return err
				}
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				d, err := c.RevokeDevice(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(d, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s is not one of your devices any more; your contacts are being told.\n", s.bold(clean(d.Name)))
					if d.Account {
						fmt.Fprintf(w, "%s It held the account key: whoever can use it there can still speak as you.\n", s.red("Careful:"))
						fmt.Fprintln(w, "If somebody else has it, make a new identity and tell your contacts.")
					}
				})
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// sure asks a question on the terminal and fails unless the answer is yes. Flag is
// what answers it in scripts.
func (a *app) sure(question, flag string) error {
	agreed, err := a.agrees(question, flag)
	if err == nil && !agreed {
		err = &exit{exitFailed, "nothing was done", ""}
	}
	return err
}

// agrees asks a question on the terminal.
func (a *app) agrees(question, flag string) (bool, error) {
	if !terminal(a.in) {
		return false, misuse("this asks a question, and there is no terminal to ask it on", "answer beforehand with "+flag)
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM) // else a wait for the node swallows it
	defer signal.Stop(stop)
	answer := make(chan string, 1)
	go func() { // ends with the line, or after Ctrl-C with the process
		line, _ := bufio.NewReader(a.in).ReadString('\n') // what was not said is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-stop:
		fmt.Fprintln(a.err)
		return false, fail("given up", "")
	case said := <-answer:
		return said == "y" || said == "yes", nil
	}
}
