// Package control is the local API of a running node: HTTP and JSON on a unix
// socket that only its owner can open, described by an OpenAPI document, with
// live events as server-sent events that can be resumed.
//
// A program that runs a node calls [New], which listens, then
// [Server.Serve]. Everybody else calls [Dial] and uses the [Client]; bots in
// other languages read the result of [OpenAPI] and speak HTTP.
//
// The JSON types here are a stable contract of their own: names in snake case,
// times in RFC 3339 and UTC, people as "local@domain". What has no value is
// absent. Text that came from other people is passed on as it is; whoever
// shows it makes it harmless first.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// SocketName is the name of the socket in a node's home directory.
const SocketName = "kith.sock"

// maxSocketPath is what the smallest common sockaddr_un holds, less the final
// zero octet.
const maxSocketPath = 103

// Limits of the server. A request is read from the node's own owner, so they
// guard against accidents, not against enemies.
const (
	maxHeader     = 16 << 10
	maxBody       = 1 << 20
	headerTimeout = 10 * time.Second
	writeTimeout  = 10 * time.Second // of one event
	stopTimeout   = 3 * time.Second
)

// Net is what the API shows of the network below the node. All methods are
// safe for concurrent use.
type Net interface {
	// Status describes the network as it is now.
	Status() Network
	// Lookup asks everywhere for the card of an address, within 10 s, and
	// says what each place answered. Nobody there is not an error.
	Lookup(ctx context.Context, who identity.Address) (Lookup, error)
	// Put stores records of others in the DHT and says how many other devices
	// acknowledged the one that the fewest did.
	Put(ctx context.Context, records []identity.Record) (acks int, err error)
	// Describe names the network addresses in a reach.
	Describe(r identity.Reach) []string
}

// Config says what to serve. All fields but Log are needed.
type Config struct {
	Node    *node.Node
	Net     Net
	Home    string // the socket is made here; the directory is the owner's alone
	Version string // of the program
	Log     *slog.Logger

	// Snapshot copies the store to a new file; it may be called while the
	// node works.
	Snapshot func(ctx context.Context, path string) error
}

// Server serves the API of one node.
type Server struct {
	cfg     Config
	ln      net.Listener
	started time.Time
}

// New listens on the socket in cfg.Home. The socket of a dead process is
// replaced; that of a live one is left alone and an error says so. Nothing is
// answered before Serve. The caller calls Serve or Close.
func New(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ln, err := listen(filepath.Join(cfg.Home, SocketName))
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, ln: ln, started: time.Now()}, nil
}

// Close stops listening when Serve was never called.
func (s *Server) Close() error { return s.ln.Close() }

// Serve answers requests until ctx ends, then ends event streams, lets other
// requests finish for three seconds, and removes the socket.
func (s *Server) Serve(ctx context.Context) error {
	mux := http.NewServeMux()
	s.register(mux)
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s.ln) }() // ends by Shutdown or an error of the listener; waited for below
	select {
	case err := <-ended:
		return fmt.Errorf("serve the local API: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := srv.Shutdown(stop)
	if err != nil {
		err = srv.Close()
	}
	<-ended
	return err
}

// listen makes the socket, readable and writable by its owner alone.
func listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket path %s is longer than %d octets: use a shorter home directory", path, maxSocketPath)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another node answers on %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace the socket of a node that is gone: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for local commands: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("keep the socket private: %w", err)
	}
	return ln, nil
}
