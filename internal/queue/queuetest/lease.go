package queuetest

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
)

func reaps(_ *testing.T, f *fixture) {
	id := f.enqueue(1)
	first := f.claimOne()
	second := f.claimOne() // waits for the lease to end
	f.want([]any{second.Job.WebhookID, second.Job.Crashes, second.Job.Attempts, second.Job.Uncertain}, []any{id, 1, 0, true})
	f.want(f.settle(nil, queue.Settlement{Claimed: first, Outcome: queue.Done{}}).Lost, []int{0})
	f.want(f.depth().Inflight, 1)
	f.want(f.depth().Completed, 0)
	f.want(len(f.settle(nil, queue.Settlement{Claimed: second, Outcome: queue.Done{}}).Lost), 0)
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
