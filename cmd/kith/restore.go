package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/identity"
)

// restoreFlags are the flags of kith restore.
type restoreFlags struct {
	words                string // whose
	passFile, backupFile string
	ask, keepOld, check  bool
}

func (a *app) restoreCommand() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore FILE | --words LOCAL[@DOMAIN]",
		Short: "Make me again, of a backup or of the recovery words",
		Long: `Make me again, of a backup or of the recovery words, in an empty home directory.

It makes a new device of yours, with keys of its own: same address, same account key.
Your contacts see you there without doing anything. kith up starts it.

Of a backup you also get contacts, rules, messages and settings as they were then, and the
device that made the backup is revoked when the new one starts: it was lost, was it not?
With --keep-old both stay. --check only tries whether FILE is whole and its passphrase right.

With --words the 24 words of kith recovery are read from the terminal or from standard
input; numbers and line ends among them do no harm. Contacts and messages are not in them.

The backup's passphrase is asked for, or taken from --backup-passphrase-file or
$KITH_BACKUP_PASSPHRASE. The account key gets the passphrase in --passphrase-file or
$KITH_PASSPHRASE, or with --passphrase one that is asked for; else that of the backup, if
it had one before, or none.`,
		Example: "  kith restore alice.kith\n  kith restore --check /media/stick/alice.kith\n  kith restore --keep-old alice.kith --home ~/second\n  kith restore --words alice\n  kith restore --words alice --passphrase < words.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed("words") && len(args) > 0:
				return misuse("the words are not given as arguments, where other users of this machine can read them", "type them when asked, or give them on standard input")
			case cmd.Flags().Changed("words") && (f.keepOld || f.check || f.backupFile != ""):
				return misuse("--keep-old, --check and --backup-passphrase-file go with a backup, not with --words", "")
			case cmd.Flags().Changed("words"):
				return a.restoreWords(cmd.Context(), f)
			case len(args) != 1:
				return misuse("name one backup file, or --words LOCAL", "`kith restore --help` shows examples of both")
			case f.check:
				return a.checkBackup(cmd.Context(), args[0], f)
			}
			return a.restore(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.words, "words", "", "the local part of my address, or all of it: make me of the recovery words")
	flags.StringVar(&f.passFile, "passphrase-file", "", "file whose first line becomes the passphrase of the account key")
	flags.StringVar(&f.backupFile, "backup-passphrase-file", "", "file whose first line is the passphrase of the backup")
	flags.BoolVar(&f.ask, "passphrase", false, "ask for a passphrase for the account key")
	flags.BoolVar(&f.keepOld, "keep-old", false, "do not revoke the device that made the backup")
	flags.BoolVar(&f.check, "check", false, "only try to read the backup; nothing is changed")
	return cmd
}

// restored is the output of kith restore --json.
type restored struct {
	Home    string     `json:"home,omitempty"`
	Address string     `json:"address"`
	Device  string     `json:"device,omitempty"`  // the new one
	From    string     `json:"from,omitempty"`    // the one that made the backup
	Made    *time.Time `json:"made,omitempty"`    // the backup
	Revokes bool       `json:"revokes,omitempty"` // the new one revokes the old one
}

// opened is an open backup file with the passphrase that opened it.
type opened struct {
	*identity.Backup
	pass []byte
	file *os.File
	size int64
}

func (o *opened) close() {
	clear(o.pass)
	o.Backup.Close()
	o.file.Close()
}

