package overlay

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libp2p/go-libp2p/core/peer"
)

func seen(t testing.TB, n int, at time.Time) (list []seenPeer) {
	for i := range n {
		raw := append([]byte{0, 36, 8, 1, 18, 32}, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 16)...)
		list = append(list, seenPeer{peer.ID(raw), at, addresses(t, fmt.Sprintf("/ip4/8.8.%d.%d/tcp/4001", i>>8, i&255))})
	}
	return list
}

func TestPeersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers")
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	p, err := openPeers(path)
	if err != nil {
		t.Fatal(err)
	}
	p.see(seen(t, 250, now.Add(-time.Hour)), now)
	if got := len(p.newest(1000)); got != peersLimit {
		t.Errorf("%d peers kept, want %d", got, peersLimit)
	}
	latest := seen(t, 240, now)[230:]
	p.see(latest, now)
	if err := p.save(); err != nil {
		t.Fatal(err)
	}
	again, err := openPeers(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.newest(1000), again.newest(1000)); diff != "" {
		t.Errorf("read back: %s", diff)
	}
	if got := again.newest(1); got[0].ID != latest[0].ID {
		t.Errorf("first: got %v, want %v", got[0].ID, latest[0].ID)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	p.see(nil, now.Add(100*24*time.Hour))
	if got := len(p.newest(1000)); got != 0 {
		t.Errorf("%d peers kept for 100 days", got)
	}
}

func FuzzParsePeers(f *testing.F) {
	b, err := marshalPeers(seen(f, 3, time.Unix(1, 0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{}\nnull\n[]\n{\"id\":\"x\"}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := parsePeers(b)
		out, err := marshalPeers(list)
		if err != nil {
			return // years that JSON cannot say
		}
		if again := parsePeers(out); len(again) != len(list) {
			t.Errorf("%d peers became %d", len(list), len(again))
		}
	})
}
