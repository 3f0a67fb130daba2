package worker

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

var backoff = []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}

// started is when the attempts of these tests begin.
var started = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// tried returns an attempt that ended with an error, after so many earlier attempts.
func tried(err *failure.Error, attempts int) *attempt {
	return &attempt{job: &job.Job{Attempts: attempts, AcceptedAt: started.Add(-time.Hour)}, started: started, ended: started, err: err}
}

func outage(class failure.Class, after time.Duration) *failure.Error {
	return &failure.Error{Class: class, Reason: failure.ReasonOutage, RetryAfter: after}
}

// TestOutcome has the details of what a send may end with: delays above all. TestThePage has a row for each kind of result.
func TestOutcome(t *testing.T) {
	t.Parallel()
	within := func(a *attempt) *attempt { a.job.AcceptedAt = a.ended.Add(-time.Hour + 1); return a }
	down := func(a *attempt) *attempt { a.breakerOpen = true; return a }
	turn := func(a *attempt) *attempt { a.turn = a.ended.Add(time.Minute); return a }
	spread := func(a *attempt) *attempt { a.jitter = 1; return a }
	tests := []struct {
		name   string
		a      *attempt
		resend bool
		want   queue.Outcome
	}{
		{"taken", tried(nil, 0), true, queue.Done{NoReports: true}},
		{"permanent fails at once", tried(outage(failure.Permanent, 0), 0), true, queue.Fail{}},
		{"permanent fails, breaker or not", down(tried(outage(failure.Permanent, 0), 0)), true, queue.Fail{}},
		{"first retry", tried(outage(failure.Transient, 0), 0), true, queue.Retry{Delay: 2 * time.Second}},
		{"second retry", tried(outage(failure.Transient, 0), 1), true, queue.Retry{Delay: 4 * time.Second}},
		{"third retry", tried(outage(failure.Transient, 0), 2), true, queue.Retry{Delay: 8 * time.Second}},
		{"out of retries", tried(outage(failure.Transient, 0), 3), true, queue.Fail{}},
		{"Retry-After is a floor", tried(outage(failure.Transient, 30*time.Second), 0), true, queue.Retry{Delay: 30 * time.Second}},
		{"jitter adds a tenth", spread(tried(outage(failure.Transient, 0), 0)), true, queue.Retry{Delay: 2200 * time.Millisecond}},
		{"Retry-After is a floor of an outage's pause", within(tried(outage(failure.Transient, 30*time.Second), 3)), true, queue.Defer{Delay: 30 * time.Second}},
		{"provider down spends no attempt", down(tried(outage(failure.Transient, 0), 3)), true, queue.Defer{Delay: 2 * time.Second}},
		{"throttled waits", tried(outage(failure.Throttled, 5*time.Second), 3), true, queue.Defer{Delay: 5 * time.Second}},
		{"a recipient's limit waits", tried(&failure.Error{Class: failure.Throttled, RecipientOnly: true, RetryAfter: 6 * time.Second}, 3), true,
			queue.Hold{Delay: 6 * time.Second}},
		{"a recipient's limit waits for its turn", turn(tried(&failure.Error{Class: failure.Throttled, RecipientOnly: true, RetryAfter: 6 * time.Second}, 3)), true,
			queue.Hold{Delay: time.Minute}},
		{"a recipient's limit without a pause", tried(&failure.Error{Class: failure.Throttled, RecipientOnly: true}, 3), true, queue.Hold{Delay: time.Second}},
		{"account waits", tried(outage(failure.Account, 0), 3), true, queue.Defer{Delay: 2 * time.Second}},
		{"ambiguous, resend", tried(outage(failure.Ambiguous, 0), 0), true, queue.Retry{Delay: 2 * time.Second, Uncertain: true}},
		{"ambiguous, resend, out of retries", tried(outage(failure.Ambiguous, 0), 3), true, queue.Fail{Uncertain: true}},
		{"ambiguous, provider down", down(tried(outage(failure.Ambiguous, 0), 0)), true, queue.Defer{Delay: 2 * time.Second, Uncertain: true}},
		{"ambiguous, set aside", tried(outage(failure.Ambiguous, 0), 0), false, queue.Fail{Uncertain: true}},
		{"ambiguous, set aside though the provider is down", down(tried(outage(failure.Ambiguous, 0), 0)), false, queue.Fail{Uncertain: true}},
		{"an invalid class counts as ambiguous", tried(&failure.Error{}, 0), false, queue.Fail{Uncertain: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := tt.want
			if tt.a.err != nil {
				want = withError(want, tt.a.err.Error())
			}
			got := (&policy{backoff: backoff, patience: time.Hour, resendUncertain: tt.resend}).result(tt.a)
			if diff := cmp.Diff(want, got.Outcome); diff != "" {
				t.Errorf("%+v: %s", tt.a, diff)
			}
		})
	}
}

