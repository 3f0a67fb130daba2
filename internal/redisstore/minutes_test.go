package redisstore

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/report"
)

// afterMinutes: what happens is counted once, in the minute in which it does.
func afterMinutes(a *after) {
	sum := func() (all queue.Minute) {
		a.Helper()
		minutes, err := a.store.Minutes(a.Context(), message.WhatsApp, time.Now().Add(-time.Hour), time.Now().Add(time.Minute))
		a.must(err)
		for i := range minutes {
			if minutes[i].At.Second() != 0 || time.Since(minutes[i].At) > 10*time.Minute {
				a.Errorf("a minute begins at %s", minutes[i].At)
			}
			all.Add(&minutes[i])
		}
		all.Oldest = 0
		return all
	}
	want := queue.Minute{}
	check := func(what string) {
		a.Helper()
		if got := sum(); got != want {
			a.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
		}
	}
	check("nothing yet")

	a.enqueue("+15550100001", "+15550100002")
	a.must(a.store.sample(a.Context(), message.WhatsApp))
	a.must(a.store.sample(a.Context(), message.WhatsApp)) // the most, and not the sum
	want.Accepted, want.Waiting, want.Looks = 2, 2, 2
	check("two wait")

	jobs := a.claim(a.consumer)
	sent := queue.Settlement{Claimed: jobs[0], Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}, Cost: queue.Cost{Event: "pos_save", Source: "till", Micros: 7900}}}
	a.settle(sent)
	a.settle(sent) // lost its lease: it does not count again
	want.Sent, want.Delays[0], want.Micros = 1, 1, 7900
	check("one is sent")

	a.settle(queue.Settlement{Claimed: jobs[1], Outcome: queue.Fail{Error: "invalid"}})
	want.Failed = 1
	check("one failed")

	delivered := report.Report{EventID: "d", JobID: jobs[0].Job.ID(), MessageID: "m1", State: report.Delivered}
	read := report.Report{EventID: "r", JobID: jobs[0].Job.ID(), MessageID: "m1", State: report.Read}
	a.say(delivered, delivered)
	a.say(read)
	want.Delivered = 1
	check("one is delivered, and read")

	a.say(report.Report{EventID: "u", JobID: jobs[1].Job.ID(), State: report.Failed, Err: &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}})
	want.Undelivered = 1
	check("one is not delivered")

	for _, outcome := range []queue.Outcome{queue.Retry{Delay: time.Hour}, queue.Drop{}, queue.Suppress{}, queue.Hold{Delay: time.Hour}, queue.Release{}} {
		a.enqueue("+15550100003")
		a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: outcome})
		want.Accepted++
	}
	want.Retried, want.Dropped = 1, 2
	check("other outcomes")
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: queue.Drop{}})
	want.Dropped++

	// A job that was accepted long ago took long.
	for _, ago := range []time.Duration{1500 * time.Millisecond, 4 * time.Second, 14 * time.Second, 50 * time.Second, 4 * time.Minute, 29 * time.Minute, 10 * time.Hour} {
		a.acceptedAgo = ago
		a.enqueue("+15550100004")
		a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: queue.Done{}})
		want.Accepted++
		want.Sent++
	}
	want.Delays = [8]int64{1, 1, 1, 1, 1, 1, 1, 1}
	check("long waits")

	keys := a.store.keys[message.WhatsApp]
	if ttl := a.store.client.PTTL(a.Context(), keys.minutes(time.Now().Unix()/600)).Val(); ttl < queue.MinutesKept || ttl > queue.MinutesKept+20*time.Minute {
		a.Errorf("they are kept for %s", ttl)
	}

	// An hour that is over is summed up once.
	hour := time.Now().Unix()/3600 - 1
	a.must(a.store.client.Del(a.Context(), keys.hours()).Err())
	a.must(a.store.client.HSet(a.Context(), keys.minutes(hour*6+5), "9a", "40", "9d", "3").Err())
	a.must(a.store.client.HSet(a.Context(), keys.minutes(hour*6), "0a", "2").Err())
	a.must(a.store.sample(a.Context(), message.WhatsApp))
	a.must(a.store.client.HSet(a.Context(), keys.minutes(hour*6), "1a", "9").Err())
	a.must(a.store.sample(a.Context(), message.WhatsApp))
	state, err := a.store.State(a.Context(), message.WhatsApp)
	a.must(err)
	if n := state.Hours[hour]; n < 42 || n >= 42+100 || len(state.Hours) != 1 {
		a.Errorf("%v", state.Hours)
	}
	a.must(a.store.client.Del(a.Context(), keys.minutes(hour*6+5)).Err())
	a.must(a.store.client.Del(a.Context(), keys.minutes(hour*6)).Err())

	// Fields of a later release, and a key of another program, cost nothing but themselves.
	a.must(a.store.client.HSet(a.Context(), keys.minutes(time.Now().Unix()/600), "0?", "1", "later", "2", "1a", "text").Err())
	_ = sum()
	for tens := time.Now().Unix()/600 - 1; tens <= time.Now().Unix()/600+1; tens++ {
		a.must(a.store.client.Set(a.Context(), keys.minutes(tens), "another program's", 0).Err())
	}
	a.acceptedAgo = 0
	a.enqueue("+15550100005")
	a.must(a.store.sample(a.Context(), message.WhatsApp))
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: queue.Done{}})
	want = queue.Minute{}
	check("another program's keys")
}

// afterMarks: a breaker that opens and closes by itself leaves one mark each, however many probes fail in between.
func afterMarks(a *after) {
	report := func(r queue.ProviderHealth) {
		_, _, err := a.consumer.Exchange(a.Context(), nil, []queue.ProviderHealth{r}, nil)
		a.must(err)
	}
	report(queue.ProviderHealth{Provider: "business", Healthy: 1})
	report(queue.ProviderHealth{Provider: "business", Failed: 1, Reason: "down"})
	for range 3 {
		report(queue.ProviderHealth{Provider: "business", Failed: 1, Probed: true, Reason: "down"})
	}
	report(queue.ProviderHealth{Provider: "business", Healthy: 1, Probed: true})
	marks, err := a.store.Marks(a.Context(), message.WhatsApp)
	a.must(err)
	if len(marks) != 2 || marks[0].Kind != queue.MarkOpened || marks[1].Kind != queue.MarkClosed || marks[0].What != "business" || time.Since(marks[0].At) > time.Minute {
		a.Errorf("%+v", marks)
	}
}

// TestMemory: what Redis uses, and its maxmemory where it has one.
func TestMemory(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	used, limit, err := s.store.Memory(t.Context())
	if err != nil || limit != 0 {
		t.Errorf("%d of %d, %v", used, limit, err)
	}
	s.must(s.store.client.ConfigSet(t.Context(), "maxmemory", "100000000").Err())
	if used, limit, err = s.store.Memory(t.Context()); err != nil || used < 100000 || limit != 100000000 {
		t.Errorf("%d of %d, %v", used, limit, err)
	}
}
