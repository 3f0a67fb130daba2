package system

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
)

const (
	shopKey = "the-key-of-a-shop-of-the-tests"
	// squareURL is where the public finds ingest, behind a proxy that ends TLS.
	squareURL = "https://hooks.example.com/webhooks/square/default"
)

// nativeKeys turns every sender with a form of its own on. What may wait does so for longer than a test takes.
func nativeKeys() []string {
	env := []string{"SQUARE_NOTIFICATION_URL=" + squareURL, "DEFAULT_CURRENCY=USD", "CHANNELS=email", "COALESCE=10m"}
	for _, g := range catalog.Guides {
		env = append(env, g.Variable+"="+shopKey)
	}
	return env
}

// deliver posts a webhook to an ingest, and returns the answer.
func (s *system) deliver(client *http.Client, url, path string, header http.Header, body []byte) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, url+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header = header
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// salesOfSenders are the topics of one sale in order, and the meanings of which a person expects one message each.
var salesOfSenders = []struct {
	sender       string
	topics, want []string
}{
	{"shopify", []string{"orders/create", "orders/paid", "orders/partially_fulfilled", "orders/fulfilled", "orders/updated"}, []string{"paid", "refunded/3.25"}},
	{"shopify", []string{"orders/create", "orders/cancelled"}, []string{"cancelled"}},
	{"woocommerce", []string{"order.created", "order.updated"}, []string{"paid"}},
	{"stripe", []string{"checkout.session.completed", "checkout.session.async_payment_succeeded", "charge.succeeded", "charge.refunded"}, []string{"paid", "refunded/650"}},
	{"toast", []string{"order_updated", "channel_order_updated"}, []string{"paid"}},
	{"square", []string{"payment.created", "payment.updated"}, []string{"paid"}},
}

