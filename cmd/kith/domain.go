package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/overlay"
)

// domainFlags are what the commands about a domain's file share.
type domainFlags struct {
	file, passFile string
}

const domainLong = `Run a domain: give out addresses LOCAL@DOMAIN to people who each keep a key of their own.

A domain is a key in one file. It can stay on a machine, or a stick, that is never
online: members get everything they need when they are enrolled. Anybody can make one,
and no domain depends on another. The name is the key itself, <key>.kith.alt, or a
DNS name whose zone says which key it has (--dns).

  holder   kith domain new --file choir.domain
  member   kith domain request lisa@DOMAIN > lisa.request
  holder   kith domain enrol lisa lisa.request --file choir.domain > lisa.grant
  member   kith domain accept lisa.grant && kith up`

func (a *app) domainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "domain",
		Short:   "Run a domain of addresses, or become a member of one",
		Long:    domainLong,
		Example: "  kith domain new --file choir.domain\n  kith domain list --file choir.domain",
	}
	var f domainFlags
	cmd.PersistentFlags().StringVar(&f.file, "file", os.Getenv("KITH_DOMAIN"), "the domain's file (default: $KITH_DOMAIN)")
	cmd.PersistentFlags().StringVar(&f.passFile, "passphrase-file", "", "file whose first line is the passphrase (default: $KITH_DOMAIN_PASSPHRASE, of one's own home $KITH_PASSPHRASE)")
	cmd.AddCommand(a.domainNewCommand(&f), a.domainRequestCommand(&f), a.domainEnrolCommand(&f), a.domainAcceptCommand(&f),
		a.domainListCommand(&f), a.domainExpireCommand(&f), a.domainZoneCommand(&f))
	return cmd
}

// domainInfo is a domain as JSON.
type domainInfo struct {
	File    string       `json:"file"`
	Domain  string       `json:"domain"`
	Key     string       `json:"key"` // as in an overlay domain or a TXT record
	Members []memberInfo `json:"members"`
}

type memberInfo struct {
	Address  string    `json:"address"`
	State    string    `json:"state"` // member, ending, ended, expired
	Serial   uint64    `json:"serial"`
	Account  string    `json:"account"` // key identifier
	Enrolled time.Time `json:"enrolled"`
	Until    time.Time `json:"until"`
	Signed   time.Time `json:"signed"` // end of the days with signed name records
}

func (a *app) domainNewCommand(f *domainFlags) *cobra.Command {
	var dns string
	var open bool
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a domain: a key in a file",
		Long: `Make a domain: a key in a file, under a passphrase.

With --dns the addresses are under a DNS name that is yours; "kith domain zone"
prints what its zone has to say. Without, the name of the domain is its key.`,
		Example: "  kith domain new --file choir.domain\n  kith domain new --file example.domain --dns example.com",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if f.file == "" {
				return misuse("no file is named", "give --file FILE, or set KITH_DOMAIN")
			}
			var pass []byte
			if !open {
				var err error
				if pass, err = a.newPassphrase(domainPass(f)); err != nil {
					return err
				}
			}
			d, err := identity.CreateDomain(f.file, dns, pass)
			clear(pass)
			if errors.Is(err, fs.ErrExist) {
				return fail("there is a file "+f.file+" already", "choose another name; a domain's key cannot be made twice")
			}
			if err != nil {
				return err
			}
			defer d.Close()
			info, err := describeDomain(f.file, d)
			if err != nil {
				return err
			}
			return a.show(info, func(w io.Writer, s style) {
				fmt.Fprintf(w, "%s  %s\n", s.dim("domain"), s.bold(info.Domain))
				fmt.Fprintf(w, "%s  %s\n", s.dim("file  "), f.file)
				if open {
					fmt.Fprintln(w, s.red("The file has no passphrase: whoever reads it is the domain."))
				}
				a.say("\nKeep a copy of the file: without it nobody can be enrolled, renewed or expired.")
				if dns != "" {
					a.say("Put what `kith domain zone` prints into the zone of %s.", dns)
				}
				a.say("A member begins with:  kith domain request LOCAL@%s", info.Domain)
			})
		},
	}
	cmd.Flags().StringVar(&dns, "dns", "", "the DNS name that addresses are under")
	cmd.Flags().BoolVar(&open, "no-passphrase", false, "leave the file in the clear")
	return cmd
}

