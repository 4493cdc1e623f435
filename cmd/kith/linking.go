package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
	"github.com/kith-im/kith/overlay"
)

// lookEvery is how often a link that goes on is looked at.
const lookEvery = 300 * time.Millisecond

func (a *app) linkCommand() *cobra.Command {
	var in control.LinkInput
	var yes, noQR bool
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Enrol another device of mine",
		Long: `Enrol another device of mine: it gets keys of its own, all contacts and the whole
history, and from then on both are you.

It prints a code for "kith join" on the new device, good for ten minutes and for one
device. Then both show six digits; say yes on both if they are the same. Keep the code
to yourself: who sees it can try to be your device, and only the digits would tell.

By default the new device may publish your status, send and read, and can be revoked
for good. With --administer it also gets the account key: then it can enrol and revoke
devices like this one, and a thief of it can do so too.

--scopes and --tuple are for programs: a display that may not send, or a bridge that may
publish only the presence tuples named. Every device must be able to read: it learns
from the others who your contacts are.`,
		Example: "  kith link\n  kith link --administer --name desktop\n  kith link --scopes publish,read --tuple door --name sensor",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			c := control.Dial(a.home)
			defer c.Close()
			return a.link(ctx, c, in, yes, !noQR)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Name, "name", "", "what to call it (default: what it calls itself)")
	flags.BoolVar(&in.Administer, "administer", false, "give it the account key too")
	flags.StringSliceVar(&in.Scopes, "scopes", nil, "what it may do: publish,send,read (default: all three)")
	flags.StringArrayVar(&in.Tuples, "tuple", nil, "the only presence tuple it may publish; may be repeated")
	flags.BoolVarP(&yes, "yes", "y", false, "take the digits for the same without asking: only where nobody else can see the code")
	flags.BoolVar(&noQR, "no-qr", false, "do not show the code as a QR code")
	return cmd
}

