// Package queuetest is the contract of the queue as tests: what ingest and the workers count on.
package queuetest

import (
	"context"
	"fmt"
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

// Settings are what a case needs to differ from the defaults, which the comments name; zero values mean the defaults.
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
	FailUncertain        bool
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
	// Leftovers lists the shared bodies, for the test that nothing dangles.
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
		{"an id is taken once for each event type", Settings{}, byType},
		{"an id is taken again after DEDUPE_TTL", Settings{DedupeTTL: time.Second}, forgets},
		{"a repetition completes a half-done accept", Settings{MaxDepth: 1}, completes},
		{"priorities in order, and order within", Settings{}, priorities},
		{"aged jobs take every second turn", Settings{Aging: 40 * time.Millisecond}, aging},
		{"concurrent webhooks each get their own answer", Settings{}, concurrent},
		{"a full queue takes nothing", Settings{MaxDepth: 2}, full},
		{"a retry comes back when it is due, with its attempt spent", Settings{}, retries},
		{"a deferral spends no attempt", Settings{}, defers},
		{"released jobs come back first, unchanged", Settings{}, releases},
		{"a scheduled job waits until it is due, and spends no attempt", Settings{}, holds},
		{"dropped and suppressed jobs are gone, and their status says why", Settings{KeepCompleted: 1}, ends},
		{"an ended lease is reaped and fences its holder", Settings{Lease: time.Second}, reaps},
		{"a renewed lease holds", Settings{Lease: time.Second}, renews},
		{"a job that kills workers is set aside", Settings{Lease: time.Second, MaxCrashes: 1}, crashes},
		{"an ended lease is set aside under ON_UNCERTAIN=fail", Settings{Lease: time.Second, FailUncertain: true}, crashes},
		{"the failed set is bounded and names the evicted", Settings{KeepFailed: 3}, evicts},
		{"the completed set is bounded", Settings{KeepCompleted: 3}, keepsCompleted},
		{"shared bodies live as long as their jobs", Settings{KeepCompleted: 1, KeepFailed: 1}, bodies},
		{"the rate limit holds over consumers", Settings{RateLimit: 20, RateBurst: 5}, rates},
		{"extra tokens are debited", Settings{RateLimit: 1, RateBurst: 5}, debits},
		{"pause and resume", Settings{}, pauses},
		{"failures open a breaker, a probe closes it", Settings{Providers: []string{"only"}, OpenMin: time.Second}, breaks},
		{"a failed probe opens it again", Settings{Providers: []string{"only"}}, reopens},
		{"an account error opens at once", Settings{Providers: []string{"only"}}, account},
		{"successes keep a breaker closed", Settings{Providers: []string{"only"}}, mostlyWell},
		{"the next provider takes over", Settings{}, failsOver},
		{"a throttled provider is left alone", Settings{Providers: []string{"only"}}, throttles},
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

// fixture is a queue with the verbs of the cases.
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

// claimOne waits for a job that is due soon, and claims it.
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

func (f *fixture) settle(health []queue.ProviderHealth, s ...queue.Settlement) *queue.Settled {
	f.Helper()
	settled, _, err := f.Consumer.Exchange(f.Context(), s, health, nil)
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