// domainPass is the source of the passphrase of a domain's file.
func domainPass(f *domainFlags) source {
	return source{f.passFile, "--passphrase-file", "KITH_DOMAIN_PASSPHRASE", "Passphrase of the domain: ", false}
}

// openDomain opens the domain's file.
func (a *app) openDomain(f *domainFlags) (*identity.Domain, error) {
	if f.file == "" {
		return nil, misuse("no domain's file is named", "give --file FILE, or set KITH_DOMAIN")
	}
	var d *identity.Domain
	err := a.unlock(domainPass(f), func(pass func() ([]byte, error)) (err error) {
		d, err = identity.OpenDomain(f.file, pass)
		return err
	})
	switch {
	case errors.Is(err, identity.ErrDomainBusy):
		return nil, fail(err.Error(), "wait until the other command has ended")
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail("there is no file "+f.file, "`kith domain new` makes one")
	}
	return d, err
}

func describeDomain(file string, d *identity.Domain) (domainInfo, error) {
	key, err := d.KeyName()
	if err != nil {
		return domainInfo{}, err
	}
	info := domainInfo{File: file, Domain: d.Name(), Key: key, Members: []memberInfo{}}
	now := time.Now()
	for _, m := range d.Members() {
		w := memberInfo{
			Address: m.Address.String(), State: "member", Serial: m.Serial, Account: m.Account,
			Enrolled: m.Enrolled, Until: m.Until, Signed: m.Signed,
		}
		switch {
		case m.Expired:
			w.State = "expired"
		case now.After(m.Until):
			w.State = "ended"
		case m.Signed.Sub(now) < 30*24*time.Hour:
			w.State = "ending"
		}
		info.Members = append(info.Members, w)
	}
	return info, nil
}

func (a *app) domainRequestCommand(f *domainFlags) *cobra.Command {
	var key, out string
	var secret bool
	cmd := &cobra.Command{
		Use:   "request LOCAL@DOMAIN",
		Short: "Ask to become a member: make my account key, and a request to hand in",
		Long: `Ask to become a member: make my account key in this home, and print the request for
the holder of the domain. Nothing in it is secret. The key never leaves this home.

Asked again for the same address it prints the same request.`,
		Example: "  kith domain request lisa@k51….kith.alt > lisa.request\n  kith domain request fred@example.com --out fred.request",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := identity.ParseAddress(args[0])
			if err != nil {
				return misuse(err.Error(), "the holder of the domain tells you its name")
			}
			domainKey, err := a.domainKey(cmd.Context(), address, key)
			if err != nil {
				return err
			}
			pass, err := a.firstPassphrase(homePass(f.passFile), secret)
			if err != nil {
				return err
			}
			request, err := identity.RequestAccount(a.home, address, domainKey, pass)
			clear(pass)
			if errors.Is(err, fs.ErrExist) {
				return fail("there is an identity in "+a.home+" already", "an account is one address: name another home with --home")
			}
			if err != nil {
				return err
			}
			return a.handOut(out, request, "Give it to the holder of "+address.Domain()+"; what you get back goes into `kith domain accept`.")
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the key of a DNS domain, if the DNS cannot be asked")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write to, instead of standard output")
	cmd.Flags().BoolVar(&secret, "passphrase", false, "put the account key under a passphrase")
	return cmd
}

