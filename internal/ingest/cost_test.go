package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/sender/sample"
)

// BenchmarkAccept is the whole handler but for the queue: of /webhooks/pos, of a sale of each sender in its own form, and of an order with every member that Shopify gives
// one. `make bench BENCHFLAGS=-native` has the real programs.
func BenchmarkAccept(b *testing.B) {
	keys := secret.Keys{shopKey}
	verifier, err := generic.New(generic.Config{Secrets: keys}, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	var c catalog.Config
	for _, g := range catalog.Guides {
		*g.Keys(&c) = keys
	}
	c.Square.NotificationURL = squareURL
	senders, err := catalog.New(c)
	if err != nil {
		b.Fatal(err)
	}
	h, err := NewHandler(Options{
		Config: Config{MaxBodyBytes: 1 << 20}, Store: shop(message.Channels...), Verifier: verifier, Senders: senders,
		Enqueuer: discard{}, Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	run := func(name, path string, header http.Header, body []byte) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
				r.Header = header
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code >= http.StatusBadRequest {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
	body := bytes.Replace(generic.Sample(event.PaymentComplete), []byte("+1234567890"), []byte("+12025550147"), 1)
	mac := hmac.New(sha256.New, []byte(shopKey))
	mac.Write(body)
	run("pos", "/webhooks/pos", http.Header{"Content-Type": {"application/json"}, "X-Webhook-Signature": {hex.EncodeToString(mac.Sum(nil))}}, body)
	order, err := os.ReadFile("../../test/bench/shopify-order.json")
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range []struct{ name, sender, topic, text string }{
		{"shopify, whole", "shopify", "orders/paid", string(order)}, {"shopify", "shopify", "orders/paid", ""}, {"woocommerce", "woocommerce", "order.updated", ""},
		{"toast", "toast", "order_updated", ""}, {"stripe", "stripe", "checkout.session.completed", ""}, {"square", "square", "payment.updated", ""},
	} {
		w, err := sample.Make(one.sender, one.topic, shopKey, squareURL, time.Now(), sample.Options{Text: one.text})
		if err != nil {
			b.Fatal(err)
		}
		run(one.name, "/webhooks/"+one.sender+"/default", w.Header, w.Body)
	}
}