// TestSalesOfSenders plays a sale of every sender, all of them at once, each webhook twice, in order and shuffled, to two replicas of ingest by turns. One of them and the
// worker begin anew in the middle. The outbox has what a person expects of each sale, once; nothing waits but the latest state of an order.
func TestSalesOfSenders(t *testing.T) {
	t.Parallel()
	s := &system{T: t, redis: redistest.Start(t, "--appendonly", "yes"), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	s.client = s.redis.Client()
	second := &system{T: t, redis: s.redis, client: s.client, url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	s.serve(nativeKeys()...)
	second.serve(nativeKeys()...)
	worker := s.worker("email")
	for round := range 3 {
		deliveries, want := salesOfRound(t, time.Now().Add(time.Duration(round)*time.Millisecond), round > 0)
		before := len(want)
		for i, one := range deliveries {
			if i == len(deliveries)/2 {
				redistest.Eventually(t, "the worker takes signals", func() bool { return strings.Contains(worker.text(), "worker claims") })
				s.stop(worker)
				s.stop(s.ingest)
				worker = s.worker("email")
				s.serve(nativeKeys()...)
			}
			to := []*system{s, second}[i%2]
			if status, answer, err := s.deliver(http.DefaultClient, to.url, one.path, one.header, one.body); err != nil || status != http.StatusOK || answer != "" {
				t.Fatalf("%s: HTTP %d %q, %v", one.path, status, answer, err)
			}
		}
		s.arrives("email", (round+1)*before)
		s.settled("email")
		if got := s.meanings(before); !slices.Equal(got, want) {
			t.Errorf("round %d: sent %q, want %q", round, got, want)
		}
	}
	for _, waits := range s.client.ZRange(t.Context(), "{ringup:email}:held", 0, -1).Val() {
		if !strings.Contains(waits, "/fulfilled") {
			t.Errorf("waits: %q", waits)
		}
	}
}

// posted is a webhook that is to be posted.
type posted struct {
	path   string
	header http.Header
	body   []byte
}

// salesOfRound returns each webhook of the sales twice, and the meanings that are expected, sorted. In order, or shuffled, with the sales among each other.
func salesOfRound(t *testing.T, now time.Time, shuffled bool) (all []posted, want []string) {
	t.Helper()
	for i, sale := range salesOfSenders {
		id := now.Add(time.Duration(i) * time.Microsecond)
		for step, topic := range sale.topics {
			at := now.Add(time.Duration(step-10) * 5 * time.Second)
			w, err := sample.Make(sale.sender, topic, shopKey, squareURL, at, sample.Options{Sale: id})
			if err != nil {
				t.Fatal(err)
			}
			one := posted{catalog.GuideOf(sale.sender).Path(), w.Header, w.Body}
			all = append(all, one, one)
		}
		for _, meaning := range sale.want {
			want = append(want, sale.sender+" "+meaning)
		}
	}
	if shuffled {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	slices.Sort(want)
	return all, want
}

// meanings returns what the latest n e-mails say of which sender's sales, sorted.
func (s *system) meanings(n int) (all []string) {
	_, sent := s.sent("email")
	for _, e := range sent[len(sent)-n:] {
		parts := strings.SplitN(e.EventID, "/", 4) // sender, account, sale, meaning
		all = append(all, parts[0]+" "+parts[len(parts)-1])
	}
	slices.Sort(all)
	return all
}

// TestWhatSendersAreAnswered: the handshakes and the odd forms of each sender, through the real program.
func TestWhatSendersAreAnswered(t *testing.T) {
	t.Parallel()
	s := &system{T: t, redis: redistest.Start(t), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	s.client = s.redis.Client()
	s.serve(nativeKeys()...)
	made := func(sender, topic, address string, at time.Time) *sample.Webhook {
		w, err := sample.New(sender, topic, shopKey, address, at)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	stripe := made("stripe", "checkout.session.completed", "", time.Now())
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	v1 := func(key, stamp string) string {
		mac := hmac.New(sha256.New, []byte(key))
		_, _ = mac.Write(append([]byte(stamp+"."), stripe.Body...))
		return ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	old := strconv.FormatInt(time.Now().Add(-6*time.Minute).Unix(), 10)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	proxied := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"hooks.example.com"}, "X-Forwarded-For": {"192.0.2.1"}}
	for name, tt := range map[string]request{
		"WooCommerce's ping":         {"woocommerce", form, "webhook_id=42", 200},
		"a ping with more in it":     {"woocommerce", form, "webhook_id=42&order=1", 401},
		"a ping without a number":    {"woocommerce", form, "webhook_id=", 401},
		"Stripe rolls its secret":    {"stripe", http.Header{"Stripe-Signature": {"t=" + stamp + v1("the-secret-of-before", stamp) + v1(shopKey, stamp) + ",v0=00"}}, string(stripe.Body), 200},
		"the other order":            {"stripe", http.Header{"Stripe-Signature": {"t=" + stamp + v1(shopKey, stamp) + v1("the-secret-of-before", stamp)}}, string(stripe.Body), 200},
		"both are another's":         {"stripe", http.Header{"Stripe-Signature": {"t=" + stamp + v1("the-secret-of-before", stamp) + v1("a-third-secret-of-all", stamp)}}, string(stripe.Body), 401},
		"another scheme alone":       {"stripe", http.Header{"Stripe-Signature": {"t=" + stamp + strings.Replace(v1(shopKey, stamp), "v1", "v0", 1)}}, string(stripe.Body), 401},
		"too old":                    {"stripe", http.Header{"Stripe-Signature": {"t=" + old + v1(shopKey, old)}}, string(stripe.Body), 401},
		"Square behind a proxy":      square(made, proxied, squareURL),
		"with the inner address":     refused(square(made, proxied, s.url+"/webhooks/square/default")),
		"with a stroke at the end":   refused(square(made, proxied, squareURL+"/")),
		"over plain HTTP":            refused(square(made, proxied, strings.Replace(squareURL, "https", "http", 1))),
		"with the port":              refused(square(made, proxied, strings.Replace(squareURL, ".com", ".com:443", 1))),
		"with the host in capitals":  refused(square(made, proxied, strings.Replace(squareURL, "hooks", "Hooks", 1))),
		"without a proxy's headers":  square(made, nil, squareURL),
		"Square's old header beside": square(made, http.Header{"X-Square-Signature": {base64.StdEncoding.EncodeToString([]byte("SHA-1"))}}, squareURL),
	} {
		status, answer, err := s.deliver(http.DefaultClient, s.url, "/webhooks/"+tt.sender+"/default", tt.header, []byte(tt.body))
		if err != nil || status != tt.want || status == http.StatusOK && answer != "" {
			t.Errorf("%s: HTTP %d %q, %v; want %d", name, status, answer, err, tt.want)
		}
	}
}

// request is a webhook, and the status that it is answered with.
type request struct {
	sender string
	header http.Header
	body   string
	want   int
}

// square returns a new payment of Square, signed with an address, with the headers of a proxy beside.
func square(made func(sender, topic, address string, at time.Time) *sample.Webhook, beside http.Header, address string) request {
	w := made("square", "payment.updated", address, time.Now())
	for name, values := range beside {
		w.Header[name] = values
	}
	return request{"square", w.Header, string(w.Body), http.StatusOK}
}

func refused(r request) request {
	r.want = http.StatusUnauthorized
	return r
}

// stampOf finds the time that Toast signs behind the body.
var stampOf = regexp.MustCompile(`"timestamp":"[^"]*"`)

// TestToastHangsUp: Toast waits two seconds for a connection and two more for the answer, and tries twice again. Of its largest orders there is one receipt.
func TestToastHangsUp(t *testing.T) {
	t.Parallel()
	s := &system{T: t, redis: redistest.Start(t), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	s.client = s.redis.Client()
	s.serve(nativeKeys()...)
	w, err := sample.New("toast", "order_updated", shopKey, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// What ringup does not read is most of a large order.
	stamp, filler := time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"), strings.Repeat(`{"guid":"8a31c2d0-0000-4000-8000-000000000000","modifiers":[],"price":1.5},`, 9000)
	text := strings.Replace(string(w.Body), `"details":{`, `"details":{"unread":[`+strings.TrimSuffix(filler, ",")+`],`, 1)
	text = stampOf.ReplaceAllLiteralString(text, `"timestamp":"`+stamp+`"`)
	mac := hmac.New(sha256.New, []byte(shopKey))
	_, _ = mac.Write([]byte(text + stamp))
	header := http.Header{"Content-Type": {"application/json"}, "Toast-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	const patience, tries = 4 * time.Second, 3
	client, taken := &http.Client{Timeout: patience}, 0
	for range tries {
		status, answer, err := s.deliver(client, s.url, "/webhooks/toast/default", header, []byte(text))
		if err == nil && (status != http.StatusOK || answer != "") {
			t.Errorf("HTTP %d %q", status, answer)
		}
		if err == nil {
			taken++
		}
	}
	if taken == 0 || len(text) < 600<<10 {
		t.Errorf("none of %d tries with %d bytes was answered while Toast waited", tries, len(text))
	}
	s.worker("email")
	s.arrives("email", 1)
	s.settled("email")
}
