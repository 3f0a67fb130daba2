package woocommerce_test

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
	"ringup.dev/ringup/internal/sender/woocommerce"
)

func sign(d *sender.Delivery, key string) {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(d.Body)
	d.Header.Set("X-Wc-Webhook-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func topic(name string) http.Header {
	return http.Header{"X-Wc-Webhook-Topic": {name}, "X-Wc-Webhook-Source": {"https://store.example.com/"}}
}

func suite(t testing.TB) sendertest.Suite {
	paid, err := os.ReadFile("testdata/order.updated-paid.json")
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"X-Wc-Webhook-Signature": {"B/GkUUg1m1g6mGRUu3ihuvo7IgWSIY62uKtLaY3nN28="}}
	afternoon := time.Date(2026, 11, 20, 14, 31, 0, 0, time.UTC)
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			var all [][]byte
			for _, key := range keys {
				all = append(all, []byte(key))
			}
			return woocommerce.New("default", all)
		},
		Sign: sign,
		Vectors: []sendertest.Vector{
			{Name: "a sample", Key: "test woo & secret", Body: paid, Header: header},
			{Name: "a secret as WordPress stores it", Key: "test woo &amp; secret", Body: paid, Header: header},
		},
		Samples: []sendertest.Sample{
			{Name: "order.updated-paid", Header: topic("order.updated"), At: afternoon},
			{Name: "order.created-guest", Header: topic("order.created"), At: afternoon},
			{Name: "order.updated-checkout-draft", Header: topic("order.updated"), At: afternoon},
			{Name: "order.updated-refunded", Header: topic("order.updated"), At: time.Date(2026, 11, 21, 15, 1, 0, 0, time.UTC)},
		},
		Essential: []string{"id", "status", "date_paid_gmt", "refunds[].total"},
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, suite(f)) }

// TestPing: what WooCommerce posts when a webhook is activated is not signed, and has to be answered exactly 200.
func TestPing(t *testing.T) {
	t.Parallel()
	s := woocommerce.New("default", [][]byte{[]byte("a secret of the webhook")})
	d := &sender.Delivery{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte("webhook_id=42"), At: sendertest.Now}
	if err := s.Verify(d); err != nil {
		t.Fatal(err)
	}
	if reading, err := s.Decode(d); err != nil || reading.Skip != sender.SkipPing || len(reading.Events) != 0 {
		t.Errorf("%+v, %v", reading, err)
	}
	for _, body := range []string{"webhook_id=", "webhook_id=42&id=1", "webhook_id=42\n", `{"id":1}`, "webhook_id=x"} {
		d.Body = []byte(body)
		if s.Verify(d) == nil {
			t.Errorf("%q is let in without a signature", body)
		}
	}
}
