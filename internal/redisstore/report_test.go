package redisstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
)

// after is a queue and what comes after the send.
type after struct {
	*testing.T
	store      *Store
	producer   *Producer
	consumer   *Consumer // of WhatsApp
	deliveries *Deliveries
	registry   *prometheus.Registry // of deliveries
	ids        int

	acceptedAgo time.Duration // how long ago webhooks are accepted
}

// openAfter makes one of a store.
func openAfter(t *testing.T, store *Store) *after {
	registry := prometheus.NewRegistry()
	a := &after{T: t, store: store, producer: store.Producer(prometheus.NewRegistry()), deliveries: store.Deliveries(registry), registry: registry}
	t.Cleanup(a.producer.Close)
	a.consumer = a.consumes(message.WhatsApp, ConsumerConfig{})
	return a
}

// fallsBackToSMS are the settings of a store for after.
func fallsBackToSMS(c *Config) {
	c.FallbackChannel, c.FallbackWithin = map[string]string{"whatsapp": "sms"}, time.Minute
}

// counted is the value of a counter with these values of its labels, which are in the order of their names.
func (a *after) counted(name string, labels ...string) float64 {
	a.Helper()
	all, err := a.registry.Gather()
	a.must(err)
	for _, family := range all {
		for _, m := range family.GetMetric() {
			var values []string
			for _, label := range m.GetLabel() {
				values = append(values, label.GetValue())
			}
			if family.GetName() == name && slices.Equal(values, labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestAfterTheSend runs on every kind of Redis, each case with a queue of its own.
func TestAfterTheSend(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*after){
		"suppressed is said with the claim": afterSuppressedIsSaidWithTheClaim,
		"recipient limit":                   afterRecipientLimit,
		"scheduled":                         afterScheduled,
		"reports in any order":              afterReportsInAnyOrder,
		"report by message i d":             afterReportByMessageID,
		"report of nothing":                 afterReportOfNothing,
		"long ids":                          afterLongIDs,
		"known by another number":           afterKnownAs,
		"reports repeated at once":          afterReportsRepeatedAtOnce,
		"undelivered":                       afterUndelivered,
		"preferences":                       afterPreferences,
		"spending":                          afterSpending,
		"minutes":                           afterMinutes,
		"marks":                             afterMarks,
		"found":                             afterFound,
		"sync opt outs":                     afterSyncOptOuts,
		"recovers by degrees":               afterRecoversByDegrees,
		"jobs of a newer version come back": afterRestore,
		"reports wait for foreign keys":     afterReportsWait,
		"fall back":                         afterFallBack,
		"fall back, twice":                  afterFallBackTwice,
		"fall back, not":                    afterFallBackNot,
		"fall back at the limits":           afterFallBackAtTheLimits,
		"fall back that is not taken":       afterFallBackIsNotTaken,
		"fall back of 0.1.0":                afterFallBackOfVersion1,
		"fall back of a report":             afterFallBackOfAReport,
		"fall back of a passing failure":    afterFallBackOfAPassingFailure,
		"fall back of two reports":          afterFallBackOfTwoReports,
		"fall back that waits":              afterFallBackThatWaits,
		"evicted by a report":               afterEvictedByAReport,
		"fall back of a report, twice":      afterFallBackOfAReportTwice,
		"fall back of a report, not":        afterFallBackOfAReportNot,
		"one body":                          afterOneBody,
		"copies of older releases":          afterCopiesOfOlderReleases,
	}
	for name, config := range map[string]func(*testing.T) Config{
		"standalone": func(t *testing.T) Config { return url(redistest.Start(t).Addr()) },
		"cluster":    func(t *testing.T) Config { return Config{Addrs: redistest.StartCluster(t)} },
		"embedded":   func(t *testing.T) Config { return url(miniredis.RunT(t).Addr()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := config(t)
			for name, run := range cases {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					run(openAfter(t, open(t, base, fallsBackToSMS)))
				})
			}
		})
	}
}

func (a *after) consumes(channel message.Channel, c ConsumerConfig) *Consumer {
	c.Lease, c.PriorityAging = 30*time.Second, time.Minute
	c.Breaker.Failures, c.Breaker.Window, c.Breaker.OpenMin, c.Breaker.OpenMax = 1, 10*time.Second, 20*time.Millisecond, time.Second
	return a.store.Consumer(channel, c, []string{"business", "twilio"})
}

func (a *after) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// enqueue adds a webhook with a WhatsApp message to a customer, and to members of the staff.
func (a *after) enqueue(to message.Address, staff ...message.Address) string {
	a.Helper()
	a.ids++
	s := &queue.Submission{Event: queuetest.Event(fmt.Sprintf("hook %d:x", a.ids)), Priority: 3, AcceptedAt: time.Now().Add(-a.acceptedAgo),
		Channels: []queue.ChannelSubmission{{Channel: message.WhatsApp}}}
	if to != "" {
		s.Channels[0].Recipients = append(s.Channels[0].Recipients, message.Recipient{Address: to, Audience: message.Customer})
	}
	for _, one := range staff {
		s.Channels[0].Recipients = append(s.Channels[0].Recipients, message.Recipient{Address: one, Audience: message.Staff})
	}
	_, err := a.producer.Enqueue(a.Context(), s)
	a.must(err)
	return s.Event.ID
}

// about returns the event of a job.
func (a *after) about(j *job.Job) any {
	a.Helper()
	e, err := j.Event()
	a.must(err)
	return *e
}

func (a *after) claim(c *Consumer) []*queue.Claimed {
	a.Helper()
	_, claim, err := c.Exchange(a.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
	a.must(err)
	return claim.Jobs
}

func (a *after) settle(s ...queue.Settlement) *queue.Settled {
	a.Helper()
	settled, _, err := a.consumer.Exchange(a.Context(), s, nil, nil)
	a.must(err)
	return settled
}

// say takes reports, and applies what can be applied.
func (a *after) say(reports ...report.Report) {
	a.Helper()
	for i := range reports {
		reports[i].Provider, reports[i].Channel = "business", message.WhatsApp
	}
	a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: reports}))
	a.apply()
}

