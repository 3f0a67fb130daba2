package square_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"os"
	"testing"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/square"
)

const subscription = "https://ringup.example.com/webhooks/square"

func sign(d *sender.Delivery, key string) {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(subscription))
	mac.Write(d.Body)
	d.Header.Set("X-Square-Hmacsha256-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func suite(t testing.TB) sendertest.Suite {
	paid, err := os.ReadFile("testdata/payment.updated.json")
	if err != nil {
		t.Fatal(err)
	}
	s := sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			o := square.Options{Store: "default", NotificationURL: subscription}
			for _, key := range keys {
				o.Keys = append(o.Keys, []byte(key))
			}
			return square.New(o)
		},
		Sign: sign,
		Vectors: []sendertest.Vector{
			{Name: "a sample", Key: "test-square-signature-key", Body: paid, Header: http.Header{"X-Square-Hmacsha256-Signature": {"K/Owg083lFrf6Z+AAUZiO8+ZBJZWLWbb9bn818elc/I="}}},
		},
		Essential: []string{
			"type", "data.object.payment.id", "data.object.payment.status", "data.object.payment.refunded_money.amount", "data.object.payment.refunded_money.currency",
			"data.object.payment.total_money.amount",
		},
	}
	for _, name := range []string{
		"payment.updated", "payment.updated-approved-jpy", "payment.updated-refunded", "refund.updated", "order.created", "order.updated", "order.fulfillment.updated", "webhooks.test_notification",
	} {
		s.Samples = append(s.Samples, sendertest.Sample{Name: name, Header: http.Header{"Square-Environment": {"Production"}}})
	}
	return s
}

func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, suite(f)) }

// TestPublishedSignatures are those of Square's own tests: square-nodejs-sdk, tests/integration/webhooks.test.ts at c58c6e0, and square-go-sdk,
// webhooks/client/verify_signature_test.go at 3f484c5.
func TestPublishedSignatures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, url, body, signature string }{
		{"signature-key", "https://webhook.site/webhooks", `{"data":{"type":"webhooks","id":"fake_id"}}`, "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA="},
		{"Ibxx_5AKakO-3qeNVR61Dw", "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
			`{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}`,
			"GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
	} {
		d := &sender.Delivery{Header: http.Header{"X-Square-Hmacsha256-Signature": {tt.signature}}, Body: []byte(tt.body), At: sendertest.Now}
		at := func(url string) sender.Sender {
			return square.New(square.Options{Store: "default", Keys: [][]byte{[]byte(tt.key)}, NotificationURL: url})
		}
		if err := at(tt.url).Verify(d); err != nil {
			t.Errorf("%s: %v", tt.url, err)
		}
		for _, other := range []string{tt.url + "/", "http" + tt.url[len("https"):], ""} {
			if at(other).Verify(d) == nil {
				t.Errorf("%q is taken for %q", other, tt.url)
			}
		}
	}
}

func TestSandbox(t *testing.T) {
	t.Parallel()
	s := suite(t)
	d := s.Delivery(t, s.Samples[0], "a-key")
	d.Header.Set("Square-Environment", "Sandbox")
	if reading, err := s.New("a-key").Decode(d); err != nil || !reading.Events[0].Sale.Test {
		t.Errorf("%+v, %v", reading, err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://hooks.example.com/webhooks/square/default": true, "": false, "http://hooks.example.com/x": false, "hooks.example.com": false, "https://hooks.example.com/ x": false,
	} {
		c := square.Config{Keys: secret.Keys{"a signature key of Square"}, NotificationURL: address}
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	if err := (&square.Config{}).Validate(); err != nil {
		t.Errorf("without a key: %v", err)
	}
}
