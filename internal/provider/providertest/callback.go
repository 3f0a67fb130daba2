package providertest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/report/reporttest"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

// Public is the PUBLIC_URL of the suite of callbacks: another host than the one that listens, and a path before the callback's own.
const Public = "https://hooks.example.com/shop"

// Callback is what the suite of callbacks has to know.
type Callback struct {
	// Dialect is the emulator's name for the provider.
	Dialect string
	// Dialects are those that the emulator does not have itself.
	Dialects []emulator.Dialect
	Channel  message.Channel
	// Send builds the adapter whose messages are reported, for a base URL.
	Send func(baseURL string, client *transport.Client) (provider.Provider, error)
	// New builds the callback. amazon is the way to the emulator's stand-in for Amazon.
	New func(ctx context.Context, env envconfig.Lookuper, amazon http.RoundTripper, now func() time.Time) (provider.Callback, error)
	// Correlates says that reports have the job's id.
	Correlates bool
	// Reply is the status of the reply to a callback that was taken.
	Reply int
	// Events are the ways of a message that the provider reports, each as a report.State.
	Events []emulator.EventKind
	// Untimed are those of Events of which the provider does not say when they happened.
	Untimed []emulator.EventKind
	// Signature is the header with the signature; "" where it is in the body.
	Signature string
	// Window is how far a signed time may be from now; 0 where the provider signs no time.
	Window time.Duration
	// Ends are failures and preferences.
	Ends []End
}

// End is an event that is no progress, and what the callback has to make of it.
type End struct {
	Event emulator.Event
	Class failure.Class // of the report; 0 where there is none
	Why   suppress.Why  // of the opt-out; "" where there is none
}

// RunCallback runs the suite that every callback passes: what the adapter was told when it sent is what a report names, a repetition has the same
// event id, and nothing is believed that the provider did not sign.
func RunCallback(t *testing.T, c Callback) {
	t.Helper()
	t.Run("settings", c.settings)
	t.Run("reports", c.reports)
	t.Run("other programs", c.otherPrograms)
	t.Run("repetitions", c.repetitions)
	t.Run("forgeries", c.forgeries)
	t.Run("replays", c.replays)
	t.Run("other bodies", c.otherBodies)
	t.Run("ends", c.ends)
}

// fixture has the callback on one side and the provider, which the adapter sends through, on the other.
type fixture struct {
	*Callback
	providers *emulator.Server
	callbacks *emulator.Callbacks
	url       string // of the providers
	callback  provider.Callback
	now       time.Time

	mu      sync.Mutex
	updates []report.Update
	err     error // of the last callback
}

