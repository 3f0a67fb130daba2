package redisstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

var fallsBack = queue.Fail{Error: "not on WhatsApp", FallBack: true}

// sms claims what waits on the channel that takes over.
func (a *after) sms() []*queue.Claimed {
	a.Helper()
	return a.claim(a.consumes(message.SMS, ConsumerConfig{}))
}

// what lists the events of a job.
func what(n queue.Notification) (out []string) {
	for _, e := range n.History {
		out = append(out, e.What)
	}
	return out
}

// afterFallBack: a job whose send failed for good is sent on the other channel, as new, and both know of each other.
func afterFallBack(a *after) {
	id := a.enqueue("+15550100001", "+15550100002") // two, so that their body is shared
	jobs := a.claim(a.consumer)
	settled := a.settle(queue.Settlement{Claimed: jobs[0], Outcome: fallsBack}, queue.Settlement{Claimed: jobs[1], Outcome: queue.Fail{Error: "no"}})
	a.want(len(settled.Lost), 0)
	over := a.sms()
	if len(over) != 1 {
		a.Fatalf("%d jobs came over", len(over))
	}
	j, parent := over[0].Job, jobs[0].Job
	a.want([]any{j.ID(), j.Recipient, j.Audience, j.Priority, j.Attempts, a.about(j), j.AcceptedAt.UnixMilli()},
		[]any{parent.ID() + ":sms:1", parent.Recipient, parent.Audience, parent.Priority, 0, *queuetest.Event(parent.ID()), parent.AcceptedAt.UnixMilli()})
	state := a.state(id)
	a.want(len(state), 3)
	was, is := state[parent.ID()], state[j.ID()]
	a.want([]any{was.Status, was.Error, what(was), was.Parent}, []any{queue.StatusFailed, "", []string{"accepted", "failed", "moved"}, ""})
	a.want([]any{was.History[2].Channel, was.History[2].Error}, []any{message.SMS, ""})
	a.want([]any{is.Status, is.Parent, is.Channel}, []any{queue.StatusSending, parent.ID(), message.SMS})
	// It is found by its own id, too.
	a.want(a.state(parent.ID())[j.ID()].Parent, parent.ID())
	// On that channel it ends.
	sms := a.consumes(message.SMS, ConsumerConfig{})
	_, _, err := sms.Exchange(a.Context(), []queue.Settlement{{Claimed: over[0], Outcome: queue.Fail{Error: "not there either", FallBack: true}}}, nil, nil)
	a.must(err)
	a.want([]any{len(a.claim(a.consumer)), len(a.state(id))}, []any{0, 3})
	a.want(a.state(id)[j.ID()].Status, queue.StatusFailed)
}

// afterFallBackTwice: the worker dies between the enqueue on the other channel and the settlement. Another one does the same again, and the
// message is there once.
func afterFallBackTwice(a *after) {
	id := a.enqueue("+15550100001")
	first := a.claim(a.consumer)[0]
	to, falls := a.store.fallsBack(first.Job)
	a.want([]any{to, falls}, []any{message.SMS, true})
	a.must(a.store.enqueueFallBacks(a.Context(), to, []*job.Job{first.Job}))
	k := a.store.keys[message.WhatsApp]
	a.must(a.store.client.ZAdd(a.Context(), k.Inflight, redis.Z{Score: 0, Member: first.Raw}).Err()) // its lease ends
	_, err := a.store.Sweep(a.Context(), message.WhatsApp, true)
	a.must(err)
	second := a.claim(a.consumer)[0]
	a.settle(queue.Settlement{Claimed: second, Outcome: fallsBack})
	a.want(len(a.sms()), 1)
	a.want(what(a.state(id)[second.Job.ID()]), []string{"accepted", "lost", "failed", "moved"})
	// A worker that stalls until it has lost the lease enqueues nothing.
	other := a.enqueue("+15550100003")
	stalled := a.claim(a.consumer)[0]
	a.must(a.store.client.ZAdd(a.Context(), k.Inflight, redis.Z{Score: 0, Member: stalled.Raw}).Err())
	_, err = a.store.Sweep(a.Context(), message.WhatsApp, true)
	a.must(err)
	settled := a.settle(queue.Settlement{Claimed: stalled, Outcome: fallsBack})
	a.want([]any{settled.Lost, len(a.sms()), len(a.state(other))}, []any{[]int{0}, 0, 1})
}

