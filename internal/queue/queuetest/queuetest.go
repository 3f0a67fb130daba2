// Package queuetest says in code what an implementation of the queue owes to ingest and the workers.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Producer is ingest's side.
type Producer interface {
	Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error)
}

// Consumer is a worker's side.
type Consumer interface {
	Exchange(context.Context, []queue.Settlement, []queue.ProviderHealth, *queue.ClaimRequest) (*queue.Settled, *queue.Claim, error)
	Renew(context.Context, []*queue.Claimed) ([]int, error)
	Wait(context.Context, time.Duration) error
}

// Settings are what a case needs to differ from the defaults; zero values mean the defaults of Open's documentation.
type Settings struct {
	Lease, Aging         time.Duration // 30 s, 1 min
	RateLimit            float64       // none
	RateBurst            int
	Failures             int           // 3 within 10 s open a breaker
	OpenMin              time.Duration // 50 ms
	MaxDepth, MaxCrashes int           // none, 5
	KeepFailed           int           // 50
	KeepCompleted        int           // 100
	DedupeTTL            time.Duration // 24 h
	SetUncertainAside    bool
	Providers            []string // "first", "second"
}

// Queue is an implementation under test, empty.
type Queue struct {
	Producer Producer
	Consumer Consumer // of the SMS channel
	Depth    func(context.Context) (queue.Depth, error)
	Pause    func(context.Context) error
	Resume   func(context.Context) error
	// Notifications is the state of a webhook.
	Notifications func(context.Context, string) (*queue.Notifications, error)
	// Leftovers lists what is stored apart from the sets and lists, such as shared bodies, for the test that nothing dangles.
	Leftovers func(context.Context) []string
}

// Open makes an empty queue of its own for a case.
type Open func(t *testing.T, s Settings) *Queue

// Run holds an implementation to the contract.
func Run(t *testing.T, open Open) {
	t.Helper()
	cases := []struct {
		name     string
		settings Settings
		run      func(*testing.T, *fixture)
	}{
		{"what is enqueued is claimed as it was", Settings{}, roundTrip},
		{"an id is taken once", Settings{}, duplicate},
		{"an id is taken again after DEDUPE_TTL", Settings{DedupeTTL: time.Second}, forgets},
		{"a repetition completes a half-done accept", Settings{MaxDepth: 1}, completes},
		{"priorities in order, and order within", Settings{}, priorities},
		{"aged jobs take every second place", Settings{Aging: 40 * time.Millisecond}, aging},
		{"concurrent webhooks each get their own answer", Settings{}, concurrent},
		{"a full queue takes nothing", Settings{MaxDepth: 2}, full},
		{"a retry comes back when it is due, with its attempt spent", Settings{}, retries},
		{"a deferral spends no attempt", Settings{}, defers},
		{"released jobs come back first, unchanged", Settings{}, releases},
		{"an ended lease is taken back and fences its holder", Settings{Lease: time.Second}, reaps},
		{"a renewed lease holds", Settings{Lease: time.Second}, renews},
		{"a job that kills workers is set aside", Settings{Lease: time.Second, MaxCrashes: 1}, crashes},
		{"an ended lease is set aside under ON_UNCERTAIN=fail", Settings{Lease: time.Second, SetUncertainAside: true}, crashes},
		{"the failed set is bounded and says what falls off", Settings{KeepFailed: 3}, evicts},
		{"the completed set is bounded", Settings{KeepCompleted: 3}, keepsCompleted},
		{"shared bodies live as long as their jobs", Settings{KeepCompleted: 1, KeepFailed: 1}, bodies},
		{"the rate limit holds over consumers", Settings{RateLimit: 20, RateBurst: 5}, rates},
		{"extra tokens are debited", Settings{RateLimit: 1, RateBurst: 5}, debits},
		{"pause and resume", Settings{}, pauses},
		{"failures open a breaker, a probe closes it", Settings{Providers: []string{"only"}}, breaks},
		{"a failed probe opens it again", Settings{Providers: []string{"only"}}, reopens},
		{"an account error opens at once", Settings{Providers: []string{"only"}}, account},
		{"successes keep a breaker closed", Settings{Providers: []string{"only"}}, mostlyWell},
		{"the next provider takes over", Settings{}, failsOver},
		{"a held provider is left alone", Settings{Providers: []string{"only"}}, holds},
		{"an idle consumer is woken", Settings{}, wakes},
		{"the state of a webhook's notifications", Settings{}, notifications},
		{"the state of one whose worker died", Settings{Lease: time.Second, MaxCrashes: 1}, notificationsOfTheDead},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, &fixture{T: t, Queue: open(t, c.settings)})
		})
	}
}

