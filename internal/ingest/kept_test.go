package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
	"ringup.dev/ringup/internal/store"
)

// shopKeys are the settings of every sender, with shopKey.
func shopKeys() catalog.Config {
	var c catalog.Config
	for _, g := range catalog.Guides {
		for _, k := range g.All() {
			*k.Keys(&c) = secret.Keys{shopKey}
		}
	}
	c.Square.NotificationURL = squareURL
	return c
}

const squareURL = "https://hooks.example.com/webhooks/square/default"

// real is ingest with every sender, over a Redis of its own.
type real struct {
	*testing.T
	redis    *redistest.Server
	store    *redisstore.Store
	handler  *Handler
	url      string
	registry *prometheus.Registry
	senders  *later
}

// later are senders of which one reads another body than before, as of a newer release.
type later struct {
	Senders
	reads func(sender.Sender) sender.Sender
}

func (l *later) Get(store, name string) (sender.Sender, bool) {
	s, on := l.Senders.Get(store, name)
	if on && l.reads != nil {
		s = l.reads(s)
	}
	return s, on
}

func openReal(t *testing.T) *real {
	t.Helper()
	return openRealFor(t, shop(message.Channels...))
}

// openRealFor is openReal with the store that is written for.
func openRealFor(t *testing.T, of *store.Store) *real {
	t.Helper()
	r := &real{T: t, redis: redistest.Start(t), registry: prometheus.NewRegistry()}
	log := slog.New(slog.DiscardHandler)
	var err error
	r.store, err = redisstore.Open(redisstore.Config{
		URL: secret.String("redis://" + r.redis.Addr()), Prefix: "ringup", DedupeTTL: 24 * time.Hour, StatusTTL: time.Hour, KeepCompleted: 10, KeepFailed: 10, MaxCrashes: 5,
		OnUncertain: redisstore.Resend,
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	producer := r.store.Producer(r.registry)
	t.Cleanup(producer.Close)
	senders, err := catalog.New(shopKeys())
	if err != nil {
		t.Fatal(err)
	}
	r.senders = &later{Senders: senders}
	r.handler, err = NewHandler(Options{
		Config: Config{MaxBodyBytes: 1 << 20}, Store: of, Senders: r.senders, Kept: r.store, Enqueuer: producer, Notifier: r.store,
		Registerer: r.registry, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r.handler)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// state returns what is known of a sender.
func (r *real) state(name string) queue.SenderState {
	r.Helper()
	all, err := r.store.Senders(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	for _, one := range all {
		if one.Sender == name {
			return one
		}
	}
	return queue.SenderState{}
}

// newer is Shopify of a release that reads an order whose id is called order_id.
type newer struct{ sender.Sender }

func (n newer) Decode(d *sender.Delivery) (*sender.Reading, error) {
	again := *d
	again.Body = []byte(strings.Replace(string(d.Body), `"order_id"`, `"id"`, 1))
	return n.Sender.Decode(&again)
}

// TestSetAside: a body that is not of its sender's form is answered 200, since a refusal would cut the shop off; it is set aside whole, and read by a release that
// can, once.
func TestSetAside(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	body := strings.Replace(fmt.Sprintf(paidOrder, false), `"id"`, `"order_id"`, 1)
	if resp := deliver(t, r.url+"/webhooks/shopify/default", "orders/paid", body, shopKey); resp.StatusCode != http.StatusOK {
		t.Fatalf("HTTP %d", resp.StatusCode)
	}
	if resp := deliver(t, r.url+"/webhooks/shopify/default", "orders/paid", body, "another key of sixteen"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger's: HTTP %d", resp.StatusCode)
	}
	all, err := r.store.Aside(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	one := all[0]
	kept, err := r.store.AsideBody(t.Context(), one.ID)
	if err != nil || string(kept) != body || one.Sender != "shopify" || one.Why == "" || one.Header["X-Shopify-Topic"][0] != "orders/paid" {
		t.Errorf("%+v, %q, %v", one, kept, err)
	}
	if text := fmt.Sprint(one.Header); !strings.Contains(text, "•••") {
		t.Errorf("the signature is shown: %s", text)
	}
	if got := outcomes(t, r.registry); got != "shopify malformed 1, shopify unauthorized 1" {
		t.Errorf("counted: %s", got)
	}
	replay := func() {
		t.Helper()
		if _, err := r.store.Replay(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		r.handler.inner.replay(t.Context())
	}
	replay()
	if all, _ := r.store.Aside(t.Context()); len(all) != 1 {
		t.Errorf("this release cannot read it: %+v", all)
	}
	r.senders.reads = func(s sender.Sender) sender.Sender { return newer{s} }
	replay()
	replay()
	if all, _ := r.store.Aside(t.Context()); len(all) != 0 {
		t.Errorf("it was read, and is still there: %+v", all)
	}
	if n, err := r.store.Notifications(t.Context(), "shopify/luna.myshopify.com/1/paid"); err != nil || len(n.Notifications) != 3 {
		t.Errorf("%+v, %v", n, err)
	}
	r.handler.inner.note(t.Context())
	if latest := r.state("shopify").Latest; len(latest) != 4 || latest[0].Outcome != "accepted" || latest[0].Why != "replay of "+one.ID {
		t.Errorf("%+v", latest)
	}
}

// TestUnknownForms: whatever a sender signs, of no form that is known, is answered 200, set aside whole, and counted.
func TestUnknownForms(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	sign := func(parts ...string) string {
		mac := hmac.New(sha256.New, []byte(shopKey))
		mac.Write([]byte(strings.Join(parts, "")))
		return string(mac.Sum(nil))
	}
	encoded := func(parts ...string) []string {
		return []string{base64.StdEncoding.EncodeToString([]byte(sign(parts...)))}
	}
	now := fmt.Sprint(time.Now().Unix())
	headers := map[string]func(string) http.Header{
		"shopify": func(b string) http.Header {
			return http.Header{"X-Shopify-Hmac-Sha256": encoded(b), "X-Shopify-Topic": {"orders/paid"}}
		},
		"woocommerce": func(b string) http.Header {
			return http.Header{"X-Wc-Webhook-Signature": encoded(b), "X-Wc-Webhook-Topic": {"order.updated"}}
		},
		"square": func(b string) http.Header { return http.Header{"X-Square-Hmacsha256-Signature": encoded(squareURL, b)} },
		"stripe": func(b string) http.Header {
			return http.Header{"Stripe-Signature": {"t=" + now + ",v1=" + hex.EncodeToString([]byte(sign(now, ".", b)))}}
		},
		"toast": func(b string) http.Header { return http.Header{"Toast-Signature": encoded(b)} },
		// Those that have a key for the path are posted to it.
		"loyverse": func(string) http.Header { return http.Header{} }, "lightspeed": func(string) http.Header { return http.Header{} },
		"clover": func(string) http.Header { return http.Header{"X-Clover-Auth": {shopKey}} },
	}
	for _, g := range catalog.Guides {
		set := 0
		for _, body := range []string{"not JSON", "[]", "{}", `{"order":{"id":7}}`, "null", `"text"`, "<order/>", `{"id":`, "\xff\x00"} {
			path := g.Path()
			if len(headers[g.Name](body)) == 0 {
				path += "/" + shopKey
			}
			resp := request(t, r.url+path, body, headers[g.Name](body))
			all, err := r.store.Aside(t.Context())
			if err != nil || resp.StatusCode != http.StatusOK || len(all) == 0 {
				t.Fatalf("%s, %q: HTTP %d, %v", g.Name, body, resp.StatusCode, err)
			}
			if !slices.ContainsFunc(all, func(one queue.SetAside) bool {
				kept, err := r.store.AsideBody(t.Context(), one.ID)
				return err == nil && string(kept) == body && one.Sender == g.Name
			}) {
				t.Errorf("%s, %q is not set aside", g.Name, body)
			}
			set++
		}
		if got := outcomes(t, r.registry); !strings.Contains(got, fmt.Sprintf("%s malformed %d", g.Name, set)) {
			t.Errorf("%s: counted %s", g.Name, got)
		}
	}
}

// TestSetAsideWithoutRedis: where it cannot be kept, the sender is asked to send it again.
func TestSetAsideWithoutRedis(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	r.redis.Kill()
	if resp := deliver(t, r.url+"/webhooks/shopify/default", "orders/paid", `{}`, shopKey); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d", resp.StatusCode)
	}
	if got := outcomes(t, r.registry); got != "shopify unavailable 1" {
		t.Errorf("counted: %s", got)
	}
}

// countedKept counts the commands that the log costs.
type countedKept struct {
	Kept
	notes []*queue.Deliveries
	err   error
}

func (c *countedKept) NoteDeliveries(_ context.Context, d *queue.Deliveries) error {
	c.notes = append(c.notes, d)
	return c.err
}

// TestNoted: what came in is noted by one command for each sender, however much it was; all of it is counted, and no key is shown.
func TestNoted(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	for range 3 {
		deliver(t, r.url+"/webhooks/shopify/default", "orders/paid", fmt.Sprintf(paidOrder, false), shopKey)
	}
	deliver(t, r.url+"/webhooks/shopify/default", "products/update", "[]", shopKey)
	deliver(t, r.url+"/webhooks/shopify/default", "orders/paid", "{}", "another key of sixteen")
	w, err := sample.New("toast", "order_updated", shopKey, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.Header.Set("Authorization", "Bearer a-secret-of-a-proxy")
	w.Header.Set("X-Large", strings.Repeat("x", maxNotedHeader-1))
	request(t, r.url+"/webhooks/toast/default", string(w.Body), w.Header)
	counted := &countedKept{}
	h := r.handler.inner
	h.Kept = counted
	h.note(t.Context())
	if len(counted.notes) != 2 {
		t.Fatalf("%d commands", len(counted.notes))
	}
	for _, of := range counted.notes {
		if of.Sender == "toast" {
			if len(of.Latest) != 1 || of.Latest[0].Header != nil {
				t.Errorf("%+v", of)
			}
			continue
		}
		if of.Counts["accepted"] != 1 || of.Counts["duplicate"] != 2 || of.Counts["topic"] != 1 || of.Counts["unauthorized"] != 1 || len(of.Latest) != 4 || len(of.Refused) != 1 {
			t.Errorf("%+v", of)
		}
		if first := of.Latest[0]; first.Topic != "orders/paid" || len(first.Events) != 1 || first.Bytes == 0 || first.Header["X-Shopify-Hmac-Sha256"][0] != "•••" || first.Header["X-Shopify-Topic"][0] != "orders/paid" {
			t.Errorf("%+v", first)
		}
		if of.Refused[0].Why == "" {
			t.Errorf("%+v", of.Refused[0])
		}
	}
	for i := range 10 * maxNoted {
		h.latest.add("shopify", queue.Delivery{Outcome: "accepted", Bytes: i, Events: make([]string, 1000)}, true)
		h.latest.add("shopify", queue.Delivery{Outcome: outcomeUnauthorized, Topic: strings.Repeat("ä", 1<<20), Header: tiny(2, 1000)}, false)
	}
	of := h.latest.take()["shopify"]
	if len(of.Latest) > maxNoted || of.Latest[len(of.Latest)-1].Bytes != 10*maxNoted-1 || len(of.Refused) > maxNotedStrangers || of.Counts["accepted"] != 10*maxNoted {
		t.Errorf("%d and %d, %v", len(of.Latest), len(of.Refused), of.Counts)
	}
	if len(of.Refused[0].Topic) > maxNotedText || !utf8.ValidString(of.Refused[0].Topic) || of.Refused[0].Header != nil || len(of.Latest[0].Events) > maxNotedEvents {
		t.Errorf("%+v, %d events", of.Refused[0], len(of.Latest[0].Events))
	}
	h.latest.add("shopify", queue.Delivery{Outcome: "accepted"}, true)
	counted.err = errors.New("Redis is away")
	h.note(t.Context())
	if left := h.latest.take(); len(left) != 0 {
		t.Errorf("they pile up: %+v", left)
	}
}

// tiny is a header of many short values, each of which takes far more memory than its bytes.
func tiny(names, values int) http.Header {
	h := http.Header{}
	for i := range names {
		h[fmt.Sprint("X", i)] = make([]string, values)
	}
	return h
}

// TestStrangersPushNothingOut: whatever a stranger posts, and however often, the webhooks of those who have a key stay among the latest.
func TestStrangersPushNothingOut(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	for _, g := range catalog.Guides {
		topic := sample.Topics(g.Name)[0]
		w, err := sample.New(g.Name, topic, shopKey, squareURL, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		post := func(body string, header http.Header) int {
			asked := httptest.NewRequestWithContext(t.Context(), http.MethodPost, g.Path(), strings.NewReader(body))
			asked.Header = header
			answer := httptest.NewRecorder()
			r.handler.ServeHTTP(answer, asked)
			return answer.Code
		}
		if code := post(string(w.Body), w.Header); code != http.StatusOK {
			t.Fatalf("%s: HTTP %d", g.Name, code)
		}
		r.handler.inner.note(t.Context())
		forged := []struct {
			name, body string
			header     http.Header
		}{
			{"without a signature", string(w.Body), http.Header{"Content-Type": {"application/json"}}},
			{"of another body", "{}", w.Header},
			{"too large", strings.Repeat(" ", 1<<20+1), w.Header},
			{"compressed", string(w.Body), http.Header{"Content-Encoding": {"gzip"}}},
			{"a ping that nobody signs", "webhook_id=1", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}},
		}
		for i := range 3 * keptOfEach {
			f := forged[i%len(forged)]
			if f.name == "too large" && i >= len(forged) {
				f = forged[0] // once is enough, and it takes its time
			}
			post(f.body, f.header)
			if i%maxNotedStrangers == 0 {
				r.handler.inner.note(t.Context())
			}
		}
		r.handler.inner.note(t.Context())
		state := r.state(g.Name)
		oldest := state.Latest[len(state.Latest)-1]
		if len(oldest.Events) == 0 || oldest.Bytes != len(w.Body) {
			t.Errorf("%s: it is gone: %+v", g.Name, oldest)
		}
		var counted int64
		for _, n := range state.Outcomes {
			counted += n.Count
		}
		if counted != 3*keptOfEach+1 {
			t.Errorf("%s: %d are counted: %+v", g.Name, counted, state.Outcomes)
		}
	}
}

// keptOfEach is how many deliveries redisstore keeps.
const keptOfEach = 100

// TestMasked: keys, tokens and signatures are masked in every header, whatever its name. The headers that Decode reads stay as they are.
func TestMasked(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"Authorization": "Bearer S3CRET", "Proxy-Authorization": "Basic S3CRET", "Cookie": "a=S3CRET", "X-Api-Key": "S3CRET", "Apikey": "S3CRET", "X-Auth": "S3CRET", "X-Access-Token": "S3CRET",
		"X-Amz-Security-Token": "S3CRET", "Cf-Access-Jwt-Assertion": "S3CRET", "X-Goog-Iap-Jwt-Assertion": "S3CRET", "X-Amzn-Oidc-Data": "S3CRET", "X-Ms-Client-Principal": "S3CRET", "X-Session-Id": "S3CRET",
		"X-Webhook-Secret": "S3CRET", "X-Password": "S3CRET", "X-Passwd": "S3CRET", "X-Credentials": "S3CRET", "X-Forwarded-Client-Cert": "Hash=S3CRET",
		"X-Shopify-Hmac-Sha256": "S3CRET", "X-Wc-Webhook-Signature": "S3CRET", "X-Square-Signature": "S3CRET", "Stripe-Signature": "t=1,v1=S3CRET",
		"X-Original-Uri": "/webhooks/loyverse/default/S3CRET", "X-Original-Url": "/webhooks/loyverse/default/S3CRET", "X-Forwarded-Uri": "/webhooks/loyverse/default/S3CRET", "X-Rewrite-Url": "/a/b/S3CRET",
		"X-Envoy-Original-Path": "/webhooks/loyverse/default/S3CRET", "X-Forwarded-Path": "/webhooks/loyverse/default/S3CRET", "X-Forwarded-Query": "key=S3CRET", "Referer": "https://a/S3CRET",
		"X-Wc-Webhook-Source": "https://user:S3CRET@store.example.com/", "Origin": "https://store.example.com/?k=S3CRET&x=1", "Forwarded": "for=1.2.3.4;by=https://S3CRET@a",
	} {
		got := masked(http.Header{name: {"plain", value}})
		if text := fmt.Sprint(got); strings.Contains(text, "S3CRET") || len(got) != 1 {
			t.Errorf("%s: %s", name, text)
		}
	}
	senders, err := catalog.New(shopKeys())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range catalog.Guides {
		from, _ := senders.Get("default", g.Name)
		for _, topic := range sample.Topics(g.Name) {
			w, err := sample.New(g.Name, topic, shopKey, squareURL, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			w.Header.Set("X-Wc-Webhook-Source", "https://user:password@store.example.com/shop/")
			at := time.Now()
			first, err := from.Decode(&sender.Delivery{Header: w.Header, Body: w.Body, At: at})
			if err != nil {
				t.Fatal(err)
			}
			again, err := from.Decode(&sender.Delivery{Header: masked(w.Header), Body: w.Body, At: at})
			if err != nil || !reflect.DeepEqual(first, again) {
				t.Errorf("%s %s reads otherwise when it is replayed: %v\n%+v\n%+v", g.Name, topic, err, first, again)
			}
			if text := fmt.Sprint(masked(w.Header)); strings.Contains(text, "password") {
				t.Errorf("%s %s: %s", g.Name, topic, text)
			}
		}
	}
}

// failing is a queue that takes nothing.
type failing struct{ err error }

func (f failing) Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error) {
	return nil, f.err
}

// TestReplayFails: a webhook that cannot be replayed now stays, the log says why, and it is not counted a second time.
func TestReplayFails(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	deliver(t, r.url+"/webhooks/shopify/default", "orders/paid", strings.Replace(fmt.Sprintf(paidOrder, false), `"id"`, `"order_id"`, 1), shopKey)
	h := r.handler.inner
	enqueuer, senders := h.Enqueuer, h.Senders
	reads := func(s sender.Sender) sender.Sender { return newer{s} }
	for _, c := range []struct {
		outcome, why string
		prepare      func()
	}{
		{"malformed", "the order has no id", func() {}},
		{"full", "queue is full", func() { r.senders.reads, h.Enqueuer = reads, failing{&queue.FullError{Channel: message.SMS}} }},
		{"unavailable", "the queue cannot take it now", func() { h.Enqueuer = failing{queue.ErrUnavailable} }},
		{"error", "Internal Server Error", func() { h.Enqueuer = failing{errors.New("secret inner text")} }},
		{"malformed", "the sender has no key", func() { h.Senders = nobodys{} }},
	} {
		c.prepare()
		if n, err := r.store.Replay(t.Context(), nil); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		h.replay(t.Context())
		h.note(t.Context())
		state := r.state("shopify")
		if latest := state.Latest[0]; latest.Outcome != c.outcome || !strings.HasPrefix(latest.Why, "replay of ") || !strings.Contains(latest.Why, c.why) || strings.Contains(latest.Why, "secret") {
			t.Errorf("%s: %+v", c.why, latest)
		}
		if len(state.Outcomes) != 1 || state.Outcomes["malformed"].Count != 1 {
			t.Errorf("%s: it is counted again: %+v", c.why, state.Outcomes)
		}
	}
	h.Enqueuer, h.Senders = enqueuer, senders
	if _, err := r.store.Replay(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	h.replay(t.Context())
	if left, err := r.store.Aside(t.Context()); len(left) != 0 || err != nil {
		t.Errorf("%+v, %v", left, err)
	}
	if n, err := r.store.Notifications(t.Context(), "shopify/luna.myshopify.com/1/paid"); err != nil || len(n.Notifications) != 3 {
		t.Errorf("%+v, %v", n, err)
	}
}

// nobodys are senders of which none is on.
type nobodys struct{}

func (nobodys) Get(string, string) (sender.Sender, bool) { return nil, false }