// afterFallBackNot: too late, not asked for, or not configured, a job just fails. Of unreadable bytes no message is known.
func afterFallBackNot(a *after) {
	a.store.config.FallbackWithin = time.Nanosecond
	late := a.enqueue("+15550100001")
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: fallsBack})
	a.want(what(a.state(late)[late+":whatsapp:1"]), []string{"accepted", "failed"})
	a.store.config.FallbackWithin = time.Minute
	a.enqueue("+15550100001")
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: queue.Fail{Error: "no"}})
	a.must(a.store.client.RPush(a.Context(), a.store.keys[message.WhatsApp].Queue[0], "junk").Err())
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: fallsBack})
	a.store.config.DedupeTTL = time.Nanosecond // longer ago a repetition is not recognized
	a.enqueue("+15550100001")
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: fallsBack})
	a.want(len(a.sms()), 0)
}

// afterFallBackAtTheLimits: ids may be as long as they can, the other queue full, and many may fall back at once.
func afterFallBackAtTheLimits(a *after) {
	a.store.config.MaxQueueDepth = 3
	long := strings.Repeat("i", job.MaxWebhookID)
	var want []string
	for i := range 3 {
		e := queuetest.Event(fmt.Sprint(i, long)[:job.MaxWebhookID])
		e.Sale.Place = strings.Repeat("p", inlineBody) // so long that the body is stored apart
		s := &queue.Submission{Event: e, Priority: 1 + i, AcceptedAt: time.Now(),
			Channels: []queue.ChannelSubmission{{Channel: message.WhatsApp, Recipients: []message.Recipient{{Address: "+15550100001", Audience: message.Customer}}},
				{Channel: message.SMS, Recipients: []message.Recipient{{Address: "+15550100002", Audience: message.Staff}}}}}
		_, err := a.producer.Enqueue(a.Context(), s)
		a.must(err)
		want = append(want, e.ID+":sms:1", e.ID+":whatsapp:1:sms:1")
	}
	var settlements []queue.Settlement
	for _, one := range a.claim(a.consumer) {
		settlements = append(settlements, queue.Settlement{Claimed: one, Outcome: fallsBack})
	}
	a.settle(settlements...)
	var got []string
	for _, one := range a.sms() {
		got = append(got, one.Job.ID())
		if len(one.Job.Body) < inlineBody {
			a.Errorf("%s has a body of %d bytes", one.Job.ID(), len(one.Job.Body))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	a.want(got, want)
}

// afterFallBackIsNotTaken: the other channel cannot take the message. The job is not settled as failed: it waits, and tries again.
func afterFallBackIsNotTaken(a *after) {
	id, other := a.enqueue("+15550100001"), a.enqueue("+15550100002")
	jobs := a.claim(a.consumer)
	list := a.store.keys[message.SMS].Queue[2]
	a.must(a.store.client.Set(a.Context(), list, "another program's", 0).Err())
	a.settle(queue.Settlement{Claimed: jobs[0], Outcome: fallsBack}, queue.Settlement{Claimed: jobs[1], Outcome: queue.Done{}})
	n := a.state(id)[jobs[0].Job.ID()]
	a.want([]any{n.Status, what(n), n.Error}, []any{queue.StatusQueued, []string{"accepted", "deferred"}, "not on WhatsApp; sms could not take it over yet"})
	// Each time it is sent on its own channel again, so it does not come back at once.
	due, err := a.store.List(a.Context(), message.WhatsApp, queue.Retrying, 0, 0, 1)
	a.must(err)
	if in := time.Until(due[0].At); in < 50*time.Second || in > time.Minute {
		a.Errorf("it is sent again in %s", in)
	}
	a.want(a.state(other)[jobs[1].Job.ID()].Status, queue.StatusSent)
	a.must(a.store.client.Del(a.Context(), list).Err())
	waiting, err := a.store.List(a.Context(), message.WhatsApp, queue.Retrying, 0, 0, 10)
	a.must(err)
	a.want([]any{len(waiting), waiting[0].Job.Attempts}, []any{1, 0})
	_, err = a.store.Retry(a.Context(), waiting, "a test")
	a.must(err)
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: fallsBack})
	a.want([]any{len(a.sms()), len(a.state(id))}, []any{1, 2})
}

