package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// AddInput says whom to add.
type AddInput struct {
	Invitation string `json:"invitation" doc:"link, or an address to be looked up in the DHT" maxLength:"4096"`
	Name       string `json:"name,omitempty" doc:"petname; absent: the local part of the address" maxLength:"256"`
	Note       string `json:"note,omitempty" doc:"greeting shown with the request" maxLength:"256"`
}

type contactList struct {
	Contacts []Contact `json:"contacts" nullable:"false" doc:"by name"`
}

type requestList struct {
	Requests []Request `json:"requests" nullable:"false" doc:"oldest first"`
}

type nameInput struct {
	Who  string `path:"who" maxLength:"1024"`
	Body struct {
		Name string `json:"name,omitempty" doc:"petname" maxLength:"256"`
	}
}

func (s *Server) setStatus(ctx context.Context, in *statusInput) (*reply[Status], error) {
	show, err := node.ParseShow(in.Body.Show)
	if err != nil {
		return nil, badInput(err.Error(), "one of open, away, busy, dnd, closed, invisible")
	}
	var until time.Time
	if in.Body.Until != "" {
		if until, err = time.Parse(time.RFC3339, in.Body.Until); err != nil {
			return nil, badInput("until: "+err.Error(), "write it as in 2026-11-20T18:00:00Z")
		}
	}
	if err := s.cfg.Node.SetStatus(ctx, show, in.Body.Note, until); err != nil {
		return nil, problem(err)
	}
	return &reply[Status]{StatusOf(s.cfg.Node.Status())}, nil
}

func (s *Server) registerContacts(api huma.API) {
	huma.Register(api, operation(api, "list-contacts", http.MethodGet, "/v1/contacts", "Contacts and what they show"),
		func(context.Context, *nothing) (*reply[contactList], error) {
			list := []Contact{}
			for _, v := range s.cfg.Node.Contacts() {
				list = append(list, ContactOf(v))
			}
			return &reply[contactList]{contactList{list}}, nil
		})
	huma.Register(api, operation(api, "add-contact", http.MethodPost, "/v1/contacts", "Add somebody and ask to watch them"), s.add)
	huma.Register(api, operation(api, "get-contact", http.MethodGet, "/v1/contacts/{who}", "One contact"),
		func(_ context.Context, in *whom) (*reply[Contact], error) {
			who, err := s.find(in.Who)
			if err != nil {
				return nil, err
			}
			return s.contact(who)
		})
	huma.Register(api, operation(api, "rename-contact", http.MethodPatch, "/v1/contacts/{who}", "Change a petname"),
		func(ctx context.Context, in *nameInput) (*reply[Contact], error) {
			who, err := s.find(in.Who)
			if err != nil {
				return nil, err
			}
			if err := s.cfg.Node.Rename(ctx, who, in.Body.Name); err != nil {
				return nil, problem(err)
			}
			return s.contact(who)
		})
	huma.Register(api, operation(api, "remove-contact", http.MethodDelete, "/v1/contacts/{who}", "Forget a contact; messages stay"),
		func(ctx context.Context, in *whom) (*nothing, error) {
			who, err := s.find(in.Who)
			if err != nil {
				return nil, err
			}
			return nil, problem(s.cfg.Node.Remove(ctx, who))
		})
	huma.Register(api, operation(api, "fetch-presence", http.MethodGet, "/v1/contacts/{who}/document", "The presence document, asked for now if they can be reached"), s.fetch)
}

// contact answers with one contact as it is now.
func (s *Server) contact(who identity.Address) (*reply[Contact], error) {
	v, err := s.cfg.Node.View(who)
	if err != nil {
		return nil, problem(err)
	}
	return &reply[Contact]{ContactOf(v)}, nil
}

func (s *Server) add(ctx context.Context, in *struct{ Body AddInput }) (*reply[Contact], error) {
	inv, err := identity.ParseInvitation(in.Body.Invitation)
	if err != nil {
		return nil, badInput(err.Error(), "the whole link is what `kith me` prints on their side")
	}
	if inv.Address == s.cfg.Node.Address() {
		return nil, badInput("this is your own address", "give your invitation to somebody else, and add theirs")
	}
	c, err := s.cfg.Node.Add(ctx, inv, in.Body.Name, in.Body.Note)
	if err != nil {
		return nil, problem(err)
	}
	return s.contact(c.Person)
}

func (s *Server) fetch(ctx context.Context, in *whom) (*reply[Document], error) {
	who, err := s.find(in.Who)
	if err != nil {
		return nil, err
	}
	f, err := s.cfg.Node.Fetch(ctx, who)
	if _, refused := errors.AsType[*node.RefusedError](err); refused || errors.Is(err, context.DeadlineExceeded) {
		return nil, problem(err)
	}
	if err != nil {
		return nil, newProblem(http.StatusNotFound, CodeNotFound, fmt.Sprintf("no presence document of %s: %v", s.cfg.Node.Name(who), err),
			"they may not have approved you, or not be reachable now: see `kith ls`")
	}
	return &reply[Document]{Document{
		Address: who.String(), Name: s.cfg.Node.Name(who), Device: f.Device.String(),
		Boot: f.Version.Boot, Seq: f.Version.Seq, SignedAt: utc(f.SignedAt), Fresh: f.Fresh, XML: string(f.Document),
	}}, nil
}

func (s *Server) registerRequests(api huma.API) {
	huma.Register(api, operation(api, "list-requests", http.MethodGet, "/v1/requests", "People who ask to watch me"),
		func(context.Context, *nothing) (*reply[requestList], error) {
			list := []Request{}
			for _, w := range s.cfg.Node.Requests() {
				list = append(list, RequestOf(s.cfg.Node, w))
			}
			return &reply[requestList]{requestList{list}}, nil
		})
	huma.Register(api, operation(api, "approve", http.MethodPost, "/v1/requests/{who}/approve", "Let somebody watch me, and watch them"),
		func(ctx context.Context, in *nameInput) (*reply[Contact], error) {
			who, err := s.find(in.Who)
			if err != nil {
				return nil, err
			}
			c, err := s.cfg.Node.Approve(ctx, who, in.Body.Name)
			if err != nil {
				return nil, problem(err)
			}
			return s.contact(c.Person)
		})
	huma.Register(api, operation(api, "deny", http.MethodPost, "/v1/requests/{who}/deny", "Refuse somebody who asks"),
		func(ctx context.Context, in *whom) (*nothing, error) {
			who, err := s.find(in.Who)
			if err != nil {
				return nil, err
			}
			return nil, problem(s.cfg.Node.Deny(ctx, who))
		})
}
