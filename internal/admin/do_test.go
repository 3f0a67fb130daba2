package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// longQueue is a queue of more jobs than one action changes. It does not answer from the moment on that broken is set.
type longQueue struct {
	Queues // nil: the actions of these tests do not call the rest

	jobs    []queue.Stored
	waiting int
	broken  error

	recorded []string // actions
}

func (q *longQueue) List(_ context.Context, _ message.Channel, _ queue.State, _, offset, limit int) ([]queue.Stored, error) {
	from := min(offset, len(q.jobs))
	return q.jobs[from:min(from+limit, len(q.jobs))], nil
}

func (q *longQueue) Matching(_ context.Context, jobs []queue.Stored, matches func(*queue.Stored) bool) (out []queue.Stored, err error) {
	for i := range jobs {
		if matches(&jobs[i]) {
			out = append(out, jobs[i])
		}
	}
	return out, nil
}

func (q *longQueue) Providers(context.Context, []queue.Stored) error { return nil }

func (q *longQueue) Retry(_ context.Context, jobs []queue.Stored, _ string) (int, error) {
	return len(jobs), q.broken
}

func (q *longQueue) Delete(_ context.Context, jobs []queue.Stored, _ string) (int, error) {
	return len(jobs), q.broken
}

func (q *longQueue) Purge(_ context.Context, _ message.Channel, _ int, _ string) (int, error) {
	n := min(q.waiting, 1000)
	q.waiting -= n
	return n, q.broken
}

func (q *longQueue) Record(_ context.Context, e queue.AuditEntry) error {
	q.recorded = append(q.recorded, e.Action)
	return q.broken
}

func (q *longQueue) Suppress(context.Context, []suppress.Entry) (int, error) { return 0, q.broken }

func (q *longQueue) Unsuppress(context.Context, message.Channel, message.Address, suppress.Selection) (int, error) {
	return 0, q.broken
}

func (q *longQueue) Forget(context.Context, queue.ForgetRequest) (queue.Forgotten, error) {
	return queue.Forgotten{}, q.broken
}

func (q *longQueue) State(context.Context, message.Channel) (*queue.ChannelState, error) {
	return nil, q.broken
}

func over(q *longQueue) *Admin {
	return New(Options{Config: Config{Reveal: true}, Region: "US", Queues: q, Log: slog.New(slog.DiscardHandler)})
}

// TestLongQueues: an action looks through all jobs of a state, changes no more than its limit, and says when there are more.
func TestLongQueues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		jobs, matches int // the matches are the last of the jobs
		want          int
		more          bool
	}{
		{0, 0, 0, false}, {1, 0, 0, false}, {PageSize, 1, 1, false}, {maxJobs, 3, 3, false}, {maxJobs + 1, 1, 1, false}, {3*maxJobs + 7, 5, 5, false},
		{maxJobs, maxJobs, maxJobs, false}, {maxJobs + 1, maxJobs + 1, maxJobs, true}, {3 * maxJobs, 2 * maxJobs, maxJobs, true},
	} {
		q := &longQueue{jobs: make([]queue.Stored, tt.jobs)}
		for i := range q.jobs {
			q.jobs[i].Job = &job.Job{LastError: "other"}
			if i >= tt.jobs-tt.matches {
				q.jobs[i].Job = &job.Job{LastError: "an outage"}
			}
		}
		for _, name := range []string{ActionRetry, ActionDelete} {
			x := &Action{Name: name, Channel: message.SMS, State: queue.Failed, Filter: "outage"}
			if r, err := over(q).DryRun(t.Context(), x); err != nil || r.Jobs != tt.want || r.More != tt.more {
				t.Errorf("%+v: %s would change %+v, %v", tt, name, r, err)
			}
			if n, more, err := over(q).Do(t.Context(), x); n != tt.want || more != tt.more || err != nil {
				t.Errorf("%+v: %s changes %d, more %t, %v", tt, name, n, more, err)
			}
		}
	}
	for waiting, more := range map[int]bool{0: false, maxJobs: false, maxPurge - 1: false, 2 * maxPurge: true} {
		n, got, err := over(&longQueue{waiting: waiting}).Do(t.Context(), &Action{Name: ActionPurge, Channel: message.SMS})
		if n != min(waiting, maxPurge) || got != more || err != nil {
			t.Errorf("of %d waiting jobs, %d are purged, more %t, %v", waiting, n, got, err)
		}
	}
}

// TestBrokenOff: where Redis stops to answer in a change, the operator learns that a part may have been made; a look changes nothing.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	a := over(&longQueue{jobs: make([]queue.Stored, 1), broken: fmt.Errorf("%w: gone", queue.ErrUnavailable)})
	x, change := &Action{Channel: message.SMS, State: queue.Failed}, &SuppressionChange{Channel: message.SMS, Address: "+15550104242"}
	do := func(name string) error {
		if x.Name = name; name == ActionPurge {
			x = &Action{Name: name, Channel: message.SMS}
		}
		_, _, err := a.Do(t.Context(), x)
		return err
	}
	_, suppressErr := a.Suppress(t.Context(), change)
	_, unsuppressErr := a.Unsuppress(t.Context(), change)
	_, importErr := a.Import(t.Context(), strings.NewReader("+15550104242"), ImportOptions{Channel: "sms"})
	_, forgetErr := a.Forget(t.Context(), &ForgetRequest{Who: "+15550104242"})
	_, dryErr := a.Forget(t.Context(), &ForgetRequest{Who: "+15550104242", DryRun: true})
	_, channelsErr := a.Channels(t.Context())
	_, countErr := a.DryRun(t.Context(), &Action{Name: ActionPurge, Channel: message.SMS})
	for name, tt := range map[string]struct {
		err    error
		change bool
	}{
		"retry": {do(ActionRetry), true}, "delete": {do(ActionDelete), true}, "purge": {do(ActionPurge), true}, "suppress": {suppressErr, true},
		"unsuppress": {unsuppressErr, true}, "import": {importErr, true}, "forget": {forgetErr, true},
		"forget, dry": {dryErr, false}, "channels": {channelsErr, false}, "count": {countErr, false},
	} {
		if !errors.Is(tt.err, queue.ErrUnavailable) || Refused(tt.err) {
			t.Errorf("%s: %v", name, tt.err)
			continue
		}
		p := a.Problem(tt.err)
		if p.Status != http.StatusServiceUnavailable || strings.Contains(p.Detail, "in part: look") != tt.change || strings.Contains(p.Detail, "Nothing was") {
			t.Errorf("%s: %d %s", name, p.Status, p.Detail)
		}
	}
}

