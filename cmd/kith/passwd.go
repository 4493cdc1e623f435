package main

import (
	"bytes"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/identity"
)

// passwdFlags are the flags of kith passwd.
type passwdFlags struct {
	passFile, newFile          string
	remove, keyring, noKeyring bool
}

func (a *app) passwdCommand() *cobra.Command {
	var f passwdFlags
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "Set, change or remove the passphrase of my account key",
		Long: `Set, change or remove the passphrase of my account key.

The account key is what makes you yourself to others. Under a passphrase, whoever
copies the home directory cannot use it; kith up asks for the passphrase at each
start, once. A node that runs is not disturbed.

With --keyring the passphrase becomes a random one that is kept in the keyring of
the operating system, which you unlock by logging in; kith up asks there.
--no-keyring takes it out again, for a passphrase of yours (or none, with --remove).

The old passphrase is taken from --passphrase-file, $KITH_PASSPHRASE, the keyring
or the terminal; the new one from --new-passphrase-file or the terminal.

There is no way around a forgotten passphrase. Keep the recovery words (kith recovery)
or a backup (kith backup) elsewhere.`,
		Example: "  kith passwd\n  kith passwd --remove\n  kith passwd --keyring\n  KITH_PASSPHRASE=old kith passwd --new-passphrase-file new.txt",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case f.keyring && (f.noKeyring || f.remove || f.newFile != ""):
				return misuse("--keyring makes a passphrase by itself", "leave --no-keyring, --remove and --new-passphrase-file out")
			case f.remove && f.newFile != "":
				return misuse("--remove and --new-passphrase-file exclude each other", "choose one of them")
			}
			return a.passwd(f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.passFile, "passphrase-file", "", "file whose first line is the old passphrase")
	flags.StringVar(&f.newFile, "new-passphrase-file", "", "file whose first line is the new passphrase")
	flags.BoolVar(&f.remove, "remove", false, "keep the account key without a passphrase")
	flags.BoolVar(&f.keyring, "keyring", false, "keep a random passphrase in the keyring of the operating system")
	flags.BoolVar(&f.noKeyring, "no-keyring", false, "take the passphrase out of the keyring")
	return cmd
}

// protection is how the account key is kept.
type protection struct {
	Protected bool `json:"protected"`
	Keyring   bool `json:"keyring"`
}

// passwd changes how the account key is kept.
func (a *app) passwd(f passwdFlags) error {
	protected, err := identity.Protected(a.home)
	if err != nil {
		return a.noAccount(err, "there is no passphrase to set here")
	}
	entry, held := keyringEntry(a.home)
	if f.noKeyring && !held {
		return fail("the passphrase is not in the keyring", "`kith passwd` changes it, `kith passwd --remove` removes it")
	}
	if f.remove && !protected {
		return a.passwdDone(protection{}, "The account key has no passphrase already.")
	}
	var word []byte // what opens the account key now
	address, err := a.verify(homePass(f.passFile), &word)
	if err != nil {
		return err
	}
	defer func() { clear(word) }()
	if f.keyring {
		return a.moveToKeyring(entryName(address, a.home), entry, word)
	}
	var chosen []byte
	if !f.remove {
		if chosen, err = a.newPassphrase(source{f.newFile, "--new-passphrase-file", "", "New passphrase: ", false}); err != nil {
			return err
		}
		defer clear(chosen)
	}
	if err := a.rekey(word, chosen); err != nil {
		return err
	}
	if held {
		if err := leaveKeyring(a.home, entry); err != nil {
			return err
		}
	}
	if f.remove {
		return a.passwdDone(protection{}, "The account key has no passphrase any more: whoever reads %s is you.", a.home)
	}
	return a.passwdDone(protection{Protected: true}, "The account key is under the new passphrase. `kith up` asks for it from now on.")
}

// verify opens the identity and remembers the passphrase that did it, nil if
// none was needed. The caller clears it.
func (a *app) verify(s source, word *[]byte) (address string, err error) {
	err = a.unlock(s, func(pass func() ([]byte, error)) error {
		keys, err := identity.Open(a.home, func() ([]byte, error) {
			given, err := pass()
			clear(*word)
			*word = bytes.Clone(given)
			return given, err
		})
		if err != nil {
			return err
		}
		address = keys.Address().String()
		keys.Close()
		return nil
	})
	if err != nil {
		clear(*word)
		return "", a.unopened(err)
	}
	return address, nil
}

// rekey puts the account key under another passphrase.
func (a *app) rekey(old, chosen []byte) error {
	return identity.SetPassphrase(a.home, func() ([]byte, error) { return bytes.Clone(old), nil }, chosen)
}

// moveToKeyring puts the account key under a random passphrase in the keyring.
// The entry that is in use, if any, stays until the key is under the new one;
// that is why it is not used again.
func (a *app) moveToKeyring(entry, used string, word []byte) error {
	if used != "" {
		kept, err := fromKeyring(used)
		same := err == nil && bytes.Equal(kept, word)
		clear(kept)
		if same {
			return a.passwdDone(protection{true, true}, "The passphrase is in the keyring already.")
		}
	}
	chosen, err := intoKeyring(a.home, entry)
	if broken, ok := errors.AsType[*keyringError](err); ok {
		return fail(broken.Error(),
			"`kith passwd` sets a passphrase of your own; a keyring needs a graphical session, or gnome-keyring or the like in this one")
	}
	if err != nil {
		return err
	}
	defer clear(chosen)
	if err := a.rekey(word, chosen); err != nil {
		return errors.Join(err, leaveKeyring(a.home, entry))
	}
	return a.passwdDone(protection{true, true}, "The account key is under a random passphrase in the keyring; `kith up` asks there from now on.")
}

func (a *app) passwdDone(p protection, format string, args ...any) error {
	if a.json {
		return a.show(p, nil)
	}
	a.say(format, args...)
	return nil
}

// noAccount says what a person can do about a home without the account key.
func (a *app) noAccount(err error, so string) error {
	switch {
	case errors.Is(err, identity.ErrNotAdministrator):
		return fail("this device does not hold the account key: "+so, "do it on a device that administers; `kith devices` shows which")
	case errors.Is(err, fs.ErrNotExist):
		return a.unopened(err)
	}
	return err
}