// fixture is a queue with the verbs the cases speak in.
type fixture struct {
	*testing.T
	*Queue
	ids int
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// Event returns an event with an id.
func Event(id string) *event.Event {
	e := event.Sample(event.POSSave)
	e.ID = id
	return e
}

// about returns the event of a job.
func (f *fixture) about(j *job.Job) *event.Event {
	f.Helper()
	e, err := j.Event()
	f.must(err)
	return e
}

// submission makes a webhook for SMS with n recipients.
func (f *fixture) submission(priority, n int) *queue.Submission {
	f.ids++
	s := &queue.Submission{
		Event: Event(fmt.Sprintf("webhook_%d", f.ids)), Priority: priority, AcceptedAt: time.Now(),
		Channels: []queue.ChannelSubmission{{Channel: message.SMS}},
	}
	for i := range n {
		s.Channels[0].Recipients = append(s.Channels[0].Recipients,
			message.Recipient{Address: message.Address(fmt.Sprintf("+1555010%04d", i)), Audience: message.Customer})
	}
	return s
}

// enqueue adds a webhook of one job and returns its id.
func (f *fixture) enqueue(priority int) string {
	f.Helper()
	s := f.submission(priority, 1)
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	return s.Event.ID
}

func (f *fixture) claim(n int) *queue.Claim {
	f.Helper()
	_, claim, err := f.Consumer.Exchange(f.Context(), nil, nil, &queue.ClaimRequest{Max: n, Reap: true})
	f.must(err)
	return claim
}

// claimOne waits for a job: one that is due or aged soon.
func (f *fixture) claimOne() *queue.Claimed {
	f.Helper()
	var got *queue.Claimed
	f.eventually("a job can be claimed", func() bool {
		if claim := f.claim(1); len(claim.Jobs) == 1 {
			got = claim.Jobs[0]
		}
		return got != nil
	})
	if got.Err != nil {
		f.Fatal(got.Err)
	}
	return got
}

func (f *fixture) settle(reports []queue.ProviderHealth, s ...queue.Settlement) *queue.Settled {
	f.Helper()
	settled, _, err := f.Consumer.Exchange(f.Context(), s, reports, nil)
	f.must(err)
	return settled
}

func (f *fixture) depth() queue.Depth {
	f.Helper()
	d, err := f.Depth(f.Context())
	f.must(err)
	return d
}

func (f *fixture) eventually(what string, holds func() bool) {
	f.Helper()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			f.Fatalf("waited in vain: %s", what)
		}
	}
}

func (f *fixture) webhookIDs(claim *queue.Claim) []string {
	f.Helper()
	var ids []string
	for _, c := range claim.Jobs {
		if c.Err != nil {
			f.Fatal(c.Err)
		}
		ids = append(ids, c.Job.WebhookID)
	}
	return ids
}

func (f *fixture) want(got, want any) {
	f.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		f.Fatalf("got %v, want %v", got, want)
	}
}

func roundTrip(_ *testing.T, f *fixture) {
	s := f.submission(2, 1)
	s.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	accepted, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(*accepted, queue.Acceptance{Jobs: []queue.Accepted{{ID: "webhook_1:sms:1", Channel: message.SMS, Recipient: "+•••0000"}}})
	claim := f.claim(10)
	f.want(len(claim.Jobs), 1)
	j := claim.Jobs[0].Job
	f.want(j.ID(), "webhook_1:sms:1")
	f.want([]any{j.Priority, j.Attempts, j.Crashes, j.Uncertain, j.Audience, j.Recipient.Reveal(), j.Type, j.Store, *f.about(j), j.Trace},
		[]any{2, 0, 0, false, message.Customer, "+15550100000", s.Event.Type, s.Event.Store, *s.Event, s.Trace})
	f.want(j.AcceptedAt.UnixMilli(), s.AcceptedAt.UnixMilli())
	f.want(f.depth().Inflight, 1)
	f.want(len(f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Action: queue.Complete}).Lost), 0)
	d := f.depth()
	f.want([]int64{d.Inflight, d.Completed, d.Waiting[1]}, []int64{0, 1, 0})
}

