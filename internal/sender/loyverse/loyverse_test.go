package loyverse_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/loyverse"
	"ringup.dev/ringup/internal/sender/sendertest"
)

func sign(d *sender.Delivery, key string) {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write(d.Body)
	d.Header.Set("X-Loyverse-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func bytesOf(keys []string) (all [][]byte) {
	for _, key := range keys {
		all = append(all, []byte(key))
	}
	return all
}

func suite(t testing.TB) sendertest.Suite {
	posted, err := os.ReadFile("testdata/receipts.update.json")
	if err != nil {
		t.Fatal(err)
	}
	morning := time.Date(2026, 11, 20, 7, 30, 2, 0, time.UTC)
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			return loyverse.New(loyverse.Options{Store: "default", Keys: bytesOf(keys)})
		},
		NewPath: func(keys ...string) sender.Sender {
			return loyverse.New(loyverse.Options{Store: "default", PathKeys: bytesOf(keys)})
		},
		Sign: sign,
		Vectors: []sendertest.Vector{ // computed: Loyverse publishes none
			{Name: "base64", Key: "test-loyverse-client-secret", Body: posted, Header: http.Header{"X-Loyverse-Signature": {"Ac/lxN+2p+7wW7UaoAZRy40Kv5M="}}},
			{Name: "hex", Key: "test-loyverse-client-secret", Body: posted, Header: http.Header{"X-Loyverse-Signature": {"01cfe5c4dfb6a7eef05bb51aa00651cb8d0abf93"}}},
		},
		Samples: []sendertest.Sample{
			{Name: "receipts.update", At: morning},
			{Name: "receipts.update-cafe", At: morning},
			// PipedreamHQ/pipedream, components/loyverse/sources/receipt-updated-instant/test-event.mjs at 5c54656
			{Name: "receipts.update-pipedream", At: time.Date(2024, 3, 23, 20, 19, 0, 0, time.UTC)},
			{Name: "customers.update", At: morning},
		},
		Essential: []string{
			"type", "receipts[].receipt_number", "receipts[].receipt_type", "receipts[].cancelled_at", "receipts[].created_at", "receipts[].receipt_date",
		},
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, suite(f)) }

// posted is a webhook of one receipt with members that differ from those of a sale.
func posted(created, members string) string {
	return `{"merchant_id":"m","type":"receipts.update","created_at":"` + created + `","receipts":[{"receipt_number":"1-7","receipt_type":"SALE","total_money":10,` +
		`"created_at":"2026-11-20T17:00:05Z","receipt_date":"2026-11-20T17:00:00Z","updated_at":"` + created + `"` + members + `}]}`
}

