package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kith-im/kith/node"
)

// MaxWait is the longest time that sending waits for a verdict.
const MaxWait = 10 * time.Minute

// Find selects messages; what is absent selects all.
type Find struct {
	With   string `query:"with" doc:"only those to and from this person" maxLength:"1024"`
	Text   string `query:"text" doc:"only those with all of these words" maxLength:"1024"`
	Unread bool   `query:"unread" doc:"only received ones not marked read"`
	In     bool   `query:"in" doc:"only received ones"`
	After  int64  `query:"after" doc:"only larger ids" minimum:"0"`
	Limit  int    `query:"limit" doc:"the newest so many" minimum:"1" maximum:"10000" default:"50"`
}

type messageList struct {
	Messages []Message `json:"messages" nullable:"false" doc:"by id, rising"`
}

type sendInput struct {
	Body struct {
		To   string  `json:"to" doc:"petname or address of a contact" maxLength:"1024"`
		Text string  `json:"text" minLength:"1"`
		Wait float64 `json:"wait,omitempty" doc:"seconds to wait for the verdict" minimum:"0" maximum:"600"`
	}
}

type readInput struct {
	Body struct {
		UpTo int64 `json:"up_to" doc:"id of the last message read" minimum:"0"`
	}
}

type waitInput struct {
	ID   int64   `path:"id"`
	Wait float64 `query:"wait" doc:"seconds to wait for the verdict" minimum:"0" maximum:"600"`
}

func (s *Server) registerMessages(api huma.API) {
	huma.Register(api, operation(api, "list-messages", http.MethodGet, "/v1/messages", "Inbox, outbox and history"), s.messages)
	huma.Register(api, operation(api, "send", http.MethodPost, "/v1/messages",
		"Send a message; it is on disk when this answers, and its status says whether a verdict came in time"), s.send)
	huma.Register(api, operation(api, "get-message", http.MethodGet, "/v1/messages/{id}", "One outgoing message, waiting for its verdict if asked to"),
		func(ctx context.Context, in *waitInput) (*reply[Message], error) {
			return s.await(ctx, in.ID, in.Wait)
		})
	huma.Register(api, operation(api, "mark-read", http.MethodPost, "/v1/messages/read", "Mark received messages as read"),
		func(ctx context.Context, in *readInput) (*nothing, error) {
			return nil, problem(s.cfg.Node.MarkRead(ctx, in.Body.UpTo))
		})
}

func (s *Server) messages(ctx context.Context, in *Find) (*reply[messageList], error) {
	q := node.Query{After: in.After, Incoming: in.In, Unread: in.Unread, Text: in.Text}
	if in.With != "" {
		who, err := s.find(in.With)
		if err != nil {
			return nil, err
		}
		q.Person = who
	}
	found, err := s.cfg.Node.History(ctx, q, in.Limit)
	if err != nil {
		return nil, problem(err)
	}
	list := []Message{}
	for _, m := range found {
		list = append(list, MessageOf(s.cfg.Node, m))
	}
	return &reply[messageList]{messageList{list}}, nil
}

func (s *Server) send(ctx context.Context, in *sendInput) (*reply[Message], error) {
	who, err := s.find(in.Body.To)
	if err != nil {
		return nil, err
	}
	m, err := s.cfg.Node.Send(ctx, who, in.Body.Text)
	if err != nil {
		return nil, problem(err)
	}
	if in.Body.Wait == 0 {
		return &reply[Message]{MessageOf(s.cfg.Node, m)}, nil
	}
	return s.await(ctx, m.ID, in.Body.Wait)
}

// await answers with a message as it is when settled, or after so many seconds.
func (s *Server) await(ctx context.Context, id int64, seconds float64) (*reply[Message], error) {
	wait := min(time.Duration(seconds*float64(time.Second)), MaxWait)
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m, err := s.cfg.Node.Await(limited, id)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, problem(err)
	}
	return &reply[Message]{MessageOf(s.cfg.Node, m)}, nil
}
