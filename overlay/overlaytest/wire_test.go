package overlaytest

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Fixed(30 * time.Millisecond))
		n.HostAt("a", netip.MustParseAddr("10.0.0.1"))
		n.HostAt("b", netip.MustParseAddr("10.0.0.2"))
		a, b := newWires(n, netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2"))
		read := func(want string, after time.Duration) {
			t.Helper()
			began := time.Now()
			buf := make([]byte, len(want))
			if _, err := io.ReadFull(b, buf); err != nil || string(buf) != want || time.Since(began) != after {
				t.Errorf("read %q, %v after %v, want %q after %v", buf, err, time.Since(began), want, after)
			}
		}
		a.Write([]byte("one"))
		read("one", 30*time.Millisecond)

		n.Cut("a", "b")
		a.Write([]byte("two"))
		time.AfterFunc(time.Second, func() {
			n.Heal("a", "b")
			a.Write([]byte("three"))
		})
		read("twothree", 1030*time.Millisecond)

		b.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after the deadline: %v", err)
		}
		b.SetReadDeadline(time.Time{})

		a.Write([]byte("last"))
		a.Close()
		read("last", 30*time.Millisecond)
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read after close: %v", err)
		}

		c, d := newWires(n, netip.MustParseAddrPort("10.0.0.1:3"), netip.MustParseAddrPort("10.0.0.2:4"))
		n.Kill("a")
		c.Write([]byte("lost"))
		c.Close()
		d.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read from the dead: %v", err)
		}
		if got := n.Counters().Bytes; got != 19 {
			t.Errorf("%d octets counted", got)
		}
	})
}
