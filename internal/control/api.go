package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// reply is a JSON answer.
type reply[T any] struct{ Body T }

// nothing is the empty request.
type nothing struct{}

// whom is a request about one person.
type whom struct {
	Who string `path:"who" doc:"petname, its unique beginning, LOCAL@DOMAIN, or an im: or pres: URI" maxLength:"1024"`
}

// OpenAPI returns the description of the API as JSON.
func OpenAPI(version string) ([]byte, error) {
	s := &Server{cfg: Config{Version: version}}
	doc, err := json.MarshalIndent(s.register(http.NewServeMux()).OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	return append(doc, '\n'), nil
}

// register puts all operations on mux.
func (s *Server) register(mux *http.ServeMux) huma.API {
	config := huma.DefaultConfig("kith", s.cfg.Version)
	config.Info.Description = "The local API of a running kith node, on the unix socket " + SocketName + " in its home directory."
	config.DocsPath = ""     // its page loads scripts from elsewhere
	config.SchemasPath = ""  // and no links to schemas
	config.CreateHooks = nil // in answers
	config.Transformers = []huma.Transformer{asProblem}
	api := humago.New(mux, config)
	s.registerMe(api)
	s.registerContacts(api)
	s.registerRequests(api)
	s.registerDevices(api)
	s.registerTrust(api)
	s.registerRecords(api)
	s.registerMessages(api)
	s.registerNetwork(api)
	s.registerEvents(api)
	s.registerSnapshot(api)
	delete(api.OpenAPI().Components.Schemas.Map(), "ErrorModel")
	delete(api.OpenAPI().Components.Schemas.Map(), "ErrorDetail")
	return api
}

// operation describes one call; summary is also its documentation.
func operation(api huma.API, id, method, path, summary string) huma.Operation {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		MaxBodyBytes:                 maxBody,
		BodyReadTimeout:              -1, // else its deadline would end calls that wait
		RejectUnknownQueryParameters: true,
		Responses: map[string]*huma.Response{"default": {
			Description: "Problem (RFC 9457)",
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}},
	}
}

// find says who is meant.
func (s *Server) find(who string) (identity.Address, error) {
	a, err := s.cfg.Node.Find(who)
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, node.ErrNotFound):
		return a, newProblem(http.StatusNotFound, CodeNotFound, fmt.Sprintf("nobody is called %q", who), "")
	case strings.Contains(who, "@"):
		return a, badInput(err.Error(), "an address is LOCAL@DOMAIN")
	}
	return a, problem(err)
}

func (s *Server) registerMe(api huma.API) {
	huma.Register(api, operation(api, "get-me", http.MethodGet, "/v1/me", "My address, invitation and node"),
		func(ctx context.Context, _ *nothing) (*reply[Me], error) {
			n := s.cfg.Node
			inv := n.Invitation()
			return &reply[Me]{Me{
				Address: n.Address().String(), IM: n.Address().IM(), Pres: n.Address().Pres(),
				Device: n.Device().String(), Invitation: inv.String(), Reach: noNil(s.cfg.Net.Status().Listen),
				Home: s.cfg.Home, Version: s.cfg.Version, Started: utc(s.started), Status: StatusOf(n.Status()),
			}}, nil
		})
	huma.Register(api, operation(api, "get-status", http.MethodGet, "/v1/status", "What I show"),
		func(ctx context.Context, _ *nothing) (*reply[Status], error) {
			return &reply[Status]{StatusOf(s.cfg.Node.Status())}, nil
		})
	huma.Register(api, operation(api, "set-status", http.MethodPut, "/v1/status", "Show something else; without a note, the note is cleared"),
		s.setStatus)
}

// statusInput is what set-status takes.
type statusInput struct {
	Body struct {
		Show  string `json:"show" enum:"open,away,busy,dnd,closed,invisible"`
		Note  string `json:"note,omitempty" maxLength:"256"`
		Until string `json:"until,omitempty" format:"date-time" doc:"when it turns back to open"`
	}
}

func (s *Server) registerNetwork(api huma.API) {
	huma.Register(api, operation(api, "get-network", http.MethodGet, "/v1/network", "The overlay as this node sees it"),
		func(ctx context.Context, _ *nothing) (*reply[Network], error) {
			return &reply[Network]{s.cfg.Net.Status()}, nil
		})
	huma.Register(api, operation(api, "lookup", http.MethodGet, "/v1/lookup/{who}", "What the DHT says of an address, verified; takes up to 10 s"),
		s.lookup)
}

func (s *Server) lookup(ctx context.Context, in *whom) (*reply[Lookup], error) {
	who, err := s.find(in.Who)
	if err != nil {
		return nil, err
	}
	l, err := s.cfg.Net.Lookup(ctx, who)
	if err != nil {
		return nil, problem(err)
	}
	return &reply[Lookup]{l}, nil
}
