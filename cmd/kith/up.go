package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
)

// farewell is how long a goodbye may take.
const farewell = 5 * time.Second

// upFlags are the flags of kith up.
type upFlags struct {
	name, passFile, level string
	dns                   string
	ask, noLAN            bool
	listen                []string
	settings              settings
}

func (a *app) upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run my node until Ctrl-C; the first time, make my identity",
		Long: `Run my node until Ctrl-C; the first time, make my identity.

It prints the address and the invitation, then a line for whatever happens. Other
kith commands talk to it from other terminals. Ctrl-C tells your contacts that you
leave; a second one ends at once.

Your identity is a few key files in the home directory. With --passphrase the
most important one is encrypted, and kith up asks for the passphrase at every
start, or takes it from --passphrase-file, $KITH_PASSPHRASE or the keyring
("kith passwd" changes it, or moves it there).

Who may watch, fetch and send is decided by the file rules in the home directory, if
there is one; without it, as if it said:

    allow contacts watch fetch send
    ask strangers watch
    deny strangers fetch send

The last line that speaks of a person and an action decides. A person is contacts,
strangers, anyone or an address.

Addresses under DNS names are looked up in the DNS (RFC 3861): --dns off asks nobody,
--dns ADDRESS:PORT asks one server, and --dns-last asks the overlay first.

--listen takes a port, HOST:PORT or a multiaddr; without it the node listens on
all interfaces and keeps its port. --bootstrap names nodes to begin with; contacts,
invitations and the local network need none.`,
		Example: "  kith up\n  kith up --name alice --passphrase\n  kith up --home /tmp/bob --listen 127.0.0.1:0 --no-lan\n  kith up --thing --name door --lease 10m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.prepare(&f); err != nil {
				return err
			}
			return a.up(cmd.Context(), f.settings)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "first part of a new address (default: your login name)")
	flags.BoolVar(&f.ask, "passphrase", false, "put a new identity under a passphrase")
	flags.StringVar(&f.passFile, "passphrase-file", "", "file whose first line is the passphrase")
	flags.StringArrayVar(&f.listen, "listen", nil, "where to listen; may be repeated")
	flags.StringArrayVar(&f.settings.bootstrap, "bootstrap", nil, "multiaddr of a node to begin with, ending in /p2p/…; may be repeated")
	flags.BoolVar(&f.noLAN, "no-lan", false, "neither look for nodes on the local network nor be found there")
	flags.StringVar(&f.dns, "dns", "", "off, or the DNS server to ask as ADDRESS:PORT (default: the system's)")
	flags.BoolVar(&f.settings.dns.Last, "dns-last", false, "look in the overlay first, and ask the devices of a zone only if that finds nobody")
	flags.IntVar(&f.settings.dns.Targets, "dns-targets", 0, "how many devices of a zone to try, at least 2 (default: all)")
	flags.BoolVar(&f.settings.public, "public", false, "this machine is reachable from everywhere: serve the network at once")
	flags.DurationVar(&f.settings.lease, "lease", node.DefaultLease, "how long your presence holds without a sign of life")
	flags.BoolVar(&f.settings.thing, "thing", false, "the owner is a device or a program, not a person")
	flags.StringVar(&f.level, "log-level", "error", "debug, info, warn or error, on standard error")
	return cmd
}

// prepare turns flags into settings.
func (a *app) prepare(f *upFlags) error {
	s := &f.settings
	s.home, s.lan = a.home, !f.noLAN
	s.name = f.name
	if s.name == "" {
		s.name = loginName()
	}
	var err error
	if s.listen, err = listenAddresses(f.listen); err != nil {
		return err
	}
	s.dns.Off, s.dns.Server = f.dns == "off", f.dns
	if s.dns.Off {
		s.dns.Server = ""
	}
	if s.dns.Targets == 1 || s.dns.Targets < 0 {
		return misuse("--dns-targets must be 0 for all, or at least 2", "RFC 3861 section 6 wants two devices tried before giving up")
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return misuse(fmt.Sprintf("--log-level %q is unknown", f.level), "choose debug, info, warn or error")
	}
	source := homePass(f.passFile)
	s.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
	s.unlock = func(f func(pass func() ([]byte, error)) error) error { return a.unlock(source, f) }
	s.newPass = func() ([]byte, error) { return a.firstPassphrase(source, f.ask) }
	return nil
}

