package overlay_test

import (
	"github.com/kith-im/kith/node"
	"github.com/kith-im/kith/overlay"
)

// An overlay is a node's network, and a node an overlay's handler.
var (
	_ node.Network    = (*overlay.Overlay)(nil)
	_ overlay.Handler = (*node.Node)(nil)
)
