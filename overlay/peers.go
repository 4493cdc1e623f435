package overlay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Limits of the peers file.
const (
	peersLimit    = 200
	peerAddrs     = 4
	peersLine     = 4 << 10
	peersOctets   = peersLimit * peersLine
	peersPeriod   = 5 * time.Minute
	peersLongTime = 90 * 24 * time.Hour
)

// peers remembers devices seen with a kith protocol, newest first, as ways in
// after a restart.
type peers struct {
	path string // empty: in memory only

	mu   sync.Mutex
	list []seenPeer
}

type seenPeer struct {
	ID    peer.ID
	Seen  time.Time
	Addrs []ma.Multiaddr
}

// seenLine is a seenPeer as it is written: one line of JSON.
type seenLine struct {
	ID    string    `json:"id"`
	Seen  time.Time `json:"seen"`
	Addrs []string  `json:"addrs"`
}

func openPeers(path string) (*peers, error) {
	p := &peers{path: path}
	if path == "" {
		return p, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("peers file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, peersOctets))
	if err != nil {
		return nil, fmt.Errorf("peers file: %w", err)
	}
	p.list = parsePeers(b)
	return p, nil
}

// parsePeers reads what it can: a line that does not parse is one way in less.
func parsePeers(b []byte) []seenPeer {
	var list []seenPeer
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, peersLine)
	for lines.Scan() && len(list) < peersLimit {
		var l seenLine
		if json.Unmarshal(lines.Bytes(), &l) != nil || len(l.Addrs) == 0 || len(l.Addrs) > peerAddrs {
			continue
		}
		id, err := peer.Decode(l.ID)
		if err != nil || slices.ContainsFunc(list, func(s seenPeer) bool { return s.ID == id }) {
			continue
		}
		s := seenPeer{ID: id, Seen: l.Seen}
		for _, text := range l.Addrs {
			if a, err := ma.NewMultiaddr(text); err == nil {
				s.Addrs = append(s.Addrs, a)
			}
		}
		if len(s.Addrs) > 0 {
			list = append(list, s)
		}
	}
	return list
}

func marshalPeers(list []seenPeer) ([]byte, error) {
	var b bytes.Buffer
	for _, s := range list {
		line, err := json.Marshal(seenLine{s.ID.String(), s.Seen.UTC().Truncate(time.Second), texts(s.Addrs)})
		if err != nil {
			return nil, err
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes(), nil
}

// newest gives the n devices seen last.
func (p *peers) newest(n int) []peer.AddrInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	var infos []peer.AddrInfo
	for _, s := range p.list[:min(n, len(p.list))] {
		infos = append(infos, peer.AddrInfo{ID: s.ID, Addrs: s.Addrs})
	}
	return infos
}

// see puts devices at the head of the list and drops the oldest.
func (p *peers) see(seen []seenPeer, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := append(slices.Clone(seen), p.list...)
	kept := all[:0:0]
	known := make(map[peer.ID]bool)
	for _, s := range all {
		if !known[s.ID] && len(kept) < peersLimit && now.Sub(s.Seen) < peersLongTime {
			known[s.ID] = true
			kept = append(kept, s)
		}
	}
	p.list = kept
}

// save writes the file so that either the old or the new one is there.
func (p *peers) save() error {
	if p.path == "" {
		return nil
	}
	p.mu.Lock()
	b, err := marshalPeers(p.list)
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("peers file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(p.path), filepath.Base(p.path)+".*")
	if err != nil {
		return fmt.Errorf("peers file: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("peers file: %w", err)
	}
	return nil
}

// rememberPeers keeps the list and its file until ctx ends, and writes it then.
func (o *Overlay) rememberPeers(ctx context.Context) {
	tick := time.NewTicker(peersPeriod)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-tick.C:
		}
		o.peers.see(o.kithPeers(), time.Now())
		if err := o.peers.save(); err != nil {
			o.log.Warn("peers not remembered", "err", err)
		}
	}
}

// kithPeers is the devices connected now which speak a protocol of ours.
func (o *Overlay) kithPeers() []seenPeer {
	var seen []seenPeer
	for _, p := range o.host.Network().Peers() {
		ids, err := o.host.Peerstore().SupportsProtocols(p, imProtocol, lanPrefix+"/kad/1.0.0")
		if err != nil || len(ids) == 0 {
			continue
		}
		addrs := byUse(o.host.Peerstore().Addrs(p))
		addrs = slices.DeleteFunc(addrs, isCircuit)
		if len(addrs) > 0 {
			seen = append(seen, seenPeer{p, time.Now(), addrs[:min(len(addrs), peerAddrs)]})
		}
	}
	return seen
}