// sent enqueues a message, and settles it as sent with a redelivery copy that may fall back.
func (a *after) sent() (id string, one *queue.Claimed) {
	a.Helper()
	id = a.enqueue("+15550100001")
	one = a.claim(a.consumer)[0]
	a.settle(queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"},
		Redelivery: &queue.Redelivery{FallBack: true, Within: time.Minute}}})
	return id, one
}

// unreachable is a report that a message will never arrive on its channel.
func unreachable(one *queue.Claimed, event string) report.Report {
	return report.Report{EventID: event + one.Job.ID(), Provider: "business", Channel: message.WhatsApp, JobID: one.Job.ID(), MessageID: "m1", State: report.Failed,
		Err: &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}}
}

// afterFallBackOfAReport: ingest dies at every point between the report and its end; afterwards the message is on the other channel once, and
// nothing waits.
func afterFallBackOfAReport(a *after) {
	channel := message.WhatsApp
	rows := func() []reportRow {
		raws, err := a.deliveries.take(a.Context(), channel)
		a.must(err)
		reports := make([]queuedReport, len(raws))
		for i, raw := range raws {
			a.must(json.Unmarshal([]byte(raw), &reports[i]))
		}
		logs, err := a.deliveries.locate(a.Context(), channel, reports)
		a.must(err)
		out := make([]reportRow, len(raws))
		for i := range reports {
			out[i], err = rowOf(&reports[i], logs[i], time.Now())
			a.must(err)
			out[i].Raw = raws[i]
		}
		return out
	}
	for died, steps := range []string{"before anything", "after the first look", "after the enqueue"} {
		id, one := a.sent()
		a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{unreachable(one, "1")}}))
		if died > 0 {
			results, copies, err := a.deliveries.run(a.Context(), channel, rows())
			a.must(err)
			a.want([]any{results, len(copies)}, []any{[]string{"move"}, 1})
			n := a.state(id)[one.Job.ID()]
			a.want([]any{n.Status, what(n)}, []any{queue.StatusSent, []string{"accepted", "sent"}}) // nothing was changed
			if died > 1 {
				j, err := job.Decode(channel, []byte(copies[0]))
				a.must(err)
				a.must(a.store.enqueueFallBacks(a.Context(), message.SMS, []*job.Job{j}))
			}
		}
		a.apply()
		a.apply()
		state := a.state(id)
		n := state[one.Job.ID()]
		over := a.sms()
		if len(over) != 1 || len(state) != 2 || n.Status != queue.StatusFailed || !slices.Contains(what(n), "moved") || !slices.Contains(what(n), "undelivered") {
			a.Errorf("died %s: %d came over, %s, %v", steps, len(over), n.Status, what(n))
		}
		for _, raw := range []string{"1", "1"} { // repeated by the provider
			a.say(unreachable(one, raw))
		}
		a.want([]any{len(a.sms()), a.waiting(channel)}, []any{0, 0})
	}
}

// afterFallBackOfAReportTwice: two replicas of ingest apply the same reports side by side.
func afterFallBackOfAReportTwice(a *after) {
	const n = 20
	var ids []string
	for range n {
		id, one := a.sent()
		ids = append(ids, id)
		a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{unreachable(one, "1")}}))
	}
	other := a.store.Deliveries(prometheus.NewRegistry())
	var both sync.WaitGroup
	for _, d := range []*Deliveries{a.deliveries, other} {
		both.Go(func() { a.must(d.applyAll(a.Context(), message.WhatsApp)) })
	}
	both.Wait()
	got := map[string]int{}
	sms := a.consumes(message.SMS, ConsumerConfig{})
	for range n {
		for _, one := range a.claim(sms) {
			got[one.Job.ID()]++
		}
	}
	for _, id := range ids {
		if got[id+":whatsapp:1:sms:1"] != 1 {
			a.Errorf("%s came over %d times", id, got[id+":whatsapp:1:sms:1"])
		}
	}
	d, err := a.store.Depth(a.Context(), message.WhatsApp)
	a.must(err)
	a.want(d.Failed, n)
}

