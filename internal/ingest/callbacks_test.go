package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/ingest"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	awssend "ringup.dev/ringup/internal/provider/aws/send"
	"ringup.dev/ringup/internal/provider/callbacks"
	"ringup.dev/ringup/internal/provider/providertest"
	sendgridsend "ringup.dev/ringup/internal/provider/sendgrid/send"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/provider/twilio"
	twiliosend "ringup.dev/ringup/internal/provider/twilio/send"
	whatsappsend "ringup.dev/ringup/internal/provider/whatsapp/send"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

// public is what the world calls ingest by: another host than the one it listens on, and a path before its own.
const public = "https://hooks.example.com/shop"

// now is the clock of both sides in these tests; Amazon's stand-in has certificates of today.
var now = time.Now().UTC().Truncate(time.Second)

// bench has ingest's callbacks on one side and the providers, that adapters send through, on the other.
type bench struct {
	providers *emulator.Server
	callbacks *emulator.Callbacks
	url       string // of the providers
	registry  *prometheus.Registry
	log       *bytes.Buffer

	mu      sync.Mutex
	applied []report.Update
	err     error
}

// Accept remembers an update, or fails as it is told.
func (b *bench) Accept(_ context.Context, n report.Update) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.applied = append(b.applied, n)
	return nil
}

// updates returns those that were applied since the last call.
func (b *bench) updates() []report.Update {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.applied
	b.applied = nil
	return out
}

