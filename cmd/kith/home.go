package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node/store"
)

// home is a home directory in the making. All is made under another name
// beside it, which is changed when it is whole: what a restore leaves that was
// killed is no home.
type home struct {
	path       string // not there, or an empty directory
	unfinished string
}

// unfinishedHome is the other name.
func unfinishedHome(path string) string { return filepath.Clean(path) + ".unfinished" }

// emptyHome finds where a home directory may be made.
func (a *app) emptyHome() (home, error) {
	path := a.home
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return home{path, unfinishedHome(path)}, nil
	case err != nil:
		return home{}, fmt.Errorf("look into the home directory: %w", err)
	case len(entries) == 0:
		return home{path, unfinishedHome(path)}, nil
	}
	var names []string
	for _, e := range entries {
		if e.Name() == "keys" {
			return home{}, fail("there is an identity in "+a.home+" already", "restore into another place with --home, or move that one away")
		}
		names = append(names, e.Name())
	}
	if len(names) > 3 {
		names = append(names[:3], "…")
	}
	return home{}, fail(a.home+" is not empty: it has "+strings.Join(names, ", "), "restore into another place with --home, or move that one away")
}

// begin makes the unfinished directory. One that a killed restore has left is
// deleted, unless it has something that no restore makes.
func (h home) begin() error {
	entries, err := os.ReadDir(h.unfinished)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made := []string{"keys", "keys.unfinished", rulesFile, peersFile}
	for _, e := range entries {
		if !slices.Contains(made, e.Name()) && !strings.HasPrefix(e.Name(), storeFile) {
			return fmt.Errorf("%s is in the way, and has %s", h.unfinished, e.Name())
		}
	}
	if err := os.RemoveAll(h.unfinished); err != nil {
		return err
	}
	return os.MkdirAll(h.unfinished, 0o700)
}

// abandon removes what was made so far.
func (h home) abandon() error { return os.RemoveAll(h.unfinished) }

// put writes one part of a backup.
func (h home) put(p identity.Part, m io.Writer) error {
	f, err := os.OpenFile(filepath.Join(h.unfinished, p.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.MultiWriter(f, m), p.Data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// finish gives the directory its name.
func (h home) finish() error {
	if err := syncDir(h.unfinished); err != nil {
		return err
	}
	if err := os.Remove(h.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // not empty any more, or where a file system begins
	}
	if err := os.Rename(h.unfinished, h.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(h.path))
}

// fill makes the home directory of a backup, and returns the new device.
func (h home) fill(ctx context.Context, b *identity.Backup, pass []byte, now time.Time, revoke bool, m io.Writer) (identity.DeviceID, error) {
	var device identity.DeviceID
	origin := store.Restored{From: b.Device, Revoke: revoke, At: now.UTC().Truncate(time.Millisecond)}
	for _, step := range h.steps(ctx, b, pass, origin, &device, m) {
		if err := step(); err != nil {
			return device, fmt.Errorf("restore: %w", err)
		}
	}
	return device, nil
}

// steps are those of fill. A kill between any two, or in one, leaves no home.
func (h home) steps(ctx context.Context, b *identity.Backup, pass []byte, origin store.Restored, device *identity.DeviceID, m io.Writer) []func() error {
	return []func() error{
		h.begin,
		func() error {
			return eachPart(b, func(p identity.Part) error { return h.put(p, m) })
		},
		func() error { return store.Reseed(ctx, filepath.Join(h.unfinished, storeFile), origin) },
		func() error {
			keys, err := identity.Restore(h.unfinished, b, pass, origin.At)
			if err != nil {
				return err
			}
			*device = keys.Device()
			keys.Close()
			return nil
		},
		h.finish,
	}
}

// recover makes a home directory of a seed, with an empty store whose counters
// are ahead of those of the devices of before.
func (h home) recover(ctx context.Context, who string, seed, pass []byte, now time.Time) (*identity.Keys, error) {
	if err := h.begin(); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	keys, err := identity.Recover(h.unfinished, who, seed, pass, now)
	if err != nil {
		return nil, err
	}
	err = store.Reseed(ctx, filepath.Join(h.unfinished, storeFile), store.Restored{At: now})
	if err == nil {
		err = h.finish()
	}
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return keys, nil
}

// interrupted tells of a restore that was killed: a node that makes a new identity
// instead would be somebody else.
func interrupted(path string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	_, identity := os.Lstat(filepath.Join(path, "keys"))
	if _, unfinished := os.Lstat(unfinishedHome(path)); identity == nil || unfinished != nil {
		return nil
	}
	return fail("restoring "+path+" was interrupted", "restore it again, or delete "+unfinishedHome(path)+" to begin with a new identity")
}
