package ingest

import (
	"encoding/json"
	"net/http"

	"ringup.dev/ringup/internal/sender/generic"
)

// Problem is an answer by RFC 9457, application/problem+json.
type Problem struct {
	Type   string            `json:"type"`
	Title  string            `json:"title"`
	Status int               `json:"status"`
	Detail string            `json:"detail,omitempty"`
	Errors []generic.Problem `json:"errors,omitempty"`

	headers map[string]string
	outcome string // for the metric
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// problem makes an answer. about:blank says that the status is all there is to its type (RFC 9457, section 4.2.1).
func problem(status int, outcome, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, outcome: outcome}
}

// later asks to come again.
func (p *Problem) later() *Problem {
	p.headers = map[string]string{"Retry-After": retryAfter}
	return p
}

func (p *Problem) write(w http.ResponseWriter) {
	for name, value := range p.headers {
		w.Header().Set(name, value)
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
