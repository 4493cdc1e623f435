package control

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kith-im/kith/node"
)

// The codes of problems, which programs branch on.
const (
	CodeInput     = "bad_input"  // the request does not make sense
	CodeNotFound  = "not_found"  // nobody or nothing of that name
	CodeAmbiguous = "ambiguous"  // several people fit the name
	CodeNameTaken = "name_taken" // another contact has the name
	CodeRefused   = "refused"    // the other side said no
	CodeTimeout   = "timeout"    // nobody answered in time
	CodeFailed    = "failed"     // anything else
)

// Problem is an error of the API (RFC 9457).
type Problem struct {
	Title  string   `json:"title" doc:"the HTTP status in words"`
	Status int      `json:"status" doc:"the HTTP status"`
	Code   string   `json:"code" enum:"bad_input,not_found,ambiguous,name_taken,refused,timeout,failed"`
	Detail string   `json:"detail" doc:"what went wrong"`
	Hint   string   `json:"hint,omitempty" doc:"what to do next"`
	Names  []string `json:"names,omitempty" nullable:"false" doc:"of those who fit an ambiguous name"`
}

// Error returns what went wrong.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status; huma calls it.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457; huma calls it.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(status int, code, detail, hint string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint}
}

// problem says what err means to whoever called the API.
func problem(err error) error {
	if err == nil {
		return nil
	}
	if several, ok := errors.AsType[*node.AmbiguousError](err); ok {
		p := newProblem(http.StatusConflict, CodeAmbiguous, err.Error(), "write more of the name: "+strings.Join(several.Names, ", "))
		p.Names = several.Names
		return p
	}
	if refused, ok := errors.AsType[*node.RefusedError](err); ok {
		return newProblem(http.StatusForbidden, CodeRefused, "they refused: "+refused.Reason, "")
	}
	if input, ok := errors.AsType[*node.InputError](err); ok {
		return badInput(input.Why, "")
	}
	switch {
	case errors.Is(err, node.ErrNotFound):
		return newProblem(http.StatusNotFound, CodeNotFound, err.Error(), "")
	case errors.Is(err, node.ErrNameTaken):
		return newProblem(http.StatusConflict, CodeNameTaken, err.Error(), "choose another name")
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusGatewayTimeout, CodeTimeout, "nobody answered in time", "try again later; `kith net` shows whether this node is connected")
	}
	return newProblem(http.StatusInternalServerError, CodeFailed, err.Error(), "")
}

// badInput is a problem with the request.
func badInput(detail, hint string) error {
	return newProblem(http.StatusBadRequest, CodeInput, detail, hint)
}

// asProblem turns huma's own errors, such as those of validation, into
// problems of ours.
func asProblem(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(m.Status, CodeInput, m.Detail, "")
	if m.Status >= http.StatusInternalServerError {
		p.Code = CodeFailed
	}
	var parts []string
	for _, e := range m.Errors {
		part := e.Message
		if e.Location != "" {
			part = e.Location + ": " + part
		}
		parts = append(parts, part)
	}
	if len(parts) > 0 {
		p.Detail += " (" + strings.Join(parts, "; ") + ")"
	}
	return p, nil
}
