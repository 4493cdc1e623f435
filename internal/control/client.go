package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoNode says that no node runs on a home directory.
var ErrNoNode = errors.New("no node runs on this home")

// maxAnswer bounds an answer of the node, in octets: 10000 messages fit.
const maxAnswer = 64 << 20

// Client calls the API of the node that runs on a home directory. Its methods
// return ErrNoNode if there is none, and a [*Problem] if the node says no.
type Client struct {
	http *http.Client
}

// Dial returns a client of the node on home. It does not connect yet.
func Dial(home string) *Client {
	path := filepath.Join(home, SocketName)
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Me returns who the node is.
func (c *Client) Me(ctx context.Context) (Me, error) { return get[Me](ctx, c, "/v1/me", nil) }

// Status returns what the owner shows.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/v1/status", nil)
}

// SetStatus shows something else, until a time if that is not zero.
func (c *Client) SetStatus(ctx context.Context, show, note string, until time.Time) (Status, error) {
	in := map[string]any{"show": show, "note": note}
	if !until.IsZero() {
		in["until"] = until
	}
	return call[Status](ctx, c, http.MethodPut, "/v1/status", in)
}

// Contacts returns all contacts, by name.
func (c *Client) Contacts(ctx context.Context) ([]Contact, error) {
	l, err := get[contactList](ctx, c, "/v1/contacts", nil)
	return l.Contacts, err
}

// Add adds somebody by invitation or address.
func (c *Client) Add(ctx context.Context, in AddInput) (Contact, error) {
	return call[Contact](ctx, c, http.MethodPost, "/v1/contacts", in)
}

// Contact returns one contact.
func (c *Client) Contact(ctx context.Context, who string) (Contact, error) {
	return get[Contact](ctx, c, path("contacts", who), nil)
}

// Rename changes a petname.
func (c *Client) Rename(ctx context.Context, who, name string) (Contact, error) {
	return call[Contact](ctx, c, http.MethodPatch, path("contacts", who), map[string]any{"name": name})
}

// Remove forgets a contact.
func (c *Client) Remove(ctx context.Context, who string) error {
	_, err := call[nothing](ctx, c, http.MethodDelete, path("contacts", who), nil)
	return err
}

// Fetch returns somebody's presence document.
func (c *Client) Fetch(ctx context.Context, who string) (Document, error) {
	return get[Document](ctx, c, path("contacts", who)+"/document", nil)
}

// Requests returns who asks to watch the owner, oldest first.
func (c *Client) Requests(ctx context.Context) ([]Request, error) {
	l, err := get[requestList](ctx, c, "/v1/requests", nil)
	return l.Requests, err
}

// Approve lets somebody watch the owner; name may be empty.
func (c *Client) Approve(ctx context.Context, who, name string) (Contact, error) {
	return call[Contact](ctx, c, http.MethodPost, path("requests", who)+"/approve", map[string]any{"name": name})
}

// Deny refuses somebody.
func (c *Client) Deny(ctx context.Context, who string) error {
	_, err := call[nothing](ctx, c, http.MethodPost, path("requests", who)+"/deny", nil)
	return err
}

// Devices returns the owner's devices.
func (c *Client) Devices(ctx context.Context) (DeviceList, error) {
	return get[DeviceList](ctx, c, "/v1/devices", nil)
}

// RenameDevice calls one of the owner's devices something else.
func (c *Client) RenameDevice(ctx context.Context, device, name string) (Device, error) {
	return call[Device](ctx, c, http.MethodPatch, path("devices", device), map[string]any{"name": name})
}

// RevokeDevice takes one of the owner's devices out for good.
func (c *Client) RevokeDevice(ctx context.Context, device string) (Device, error) {
	return call[Device](ctx, c, http.MethodPost, path("devices", device)+"/revoke", nil)
}

// StartLink offers to enrol another device.
func (c *Client) StartLink(ctx context.Context, in LinkInput) (LinkOffer, error) {
	return call[LinkOffer](ctx, c, http.MethodPost, "/v1/link", in)
}

// Link says how the offer stands.
func (c *Client) Link(ctx context.Context) (LinkState, error) {
	return get[LinkState](ctx, c, "/v1/link", nil)
}

// ConfirmLink says whether both devices show the same digits.
func (c *Client) ConfirmLink(ctx context.Context, same bool) (LinkState, error) {
	return call[LinkState](ctx, c, http.MethodPost, "/v1/link/confirm", map[string]any{"same": same})
}

// CancelLink takes the offer back.
func (c *Client) CancelLink(ctx context.Context) error {
	_, err := call[nothing](ctx, c, http.MethodDelete, "/v1/link", nil)
	return err
}

// Verification returns what to compare with a contact.
func (c *Client) Verification(ctx context.Context, who string) (Verification, error) {
	return get[Verification](ctx, c, path("contacts", who)+"/verification", nil)
}

