package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// Device is one of the owner's devices.
type Device struct {
	ID      string    `json:"id" doc:"40 hexadecimal digits"`
	Name    string    `json:"name" doc:"the owner's name for it"`
	This    bool      `json:"this" doc:"the device that answers"`
	Account bool      `json:"account" doc:"it holds the account key: it can enrol and revoke devices, and cannot itself be revoked for good"`
	Scopes  []string  `json:"scopes" nullable:"false" doc:"publish, send, read, administer"`
	Added   time.Time `json:"added,omitzero"`
	Seen    time.Time `json:"seen,omitzero" doc:"when this device last heard from it; absent for this one"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// DeviceList is what list-devices gives.
type DeviceList struct {
	Devices  []Device  `json:"devices" nullable:"false" doc:"this one first, revoked ones last"`
	Revoked  bool      `json:"revoked" doc:"this device was revoked: it shows nothing and sends nothing any more"`
	Findable time.Time `json:"findable,omitzero" doc:"until when strangers find the owner by address alone, unless an administering device is on before"`
}

// LinkInput says what a new device may do.
type LinkInput struct {
	Name       string   `json:"name,omitempty" maxLength:"64" doc:"what to call it; absent: what it calls itself"`
	Scopes     []string `json:"scopes,omitempty" doc:"of publish, send, read; absent: all three"`
	Tuples     []string `json:"tuples,omitempty" maxItems:"16" doc:"the only presence tuples it may publish; absent: any"`
	Administer bool     `json:"administer,omitempty" doc:"hand the account key over"`
}

// LinkOffer is what the new device needs.
type LinkOffer struct {
	Code    string    `json:"code" doc:"for kith join on the new device; a secret"`
	Expires time.Time `json:"expires"`
}

// LinkState says how a link stands.
type LinkState struct {
	Stage  string `json:"stage" enum:"none,waiting,compare,agreed,done,refused,expired" doc:"compare: both devices show the digits, confirm or refuse; agreed: the new device has still to confirm"`
	Digits string `json:"digits,omitempty" doc:"both devices must show the same"`
	Name   string `json:"name,omitempty" doc:"what the new device calls itself"`
	Device string `json:"device,omitempty" doc:"its id, once it is linked"`
}

func (s *Server) registerDevices(api huma.API) {
	huma.Register(api, operation(api, "list-devices", http.MethodGet, "/v1/devices", "My devices"),
		func(context.Context, *nothing) (*reply[DeviceList], error) {
			return &reply[DeviceList]{s.devices()}, nil
		})
	huma.Register(api, operation(api, "rename-device", http.MethodPatch, "/v1/devices/{device}", "Call one of my devices something else"),
		func(ctx context.Context, in *struct {
			Device string `path:"device" maxLength:"64" doc:"id, its beginning, or name"`
			Body   struct {
				Name string `json:"name" minLength:"1" maxLength:"64"`
			}
		}) (*reply[Device], error) {
			d, err := s.device(in.Device)
			if err != nil {
				return nil, err
			}
			if err := s.cfg.Node.RenameDevice(ctx, d.ID, in.Body.Name); err != nil {
				return nil, problem(err)
			}
			d.Name = in.Body.Name
			return &reply[Device]{s.deviceOf(d)}, nil
		})
	huma.Register(api, operation(api, "revoke-device", http.MethodPost, "/v1/devices/{device}/revoke", "Take one of my devices out for good"),
		func(ctx context.Context, in *struct {
			Device string `path:"device" maxLength:"64" doc:"id, its beginning, or name"`
		}) (*reply[Device], error) {
			d, err := s.device(in.Device)
			if err != nil {
				return nil, err
			}
			if err := s.cfg.Node.Revoke(ctx, d.ID); err != nil {
				return nil, problem(err)
			}
			d.Revoked = time.Now()
			return &reply[Device]{s.deviceOf(d)}, nil
		})
	huma.Register(api, operation(api, "start-link", http.MethodPost, "/v1/link", "Offer to enrol another device, for ten minutes"), s.startLink)
	huma.Register(api, operation(api, "get-link", http.MethodGet, "/v1/link", "How the offer stands"),
		func(context.Context, *nothing) (*reply[LinkState], error) {
			return &reply[LinkState]{s.linkState()}, nil
		})
	huma.Register(api, operation(api, "confirm-link", http.MethodPost, "/v1/link/confirm", "Say whether both devices show the same digits"),
		func(ctx context.Context, in *struct {
			Body struct {
				Same bool `json:"same"`
			}
		}) (*reply[LinkState], error) {
			if err := s.cfg.Node.ConfirmLink(ctx, in.Body.Same); err != nil {
				return nil, problem(err)
			}
			return &reply[LinkState]{s.linkState()}, nil
		})
	huma.Register(api, operation(api, "cancel-link", http.MethodDelete, "/v1/link", "Take the offer back"),
		func(context.Context, *nothing) (*nothing, error) {
			s.cfg.Node.CancelLink()
			return nil, nil
		})
}

func (s *Server) startLink(ctx context.Context, in *struct{ Body LinkInput }) (*reply[LinkOffer], error) {
	p := identity.Permit{Tuples: in.Body.Tuples, Account: in.Body.Administer}
	words := in.Body.Scopes
	if len(words) == 0 {
		words = []string{"publish", "send", "read"}
	}
	for _, word := range words {
		scope, ok := scopeWords[word]
		if !ok {
			return nil, badInput(fmt.Sprintf("%q is not publish, send or read", word), "the account key is handed over with administer, which is a field of its own")
		}
		p.Scopes |= scope
	}
	offer, err := s.cfg.Node.StartLink(ctx, p, in.Body.Name)
	if errors.Is(err, identity.ErrNotAdministrator) {
		return nil, badInput(err.Error(), "run it on the device that made the identity, or on one linked with --administer")
	}
	if err != nil {
		return nil, problem(err)
	}
	return &reply[LinkOffer]{LinkOffer{offer.Code, utc(offer.Expires)}}, nil
}

func (s *Server) linkState() LinkState { return LinkStateOf(s.cfg.Node.Link()) }

// LinkStateOf is the JSON form of how a link stands.
func LinkStateOf(l node.LinkState) LinkState {
	w := LinkState{Stage: string(l.Stage), Digits: strings.Join(l.Digits, " "), Name: l.Name}
	if l.Device != (identity.DeviceID{}) {
		w.Device = l.Device.String()
	}
	return w
}

// scopeWords are the scopes that a linked device can be given.
var scopeWords = map[string]identity.Scopes{
	"publish": identity.ScopePublish, "send": identity.ScopeSend, "read": identity.ScopeRead,
}

func (s *Server) devices() DeviceList {
	n := s.cfg.Node
	l := DeviceList{Devices: []Device{}, Revoked: n.Revoked(), Findable: utc(n.CardUntil())}
	for _, d := range n.Devices() {
		l.Devices = append(l.Devices, s.deviceOf(d))
	}
	return l
}

func (s *Server) deviceOf(d node.OwnDevice) Device {
	w := Device{
		ID: d.ID.String(), Name: d.Name, This: d.This, Account: d.Account, Scopes: []string{},
		Added: utc(d.Added), Seen: utc(d.Seen), Revoked: utc(d.Revoked),
	}
	for _, word := range []string{"publish", "send", "read"} {
		if identity.Scopes(d.Scopes).Has(scopeWords[word]) {
			w.Scopes = append(w.Scopes, word)
		}
	}
	if identity.Scopes(d.Scopes).Has(identity.ScopeAdminister) {
		w.Scopes = append(w.Scopes, "administer")
	}
	return w
}

// device finds one of the owner's devices by its id, its name, or the beginning of
// either. Names are what devices say: one that is also another's, or the beginning
// of its id, decides nothing.
func (s *Server) device(which string) (node.OwnDevice, error) {
	return findDevice(s.cfg.Node.Devices(), which)
}

func findDevice(all []node.OwnDevice, which string) (node.OwnDevice, error) {
	which = strings.ToLower(which)
	var whole, begun []node.OwnDevice
	for _, d := range all {
		id, name := d.ID.String(), strings.ToLower(d.Name)
		switch {
		case id == which:
			return d, nil
		case name == which && which != "", len(which) >= 4 && strings.HasPrefix(id, which):
			whole = append(whole, d)
		case which != "" && strings.HasPrefix(name, which):
			begun = append(begun, d)
		}
	}
	found := whole
	if len(found) == 0 {
		found = begun
	}
	switch len(found) {
	case 0:
		return node.OwnDevice{}, newProblem(http.StatusNotFound, CodeNotFound, fmt.Sprintf("no device of yours is called %q", which), "`kith devices` lists them")
	case 1:
		return found[0], nil
	}
	return node.OwnDevice{}, newProblem(http.StatusConflict, CodeAmbiguous,
		fmt.Sprintf("%q could be %s %s or %s %s", which, found[0].Name, found[0].ID.Short(), found[1].Name, found[1].ID.Short()),
		"write more of the id: `kith devices`")
}
