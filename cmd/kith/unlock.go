package main

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/kith-im/kith/identity"
)

// tries is how often a person may mistype a passphrase.
const tries = 3

// source is where a passphrase comes from: a file, the environment, or a
// terminal, the first that has it.
type source struct {
	file   string // given with flag; its first line
	flag   string
	env    string // "" if it is not taken from the environment
	prompt string
	home   bool // it is that of the home directory, which may be in the keyring
}

// homePass is the source of the passphrase of the identity in the home directory.
func homePass(file string) source {
	return source{file, "--passphrase-file", "KITH_PASSPHRASE", "Passphrase: ", true}
}

// given returns the passphrase in the file or the environment, and whether
// there is one.
func (s source) given() ([]byte, bool, error) {
	if s.file != "" {
		b, err := os.ReadFile(s.file)
		if err != nil {
			return nil, false, fmt.Errorf("read the passphrase: %w", err)
		}
		line, _, _ := bytes.Cut(b, []byte("\n"))
		word := bytes.Clone(bytes.TrimSuffix(line, []byte("\r")))
		clear(b)
		return word, true, nil
	}
	if s.env != "" {
		if text := os.Getenv(s.env); text != "" {
			return []byte(text), true, nil
		}
	}
	return nil, false, nil
}

// elsewhere says how to give a passphrase without a terminal.
func (s source) elsewhere() string {
	if s.env == "" {
		return "name a file with " + s.flag + ", or run it in a terminal"
	}
	return "set " + s.env + ", name a file with " + s.flag + ", or run it in a terminal"
}

// newPassphrase returns a passphrase that is to be set, which a terminal asks
// for twice. It is not empty; the caller clears it.
func (a *app) newPassphrase(s source) ([]byte, error) {
	word, ok, err := s.given()
	if err != nil {
		return nil, err
	}
	if ok {
		if len(word) == 0 {
			return nil, fail("the new passphrase is empty", "write one in the first line of "+s.file)
		}
		return word, nil
	}
	if !terminal(a.in) {
		return nil, fail("a new passphrase is needed", s.elsewhere())
	}
	for range tries {
		if word, err = a.prompt(s.prompt); err != nil {
			return nil, err
		}
		if len(word) == 0 {
			fmt.Fprintln(a.err, "That is empty. Take a few words that nobody would guess.")
			continue
		}
		again, err := a.prompt(fmt.Sprintf("%*s", len(s.prompt), "Once more: "))
		if err != nil {
			return nil, err
		}
		alike := subtle.ConstantTimeCompare(word, again) == 1
		clear(again)
		if alike {
			return word, nil
		}
		clear(word)
		fmt.Fprintln(a.err, "Those two differ. Once again, both:")
	}
	return nil, fail("no passphrase was chosen", "nothing was changed; start again")
}

// firstPassphrase returns the passphrase of a new identity, nil if nobody asks for one.
func (a *app) firstPassphrase(s source, ask bool) ([]byte, error) {
	if !ask && s.file == "" && os.Getenv(s.env) == "" {
		return nil, nil
	}
	return a.newPassphrase(s)
}

// prompt asks a terminal for a passphrase, without showing it. Ctrl-C ends it
// and leaves the terminal as it was.
func (a *app) prompt(text string) ([]byte, error) {
	fd := int(a.in.(*os.File).Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)
	type answer struct {
		word []byte
		err  error
	}
	got := make(chan answer, 1)
	fmt.Fprint(a.err, text)
	defer fmt.Fprintln(a.err)
	go func() { // ends with the line, or after Ctrl-C with the process
		word, err := term.ReadPassword(fd)
		got <- answer{word, err}
	}()
	select {
	case <-stop:
		return nil, errors.Join(fail("given up", ""), term.Restore(fd, before))
	case line := <-got:
		switch {
		case errors.Is(line.err, io.EOF):
			return nil, fail("no passphrase was given", "")
		case line.err != nil:
			return nil, fmt.Errorf("read the passphrase: %w", line.err)
		}
		return line.word, nil
	}
}

// unlock calls f with each passphrase there is until one is not wrong: that in
// a file or the environment, or else the one in the keyring and what a
// terminal says three times. The passphrase is asked for only if f needs it.
func (a *app) unlock(s source, f func(pass func() ([]byte, error)) error) error {
	word, ok, err := s.given()
	if err != nil {
		return err
	}
	if ok {
		defer clear(word)
		return f(func() ([]byte, error) { return word, nil })
	}
	if entry, ok := keyringEntry(a.home); ok && s.home {
		err := f(func() ([]byte, error) { return fromKeyring(entry) })
		broken, isBroken := errors.AsType[*keyringError](err)
		switch {
		case isBroken:
			fmt.Fprintln(a.err, sentence(broken.Error()))
		case errors.Is(err, identity.ErrPassphrase):
			fmt.Fprintln(a.err, "The passphrase in the keyring is not that of the account key.")
		default:
			return err
		}
	}
	if !terminal(a.in) {
		return f(func() ([]byte, error) {
			if s.home {
				return nil, fail("the identity in "+a.home+" is under a passphrase", s.elsewhere())
			}
			return nil, fail("a passphrase is needed, and there is no terminal to ask for it", s.elsewhere())
		})
	}
	for range tries {
		err = f(func() ([]byte, error) { return a.prompt(s.prompt) })
		if !errors.Is(err, identity.ErrPassphrase) {
			return err
		}
		fmt.Fprintln(a.err, "That is not the passphrase.")
	}
	return err
}

// keys opens the identity in the home directory.
func (a *app) keys(s source) (keys *identity.Keys, err error) {
	err = a.unlock(s, func(pass func() ([]byte, error)) error {
		keys, err = identity.Open(a.home, pass)
		return err
	})
	if err != nil {
		return nil, a.unopened(err)
	}
	return keys, nil
}

// unopened says why an identity could not be opened, and what to do.
func (a *app) unopened(err error) error {
	switch {
	case errors.Is(err, identity.ErrPassphrase):
		return fail("wrong passphrase", "if it is lost, `kith restore` makes your identity anew from a backup or from the recovery words")
	case errors.Is(err, fs.ErrNotExist):
		return fail("there is no identity in "+a.home, "`kith up` makes one; --home names another place")
	}
	return err
}
