package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

type eventsInput struct {
	After uint64 `query:"after" doc:"resume after this event id; 0: from now on"`
	Last  uint64 `header:"Last-Event-ID" doc:"the same, as browsers say it"`
}

func (s *Server) registerEvents(api huma.API) {
	op := operation(api, "events", http.MethodGet, "/v1/events", "What happens, as server-sent events; data is an Event")
	op.Responses["200"] = &huma.Response{
		Description: "A stream of events: id, event (the kind) and data (an Event)",
		Content: map[string]*huma.MediaType{"text/event-stream": {
			Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Event](), true, "Event"),
		}},
	}
	huma.Register(api, op, func(_ context.Context, in *eventsInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			_, w := humago.Unwrap(hc)
			s.stream(hc.Context(), w, max(in.After, in.Last))
		}}, nil
	})
}

// stream writes events until the reader goes away, is too slow, or ctx ends.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, after uint64) {
	if after == 0 {
		after = s.cfg.Node.LastEvent() // what happens while the header travels is not lost
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	write := func(text string) bool {
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return false
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !write(fmt.Sprintf(": after %d\n\n", after)) {
		return
	}
	for e := range s.cfg.Node.Events(ctx, after) {
		data, err := json.Marshal(EventOf(s.cfg.Node, e))
		if err != nil {
			s.cfg.Log.Error("event cannot be written as JSON", "id", e.ID, "err", err)
			return
		}
		if !write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data)) {
			return
		}
	}
}
