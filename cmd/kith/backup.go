package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/node/store"
)

// backupPass is the source of the passphrase of a backup file.
func backupPass(file string) source {
	return source{file, "--backup-passphrase-file", "KITH_BACKUP_PASSPHRASE", "Passphrase of the backup: ", false}
}

func (a *app) backupCommand() *cobra.Command {
	var passFile, backupFile string
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write all that is mine to one encrypted file",
		Long: `Write all that is mine to one encrypted file: the account key, contacts, rules,
messages and settings. It works while the node runs, and does not disturb it.

The file is under a passphrase of its own. kith restore makes you again of both; without
the passphrase nobody can open the file, you included. The keys of this device are not in
it: who restores is a new device of yours, and this one is revoked then.

The passphrase is asked for, or taken from --backup-passphrase-file or
$KITH_BACKUP_PASSPHRASE; that of the account key, if it has one, is found as by kith up.
The file is an age file with a tar archive in it.`,
		Example: "  kith backup alice.kith\n  kith backup --force /media/stick/alice.kith\n  kith backup today.kith --backup-passphrase-file secret.txt --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backup(cmd.Context(), args[0], homePass(passFile), backupPass(backupFile), force)
		},
	}
	cmd.Flags().StringVar(&passFile, "passphrase-file", "", "file whose first line is the passphrase of the account key")
	cmd.Flags().StringVar(&backupFile, "backup-passphrase-file", "", "file whose first line is the passphrase for the backup")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "overwrite FILE")
	return cmd
}

// backedUp is the output of kith backup --json.
type backedUp struct {
	File    string    `json:"file"`
	Size    int64     `json:"size"`
	Address string    `json:"address"`
	Device  string    `json:"device"`
	Made    time.Time `json:"made"`
}

func (a *app) backup(ctx context.Context, file string, own, chosen source, force bool) error {
	if info, err := os.Lstat(file); err == nil && (!force || !info.Mode().IsRegular()) {
		return fail(file+" exists already", "choose another name, or overwrite a file with --force")
	}
	if _, err := identity.Protected(a.home); err != nil {
		return a.noAccount(err, "a backup made here could not make you again")
	}
	keys, err := a.keys(own)
	if err != nil {
		return err
	}
	defer keys.Close()
	pass, err := a.newPassphrase(chosen)
	if err != nil {
		return err
	}
	defer clear(pass)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	done := backedUp{File: file, Address: keys.Address().String(), Device: keys.Device().String(), Made: time.Now().UTC().Truncate(time.Second)}
	if done.Size, err = a.writeBackup(ctx, file, keys, pass, done.Made); err != nil {
		if ctx.Err() != nil {
			return fail("the backup was given up", "nothing was written")
		}
		return err
	}
	return a.show(done, func(w io.Writer, s style) {
		if a.quiet {
			return
		}
		fmt.Fprintf(w, "Backed up %s to %s (%s).\n", s.bold(keys.Address().Short()), typed(file), octets(done.Size))
		fmt.Fprintln(w, "It opens with its passphrase only: keep that, and elsewhere. `kith restore --check` tries both.")
	})
}

// writeBackup writes the file, whole or not at all, and returns its size.
func (a *app) writeBackup(ctx context.Context, file string, keys *identity.Keys, pass []byte, now time.Time) (int64, error) {
	snapshot, err := a.snapshot(ctx)
	if err != nil {
		return 0, err
	}
	defer os.Remove(snapshot) // else the next one does it, a day later
	var parts []identity.Part
	var total int64
	for _, p := range []struct{ name, path string }{
		{identity.BackupRules, filepath.Join(a.home, rulesFile)},
		{identity.BackupPeers, filepath.Join(a.home, peersFile)},
		{identity.BackupStore, snapshot},
	} {
		f, err := os.Open(p.path)
		if errors.Is(err, os.ErrNotExist) && p.path != snapshot {
			continue
		}
		if err != nil {
			return 0, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		total += info.Size()
		parts = append(parts, identity.Part{Name: p.name, Size: info.Size(), Data: io.LimitReader(f, info.Size())})
	}
	out, err := createBeside(file)
	if err != nil {
		return 0, fmt.Errorf("write the backup: %w", err)
	}
	m := a.meter(ctx, "Writing", total)
	err = keys.WriteBackup(io.MultiWriter(out, m), pass, "kith "+version(), now, parts...)
	m.end()
	if err := putInPlace(out, file, err); err != nil {
		return 0, fmt.Errorf("write the backup: %w", err)
	}
	return m.done, nil
}

// snapshot makes a copy of the store in the home directory, by the running
// node or without one. The caller deletes it.
func (a *app) snapshot(ctx context.Context) (string, error) {
	c := control.Dial(a.home)
	defer c.Close()
	path, err := c.Snapshot(ctx)
	if !errors.Is(err, control.ErrNoNode) {
		return path, err
	}
	s, err := store.Open(filepath.Join(a.home, storeFile))
	if errors.Is(err, store.ErrLocked) {
		return "", fail("the node on this home is just starting or ending", "try again in a moment")
	}
	if err != nil {
		return "", err
	}
	path = control.SnapshotPath(a.home)
	if err := errors.Join(s.Snapshot(ctx, path), s.Close()); err != nil {
		return "", err
	}
	return path, nil
}