// apply applies what can be applied, also what is to be looked at again later.
func (a *after) apply() {
	a.Helper()
	for _, c := range message.Channels {
		a.due(c)
		a.must(a.deliveries.applyAll(a.Context(), c))
		a.must(a.store.drainMoves(a.Context(), c))
	}
}

// due lets the time come at which the reports that were taken are looked at again.
func (a *after) due(channel message.Channel) {
	a.Helper()
	taken := a.store.keys[channel].Taken
	for _, raw := range a.store.client.ZRange(a.Context(), taken, 0, -1).Val() {
		a.must(a.store.client.ZAddXX(a.Context(), taken, redis.Z{Member: raw}).Err())
	}
}

// waiting counts the reports that are not applied yet.
func (a *after) waiting(channel message.Channel) int64 {
	a.Helper()
	_, n, err := a.store.afterTheSend(a.Context(), channel)
	a.must(err)
	return n
}

// state is a webhook's notifications, by job.
func (a *after) state(webhookID string) map[string]queue.Notification {
	a.Helper()
	n, err := a.store.Notifications(a.Context(), webhookID)
	a.must(err)
	out := map[string]queue.Notification{}
	for _, one := range n.Notifications {
		out[one.ID] = one
	}
	return out
}

func (a *after) want(got, want any) {
	a.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		a.Errorf("got %v, want %v", got, want)
	}
}

// afterReportsInAnyOrder: the status is the expected one, in every order and with every repetition.
func afterReportsInAnyOrder(a *after) {
	unreachable := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "131026"}
	failed := report.Report{EventID: "f", State: report.Failed, Err: unreachable}
	sent, delivered, read := report.Report{EventID: "s", State: report.Sent}, report.Report{EventID: "d", State: report.Delivered}, report.Report{EventID: "r", State: report.Read}
	for _, c := range []struct {
		name    string
		reports []report.Report
		want    queue.Status
	}{
		{"none", nil, queue.StatusSent},
		{"in order", []report.Report{sent, delivered, read}, queue.StatusRead},
		{"a late sent", []report.Report{delivered, sent}, queue.StatusDelivered},
		{"a late delivered", []report.Report{read, delivered, sent}, queue.StatusRead},
		{"delivered after failed", []report.Report{failed, delivered}, queue.StatusDelivered},
		{"failed after delivered", []report.Report{delivered, failed}, queue.StatusDelivered},
		{"failed, twice", []report.Report{sent, failed, failed}, queue.StatusFailed},
	} {
		// With the settlement before all reports, and after them: providers can be faster than workers.
		for _, before := range []bool{true, false} {
			id := a.enqueue("+15550100001")
			one := a.claim(a.consumer)[0]
			settle := func() {
				a.settle(queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "wamid." + id}}, Worker: "w"})
			}
			if before {
				settle()
			}
			for _, r := range c.reports {
				r.JobID, r.MessageID, r.EventID = one.Job.ID(), "wamid."+id, r.EventID+id
				a.say(r)
				a.say(r)
			}
			if !before {
				settle()
				a.apply() // a failure that came early
			}
			n := a.state(id)[one.Job.ID()]
			if n.Status != c.want {
				a.Errorf("%s (settled first: %v): %s, want %s; %+v", c.name, before, n.Status, c.want, n.History)
			}
			distinct := map[string]bool{}
			for _, r := range c.reports {
				distinct[r.EventID] = true
			}
			a.want(len(n.History), 2+len(distinct)) // accepted, sent, and each report once
		}
	}
}

