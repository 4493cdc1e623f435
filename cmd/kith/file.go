package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// replaceFile writes a private file: after a crash the old one is there or the
// new one, whole.
func replaceFile(path string, data []byte) error {
	f, err := createBeside(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return putInPlace(f, path, err)
}

// beside is the name of a file that is to become path.
func beside(path string) string { return path + ".unfinished" }

// createBeside makes a private file that putInPlace makes path. What an
// interrupted one left is overwritten.
func createBeside(path string) (*os.File, error) {
	if err := os.Remove(beside(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(beside(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// putInPlace makes what was written last and moves it to path, unless there
// was an error: then nothing is left.
func putInPlace(f *os.File, path string, err error) error {
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(beside(path), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(beside(path)))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory last, where the system can: Windows
// does so by itself, and some file systems of memory sticks cannot.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}

// octets is a number of octets for people.
func octets(n int64) string {
	const step = 1000
	if n < step {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/step, 0
	for value >= 999.5 && unit < len("kMGTP")-1 {
		value /= step
		unit++
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %cB", value, "kMGTP"[unit])
	}
	return fmt.Sprintf("%.0f %cB", value, "kMGTP"[unit])
}

// meter counts what passes from a file to another one, ends with ctx, and
// shows how far it is on a terminal.
type meter struct {
	ctx   context.Context // of one command, like the meter itself
	to    io.Writer       // nil: nobody looks
	what  string
	total int64
	done  int64
	shown time.Time
}

// meter makes one for so many octets.
func (a *app) meter(ctx context.Context, what string, total int64) *meter {
	m := &meter{ctx: ctx, what: what, total: total, shown: time.Now()}
	if terminal(a.err) && !a.quiet && !a.json {
		m.to = a.err
	}
	return m
}

// Write counts octets.
func (m *meter) Write(b []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	m.done += int64(len(b))
	if now := time.Now(); m.to != nil && now.Sub(m.shown) > 200*time.Millisecond {
		m.shown = now
		fmt.Fprintf(m.to, "\r%s: %s of %s\x1b[K", m.what, octets(m.done), octets(max(m.done, m.total)))
	}
	return len(b), nil
}

// end wipes the line.
func (m *meter) end() {
	if m.to != nil {
		fmt.Fprint(m.to, "\r\x1b[K")
	}
}