func duplicate(_ *testing.T, f *fixture) {
	s := f.submission(1, 2)
	s.Channels[0].Skipped = []queue.Skipped{{Channel: message.SMS, Address: "•••", Reason: "not a phone number"}}
	first, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	s.Channels[0].Recipients = s.Channels[0].Recipients[:1] // the configuration changed in between
	s.Channels[0].Skipped = nil
	second, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(first.Duplicate, false)
	f.want(second.Duplicate, true)
	f.want(second.Jobs, first.Jobs)
	f.want(second.Skipped, first.Skipped)
	f.want(f.depth().Waiting[0], 2)
}

func forgets(_ *testing.T, f *fixture) {
	s := f.submission(1, 1)
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.eventually("the id is forgotten", func() bool {
		s.AcceptedAt = time.Now()
		a, err := f.Producer.Enqueue(f.Context(), s)
		f.must(err)
		return !a.Duplicate
	})
	f.want(f.depth().Waiting[0], 2)
}

func completes(_ *testing.T, f *fixture) {
	f.enqueue(1)
	s := f.submission(1, 1)
	s.Channels = append(s.Channels, queue.ChannelSubmission{Channel: message.Email, Recipients: []message.Recipient{{Address: "a@example.com", Audience: message.Staff}}})
	_, err := f.Producer.Enqueue(f.Context(), s)
	var fullErr *queue.FullError
	if !errors.As(err, &fullErr) || fullErr.Channel != message.SMS {
		f.Fatalf("got %v, want a FullError of sms; e-mail has room", err)
	}
	f.claim(1)
	a, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(a.Duplicate, false)
	f.want(len(a.Jobs), 2)
	f.want(f.depth().Waiting[0], 1)
	a, err = f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(a.Duplicate, true)
	f.want(len(a.Jobs), 2)
	f.want(f.depth().Waiting[0], 1)
}

func priorities(_ *testing.T, f *fixture) {
	var want [4][]string
	for i := range 12 {
		p := 4 - i%4
		want[p-1] = append(want[p-1], f.enqueue(p))
	}
	var got []string
	for range 3 {
		got = append(got, f.webhookIDs(f.claim(4))...)
	}
	f.want(got, slices.Concat(want[0], want[1], want[2], want[3]))
}

func aging(_ *testing.T, f *fixture) {
	old := []string{f.enqueue(4), f.enqueue(4), f.enqueue(4)}
	f.eventually("the jobs have aged", func() bool { return f.depth().Oldest[3] > 80*time.Millisecond })
	fresh := []string{f.enqueue(1), f.enqueue(1)}
	var got []string
	for range 5 {
		got = append(got, f.webhookIDs(f.claim(1))...)
	}
	f.want(got, []string{old[0], fresh[0], old[1], fresh[1], old[2]})
}

func concurrent(_ *testing.T, f *fixture) {
	const n = 300
	errs := make(chan error, n)
	for i := range n {
		s := f.submission(1+i%4, 1+i%3)
		go func() {
			a, err := f.Producer.Enqueue(context.Background(), s)
			if err == nil && (a.Duplicate || len(a.Jobs) != len(s.Channels[0].Recipients) || a.Jobs[0].ID != s.Event.ID+":sms:1") {
				err = fmt.Errorf("%s was answered %+v", s.Event.ID, a)
			}
			errs <- err
		}()
	}
	for range n {
		f.must(<-errs)
	}
	seen := map[string]bool{}
	for len(seen) < 2*n {
		claim := f.claim(1000)
		if len(claim.Jobs) == 0 {
			f.Fatalf("%d jobs, want %d", len(seen), 2*n)
		}
		for _, c := range claim.Jobs {
			f.must(c.Err)
			if seen[c.Job.ID()] || string(c.Job.Body) == "" {
				f.Fatalf("job %s twice, or without its body", c.Job.ID())
			}
			seen[c.Job.ID()] = true
		}
	}
}

func full(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.enqueue(1)
	s := f.submission(1, 1)
	_, err := f.Producer.Enqueue(f.Context(), s)
	var fullErr *queue.FullError
	if !errors.As(err, &fullErr) || fullErr.Channel != message.SMS || fullErr.Depth != 2 {
		f.Fatalf("got %v, want a FullError of sms with 2 waiting", err)
	}
	f.claim(1)
	a, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(a.Duplicate, false)
}

