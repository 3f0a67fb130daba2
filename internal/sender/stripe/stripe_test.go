package stripe_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/stripe"
)

func sign(d *sender.Delivery, key string) {
	stamp := strconv.FormatInt(d.At.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(stamp + "."))
	mac.Write(d.Body)
	d.Header.Set("Stripe-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
}

// published is the event of stripe-dotnet's tests (src/StripeTests/Resources/event_test_signature.json at 946a380).
const published = `{
  "id": "evt_123",
  "object": "event",
  "account": "acct_123",
  "api_version": "2017-05-25",
  "created": 1533204620,
  "data": {
    "object": {
      "id": "cus_123",
      "object": "customer",
      "created": 123456789,
      "email": "test@stripe.com",
      "livemode": false,
      "metadata": {}
    }
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_123",
    "idempotency_key": "idempotency-key-123"
  },
  "type": "customer.created"
}
`

func suite(t testing.TB) sendertest.Suite {
	completed, err := os.ReadFile("testdata/checkout.session.completed.json")
	if err != nil {
		t.Fatal(err)
	}
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			o := stripe.Options{Store: "default"}
			for _, key := range keys {
				o.Keys = append(o.Keys, []byte(key))
			}
			return stripe.New(o)
		},
		Sign: sign,
		Vectors: []sendertest.Vector{
			{
				// src/StripeTests/Services/Events/EventUtilityTest.cs at 04a2fb3
				Name: "stripe-dotnet", Key: "webhook_secret", Body: []byte(published), At: time.Unix(1533204620, 0),
				Header: http.Header{"Stripe-Signature": {"t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7,v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"}},
			},
			{
				Name: "a sample", Key: "whsec_testsecret", Body: completed, At: time.Unix(1795185601, 0),
				Header: http.Header{"Stripe-Signature": {"t=1795185601,v1=a64361b2465e6cca00514c31851c56999113dbb144d36da235d6a76379a3241b"}},
			},
		},
		Samples: []sendertest.Sample{
			{Name: "checkout.session.completed"},
			{Name: "checkout.session.completed-unpaid-jpy-test"},
			{Name: "checkout.session.async_payment_succeeded-jpy-test"},
			{Name: "charge.succeeded-terminal"},
			{Name: "payment_intent.succeeded"},
		},
		Window:    5 * time.Minute,
		Essential: []string{"type", "data.object.id", "data.object.payment_intent", "data.object.mode", "data.object.payment_method_details.type", "data.object.captured"},
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, suite(f)) }

// TestRolledSecret: while a secret is rolled there are two signatures, and one of them fits.
func TestRolledSecret(t *testing.T) {
	t.Parallel()
	s := suite(t)
	d := s.Delivery(t, s.Samples[0], "the new secret of the endpoint")
	signed := d.Header.Get("Stripe-Signature")
	other := s.Delivery(t, s.Samples[0], "the old secret of the endpoint").Header.Get("Stripe-Signature")
	stamp := strconv.FormatInt(d.At.Unix(), 10)
	for _, header := range []string{signed + other[len("t="+stamp):], other + signed[len("t="+stamp):], signed + ",v0=00,v2=zz"} {
		d.Header.Set("Stripe-Signature", header)
		if err := s.New("the new secret of the endpoint").Verify(d); err != nil {
			t.Errorf("%s: %v", header, err)
		}
	}
}