// open starts both sides. without names a variable that is not set.
func (c *Callback) open(t *testing.T, without string) *fixture {
	t.Helper()
	f := &fixture{Callback: c, providers: emulator.New(c.Dialects...), now: time.Now().UTC().Truncate(time.Second)}
	providers := httptest.NewServer(f.providers)
	t.Cleanup(providers.Close)
	f.url = providers.URL
	ingest := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(ingest.Close)
	clock := func() time.Time { return f.now }
	var err error
	if f.callbacks, err = f.providers.Callbacks(emulator.CallbackOptions{Ingest: ingest.URL, Public: Public, Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.callbacks.Close)
	environment := maps.Clone(f.callbacks.Environment())
	delete(environment, without)
	if f.callback, err = c.New(t.Context(), envconfig.MapLookuper(environment), f.callbacks.Amazon(), clock); err != nil {
		t.Fatal(err)
	}
	return f
}

// serve does what ingest does with a callback, but for the queue.
func (f *fixture) serve(w http.ResponseWriter, r *http.Request) {
	reply, err := func() (inbound.Reply, error) {
		if r.Method != http.MethodPost || r.URL.Path != f.callback.Path {
			return inbound.Reply{}, inbound.New(http.StatusNotFound, "", r.Method+" "+r.URL.Path+" is not the callback's")
		}
		body, err := f.callback.Body.Read(r)
		if err != nil {
			return inbound.Reply{}, err
		}
		update, reply, err := f.callback.Read(r, body)
		if err == nil && (!update.Empty() || update.Foreign > 0) {
			f.mu.Lock()
			f.updates = append(f.updates, update)
			f.mu.Unlock()
		}
		return reply, err
	}()
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	if err != nil {
		inbound.AsProblem(err).Write(w)
		return
	}
	reply.Write(w)
}

// send sends a message through the adapter: see Sent.
func (f *fixture) send(t *testing.T, jobID string) (emulator.Message, string) {
	t.Helper()
	p, err := f.Send(f.url, transport.New(1))
	if err != nil {
		t.Fatal(err)
	}
	return Sent(t, p, f.providers, f.Channel, jobID)
}

// Sent sends a job's message through an adapter, and returns it as the emulator took it, with the id that the adapter was told.
func Sent(t *testing.T, p provider.Provider, providers *emulator.Server, channel message.Channel, jobID string) (emulator.Message, string) {
	t.Helper()
	m := message.Message{JobID: jobID, Channel: channel, To: to[channel], Subject: "Receipt", Text: "Thank you", HTML: "<p>Thank you</p>", Segments: 1}
	receipt, err := p.Send(within(t, 10*time.Second), m)
	if err != nil {
		t.Fatal(err)
	}
	taken := providers.Messages()
	return taken[len(taken)-1], receipt.MessageID
}

// report returns the callbacks of events.
func (f *fixture) report(t *testing.T, m emulator.Message, events ...emulator.Event) []emulator.Callback {
	t.Helper()
	callbacks, err := f.callbacks.Report(m, events...)
	if err != nil {
		t.Fatal(err)
	}
	return callbacks
}

// delivered is the callback of a message that arrived.
func (f *fixture) delivered(t *testing.T) emulator.Callback {
	t.Helper()
	m, _ := f.send(t, "webhook_1:"+string(f.Channel)+":1")
	return f.report(t, m, emulator.Event{Kind: emulator.EventDelivered})[0]
}

// call makes requests, holds the answers to a status, and returns the updates that were read since the last call.
func (f *fixture) call(t *testing.T, status int, callbacks ...emulator.Callback) []report.Update {
	t.Helper()
	for _, cb := range callbacks {
		answer, err := f.callbacks.Send(t.Context(), cb)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != status {
			t.Errorf("%s %s: %d %s, want %d", cb.Method, cb.URL, answer.Status, answer.Body, status)
		}
		if refused := f.last(); refused != nil {
			f.refusal(t, cb, refused)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.updates
	f.updates = nil
	for _, update := range out {
		reporttest.Sound(t, update)
	}
	return out
}

// last returns the error of the last callback.
func (f *fixture) last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// refusal looks at an error: a Problem with an outcome, which says nothing of the recipient or of the signature.
func (f *fixture) refusal(t *testing.T, cb emulator.Callback, err error) {
	t.Helper()
	var refused *inbound.Problem
	if !errors.As(err, &refused) || refused.Outcome == "" || refused.Detail == "" {
		t.Errorf("%v (%T) is not an *inbound.Problem with an outcome and a detail", err, err)
		return
	}
	private := []string{strings.TrimPrefix(to[f.Channel].Reveal(), "+")}
	if signature := cb.Header.Get(f.Signature); len(signature) > len("sha256=") {
		private = append(private, signature)
	}
	for _, text := range private {
		if strings.Contains(refused.Detail, text) {
			t.Errorf("gives %q away: %s", text, refused.Detail)
		}
	}
}

// settings: without one of them the callback is off, and nothing else is wrong.
func (c *Callback) settings(t *testing.T) {
	t.Parallel()
	f := c.open(t, "")
	switch got := f.callback; {
	case got.Provider == "" || !strings.HasPrefix(got.Path, "/callbacks/") || len(got.Settings) == 0 || got.Read == nil:
		t.Fatalf("%+v", got)
	case len(got.Body.MediaTypes) == 0 || got.Body.Limit < 1<<10 || got.Body.Limit > 16<<20:
		t.Errorf("%+v", got.Body)
	}
	for _, variable := range f.callback.Settings {
		if off := c.open(t, variable).callback; off.Read != nil || off.Path != f.callback.Path {
			t.Errorf("without %s: %+v", variable, off)
		}
	}
}

// reports: what the adapter was told when it sent is what the report names, whatever the job is called.
func (c *Callback) reports(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"webhook_1:%:1", "ORD 12/7&job=x#?%2B+=\"\\<é.3a>,;:@:%:12", strings.Repeat("…/", 50) + ":%:3"} {
		f := c.open(t, "")
		job := strings.Replace(id, "%:", string(c.Channel)+":", 1)
		m, receipt := f.send(t, job)
		at := f.now.Add(-time.Minute)
		var events []emulator.Event
		var want []report.Report
		for _, kind := range c.Events {
			events = append(events, emulator.Event{Kind: kind, At: at})
			r := report.Report{Provider: f.callback.Provider, Channel: c.Channel, MessageID: receipt, State: report.State(kind), At: at}
			if c.Correlates {
				r.JobID = job
			}
			want = append(want, r)
		}
		var got []report.Report
		seen := map[string]bool{}
		for _, update := range f.call(t, c.Reply, f.report(t, m, events...)...) {
			if len(update.Preferences) != 0 {
				t.Errorf("preferences: %+v", update.Preferences)
			}
			for _, r := range update.Reports {
				if seen[r.EventID] {
					t.Errorf("two events are called %q", r.EventID)
				}
				seen[r.EventID] = true
				got = append(got, r)
			}
		}
		for i := range want {
			for _, kind := range c.Untimed {
				if i < len(got) && want[i].State == report.State(kind) {
					want[i].At = got[i].At
				}
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(report.Report{}, "EventID")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// otherPrograms: reports on messages that another program sent through the same account, with nothing or with values of its own, are no reports, and are
// counted. Where a report has no value, only the queue can tell them.
func (c *Callback) otherPrograms(t *testing.T) {
	t.Parallel()
	f := c.open(t, "")
	other := message.Email
	if c.Channel == other {
		other = message.SMS
	}
	for _, value := range []string{"", "7", "order 7", "order:7", "_3a", "webhook_1:fax:1", ":" + string(c.Channel) + ":1", "webhook_1:" + string(c.Channel) + ":0",
		"webhook_1:" + string(other) + ":1"} {
		m, _ := f.send(t, value)
		var events []emulator.Event
		for _, kind := range c.Events {
			events = append(events, emulator.Event{Kind: kind})
		}
		reports, foreign := 0, 0
		for _, update := range f.call(t, c.Reply, f.report(t, m, events...)...) {
			reports, foreign = reports+len(update.Reports), foreign+update.Foreign
		}
		if want := len(events); c.Correlates && (reports != 0 || foreign != want) || !c.Correlates && (reports != want || foreign != 0) {
			t.Errorf("%q: %d reports, and %d of other programs, of %d events", value, reports, foreign, want)
		}
	}
}

// repetitions: the same event has the same id, however often, late or out of order it comes.
func (c *Callback) repetitions(t *testing.T) {
	t.Parallel()
	f := c.open(t, "")
	const messages, times = 3, 3
	for range messages {
		f.send(t, "webhook_1:"+string(c.Channel)+":1")
	}
	plan := emulator.Plan{Repeat: times, Shuffle: 7}
	for _, kind := range c.Events {
		plan.Events = append(plan.Events, emulator.Event{Kind: kind, At: f.now.Add(-48 * time.Hour)})
	}
	played, err := f.callbacks.Play(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if played.Messages != messages || played.Answers[c.Reply] != played.Callbacks || played.Callbacks < messages*times {
		t.Errorf("%+v", played)
	}
	events := map[string]int{}
	for _, update := range f.call(t, c.Reply) {
		for _, r := range update.Reports {
			events[r.EventID]++
		}
	}
	if len(events) != messages*len(c.Events) {
		t.Errorf("%d events of %d messages: %v", len(events), messages, events)
	}
	for id, n := range events {
		if n != times {
			t.Errorf("%s came %d times", id, n)
		}
	}
}

// forgeries: nothing is believed that the provider did not sign.
func (c *Callback) forgeries(t *testing.T) {
	t.Parallel()
	f := c.open(t, "")
	good := f.delivered(t)
	changed := bytes.Replace(good.Body, []byte("elivered"), []byte("elivers"), 1)
	if bytes.Equal(changed, good.Body) {
		t.Fatalf("%s does not say that the message was delivered: this test changes nothing", good.Body)
	}
	forged := []emulator.Callback{good.Forged(), good.WithBody(changed)}
	if c.Signature != "" {
		signature := good.Header.Get(c.Signature)
		forged = append(forged, good.WithBody(append(bytes.Clone(good.Body), '&', 'a', '=', 'b')), good.With(c.Signature, ""), good.With(c.Signature, "sha256="),
			good.With(c.Signature, signature+"AA"), good.With(c.Signature, signature[:12]))
	}
	for _, cb := range forged {
		if updates := f.call(t, http.StatusForbidden, cb); len(updates) != 0 {
			t.Errorf("believed: %+v", updates)
		}
		if refused := inbound.AsProblem(f.last()); refused == nil || refused.Outcome != provider.OutcomeForged {
			t.Errorf("refused with %+v", refused)
		}
	}
	if updates := f.call(t, c.Reply, good); len(updates) != 1 {
		t.Errorf("the genuine one: %+v", updates)
	}
}

// replays: an old callback is refused, where the provider signs the time; otherwise its event id tells.
func (c *Callback) replays(t *testing.T) {
	t.Parallel()
	f := c.open(t, "")
	cb := f.delivered(t)
	old, early := f.callbacks.SignedAt(cb, f.now.Add(-c.Window-time.Second)), f.callbacks.SignedAt(cb, f.now.Add(c.Window+time.Second))
	if c.Window == 0 {
		if updates := f.call(t, c.Reply, old, early); len(updates) != 2 || updates[0].Reports[0].EventID != updates[1].Reports[0].EventID {
			t.Errorf("nothing tells a replay: %+v", updates)
		}
		return
	}
	f.call(t, http.StatusForbidden, old, early)
	f.call(t, c.Reply, f.callbacks.SignedAt(cb, f.now.Add(-c.Window)))
}

// otherBodies: of another media type, compressed, too large.
func (c *Callback) otherBodies(t *testing.T) {
	t.Parallel()
	f := c.open(t, "")
	good := f.delivered(t)
	updates := f.call(t, http.StatusUnsupportedMediaType, good.With("Content-Type", "application/xml"), good.With("Content-Type", ""),
		good.With("Content-Type", "json; ;"), good.With("Content-Encoding", "gzip"))
	updates = append(updates, f.call(t, http.StatusRequestEntityTooLarge, good.WithBody(bytes.Repeat([]byte(" "), int(f.callback.Body.Limit)+1)))...)
	if len(updates) != 0 {
		t.Errorf("%+v", updates)
	}
}

// ends: why a message did not arrive, and which address is not to be written to again.
func (c *Callback) ends(t *testing.T) {
	t.Parallel()
	if len(c.Ends) == 0 {
		t.Fatal("no failures: every provider reports some")
	}
	for _, end := range c.Ends {
		f := c.open(t, "")
		m, _ := f.send(t, "webhook_1:"+string(c.Channel)+":1")
		updates := f.call(t, c.Reply, f.report(t, m, end.Event)...)
		if len(updates) != 1 {
			t.Fatalf("%v: %+v", end.Event, updates)
		}
		switch reports := updates[0].Reports; {
		case end.Class == 0 && len(reports) == 0:
		case len(reports) != 1 || reports[0].State != report.Failed || reports[0].Err == nil || reports[0].Err.Class != end.Class:
			t.Errorf("%v: %+v", end.Event, reports)
		}
		switch preferences := updates[0].Preferences; {
		case end.Why == "" && len(preferences) == 0:
		case len(preferences) != 1 || preferences[0].Kind != suppress.OptOut || preferences[0].Why != end.Why || preferences[0].Address != to[c.Channel]:
			t.Errorf("%v: %+v", end.Event, preferences)
		}
	}
}