func retries(_ *testing.T, f *fixture) {
	id := f.enqueue(3)
	c := f.claimOne()
	f.settle(nil, queue.Settlement{Claimed: c, Action: queue.Retry, Delay: 150 * time.Millisecond, Error: "transient: outage", Uncertain: true})
	claim := f.claim(1)
	if len(claim.Jobs) != 0 || claim.Wait <= 0 || claim.Wait > 150*time.Millisecond {
		f.Fatalf("claimed %d jobs, wait %s: want none, and a wait until the retry", len(claim.Jobs), claim.Wait)
	}
	f.want(f.depth().Retry, 1)
	again := f.claimOne().Job
	f.want([]any{again.WebhookID, again.Attempts, again.Priority, again.LastError, again.Uncertain, *f.about(again)},
		[]any{id, 1, 3, "transient: outage", true, *Event(id)})
}

func defers(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.settle(nil, queue.Settlement{Claimed: f.claimOne(), Action: queue.Defer, Delay: time.Millisecond, Error: "throttled"})
	f.want(f.claimOne().Job.Attempts, 0)
}

func releases(_ *testing.T, f *fixture) {
	a, b, c := f.enqueue(1), f.enqueue(1), f.enqueue(1)
	claim := f.claim(2)
	f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Action: queue.Release}, queue.Settlement{Claimed: claim.Jobs[1], Action: queue.Release})
	f.want(f.webhookIDs(f.claim(3)), []string{a, b, c})
}

func reaps(_ *testing.T, f *fixture) {
	id := f.enqueue(1)
	first := f.claimOne()
	second := f.claimOne() // waits for the lease to end
	f.want([]any{second.Job.WebhookID, second.Job.Crashes, second.Job.Attempts, second.Job.Uncertain}, []any{id, 1, 0, true})
	f.want(f.settle(nil, queue.Settlement{Claimed: first, Action: queue.Complete}).Lost, []int{0})
	f.want(f.depth().Inflight, 1)
	f.want(f.depth().Completed, 0)
	f.want(len(f.settle(nil, queue.Settlement{Claimed: second, Action: queue.Complete}).Lost), 0)
	lost, err := f.Consumer.Renew(f.Context(), []*queue.Claimed{first})
	f.must(err)
	f.want(lost, []int{0})
	d := f.depth()
	f.want([]int64{d.Inflight, d.Completed}, []int64{0, 1})
}

func renews(_ *testing.T, f *fixture) {
	f.enqueue(1)
	c := f.claimOne()
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		lost, err := f.Consumer.Renew(f.Context(), []*queue.Claimed{c})
		f.must(err)
		f.want(len(lost), 0)
		f.want(len(f.claim(1).Jobs), 0)
	}
}

func crashes(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.claimOne()
	f.eventually("the job is set aside", func() bool {
		f.want(len(f.claim(1).Jobs), 0)
		return f.depth().Failed == 1
	})
	f.want(f.depth().Inflight, 0)
}

func evicts(_ *testing.T, f *fixture) {
	var evicted []string
	for range 5 {
		f.enqueue(1)
		s := f.settle(nil, queue.Settlement{Claimed: f.claimOne(), Action: queue.Fail, Error: "permanent"})
		for _, j := range s.Evicted {
			evicted = append(evicted, j.WebhookID+" "+j.LastError)
		}
		// Newest by the millisecond: the next one has to be later.
		for now := time.Now(); time.Since(now) < 2*time.Millisecond; {
		}
	}
	f.want(evicted, []string{"webhook_1 permanent", "webhook_2 permanent"})
	f.want(f.depth().Failed, 3)
}

func keepsCompleted(_ *testing.T, f *fixture) {
	for range 5 {
		f.enqueue(1)
		f.settle(nil, queue.Settlement{Claimed: f.claimOne(), Action: queue.Complete})
	}
	f.want(f.depth().Completed, 3)
}

func bodies(_ *testing.T, f *fixture) {
	s := f.submission(1, 3)
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(len(f.Leftovers(f.Context())), 1)
	claim := f.claim(3)
	for _, c := range claim.Jobs {
		f.want(f.about(c.Job), s.Event)
	}
	f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Action: queue.Complete}, queue.Settlement{Claimed: claim.Jobs[1], Action: queue.Fail},
		queue.Settlement{Claimed: claim.Jobs[2], Action: queue.Drop})
	f.want(len(f.Leftovers(f.Context())), 1) // the kept ones still refer to it
	f.enqueue(1)
	f.enqueue(1)
	claim = f.claim(2)
	f.eventually("later by the millisecond", func() bool { return time.Since(s.AcceptedAt) > 10*time.Millisecond })
	f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Action: queue.Complete}, queue.Settlement{Claimed: claim.Jobs[1], Action: queue.Fail})
	f.want(f.Leftovers(f.Context()), []string{})
}

