package redisstore

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// newerJob is a job of a version that this program does not know.
func newerJob(n int) string {
	return fmt.Sprintf("\x03\x01\x00\x00\xff\x01\x8c\xc4\xe5\x22\x7b\x01w%d and what only a newer program reads", n)
}

// TestNewerJobsAreKept: what a newer version left in the lists is set aside once, as it is, beside what KEEP_FAILED bounds; nobody's retry
// makes it go round; and a dead worker does not change it either.
func TestNewerJobsAreKept(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.store.config.KeepFailed = 2
	k := s.store.keys[message.SMS]
	const newer = 5
	var want []string
	for i := range newer {
		want = append(want, newerJob(i))
		s.must(s.store.client.RPush(t.Context(), k.Queue[0], newerJob(i)).Err())
	}
	s.enqueue("ours", 1)
	_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
	s.must(err)
	if len(claim.Jobs) != newer+1 {
		t.Fatalf("claimed %d jobs", len(claim.Jobs))
	}
	var settlements []queue.Settlement
	for _, one := range claim.Jobs[1:newer] {
		if !errors.Is(one.Err, job.ErrVersion) {
			t.Errorf("%q: %v", one.Raw, one.Err)
		}
		settlements = append(settlements, queue.Settlement{Claimed: one, Action: queue.Fail, Error: one.Err.Error()})
	}
	settlements = append(settlements, queue.Settlement{Claimed: claim.Jobs[newer], Action: queue.Complete})
	_, _, err = s.consumer.Exchange(t.Context(), settlements, nil, nil)
	s.must(err)
	// The worker that had the first of them died.
	s.must(s.store.client.ZAdd(t.Context(), k.Inflight, redis.Z{Score: 0, Member: claim.Jobs[0].Raw}).Err())
	swept, err := s.store.Sweep(t.Context(), message.SMS, true)
	s.must(err)
	if swept.Reaped != 1 || swept.SetAside != 1 {
		t.Errorf("swept %+v", swept)
	}
	// Jobs that fail in the ordinary way push nothing of it out.
	for i := range 4 {
		s.enqueue(fmt.Sprint("bad", i), 1)
		s.settle(queue.Settlement{Action: queue.Fail, Error: "permanent"})
	}
	failed := func() (newer []queue.Stored, ours int) {
		all, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, 100)
		s.must(err)
		for _, one := range all {
			if one.Err == nil {
				ours++
				continue
			}
			if age := time.Since(one.At); age < 0 || age > time.Hour {
				t.Errorf("it is said to have ended at %s", one.At)
			}
			newer = append(newer, one)
		}
		return newer, ours
	}
	kept, ours := failed()
	var got []string
	for _, one := range kept {
		got = append(got, string(one.Raw))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || ours != 2 {
		t.Errorf("kept %q and %d of ours, want every one of %q and 2", got, ours, want)
	}
	if totals := s.state().Totals; totals.Failed != newer-1+4 || totals.Sent != 1 {
		t.Errorf("totals %+v", totals)
	}
	// A retry by this program would only send it round again.
	n, err := s.store.Retry(t.Context(), kept, "ann")
	s.must(err)
	if again, _ := failed(); n != 0 || len(again) != newer || s.state().Waiting[0] != 0 {
		t.Errorf("%d retried, %d kept, %d wait", n, len(again), s.state().Waiting[0])
	}
}

// TestJobsThatAnOlderProgramSetAside is the other half: a program that did not know this version left its jobs in the failed set as they
// were; this one, after the upgrade, reads them, and a retry sends them.
func TestJobsThatAnOlderProgramSetAside(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("w", 2)
	k := s.store.keys[message.SMS]
	for range 2 {
		raw, err := s.store.client.LPop(t.Context(), k.Queue[0]).Bytes()
		s.must(err)
		s.must(s.store.client.ZAdd(t.Context(), k.Failed, redis.Z{Score: float64(time.Now().UnixMilli() + unreadable), Member: raw}).Err())
	}
	failed, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, 10)
	s.must(err)
	n, err := s.store.Retry(t.Context(), failed, "ann")
	s.must(err)
	if n != 2 {
		t.Fatalf("%d retried", n)
	}
	_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
	s.must(err)
	for _, one := range claim.Jobs {
		if one.Err != nil || one.Job.WebhookID != "w" || one.Job.Attempts != 0 || len(one.Job.Body) == 0 {
			t.Errorf("%+v, %v", one.Job, one.Err)
		}
	}
	if len(claim.Jobs) != 2 {
		t.Errorf("claimed %d", len(claim.Jobs))
	}
}
