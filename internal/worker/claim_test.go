package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

// TestNoHandlerSeesThem: a job that is claimed while the worker stops goes back, and one that cannot be read fails. Neither is sent, and one that
// was to be a probe leaves that to another job.
func TestNoHandlerSeesThem(t *testing.T) {
	t.Parallel()
	probed := []queue.ProviderHealth{{Provider: "twilio", Probed: true}}
	for name, tt := range map[string]struct {
		stops, unreadable, probe bool
		want                     queue.Outcome
		reports                  []queue.ProviderHealth
	}{
		"the worker stops":                            {stops: true, want: queue.Release{}},
		"the worker stops, a probe":                   {stops: true, probe: true, want: queue.Release{}, reports: probed},
		"unreadable":                                  {unreadable: true, want: queue.Fail{Error: job.ErrCorrupt.Error()}},
		"unreadable, a probe":                         {unreadable: true, probe: true, want: queue.Fail{Error: job.ErrCorrupt.Error()}, reports: probed},
		"unreadable, a probe, while the worker stops": {stops: true, unreadable: true, probe: true, want: queue.Release{}, reports: probed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := open(renderer{}, 1)
				claimed := b.queue.waiting[0]
				claimed.Probe = tt.probe
				if tt.unreadable {
					claimed.Job, claimed.Err = nil, job.ErrCorrupt
				}
				ctx, stop := context.WithTimeout(t.Context(), time.Second)
				defer stop()
				if tt.stops {
					b.queue.answers = func(*queue.Settled, *queue.Claim) { stop() }
				}
				if err := b.worker.Run(ctx); err != nil {
					t.Error(err)
				}
				if got := b.queue.settled[claimed]; len(got) != 1 || got[0].Outcome != tt.want {
					t.Errorf("%+v, want %+v", got, tt.want)
				}
				if diff := cmp.Diff(tt.reports, b.queue.reports); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if n := b.sender.total(); n != 0 {
					t.Errorf("%d were sent", n)
				}
			})
		})
	}
}

// TestAQueueThatDoesNotLetWait: where Redis refuses to let a worker block, the worker looks every two seconds, and says so once.
func TestAQueueThatDoesNotLetWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 1)
		b.queue.wait = errors.New("ERR unknown command 'BLPOP'")
		b.run(t, 10*time.Minute)
		if said := strings.Count(b.log.String(), "wait failed"); b.queue.waits < 250 || b.queue.waits > 310 || said != 1 {
			t.Errorf("asked %d times in ten minutes, said %d times", b.queue.waits, said)
		}
		if got := b.queue.outcomes(t); got["completed"] != 1 {
			t.Errorf("%v", got)
		}
	})
}