// afterFallBackOfAReportNot: the message has arrived after all, or it is too late. Then nothing falls back, and the report counts.
func afterFallBackOfAReportNot(a *after) {
	id, one := a.sent()
	a.say(report.Report{EventID: "d" + id, JobID: one.Job.ID(), MessageID: "m1", State: report.Delivered})
	a.say(unreachable(one, "1"))
	a.want(a.state(id)[one.Job.ID()].Status, queue.StatusDelivered)
	id, one = a.sent()
	a.store.config.FallbackWithin = time.Nanosecond
	a.say(unreachable(one, "1"))
	n := a.state(id)[one.Job.ID()]
	events := what(n)
	slices.Sort(events) // of the same millisecond
	a.want([]any{n.Status, events}, []any{queue.StatusFailed, []string{"accepted", "failed", "sent", "undelivered"}})
	a.want(len(a.sms()), 0)
}

// afterFallBackOfAPassingFailure: a failure that may pass is reported. With attempts left the message is sent again; with none it falls back, as
// it does when the provider answers so.
func afterFallBackOfAPassingFailure(a *after) {
	for _, c := range []struct {
		redelivery queue.Redelivery
		status     queue.Status
		over       int
	}{
		{queue.Redelivery{Retry: true, Delay: time.Hour, FallBack: true, Within: time.Minute}, queue.StatusQueued, 0},
		{queue.Redelivery{FallBack: true, Within: time.Minute}, queue.StatusFailed, 1},
		{queue.Redelivery{Within: time.Minute}, queue.StatusFailed, 0},
	} {
		id := a.enqueue("+15550100001")
		one := a.claim(a.consumer)[0]
		a.settle(queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}, Redelivery: &c.redelivery}})
		passing := unreachable(one, "1")
		passing.Err = &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
		a.say(passing)
		a.want([]any{a.state(id)[one.Job.ID()].Status, len(a.sms())}, []any{c.status, c.over})
	}
}

// afterFallBackOfTwoReports: two reports say that a message failed, and are applied together. It falls back once, and its log says so once.
func afterFallBackOfTwoReports(a *after) {
	id, one := a.sent()
	a.say(unreachable(one, "1"), unreachable(one, "2"))
	n := a.state(id)[one.Job.ID()]
	events := what(n)
	slices.Sort(events) // of the same millisecond
	a.want(events, []string{"accepted", "failed", "moved", "sent", "undelivered", "undelivered"})
	a.want([]any{n.Status, len(a.sms()), len(a.state(id))}, []any{queue.StatusFailed, 1, 2})
}

// afterFallBackThatWaits: the other channel cannot take a message for some time. The reports that call for it wait, and hold up no other, be it
// of the same batch or behind it; each is counted when it is applied, and once.
func afterFallBackThatWaits(a *after) {
	_, other := a.sent()
	ids, jobs := []string{}, []*queue.Claimed{}
	for range 4 {
		id, one := a.sent()
		ids, jobs = append(ids, id), append(jobs, one)
	}
	list := a.store.keys[message.SMS].Queue[2]
	a.must(a.store.client.Set(a.Context(), list, "another program's", 0).Err())
	reports := []report.Report{{EventID: "1", Provider: "business", Channel: message.WhatsApp, JobID: other.Job.ID(), MessageID: "m1", State: report.Delivered}}
	for i := range 2 * reportBatch {
		reports = append(reports, unreachable(jobs[i%4], fmt.Sprint(i)))
	}
	address := message.Address("+15550100007")
	a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: reports, Preferences: []suppress.Preference{
		{EventID: "stop", Provider: "business", Channel: message.WhatsApp, Kind: suppress.OptOut, Address: address, Why: suppress.StopWord}}}))
	state := func() []any {
		entry, err := a.store.Suppressed(a.Context(), message.WhatsApp, address)
		a.must(err)
		return []any{a.counted("ringup_deliveries_total", "whatsapp", "business", "delivered"), entry != nil,
			a.counted("ringup_deliveries_total", "whatsapp", "business", "failed"), a.waiting(message.WhatsApp)}
	}
	for range 2 { // and their time comes again
		if err := a.deliveries.applyAll(a.Context(), message.WhatsApp); !refused(err) {
			a.Fatal(err)
		}
		a.want(state(), []any{1, true, 0, 2 * reportBatch})
		a.due(message.WhatsApp)
	}
	a.must(a.store.client.Del(a.Context(), list).Err())
	a.apply()
	a.want(state(), []any{1, true, 2 * reportBatch, 0})
	a.want([]any{len(a.sms()), a.counted("ringup_reports_applied_total", "whatsapp", "failed")}, []any{4, 4})
	for i, id := range ids {
		a.want([]any{len(a.state(id)), a.state(id)[jobs[i].Job.ID()].Status}, []any{2, queue.StatusFailed})
	}
}

