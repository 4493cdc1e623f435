package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/node/store"
	"github.com/kith-im/kith/overlay"
)

// Files in a home directory, beside the identity's own.
const (
	storeFile = "kith.db"
	peersFile = "peers"
	rulesFile = "rules"
	portFile  = "port"
)

// settings say what node to run.
type settings struct {
	home      string
	name      string                                              // local part of a new identity
	unlock    func(func(pass func() ([]byte, error)) error) error // tries passphrases on an existing identity; nil: there are none
	newPass   func() ([]byte, error)                              // asked for a new one; nil result: none
	listen    []string                                            // multiaddrs; empty: all interfaces, the port of last time
	bootstrap []string
	lan       bool
	dns       overlay.DNS
	public    bool
	lease     time.Duration
	thing     bool
	log       *slog.Logger
}

// instance is a node with all that it stands on.
type instance struct {
	store   *store.Store
	overlay *overlay.Overlay
	node    *node.Node
	server  *control.Server
	created bool   // the identity is new
	began   uint64 // the event before the first one
}

// open opens everything a node needs, lowest first. Nothing is sent or
// answered before run. The caller closes the instance, also after run.
func open(ctx context.Context, s settings) (*instance, error) {
	i := &instance{}
	if err := i.open(ctx, s); err != nil {
		return nil, errors.Join(err, i.close())
	}
	return i, nil
}

func (i *instance) open(ctx context.Context, s settings) error {
	if err := interrupted(s.home); err != nil {
		return err
	}
	if err := os.MkdirAll(s.home, 0o700); err != nil {
		return fmt.Errorf("make the home directory: %w", err)
	}
	if err := os.Chmod(s.home, 0o700); err != nil {
		return fmt.Errorf("keep the home directory private: %w", err)
	}
	var err error
	if i.store, err = store.Open(filepath.Join(s.home, storeFile)); err != nil {
		return err // it holds the lock on the home, too
	}
	keys, err := i.identity(s)
	if err != nil {
		return err
	}
	port := readPort(s.home)
	world := overlay.Config{
		Key: keys.TransportKey(), Port: port, Listen: s.listen, Bootstrap: s.bootstrap,
		PeersFile: filepath.Join(s.home, peersFile), LAN: s.lan, DNS: s.dns, Public: s.public, Log: s.log,
	}
	i.overlay, err = overlay.New(world)
	if err != nil && port != 0 && len(s.listen) == 0 {
		world.Port = 0 // somebody else has it now
		i.overlay, err = overlay.New(world)
	}
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := writePort(s.home, i.overlay.Port()); err != nil {
		return err
	}
	rules, err := readRules(s.home)
	if err != nil {
		return err
	}
	i.node, err = node.New(ctx, node.Config{
		Keys: keys, Network: i.overlay, Store: i.store, Rules: rules, Lease: s.lease, Thing: s.thing, Log: s.log,
	})
	if err != nil {
		return err
	}
	if nameless(i.node) {
		if err := i.node.RenameDevice(ctx, i.node.Device(), machineName()); err != nil {
			return err
		}
	}
	i.began = i.node.LastEvent()
	i.server, err = control.New(control.Config{
		Node: i.node, Net: outlook{i.overlay}, Home: s.home, Version: version(), Log: s.log, Snapshot: i.store.Snapshot,
	})
	return err
}

// nameless says whether the device has no name, nor a sibling that may know it.
func nameless(n *node.Node) bool {
	for _, d := range n.Devices() {
		if d.This && d.Name != "" || !d.This && d.Revoked.IsZero() {
			return false
		}
	}
	return !n.Revoked()
}

// identity opens the identity in the home directory, or makes one.
func (i *instance) identity(s settings) (*identity.Keys, error) {
	keys, err := i.existing(s)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if _, err := os.Stat(filepath.Join(s.home, "keys.requested")); err == nil {
		return nil, fail("this home waits for the holder of a domain to make you a member", "take what they gave you with `kith domain accept`, or name another home with --home")
	}
	pass, err := s.newPass()
	if err != nil {
		return nil, err
	}
	i.created = true
	return identity.Create(s.home, s.name, pass, time.Now())
}

// existing opens the identity that is there.
func (i *instance) existing(s settings) (keys *identity.Keys, err error) {
	if s.unlock == nil {
		return identity.Open(s.home, nil)
	}
	err = s.unlock(func(pass func() ([]byte, error)) error {
		keys, err = identity.Open(s.home, pass)
		return err
	})
	return keys, err
}