// SetVerified says whether a contact sees the same.
func (c *Client) SetVerified(ctx context.Context, who string, verified bool) (Verification, error) {
	return call[Verification](ctx, c, http.MethodPut, path("contacts", who)+"/verification", map[string]any{"verified": verified})
}

// Trust accepts the changed key of a contact.
func (c *Client) Trust(ctx context.Context, who string) (Contact, error) {
	return call[Contact](ctx, c, http.MethodPost, path("contacts", who)+"/trust", nil)
}

// Introduce sends two contacts each other's card, and returns the two messages.
func (c *Client) Introduce(ctx context.Context, a, b, note string) ([]Message, error) {
	l, err := call[messageList](ctx, c, http.MethodPost, "/v1/introductions", map[string]any{"a": a, "b": b, "note": note})
	return l.Messages, err
}

// Introductions returns people whom contacts introduce to the owner.
func (c *Client) Introductions(ctx context.Context) ([]Introduction, error) {
	l, err := get[introductionList](ctx, c, "/v1/introductions", nil)
	return l.Introductions, err
}

// MakeInvite makes an invitation that grants approval in advance.
func (c *Client) MakeInvite(ctx context.Context, in InviteInput) (Invite, error) {
	return call[Invite](ctx, c, http.MethodPost, "/v1/invites", in)
}

// Invites returns the invitations with a token, oldest first.
func (c *Client) Invites(ctx context.Context) ([]Invite, error) {
	l, err := get[inviteList](ctx, c, "/v1/invites", nil)
	return l.Invites, err
}

// RevokeInvite takes an invitation back.
func (c *Client) RevokeInvite(ctx context.Context, id string) (Invite, error) {
	return call[Invite](ctx, c, http.MethodDelete, path("invites", id), nil)
}

// Send sends a message and waits for the verdict, at most [MaxWait]. A status
// of queued means that none came in time.
func (c *Client) Send(ctx context.Context, to, text string, wait time.Duration) (Message, error) {
	return call[Message](ctx, c, http.MethodPost, "/v1/messages", map[string]any{
		"to": to, "text": text, "wait": min(wait, MaxWait).Seconds(),
	})
}

// Messages returns messages by id, rising.
func (c *Client) Messages(ctx context.Context, f Find) ([]Message, error) {
	q := url.Values{}
	set := func(key, value string, given bool) {
		if given {
			q.Set(key, value)
		}
	}
	set("with", f.With, f.With != "")
	set("text", f.Text, f.Text != "")
	set("unread", "true", f.Unread)
	set("in", "true", f.In)
	set("after", strconv.FormatInt(f.After, 10), f.After > 0)
	set("limit", strconv.Itoa(f.Limit), f.Limit > 0)
	l, err := get[messageList](ctx, c, "/v1/messages", q)
	return l.Messages, err
}

// MarkRead marks received messages up to an id as read.
func (c *Client) MarkRead(ctx context.Context, upTo int64) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/v1/messages/read", map[string]any{"up_to": upTo})
	return err
}

// Lookup asks the DHT for an address.
func (c *Client) Lookup(ctx context.Context, who string) (Lookup, error) {
	return get[Lookup](ctx, c, "/v1/lookup/"+url.PathEscape(who), nil)
}

// Network returns the state of the overlay.
func (c *Client) Network(ctx context.Context) (Network, error) {
	return get[Network](ctx, c, "/v1/network", nil)
}

// Events yields what happens after an event id, or from now on if that is 0,
// until ctx ends or the node stops. The error, if any, comes last.
func (c *Client) Events(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		resp, err := c.do(ctx, http.MethodGet, "/v1/events?after="+strconv.FormatUint(after, 10), nil)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, maxBody)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var e Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				yield(Event{}, fmt.Errorf("read an event: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil && ctx.Err() == nil {
			yield(Event{}, fmt.Errorf("read events: %w", err))
		}
	}
}

// path is that of something about one person.
func path(kind, who string) string { return "/v1/" + kind + "/" + url.PathEscape(who) }

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return call[T](ctx, c, http.MethodGet, path, nil)
}

// call makes one request; in is its JSON body unless nil.
func call[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	resp, err := c.do(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return out, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out); err != nil {
		return out, fmt.Errorf("read the node's answer: %w", err)
	}
	return out, nil
}

// do returns a successful response, whose body the caller closes.
func (c *Client) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://kith"+path, body)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNoNode
	case err != nil:
		return nil, fmt.Errorf("ask the node: %w", err)
	case resp.StatusCode < 300:
		return resp, nil
	}
	defer resp.Body.Close()
	p := newProblem(resp.StatusCode, CodeFailed, "the node answered "+resp.Status, "")
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(p); err != nil {
		return nil, fmt.Errorf("the node answered %s", resp.Status)
	}
	return nil, p
}