// TestOutagePauses: in an outage a message is tried after pauses that grow, and stay within bounds whatever RETRY_BACKOFF is.
func TestOutagePauses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		backoff []time.Duration
		want    []time.Duration
	}{
		"the default":   {backoff, []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 128 * time.Second, 256 * time.Second, 5 * time.Minute, 5 * time.Minute}},
		"no retries":    {nil, []time.Duration{2 * time.Second, 4 * time.Second}},
		"a long pause":  {[]time.Duration{time.Hour}, []time.Duration{time.Hour, time.Hour}},
		"a short pause": {[]time.Duration{time.Millisecond}, []time.Duration{time.Millisecond, 2 * time.Millisecond}},
	} {
		p := policy{backoff: c.backoff, patience: 24 * time.Hour}
		for returns, want := range c.want {
			a := tried(outage(failure.Transient, 0), 0)
			a.job.Returns = returns
			if got, is := p.result(a).Outcome.(queue.Defer); !is || got.Delay != want {
				t.Errorf("%s, return %d: %+v, want %s", name, returns, got, want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		first := time.Duration(rapid.Int64Range(1, int64(1000*time.Hour)).Draw(t, "first"))
		p := policy{backoff: []time.Duration{first}}
		if got := p.growing(rapid.IntRange(0, job.MaxReturns-1).Draw(t, "returns")); got < first || got > max(first, maxGrowing) {
			t.Errorf("a pause of %s after a first one of %s", got, first)
		}
	})
}

// withError sets an outcome's error.
func withError(o queue.Outcome, text string) queue.Outcome {
	switch o := o.(type) {
	case queue.Retry:
		o.Error = text
		return o
	case queue.Defer:
		o.Error = text
		return o
	case queue.Hold:
		o.Error = text
		return o
	case queue.Fail:
		o.Error = text
		return o
	}
	return o
}

// row is a row of the page's table, and how its result comes about.
type row struct {
	result, left, breaker string // as the page has them

	attempt attempt
	policy  policy
}

var (
	resend   = policy{backoff: backoff, patience: time.Hour, resendUncertain: true, slowSend: time.Second}
	setAside = policy{backoff: backoff, patience: time.Hour, slowSend: time.Second}
)

const unusable = "open, or this job was its probe"

// rows are those of the table in docs/message-lifecycle.md. A row that stands there once may be here several times.
func rows() []row {
	old := started.Add(-time.Hour)
	fresh, spent := &job.Job{Attempts: 2, AcceptedAt: old}, &job.Job{Attempts: 3, AcceptedAt: old}
	young := &job.Job{Attempts: 3, AcceptedAt: old.Add(time.Second)}
	waited := &job.Job{Attempts: 2, AcceptedAt: old.Add(time.Second), Returns: 3} // its pause was 8 s
	own := &failure.Error{Class: failure.Transient, Reason: failure.ReasonSender}
	took := func(ago time.Duration) time.Time { return started.Add(-ago) }
	transient, ambiguous := outage(failure.Transient, 0), outage(failure.Ambiguous, 0)
	held := func(r gate.Reason) gate.Verdict {
		return gate.Verdict{Action: gate.Hold, Until: started.Add(time.Hour), Reason: r, Text: "later"}
	}
	const patient = "transient error, an outage, younger than `OUTAGE_PATIENCE`"
	const uncertainResend = "ambiguous error, `ON_UNCERTAIN=resend`"
	return []row{
		{"the provider took it", "", "", attempt{job: fresh}, resend},
		{"the provider took it", "", "", attempt{job: fresh, ended: started.Add(time.Second)}, resend},
		{"the provider took it, slower than `SLOW_SEND`", "", "", attempt{job: fresh, ended: started.Add(time.Second + 1)}, resend},
		{"permanent error", "", "", attempt{job: fresh, err: outage(failure.Permanent, 0)}, resend},
		{"permanent error", "", "", attempt{job: fresh, err: outage(failure.Permanent, 0), breakerOpen: true}, resend},
		{patient, "", "closed", attempt{job: young, err: transient}, resend},
		{patient, "", "closed", attempt{job: young, err: transient, lastTook: took(1)}, resend},
		{patient, "", "closed", attempt{job: waited, err: transient, lastTook: took(8*time.Second + 1)}, resend},
		{patient, "", "closed", attempt{job: young, err: &failure.Error{Class: failure.Transient, Reason: failure.ReasonNetwork}}, setAside},
		{"transient error", "yes", "closed", attempt{job: fresh, err: transient}, resend},
		{"transient error", "yes", "closed", attempt{job: waited, err: transient, lastTook: took(8 * time.Second)}, resend},
		{"transient error", "yes", "closed", attempt{job: waited, err: own}, resend},
		{"transient error", "no", "closed", attempt{job: young, err: own}, resend},
		{"transient error", "no", "closed", attempt{job: young, err: transient, lastTook: started}, resend},
		{"transient error", "", unusable, attempt{job: young, err: transient, breakerOpen: true}, resend},
		{"transient error", "no", "closed", attempt{job: spent, err: transient}, resend},
		{"transient error", "", unusable, attempt{job: spent, err: transient, breakerOpen: true}, resend},
		{"transient error", "", unusable, attempt{job: spent, err: transient, probe: true}, resend},
		{"throttled", "", "", attempt{job: spent, err: outage(failure.Throttled, time.Minute)}, resend},
		{"throttled, for this recipient alone", "", "", attempt{job: spent, err: &failure.Error{Class: failure.Throttled, RecipientOnly: true}}, resend},
		{"account error", "", "", attempt{job: spent, err: outage(failure.Account, 0)}, resend},
		{uncertainResend, "yes", "closed", attempt{job: fresh, err: ambiguous}, resend},
		{uncertainResend, "no", "closed", attempt{job: young, err: ambiguous}, resend},
		{uncertainResend, "no", "closed", attempt{job: spent, err: ambiguous}, resend},
		{uncertainResend, "", unusable, attempt{job: spent, err: ambiguous, breakerOpen: true}, resend},
		{uncertainResend, "", unusable, attempt{job: spent, err: ambiguous, probe: true}, resend},
		{"ambiguous error, `ON_UNCERTAIN=fail`", "", "", attempt{job: fresh, err: ambiguous}, setAside},
		{"ambiguous error, `ON_UNCERTAIN=fail`", "", "", attempt{job: fresh, err: ambiguous, breakerOpen: true}, setAside},
		{"the provider's own probe failed", "", "half open", attempt{job: fresh, err: transient, probe: true, probeFailed: true}, resend},
		{"the provider's own probe failed", "", "half open", attempt{job: fresh, err: outage(failure.Permanent, 0), probe: true, probeFailed: true}, resend},
		{"the provider's own probe was throttled", "", "half open", attempt{job: fresh, err: outage(failure.Throttled, time.Minute), probe: true, probeFailed: true}, resend},
		{"the provider's own probe failed, before an uncertain message", "", "closed", attempt{job: young, err: ambiguous, probeFailed: true}, resend},
		{"the provider's own probe failed, before an uncertain message", "", "closed", attempt{job: young, err: outage(failure.Permanent, 0), probeFailed: true}, resend},
		{"the provider's own probe was throttled, before an uncertain message", "", "closed",
			attempt{job: young, err: outage(failure.Throttled, time.Minute), probeFailed: true}, resend},
		{"the template cannot be rendered", "", "", attempt{job: fresh, renderErr: os.ErrInvalid}, resend},
		{"the gate: older than `MESSAGE_TTL`", "", "", attempt{job: fresh, verdict: gate.Verdict{Action: gate.Drop, Reason: gate.Expired}}, resend},
		{"the gate: on the suppression list", "", "", attempt{job: fresh, verdict: gate.Verdict{Action: gate.Suppress, Reason: gate.Suppressed}}, resend},
		{"the gate: quiet hours", "", "", attempt{job: fresh, verdict: held(gate.QuietHours)}, resend},
		{"the gate: `RECIPIENT_LIMIT_ACTION=hold`", "", "", attempt{job: fresh, verdict: held(gate.RecipientLimit)}, resend},
		{"the gate: `RECIPIENT_LIMIT_ACTION=drop`", "", "", attempt{job: fresh, verdict: gate.Verdict{Action: gate.Drop, Reason: gate.RecipientLimit}}, resend},
		{"the gate: `DAILY_CAP`", "", "", attempt{job: fresh, verdict: held(gate.DailyCap)}, resend},
		{"the gate: due only after `MESSAGE_TTL`", "", "", attempt{job: fresh, verdict: gate.Verdict{Action: gate.Drop, Reason: gate.Expired}}, resend},
	}
}

// inWords is a result as the page has it: the outcome, the attempt, and what the provider counts as.
func inWords(t *testing.T, r Result) []string {
	t.Helper()
	outcome, attempt, counts := r.Outcome.Name(), "", ""
	if _, uncertain := details(r.Outcome); uncertain {
		outcome += ", uncertain"
	}
	switch r.Outcome.(type) {
	case queue.Retry:
		attempt = "spent"
	case queue.Defer, queue.Hold, queue.Release:
		attempt = "not spent"
	}
	switch h := r.Health; {
	case h.Account && h.Failed == 1 && h.Healthy == 0:
		counts = "failing: its breaker opens at once"
	case h.Failed == 1 && h.Healthy == 0:
		counts = "failing"
	case h.ThrottleFor > 0 && h.Failed+h.Healthy == 0:
		counts = "throttled"
	case h.Healthy == 1 && h.Failed == 0:
		counts = "healthy"
	case h != (queue.ProviderHealth{}):
		t.Errorf("a result that is not on the page: %+v", h)
	}
	return []string{outcome, attempt, counts}
}

// TestThePage holds docs/message-lifecycle.md and the code together: each row of the page's table is what the code does, no row is missing in
// either, and the diagram has every outcome.
func TestThePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/message-lifecycle.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "| the attempt ended with | attempts left | breaker | outcome | attempt | the provider counts as |\n")
	if !found {
		t.Fatal("the page has no table of results")
	}
	page := map[string][]string{}
	table, _, _ := strings.Cut(rest, "\n\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
			if i == 3 {
				cells[i] = strings.ReplaceAll(cells[i], "`", "")
			}
		}
		if len(cells) != 6 {
			t.Fatalf("%q has %d cells", line, len(cells))
		}
		if !strings.HasPrefix(cells[0], "---") {
			page[strings.Join(cells[:3], " | ")] = cells[3:]
		}
	}
	tested := map[string]bool{}
	outcomes := map[string]bool{}
	for _, r := range rows() {
		a := r.attempt
		a.started, a.provider = started, "twilio"
		if a.ended.IsZero() {
			a.ended = started
		}
		name := strings.Join([]string{r.result, r.left, r.breaker}, " | ")
		result := r.policy.result(&a)
		tested[name], outcomes[result.Outcome.Name()] = true, true
		if got := inWords(t, result); !slices.Equal(got, page[name]) {
			t.Errorf("%s: the code says %q, the page %q", name, got, page[name])
		}
	}
	for name := range page {
		if !tested[name] {
			t.Errorf("the page has %q, which no row of this test has", name)
		}
	}
	_, rest, _ = strings.Cut(string(text), "```\n")
	diagram, _, _ := strings.Cut(rest, "```")
	for _, o := range []queue.Outcome{queue.Done{}, queue.Retry{}, queue.Defer{}, queue.Hold{}, queue.Fail{}, queue.Drop{}, queue.Suppress{}, queue.Release{}} {
		if !outcomes[o.Name()] {
			t.Errorf("no row ends with %s", o.Name())
		}
		if !strings.Contains(diagram, o.Name()) {
			t.Errorf("the diagram has no %s", o.Name())
		}
	}
}

