// Package inbound has what every endpoint of ringup shares: how a request's body is bounded and read, how a refusal is written
// (RFC 9457), and how a sender or a provider is answered. It knows no sender, no provider and no queue.
package inbound

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// The media types of answers.
const (
	JSON        = "application/json"
	ProblemJSON = "application/problem+json"
)

// RetryAfter is the pause that a 429 and a 503 ask for. Senders and providers wait some ten seconds for an answer, and a queue that was away
// is usually back by then.
const RetryAfter = 5 * time.Second

// Problem is a refusal: an error that Write turns into an answer by RFC 9457. Its texts are for the client: they hold no secret, no address and
// nothing of an inner error.
type Problem struct {
	Type   string       `json:"type"`  // about:blank: the status is all there is to the type (RFC 9457, section 4.2.1)
	Title  string       `json:"title"` // the status in words
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"` // the fault of this request, and what to do
	Errors []FieldError `json:"errors,omitempty"` // every wrong field of a body

	// Outcome is the value of the metric's label of that name; "" where the endpoint counts nothing.
	Outcome string `json:"-"`
	// RetryAfter is the pause that the client is asked for, in whole seconds; 0 for none.
	RetryAfter time.Duration `json:"-"`
}

// FieldError is one wrong field of a body.
type FieldError struct {
	Path    string `json:"path"` // as data.items[0].price; "" for the body itself
	Message string `json:"message"`
}

// The outcomes that endpoints share. An endpoint adds its own.
const (
	OutcomeMalformed   = "malformed"   // 400
	OutcomeTooLarge    = "too_large"   // 413
	OutcomeMediaType   = "media_type"  // 415
	OutcomeError       = "error"       // 500
	OutcomeUnavailable = "unavailable" // 503: the queue, or what a signature is checked with, is away
)

// New returns a refusal. A 429 and a 503 ask the client to come again after RetryAfter.
func New(status int, outcome, detail string) *Problem {
	p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Outcome: outcome}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		p.RetryAfter = RetryAfter
	}
	return p
}

// Malformed returns the refusal of a body that cannot be read: 400.
func Malformed(detail string) *Problem {
	return New(http.StatusBadRequest, OutcomeMalformed, detail)
}

// Unavailable returns the refusal of a request that may be in order but cannot be served now: 503.
func Unavailable(detail string) *Problem {
	return New(http.StatusServiceUnavailable, OutcomeUnavailable, detail)
}

// AsProblem returns the Problem in err. Any other error is a 500 without a detail, since its text is not for the client; nil is nil.
func AsProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return New(http.StatusInternalServerError, OutcomeError, "")
}

// Error is the detail, or the title where there is none.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// Write answers with the refusal. Headers that w has already, as WWW-Authenticate, go along.
func (p *Problem) Write(w http.ResponseWriter) {
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	WriteJSON(w, p.Status, ProblemJSON, p)
}

// WriteJSON answers with a value as JSON. A client that is gone meanwhile is ignored.
func WriteJSON(w http.ResponseWriter, status int, mediaType string, value any) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// Reply is the answer to a request that was taken, in the form that its sender or provider wants.
type Reply struct {
	Status    int
	MediaType string // of Body; "" for an empty one
	Body      string
}

// OK is the usual reply: 200 with an empty body.
var OK = Reply{Status: http.StatusOK}

// Write answers with the reply.
func (a Reply) Write(w http.ResponseWriter) {
	if a.MediaType != "" {
		w.Header().Set("Content-Type", a.MediaType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write([]byte(a.Body)) // as WriteJSON
}