func (b *bench) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// syncWriter lets the server's goroutines write to one buffer.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// open starts both sides; the settings are the emulator's, and those in place of them.
func open(t *testing.T, instead map[string]string) *bench {
	t.Helper()
	b := &bench{providers: emulator.New(), registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	providers := httptest.NewServer(b.providers)
	t.Cleanup(providers.Close)
	b.url = providers.URL
	router := chi.NewRouter()
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	var err error
	if b.callbacks, err = b.providers.Callbacks(emulator.CallbackOptions{Ingest: server.URL, Public: public, Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.callbacks.Close)
	environment := b.callbacks.Environment()
	for name, value := range instead {
		environment[name] = value
	}
	var c callbacks.Config
	if err := config.Read(t.Context(), envconfig.MapLookuper(environment), &c.Words, &c.Twilio, &c.SendGrid, &c.AWS, &c.WhatsApp); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&syncWriter{w: b.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	vendors, err := callbacks.New(c, callbacks.Dependencies{Log: log, Now: func() time.Time { return now }, Amazon: b.callbacks.Amazon()})
	if err != nil {
		t.Fatal(err)
	}
	ingest.NewCallbacks(ingest.CallbackOptions{Callbacks: vendors, Sink: b, Registerer: b.registry, Log: log}).Routes(router)
	return b
}

// dialect is a provider that reports, as the emulator, the catalog and the metrics call it.
type dialect struct {
	name, provider string
	channel        message.Channel
	to             message.Address
	taken          int // the status of a callback that was taken
	signature      string
	build          builder
}

// builder makes an adapter of a base URL.
type builder func(url string, client *transport.Client) (provider.Provider, error)

func dialects() []dialect {
	twilioConfig := func(url string) twiliosend.Config {
		return twiliosend.Config{AccountSID: emulator.TwilioAccountSID, SMSFrom: "+15005550006", WhatsAppFrom: "+14155238886", BaseURL: url,
			Callback: twilio.CallbackConfig{AuthToken: secret.Keys{emulator.TwilioAuthToken}, PublicURL: public}}
	}
	return []dialect{
		{"twilio", "twilio", message.SMS, "+12025550143", 204, "X-Twilio-Signature", func(url string, client *transport.Client) (provider.Provider, error) {
			return twiliosend.NewSMS(twilioConfig(url), client)
		}},
		{"twilio", "twilio", message.WhatsApp, "+12025550143", 204, "X-Twilio-Signature", func(url string, client *transport.Client) (provider.Provider, error) {
			return twiliosend.NewWhatsApp(twilioConfig(url), client)
		}},
		{"sendgrid", "sendgrid", message.Email, "jane.roe@example.com", 200, "X-Twilio-Email-Event-Webhook-Signature",
			func(url string, client *transport.Client) (provider.Provider, error) {
				return sendgridsend.New(sendgridsend.Config{APIKey: emulator.SendGridAPIKey, From: "hello@example.com", BaseURL: url}, client)
			}},
		{"ses", "aws", message.Email, "jane.roe@example.com", 200, "", func(url string, client *transport.Client) (provider.Provider, error) {
			return awssend.NewSES(awssend.SESConfig{AWS: awssend.Config{Region: emulator.AWSRegion, AccessKeyID: emulator.AWSAccessKeyID, SecretAccessKey: emulator.AWSSecretAccessKey,
				EndpointURL: url}, From: "hello@example.com", ConfigurationSet: "ringup"}, client)
		}},
		{"whatsapp", "business", message.WhatsApp, "+12025550143", 200, "X-Hub-Signature-256", func(url string, client *transport.Client) (provider.Provider, error) {
			return whatsappsend.New(whatsappsend.Config{PhoneNumberID: emulator.WhatsAppNumberID, AccessToken: emulator.WhatsAppToken, BaseURL: url}, client)
		}},
	}
}

// each runs a test for every provider that reports.
func each(t *testing.T, test func(t *testing.T, d dialect)) {
	t.Helper()
	for _, d := range dialects() {
		t.Run(d.name+" "+string(d.channel), func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

// send sends a message through the real adapter, and returns what the provider took.
func (b *bench) send(t *testing.T, d dialect, jobID string) emulator.Message {
	t.Helper()
	p, err := d.build(b.url, transport.New(1))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := providertest.Sent(t, p, b.providers, d.channel, jobID)
	return m
}

// report returns the callbacks of events.
func (b *bench) report(t *testing.T, m emulator.Message, events ...emulator.Event) []emulator.Callback {
	t.Helper()
	callbacks, err := b.callbacks.Report(m, events...)
	if err != nil {
		t.Fatal(err)
	}
	return callbacks
}

// call makes requests, and holds the answers to a status.
func (b *bench) call(t *testing.T, status int, callbacks ...emulator.Callback) emulator.Answer {
	t.Helper()
	var last emulator.Answer
	for _, cb := range callbacks {
		answer, err := b.callbacks.Send(t.Context(), cb)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != status {
			t.Errorf("%s %s: %d %s, want %d", cb.Method, cb.URL, answer.Status, answer.Body, status)
		}
		if answer.Status >= 400 && answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%d as %s", answer.Status, answer.Header.Get("Content-Type"))
		}
		last = answer
	}
	return last
}

// counted returns a metric's series, each by the values of its labels, sorted by name.
func (b *bench) counted(t *testing.T, metric string) map[string]float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var values []string
			for _, pair := range m.GetLabel() {
				values = append(values, pair.GetValue())
			}
			if family.GetName() == metric {
				out[strings.Join(values, " ")] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}

// count is how many callbacks of a provider had an outcome.
func (b *bench) count(t *testing.T, providerName, outcome string) float64 {
	t.Helper()
	return b.counted(t, "ringup_callbacks_total")[outcome+" "+providerName]
}

// TestForgery: a forged callback is counted, and neither answer nor log gives a secret away.
func TestForgery(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d dialect) {
		b := open(t, nil)
		m := b.send(t, d, "webhook_1:"+string(d.channel)+":1")
		good := b.report(t, m, emulator.Event{Kind: emulator.EventDelivered})[0]
		forged := []emulator.Callback{
			good.Forged(),
			good.WithBody(bytes.Replace(good.Body, []byte("elivered"), []byte("elivers"), 1)),
			good.WithBody(append(bytes.Clone(good.Body), '&', 'a', '=', 'b')),
		}
		switch d.name {
		case "ses":
			forged = forged[:2] // what stands behind the JSON is not JSON
			forged = append(forged, good.WithBody(bytes.Replace(good.Body, []byte(`"Signature": "`), []byte(`"Signature": "AAAA`), 1)))
		default:
			forged = append(forged, good.With(d.signature, ""), good.With(d.signature, "sha256="), good.With(d.signature, good.Header.Get(d.signature)+"AA"),
				good.With(d.signature, good.Header.Get(d.signature)[:12]))
		}
		for _, cb := range forged {
			answer := b.call(t, http.StatusForbidden, cb)
			for _, private := range []string{emulator.TwilioAuthToken, emulator.WhatsAppAppSecret, good.Header.Get(d.signature)} {
				if private != "" && strings.Contains(answer.Body+b.log.String(), private) {
					t.Errorf("gives %q away: %s", private, answer.Body)
				}
			}
		}
		if n := b.count(t, d.provider, "forged"); n != float64(len(forged)) {
			t.Errorf("%v forged ones are counted of %d", n, len(forged))
		}
		if updates := b.updates(); len(updates) != 0 {
			t.Errorf("believed: %+v", updates)
		}
		b.call(t, d.taken, good)
		if updates := b.updates(); len(updates) != 1 {
			t.Errorf("the real one: %+v", updates)
		}
		if strings.Contains(b.log.String(), d.to.Reveal()) {
			t.Error("the log has the recipient")
		}
	})
}

// TestTheQueueIsAway: the provider is asked to call again, and does.
func TestTheQueueIsAway(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d dialect) {
		b := open(t, nil)
		m := b.send(t, d, "webhook_1:"+string(d.channel)+":1")
		cb := b.report(t, m, emulator.Event{Kind: emulator.EventDelivered})[0]
		b.fail(errors.New("no connection to Redis"))
		answer := b.call(t, http.StatusServiceUnavailable, cb)
		if answer.Header.Get("Retry-After") == "" || strings.Contains(answer.Body, "Redis") {
			t.Errorf("%+v", answer)
		}
		b.fail(nil)
		b.call(t, d.taken, cb)
		if updates := b.updates(); len(updates) != 1 || len(updates[0].Reports) != 1 {
			t.Errorf("%+v", updates)
		}
		if b.count(t, d.provider, "unavailable") != 1 || b.count(t, d.provider, "taken") != 1 {
			t.Error("not counted")
		}
	})
}

// TestAnswersOfPeople: STOP and START are heard, and Twilio is told to answer nothing.
func TestAnswersOfPeople(t *testing.T) {
	t.Parallel()
	for _, in := range []emulator.Inbound{
		{Provider: "twilio", Channel: "sms", From: "+12025550143", To: "+15005550006"},
		{Provider: "twilio", Channel: "whatsapp", From: "+12025550143", To: "+14155238886"},
		{Provider: "whatsapp", Channel: "whatsapp", From: "+12025550143", To: emulator.WhatsAppNumberID},
	} {
		t.Run(in.Provider+" "+in.Channel, func(t *testing.T) {
			t.Parallel()
			b := open(t, map[string]string{"STOP_WORDS": "+genug, fini"})
			for text, want := range map[string]suppress.Kind{"Stop!": suppress.OptOut, "GENUG": suppress.OptOut, "start": suppress.OptIn, "is it ready?": ""} {
				in.Text = text
				cb, err := b.callbacks.Receive(in)
				if err != nil {
					t.Fatal(err)
				}
				answer := b.call(t, http.StatusOK, cb)
				if in.Provider == "twilio" && (answer.Body != "<Response/>" || answer.Header.Get("Content-Type") != "text/xml") {
					t.Errorf("%+v", answer)
				}
				updates := b.updates()
				if want == "" {
					if len(updates) != 0 {
						t.Errorf("%q: %+v", text, updates)
					}
					continue
				}
				if len(updates) != 1 || len(updates[0].Preferences) != 1 || len(updates[0].Reports) != 0 {
					t.Fatalf("%q: %+v", text, updates)
				}
				p := updates[0].Preferences[0]
				if p.Kind != want || p.Address != "+12025550143" || p.Sender != in.To || string(p.Channel) != in.Channel || !p.At.Equal(now) {
					t.Errorf("%q: %+v", text, p)
				}
				b.call(t, http.StatusForbidden, cb.Forged())
			}
			if strings.Contains(b.log.String(), in.From) || strings.Contains(b.log.String(), "ready") {
				t.Errorf("the log has what people write: %s", b.log)
			}
		})
	}
}

// TestSubscription: the topic of the configuration is confirmed, once it is verified; nothing is fetched for another.
func TestSubscription(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.call(t, http.StatusForbidden, b.callbacks.Subscribe("forged").Forged())
	b.call(t, http.StatusOK, b.callbacks.Subscribe("token-1"))
	if got := b.callbacks.Confirmed(); len(got) != 1 || got[0] != "token-1" {
		t.Errorf("confirmed: %q", got)
	}
	for _, version := range []string{"1", "2"} {
		b.call(t, http.StatusOK, b.callbacks.Notify(version, "Successfully validated SNS topic for Amazon SES event publishing."))
	}
	if n := b.callbacks.Fetched(); n != 1 {
		t.Errorf("the certificate was fetched %d times", n)
	}
	if updates := b.updates(); len(updates) != 0 {
		t.Errorf("%+v", updates)
	}
	other := open(t, map[string]string{"SES_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:another"})
	other.call(t, http.StatusForbidden, other.callbacks.Subscribe("token-1"))
	if n := other.callbacks.Fetched(); n != 0 || len(other.callbacks.Confirmed()) != 0 {
		t.Errorf("%d certificates, confirmed %q", n, other.callbacks.Confirmed())
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	answer := b.call(t, http.StatusOK, b.callbacks.Challenge(emulator.WhatsAppVerifyToken, "1158201444"))
	if answer.Body != "1158201444" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%+v", answer)
	}
	wrongMode := b.callbacks.Challenge(emulator.WhatsAppVerifyToken, "1")
	wrongMode.URL = strings.Replace(wrongMode.URL, "subscribe", "unsubscribe", 1)
	bare := b.callbacks.Challenge("", "1")
	bare.URL, _, _ = strings.Cut(bare.URL, "?")
	b.call(t, http.StatusForbidden, b.callbacks.Challenge("wrong", "1"), b.callbacks.Challenge(emulator.WhatsAppVerifyToken, strings.Repeat("1", 300)), wrongMode, bare)
	if n := b.count(t, "business", "forged"); n != 4 {
		t.Errorf("%v forged ones are counted", n)
	}
}

// TestNotConfigured: the path of a provider that is not configured says so; what to set is in the log, and not in the answer.
func TestNotConfigured(t *testing.T) {
	t.Parallel()
	for variable, tt := range map[string]struct {
		dialects []string
		method   string
	}{
		"PUBLIC_URL": {dialects: []string{"twilio"}}, "TWILIO_AUTH_TOKEN": {dialects: []string{"twilio"}}, "SENDGRID_WEBHOOK_PUBLIC_KEY": {dialects: []string{"sendgrid"}},
		"SES_TOPIC_ARN": {dialects: []string{"ses"}}, "WHATSAPP_VERIFY_TOKEN": {method: http.MethodGet},
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			b := open(t, map[string]string{variable: ""})
			says := func(answer emulator.Answer) {
				t.Helper()
				if strings.Contains(answer.Body, variable) || !strings.Contains(answer.Body, "not configured") || !strings.Contains(b.log.String(), variable) {
					t.Errorf("%s\n%s", answer.Body, b.log)
				}
			}
			if tt.method == http.MethodGet {
				says(b.call(t, http.StatusNotFound, b.callbacks.Challenge("", "1")))
			}
			for _, d := range dialects() {
				m := b.send(t, d, "webhook_1:"+string(d.channel)+":1")
				cb := b.report(t, m, emulator.Event{Kind: emulator.EventDelivered})[0]
				if len(tt.dialects) == 0 || tt.dialects[0] != d.name {
					b.call(t, d.taken, cb)
				} else {
					says(b.call(t, http.StatusNotFound, cb))
				}
			}
		})
	}
}