func rates(_ *testing.T, f *fixture) {
	for range 12 {
		f.enqueue(1)
	}
	start := time.Now()
	claim := f.claim(10)
	if n := len(claim.Jobs); n < 5 || n > 6 || !claim.Throttled || claim.Wait <= 0 {
		f.Fatalf("claimed %d, throttled %t, wait %s: want the burst of 5 and a wait", n, claim.Throttled, claim.Wait)
	}
	got := len(claim.Jobs)
	f.eventually("all are claimed", func() bool {
		got += len(f.claim(10).Jobs)
		if allowed := 5 + int(20*time.Since(start).Seconds()) + 1; got > allowed {
			f.Fatalf("%d jobs after %s: %d are allowed", got, time.Since(start), allowed)
		}
		return got == 12
	})
}

func debits(_ *testing.T, f *fixture) {
	for range 4 {
		f.enqueue(1)
	}
	c := f.claimOne()
	f.settle(nil, queue.Settlement{Claimed: c, Action: queue.Complete, ExtraTokens: 6})
	claim := f.claim(3)
	f.want(len(claim.Jobs), 0)
	if claim.Wait < time.Second {
		f.Fatalf("wait %s: the extra segments were not debited", claim.Wait)
	}
}

func pauses(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.must(f.Pause(f.Context()))
	claim := f.claim(1)
	f.want(len(claim.Jobs), 0)
	if claim.Halted == "" || f.depth().Halted == "" {
		f.Fatal("nobody says that the channel is paused")
	}
	f.must(f.Resume(f.Context()))
	f.want(len(f.claim(1).Jobs), 1)
	f.want(f.depth().Halted, "")
}

// report claims a job and settles it as deferred, with a report.
func (f *fixture) report(r queue.ProviderHealth) *queue.Settled {
	f.Helper()
	c := f.claimOne()
	r.Probed = c.Probe
	return f.settle([]queue.ProviderHealth{r}, queue.Settlement{Claimed: c, Action: queue.Defer, Delay: time.Millisecond})
}

func breaks(_ *testing.T, f *fixture) {
	for range 5 {
		f.enqueue(1)
	}
	bad := queue.ProviderHealth{Provider: "only", Failed: 1, Reason: "transient: outage"}
	f.want(len(f.report(bad).Breakers), 0)
	f.want(len(f.report(bad).Breakers), 0)
	f.want(f.report(bad).Breakers["only"].State, "open")
	f.want(f.depth().Halted, "only: transient: outage")
	f.want(len(f.claim(5).Jobs), 0)
	probe := f.claimOne()
	f.want(probe.Probe, true)
	f.want(len(f.claim(5).Jobs), 0) // one at a time
	f.settle([]queue.ProviderHealth{{Provider: "only", Sent: 1, Probed: true}}, queue.Settlement{Claimed: probe, Action: queue.Complete})
	f.want(f.depth().Halted, "")
	f.eventually("the others follow", func() bool { f.claim(5); return f.depth().Inflight == 4 })
}

func reopens(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.enqueue(1)
	f.report(queue.ProviderHealth{Provider: "only", Account: true, Failed: 1, Reason: "account: credentials"})
	first := f.claimOne()
	s := f.settle([]queue.ProviderHealth{{Provider: "only", Failed: 1, Probed: true, Reason: "still"}},
		queue.Settlement{Claimed: first, Action: queue.Defer, Delay: time.Millisecond})
	f.want([]any{first.Probe, s.Breakers["only"].State, s.Breakers["only"].Reason}, []any{true, "open", "still"})
	// A probe that said nothing about the provider makes room for another.
	probe := f.claimOne()
	f.settle([]queue.ProviderHealth{{Provider: "only", Probed: true}}, queue.Settlement{Claimed: probe, Action: queue.Fail})
	f.want(f.claimOne().Probe, true)
}

func account(_ *testing.T, f *fixture) {
	f.enqueue(1)
	s := f.report(queue.ProviderHealth{Provider: "only", Account: true, Failed: 1, Reason: "account: credentials"})
	f.want([]any{s.Breakers["only"].State, f.depth().Halted}, []any{"open", "only: account: credentials"})
}

func mostlyWell(_ *testing.T, f *fixture) {
	f.enqueue(1)
	for range 5 {
		f.want(len(f.report(queue.ProviderHealth{Provider: "only", Failed: 1, Sent: 2, Reason: "x"}).Breakers), 0)
	}
}

