package providertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/test/emulator"
)

// The two files of docs/adding-a-provider.md, as one, since an example cannot be a folder of its own here.

// example: adapter

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
	var fromErr error
	if c.From == "" {
		fromErr = errors.New("ACME_FROM is empty: set the number that SMS come from")
	}
	base, err := transport.BaseURL("ACME_BASE_URL", c.BaseURL, "https://api.acme.example")
	if err := errors.Join(fromErr, err); err != nil {
		return nil, err
	}
	return &Provider{config: c, url: base.String(), client: client}, nil
}

// Send posts a message. One Call is one request: what the wire does wrong is classified there.
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	body, err := json.Marshal(map[string]string{"from": p.config.From, "to": m.To.Reveal(), "text": m.Text})
	if err != nil {
		return provider.Receipt{}, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}
	}
	call := p.do(ctx, http.MethodPost, "/messages", body)
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
	call := p.do(ctx, http.MethodGet, "/account", nil)
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

// Traits says from whom messages come, and that Acme calls back when one has arrived.
func (p *Provider) Traits() provider.Traits {
	return provider.Traits{Sender: p.config.From, Reports: true}
}

func (p *Provider) do(ctx context.Context, method, path string, body []byte) *transport.Call {
	call := p.client.Call(ctx, nil)
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, bytes.NewReader(body))
	if err != nil {
		return call
	}
	r.Header.Set("Authorization", "Bearer "+p.config.Key.Reveal())
	r.Header.Set("Content-Type", "application/json")
	if resp, err := call.RoundTrip(r); err == nil { // the call has the answer
		_ = resp.Body.Close()
	}
	return call
}

// codes are Acme's (docs.acme.example/errors).
var codes = map[string]failure.Error{
	"no_such_number": {Class: failure.Permanent, Reason: failure.ReasonRecipient},
	"stopped":        {Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true},
	"no_credit":      {Class: failure.Account, Reason: failure.ReasonBalance},
	"internal":       {Class: failure.Transient, Reason: failure.ReasonOutage},
}

func classify(call *transport.Call) error {
	var answer struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(call.Body, &answer) // a page of some proxy has no code
	if meaning, known := codes[answer.Code]; known && call.Failure == nil {
		return call.Known(meaning, answer.Code)
	}
	return call.ByStatus()
}

// example: end

// example: test

// acme is what the emulator needs to know to stand in for it.
var acme = emulator.Dialect{
	Name:    "acme",
	Routes:  []string{"POST /messages", "GET /account"},
	IsProbe: func(r *http.Request, _ []byte) bool { return r.Method == http.MethodGet },
	Check: func(r *http.Request, _ []byte) *emulator.Refusal {
		if r.Header.Get("Authorization") != "Bearer acme-key" {
			return &emulator.Refusal{Status: http.StatusUnauthorized, Code: "who_are_you"}
		}
		return nil
	},
	Read: func(_ *http.Request, body []byte) (emulator.Message, *emulator.Refusal) {
		var in struct{ From, To, Text string }
		if json.Unmarshal(body, &in) != nil || in.To == "" || in.Text == "" {
			return emulator.Message{}, &emulator.Refusal{Status: http.StatusBadRequest, Code: "bad_request"}
		}
		return emulator.Message{Channel: "sms", From: in.From, To: in.To, Text: in.Text}, nil
	},
	Accept: func(w http.ResponseWriter, m emulator.Message) {
		answer(w, http.StatusCreated, map[string]any{"id": m.ID})
	},
	Healthy: func(w http.ResponseWriter) { answer(w, http.StatusOK, map[string]any{"active": true}) },
	Refuse: func(w http.ResponseWriter, r emulator.Refusal) {
		if r.Code == "" && r.Status == http.StatusInternalServerError {
			r.Code = "internal"
		}
		answer(w, r.Status, map[string]any{"code": r.Code, "message": r.Text})
	},
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func TestAcme(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Adapter{
		Dialect: "acme", Dialects: []emulator.Dialect{acme}, Channel: message.SMS, Secret: "acme-key",
		New: func(url, key string, client *transport.Client) (provider.Provider, error) {
			return New(Config{Key: secret.String(key), From: "+15005550006", BaseURL: url}, client)
		},
		Failures: []providertest.Failure{
			{Answer: emulator.Refusal{Status: 400, Code: "no_such_number"}, Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}},
			{Answer: emulator.Refusal{Status: 400, Code: "stopped"}, Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true}},
			{Answer: emulator.Refusal{Status: 402, Code: "no_credit"}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonBalance}},
		},
	})
}

// example: end

// TestTheDocsShowThisExample: what docs/adding-a-provider.md shows is what was compiled and passed above.
func TestTheDocsShowThisExample(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/adding-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"adapter", "test"} {
		_, rest, found := strings.Cut(string(source), "\n// example: "+part+"\n")
		example, _, ended := strings.Cut(rest, "\n// example: end\n")
		if !found || !ended {
			t.Fatalf("the example has no part %q", part)
		}
		if !strings.Contains(string(page), strings.TrimSpace(example)) {
			t.Errorf("docs/adding-a-provider.md does not show the part %q as it is in this file", part)
		}
	}
}