// lossyQueue carries changes out, and its answers are lost.
type lossyQueue struct {
	*longQueue

	state queue.ChannelState
}

func (q *lossyQueue) State(context.Context, message.Channel) (*queue.ChannelState, error) {
	return &q.state, nil
}
func (q *lossyQueue) Pause(context.Context, message.Channel, string, string) error { return q.broken }
func (q *lossyQueue) Resume(context.Context, message.Channel) error                { return q.broken }
func (q *lossyQueue) OpenBreaker(context.Context, message.Channel, string, string, bool) error {
	return q.broken
}
func (q *lossyQueue) CloseBreaker(context.Context, message.Channel, string) error { return q.broken }
func (q *lossyQueue) Retry(context.Context, []queue.Stored, string) (int, error)  { return 0, q.broken }
func (q *lossyQueue) Delete(context.Context, []queue.Stored, string) (int, error) { return 0, q.broken }
func (q *lossyQueue) Purge(context.Context, message.Channel, int, string) (int, error) {
	return 0, q.broken
}

// TestLostAnswersAreRecorded: a change that may have been made is in the audit log, also where Redis did not say so.
func TestLostAnswersAreRecorded(t *testing.T) {
	t.Parallel()
	paused := queue.ChannelState{Depth: queue.Depth{Halted: queue.Halt{Kind: queue.HaltedPause, Why: "by bob at noon"}}, Breakers: map[string]queue.BreakerState{"aws": {State: queue.BreakerHalfOpen}}}
	for _, x := range []Action{
		{Name: ActionRetry, State: queue.Failed}, {Name: ActionDelete, State: queue.Failed}, {Name: ActionPurge}, {Name: ActionPause}, {Name: ActionResume},
		{Name: ActionOpenBreaker, Provider: "aws"}, {Name: ActionCloseBreaker, Provider: "aws"},
	} {
		q := &lossyQueue{&longQueue{jobs: make([]queue.Stored, 1), broken: queue.ErrUnavailable}, paused}
		x.Channel = message.SMS
		if _, _, err := New(Options{Queues: q, Log: slog.New(slog.DiscardHandler)}).Do(t.Context(), &x); !errors.Is(err, queue.ErrUnavailable) || !slices.Equal(q.recorded, []string{x.Name}) {
			t.Errorf("%s: %v, recorded are %q", x.Name, err, q.recorded)
		}
	}
	for name, do := range map[string]func(*Admin) error{
		auditSuppress: func(a *Admin) error {
			_, err := a.Suppress(t.Context(), &SuppressionChange{Channel: message.SMS, Address: "+15550104242"})
			return err
		},
		auditUnsuppress: func(a *Admin) error {
			_, err := a.Unsuppress(t.Context(), &SuppressionChange{Channel: message.SMS, Address: "+15550104242"})
			return err
		},
		auditImport: func(a *Admin) error {
			_, err := a.Import(t.Context(), strings.NewReader("+15550104242"), ImportOptions{Channel: "sms"})
			return err
		},
		auditForget: func(a *Admin) error {
			_, err := a.Forget(t.Context(), &ForgetRequest{Who: "+15550104242"})
			return err
		},
	} {
		q := &longQueue{broken: queue.ErrUnavailable}
		if err := do(over(q)); !errors.Is(err, queue.ErrUnavailable) || !slices.Equal(q.recorded, []string{name}) {
			t.Errorf("%s: %v, recorded are %q", name, err, q.recorded)
		}
	}
}

// halfQueue answers for one channel alone.
type halfQueue struct{ longQueue }

func (q *halfQueue) State(_ context.Context, channel message.Channel) (*queue.ChannelState, error) {
	if channel != message.SMS {
		return nil, fmt.Errorf("%w: dial tcp 10.20.30.40:6379: refused", queue.ErrUnavailable)
	}
	return &queue.ChannelState{}, nil
}

func (q *halfQueue) Spending(context.Context, message.Channel, time.Time) (map[string]int64, error) {
	return nil, nil
}

func (q *halfQueue) CountSuppressed(context.Context, message.Channel) (int64, error) { return 0, nil }

// TestAChannelWithoutRedis: what operators see of it does not name where Redis is; the log does.
func TestAChannelWithoutRedis(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	channels, err := New(Options{Queues: &halfQueue{}, Log: slog.New(slog.NewTextHandler(&log, nil))}).Channels(t.Context())
	if err != nil || channels[1].Halted.Kind != queue.HaltedUnknown || strings.Contains(fmt.Sprint(channels[1].Halted), "10.20") || !strings.Contains(log.String(), "10.20.30.40") {
		t.Errorf("%+v, %v, %s", channels, err, log.String())
	}
}
