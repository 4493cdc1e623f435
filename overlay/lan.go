package overlay

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// lanService is the mDNS service type. The instance name is random at each
// start; what is announced is the transport identity and its addresses.
const lanService = "_kith._udp"

// lanDials is how many found devices are dialled at once; others are found
// again.
const lanDials = 8

// discoverLAN announces this device on the local network and connects to those
// it finds, until ctx ends. Without multicast there is nobody to find.
func (o *Overlay) discoverLAN(ctx context.Context) {
	f := &finder{slots: make(chan struct{}, lanDials)}
	f.found = func(info peer.AddrInfo) {
		if err := o.connect(ctx, info); err != nil {
			o.log.Debug("LAN device not reached", "peer", short(info.ID), "err", err)
		}
	}
	service := mdns.NewMdnsService(o.host, lanService, f)
	if err := service.Start(); err != nil {
		o.log.Info("no LAN discovery", "err", err)
		return
	}
	<-ctx.Done()
	service.Close()
	f.running.Wait()
}

// finder takes what mDNS finds.
type finder struct {
	found   func(peer.AddrInfo)
	slots   chan struct{}
	running sync.WaitGroup
}

// HandlePeerFound implements mdns.Notifee.
func (f *finder) HandlePeerFound(info peer.AddrInfo) {
	select {
	case f.slots <- struct{}{}:
		f.running.Go(func() { // until the dial times out or ctx ends
			defer func() { <-f.slots }()
			f.found(info)
		})
	default:
	}
}
