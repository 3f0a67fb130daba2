// Package providertest is the suite that every adapter passes against the emulator: it sends once, says what kind of failure it saw in
// the contract's words, stays within its time, and gives no personal data away. docs/adding-a-provider.md shows it in use.
package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/test/emulator"
)

// Adapter says what the suite has to know.
type Adapter struct {
	// Dialect is the emulator's name for the provider.
	Dialect string
	// Dialects are those that the emulator does not have itself.
	Dialects []emulator.Dialect
	Channel  message.Channel
	// Secret is the credential that the emulator takes.
	Secret string
	// New builds the adapter for a base URL, with a secret that may be a wrong one.
	New func(baseURL, secret string, client *transport.Client) (provider.Provider, error)
	// Template is an approved template, for channels that know them.
	Template *message.Template
	// Correlates says that the provider has a field for the job's id, which it returns with its reports.
	Correlates bool
	// Failures are those that the provider documents.
	Failures []Failure
}

// Failure is an answer, and what the adapter has to make of it. Want's Code and Status are the answer's unless they are set, its Detail
// is the adapter's own affair.
type Failure struct {
	Answer emulator.Refusal
	Want   failure.Error
}

// to and text must not be found in any error.
var to = map[message.Channel]message.Address{message.SMS: "+12025550143", message.WhatsApp: "+12025550143", message.Email: "jane.roe@example.com"}

const text = "Thank you, Zoë! ☕ مرحبا <b>&amp; \"more\"\nTotal: $1,250.00"

func (a *Adapter) message() message.Message {
	m := message.Message{JobID: "webhook_1:" + string(a.Channel) + ":1", WebhookID: "webhook_1", EventType: "pos_save", Channel: a.Channel,
		To: to[a.Channel], Text: text, Segments: 1}
	if a.Channel == message.Email {
		m.Subject, m.HTML, m.ReplyTo = "Your receipt, Zoë ☕", "<p>Thank you, Zoë! ☕</p>", "hello@example.com"
	}
	return m
}

// bench is an adapter in front of an emulator of its own.
type bench struct {
	emulator    *emulator.Server
	provider    provider.Provider
	connections atomic.Int64
}

const concurrency = 8

func (a *Adapter) open(t *testing.T, secret string) *bench {
	t.Helper()
	b := &bench{emulator: emulator.New(a.Dialects...)}
	server := httptest.NewUnstartedServer(b.emulator)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			b.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	b.provider = a.build(t, server.URL, secret)
	return b
}

