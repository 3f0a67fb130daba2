package toast_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"os"
	"regexp"
	"testing"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/toast"
)

var stamp = regexp.MustCompile(`"timestamp":\s*"([^"]*)"`)

func sign(d *sender.Delivery, key string) {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(d.Body)
	if found := stamp.FindSubmatch(d.Body); found != nil {
		mac.Write(found[1])
	}
	d.Header.Set("Toast-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func suite(t testing.TB) sendertest.Suite {
	paid, err := os.ReadFile("testdata/order_updated-paid.json")
	if err != nil {
		t.Fatal(err)
	}
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			var all [][]byte
			for _, key := range keys {
				all = append(all, []byte(key))
			}
			return toast.New(toast.Options{Store: "default", Keys: all})
		},
		Sign: sign,
		Vectors: []sendertest.Vector{
			{Name: "a sample", Key: "test-toast-secret", Body: paid, Header: http.Header{"Toast-Signature": {"7tQirBetlEEX6FDN8/WyWGvQiQjTj1hy6WNrPN0qUeI="}}},
		},
		Samples: []sendertest.Sample{{Name: "order_updated-new"}, {Name: "order_updated-paid"}},
		Essential: []string{
			"eventCategory", "details.order.guid", "details.order.voided", "details.order.deleted", "details.order.checks[].guid", "details.order.checks[].paymentStatus",
			"details.order.checks[].voided", "details.order.checks[].deleted", "details.order.checks[].totalAmount", "details.order.checks[].paidDate", "details.order.createdDate",
		},
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, suite(f)) }
