package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// newerJob is a job of a version that this program does not know.
func newerJob(n int) string {
	return fmt.Sprintf("\x03\x01\x00\x00\xff\x01\x8c\xc4\xe5\x22\x7b\x01w%d and what only a newer program reads", n)
}

// TestNewerJobsAreKept: what a newer version left in the lists is set aside once, as it is, beside what KEEP_FAILED bounds; an operator's retry
// does not make it go round; and a dead worker does not change it either.
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
		settlements = append(settlements, queue.Settlement{Claimed: one, Outcome: queue.Fail{Error: one.Err.Error()}})
	}
	settlements = append(settlements, queue.Settlement{Claimed: claim.Jobs[newer], Outcome: queue.Done{}})
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
		s.settle(queue.Settlement{Outcome: queue.Fail{Error: "permanent"}})
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

// TestJobsThatAnOlderProgramSetAsideComeBack by themselves, by ingest's sweeper or by a worker: those that this program can read, in
// their order, fenced from the lease that an older program had. The others stay.
func TestJobsThatAnOlderProgramSetAsideComeBack(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]func(*shop) error{
		"by a worker": func(s *shop) error { return s.consumer.Restore(s.Context()) },
		"by the sweeper": func(s *shop) error {
			s.store.Sweeper(prometheus.NewRegistry()).sweepAll(s.Context(), true)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			registry := prometheus.NewRegistry()
			s.store.Instrument(registry)
			k := s.store.keys[message.SMS]
			const ours = 2*restoreBatch + 10
			var want []string
			leased := map[string]*queue.Claimed{}
			for i := range ours {
				id := fmt.Sprintf("w%03d", i)
				want = append(want, id)
				s.enqueue(id, 1)
			}
			_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: ours})
			s.must(err)
			at := float64(time.Now().UnixMilli() + unreadable)
			for i, one := range claim.Jobs {
				leased[one.Job.WebhookID] = one
				// As an older program settles bytes that it cannot read, and between them some that this one cannot read either.
				s.must(s.store.client.ZRem(t.Context(), k.Inflight, one.Raw).Err())
				s.must(s.store.client.ZAdd(t.Context(), k.Failed, redis.Z{Score: at + float64(i), Member: one.Raw}).Err())
				if i%3 == 0 {
					s.must(s.store.client.ZAdd(t.Context(), k.Failed, redis.Z{Score: at + float64(i), Member: newerJob(i)}).Err())
				}
			}
			s.settleOne("failed", queue.Fail{Error: "permanent"})
			newer := int64((ours + 2) / 3)
			for range 2 { // the second time changes nothing
				s.must(restore(s))
				if state := s.state(); state.Waiting[0] != ours || state.Failed != newer+1 {
					t.Fatalf("%d wait, %d failed; want %d and %d", state.Waiting[0], state.Failed, ours, newer+1)
				}
			}
			all, err := registry.Gather()
			s.must(err)
			counted := 0.0
			for _, family := range all {
				if family.GetName() == "ringup_jobs_restored_total" {
					counted += family.GetMetric()[0].GetCounter().GetValue()
				}
			}
			if counted != ours {
				t.Errorf("%v were counted", counted)
			}
			_, claim, err = s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: ours})
			s.must(err)
			var got []string
			for _, one := range claim.Jobs {
				got = append(got, one.Job.WebhookID)
				if before := leased[one.Job.WebhookID]; bytes.Equal(before.Raw, one.Raw) || one.Job.Attempts != 0 || one.Job.Crashes != 0 {
					t.Errorf("%+v", one.Job)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("claimed %q, want %q", got, want)
			}
			if settled, _, err := s.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: leased["w000"], Outcome: queue.Done{}}}, nil, nil); err != nil || len(settled.Lost) != 1 {
				t.Errorf("a lease of before: %+v, %v", settled, err)
			}
		})
	}
}

// afterRestore: on every kind of Redis a readable job comes back, and an unreadable one stays.
func afterRestore(a *after) {
	a.enqueue("+15550100001")
	one := a.claim(a.consumer)[0]
	k := a.store.keys[message.WhatsApp]
	a.must(a.store.client.ZRem(a.Context(), k.Inflight, one.Raw).Err())
	at := float64(time.Now().UnixMilli() + unreadable)
	a.must(a.store.client.ZAdd(a.Context(), k.Failed, redis.Z{Score: at, Member: one.Raw}, redis.Z{Score: at + 1, Member: newerJob(1)}).Err())
	for range 2 {
		a.must(a.store.restoreAll(a.Context(), message.WhatsApp))
		d, err := a.store.Depth(a.Context(), message.WhatsApp)
		a.must(err)
		a.want([]any{d.Waiting, d.Failed}, []any{[4]int64{0, 0, 1, 0}, 1})
	}
	a.want(a.claim(a.consumer)[0].Job.ID(), one.Job.ID())
	// One that is set aside later comes back, too.
	a.must(a.store.client.ZAdd(a.Context(), k.Failed, redis.Z{Score: at + 1, Member: one.Raw}).Err())
	a.must(a.store.restoreAll(a.Context(), message.WhatsApp))
	a.want(a.claim(a.consumer)[0].Job.ID(), one.Job.ID())
}