// afterEvictedByAReport: a failed job that a reported failure pushes out is counted.
func afterEvictedByAReport(a *after) {
	a.store.config.KeepFailed, a.store.config.FallbackChannel = 1, nil
	for i := range 3 {
		_, one := a.sent()
		a.say(unreachable(one, "1"))
		a.want(a.counted("ringup_failed_evicted_total", "whatsapp"), max(0, i))
	}
	a.store.Sweeper(a.registry) // in the same program, they count together
}

// afterFallBackOfVersion1: a message fell back while 0.1.0 ran. After the upgrade its status is that of both jobs, and they know of each other.
func afterFallBackOfVersion1(a *after) {
	id := a.enqueue("+15550100001")
	one := a.claim(a.consumer)[0]
	a.settle(queue.Settlement{Claimed: one, Outcome: queue.Fail{Error: "not on WhatsApp"}})
	over := id + ":sms:10001"
	note := func(channel message.Channel, index int, e logEntry) {
		k := a.store.keys[channel]
		key, field := k.log(id, index, one.Job.AcceptedAt)
		e.At = time.Now().UnixMilli()
		before := a.store.client.HGet(a.Context(), key, field).Val()
		a.must(a.store.client.HSet(a.Context(), key, field, before+e.String()).Err())
	}
	for range 2 { // 0.1.0 may have written it twice
		note(message.WhatsApp, 1, logEntry{State: stateMoved, Error: over})
	}
	note(message.SMS, 10001, logEntry{State: "sent", Attempt: 1, Provider: "twilio", MessageID: "SM1"})
	n, err := a.store.Notifications(a.Context(), id)
	a.must(err)
	a.want(len(n.Notifications), 2)
	was, is := a.state(id)[one.Job.ID()], a.state(id)[over]
	moved := was.History[len(was.History)-1]
	a.want([]any{was.Status, was.Error, moved.What, moved.Channel, moved.MovedTo, moved.Error}, []any{queue.StatusFailed, "", "moved", message.SMS, over, ""})
	a.want([]any{is.Status, is.Channel, is.Recipient, is.MessageID, is.Parent}, []any{queue.StatusSent, message.SMS, was.Recipient, "SM1", one.Job.ID()})
}