func afterReportByMessageID(a *after) {
	id := a.enqueue("+15550100001")
	one := a.claim(a.consumer)[0]
	early := report.Report{EventID: "1", MessageID: "wamid.HBgL==", State: report.Delivered}
	a.say(early) // before the settlement: its job is not known yet
	a.want(a.state(id)[one.Job.ID()].Status, queue.StatusSending)
	a.settle(queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "wamid.HBgL=="}, FindByMessageID: true}})
	a.apply()
	a.want(a.state(id)[one.Job.ID()].Status, queue.StatusDelivered)
	a.want(a.waiting(message.WhatsApp), 0)
}

// afterLongIDs: ids of a provider that nothing bounds are stored short, and lead to the job all the same.
func afterLongIDs(a *after) {
	long := strings.Repeat("x", 900_000)
	for _, one := range []string{long + "1", long + "2", "with a space", "\x00é"} {
		id := a.enqueue("+15550100001")
		claimed := a.claim(a.consumer)[0]
		a.settle(queue.Settlement{Claimed: claimed, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: message.ProviderID(one)}, FindByMessageID: true}})
		if one != long+"2" {
			a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{
				{EventID: one, Provider: "business", Channel: message.WhatsApp, MessageID: one, State: report.Delivered, At: time.Now()}}}))
		}
		if n := a.store.client.LIndex(a.Context(), a.store.keys[message.WhatsApp].Reports, -1).Val(); len(n) > 1000 {
			a.Errorf("%d bytes wait", len(n))
		}
		a.apply()
		want := queue.StatusDelivered
		if one == long+"2" {
			want = queue.StatusSent
		}
		a.want(a.state(id)[claimed.Job.ID()].Status, want)
	}
}

// afterReportOfNothing: a report of an unknown job waits for a minute, and is dropped then; garbage at once.
// afterReportOfNothing: a report that names an unknown message waits for a minute, and is dropped then; one that names an unknown job is dropped at once, and
// so is garbage.
func afterReportOfNothing(a *after) {
	a.say(report.Report{EventID: "1", MessageID: "unknown", State: report.Delivered}, report.Report{EventID: "2", JobID: "no webhook:whatsapp:1", State: report.Read},
		report.Report{EventID: "3", JobID: "no webhook:whatsapp:1", State: report.Failed, Err: &failure.Error{Class: failure.Transient}})
	k := a.store.keys[message.WhatsApp]
	a.want([]any{a.waiting(message.WhatsApp), a.counted("ringup_reports_applied_total", "whatsapp", "dropped")}, []any{1, 2})
	old, err := json.Marshal(queuedReport{Received: time.Now().Add(-reportPatience).UnixMilli(), EventID: "4", Message: "unknown"})
	a.must(err)
	a.must(a.store.client.RPush(a.Context(), k.Reports, old, "garbage", `{"r":"x"}`).Err())
	a.apply()
	a.want([]any{a.waiting(message.WhatsApp), a.counted("ringup_reports_applied_total", "whatsapp", "dropped")}, []any{1, 5})
}

// afterReportsRepeatedAtOnce: a report that is repeated within a callback, and in the same millisecond, counts once as applied and then as repeated.
func afterReportsRepeatedAtOnce(a *after) {
	id := a.enqueue("+15550100001")
	one := a.claim(a.consumer)[0]
	a.settle(queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}}})
	var reports []report.Report
	for range 250 {
		reports = append(reports, report.Report{EventID: "d" + id, JobID: one.Job.ID(), MessageID: "m1", State: report.Delivered})
	}
	a.say(reports...)
	a.want([]any{a.counted("ringup_reports_applied_total", "whatsapp", "applied"), a.counted("ringup_reports_applied_total", "whatsapp", "repeated"), a.waiting(message.WhatsApp)}, []any{1, 249, 0})
}

