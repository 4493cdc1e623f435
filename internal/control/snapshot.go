package control

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Names of snapshots in the home directory, and how long one is left to a
// client before the next call takes it for forgotten.
const (
	snapshotPrefix = "snapshot-"
	snapshotSuffix = ".db"
	snapshotAge    = 24 * time.Hour
)

// Snapshot is a copy of the node's store.
type Snapshot struct {
	Path string `json:"path" doc:"of the file, in the home directory; whoever asked for it deletes it"`
}

func (s *Server) registerSnapshot(api huma.API) {
	huma.Register(api, operation(api, "snapshot", http.MethodPost, "/v1/snapshot",
		"Copy the store, as it is at one moment, to a file in the home directory; takes as long as its size demands"),
		func(ctx context.Context, _ *nothing) (*reply[Snapshot], error) {
			path := SnapshotPath(s.cfg.Home)
			if err := s.cfg.Snapshot(ctx, path); err != nil {
				return nil, problem(err)
			}
			return &reply[Snapshot]{Snapshot{path}}, nil
		})
}

// SnapshotPath returns where in a home directory the next copy of its store
// goes, and deletes those that were forgotten there.
func SnapshotPath(home string) string {
	forget(home, time.Now().Add(-snapshotAge))
	return filepath.Join(home, snapshotPrefix+rand.Text()+snapshotSuffix)
}

// forget deletes snapshots written before a moment, with what SQLite keeps
// beside an unfinished one: those who asked for them died.
func forget(home string, before time.Time) {
	entries, err := os.ReadDir(home)
	if err != nil {
		return // whoever writes there next says so
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), "-journal")
		if !strings.HasPrefix(name, snapshotPrefix) || !strings.HasSuffix(name, snapshotSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			os.Remove(filepath.Join(home, e.Name())) // else the next call tries again
		}
	}
}

// Snapshot makes the node copy its store and returns the path of the copy,
// which the caller deletes.
func (c *Client) Snapshot(ctx context.Context) (string, error) {
	s, err := call[Snapshot](ctx, c, http.MethodPost, "/v1/snapshot", nil)
	return s.Path, err
}