// domainKey finds the key of a DNS domain: as given, or from its zone.
func (a *app) domainKey(ctx context.Context, address identity.Address, given string) (ed25519.PublicKey, error) {
	if key, ok := address.DomainKey(); ok {
		return key, nil
	}
	if given != "" {
		named, err := identity.ParseAddress("x@" + given + ".kith.alt")
		if err != nil {
			return nil, misuse(fmt.Sprintf("--key %q is no key", given), "it is what `kith domain list --json` shows as key")
		}
		key, _ := named.DomainKey()
		return key, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	key, found, err := overlay.ZoneKey(ctx, overlay.DNS{}, address.Domain())
	switch {
	case err != nil:
		return nil, fail("the DNS could not be asked for the key of "+address.Domain()+": "+err.Error(), "give it with --key")
	case !found:
		return nil, fail("the zone of "+address.Domain()+" names no key for kith", "its holder finds what is missing with `kith domain zone`; or give the key with --key")
	}
	return key, nil
}

// handOut writes text to a file, or to standard output with advice on standard
// error.
func (a *app) handOut(file string, text []byte, advice string) error {
	if file == "" {
		if _, err := a.out.Write(text); err != nil {
			return err
		}
	} else if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	if !a.quiet {
		fmt.Fprintln(a.err, advice)
	}
	return nil
}

// readText reads a file, or standard input for "-".
func (a *app) readText(file string) ([]byte, error) {
	if file != "-" {
		return os.ReadFile(file)
	}
	return io.ReadAll(io.LimitReader(a.in, 1<<20))
}

func (a *app) domainEnrolCommand(f *domainFlags) *cobra.Command {
	var e identity.Enrolment
	var span, out string
	cmd := &cobra.Command{
		Use:   "enrol LOCAL [REQUEST]",
		Short: "Make somebody a member, or renew a membership",
		Long: `Make somebody a member: sign their account key and, for up to 300 days ahead, the records
that let others find it. Their request says which key. Without a request the
membership is renewed. What is printed goes back to the member; nothing in it is secret.

Addresses that could be taken for another member's are refused, and so are those of
former members unless --replace is given.`,
		Example: "  kith domain enrol lisa lisa.request --file choir.domain > lisa.grant\n  kith domain enrol lisa --for 365d --out lisa.grant",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			length, err := control.ParseSpan(span)
			if err != nil {
				return misuse(err.Error(), "write --for as in 365d")
			}
			var request []byte
			if len(args) == 2 {
				if request, err = a.readText(args[1]); err != nil {
					return err
				}
			}
			d, err := a.openDomain(f)
			if err != nil {
				return err
			}
			defer d.Close()
			now := time.Now()
			e.Local, e.Until = args[0], now.Add(length)
			grant, err := d.Enrol(request, e, now)
			switch {
			case errors.Is(err, identity.ErrTaken):
				return fail(err.Error(), "choose another one, or give --replace if it is the same person's")
			case err != nil && request == nil:
				return fail(err.Error(), "a new member hands in a request: kith domain request "+args[0]+"@"+d.Name())
			case err != nil:
				return err
			}
			return a.handOut(out, grant, "Give it to "+args[0]+", for `kith domain accept`. Enrol again before "+e.Until.Format("2 January 2006")+".")
		},
	}
	cmd.Flags().StringVar(&span, "for", "365d", "how long the membership lasts")
	cmd.Flags().IntVar(&e.Days, "days", 0, "days to sign records for, at most 300 (default: as many as there are)")
	cmd.Flags().BoolVar(&e.Replace, "replace", false, "give the address of a former member out again, or let a member have a new key")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write to, instead of standard output")
	return cmd
}

func (a *app) domainAcceptCommand(f *domainFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "accept GRANT",
		Short: "Take what the holder of the domain gave me",
		Long: `Take what the holder of the domain gave me: it makes the identity in this home, or
renews it. A node that runs on this home has to be started again after a renewal.`,
		Example: "  kith domain accept lisa.grant && kith up",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			grant, err := a.readText(args[0])
			if err != nil {
				return err
			}
			var keys *identity.Keys
			err = a.unlock(homePass(f.passFile), func(pass func() ([]byte, error)) (err error) {
				keys, err = identity.AcceptAccount(a.home, grant, pass, time.Now())
				return err
			})
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return fail(err.Error(), "`kith domain request LOCAL@DOMAIN` comes first, in the same home")
			case err != nil:
				return err
			}
			defer keys.Close()
			return a.show(map[string]string{"address": keys.Address().String()}, func(w io.Writer, s style) {
				fmt.Fprintf(w, "You are %s.\n", s.bold(keys.Address().String()))
				a.say("Run your node with `kith up`.")
			})
		},
	}
}

func (a *app) domainListCommand(f *domainFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the members of a domain",
		Example: "  kith domain list --file choir.domain\n  kith domain list --json | jq -r '.members[] | select(.state==\"ending\") | .address'",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, err := a.openDomain(f)
			if err != nil {
				return err
			}
			defer d.Close()
			info, err := describeDomain(f.file, d)
			if err != nil {
				return err
			}
			return a.show(info, func(w io.Writer, s style) {
				fmt.Fprintf(w, "%s  %s\n\n", s.dim("domain"), s.bold(info.Domain))
				if len(info.Members) == 0 {
					a.say("No members yet. `kith domain enrol` makes them.")
					return
				}
				rows := [][]cell{s.heading("LOCAL", "STATE", "ENROLLED", "UNTIL", "SIGNED UNTIL", "KEY")}
				for _, m := range info.Members {
					rows = append(rows, []cell{
						{strings.TrimSuffix(m.Address, "@"+info.Domain), s.bold}, {text: m.State}, {m.Enrolled.Format("2006-01-02"), s.dim},
						{text: m.Until.Format("2006-01-02")}, {text: m.Signed.Format("2006-01-02")}, {m.Account[:8], s.dim},
					})
				}
				table(w, rows)
			})
		},
	}
}