func failsOver(_ *testing.T, f *fixture) {
	for range 3 {
		f.enqueue(1)
	}
	c := f.claimOne()
	f.want(c.Provider, 0)
	f.settle([]queue.ProviderHealth{{Provider: "first", Account: true, Failed: 1, Reason: "x"}},
		queue.Settlement{Claimed: c, Action: queue.Defer, Delay: time.Millisecond})
	f.want(f.claimOne().Provider, 1)
	f.want(f.depth().Halted, "")
	f.eventually("the first is tried again", func() bool {
		claim := f.claim(1)
		return len(claim.Jobs) == 1 && claim.Jobs[0].Probe && claim.Jobs[0].Provider == 0 ||
			len(claim.Jobs) == 1 && len(f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Action: queue.Release}).Lost) > 0
	})
}

func holds(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.report(queue.ProviderHealth{Provider: "only", HoldFor: 200 * time.Millisecond, Reason: "throttled"})
	claim := f.claim(1)
	if len(claim.Jobs) != 0 || claim.Wait <= 0 || claim.Wait > 200*time.Millisecond {
		f.Fatalf("claimed %d, wait %s: want none, and a wait until the hold ends", len(claim.Jobs), claim.Wait)
	}
	f.want(f.claimOne().Probe, false)
}

func wakes(_ *testing.T, f *fixture) {
	f.claim(1)
	woken := make(chan error, 1)
	go func() { woken <- f.Consumer.Wait(context.Background(), 20*time.Second) }()
	f.enqueue(1)
	select {
	case err := <-woken:
		f.must(err)
	case <-time.After(10 * time.Second):
		f.Fatal("an enqueue did not wake the consumer")
	}
}

func notifications(_ *testing.T, f *fixture) {
	s := f.submission(2, 3)
	s.Channels[0].Skipped = []queue.Skipped{{Channel: message.SMS, Address: "•••", Reason: "not a phone number"}}
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	of := func() []queue.Notification {
		n, err := f.Notifications(f.Context(), s.Event.ID)
		f.must(err)
		if len(n.Notifications) != 3 || len(n.Skipped) != 1 || n.Skipped[0].Reason != "not a phone number" || n.AcceptedAt.UnixMilli() != s.AcceptedAt.UnixMilli() {
			f.Fatalf("%+v", n)
		}
		return n.Notifications
	}
	for i, n := range of() {
		f.want(n.Status, queue.StatusQueued)
		f.want(n.ID, fmt.Sprintf("%s:sms:%d", s.Event.ID, i+1))
		f.want(n.Recipient, s.Channels[0].Recipients[i].Address.String())
	}
	claim := f.claim(3)
	for _, n := range of() {
		f.want(n.Status, queue.StatusSending)
	}
	f.settle(nil,
		queue.Settlement{Claimed: claim.Jobs[0], Action: queue.Complete, Provider: "first", MessageID: "SM1", Took: 80 * time.Millisecond},
		queue.Settlement{Claimed: claim.Jobs[1], Action: queue.Retry, Delay: time.Hour, Provider: "first", Error: "transient: outage"},
		queue.Settlement{Claimed: claim.Jobs[2], Action: queue.Fail, Provider: "second", Error: "permanent: invalid_recipient"},
	)
	got := of()
	f.want(got[0].Status, queue.StatusSent)
	f.want(got[0].MessageID, "SM1")
	f.want(got[0].Provider, "first")
	f.want(got[0].Attempts, 1)
	f.want(got[0].History[1].TookMs, int64(80))
	f.want(got[1].Status, queue.StatusQueued)
	f.want(got[1].Error, "transient: outage")
	f.want(got[2].Status, queue.StatusFailed)
	f.want(got[2].Error, "permanent: invalid_recipient")
	_, err = f.Notifications(f.Context(), "nobody's")
	var unknown *queue.NotFoundError
	if !errors.As(err, &unknown) {
		f.Errorf("an id that nobody sent: %v", err)
	}
}

func notificationsOfTheDead(_ *testing.T, f *fixture) {
	s := f.submission(2, 2)
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.claim(1) // and nothing more is heard of it
	f.eventually("its lease ends", func() bool { f.claim(0); return f.depth().Failed == 1 })
	n, err := f.Notifications(f.Context(), s.Event.ID)
	f.must(err)
	f.want(n.Notifications[0].Status, queue.StatusFailed)
	f.want(n.Notifications[1].Status, queue.StatusQueued)
}