// TestWhatGoesWithAnOutcome: the cost, redelivery, fallback, the suppression list, the tokens of further segments.
func TestWhatGoesWithAnOutcome(t *testing.T) {
	t.Parallel()
	j := &job.Job{Channel: message.SMS, Recipient: "+12025550143", Attempts: 1}
	sent := func(reports, names bool) attempt {
		return attempt{job: j, provider: "twilio", traits: provider.Traits{Sender: "+15005550006", Reports: reports, NamesMessage: names}, started: started,
			ended: started.Add(80 * time.Millisecond), receipt: provider.Receipt{MessageID: "SM1", KnownAs: "+5215512345678"}, message: message.Message{EventType: "pos_save", Segments: 3}}
	}
	failed := func(e failure.Error) attempt {
		a := sent(true, false)
		a.receipt, a.err = provider.Receipt{}, &e
		return a
	}
	call := queue.Attempt{Provider: "twilio", MessageID: "SM1", Took: 80 * time.Millisecond, ExtraTokens: 2}
	lost := call
	lost.MessageID = ""
	priced := sent(true, true)
	priced.cost, priced.source = 30_000, "till-1"
	exhausted := sent(true, false)
	exhausted.job = &job.Job{Attempts: 3}
	optedOut := failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true}
	for name, tt := range map[string]struct {
		policy policy
		a      attempt
		want   queue.Outcome
	}{
		"a provider without reports": {policy{backoff: backoff, redeliverWithin: time.Hour, fallBack: true}, sent(false, false), queue.Done{Attempt: call, KnownAs: "+5215512345678", NoReports: true}},
		"reports by message id":      {policy{backoff: backoff}, sent(true, true), queue.Done{Attempt: call, KnownAs: "+5215512345678", FindByMessageID: true}},
		"a cost": {policy{backoff: backoff}, priced, queue.Done{Attempt: call, KnownAs: "+5215512345678", FindByMessageID: true,
			Cost: queue.Cost{Event: "pos_save", Source: "till-1", Micros: 30_000}}},
		"RETRY_UNDELIVERED": {policy{backoff: backoff, redeliverWithin: time.Hour}, sent(true, false),
			queue.Done{Attempt: call, KnownAs: "+5215512345678", Redelivery: &queue.Redelivery{Retry: true, Delay: 4 * time.Second, Within: time.Hour}}},
		"RETRY_UNDELIVERED, no attempts left": {policy{backoff: backoff, redeliverWithin: time.Hour}, exhausted,
			queue.Done{Attempt: call, KnownAs: "+5215512345678", Redelivery: &queue.Redelivery{Within: time.Hour}}},
		"FALLBACK_CHANNEL": {policy{backoff: backoff, fallBack: true, fallBackWithin: time.Minute}, sent(true, false),
			queue.Done{Attempt: call, KnownAs: "+5215512345678", Redelivery: &queue.Redelivery{FallBack: true, Within: time.Minute}}},
		"both: the longer time": {policy{backoff: backoff, redeliverWithin: time.Hour, fallBack: true, fallBackWithin: time.Minute}, sent(true, false),
			queue.Done{Attempt: call, KnownAs: "+5215512345678", Redelivery: &queue.Redelivery{Retry: true, Delay: 4 * time.Second, FallBack: true, Within: time.Hour}}},

		"a failure with FALLBACK_CHANNEL": {policy{backoff: backoff, fallBack: true}, failed(failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}),
			queue.Fail{Attempt: lost, Error: "permanent: invalid_recipient", FallBack: true}},
		"a failure without": {policy{backoff: backoff}, failed(failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}),
			queue.Fail{Attempt: lost, Error: "permanent: invalid_recipient"}},
		"opted out, which holds on the other channel too": {policy{backoff: backoff, fallBack: true}, failed(optedOut),
			queue.Fail{Attempt: lost, Error: "permanent: opted_out", Suppress: &suppress.Entry{Channel: message.SMS, Address: "+12025550143",
				Why: suppress.Refused, By: "twilio", Sender: "+15005550006", At: started.Add(80 * time.Millisecond)}}},
		"opted out at the provider alone (131050), which holds here too": {policy{backoff: backoff, fallBack: true},
			failed(failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut}),
			queue.Fail{Attempt: lost, Error: "permanent: opted_out"}},
		"uncertain, which does not go out twice": {policy{backoff: backoff, fallBack: true}, failed(failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonTimeout}),
			queue.Fail{Attempt: lost, Error: "ambiguous: timeout", Uncertain: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.policy.result(&tt.a).Outcome); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHealth has what a result says about the provider beyond the page's table.
