package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
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
	of := shop(message.Channels...)
	of.Channels[0].Recipients = []message.Recipient{{Address: "+12025550199", Audience: message.Staff}} // staff, who get messages without a customer, too
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
	if n, err := r.store.Notifications(t.Context(), "shopify/luna.myshopify.com/1/paid"); err != nil || len(n.Notifications) != 4 {
		t.Errorf("%+v, %v", n, err)
	}
	r.handler.inner.note(t.Context())
	if latest := r.state("shopify").Latest; len(latest) != 4 || latest[0].Outcome != "accepted" || latest[0].Why != "replay of "+one.ID {
		t.Errorf("%+v", latest)
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
	w.Header.Set("X-Large", strings.Repeat("x", maxNotedHeader))
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
		h.latest.add("shopify", queue.Delivery{Outcome: "accepted", Bytes: i})
		h.latest.add("shopify", queue.Delivery{Outcome: outcomeUnauthorized, Topic: strings.Repeat("x", 1<<20)})
	}
	of := h.latest.take()["shopify"]
	if len(of.Latest) > maxNoted || of.Latest[len(of.Latest)-1].Bytes != 10*maxNoted-1 || len(of.Refused) > maxNoted || of.Counts["accepted"] != 10*maxNoted || len(of.Refused[0].Topic) > maxNotedText {
		t.Errorf("%d and %d, %v", len(of.Latest), len(of.Refused), of.Counts)
	}
	h.latest.add("shopify", queue.Delivery{Outcome: "accepted"})
	counted.err = errors.New("Redis is away")
	h.note(t.Context())
	if left := h.latest.take(); len(left) != 0 {
		t.Errorf("they pile up: %+v", left)
	}
}
