package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
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
		"stripe":      {[]string{"checkout.session.completed", "checkout.session.async_payment_succeeded", "charge.succeeded", "charge.captured", "charge.refunded"}, []string{"paid", "refunded/650"}},
		"toast":       {[]string{"order_updated", "channel_order_updated"}, []string{"paid"}},
		"square":      {[]string{"payment.created", "payment.updated"}, []string{"paid"}},
		"loyverse":    {[]string{"receipts.update", "receipts.update-refund"}, []string{"paid", "refunded"}},
		"clover":      {[]string{"orders", "hosted_checkout"}, []string{"paid"}},
		"lightspeed":  {[]string{"sale.update-parked", "sale.update", "sale.update-return"}, []string{"created", "paid", "refunded"}},
	} {
		staffed := shop(message.Channels...) // the staff get messages of those webhooks, too, that name no customer
		staffed.Channels[0].Recipients = []message.Recipient{{Address: "+12025550199", Audience: message.Staff}}
		r := openRealFor(t, staffed)
		for round := range 6 {
			now, before := time.Now(), r.accepted()
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
			if got = slices.Compact(got); !slices.Equal(got, tt.want) { // one webhook may say two things, of which one was known
				t.Errorf("%s, %q: accepted %q, want %q", sender, posted, got, tt.want)
			}
			if n := r.accepted() - before; n != len(tt.want) {
				t.Errorf("%s, %q: %d events were accepted, want %d", sender, posted, n, len(tt.want))
			}
		}
	}
}

// accepted returns how many events were accepted.
func (r *real) accepted() (n int) {
	families, err := r.registry.Gather()
	if err != nil {
		r.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "ringup_webhooks_total" && l.GetName() == "outcome" && l.GetValue() == "accepted" {
					n += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return n
}

// TestSaidOnce: what has no time of its own is said once, however long after the sale is edited again. What nobody was told may be said later.
func TestSaidOnce(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	post := func(order string) string {
		mac := hmac.New(sha256.New, []byte(shopKey))
		mac.Write([]byte(order))
		resp := request(t, r.url+"/webhooks/woocommerce/default", order, http.Header{
			"X-Wc-Webhook-Topic": {"order.updated"}, "X-Wc-Webhook-Source": {"https://store.example.com/"}, "X-Wc-Webhook-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
		})
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("HTTP %d", resp.StatusCode)
		}
		return r.handler.inner.latest.take()["woocommerce"].Latest[0].Outcome
	}
	const order = `{"id":%d,"status":"processing","total":"20.00","currency":"USD","billing":{"phone":%q},"refunds":[{"total":"-%d.00"}]}`
	first := fmt.Sprintf(order, 1, "+12025550143", 5)
	for i, want := range []string{"accepted", "repeat"} {
		if got := post(first); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	// Deduplication has forgotten it.
	client := r.redis.Client()
	keys, err := client.Keys(t.Context(), "*:seen:*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("%q, %v", keys, err)
	}
	if err := client.Del(t.Context(), keys...).Err(); err != nil {
		t.Fatal(err)
	}
	if got := post(first); got != "repeat" {
		t.Errorf("days later: %s", got)
	}
	if got := post(fmt.Sprintf(order, 1, "+12025550143", 7)); got != "accepted" {
		t.Errorf("another refund: %s", got)
	}
	for _, one := range []struct{ phone, want string }{{"", "no_recipient"}, {"+12025550143", "accepted"}, {"", "no_recipient"}, {"+12025550143", "repeat"}} {
		if got := post(fmt.Sprintf(order, 2, one.phone, 5)); got != one.want {
			t.Errorf("with the number %q: %s, want %s", one.phone, got, one.want)
		}
	}
}

// TestStrangersPush: whatever strangers post, signed by nobody, pushes none of the shop's webhooks out of the latest.
func TestStrangersPush(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	w, err := sample.New("woocommerce", "order.updated", shopKey, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	request(t, r.url+"/webhooks/woocommerce/default", string(w.Body), w.Header)
	for i := range 3 * maxNoted {
		request(t, r.url+"/webhooks/woocommerce/default", fmt.Sprintf("webhook_id=%d", i), nil)
	}
	of := r.handler.inner.latest.take()["woocommerce"]
	if len(of.Latest) != 1 || of.Latest[0].Outcome != "accepted" || of.Counts["ping"] != 3*maxNoted || len(of.Refused) == 0 {
		t.Errorf("%d latest, %d refused, %v", len(of.Latest), len(of.Refused), of.Counts)
	}
}
