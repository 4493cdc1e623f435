package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kith-im/kith/internal/control"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3 // by the other side
	exitUnconfirmed = 4 // not confirmed in time
)

// app is one run of the command: its streams and the global flags.
type app struct {
	in      io.Reader
	out     io.Writer
	err     io.Writer
	home    string
	json    bool
	quiet   bool
	timeout time.Duration
	style   style // of out
	began   bool  // arguments were understood
}

// exit is an error with an exit code and advice.
type exit struct {
	code int
	msg  string // empty: all was said already
	hint string
}

func (e *exit) Error() string { return e.msg }

// fail says what went wrong and what to do about it.
func fail(msg, hint string) error { return &exit{exitFailed, msg, hint} }

// misuse says what is wrong with the arguments.
func misuse(msg, hint string) error { return &exit{exitUsage, msg, hint} }

// kith runs one command and returns its exit code.
func kith(args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{in: in, out: out, err: errs, style: styleFor(out)}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitDone
	}
	return a.report(err)
}

// report tells a person why a command did not succeed.
func (a *app) report(err error) int {
	e := a.explain(err)
	if e.msg != "" {
		fmt.Fprintf(a.err, "kith: %s\n", cleanLines(e.msg))
	}
	if e.hint != "" {
		fmt.Fprintf(a.err, "      %s\n", cleanLines(e.hint))
	}
	return e.code
}

// explain finds code and advice for an error.
func (a *app) explain(err error) *exit {
	if e, ok := errors.AsType[*exit](err); ok {
		return e
	}
	if p, ok := errors.AsType[*control.Problem](err); ok {
		e := &exit{exitFailed, p.Detail, p.Hint}
		switch p.Code {
		case control.CodeTimeout:
			e.code = exitUnconfirmed
		case control.CodeRefused:
			e.code = exitRefused
		case control.CodeNotFound:
			if e.hint == "" {
				e.hint = "`kith ls` and `kith requests` list whom this node knows"
			}
		}
		return e
	}
	switch {
	case errors.Is(err, control.ErrNoNode):
		return &exit{exitFailed, "no node runs on this home (" + a.home + ")", "start one in another terminal with `kith up`, or name another home with --home"}
	case errors.Is(err, context.DeadlineExceeded):
		return &exit{exitUnconfirmed, "no answer within " + a.timeout.String(), "`kith net` shows whether the node is connected; --timeout waits longer"}
	case !a.began:
		return &exit{exitUsage, err.Error(), "`kith --help` lists the commands, `kith COMMAND --help` shows an example of each"}
	}
	return &exit{exitFailed, err.Error(), ""}
}

const rootLong = `kith shows the people you know how you are, and lets you write to each other,
with no server between you: your node and theirs are the whole system.

  kith demo      see it work on this machine, in half a minute
  kith up        run your node; the first time, this makes your identity
  kith me --qr   show your invitation, for a friend to add`

// command builds the tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "kith",
		Short:         "presence and messages between people, without servers",
		Long:          rootLong,
		Example:       "  kith up\n  kith add kith:bob@k51…\n  kith send bob \"hello\"",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			a.began = true
			return a.settle()
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.home, "home", "", "directory of the node's files (default: $KITH_HOME, else "+defaultHome()+")")
	flags.BoolVar(&a.json, "json", false, "print JSON, one value a line")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print only what was asked for")
	flags.DurationVar(&a.timeout, "timeout", 15*time.Second, "how long to wait for others")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Start here:"},
		&cobra.Group{ID: "people", Title: "People:"},
		&cobra.Group{ID: "talk", Title: "Messages:"},
		&cobra.Group{ID: "keep", Title: "Devices, keys and backups:"},
		&cobra.Group{ID: "look", Title: "Look inside:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("start", a.demoCommand(), a.upCommand(), a.meCommand())
	group("people", a.addCommand(), a.requestsCommand(), a.approveCommand(), a.denyCommand(), a.lsCommand(),
		a.statusCommand(), a.watchCommand(), a.renameCommand(), a.removeCommand(),
		a.inviteCommand(), a.invitesCommand(), a.introduceCommand(), a.introductionsCommand(), a.verifyCommand(), a.trustCommand())
	group("talk", a.sendCommand(), a.inboxCommand(), a.historyCommand(), a.searchCommand())
	group("keep", a.devicesCommand(), a.linkCommand(), a.joinCommand(), a.revokeCommand(),
		a.backupCommand(), a.restoreCommand(), a.recoveryCommand(), a.passwdCommand(), a.domainCommand())
	group("look", a.lookupCommand(), a.fetchCommand(), a.inspectCommand(), a.netCommand(), a.openapiCommand(), a.versionCommand())
	root.SetHelpCommandGroupID("look")
	root.SetCompletionCommandGroupID("look")
	return root
}

// settle finds the home directory once the flags are read.
func (a *app) settle() error {
	if a.home == "" {
		a.home = os.Getenv("KITH_HOME")
	}
	if a.home == "" {
		a.home = defaultHome()
	}
	home, err := filepath.Abs(a.home)
	if err != nil {
		return fmt.Errorf("find the home directory: %w", err)
	}
	a.home = home
	if a.timeout <= 0 {
		return misuse("--timeout must be positive", "write it as in 30s or 2m")
	}
	return nil
}

// defaultHome is where a node keeps its files unless told otherwise.
func defaultHome() string {
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "kith")
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "kith-home"
	}
	return filepath.Join(user, ".local", "share", "kith")
}

// ask calls the running node, for at most --timeout and until Ctrl-C.
func (a *app) ask(cmd *cobra.Command, f func(ctx context.Context, c *control.Client) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	c := control.Dial(a.home)
	defer c.Close()
	return f(ctx, c)
}

// names completes the petnames of contacts for the first n arguments.
func (a *app) names(n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n || a.settle() != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
		defer cancel()
		contacts, err := control.Dial(a.home).Contacts(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, c := range contacts {
			names = append(names, clean(c.Name)+"\t"+liveness(c.Liveness)+" "+clean(c.Show))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// pending completes the names of people whose request waits.
func (a *app) pending(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || a.settle() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	requests, err := control.Dial(a.home).Requests(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, r := range requests {
		names = append(names, clean(r.Handle)+"\t"+clean(r.Note))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// version is the module version or the commit this program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "development"
}

// terminal says whether a stream is a terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