// TestFallsBack: a job falls back where its message can be enqueued on the other channel.
func TestFallsBack(t *testing.T) {
	t.Parallel()
	store := &Store{config: Config{FallbackChannel: map[string]string{"whatsapp": "sms"}, FallbackWithin: time.Minute, DedupeTTL: time.Hour}}
	version1 := func(items int) *job.Job {
		return &job.Job{Channel: message.WhatsApp, AcceptedAt: time.Now(), Version1: true,
			Body: fmt.Appendf(nil, `{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00+24:00","data":{"items":[{}%s]}}`, strings.Repeat(",{}", items-1))}
	}
	body, err := job.Body(queuetest.Event("a"))
	if err != nil {
		t.Fatal(err)
	}
	of := func(channel message.Channel, age time.Duration, body []byte) *job.Job {
		return &job.Job{Channel: channel, AcceptedAt: time.Now().Add(-age), Body: body}
	}
	for name, tt := range map[string]struct {
		job  *job.Job
		want bool
	}{
		"a job":                               {of(message.WhatsApp, 0, body), true},
		"of version 1":                        {version1(event.MaxItems), true},
		"of version 1, with too many items":   {version1(event.MaxItems + 1), false},
		"whose event cannot be read":          {of(message.WhatsApp, 0, []byte("{}")), false},
		"whose body is gone":                  {of(message.WhatsApp, 0, nil), false},
		"too late":                            {of(message.WhatsApp, time.Minute, body), false},
		"of a channel that none takes over":   {of(message.Email, 0, body), false},
		"of the channel that it fell back to": {of(message.SMS, 0, body), false},
	} {
		if _, falls := store.fallsBack(tt.job); falls != tt.want {
			t.Errorf("%s: %v", name, falls)
		}
	}
}

// afterReportsWait: while a key of another program is in the way, a report waits, and nothing of it is lost.
func afterReportsWait(a *after) {
	for _, key := range []func(Keys) string{func(k Keys) string { return k.Failed }, func(k Keys) string { return k.Retry }, func(k Keys) string { return k.Suppressed }} {
		k := a.store.keys[message.WhatsApp]
		id, one := a.sent()
		was := a.store.client.Dump(a.Context(), key(k)).Val()
		a.must(a.store.client.Set(a.Context(), key(k), "another program's", 0).Err())
		a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{unreachable(one, "1")}}))
		if err := a.deliveries.applyAll(a.Context(), message.WhatsApp); !refused(err) {
			a.Errorf("%s: %v", key(k), err)
		}
		a.must(a.store.client.Del(a.Context(), key(k)).Err())
		if was != "" {
			a.must(a.store.client.Restore(a.Context(), key(k), 0, was).Err())
		}
		a.apply()
		a.want([]any{a.state(id)[one.Job.ID()].Status, len(a.sms())}, []any{queue.StatusFailed, 1})
	}
}

// TestMovesOfAnOlderProgram: the jobs that a program of 0.1 left in base:moves are on the other channel after the upgrade, once each. One that
// had arrived there already does not go out again.
func TestMovesOfAnOlderProgram(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]Config{"standalone": url(redistest.Start(t).Addr()), "embedded": url(miniredis.RunT(t).Addr())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, base, fallsBackToSMS)
			a := openAfter(t, store)
			k, there := store.keys[message.WhatsApp], store.keys[message.SMS]
			leave := func(j job.Job) {
				j.Version1 = true
				j.Body = fmt.Appendf(nil, `{"id":%q,"event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`, j.WebhookID)
				raw, err := j.AppendBinary(nil)
				a.must(err)
				a.must(store.client.RPush(t.Context(), k.Moves, raw).Err())
			}
			id := a.enqueue("+15550100001")
			one := a.claim(a.consumer)[0]
			a.settle(queue.Settlement{Claimed: one, Outcome: queue.Fail{Error: "not on WhatsApp"}})
			leave(*one.Job)
			leave(*one.Job) // by two programs
			arrived := job.Job{WebhookID: "arrived", Index: 2, Priority: 1, AcceptedAt: time.Now(), Audience: message.Customer, Recipient: "+15550100009"}
			leave(arrived)
			a.must(store.client.Set(t.Context(), there.Base+":moved:arrived:10002", "1", time.Minute).Err())
			late := arrived
			late.WebhookID, late.AcceptedAt = "late", time.Now().Add(-time.Hour)
			leave(late)
			a.must(store.client.RPush(t.Context(), k.Moves, "junk").Err())
			a.apply()
			a.apply()
			over := a.sms()
			if len(over) != 1 || over[0].Job.ID() != one.Job.ID()+":sms:1" {
				t.Fatalf("%d jobs came over", len(over))
			}
			n := a.state(id)[one.Job.ID()]
			a.want([]any{what(n), len(a.state(id))}, []any{[]string{"accepted", "failed", "moved"}, 2})
			a.want(store.client.Exists(t.Context(), k.Moves).Val(), 0)
		})
	}
}
