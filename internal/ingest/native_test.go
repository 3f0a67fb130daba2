package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/sender/shopify"
	"ringup.dev/ringup/internal/sender/woocommerce"
)

const shopKey = "a-key-of-sixteen-bytes-or-more"

// natives returns ingest with the senders of shopKey, what it enqueues into, and its metrics.
func natives(t *testing.T, config Config) (string, *fakeQueue, *prometheus.Registry) {
	t.Helper()
	keys := secret.Keys{shopKey}
	verifier, err := generic.New(generic.Config{Tokens: secret.Keys{"token"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	senders, err := catalog.New(catalog.Config{Shopify: shopify.Config{Secrets: keys}, WooCommerce: woocommerce.Config{Secrets: keys}})
	if err != nil {
		t.Fatal(err)
	}
	registry, took := prometheus.NewRegistry(), &fakeQueue{}
	config.MaxBodyBytes = 1 << 20
	h, err := NewHandler(Options{
		Config: config, Store: shop(message.Channels...), Verifier: verifier, Enqueuer: took, Notifier: took, Registerer: registry, Log: slog.New(slog.DiscardHandler),
		Senders: senders,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL, took, registry
}

// deliver posts a webhook of Shopify, signed with a key.
func deliver(t *testing.T, url, topic, body, key string) *http.Response {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return request(t, url, body, http.Header{
		"Content-Type": {"application/json"}, "X-Shopify-Topic": {topic}, "X-Shopify-Shop-Domain": {"luna.myshopify.com"},
		"X-Shopify-Hmac-Sha256": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	})
}

func request(t *testing.T, url, body string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// outcomes returns ringup_sender_webhooks_total by sender and outcome.
func outcomes(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		if f.GetName() != "ringup_sender_webhooks_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out = append(out, fmt.Sprintf("%s %s %g", labels["sender"], labels["outcome"], m.GetCounter().GetValue()))
		}
	}
	return strings.Join(out, ", ")
}

const paidOrder = `{"id":1,"name":"#1001","financial_status":"paid","total_price":"29.35","currency":"USD","email":"ann@example.com","phone":"+12025550147","test":%t,"line_items":[]}`

// TestNative: every webhook that is in order is answered as its sender wants, whether or not a message comes of it, and is counted by what comes of it.
func TestNative(t *testing.T) {
	t.Parallel()
	real, test := fmt.Sprintf(paidOrder, false), fmt.Sprintf(paidOrder, true)
	nobody := `{"id":2,"total_price":"1.00","currency":"USD"}`
	for name, tt := range map[string]struct {
		topic, body, key string
		change           func(*fakeQueue)
		config           Config
		status           int
		events           int
		counted          string
	}{
		"paid":                  {topic: "orders/paid", body: real, status: 200, events: 1, counted: "shopify accepted 1"},
		"a test order":          {topic: "orders/paid", body: test, status: 200, counted: "shopify test 1"},
		"test orders are sent":  {topic: "orders/paid", body: test, config: Config{SendTestOrders: true}, status: 200, events: 1, counted: "shopify accepted 1"},
		"nobody to write to":    {topic: "orders/paid", body: nobody, status: 200, counted: "shopify no_recipient 1"},
		"a topic without words": {topic: "products/update", body: "[]", status: 200, counted: "shopify topic 1"},
		"an old edit":           {topic: "orders/updated", body: `{"id":1,"cancelled_at":"2020-01-01T00:00:00Z"}`, status: 200, counted: "shopify repeat 1"},
		"another key":           {topic: "orders/paid", body: real, key: "another key of sixteen bytes", status: 401, counted: "shopify unauthorized 1"},
		"too large":             {topic: "orders/paid", body: real + strings.Repeat(" ", 1<<20), status: 413, counted: "shopify too_large 1"},
		"Redis is away":         {topic: "orders/paid", body: real, change: func(q *fakeQueue) { q.err = queue.ErrUnavailable }, status: 503, counted: "shopify unavailable 1"},
	} {
		url, took, registry := natives(t, tt.config)
		if tt.change != nil {
			tt.change(took)
		}
		key := tt.key
		if key == "" {
			key = shopKey
		}
		resp := deliver(t, url+"/webhooks/shopify/default", tt.topic, tt.body, key)
		answer, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != tt.status || tt.status == 200 && len(answer) > 0 || len(took.took) != tt.events {
			t.Errorf("%s: HTTP %d %q, %d events", name, resp.StatusCode, answer, len(took.took))
		}
		if got := outcomes(t, registry); got != tt.counted {
			t.Errorf("%s: counted as %s, want %s", name, got, tt.counted)
		}
		if tt.events == 1 {
			if e := took.took[0].Event; e.Store != "default" || e.Sender != "shopify" || !strings.HasPrefix(e.ID, "shopify/luna.myshopify.com/") {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

// TestWhoHasNoSender: a path that names no sender, one that is not on, or no store is not there, and makes no label of a metric.
func TestWhoHasNoSender(t *testing.T) {
	t.Parallel()
	url, _, registry := natives(t, Config{})
	for _, path := range []string{"/webhooks/stripe/default", "/webhooks/nobody/default", "/webhooks/shopify/luna", "/webhooks/shopify", "/webhooks/shopify/", "/webhooks/shopify/default/key/more"} {
		if resp := deliver(t, url+path, "orders/paid", fmt.Sprintf(paidOrder, false), shopKey); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: HTTP %d", path, resp.StatusCode)
		}
	}
	if got := outcomes(t, registry); got != "" {
		t.Errorf("counted: %s", got)
	}
}

// TestAnyContentType: the type that a sender names is not a reason to refuse its webhook; what counts is the signature.
func TestAnyContentType(t *testing.T) {
	t.Parallel()
	url, took, _ := natives(t, Config{})
	body := fmt.Sprintf(paidOrder, false)
	mac := hmac.New(sha256.New, []byte(shopKey))
	mac.Write([]byte(body))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for i, kind := range []string{"", "text/plain", "application/json; charset=latin1", "no type at all"} {
		resp := request(t, url+"/webhooks/shopify/default", body, http.Header{"Content-Type": {kind}, "X-Shopify-Topic": {"orders/paid"}, "X-Shopify-Hmac-Sha256": {signature}})
		if resp.StatusCode != http.StatusOK || len(took.took) != i+1 {
			t.Errorf("%q: HTTP %d", kind, resp.StatusCode)
		}
	}
	// WooCommerce's ping is a form, and wants exactly 200.
	resp := request(t, url+"/webhooks/woocommerce/default", "webhook_id=42", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !bytes.Equal(answer, nil) {
		t.Errorf("ping: HTTP %d %q", resp.StatusCode, answer)
	}
}

// TestWithoutPos: where other senders have the only keys, /webhooks/pos is not there, and nobody may ask for notifications.
func TestWithoutPos(t *testing.T) {
	t.Parallel()
	senders, err := catalog.New(catalog.Config{Shopify: shopify.Config{Secrets: secret.Keys{shopKey}}})
	if err != nil {
		t.Fatal(err)
	}
	took := &fakeQueue{}
	h, err := NewHandler(Options{
		Config: Config{MaxBodyBytes: 1 << 20}, Store: shop(message.Channels...), Senders: senders, Enqueuer: took, Notifier: took,
		Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	if resp := request(t, server.URL+"/webhooks/pos", "{}", http.Header{"Content-Type": {"application/json"}}); resp.StatusCode != http.StatusNotFound {
		t.Errorf("/webhooks/pos: HTTP %d", resp.StatusCode)
	}
	resp, err := http.Get(server.URL + "/v1/notifications/x")
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("notifications: %v %v", resp.StatusCode, err)
	}
	_ = resp.Body.Close()
	if resp := deliver(t, server.URL+"/webhooks/shopify/default", "orders/paid", fmt.Sprintf(paidOrder, false), shopKey); resp.StatusCode != http.StatusOK || len(took.took) != 1 {
		t.Errorf("shopify: HTTP %d", resp.StatusCode)
	}
}