func (a *Adapter) build(t testing.TB, url, secret string) provider.Provider {
	t.Helper()
	p, err := a.New(url, secret, transport.New(concurrency))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// within is far above what any answer takes, and far below what a test may.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Run runs the suite.
func Run(t *testing.T, a Adapter) {
	t.Helper()
	t.Run("says what it is", a.traits)
	t.Run("sends", a.sends)
	t.Run("sends the job's id along", a.correlates)
	t.Run("sends many at a time over few connections", a.sendsMany)
	t.Run("sends a template", a.sendsTemplate)
	t.Run("sends a way to unsubscribe", a.sendsUnsubscribe)
	t.Run("sends whatever is rendered", a.sendsRendered)
	t.Run("probes", a.probes)
	t.Run("probes over new connections", a.probesAnew)
	t.Run("wrong credentials", a.wrongCredentials)
	t.Run("faults", a.faults)
	t.Run("answers of other programs", a.foreign)
	t.Run("answers of other programs that sound like success", a.foreignSuccess)
	t.Run("pauses", a.pauses)
	t.Run("no server", a.noServer)
	t.Run("too slow", a.tooSlow)
	t.Run("no time at all", a.noTime)
	t.Run("documented failures", a.documented)
}

func (a *Adapter) traits(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	traits := b.provider.Traits()
	if traits.Sender == "" || strings.Contains(traits.Sender, a.Secret) {
		t.Errorf("the sender is %q", traits.Sender)
	}
	if traits.Sender != strings.TrimSpace(traits.Sender) || strings.ContainsAny(traits.Sender, "<>:") {
		t.Errorf("the sender is %q: no name, no scheme, as a callback names it", traits.Sender)
	}
	if _, err := b.provider.Send(within(t, 10*time.Second), a.message()); err != nil {
		t.Fatal(err)
	}
	if again := b.provider.Traits(); again != traits {
		t.Errorf("%+v, and after a send %+v", traits, again)
	}
	// Where the provider is told from whom a message comes, it is the same.
	if from := b.emulator.Messages()[0].From; from != "" && !strings.Contains(from, traits.Sender) {
		t.Errorf("the sender is %q, the message came from %q", traits.Sender, from)
	}
}

func (a *Adapter) sends(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	m := a.message()
	receipt, err := b.provider.Send(within(t, 10*time.Second), m)
	if err != nil {
		t.Fatal(err)
	}
	taken := b.emulator.Messages()
	if len(taken) != 1 {
		t.Fatalf("the provider took %d messages", len(taken))
	}
	got := taken[0]
	want := emulator.Message{Provider: a.Dialect, Channel: string(a.Channel), To: m.To.Reveal(), Subject: m.Subject, Text: m.Text, HTML: m.HTML, ReplyTo: m.ReplyTo}
	if a.Channel == message.Email {
		want.Automatic = "auto-generated"
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(emulator.Message{}, "From", "JobID", "ID", "At", "StatusCallback", "Fields", "ConfigurationSet")); diff != "" {
		t.Errorf("the message that arrived differs from the one sent (-sent +arrived):\n%s", diff)
	}
	if receipt.MessageID == "" || !strings.Contains(receipt.MessageID, got.ID) {
		t.Errorf("the receipt names %q, the provider %q", receipt.MessageID, got.ID)
	}
}

// correlates looks whether any job's id arrives as it is, however long and whatever is in it.
func (a *Adapter) correlates(t *testing.T) {
	t.Parallel()
	if !a.Correlates {
		t.Skip("the provider has no field for it")
	}
	for _, webhook := range []string{"webhook_1", "ORD 12/7&job=x#?%2B+=\"\\<é.3a>,;:@", strings.Repeat("…/", job.MaxWebhookID/4)} {
		b := a.open(t, a.Secret)
		m := a.message()
		m.JobID = job.ID(webhook, a.Channel, 1000)
		if _, err := b.provider.Send(within(t, 10*time.Second), m); err != nil {
			t.Fatal(err)
		}
		if taken := b.emulator.Messages(); len(taken) != 1 || taken[0].JobID != m.JobID {
			t.Errorf("%q arrived as %+v", m.JobID, taken)
		}
	}
}

func (a *Adapter) sendsMany(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	const rounds = 20
	ctx := within(t, 30*time.Second)
	var wg sync.WaitGroup
	for range concurrency {
		wg.Go(func() {
			for range rounds {
				if _, err := b.provider.Send(ctx, a.message()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(b.emulator.Messages()); n != concurrency*rounds {
		t.Errorf("%d messages arrived of %d", n, concurrency*rounds)
	}
	// One each, and a few that were dialled while another became free.
	if n := b.connections.Load(); n > 2*concurrency {
		t.Errorf("%d connections for %d senders: they are not used again", n, concurrency)
	}
}

func (a *Adapter) sendsTemplate(t *testing.T) {
	t.Parallel()
	if a.Template == nil {
		t.Skip("the channel knows no templates")
	}
	b := a.open(t, a.Secret)
	m := a.message()
	m.Template = a.Template
	if _, err := b.provider.Send(within(t, 10*time.Second), m); err != nil {
		t.Fatal(err)
	}
	if taken := b.emulator.Messages(); len(taken) != 1 || taken[0].Template != a.Template.Name || taken[0].Text != "" {
		t.Errorf("arrived: %+v", taken)
	}
}

func (a *Adapter) sendsUnsubscribe(t *testing.T) {
	t.Parallel()
	if a.Channel != message.Email {
		t.Skip("the channel has no headers")
	}
	b := a.open(t, a.Secret)
	m := a.message()
	// As long as one of the longest address is.
	m.Unsubscribe = "https://ringup.example.com/unsubscribe/" + strings.Repeat("AZaz09-_", 48)
	if _, err := b.provider.Send(within(t, 10*time.Second), m); err != nil {
		t.Fatal(err)
	}
	if taken := b.emulator.Messages(); len(taken) != 1 || taken[0].Unsubscribe != m.Unsubscribe {
		t.Errorf("arrived: %+v", taken)
	}
}

func (a *Adapter) probes(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	if err := b.provider.Probe(within(t, 10*time.Second)); err != nil {
		t.Errorf("a healthy provider: %v", err)
	}
	b.emulator.Fail(emulator.Fault{Probes: true, Kind: emulator.Page, Refusal: emulator.Refusal{Status: http.StatusServiceUnavailable}})
	a.is(t, b.provider.Probe(within(t, 10*time.Second)), failure.Transient, failure.ReasonOutage)
	b.emulator.Fail(emulator.Fault{Probes: true, Kind: emulator.Garbage})
	if err := b.provider.Probe(within(t, 10*time.Second)); err == nil {
		// A probe that only looks at the status would call a captive portal healthy.
		t.Error("an unreadable answer is called healthy")
	}
	if n := len(b.emulator.Messages()); n != 0 {
		t.Errorf("probing sent %d messages", n)
	}
	if n := b.emulator.Requests()[a.Dialect]; n != 3 {
		t.Errorf("three probes made %d requests", n)
	}
}

// probesAnew looks whether a probe uses a connection of its own: one that is dead says nothing about the provider.
func (a *Adapter) probesAnew(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	for probes := range int64(3) {
		if n := b.connections.Load(); n != 2*probes {
			t.Errorf("%d probes and as many sends made %d connections", probes, n)
		}
		if err := b.provider.Probe(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		// The one before is not used either, which may be as dead.
		if _, err := b.provider.Send(within(t, 10*time.Second), a.message()); err != nil {
			t.Fatal(err)
		}
	}
}

func (a *Adapter) wrongCredentials(t *testing.T) {
	t.Parallel()
	b := a.open(t, "wrong"+a.Secret)
	_, err := b.provider.Send(within(t, 10*time.Second), a.message())
	a.is(t, err, failure.Account, failure.ReasonCredentials)
	a.is(t, b.provider.Probe(within(t, 10*time.Second)), failure.Account, failure.ReasonCredentials)
}

// faults are the ways to fail that all providers have.
func (a *Adapter) faults(t *testing.T) {
	t.Parallel()
	status := func(code int) emulator.Refusal {
		return emulator.Refusal{Status: code, Text: "went wrong for " + a.message().To.Reveal()}
	}
	for name, c := range map[string]struct {
		fault  emulator.Fault
		class  failure.Class
		reason failure.Reason
		taken  int
	}{
		"too many requests":        {emulator.Fault{Refusal: status(429)}, failure.Throttled, failure.ReasonRateLimit, 0},
		"its own internal error":   {emulator.Fault{Refusal: status(500)}, failure.Transient, failure.ReasonOutage, 0},
		"a proxy's page":           {emulator.Fault{Kind: emulator.Page, Refusal: status(502)}, failure.Ambiguous, failure.ReasonOutage, 0},
		"an empty 503":             {emulator.Fault{Kind: emulator.Empty, Refusal: status(503)}, failure.Transient, failure.ReasonOutage, 0},
		"a redirect":               {emulator.Fault{Kind: emulator.Empty, Refusal: status(302)}, failure.Transient, failure.ReasonUnreadable, 0},
		"gone before it was taken": {emulator.Fault{Kind: emulator.DropBefore}, failure.Ambiguous, failure.ReasonNetwork, 0},
		"gone after it was taken":  {emulator.Fault{Kind: emulator.DropAfter}, failure.Ambiguous, failure.ReasonNetwork, 1},
		"half an answer":           {emulator.Fault{Kind: emulator.Half}, failure.Ambiguous, failure.ReasonNetwork, 1},
		"garbage":                  {emulator.Fault{Kind: emulator.Garbage}, failure.Ambiguous, failure.ReasonUnreadable, 1},
		"an answer without end":    {emulator.Fault{Kind: emulator.Oversize}, failure.Ambiguous, failure.ReasonUnreadable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := a.open(t, a.Secret)
			b.emulator.Fail(c.fault)
			_, err := b.provider.Send(within(t, 20*time.Second), a.message())
			a.is(t, err, c.class, c.reason)
			a.once(t, b, c.taken)
		})
	}
}

func (a *Adapter) noServer(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p := a.build(t, "http://"+address, a.Secret)
	_, err = p.Send(within(t, 10*time.Second), a.message())
	a.is(t, err, failure.Transient, failure.ReasonNetwork)
	a.is(t, p.Probe(within(t, 10*time.Second)), failure.Transient, failure.ReasonNetwork)
}

func (a *Adapter) tooSlow(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	b.emulator.Fail(emulator.Fault{Kind: emulator.Slow, Latency: time.Minute})
	_, err := b.provider.Send(within(t, 300*time.Millisecond), a.message())
	a.is(t, err, failure.Ambiguous, failure.ReasonTimeout)
	a.once(t, b, 0)
}

func (a *Adapter) noTime(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.provider.Send(ctx, a.message())
	a.is(t, err, failure.Transient, failure.ReasonTimeout)
	if n := b.emulator.Requests()[a.Dialect]; n != 0 {
		t.Errorf("%d requests", n)
	}
}

func (a *Adapter) documented(t *testing.T) {
	t.Parallel()
	if len(a.Failures) == 0 {
		t.Fatal("no documented failures: every provider has some")
	}
	for _, f := range a.Failures {
		t.Run(fmt.Sprintf("%d %s %s", f.Answer.Status, f.Answer.Code, f.Want.Reason), func(t *testing.T) {
			t.Parallel()
			b := a.open(t, a.Secret)
			m := a.message()
			// As providers do, it quotes the recipient and the text.
			f.Answer.Text += " (" + m.To.Reveal() + ", " + m.Text + ")"
			b.emulator.Fail(emulator.Fault{Refusal: f.Answer})
			_, err := b.provider.Send(within(t, 10*time.Second), m)
			e := a.is(t, err, f.Want.Class, f.Want.Reason)
			want := f.Want
			if want.Code == "" {
				want.Code = f.Answer.Code
			}
			if want.Status == 0 {
				want.Status = f.Answer.Status
			}
			if diff := cmp.Diff(want, e, cmpopts.IgnoreFields(failure.Error{}, "Detail")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			a.once(t, b, 0)
		})
	}
}

// once says that there was one request: retries are the queue's.
func (a *Adapter) once(t *testing.T, b *bench, taken int) {
	t.Helper()
	if n := b.emulator.Requests()[a.Dialect]; n != 1 {
		t.Errorf("one send made %d requests", n)
	}
	if n := len(b.emulator.Messages()); n != taken {
		t.Errorf("the provider took %d messages: this fault takes %d, so the suite's own premise is wrong", n, taken)
	}
}

// is looks at an error: in the contract's terms, of this kind, and silent about people and secrets in every way it can be printed.
func (a *Adapter) is(t *testing.T, err error, class failure.Class, reason failure.Reason) failure.Error {
	t.Helper()
	var e *failure.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T) is not a *failure.Error", err, err)
	}
	if e.Class != class || e.Reason != reason {
		t.Errorf("%s/%s, want %s/%s: %v", e.Class, e.Reason, class, reason, e)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Error("send", "error", err)
	m := a.message()
	for _, printed := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", *e), log.String()} {
		for _, private := range []string{a.Secret, m.To.Reveal(), strings.TrimPrefix(m.To.Reveal(), "+"), "Zoë"} {
			if strings.Contains(printed, private) {
				t.Errorf("an error gives %q away: %s", private, printed)
			}
		}
	}
	return *e
}

// Fuzz sends to a server that gives any answer at all: the adapter gives a receipt or a classified error, and never panics.
func Fuzz(f *testing.F, a Adapter) {
	for _, known := range a.Failures {
		w := httptest.NewRecorder()
		for _, d := range append(emulator.Dialects(), a.Dialects...) {
			if d.Name == a.Dialect {
				d.Refuse(w, known.Answer)
			}
		}
		f.Add(uint16(w.Code), w.Body.String(), w.Header().Get("X-Amzn-Errortype"))
	}
	// One server and one adapter for all executions: setting them up takes several times as long as a send.
	var answer atomic.Pointer[func(http.ResponseWriter)]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { (*answer.Load())(w) }))
	f.Cleanup(server.Close)
	p := a.build(f, server.URL, a.Secret)
	f.Fuzz(func(t *testing.T, status uint16, body, errorType string) {
		write := func(w http.ResponseWriter) {
			for _, name := range []string{"X-Amzn-Errortype", "Content-Type", "Content-Encoding", "Location", "X-Amz-Retry-After", "X-Ratelimit-Reset"} {
				w.Header().Set(name, errorType)
			}
			w.Header().Set("Retry-After", body)
			w.WriteHeader(200 + int(status)%400)
			_, _ = io.WriteString(w, body)
		}
		answer.Store(&write)
		receipt, err := p.Send(within(t, 10*time.Second), a.message())
		var e *failure.Error
		switch {
		case err == nil && receipt.MessageID == "":
			t.Error("a receipt without an id")
		case err == nil:
		case !errors.As(err, &e) || e.Class < failure.Permanent || e.Class > failure.Ambiguous || e.Reason == "":
			t.Errorf("not classified: %#v", err)
		case e.RetryAfter < 0 || e.RetryAfter > time.Hour:
			t.Errorf("asks for a pause of %s", e.RetryAfter)
		case len(e.Code) > maxCode:
			t.Errorf("a code of %d characters", len(e.Code))
		}
	})
}

// maxCode is longer than any code that a provider documents.
const maxCode = 64
