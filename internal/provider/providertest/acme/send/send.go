// Package send sends SMS through Acme, the example of docs/adding-a-provider.md.
package send

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/providertest/acme"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/report"
)

// example: send

// Config has Acme's key.
type Config struct {
	// Key of Acme's account.
	Key secret.String `env:"ACME_KEY"`
	// From is the number that SMS come from.
	From string `env:"ACME_FROM"`
	// BaseURL of a proxy or an emulator in Acme's place.
	BaseURL string `env:"ACME_BASE_URL"`
}

// Provider sends SMS through Acme.
type Provider struct {
	config Config
	url    string
	client *transport.Client
}

// New returns the provider. The error has every setting that cannot work, each with its variable.
func New(c Config, client *transport.Client) (*Provider, error) {
	var keyErr, fromErr error
	if c.Key == "" {
		keyErr = errors.New("ACME_KEY is empty: set the key of Acme's account")
	}
	if c.From == "" {
		fromErr = errors.New("ACME_FROM is empty: set the number that SMS come from")
	}
	base, err := client.BaseURL("ACME_BASE_URL", c.BaseURL, "https://api.acme.example")
	if err := errors.Join(keyErr, fromErr, err); err != nil {
		return nil, err
	}
	return &Provider{config: c, url: base.String(), client: client}, nil
}

// Send posts a message. One Call is one request: failures of the connection are classified there.
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	body, err := json.Marshal(map[string]string{"from": p.config.From, "to": m.To.Reveal(), "text": m.Text, "reference": report.EncodeJob(m.JobID)})
	if err != nil {
		return provider.Receipt{}, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}
	}
	call := p.client.Call(ctx, nil)
	p.do(ctx, call, http.MethodPost, "/messages", body)
	var answer struct {
		ID string `json:"id"`
	}
	switch {
	case call.Failure != nil || call.Status != http.StatusCreated:
		return provider.Receipt{}, classify(call)
	case json.Unmarshal(call.Body, &answer) != nil || answer.ID == "":
		return provider.Receipt{}, call.Unclear() // it may have gone out
	}
	return provider.Receipt{MessageID: answer.ID}, nil
}

// Probe asks for the account, which costs nothing.
func (p *Provider) Probe(ctx context.Context) error {
	call := p.client.Probe(ctx, nil) // over a new connection
	p.do(ctx, call, http.MethodGet, "/account", nil)
	var account struct {
		Active *bool `json:"active"`
	}
	switch {
	case call.Failure != nil || call.Status != http.StatusOK:
		return classify(call)
	case json.Unmarshal(call.Body, &account) != nil || account.Active == nil:
		return call.Unclear()
	case !*account.Active:
		return &failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended, Status: call.Status}
	}
	return nil
}

// Traits names the number that messages come from, and says that Acme calls back.
func (p *Provider) Traits() provider.Traits {
	return provider.Traits{Sender: p.config.From, Reports: true}
}

func (p *Provider) do(ctx context.Context, call *transport.Call, method, path string, body []byte) {
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, bytes.NewReader(body))
	if err != nil {
		return // the call was not sent, and says so
	}
	r.Header.Set("Authorization", "Bearer "+p.config.Key.Reveal())
	r.Header.Set("Content-Type", "application/json")
	if resp, err := call.RoundTrip(r); err == nil { // the call has the answer
		_ = resp.Body.Close()
	}
}

func classify(call *transport.Call) error {
	var answer struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(call.Body, &answer) != nil || answer.Code == "" {
		return call.Foreign() // not Acme's: a proxy's page
	}
	if meaning, known := acme.Code(answer.Code); known {
		return call.Known(meaning, answer.Code)
	}
	return call.Refused(failure.Code(answer.Code))
}

// example: end
