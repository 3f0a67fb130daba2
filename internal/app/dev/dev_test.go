package dev

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/test/emulator"
)

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func get(t *testing.T, url, accept string) (string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %d, %v", url, resp.StatusCode, err)
	}
	return string(body), resp.Header
}

// TestFirstMinutes does what a newcomer does: starts it, posts the documented sample, looks at the outbox.
func TestFirstMinutes(t *testing.T) {
	t.Parallel()
	var out output
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(ctx, envconfig.MapLookuper(map[string]string{"PORT": "0", "ADMIN_PORT": "0", "OPS_PORT": "0"}), Loopback, &out)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	redistest.Eventually(t, "it greets", func() bool { return strings.Contains(out.String(), "Ctrl-C") })
	if !strings.Contains(out.String(), s.Curl()[:60]) || !strings.Contains(s.Curl(), "Authorization: Bearer "+s.token) {
		t.Errorf("no curl line to paste in %s", out.String())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.IngestURL()+"/webhooks/pos", bytes.NewReader(generic.Sample(event.POSSave)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("HTTP %d", resp.StatusCode)
	}
	var entries []sandbox.Entry
	redistest.Eventually(t, "three messages are in the outbox", func() bool {
		text, _ := get(t, s.AdminURL()+"/outbox", "application/json")
		if err := json.Unmarshal([]byte(text), &entries); err != nil {
			t.Fatal(err)
		}
		return len(entries) == 3
	})
	for _, e := range entries {
		if strings.Contains(e.To, "•") {
			t.Errorf("the outbox of a sandbox masks %s", e.To)
		}
		if e.EventID != "webhook_12345" || !strings.Contains(e.Text, "125.50") || (e.Channel == "email") != (e.HTML != "" && e.Subject != "") {
			t.Errorf("%+v", e)
		}
	}
	page, header := get(t, s.AdminURL()+"/outbox", "text/html")
	if !strings.Contains(page, "Hi John Doe") || !strings.Contains(page, "<b>Luna Coffee</b>") || !strings.Contains(page, "srcdoc=") ||
		!strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: %s", page)
	}
	redistest.Eventually(t, "the messages are printed", func() bool {
		return strings.Count(out.String(), "webhook") > 0 && strings.Contains(out.String(), "Your receipt")
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// TestSendersAreAsked: where the token of a sender's API is set, its webhooks are completed before they become messages.
func TestSendersAreAsked(t *testing.T) {
	t.Parallel()
	api := emulator.NewSquareAPI()
	api.Put("/v2/orders/1", `{"order":{"id":"1","version":1,"state":"OPEN","fulfillments":[{"type":"PICKUP","state":"PREPARED","pickup_details":{"recipient":{"display_name":"Ana Ruiz","email_address":"ana@example.com"}}}]}}`)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	const key = "a-signature-key-of-square"
	s, err := New(t.Context(), envconfig.MapLookuper(map[string]string{
		"PORT": "0", "ADMIN_PORT": "0", "OPS_PORT": "0", "SQUARE_SIGNATURE_KEY": key, "SQUARE_ACCESS_TOKEN": emulator.SquareToken, "SQUARE_BASE_URL": server.URL, "COALESCE": "0s",
	}), Loopback, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	body := fmt.Sprintf(`{"merchant_id":"m","type":"order.fulfillment.updated","created_at":%q,"data":{"object":{"order_fulfillment_updated":{"order_id":"1","version":1}}}}`, time.Now().UTC().Format(time.RFC3339))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(squareURL + body))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.IngestURL()+"/webhooks/square/default", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Square-Hmacsha256-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("HTTP %d", resp.StatusCode)
	}
	redistest.Eventually(t, "the message is in the outbox", func() bool {
		text, _ := get(t, s.AdminURL()+"/outbox", "application/json")
		return strings.Contains(text, "ana@example.com") && strings.Contains(text, "Ana")
	})
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	var out output
	first, err := New(t.Context(), envconfig.MapLookuper(map[string]string{"PORT": "0", "ADMIN_PORT": "0", "OPS_PORT": "0"}), Loopback, &out)
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	port := first.IngestURL()[strings.LastIndex(first.IngestURL(), ":")+1:]
	_, err = New(t.Context(), envconfig.MapLookuper(map[string]string{"PORT": port, "ADMIN_PORT": "0", "OPS_PORT": "0"}), Loopback, &out)
	if err == nil || !strings.Contains(err.Error(), "PORT "+port+" cannot be bound") {
		t.Errorf("got %v", err)
	}
}

// TestLoopback: dev listens on this machine alone, each of its ports, unless it is told a host.
func TestLoopback(t *testing.T) {
	t.Parallel()
	for host, all := range map[string]bool{Loopback: false, "": true} {
		s, err := New(t.Context(), envconfig.MapLookuper(map[string]string{"PORT": "0", "ADMIN_PORT": "0", "OPS_PORT": "0", "ADMIN_TOKEN": "a-token-of-the-tests"}), host, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		for name, addr := range map[string]string{"ingest": s.ingest.Addr(), "admin": s.admin.Addr(), "ops": s.ingest.OpsAddr()} {
			at, err := netip.ParseAddrPort(addr)
			if err != nil || at.Addr().IsLoopback() == all {
				t.Errorf("host %q: %s listens on %s (%v)", host, name, addr, err)
			}
		}
		s.close()
	}
}

// TestTemplatesAreReadAgain: a template counts once it is saved, in messages and on the preview page; a wrong one is named once.
func TestTemplatesAreReadAgain(t *testing.T) {
	t.Parallel()
	var out output
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(ctx, envconfig.MapLookuper(map[string]string{"PORT": "0", "ADMIN_PORT": "0", "OPS_PORT": "0", "TEMPLATES_DIR": dir}), Loopback, &out)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	save := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "words.en.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(greeting string) bool {
		page, _ := get(t, s.AdminURL()+"/admin/preview?channel=sms", "text/html")
		return strings.Contains(page, "Luna Coffee: "+greeting)
	}
	if !shows("Hi John Doe, ") {
		t.Error("the preview has other words")
	}
	save(`{{define "greeting"}}Dear {{.CustomerName}}, {{end}}`)
	redistest.Eventually(t, "the preview has the new words", func() bool { return shows("Dear John Doe, ") })
	sent := 0
	redistest.Eventually(t, "messages have the new words", func() bool {
		sent++
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.IngestURL()+"/test/simulate-webhook", strings.NewReader(fmt.Sprintf(`{"id":"w%d"}`, sent)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		text, _ := get(t, s.AdminURL()+"/outbox?channel=sms", "application/json")
		return strings.Contains(text, "Luna Coffee: Dear John Doe, ")
	})
	save(`{{define "greeting"}}Dear {{.Nothing}}, {{end}}`)
	redistest.Eventually(t, "the log names the file", func() bool { return strings.Contains(out.String(), "words.en.txt") })
	if !shows("Dear John Doe, ") {
		t.Error("a wrong file changes the words")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "templates not read"); n != 1 {
		t.Errorf("the log names the file %d times: %s", n, out.String())
	}
}

// TestRealProviders: with a provider that sends, dev says so, and lets no more be seen and written to than the programs do.
func TestRealProviders(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  map[string]string
		real string
	}{
		"none": {nil, ""}, "the sandbox by name": {map[string]string{"SMS_PROVIDER": "sandbox"}, ""},
		"one": {map[string]string{"SMS_PROVIDER": "twilio"}, "sms through twilio"}, "two": {map[string]string{"SMS_PROVIDER": "twilio,aws", "EMAIL_PROVIDER": "sendgrid"}, "sms through twilio,aws; email through sendgrid"},
		"one behind the sandbox": {map[string]string{"WHATSAPP_PROVIDER": "sandbox,business"}, "whatsapp through sandbox,business"},
	} {
		values, real := defaults(envconfig.MapLookuper(tt.env))
		if got := strings.Join(real, "; "); got != tt.real || (values["ADMIN_REVEAL"] == "true") != (got == "") || (values["ALLOWED_COUNTRIES"] == "*") != (got == "") {
			t.Errorf("%s: %q, %v", name, got, values)
		}
	}
	var out output
	s, err := New(t.Context(), envconfig.MapLookuper(map[string]string{"PORT": "0", "ADMIN_PORT": "0", "OPS_PORT": "0", "SMS_PROVIDER": "twilio", "TWILIO_ACCOUNT_SID": "AC" + strings.Repeat("0", 32),
		"TWILIO_AUTH_TOKEN": strings.Repeat("0", 32), "TWILIO_SMS_FROM": "+12025550143"}), Loopback, &out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.greet()
	if text := out.String(); strings.Contains(text, "nothing leaves this machine") || !strings.Contains(text, "Messages are sent, and cost money: sms through twilio.") {
		t.Errorf("%s", text)
	}
}
