package provider

import (
	"net/http"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/report"
)

// Callback is how a provider calls back after the send: with delivery reports, and with what people answer. The server of callbacks mounts it at
// Path and below, reads the body within its limits, and applies what Read returns.
//
// A callback that cannot be applied just now is answered 503, and the provider sends it again. So every report may come twice, late and in any
// order; its EventID tells a repetition from a new one.
type Callback struct {
	// Provider is the catalog's name, in reports, logs and metrics.
	Provider string
	// Path is where the provider calls, below PUBLIC_URL.
	Path string
	// Settings are the variables that turn it on. Without them its path is answered 404, with their names.
	Settings []string
	// Body says which bodies are read.
	Body inbound.Body
	// Read verifies a callback over its body, byte for byte as it came, before it believes anything in it, and returns what it says and the reply
	// that the provider wants. An Update may be empty. It is safe for concurrent use. Errors: *inbound.Problem, a Forged one where the signature is
	// missing or invalid. It is nil where the settings are missing.
	Read func(r *http.Request, body []byte) (report.Update, inbound.Reply, error)
	// Challenge is the GET by which some providers ask whether the address is right; nil where there is none.
	Challenge *Challenge
}

// Challenge is a question that a provider asks before it calls back.
type Challenge struct {
	// Settings are the variables that turn it on.
	Settings []string
	// Answer returns the reply to a GET of the callback's path. Errors as those of Read. It is nil where the settings are missing.
	Answer func(r *http.Request) (inbound.Reply, error)
}

// OutcomeForged is the outcome of a callback that its provider did not sign.
const OutcomeForged = "forged"

// Forged returns the refusal of a callback that its provider did not sign, or that is too old: 403.
func Forged(detail string) *inbound.Problem {
	return inbound.New(http.StatusForbidden, OutcomeForged, detail)
}