// TestReceipts: a sale is told once, as it was paid; what was edited long after says nothing, and one that a till posts late is new.
func TestReceipts(t *testing.T) {
	t.Parallel()
	s := loyverse.New(loyverse.Options{Store: "default"})
	for name, tt := range map[string]struct {
		created, members string
		id               string
		kind             event.Type
		skip             sender.Skip
		total, refunded  string
	}{
		"paid":                          {"2026-11-20T17:00:06Z", ``, "paid", event.PaymentComplete, "", "10", ""},
		"edited in the evening":         {"2026-11-20T22:00:00Z", ``, "paid", event.PaymentComplete, "", "10", ""},
		"edited on the day after":       {"2026-11-21T17:00:00Z", ``, "", "", sender.SkipRepeat, "", ""},
		"made offline, posted late":     {"2026-11-20T17:00:06Z", `,"receipt_date":"2026-11-20T06:00:00Z"`, "paid", event.PaymentComplete, "", "10", ""},
		"cancelled":                     {"2026-11-20T18:00:00Z", `,"cancelled_at":"2026-11-20T18:00:00Z"`, "cancelled", event.OrderCancel, "", "10", ""},
		"cancelled and edited after":    {"2026-11-22T18:00:00Z", `,"cancelled_at":"2026-11-20T18:00:00Z"`, "", "", sender.SkipRepeat, "", ""},
		"refunded":                      {"2026-11-20T17:00:06Z", `,"receipt_type":"REFUND","refund_for":"1-6"`, "refunded", event.RefundComplete, "", "", "10"},
		"a refund that was cancelled":   {"2026-11-20T17:00:06Z", `,"receipt_type":"REFUND","cancelled_at":"2026-11-20T17:00:06Z"`, "", "", sender.SkipState, "", ""},
		"a kind that is not known":      {"2026-11-20T17:00:06Z", `,"receipt_type":"QUOTE"`, "", "", sender.SkipState, "", ""},
		"a tip beside the total":        {"2026-11-20T17:00:06Z", `,"tip":2,"payments":[{"money_amount":12,"type":"CASH"}]`, "paid", event.PaymentComplete, "", "12", ""},
		"a tip in the total":            {"2026-11-20T17:00:06Z", `,"tip":2,"payments":[{"money_amount":10,"type":"CASH"}]`, "paid", event.PaymentComplete, "", "10", ""},
		"paid in two ways with a tip":   {"2026-11-20T17:00:06Z", `,"tip":0.5,"surcharge":1,"payments":[{"money_amount":1.5},{"money_amount":10}]`, "paid", event.PaymentComplete, "", "11.5", ""},
		"a total that cannot be read":   {"2026-11-20T17:00:06Z", `,"total_money":"ten"`, "paid", event.PaymentComplete, "", "", ""},
		"a payment that cannot be read": {"2026-11-20T17:00:06Z", `,"tip":2,"payments":[{"money_amount":"?"}]`, "paid", event.PaymentComplete, "", "10", ""},
	} {
		reading, err := s.Decode(&sender.Delivery{Body: []byte(posted(tt.created, tt.members)), At: sendertest.Now})
		if fault := sendertest.Check(reading, err); fault != nil || err != nil || reading.Skip != tt.skip {
			t.Errorf("%s: %v, %v, %+v", name, fault, err, reading)
			continue
		}
		if tt.skip != "" {
			continue
		}
		if e := reading.Events[0]; e.ID != "loyverse/m/1-7/"+tt.id || e.Type != tt.kind || e.Sale.Total != tt.total || e.Sale.Refunded != tt.refunded {
			t.Errorf("%s:\n%s", name, sendertest.Text(reading, nil))
		}
	}
}

// TestSeveralReceipts: each receipt of a webhook is an event of its own, and one without a number costs the others nothing.
func TestSeveralReceipts(t *testing.T) {
	t.Parallel()
	s := loyverse.New(loyverse.Options{Store: "default"})
	body := `{"merchant_id":"m","type":"receipts.update","receipts":[{"receipt_number":"1"},{"receipt_number":null},{"receipt_number":"2"},{"receipt_number":"1"}]}`
	reading, err := s.Decode(&sender.Delivery{Body: []byte(body), At: sendertest.Now})
	if fault := sendertest.Check(reading, err); fault != nil || len(reading.Events) != 2 {
		t.Errorf("%v, %s", fault, sendertest.Text(reading, err))
	}
	reading, err = s.Decode(&sender.Delivery{Body: []byte(strings.ReplaceAll(body, "receipt_number", "number")), At: sendertest.Now})
	if err == nil {
		t.Errorf("no receipt has a number: %+v", reading)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for key, ok := range map[secret.Key]bool{"0123456789abcdefABCDEF-_": true, "a key with spaces in it": false, "a/key/of/strokes/and": false, "prozent%20prozent": false, "schlüssel-schlüssel": false} {
		c := loyverse.Config{PathKeys: secret.Keys{"0123456789abcdef", key}}
		if err := c.Validate(); (err == nil) != ok || err != nil && (!strings.Contains(err.Error(), "LOYVERSE_PATH_KEY") || strings.Contains(err.Error(), key.Reveal())) {
			t.Errorf("%v", err)
		}
	}
}
