package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

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
}

func (q *longQueue) List(_ context.Context, _ message.Channel, _ queue.State, _, offset, limit int) ([]queue.Stored, error) {
	from := min(offset, len(q.jobs))
	return q.jobs[from:min(from+limit, len(q.jobs))], nil
}

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

func (q *longQueue) Record(context.Context, queue.AuditEntry) error { return q.broken }

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
			if n, more, err := over(q).Count(t.Context(), x); n != tt.want || more != tt.more || err != nil {
				t.Errorf("%+v: %s would change %d, more %t, %v", tt, name, n, more, err)
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
		x.Name = name
		_, _, err := a.Do(t.Context(), x)
		return err
	}
	_, suppressErr := a.Suppress(t.Context(), change)
	_, unsuppressErr := a.Unsuppress(t.Context(), change)
	_, importErr := a.Import(t.Context(), strings.NewReader("+15550104242"), ImportOptions{Channel: "sms"})
	_, forgetErr := a.Forget(t.Context(), &ForgetRequest{Who: "+15550104242"})
	_, dryErr := a.Forget(t.Context(), &ForgetRequest{Who: "+15550104242", DryRun: true})
	_, channelsErr := a.Channels(t.Context())
	_, _, countErr := a.Count(t.Context(), &Action{Name: ActionPurge, Channel: message.SMS})
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