func TestHealth(t *testing.T) {
	t.Parallel()
	p := policy{backoff: backoff, slowSend: time.Second}
	j := &job.Job{}
	for name, tt := range map[string]struct {
		a    attempt
		want queue.ProviderHealth
	}{
		"taken":            {attempt{}, queue.ProviderHealth{Healthy: 1}},
		"taken as a probe": {attempt{probe: true}, queue.ProviderHealth{Healthy: 1, Probed: true}},
		"SLOW_SEND":        {attempt{ended: started.Add(1500 * time.Millisecond)}, queue.ProviderHealth{Failed: 1, Reason: "it took 1.5s to answer (SLOW_SEND)"}},
		"throttled":        {attempt{err: outage(failure.Throttled, time.Minute)}, queue.ProviderHealth{ThrottleFor: time.Minute, Reason: "throttled: outage"}},
		"an outage that asks for a pause": {attempt{err: outage(failure.Transient, time.Minute)},
			queue.ProviderHealth{Failed: 1, ThrottleFor: time.Minute, Reason: "transient: outage"}},
		"throttled briefly": {attempt{err: outage(failure.Throttled, 0)}, queue.ProviderHealth{ThrottleFor: time.Second, Reason: "throttled: outage"}},
		"account":           {attempt{err: outage(failure.Account, 0)}, queue.ProviderHealth{Failed: 1, Account: true, Reason: "account: outage"}},
		"a probe's account": {attempt{err: outage(failure.Account, 0), probe: true, probeFailed: true},
			queue.ProviderHealth{Failed: 1, Account: true, Reason: "account: outage", Probed: true}},
	} {
		a := tt.a
		a.job, a.provider, a.started, tt.want.Provider = j, "twilio", started, "twilio"
		if a.ended.IsZero() {
			a.ended = started
		}
		if diff := cmp.Diff(tt.want, p.result(&a).Health); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	// A job that was to be the probe, and was not sent, leaves that to another one.
	for name, a := range map[string]attempt{"the gate": {verdict: gate.Verdict{Action: gate.Suppress}}, "the template": {renderErr: os.ErrInvalid}} {
		a.job, a.provider = j, "twilio"
		if got := p.result(&a).Health; got != (queue.ProviderHealth{}) {
			t.Errorf("%s: %+v of a job that was no probe", name, got)
		}
		a.probe = true
		if got := p.result(&a).Health; got != (queue.ProviderHealth{Provider: "twilio", Probed: true}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestHealthAddsUp: what the jobs of a batch said about a provider is one sum.
func TestHealthAddsUp(t *testing.T) {
	t.Parallel()
	var h health
	for _, one := range []queue.ProviderHealth{
		{Provider: "twilio", Healthy: 1}, {Provider: "aws", Failed: 1, Reason: "first"}, {},
		{Provider: "aws", Failed: 1, Account: true, Reason: "second"}, {Provider: "aws", Healthy: 1, ThrottleFor: time.Second, Probed: true},
		{Provider: "aws", ThrottleFor: time.Minute, Reason: "third"}, {Provider: "aws", Healthy: 1},
	} {
		h.add(&one)
	}
	want := health{
		{Provider: "twilio", Healthy: 1}, {Provider: "aws", Healthy: 2, Failed: 2, Account: true, Reason: "third", ThrottleFor: time.Minute, Probed: true},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
}