// linkLine is what kith link and kith join print as JSON, a line for each step.
type linkLine struct {
	Stage   string    `json:"stage"` // offered, compare, done
	Code    string    `json:"code,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Digits  string    `json:"digits,omitempty"`
	Name    string    `json:"name,omitempty"`
	Device  string    `json:"device,omitempty"`
	Address string    `json:"address,omitempty"`
}

// link offers a link and follows it to its end.
func (a *app) link(ctx context.Context, c *control.Client, in control.LinkInput, yes, qr bool) error {
	offer, err := c.StartLink(ctx, in)
	if err != nil {
		return err
	}
	settled := false
	defer func() {
		if !settled {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			c.CancelLink(ctx) // it ends by itself if this fails
		}
	}()
	err = a.show(linkLine{Stage: "offered", Code: offer.Code, Expires: offer.Expires}, func(w io.Writer, s style) {
		fmt.Fprintf(w, "On the new device, within %s:\n\n  %s\n\n", spanTo(time.Now(), offer.Expires), s.bold("kith join '"+offer.Code+"'"))
		if qr && terminal(a.out) {
			qrCode(w, offer.Code)
		}
		a.say("Waiting for it… (Ctrl-C takes the offer back)")
	})
	if err != nil {
		return err
	}
	asked, agreed := false, false
	for {
		l, err := c.Link(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return fail("the offer was taken back", "")
			}
			return err
		}
		switch l.Stage {
		case "compare":
			if asked {
				break
			}
			asked = true
			same, err := a.compare(l.Name, l.Digits, yes)
			if err != nil {
				return err
			}
			if _, err := c.ConfirmLink(ctx, same); err != nil {
				if p, ok := errors.AsType[*control.Problem](err); ok && p.Code == control.CodeNotFound {
					settled = true
					return fail("nothing was linked: the other device said no, or gave up", "`kith link` offers another")
				}
				return err
			}
			if !same {
				settled = true
				return fail("nothing was linked", "if the digits differed, somebody else may have seen the code: `kith link` makes another")
			}
		case "agreed":
			if !agreed {
				agreed = true
				a.say("Waiting for the other device to agree…")
			}
		case "done":
			settled = true
			return a.show(linkLine{Stage: "done", Name: l.Name, Device: l.Device}, func(w io.Writer, s style) {
				fmt.Fprintf(w, "%s %s is one of your devices now. `kith devices` lists them.\n", s.green("✓"), s.bold(clean(l.Name)))
			})
		case "refused", "none":
			settled = true
			return fail("the link was refused or taken back on the other device", "`kith link` offers another")
		case "expired":
			settled = true
			return &exit{exitUnconfirmed, "nobody used the code in time", "`kith link` offers another"}
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return fail("the offer was taken back", "")
		}
	}
}

// compare shows the digits and asks whether the other device shows the same.
func (a *app) compare(name, digits string, yes bool) (bool, error) {
	err := a.show(linkLine{Stage: "compare", Name: name, Digits: digits}, func(w io.Writer, s style) {
		if name != "" {
			fmt.Fprintf(w, "\n%s is there. ", s.bold(clean(name)))
		} else {
			fmt.Fprint(w, "\nThe other device is there. ")
		}
		fmt.Fprintf(w, "Both devices must show the same digits:\n\n        %s\n\n", s.bold(digits))
	})
	if err != nil || yes {
		return err == nil, err
	}
	return a.agrees("Do they?", "--yes")
}

// joinFlags are the flags of kith join.
type joinFlags struct {
	name, passFile    string
	listen, bootstrap []string
	noLAN, yes, ask   bool
}

func (a *app) joinCommand() *cobra.Command {
	var f joinFlags
	cmd := &cobra.Command{
		Use:   "join CODE",
		Short: "Make this a device of mine, with a code from another one",
		Long: `Make this a device of mine, with the code that "kith link" shows on another one of
my devices. Both show six digits; say yes on both if they are the same. Then run the node
here with "kith up": it fetches contacts and history by itself.

The home directory must be empty: a device has one owner.`,
		Example: "  kith join 'kith:alice@k51…?l=…'\n  kith join - --name kitchen < code.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			code := args[0]
			if code == "-" {
				text, err := a.readText("-")
				if err != nil {
					return err
				}
				code = strings.TrimSpace(string(text))
			}
			return a.join(ctx, code, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "what this device is called (default: the name of the machine)")
	flags.BoolVar(&f.ask, "passphrase", false, "put the account key under a passphrase, if it is handed over")
	flags.StringVar(&f.passFile, "passphrase-file", "", "file whose first line becomes the passphrase")
	flags.StringArrayVar(&f.listen, "listen", nil, "where to listen, as for kith up; may be repeated")
	flags.StringArrayVar(&f.bootstrap, "bootstrap", nil, "multiaddr of a node to begin with; may be repeated")
	flags.BoolVar(&f.noLAN, "no-lan", false, "do not look for nodes on the local network")
	flags.BoolVarP(&f.yes, "yes", "y", false, "take the digits for the same without asking: only where nobody else can see the code")
	return cmd
}

// join makes the home directory of a new device, whole or not at all.
func (a *app) join(ctx context.Context, code string, f joinFlags) error {
	h, err := a.emptyHome()
	if err != nil {
		return err
	}
	listen, err := listenAddresses(f.listen)
	if err != nil {
		return err
	}
	pass, err := a.firstPassphrase(homePass(f.passFile), f.ask)
	if err != nil {
		return err
	}
	defer clear(pass)
	pending, err := identity.NewPending()
	if err != nil {
		return err
	}
	if f.name == "" {
		f.name = machineName()
	}
	if err := h.begin(); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	world, err := overlay.New(overlay.Config{
		Key: pending.TransportKey(), Listen: listen, Bootstrap: f.bootstrap, LAN: !f.noLAN, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return errors.Join(err, h.abandon())
	}
	a.say("Looking for your other device…")
	err = a.joinThrough(ctx, world, h, node.JoinConfig{
		Network: world, Code: code, Name: f.name, Dir: h.unfinished, Pass: pass, Pending: pending,
		Confirm: func(_ context.Context, digits []string) (bool, error) {
			same, err := a.compare("", strings.Join(digits, " "), f.yes)
			if err == nil && same {
				a.say("Waiting for your other device to agree…")
			}
			return same, err
		},
	})
	err = errors.Join(err, world.Close())
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(fail("given up", "nothing was linked; end `kith link` on the other device too, it offers another code"), h.abandon())
	case errors.Is(err, node.ErrLinkRefused):
		return errors.Join(fail("nothing was linked: one of the two devices said no", "`kith link` on the other device offers another"), h.abandon())
	}
	return errors.Join(fail(err.Error(), "is `kith link` still waiting on the other device? its code is good for ten minutes and for one device"), h.abandon())
}

// joinThrough links over a network, and keeps what came of it in a home.
func (a *app) joinThrough(ctx context.Context, world *overlay.Overlay, h home, cfg node.JoinConfig) error {
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- world.Serve(serving, nobody{}) }() // ends below
	keys, card, err := node.Join(ctx, cfg)
	stop()
	if err = errors.Join(err, <-served); err != nil {
		return err
	}
	defer keys.Close()
	kept, err := store.Open(filepath.Join(h.unfinished, storeFile))
	if err != nil {
		return err
	}
	_, err = node.New(ctx, node.Config{Keys: keys, Network: world, Store: kept, Card: card}) // writes down what it begins with
	if err = errors.Join(err, kept.Close()); err != nil {
		return err
	}
	if err := h.finish(); err != nil {
		return err
	}
	return a.show(linkLine{Stage: "done", Device: keys.Device().String(), Address: keys.Address().String()}, func(w io.Writer, s style) {
		fmt.Fprintf(w, "%s This is a device of %s now. Run it with `kith up`.\n", s.green("✓"), s.bold(keys.Address().Short()))
	})
}

// nobody is the program of a device that answers no one.
type nobody struct{}

func (nobody) Admit(string, string) bool { return false }
func (nobody) Answer(context.Context, string, string, identity.Sealed) (identity.Sealed, error) {
	return identity.Sealed{}, errors.New("this device has no owner yet")
}
func (nobody) Hear(context.Context, string, identity.Sealed) (bool, error) { return false, nil }
func (nobody) Stir()                                                       {}

// machineName is what a device is called if nobody says something else.
func machineName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "device"
	}
	name, _, _ = strings.Cut(name, ".")
	return clean(name[:min(len(name), 64)])
}