// up runs a node until a signal.
func (a *app) up(ctx context.Context, s settings) error {
	i, err := open(ctx, s)
	switch {
	case errors.Is(err, store.ErrLocked):
		return fail("a node runs on this home already ("+s.home+")", "talk to it with the other commands, or give another --home")
	case errors.Is(err, identity.ErrPassphrase):
		return a.unopened(err)
	case err != nil:
		return err
	}
	defer i.close()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // so that the second signal ends the process
	if err := a.greet(i, s); err != nil {
		return err
	}
	telling, quiet := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { a.tell(telling, i) }) // ends below
	err = i.run(ctx, farewell, func() {
		a.say("\nSaying goodbye to those who see you… (Ctrl-C again ends at once)")
	})
	quiet()
	wg.Wait()
	switch {
	case err == nil:
		a.say("Bye.")
	case ctx.Err() == nil:
		return err // it did not end by a signal
	default:
		a.say("Bye. Not everybody could be told; they see it when your lease of %v ends.", s.lease)
	}
	return nil
}

// hello is the first line of kith up --json.
type hello struct {
	Address    string   `json:"address"`
	Invitation string   `json:"invitation"`
	Listen     []string `json:"listen"`
	Created    bool     `json:"created"`
}

// greet says who is up and how to be found.
func (a *app) greet(i *instance, s settings) error {
	inv := i.node.Invitation()
	h := hello{inv.Address.String(), inv.String(), i.overlay.Addresses(), i.created}
	return a.show(h, func(w io.Writer, st style) {
		if a.quiet {
			return
		}
		if i.created {
			fmt.Fprintf(w, "Made a new identity in %s. It is you: keep a copy elsewhere (kith backup),\nor its 24 words on paper (kith recovery).\n\n", s.home)
		}
		if i.node.Revoked() {
			fmt.Fprintln(w, st.red("This device was revoked: it shows nothing and sends nothing any more."))
			fmt.Fprintln(w, "What it has is still here: kith history, kith ls.")
			return
		}
		fmt.Fprintf(w, "%s is up, showing: %s\n\n", st.bold(inv.Address.Local()), own(control.StatusOf(i.node.Status())))
		fmt.Fprintf(w, "%s  %s\n", st.dim("address   "), h.Address)
		fmt.Fprintf(w, "%s  %s\n\n", st.dim("invitation"), st.bold(h.Invitation))
		fmt.Fprintf(w, "A friend adds you with:  kith add INVITATION\n")
		fmt.Fprintf(w, "%s\n\n", st.dim("Other commands go in another terminal; Ctrl-C stops."))
	})
}

// tell prints what happens until ctx ends, and the invitation when it changes.
func (a *app) tell(ctx context.Context, i *instance) {
	if a.quiet && !a.json {
		return
	}
	last := i.node.Invitation().String()
	announced := -1
	for e := range i.node.Events(ctx, i.began) {
		w := control.EventOf(i.node, e)
		if a.json {
			if a.show(w, nil) != nil {
				return
			}
			continue
		}
		text := happened(a.style, w)
		if w.Kind == string(node.SawAnnounce) {
			if w.Acks > 0 != (announced > 0) || announced < 0 {
				text = announcement(a.style, w)
			}
			announced = w.Acks
		}
		if text != "" {
			fmt.Fprintln(a.out, text)
		}
		if now := i.node.Invitation().String(); now != last && w.Kind == string(node.SawAnnounce) {
			last = now
			fmt.Fprintf(a.out, "%s  %s\n", a.style.dim("          new invitation: this node is now found at other addresses\n          "), a.style.bold(now))
		}
	}
}

// announcement says whether the DHT has our address.
func announcement(s style, e control.Event) string {
	at := s.dim(e.Time.Local().Format("15:04:05")) + "    "
	if e.Acks == 0 {
		return at + s.dim("no other node is known yet; your address is published as soon as one is")
	}
	return at + s.dim("your address is published in the DHT, on "+count(e.Acks, "node"))
}

// loginName makes a local part of the name of the user.
func loginName() string {
	u, err := user.Current()
	if err != nil {
		return "me"
	}
	name := u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return -1
	}, name)
	return or(name, "me")
}

// listenAddresses turns ports and HOST:PORT into multiaddrs for TCP and QUIC.
func listenAddresses(given []string) ([]string, error) {
	var all []string
	for _, text := range given {
		if strings.HasPrefix(text, "/") {
			all = append(all, text)
			continue
		}
		if !strings.Contains(text, ":") {
			text = ":" + text
		}
		host, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			return nil, misuse(fmt.Sprintf("--listen %q is no address", text), "write a port, 127.0.0.1:0, [::1]:4001 or a multiaddr")
		}
		hosts := []string{"/ip4/0.0.0.0", "/ip6/::"}
		if ip := net.ParseIP(host); ip.To4() != nil {
			hosts = []string{"/ip4/" + host}
		} else if ip != nil {
			hosts = []string{"/ip6/" + host}
		} else if host != "" {
			return nil, misuse(fmt.Sprintf("--listen %q names no IP address", text), "write a port, 127.0.0.1:0, [::1]:4001 or a multiaddr")
		}
		for _, h := range hosts {
			all = append(all, h+"/tcp/"+port, h+"/udp/"+port+"/quic-v1")
		}
	}
	return all, nil
}
