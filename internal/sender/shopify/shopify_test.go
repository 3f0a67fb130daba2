package shopify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"os"
	"testing"
	"time"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/shopify"
)

const shop = "luna-coffee.myshopify.com"

func sign(d *sender.Delivery, key string) {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(d.Body)
	d.Header.Set("X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func topic(name string) http.Header {
	return http.Header{"X-Shopify-Topic": {name}, "X-Shopify-Shop-Domain": {shop}}
}

func suite(t testing.TB) sendertest.Suite {
	paid, err := os.ReadFile("testdata/orders-paid.json")
	if err != nil {
		t.Fatal(err)
	}
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			var all [][]byte
			for _, key := range keys {
				all = append(all, []byte(key))
			}
			return shopify.New("default", all)
		},
		Sign: sign,
		Vectors: []sendertest.Vector{
			// bold-commerce/go-shopify, oauth_test.go at 02fd1ba
			{Name: "go-shopify", Key: "hush", Body: []byte(`"my secret message"`), Header: http.Header{"X-Shopify-Hmac-Sha256": {"hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI="}}},
			{Name: "the newer header", Key: "hush", Body: []byte(`"my secret message"`), Header: http.Header{"Shopify-Hmac-Sha256": {"hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI="}}},
			{Name: "a sample", Key: "test-shopify-secret", Body: paid, Header: http.Header{"X-Shopify-Hmac-Sha256": {"pNyGHKsq6TYQUaiVlWYgdcUya0StbDNhj7J095mqKv8="}}},
		},
		Samples: []sendertest.Sample{
			{Name: "orders-paid", Header: topic("orders/paid")},
			{Name: "orders-create-guest", Header: topic("orders/create")},
			{Name: "orders-cancelled", Header: topic("orders/cancelled")},
			{Name: "orders-updated-fulfilled", Header: topic("orders/updated"), At: time.Date(2026, 11, 21, 13, 1, 0, 0, time.UTC)},
			{Name: "refunds-create", Header: topic("refunds/create")},
		},
		Essential: []string{"id", "fulfillment_status", "fulfillments[].created_at"},
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, suite(f)) }
