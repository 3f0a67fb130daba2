package acme_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/providertest/acme"
	"ringup.dev/ringup/internal/provider/providertest/acme/send"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

// example: emulator

// acmeDialect is Acme's API and its events.
var acmeDialect = emulator.Dialect{
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
		var in struct{ From, To, Text, Reference string }
		if json.Unmarshal(body, &in) != nil || in.To == "" || in.Text == "" {
			return emulator.Message{}, &emulator.Refusal{Status: http.StatusBadRequest, Code: "bad_request"}
		}
		return emulator.Message{Channel: "sms", From: in.From, To: in.To, Text: in.Text, JobID: report.DecodeJob(in.Reference)}, nil
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

	Report: func(c *emulator.Callbacks, m emulator.Message, events []emulator.Event) ([]emulator.Callback, error) {
		return emulator.Each(events, func(e emulator.Event) (emulator.Callback, error) { return acmeEvent(c, m, e) })
	},
	Environment: map[string]string{"ACME_SIGNING_KEY": "30313233343536373839616263646566"},
}

// acmeEvent is one event, signed with the key of Environment, or with another.
func acmeEvent(c *emulator.Callbacks, m emulator.Message, e emulator.Event) (emulator.Callback, error) {
	switch e.Kind {
	case emulator.EventSent, emulator.EventDelivered, emulator.EventFailed:
	default:
		return emulator.Callback{}, emulator.Unsupported("acme", e.Kind)
	}
	body, err := json.Marshal(map[string]any{"id": m.ID + "-" + string(e.Kind), "message": m.ID, "reference": report.EncodeJob(m.JobID), "status": e.Kind,
		"code": e.Code, "number": m.To, "at": e.At.Unix()})
	if err != nil {
		return emulator.Callback{}, err
	}
	return c.Sign("acme", acme.CallbackPath, func(genuine bool, _ time.Time) (http.Header, []byte) {
		key := []byte("0123456789abcdef")
		if !genuine {
			key = []byte("another key")
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		return http.Header{"Content-Type": {"application/json"}, "X-Acme-Signature": {hex.EncodeToString(mac.Sum(nil))}}, body
	}), nil
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// example: end

// example: suites

func newProvider(url, key string, client *transport.Client) (provider.Provider, error) {
	return send.New(send.Config{Key: secret.String(key), From: "+15005550006", BaseURL: url}, client)
}

func TestSend(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Adapter{
		Dialect: "acme", Dialects: []emulator.Dialect{acmeDialect}, Channel: message.SMS, Secret: "acme-key", Correlates: true, New: newProvider,
		Failures: []providertest.Failure{
			{Answer: emulator.Refusal{Status: 400, Code: "no_such_number"}, Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}},
			{Answer: emulator.Refusal{Status: 400, Code: "stopped"}, Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true}},
			{Answer: emulator.Refusal{Status: 402, Code: "no_credit"}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonBalance}},
		},
	})
}

func TestCallback(t *testing.T) {
	t.Parallel()
	providertest.RunCallback(t, providertest.Callback{
		Dialect: "acme", Dialects: []emulator.Dialect{acmeDialect}, Channel: message.SMS, Correlates: true, Reply: http.StatusOK,
		Signature: "X-Acme-Signature",
		Send: func(url string, client *transport.Client) (provider.Provider, error) {
			return newProvider(url, "acme-key", client)
		},
		New: func(ctx context.Context, env envconfig.Lookuper, _ http.RoundTripper, now func() time.Time) (provider.Callback, error) {
			var c acme.CallbackConfig
			if err := config.Read(ctx, env, &c); err != nil {
				return provider.Callback{}, err
			}
			return acme.NewCallback(c, now)
		},
		Events: []emulator.EventKind{emulator.EventSent, emulator.EventDelivered},
		Ends: []providertest.End{
			{Event: emulator.Event{Kind: emulator.EventFailed, Code: "no_such_number"}, Class: failure.Permanent},
			{Event: emulator.Event{Kind: emulator.EventFailed, Code: "stopped"}, Class: failure.Permanent, Why: suppress.Refused},
		},
	})
}

// example: end

// TestSettings: the error names every setting that cannot work, and only those.
func TestSettings(t *testing.T) {
	t.Parallel()
	all := send.Config{Key: "acme-key", From: "+15005550006", BaseURL: "https://proxy.example"}
	for name, tt := range map[string]struct {
		change func(*send.Config)
		want   []string
	}{
		"all right":   {func(*send.Config) {}, nil},
		"no key":      {func(c *send.Config) { c.Key = "" }, []string{"ACME_KEY"}},
		"no number":   {func(c *send.Config) { c.From = "" }, []string{"ACME_FROM"}},
		"a bad URL":   {func(c *send.Config) { c.BaseURL = "proxy" }, []string{"ACME_BASE_URL"}},
		"all of them": {func(c *send.Config) { *c = send.Config{BaseURL: "proxy"} }, []string{"ACME_KEY", "ACME_FROM", "ACME_BASE_URL"}},
	} {
		c := all
		tt.change(&c)
		_, err := send.New(c, transport.New(1))
		if (err != nil) != (len(tt.want) > 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, variable := range []string{"ACME_KEY", "ACME_FROM", "ACME_BASE_URL"} {
			if named := err != nil && strings.Contains(err.Error(), variable); named != slices.Contains(tt.want, variable) {
				t.Errorf("%s: %s is named (%t) in %v", name, variable, named, err)
			}
		}
	}
}
