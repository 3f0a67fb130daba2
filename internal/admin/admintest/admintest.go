// Package admintest is the operators' side over a real queue, for the tests of admin, api, pages and cli.
package admintest

import (
	"bytes"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/admin/pages"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
)

// Customer is the recipient of every job of a Fixture; pages show it as +•••4242.
const Customer message.Address = "+15550104242"

// Bearer are the headers of a program that signs in with the token "right", as ann.
var Bearer = []string{"Authorization", "Bearer right", "Accept", "application/json", "X-Operator", "ann"}

// Output collects a log.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Options are the settings that tests change.
type Options struct {
	Config   admin.Config
	Caps     []string          // DAILY_CAP
	Prices   []string          // PRICES
	Fallback map[string]string // FALLBACK_CHANNEL
	Allowed  []string          // ALLOWED_COUNTRIES
}

// Fixture is pages and API over a Redis of its own.
type Fixture struct {
	*testing.T
	Redis    *redistest.Server
	Store    *redisstore.Store
	Producer *redisstore.Producer
	Admin    *admin.Admin
	Handler  http.Handler
	Log      *Output
	Cookies  []*http.Cookie // sent with every request
	From     string         // the address of the client; "" for 192.0.2.1

	consumer *redisstore.Consumer
}

// Open starts a Redis, and stops it when the test ends.
func Open(t *testing.T, config admin.Config) *Fixture {
	t.Helper()
	return OpenWith(t, Options{Config: config})
}

// OpenWith is Open with more settings.
func OpenWith(t *testing.T, o Options) *Fixture {
	t.Helper()
	f := &Fixture{T: t, Redis: redistest.Start(t), Log: &Output{}}
	var err error
	f.Store, err = redisstore.Open(redisstore.Config{
		URL: secret.String("redis://" + f.Redis.Addr()), Prefix: "ringup", DedupeTTL: time.Hour, StatusTTL: time.Hour, KeepCompleted: 100, KeepFailed: 100,
		MaxCrashes: 5, OnUncertain: redisstore.Resend, FallbackChannel: o.Fallback, FallbackWithin: time.Hour,
	}, slog.New(slog.DiscardHandler))
	f.Must(err)
	t.Cleanup(func() { _ = f.Store.Close() })
	f.Producer = f.Store.Producer(prometheus.NewRegistry())
	t.Cleanup(f.Producer.Close)
	f.consumer = f.Consumer(message.SMS, "twilio", "aws")
	directory := envstore.Brand{DefaultLocale: "en", BusinessName: "Luna Coffee"}.Directory()
	renderer, err := render.New(render.Config{}, directory)
	f.Must(err)
	prices, err := pricing.NewTable(pricing.Config{Prices: o.Prices})
	f.Must(err)
	caps, err := pricing.NewCaps(pricing.Config{DailyCap: o.Caps})
	f.Must(err)
	countries, err := address.NewCountries(address.CountriesConfig{Allowed: o.Allowed}, "US", nil)
	f.Must(err)
	shop := *directory.All()[0]
	shop.Region, shop.MayWrite = "US", countries.Check
	f.Admin = admin.New(admin.Options{
		Config: o.Config, Region: "US", Currency: "EUR", Caps: caps, Prices: prices, Store: &shop, Queues: f.Store, Tests: f.Producer, Renderer: renderer, Log: slog.New(slog.NewTextHandler(f.Log, nil)),
	})
	f.Handler = pages.Handler(f.Admin, f.Store.Outbox(0), api.Path, api.Handler(f.Admin))
	return f
}

// Must ends the test with an error.
func (f *Fixture) Must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// Consumer returns a worker's view of a channel.
func (f *Fixture) Consumer(channel message.Channel, providers ...string) *redisstore.Consumer {
	return f.Store.Consumer(channel, redisstore.ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, providers)
}

// Settle claims the first SMS that waits, and settles it.
func (f *Fixture) Settle(s queue.Settlement) {
	f.Helper()
	_, claim, err := f.consumer.Exchange(f.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	f.Must(err)
	s.Claimed = claim.Jobs[0]
	_, _, err = f.consumer.Exchange(f.Context(), []queue.Settlement{s}, nil, nil)
	f.Must(err)
}

// Settled puts an SMS of a payment into the queue, and settles it. Its id is the webhook's and ":sms:1".
func (f *Fixture) Settled(id, transaction string, s queue.Settlement) {
	f.Helper()
	e := &event.Event{ID: id, Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.PaymentComplete,
		Sale: event.Sale{TransactionID: transaction, Total: "12.50", Currency: "USD"}, Customer: event.Customer{Name: "John Doe"}}
	_, err := f.Producer.Enqueue(f.Context(), &queue.Submission{Event: e, Priority: 1, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{
		{Channel: message.SMS, Recipients: []message.Recipient{{Address: Customer, Audience: message.Customer}}}}})
	f.Must(err)
	f.Settle(s)
}

// Failed puts a failed SMS of a payment into the queue.
func (f *Fixture) Failed(id, transaction, reason string) {
	f.Helper()
	f.Settled(id, transaction, queue.Settlement{Worker: "pod-1/7", Outcome: queue.Fail{Attempt: queue.Attempt{Provider: "twilio"}, Error: reason}})
}

// Heartbeat says that a worker is alive.
func (f *Fixture) Heartbeat(id string) {
	f.Helper()
	f.Must(f.consumer.Heartbeat(f.Context(), id, 0, 50))
}

// Ask sends a request, as a browser does unless headers, names and values by turns, say otherwise; one with an
// empty value is left out.
func (f *Fixture) Ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	f.Helper()
	r := httptest.NewRequest(method, "http://localhost:8080"+path, strings.NewReader(body))
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if f.From != "" {
		r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(f.From), 4242).String()
	}
	for _, c := range f.Cookies {
		r.AddCookie(c)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.Handler.ServeHTTP(w, r)
	return w
}

// Want expects a status of an answer, and texts in it.
func (f *Fixture) Want(status int, w *httptest.ResponseRecorder, texts ...string) {
	f.Helper()
	if w.Code != status {
		f.Fatalf("HTTP %d, want %d: %s", w.Code, status, w.Body)
	}
	for _, text := range texts {
		if body := w.Body.String(); !strings.Contains(body, text) && !strings.Contains(html.UnescapeString(body), text) {
			f.Errorf("there is no %q in:\n%s", text, w.Body)
		}
	}
}
