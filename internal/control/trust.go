package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Verification is what two people compare to know that nobody is between them.
type Verification struct {
	Address  string    `json:"address"`
	Name     string    `json:"name"`
	Digits   []string  `json:"digits" nullable:"false" doc:"groups of five digits; both sides see the same"`
	Emoji    []string  `json:"emoji" nullable:"false" doc:"the same in pictures, shorter"`
	Words    []string  `json:"words" nullable:"false" doc:"names of the pictures"`
	Verified time.Time `json:"verified,omitzero" doc:"when the owner said that they are the same"`
	Changed  bool      `json:"changed" doc:"the key has changed since, and is not trusted yet"`
}

// InviteInput says what an invitation grants.
type InviteInput struct {
	Once    bool   `json:"once,omitempty" doc:"for one person"`
	Expires string `json:"expires,omitempty" doc:"how long it is good, as in 7d, 36h or 30m; absent: 30 days"`
	As      string `json:"as,omitempty" doc:"audience of those who come with it; absent: contacts"`
	Note    string `json:"note,omitempty" maxLength:"256" doc:"for the owner's own list"`
}

// Invite is an invitation with a token that grants approval in advance.
type Invite struct {
	ID       string    `json:"id" doc:"8 hexadecimal digits"`
	Link     string    `json:"link,omitempty" doc:"only when it is made: it is not kept"`
	As       string    `json:"as"`
	Note     string    `json:"note,omitempty"`
	Made     time.Time `json:"made"`
	Expires  time.Time `json:"expires,omitzero"`
	Once     bool      `json:"once"`
	State    string    `json:"state" enum:"open,used,expired,revoked"`
	Used     int       `json:"used" doc:"how often"`
	LastUsed time.Time `json:"last_used,omitzero"`
	UsedBy   string    `json:"used_by,omitempty" doc:"who used it last"`
}

// Introduction is somebody whom a contact introduces to the owner.
type Introduction struct {
	From    string `json:"from" doc:"who introduces"`
	By      string `json:"by" doc:"the owner's name for who introduces"`
	Address string `json:"address"`
	Name    string `json:"name" doc:"what who introduces calls them"`
	Link    string `json:"link" doc:"for add-contact"`
	Note    string `json:"note,omitempty"`
	Message int64  `json:"message" doc:"id of the message it came in"`
}

type inviteList struct {
	Invites []Invite `json:"invites" nullable:"false" doc:"oldest first"`
}

type introductionList struct {
	Introductions []Introduction `json:"introductions" nullable:"false" doc:"of people who are no contacts yet, oldest first"`
}

func (s *Server) registerTrust(api huma.API) {
	huma.Register(api, operation(api, "get-verification", http.MethodGet, "/v1/contacts/{who}/verification", "What to compare with a contact"),
		func(_ context.Context, in *whom) (*reply[Verification], error) { return s.verification(in.Who) })
	huma.Register(api, operation(api, "set-verified", http.MethodPut, "/v1/contacts/{who}/verification", "Say that a contact sees the same, or that it is not known"),
		func(ctx context.Context, in *struct {
			Who  string `path:"who" maxLength:"1024"`
			Body struct {
				Verified bool `json:"verified"`
			}
		}) (*reply[Verification], error) {
			who, err := s.find(in.Who)
			if err != nil {
				return nil, err
			}
			if err := s.cfg.Node.MarkVerified(ctx, who, in.Body.Verified); err != nil {
				return nil, problem(err)
			}
			return s.verification(in.Who)
		})
	huma.Register(api, operation(api, "trust-key", http.MethodPost, "/v1/contacts/{who}/trust", "Accept the changed key of a contact"),
		func(ctx context.Context, in *whom) (*reply[Contact], error) {
			who, err := s.find(in.Who)
			if err != nil {
				return nil, err
			}
			if err := s.cfg.Node.Trust(ctx, who); err != nil {
				return nil, problem(err)
			}
			return s.contact(who)
		})
	huma.Register(api, operation(api, "introduce", http.MethodPost, "/v1/introductions", "Send two contacts each other's card"), s.introduce)
	huma.Register(api, operation(api, "list-introductions", http.MethodGet, "/v1/introductions", "People whom contacts introduce to me"),
		func(ctx context.Context, _ *nothing) (*reply[introductionList], error) {
			list := []Introduction{}
			found, err := s.cfg.Node.Introductions(ctx)
			if err != nil {
				return nil, problem(err)
			}
			for _, i := range found {
				list = append(list, Introduction{
					From: i.From.String(), By: s.cfg.Node.Name(i.From), Address: i.Address.String(), Name: i.Name, Link: i.Link, Note: i.Note, Message: i.Message,
				})
			}
			return &reply[introductionList]{introductionList{list}}, nil
		})
	s.registerInvites(api)
}