// run keeps the node going until ctx ends or a part of it fails. Then, if
// farewell is not zero, it calls leaving and says goodbye to those who watch,
// for at most so long; else it falls silent as if the machine had died.
func (i *instance) run(ctx context.Context, farewell time.Duration, leaving func()) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return i.overlay.Serve(ctx, i.node) },
		i.node.Run,
		i.server.Serve,
	}
	ended := make(chan error, 1)
	var wg sync.WaitGroup
	var first sync.Once
	for _, part := range parts {
		wg.Go(func() { // ends with inner
			err := part(inner)
			first.Do(func() { ended <- err })
		})
	}
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		if farewell > 0 {
			leaving()
			limited, done := context.WithTimeout(inner, farewell)
			err = i.node.Goodbye(limited)
			done()
		}
	}
	cancel()
	wg.Wait()
	return err
}

// close closes what open opened, highest first.
func (i *instance) close() error {
	var errs []error
	if i.server != nil {
		if err := i.server.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if i.overlay != nil {
		errs = append(errs, i.overlay.Close())
	}
	if i.store != nil {
		errs = append(errs, i.store.Close())
	}
	return errors.Join(errs...)
}

// readPort returns the port of last time, zero if there was none.
func readPort(home string) int {
	b, err := os.ReadFile(filepath.Join(home, portFile))
	if err != nil {
		return 0
	}
	port, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}

// writePort remembers the port, so that remembered addresses stay good.
func writePort(home string, port int) error {
	if port == 0 {
		return nil
	}
	if err := os.WriteFile(filepath.Join(home, portFile), fmt.Appendln(nil, port), 0o600); err != nil {
		return fmt.Errorf("remember the port: %w", err)
	}
	return nil
}

// outlook shows the network to the local API.
type outlook struct{ o *overlay.Overlay }

// Status implements control.Net.
func (v outlook) Status() control.Network {
	s := v.o.Status()
	return control.Network{
		Peer: s.PeerID, Listen: s.Reachable, Reachability: s.Reachability,
		Connected: s.Connected, LAN: s.LAN, WAN: s.WAN, Topics: s.Topics, Records: s.Records,
	}
}

// Describe implements control.Net.
func (v outlook) Describe(r identity.Reach) []string { return overlay.Describe(r) }

// Put implements control.Net.
func (v outlook) Put(ctx context.Context, records []identity.Record) (int, error) {
	return v.o.AnnounceRecords(ctx, records)
}

// placeName says where a probe asked.
func placeName(p overlay.Probe) string {
	switch {
	case p.Target != "":
		return "dns " + p.Target
	case p.Account:
		return fmt.Sprintf("%s slot %d of the account", p.Network, p.Slot)
	}
	return fmt.Sprintf("%s slot %d", p.Network, p.Slot)
}

// Lookup implements control.Net.
func (v outlook) Lookup(ctx context.Context, who identity.Address) (control.Lookup, error) {
	at := identity.Locator{Address: who}
	if _, ok := who.DomainKey(); !ok {
		key, found, err := v.o.DomainKey(ctx, who.Domain())
		if err != nil {
			return control.Lookup{}, fmt.Errorf("ask the DNS: %w", err)
		}
		if !found {
			return control.Lookup{Address: who.String(), Places: []control.Place{{Name: "dns", Detail: "the zone names no key"}}}, nil
		}
		at.Domain = key
	}
	r, err := v.o.Lookup(ctx, at)
	if err != nil {
		return control.Lookup{}, err
	}
	s := v.o.Status()
	l := control.Lookup{
		Address: who.String(), Found: r.Found,
		Card: control.CardOf(r.Card, v.Describe), Name: control.NameOf(r.Name), Places: []control.Place{},
	}
	for _, p := range r.Probes {
		place := control.Place{Name: placeName(p), Found: p.Found, Millis: p.Took.Milliseconds(), Detail: p.Error}
		switch {
		case p.Found && p.Name:
			place.Detail = fmt.Sprintf("name, serial %d", p.Serial)
		case p.Found:
			place.Detail = fmt.Sprintf("serial %d in %d octets", p.Serial, p.Size)
		case p.Network == "wan" && s.WAN == 0, p.Network == "lan" && s.LAN == 0:
			place.Detail = "no node there to ask"
		case p.Error == "":
			place.Detail = "no record"
		}
		l.Places = append(l.Places, place)
	}
	return l, nil
}