// openBackup opens a backup file; on a terminal the passphrase may be mistyped.
func (a *app) openBackup(path string, s source) (*opened, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(path + " is no file")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	o := &opened{file: file, size: info.Size()}
	word, given, err := s.given()
	for left := tries; err == nil && o.Backup == nil; left-- {
		if !given && !terminal(a.in) {
			err = fail("the backup is under a passphrase", s.elsewhere())
			break
		}
		if !given {
			if word, err = a.prompt(s.prompt); err != nil {
				break
			}
		}
		if o.Backup, err = identity.ReadBackup(file, word); err == nil {
			o.pass = word
			break
		}
		clear(word)
		if !errors.Is(err, identity.ErrPassphrase) {
			break
		}
		if given || left == 1 {
			err = fail("wrong passphrase", "it is the one that was chosen for the backup, not that of the account key")
			break
		}
		fmt.Fprintln(a.err, "That is not the passphrase of the backup.")
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return o, nil
}

// checkBackup reads a backup to its end.
func (a *app) checkBackup(ctx context.Context, path string, f restoreFlags) error {
	o, err := a.openBackup(path, backupPass(f.backupFile))
	if err != nil {
		return err
	}
	defer o.close()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	m := a.meter(ctx, "Reading", o.size)
	defer m.end()
	if err := eachPart(o.Backup, func(p identity.Part) error {
		_, err := io.Copy(m, p.Data)
		return err
	}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.end()
	return a.show(restored{Address: o.Address.String(), From: o.Device.String(), Made: &o.Made}, func(w io.Writer, s style) {
		fmt.Fprintf(w, "%s is a whole backup of %s, made %s by device %s.\n",
			typed(path), s.bold(o.Address.Short()), day(time.Now(), o.Made), o.Device.Short())
	})
}

// eachPart reads all parts of a backup, of which the store must be there.
func eachPart(b *identity.Backup, f func(identity.Part) error) error {
	found := false
	for {
		p, err := b.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = f(p)
		}
		if err != nil {
			return err
		}
		found = found || p.Name == identity.BackupStore
	}
	if !found {
		return errors.New("the backup holds no store")
	}
	return nil
}

// restore makes a home directory of a backup.
func (a *app) restore(ctx context.Context, path string, f restoreFlags) error {
	h, err := a.emptyHome()
	if err != nil {
		return err
	}
	o, err := a.openBackup(path, backupPass(f.backupFile))
	if err != nil {
		return err
	}
	defer o.close()
	pass, err := a.firstPassphrase(newHomePass(f.passFile), f.ask)
	if err != nil {
		return err
	}
	inherited := pass == nil && o.Protected
	if inherited {
		pass = bytes.Clone(o.pass)
	}
	defer clear(pass)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	m := a.meter(ctx, "Reading", o.size)
	device, err := h.fill(ctx, o.Backup, pass, time.Now(), !f.keepOld, m)
	m.end()
	if err != nil {
		return a.restoreFailed(ctx, h, err)
	}
	done := restored{a.home, o.Address.String(), device.String(), o.Device.String(), &o.Made, !f.keepOld}
	return a.show(done, func(w io.Writer, s style) {
		if a.quiet {
			return
		}
		fmt.Fprintf(w, "%s is in %s again, as of %s.\n", s.bold(o.Address.Short()), typed(a.home), day(time.Now(), o.Made))
		if f.keepOld {
			fmt.Fprintf(w, "This is the new device %s; %s, which made the backup, stays yours too.\n", device.Short(), o.Device.Short())
		} else {
			fmt.Fprintf(w, "This is the new device %s; %s, which made the backup, is revoked at the first start.\n", device.Short(), o.Device.Short())
		}
		if inherited {
			fmt.Fprintln(w, "The account key is under the passphrase of the backup; `kith passwd` changes it.")
		}
		fmt.Fprintln(w, "Start it with:  kith up")
	})
}

// newHomePass is the source of the passphrase of an account key that is made anew.
func newHomePass(file string) source {
	return source{file, "--passphrase-file", "KITH_PASSPHRASE", "New passphrase of the account key: ", false}
}

// restoreFailed removes what a restore has made, and says why it failed.
func (a *app) restoreFailed(ctx context.Context, h home, err error) error {
	if ctx.Err() != nil {
		err = fail("given up", "nothing was restored")
	}
	return errors.Join(err, h.abandon())
}

// restoreWords makes a home directory of the recovery words.
func (a *app) restoreWords(ctx context.Context, f restoreFlags) error {
	h, err := a.emptyHome()
	if err != nil {
		return err
	}
	if f.words == "" {
		return misuse("--words needs the local part of the address", "in alice@k51…kith.alt it is alice")
	}
	seed, err := a.readWords()
	if err != nil {
		return err
	}
	defer clear(seed)
	pass, err := a.firstPassphrase(newHomePass(f.passFile), f.ask)
	if err != nil {
		return err
	}
	defer clear(pass)
	keys, err := h.recover(ctx, f.words, seed, pass, time.Now())
	if errors.Is(err, identity.ErrOtherDomain) {
		err = fail("these words are not the key of the domain in "+f.words,
			"either they are another account's, or the domain is somebody else's: what its holder certified is not in the words, so restore a backup, or be enrolled again with `kith domain enrol`")
	}
	if err != nil {
		return a.restoreFailed(ctx, h, err)
	}
	defer keys.Close()
	done := restored{Home: a.home, Address: keys.Address().String(), Device: keys.Device().String()}
	return a.show(done, func(w io.Writer, s style) {
		if a.quiet {
			return
		}
		fmt.Fprintf(w, "You are again\n\n    %s\n\nin %s, as the new device %s. Is that your address? If not, the local part was\nanother one: remove the directory and start again.\n", s.bold(keys.Address().String()), typed(a.home), keys.Device().Short())
		fmt.Fprintln(w, "Devices that you had stay yours: `kith devices` lists those that were found, and `kith revoke`\ntakes lost ones away.")
		fmt.Fprintln(w, "Start it with:  kith up")
	})
}

// readWords reads a recovery phrase, which the caller clears the seed of.
func (a *app) readWords() ([]byte, error) {
	if !terminal(a.in) {
		text, err := io.ReadAll(io.LimitReader(a.in, 64<<10))
		if err != nil {
			return nil, fmt.Errorf("read the words: %w", err)
		}
		defer clear(text)
		seed, err := identity.ParsePhrase(text)
		return seed, wrongWords(err)
	}
	fmt.Fprintln(a.err, "The 24 words, some in each line, in their order:")
	in := bufio.NewReader(a.in)
	var text []byte
	defer func() { clear(text) }()
	for count := 0; ; {
		fmt.Fprintf(a.err, "%4d. ", count+1)
		line, err := in.ReadBytes('\n')
		if err != nil || len(bytes.TrimSpace(line)) == 0 {
			fmt.Fprintln(a.err)
			return nil, fail("no words were given", "`kith recovery` shows them on a device that you still have")
		}
		longer := append(bytes.Clone(text), line...)
		clear(line)
		seed, err := identity.ParsePhrase(longer)
		if err == nil {
			clear(longer)
			return seed, nil
		}
		wrong, ok := errors.AsType[*identity.PhraseError](err)
		switch {
		case !ok:
			clear(longer)
			return nil, err
		case wrong.Wrong > 0:
			clear(longer)
			fmt.Fprintf(a.err, "%s That line again:\n", sentence(wrong.Why))
		case wrong.Words < 24:
			clear(text)
			text, count = longer, wrong.Words
		default:
			clear(longer)
			clear(text)
			text, count = nil, 0
			fmt.Fprintf(a.err, "%s\nAll of them again:\n", sentence(wrong.Why))
		}
	}
}

// sentence makes one of an error.
func sentence(s string) string {
	s = clean(s)
	if !strings.HasSuffix(s, "?") {
		s += "."
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// wrongWords says what is wrong with a recovery phrase.
func wrongWords(err error) error {
	if wrong, ok := errors.AsType[*identity.PhraseError](err); ok {
		return fail(wrong.Error(), "`kith recovery` shows the words on a device that you still have")
	}
	return err
}
