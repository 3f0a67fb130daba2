package ingest

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/sender/sample"
)

// TestSequences plays all webhooks of one sale, in order and shuffled, each twice, through ingest with a real Redis: each event that a person expects is accepted once.
func TestSequences(t *testing.T) {
	t.Parallel()
	for sender, tt := range map[string]struct{ topics, want []string }{
		"shopify": {
			[]string{"orders/create", "orders/paid", "orders/partially_fulfilled", "orders/fulfilled", "orders/updated"},
			[]string{"created", "fulfilled", "paid", "partial", "refunded/3.25"},
		},
		"woocommerce": {[]string{"order.created", "order.updated"}, []string{"created", "paid"}},
		"stripe":      {[]string{"checkout.session.completed", "checkout.session.async_payment_succeeded", "charge.succeeded", "charge.refunded"}, []string{"paid", "refunded/650"}},
		"toast":       {[]string{"order_updated", "channel_order_updated"}, []string{"paid"}},
		"square":      {[]string{"payment.created", "payment.updated"}, []string{"paid"}},
		"loyverse":    {[]string{"receipts.update", "receipts.update-refund"}, []string{"paid", "refunded"}},
		"clover":      {[]string{"orders", "hosted_checkout"}, []string{"paid"}},
		"lightspeed":  {[]string{"sale.update-parked", "sale.update", "sale.update-return"}, []string{"created", "paid", "refunded"}},
	} {
		r := openReal(t)
		for round := range 6 {
			now := time.Now()
			posted := append(slices.Clone(tt.topics), tt.topics...)
			if round > 0 {
				rand.Shuffle(len(posted), func(i, j int) { posted[i], posted[j] = posted[j], posted[i] })
			}
			for _, topic := range posted {
				w, err := sample.New(sender, topic, shopKey, squareURL, now)
				if err != nil {
					t.Fatal(err)
				}
				if resp := request(t, r.url+"/webhooks/"+sender+"/default", string(w.Body), w.Header); resp.StatusCode != http.StatusOK {
					t.Errorf("%s %s: HTTP %d", sender, topic, resp.StatusCode)
				}
			}
			var got []string
			if of := r.handler.inner.latest.take()[sender]; of != nil {
				for _, d := range of.Latest {
					for _, id := range d.Events {
						if d.Outcome == "accepted" {
							parts := strings.SplitN(id, "/", 4)
							got = append(got, parts[len(parts)-1])
						}
					}
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s, %q: accepted %q, want %q", sender, posted, got, tt.want)
			}
		}
	}
}
