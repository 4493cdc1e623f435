package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// link makes a further device of the machine's owner.
func (m *machine) link(t *testing.T, name string) *machine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	offer := m.command(ctx, "--json", "link", "--yes", "--name", name)
	out, err := offer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := offer.Start(); err != nil {
		t.Fatal(err)
	}
	var line struct{ Code string }
	if err := json.NewDecoder(out).Decode(&line); err != nil {
		t.Fatal(err)
	}
	other := &machine{t: t, name: m.name, home: filepath.Join(t.TempDir(), name), flags: m.flags}
	t.Cleanup(func() {
		other.kill()
		if t.Failed() {
			t.Logf("%s's node said:\n%s", name, other.log.String())
		}
	})
	other.must("join", line.Code, "--yes", "--listen", "127.0.0.1:0", "--no-lan")
	if err := offer.Wait(); err != nil {
		t.Fatal(err)
	}
	other.up()
	return other
}

// TestDeviceKilledWhileMessagesCome has one of two devices die and return while
// somebody writes and both devices write back: in the end both have everything,
// once.
func TestDeviceKilledWhileMessagesCome(t *testing.T) {
	const count = 100
	flags := []string{"--listen", "127.0.0.1:0", "--no-lan"}
	bob := newMachine(t, "bob", "", flags...)
	laptop := newMachine(t, "alice", "", flags...)
	meet(t, bob, laptop)
	phone := laptop.link(t, "phone")
	phone.until(20*time.Second, "sees bob", func() bool { return phone.sees("bob", "open", "live") })

	want := make(map[string]bool)
	for k := range count {
		text := fmt.Sprintf("bob says %d", k)
		for !bob.send("alice", text) {
			pace()
		}
		want[text] = true
		switch k {
		case count / 4:
			phone.kill()
		case count / 2:
			phone.up()
		case 3 * count / 4:
			laptop.kill()
		case 7 * count / 8:
			laptop.up()
		}
	}
	phone.must("send", "bob", "from the phone")
	laptop.must("send", "bob", "from the laptop")
	for name, device := range map[string]*machine{"laptop": laptop, "phone": phone} {
		took := device.until(time.Minute, "everything", func() bool {
			got := received(t, device, "bob", count)
			return len(got) >= len(want)
		})
		for text, n := range received(t, device, "bob", count) {
			if n != 1 || !want[text] {
				t.Errorf("%s has %q %d times", name, text, n)
			}
		}
		device.until(20*time.Second, "what the other one sent", func() bool {
			sent := make(map[string]int)
			for _, m := range list[message](t, device.must("history", "bob", "--limit", "1000")) {
				if m.Direction == "out" && m.Status == "delivered" {
					sent[m.Text]++
				}
			}
			return sent["from the phone"] == 1 && sent["from the laptop"] == 1 && len(sent) == 2
		})
		t.Logf("%s has all %d messages once, %v after the end", name, count, took.Round(time.Millisecond))
	}
	got := received(t, bob, "alice", count)
	if got["from the phone"] != 1 || got["from the laptop"] != 1 {
		t.Errorf("bob has %v", got)
	}
}