func (s *Server) verification(name string) (*reply[Verification], error) {
	who, err := s.find(name)
	if err != nil {
		return nil, err
	}
	v, err := s.cfg.Node.Words(who)
	if err != nil {
		return nil, problem(err)
	}
	return &reply[Verification]{Verification{
		Address: who.String(), Name: s.cfg.Node.Name(who), Digits: noNil(v.Digits), Emoji: noNil(v.Emoji), Words: noNil(v.Names),
		Verified: utc(v.Verified), Changed: v.KeyChanged,
	}}, nil
}

func (s *Server) introduce(ctx context.Context, in *struct {
	Body struct {
		A    string `json:"a" maxLength:"1024" doc:"a contact"`
		B    string `json:"b" maxLength:"1024" doc:"another contact"`
		Note string `json:"note,omitempty" maxLength:"256" doc:"for both"`
	}
}) (*reply[messageList], error) {
	a, err := s.find(in.Body.A)
	if err != nil {
		return nil, err
	}
	b, err := s.find(in.Body.B)
	if err != nil {
		return nil, err
	}
	toA, toB, err := s.cfg.Node.Introduce(ctx, a, b, in.Body.Note)
	if err != nil {
		return nil, problem(err)
	}
	return &reply[messageList]{messageList{[]Message{MessageOf(s.cfg.Node, toA), MessageOf(s.cfg.Node, toB)}}}, nil
}

func (s *Server) registerInvites(api huma.API) {
	huma.Register(api, operation(api, "make-invite", http.MethodPost, "/v1/invites", "Make an invitation that grants approval in advance"),
		func(ctx context.Context, in *struct{ Body InviteInput }) (*reply[Invite], error) {
			o := node.InviteOptions{Once: in.Body.Once, As: in.Body.As, Note: in.Body.Note}
			if in.Body.Expires != "" {
				var err error
				if o.Expires, err = ParseSpan(in.Body.Expires); err != nil {
					return nil, badInput(err.Error(), "write it as in 7d, 36h or 30m")
				}
			}
			link, i, err := s.cfg.Node.Invite(ctx, o)
			if errors.Is(err, identity.ErrNotAdministrator) {
				return nil, badInput(err.Error(), "make it on a device that does; `kith me` shows an invitation without a token")
			}
			if err != nil {
				return nil, problem(err)
			}
			w := InviteOf(i, time.Now())
			w.Link = link
			return &reply[Invite]{w}, nil
		})
	huma.Register(api, operation(api, "list-invites", http.MethodGet, "/v1/invites", "Invitations with a token"),
		func(ctx context.Context, _ *nothing) (*reply[inviteList], error) {
			list := []Invite{}
			all, err := s.cfg.Node.Invites(ctx)
			if err != nil {
				return nil, problem(err)
			}
			for _, i := range all {
				list = append(list, InviteOf(i, time.Now()))
			}
			return &reply[inviteList]{inviteList{list}}, nil
		})
	huma.Register(api, operation(api, "revoke-invite", http.MethodDelete, "/v1/invites/{id}", "Take an invitation back; whom it let in stays"),
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64" doc:"its id or the beginning of it"`
		}) (*reply[Invite], error) {
			i, err := s.cfg.Node.RevokeInvite(ctx, in.ID)
			if err != nil {
				return nil, problem(err)
			}
			return &reply[Invite]{InviteOf(i, time.Now())}, nil
		})
}

// InviteOf is the JSON form of an invitation.
func InviteOf(i node.Invite, now time.Time) Invite {
	w := Invite{
		ID: i.ID(), As: cmp.Or(i.As, "contacts"), Note: i.Note, Made: utc(i.Made), Expires: utc(i.Expires), Once: i.Once, State: "open",
		Used: i.Used, LastUsed: utc(i.LastUsed), UsedBy: i.UsedBy.String(),
	}
	switch {
	case i.Revoked:
		w.State = "revoked"
	case i.Once && i.Used > 0:
		w.State = "used"
	case !i.Expires.IsZero() && now.After(i.Expires):
		w.State = "expired"
	}
	return w
}

// ParseSpan reads a span of time as people write it: what Go takes, and whole days
// as in 7d.
func ParseSpan(s string) (time.Duration, error) {
	var days int
	if n, err := fmt.Sscanf(s, "%dd", &days); n == 1 && err == nil && fmt.Sprintf("%dd", days) == s && days > 0 && days <= 3660 {
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no span of time", s)
	}
	return d, nil
}
