package acme

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// example: callback

// CallbackPath is where Acme posts its events, below PUBLIC_URL.
const CallbackPath = "/callbacks/acme"

// maxBody is above one event.
const maxBody = 16 << 10

// CallbackConfig has the keys that Acme signs with.
type CallbackConfig struct {
	// SigningKeys are the keys of Acme's events, with commas between; any of them counts.
	SigningKeys secret.Keys `env:"ACME_SIGNING_KEY"`
}

// Validate reports a key that cannot work. The list may be empty: then no events are accepted.
func (c *CallbackConfig) Validate() error {
	for _, key := range c.SigningKeys {
		if _, err := hex.DecodeString(key.Reveal()); err != nil {
			return errors.New("ACME_SIGNING_KEY is not hexadecimal: copy it whole from Acme's settings")
		}
	}
	return nil
}

type callback struct {
	keys [][]byte
	now  func() time.Time
}

// NewCallback returns the callback of Acme's events. now is the clock. Errors are of the configuration.
func NewCallback(c CallbackConfig, now func() time.Time) (provider.Callback, error) {
	if err := c.Validate(); err != nil {
		return provider.Callback{}, err
	}
	out := provider.Callback{
		Provider: Name, Path: CallbackPath, Settings: []string{"ACME_SIGNING_KEY"},
		Body: inbound.Body{MediaTypes: []string{inbound.JSON}, Limit: maxBody},
	}
	a := &callback{now: now}
	for _, key := range c.SigningKeys {
		raw, _ := hex.DecodeString(key.Reveal()) // checked by Validate
		a.keys = append(a.keys, raw)
	}
	if len(a.keys) > 0 {
		out.Read = a.read
	}
	return out, nil
}

// event is one of Acme's (docs.acme.example/events).
type event struct {
	ID        string          `json:"id"`
	Message   string          `json:"message"`
	Reference string          `json:"reference"` // as it was sent
	Status    string          `json:"status"`
	Code      string          `json:"code"`
	Number    string          `json:"number"`
	At        report.UnixTime `json:"at"`
}

var states = map[string]report.State{"sent": report.Sent, "delivered": report.Delivered, "failed": report.Failed}

// read verifies an event and reads it.
func (a *callback) read(r *http.Request, body []byte) (report.Update, inbound.Reply, error) {
	given, err := hex.DecodeString(r.Header.Get("X-Acme-Signature"))
	if err != nil {
		return report.Update{}, inbound.Reply{}, provider.Forged("X-Acme-Signature is not hexadecimal")
	}
	good := false
	for _, key := range a.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		good = good || hmac.Equal(mac.Sum(nil), given)
	}
	if !good {
		return report.Update{}, inbound.Reply{}, provider.Forged("X-Acme-Signature does not fit the body")
	}
	var e event
	if json.Unmarshal(body, &e) != nil {
		return report.Update{}, inbound.Reply{}, inbound.Malformed("the body is not an event")
	}
	return a.update(&e), inbound.OK, nil
}

// update is what an event says; empty for an event of no message.
func (a *callback) update(e *event) report.Update {
	state, known := states[e.Status]
	if !known || e.ID == "" || e.Message == "" {
		return report.Update{}
	}
	r := report.Report{EventID: e.ID, Provider: Name, Channel: message.SMS, MessageID: e.Message, State: state, At: e.At.Time}
	r.JobID, _ = report.JobOf(e.Reference, message.SMS)
	if r.JobID == "" {
		return report.Update{Foreign: 1} // another program sends through the same account
	}
	if state != report.Failed {
		return report.Update{Reports: []report.Report{r}}
	}
	meaning, known := Code(e.Code)
	if !known {
		meaning = failure.Error{Class: failure.Permanent, Reason: failure.ReasonUnreadable}
	}
	meaning.Code = failure.Code(e.Code)
	r.Err = &meaning
	out := report.Update{Reports: []report.Report{r}}
	if to, valid := message.ParseE164(e.Number); valid && meaning.Suppress {
		out.Preferences = []suppress.Preference{{EventID: e.ID, Provider: Name, Channel: message.SMS, Address: to,
			Kind: suppress.OptOut, Why: suppress.Refused, At: a.now()}}
	}
	return out
}

// example: end