func afterUndelivered(a *after) {
	transient := &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage, Code: "30008"}
	permanent := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "131026"}
	optedOut := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Code: "131050"}
	send := func(again *queue.Redelivery) (string, *queue.Claimed) {
		id := a.enqueue("+15550100001", "+15550100002") // two, so that the body is stored apart
		jobs := a.claim(a.consumer)
		a.settle(queue.Settlement{Claimed: jobs[1], Outcome: queue.Done{Attempt: queue.Attempt{MessageID: "other"}}})
		a.settle(queue.Settlement{Claimed: jobs[0], Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}, Redelivery: again}})
		return id, jobs[0]
	}
	report := func(one *queue.Claimed, event, messageID string, err *failure.Error) {
		a.say(report.Report{EventID: event + one.Job.ID(), JobID: one.Job.ID(), MessageID: messageID, State: report.Failed, Err: err})
	}

	// Off: it is only known that it did not arrive.
	id, one := send(nil)
	report(one, "1", "m1", transient)
	a.want(a.state(id)[one.Job.ID()].Status, queue.StatusFailed)
	a.want(len(a.claim(a.consumer)), 0)

	// Another try, by another provider; a second report of the first attempt changes nothing.
	id, one = send(&queue.Redelivery{Retry: true, Delay: time.Millisecond, Within: time.Minute})
	report(one, "1", "m1", transient)
	report(one, "2", "m1", transient)
	var next *queue.Claimed
	redistest.Eventually(a.T, "it is claimed again", func() bool {
		for _, c := range a.claim(a.consumer) {
			next = c
		}
		return next != nil
	})
	a.want([]any{next.Job.ID(), next.Job.Attempts, next.Job.Alternate, a.about(next.Job)}, []any{one.Job.ID(), 1, true, *queuetest.Event(next.Job.WebhookID)})
	a.settle(queue.Settlement{Claimed: next, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "m2"}, Redelivery: &queue.Redelivery{Within: time.Minute}}})
	report(one, "3", "m1", transient) // late, of the first
	a.want(a.state(id)[one.Job.ID()].Status, queue.StatusSent)
	report(one, "4", "m2", transient) // no attempt is left
	a.want(a.state(id)[one.Job.ID()].Status, queue.StatusFailed)
	d, err := a.store.Depth(a.Context(), message.WhatsApp)
	a.must(err)
	a.want([]any{d.Failed, d.Retry, d.Inflight}, []any{1, 0, 0})

	// It will never arrive here: another channel tries, once.
	id, one = send(&queue.Redelivery{Retry: true, Delay: time.Millisecond, FallBack: true, Within: time.Minute})
	report(one, "1", "m1", permanent)
	report(one, "2", "m1", permanent)
	sms := a.consumes(message.SMS, ConsumerConfig{})
	jobs := a.claim(sms)
	if len(jobs) != 1 {
		a.Fatalf("%d jobs came over", len(jobs))
	}
	a.want([]any{jobs[0].Job.WebhookID, jobs[0].Job.Recipient, jobs[0].Job.Attempts, a.about(jobs[0].Job)}, []any{one.Job.ID(), message.Address("+15550100001"), 0, *queuetest.Event(one.Job.ID())})
	_, _, err = sms.Exchange(a.Context(), []queue.Settlement{{Claimed: jobs[0], Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM1"}}}}, nil, nil)
	a.must(err)
	state := a.state(id)
	a.want([]any{state[one.Job.ID()].Status, state[jobs[0].Job.ID()].Status}, []any{queue.StatusFailed, queue.StatusSent})

	// It is reported before the worker has settled the send: that waits, and then leads to another try all the same.
	id = a.enqueue("+15550100001")
	one = a.claim(a.consumer)[0]
	report(one, "1", "m1", transient)
	report(one, "1", "m1", transient)
	a.want(a.state(id)[one.Job.ID()].Status, queue.StatusSending)
	a.settle(queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}, Redelivery: &queue.Redelivery{Retry: true, Delay: time.Millisecond, Within: time.Minute}}})
	a.apply()
	next = nil
	redistest.Eventually(a.T, "what was reported early is claimed again", func() bool {
		for _, c := range a.claim(a.consumer) {
			next = c
		}
		return next != nil
	})
	a.want(next.Job.ID(), one.Job.ID())

	// Who does not want to be written to is not written to elsewhere.
	_, one = send(&queue.Redelivery{Retry: true, Delay: time.Millisecond, FallBack: true, Within: time.Minute})
	report(one, "1", "m1", optedOut)
	a.want(len(a.claim(sms)), 0)

	// A send that failed for good moves, too.
	id = a.enqueue("+15550100001")
	one = a.claim(a.consumer)[0]
	a.settle(queue.Settlement{Claimed: one, Outcome: queue.Fail{Error: "not on WhatsApp", FallBack: true}})
	a.apply()
	a.want(len(a.claim(sms)), 1)
	a.want(len(a.state(id)), 2)
}