func (a *app) domainExpireCommand(f *domainFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "expire LOCAL",
		Short: "End a membership before its time",
		Long: `End a membership before its time. The domain's newest word on the address, that nobody
has it, is published through the node that runs on this home (--home), for today and the
next two days. The member has records signed for later days too: run it again every
other day until the date it names, from cron for example, and former members stay out.

People who know the member already are told that the domain has withdrawn the name.`,
		Example: "  kith domain expire lisa --file choir.domain",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.openDomain(f)
			if err != nil {
				return err
			}
			defer d.Close()
			records, err := d.Expire(args[0], time.Now())
			if err != nil {
				return fail(err.Error(), "`kith domain list` shows the members")
			}
			var last time.Time
			for _, m := range d.Members() {
				if address, err := identity.ParseAddress(args[0] + "@" + d.Name()); err == nil && m.Address == address {
					last = m.Signed
				}
			}
			if len(records) == 0 {
				return a.show(map[string]any{"expired": args[0], "acks": 0}, func(w io.Writer, _ style) {
					fmt.Fprintf(w, "%s is expired, and has no signed records left: nothing needs to be published.\n", args[0])
				})
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				acks, err := c.PutRecords(ctx, records)
				if errors.Is(err, control.ErrNoNode) {
					return fail(args[0]+" is expired in the file, and nobody has been told", "start a node with `kith up` and run this again")
				}
				if err != nil {
					return err
				}
				return a.show(map[string]any{"expired": args[0], "acks": acks, "until": last}, func(w io.Writer, s style) {
					fmt.Fprintf(w, "%s is expired; %s have the domain's word.\n", s.bold(args[0]), count(acks, "node"))
					a.say("Run this again every other day until %s.", last.Format("2 January 2006"))
				})
			})
		},
	}
}

func (a *app) domainZoneCommand(f *domainFlags) *cobra.Command {
	var targets []string
	cmd := &cobra.Command{
		Use:   "zone",
		Short: "Print what the zone of a DNS domain has to say",
		Long: `Print what the zone of a DNS domain has to say, as lines of a zone file: the domain's
key, and for each target an SRV record for messages and one for presence (RFC 3861).

A target is a node that is always on, where others ask for members' address records:
HOST[:PORT]=PEER[,PEER…]. "kith net --json" on it shows its peer id. Without targets
members are found by the overlay alone.`,
		Example: "  kith domain zone --file example.domain --target kith.example.com=12D3KooW…",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			d, err := a.openDomain(f)
			if err != nil {
				return err
			}
			defer d.Close()
			var list []overlay.ZoneTarget
			for i, text := range targets {
				t, err := parseTarget(text)
				if err != nil {
					return err
				}
				t.Priority = uint16(10 * (i + 1))
				list = append(list, t)
			}
			lines, err := overlay.ZoneRecords(d.Name(), d.Key(), list)
			if err != nil {
				return fail(err.Error(), "only a domain made with --dns has a zone")
			}
			return a.show(lines, func(w io.Writer, _ style) {
				for _, line := range lines {
					fmt.Fprintln(w, line)
				}
			})
		},
	}
	cmd.Flags().StringArrayVar(&targets, "target", nil, "HOST[:PORT]=PEER[,PEER…]; may be repeated, the first is preferred")
	return cmd
}

func parseTarget(text string) (overlay.ZoneTarget, error) {
	where, peers, found := strings.Cut(text, "=")
	if !found || peers == "" {
		return overlay.ZoneTarget{}, misuse(fmt.Sprintf("--target %q names no peer", text), "write it as in kith.example.com:4778=12D3KooW…")
	}
	t := overlay.ZoneTarget{Host: where, Peers: strings.Split(peers, ",")}
	if host, port, found := strings.Cut(where, ":"); found {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return overlay.ZoneTarget{}, misuse(fmt.Sprintf("--target %q has no port %q", text, port), "write it as in kith.example.com:4778=12D3KooW…")
		}
		t.Host, t.Port = host, uint16(n)
	}

	return t, nil
}
