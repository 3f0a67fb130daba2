package system

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
	"ringup.dev/ringup/test/emulator"
)

// tooLarge is above the limit of every body, in bytes.
const tooLarge = 4<<20 + 1

// squareAddress is signed by Square.
const squareAddress = "https://localhost/webhooks/square/default"

// forged is a request of a stranger to a public route, made anew each time.
type forged struct {
	method, path string // path with its query
	there        bool   // somebody with the key would not be answered 404
	make         func() (http.Header, []byte)
}

// public is an ingest with every public route in use.
type public struct {
	env    []string
	forged []forged
}

// publicRoutes returns the settings under which ingest serves all of its public routes, and the requests of a stranger to each of them: one or more with a wrong signature, where there is one,
// and each POST too large, too. The routes are those that ingest itself says, so none is forgotten.
func publicRoutes(t *testing.T) *public {
	t.Helper()
	const address = "http://localhost"
	callbacks, err := emulate(t).Callbacks(emulator.CallbackOptions{Ingest: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(callbacks.Close)
	settings := callbacks.Environment()
	settings["UNSUBSCRIBE_SECRET"] = "an unsubscribe secret"
	settings["SQUARE_NOTIFICATION_URL"] = squareAddress
	for _, g := range catalog.Guides {
		settings[g.Variable] = "the key of " + g.Title + " of sixteen bytes or more"
	}
	p := &public{}
	for name, value := range settings {
		p.env = append(p.env, name+"="+value)
	}
	// Amazon's certificates are asked for, and nobody answers.
	p.env = append(p.env, "HTTPS_PROXY=http://"+neverAnswers(t))

	known := p.known(t, callbacks)
	for _, route := range ingestRoutes(t, settings) {
		method, pattern, _ := strings.Cut(route, " ")
		if method == http.MethodConnect {
			continue // has no path
		}
		for _, path := range filled(t, pattern) {
			at := len(p.forged)
			for _, f := range known {
				if where, _, _ := strings.Cut(f.path, "?"); f.method == method && where == path {
					p.forged = append(p.forged, f)
				}
			}
			if at == len(p.forged) {
				p.forged = append(p.forged, forged{method, path, false, func() (http.Header, []byte) {
					return http.Header{"Content-Type": {"application/json"}}, []byte("{}")
				}})
			}
			if method == http.MethodPost {
				p.forged = append(p.forged, forged{method, path, false, func() (http.Header, []byte) {
					return http.Header{"Content-Type": {"application/json"}}, bytes.Repeat([]byte("x"), tooLarge)
				}})
			}
		}
	}
	for _, f := range known {
		if !slices.ContainsFunc(p.forged, func(other forged) bool { return other.path == f.path && other.method == f.method }) {
			t.Errorf("%s %s: there is no such route", f.method, f.path)
		}
	}
	p.forged = append(p.forged, forged{http.MethodGet, "/nothing", false, func() (http.Header, []byte) { return http.Header{}, nil }})
	return p
}

// known returns the requests that are signed in their own way: those of tills and providers, with another key.
func (p *public) known(t *testing.T, callbacks *emulator.Callbacks) []forged {
	t.Helper()
	out := []forged{{http.MethodPost, "/webhooks/pos", true, func() (http.Header, []byte) {
		return http.Header{"Content-Type": {"application/json"}, "X-Webhook-Signature": {strings.Repeat("0", 64)}}, []byte(webhookOf("forged"))
	}}}
	for _, g := range catalog.Guides {
		for _, topic := range sample.Topics(g.Name) {
			make := func() (http.Header, []byte) {
				w, err := sample.New(g.Name, topic, "another key of sixteen bytes or more", squareAddress, time.Now())
				if err != nil {
					t.Error(err)
					return nil, nil
				}
				return w.Header, w.Body
			}
			out = append(out, forged{http.MethodPost, g.Path(), true, make}, forged{http.MethodPost, g.Path() + "/forged", true, make})
		}
	}
	said := []emulator.Callback{callbacks.Notify("1", "forged"), callbacks.Notify("2", "forged"), callbacks.Subscribe("forged"), callbacks.Challenge("forged", "forged")}
	for _, in := range []emulator.Inbound{
		{Provider: "twilio", Channel: "sms", From: "+15550100000", To: "+15005550006", Text: "STOP"}, {Provider: "whatsapp", Channel: "whatsapp", From: "+15550100000", Text: "STOP"},
	} {
		one, err := callbacks.Receive(in)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, one)
	}
	for _, m := range []emulator.Message{{Provider: "sendgrid", Channel: "email", To: "customer@example.com"}, {Provider: "whatsapp", Channel: "whatsapp", To: "+15550100000"}} {
		reports, err := callbacks.Report(m, emulator.Event{Kind: emulator.EventDelivered})
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, reports...)
	}
	for _, cb := range said {
		where, err := url.Parse(cb.URL)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, forged{cb.Method, where.RequestURI(), true, func() (http.Header, []byte) {
			if cb.Method == http.MethodGet {
				return http.Header{}, nil
			}
			other := cb.Forged()
			return other.Header, other.Body
		}})
	}
	return out
}

// ingestRoutes returns the method and pattern of every public route of an ingest with some settings.
func ingestRoutes(t *testing.T, settings map[string]string) []string {
	t.Helper()
	env := map[string]string{"PORT": "0", "OPS_PORT": "0", "REDIS_URL": "redis://127.0.0.1:1", "WEBHOOK_SECRET": attackedSecret}
	for name, value := range settings {
		env[name] = value
	}
	c, err := ingest.Load(t.Context(), envconfig.MapLookuper(env))
	if err != nil {
		t.Fatal(err)
	}
	i, err := ingest.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := i.Run(ended); err != nil {
		t.Fatal(err)
	}
	return i.Routes()
}

// filled returns the paths of a pattern: with what there is and what there is not for each of its parameters.
func filled(t *testing.T, pattern string) []string {
	t.Helper()
	values := map[string][]string{"store": {event.DefaultStore, "forged"}, "key": {"forged"}, "id": {"forged"}, "token": {"forged"}, "sender": {"forged"}}
	for _, g := range catalog.Guides {
		values["sender"] = append(values["sender"], g.Name)
	}
	before, rest, found := strings.Cut(pattern, "{")
	if !found {
		return []string{pattern}
	}
	name, after, _ := strings.Cut(rest, "}")
	if len(values[name]) == 0 {
		t.Fatalf("%s: say what to put in the place of {%s}", pattern, name)
	}
	var out []string
	for _, value := range values[name] {
		out = append(out, filled(t, before+value+after)...)
	}
	return out
}

// neverAnswers returns the address of a server that takes connections and never answers.
func neverAnswers(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // until the client gives up
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}
