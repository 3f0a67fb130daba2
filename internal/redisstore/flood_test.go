package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// mailed enqueues e-mails and settles them as sent; it returns the ids of their jobs.
func mailed(t testing.TB, store *Store, producer *Producer, n int) (ids []string) {
	t.Helper()
	consumer := store.Consumer(message.Email, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"sendgrid"})
	for i := range n {
		s := &queue.Submission{Event: queuetest.Event(fmt.Sprint("mailed", i)), Priority: 1, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{
			{Channel: message.Email, Recipients: []message.Recipient{{Address: "jane.roe@example.com", Audience: message.Customer}}}}}
		if _, err := producer.Enqueue(context.Background(), s); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.Event.ID+":email:1")
	}
	for {
		_, claim, err := consumer.Exchange(context.Background(), nil, nil, &queue.ClaimRequest{Max: 100})
		if err != nil {
			t.Fatal(err)
		}
		if len(claim.Jobs) == 0 {
			return ids
		}
		var settlements []queue.Settlement
		for _, one := range claim.Jobs {
			settlements = append(settlements, queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "sendgrid", MessageID: "m-" + one.Job.WebhookID}}})
		}
		if _, _, err := consumer.Exchange(context.Background(), settlements, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// floodOf is the n-th callback of a flood: reports on own e-mails, on those of another ringup on the same account, and on another program's WhatsApp
// messages, as many of each.
func floodOf(own []string, n, size int) (u report.Update) {
	for i := n * size; i < (n+1)*size; i++ {
		event := strconv.Itoa(i)
		u.Reports = append(u.Reports,
			report.Report{EventID: event, Provider: "sendgrid", Channel: message.Email, JobID: own[i%len(own)], MessageID: "m", State: report.Delivered, At: time.Now()},
			report.Report{EventID: "o" + event, Provider: "sendgrid", Channel: message.Email, JobID: "other" + event + ":email:1", MessageID: "o", State: report.Failed},
			report.Report{EventID: "w" + event, Provider: "business", Channel: message.WhatsApp, MessageID: "wamid." + event, State: report.Read})
	}
	return u
}

// commands returns how often Redis ran each command.
func commands(t testing.TB, client *redis.Client) map[string]int {
	t.Helper()
	out := map[string]int{}
	for line := range strings.Lines(client.Info(context.Background(), "commandstats").Val()) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		calls, _, _ := strings.Cut(rest, ",")
		out[name], _ = strconv.Atoi(calls)
	}
	return out
}

// longest returns how long the longest script of those that the slow log has took; 0 for none.
func longest(client *redis.Client) (took time.Duration) {
	for _, one := range client.SlowLogGet(context.Background(), 1000).Val() {
		if strings.HasPrefix(strings.ToUpper(one.Args[0]), "EVAL") {
			took = max(took, one.Duration)
		}
	}
	return took
}

// TestFloodOfReports: 18,000 reports, two thirds of them on messages of other programs, come to two replicas of ingest. Nothing looks through what waits; each
// report of ours counts once; and people who say STOP, and webhooks, wait behind none of it.
func TestFloodOfReports(t *testing.T) {
	t.Parallel()
	const callbacks, size = 12, 500 // of each of the three kinds
	server := redistest.Start(t, "--slowlog-log-slower-than", "1000", "--slowlog-max-len", "1000")
	client := server.Client()
	store := open(t, url(server.Addr()), func(c *Config) { c.StatusTTL = time.Hour })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	own := mailed(t, store, producer, 400)
	if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var replicas []*after
	for range 2 {
		registry := prometheus.NewRegistry()
		a := &after{T: t, store: store, deliveries: store.Deliveries(registry), registry: registry}
		replicas = append(replicas, a)
		running.Go(func() { a.deliveries.Run(ctx) })
	}
	counted := func(name string, labels ...string) float64 {
		return replicas[0].counted(name, labels...) + replicas[1].counted(name, labels...)
	}
	var wait sync.WaitGroup
	for i, a := range replicas {
		wait.Go(func() {
			for n := i; n < callbacks; n += len(replicas) {
				if err := a.deliveries.Accept(ctx, floodOf(own, n, size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var longestStop, longestWebhook time.Duration
	for n := range 100 { // meanwhile
		channel, to := message.Channels[n%len(message.Channels)], message.Address(fmt.Sprintf("+1555010%04d", n))
		began := time.Now()
		err := replicas[n%2].deliveries.Accept(ctx, report.Update{Preferences: []suppress.Preference{
			{EventID: fmt.Sprint("stop", n), Provider: "p", Channel: channel, Address: to, Kind: suppress.OptOut, Why: suppress.StopWord, At: began}}})
		longestStop = max(longestStop, time.Since(began))
		if found, lookErr := store.Suppressed(ctx, channel, to); err != nil || lookErr != nil || found == nil {
			t.Fatalf("STOP %d on %s is not heeded when it is answered: %+v, %v, %v", n, channel, found, err, lookErr)
		}
		began = time.Now()
		if _, err := producer.Enqueue(ctx, webhook(fmt.Sprint("meanwhile", n))); err != nil {
			t.Fatal(err)
		}
		longestWebhook = max(longestWebhook, time.Since(began))
	}
	wait.Wait()
	redistest.Eventually(t, "the reports of ours are applied, and those of jobs that nobody knows dropped", func() bool {
		return counted("ringup_reports_applied_total", "email", "applied") >= callbacks*size && counted("ringup_reports_applied_total", "email", "dropped") >= callbacks*size
	})
	redistest.Eventually(t, "each report that names a message was looked at", func() bool { return store.client.LLen(ctx, store.keys[message.WhatsApp].Reports).Val() == 0 })
	stop()
	running.Wait()
	if a, d := counted("ringup_deliveries_total", "email", "sendgrid", "delivered"), counted("ringup_reports_applied_total", "email", "dropped"); a != callbacks*size || d != callbacks*size {
		t.Errorf("%v reports counted as applied and %v as dropped, of %d each", a, d, callbacks*size)
	}
	if n := replicas[0].waiting(message.Email) + replicas[0].waiting(message.WhatsApp); n != callbacks*size {
		t.Errorf("%d wait for a settlement, want %d", n, callbacks*size)
	}
	everyReportOnce(t, store, own, callbacks*size)
	ran := commands(t, client)
	if ran["lrem"] != 0 {
		t.Errorf("the list was looked through %d times", ran["lrem"])
	}
	// A batch is one script that takes it and one that applies it; looks at those that wait, and passes that found less than a batch, come on top.
	if batches := 3 * callbacks * size / reportBatch; ran["evalsha"] > 10*batches {
		t.Errorf("%d scripts for %d batches", ran["evalsha"], batches)
	}
	t.Logf("the longest script took %s, the longest STOP %s, the longest webhook %s; %d scripts", longest(client), longestStop, longestWebhook, ran["evalsha"])
}

// everyReportOnce looks for the reports of a flood in the logs of its jobs.
func everyReportOnce(t *testing.T, store *Store, own []string, reports int) {
	t.Helper()
	found := 0
	for _, id := range own {
		n, err := store.Notifications(t.Context(), strings.TrimSuffix(id, ":email:1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range n.Notifications[0].History {
			if e.What == "delivered" {
				found++
			}
		}
	}
	if found != reports {
		t.Errorf("%d reports are in the logs of the jobs, want %d", found, reports)
	}
}

// TestReportsAreAppliedOnce lives random lives of reports: they are accepted, repeated, taken by programs that apply them, die, or apply them only when another
// one has them, and taken from the head of the list by a program of 0.1.0. Each is in its job's log once in the end.
func TestReportsAreAppliedOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lives(t, 40, func(r *rapid.T) {
		store := open(t, url(server.Addr()), nil)
		defer func() { _ = store.Close() }()
		producer := store.Producer(prometheus.NewRegistry())
		defer producer.Close()
		l := &reportLife{T: t, after: &after{T: t, store: store, deliveries: store.Deliveries(prometheus.NewRegistry())}, own: mailed(t, store, producer, 3),
			said: map[string]bool{}}
		r.Repeat(map[string]func(*rapid.T){
			"reports": func(r *rapid.T) {
				var u report.Update
				for range rapid.IntRange(1, 6).Draw(r, "how many") {
					event := strconv.Itoa(rapid.IntRange(0, 200).Draw(r, "event"))
					u.Reports = append(u.Reports, report.Report{EventID: event, Provider: "sendgrid", Channel: message.Email, JobID: l.own[len(event)%3], State: report.Delivered})
					l.said[event] = true
				}
				l.must(l.deliveries.Accept(t.Context(), u))
			},
			"a report of nobody's": func(*rapid.T) {
				l.must(l.deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{
					{EventID: "x", Provider: "sendgrid", Channel: message.Email, JobID: "other:email:1", State: report.Read}, {EventID: "y", Provider: "p", Channel: message.Email, MessageID: "y", State: report.Read}}}))
			},
			"a program applies": func(*rapid.T) {
				var refusal error
				_, err := l.deliveries.apply(t.Context(), message.Email, &refusal)
				l.must(err)
			},
			"a program takes, dies":   func(*rapid.T) { l.take() },
			"a program takes, stalls": func(*rapid.T) { l.stalled = append(l.stalled, l.take()...) },
			"a stalled one goes on":   func(*rapid.T) { l.goOn(l.stalled, true); l.stalled = nil },
			"leases end":              func(*rapid.T) { l.due(message.Email) },
			"a program of 0.1.0": func(r *rapid.T) {
				reports := store.keys[message.Email].Reports
				raws := store.client.LRange(t.Context(), reports, 0, int64(rapid.IntRange(0, 9).Draw(r, "to"))).Val()
				for _, raw := range raws {
					if store.client.LRem(t.Context(), reports, 1, raw).Val() == 1 {
						l.goOn([]string{raw}, false)
					}
				}
			},
		})
		for range 2 {
			l.due(message.Email)
			l.must(l.deliveries.applyAll(t.Context(), message.Email))
		}
		l.check()
	})
}

type reportLife struct {
	*testing.T
	*after
	own     []string
	said    map[string]bool
	stalled []string
}

func (l *reportLife) take() []string {
	l.Helper()
	raws, err := l.deliveries.take(l.Context(), message.Email)
	l.must(err)
	return raws
}

// goOn applies reports that were taken before; or, where they are not, as they are.
func (l *reportLife) goOn(raws []string, taken bool) {
	l.Helper()
	rows := make([]reportRow, len(raws))
	reports := make([]queuedReport, len(raws))
	for i, raw := range raws {
		l.must(json.Unmarshal([]byte(raw), &reports[i]))
	}
	logs, err := l.deliveries.locate(l.Context(), message.Email, reports)
	l.must(err)
	for i := range rows {
		rows[i], err = rowOf(&reports[i], logs[i], time.Now())
		l.must(err)
		if taken {
			rows[i].Raw = raws[i]
		}
	}
	if len(rows) > 0 {
		_, _, err = l.deliveries.run(l.Context(), message.Email, rows)
		l.must(err)
	}
}

// check holds the logs of the jobs against what was said.
func (l *reportLife) check() {
	l.Helper()
	var logs []string
	for _, key := range l.store.client.Keys(l.Context(), l.store.keys[message.Email].Base+":log:*").Val() {
		for field, log := range l.store.client.HGetAll(l.Context(), key).Val() {
			if strings.HasSuffix(field, ":r") {
				logs = append(logs, strings.Split(strings.TrimSuffix(log, "\n"), "\n")...)
			}
		}
	}
	for event := range l.said {
		row, err := rowOf(&queuedReport{Provider: "sendgrid", EventID: event}, logPath{}, time.Now())
		l.must(err)
		lines := slices.DeleteFunc(slices.Clone(logs), func(line string) bool { return !strings.Contains(line, row.ID) })
		if len(lines) != 1 {
			l.Fatalf("report %s is in the logs %d times", event, len(lines))
		}
	}
	if len(logs) != len(l.said) {
		l.Fatalf("%d lines of %d reports", len(logs), len(l.said))
	}
	k := l.store.keys[message.Email]
	left := append(l.store.client.LRange(l.Context(), k.Reports, 0, -1).Val(), l.store.client.ZRange(l.Context(), k.Taken, 0, -1).Val()...)
	for _, raw := range left {
		if !strings.Contains(raw, `"i":"y"`) { // that one names an unknown message, which may be settled yet
			l.Fatalf("%s waits", raw)
		}
	}
}

// BenchmarkReports says what a report costs Redis, in CPU-µs from its callback to its end, and how long the longest script takes, while 60,000 reports of
// another program wait.
func BenchmarkReports(b *testing.B) {
	server := redistest.Start(b, "--slowlog-log-slower-than", "500", "--slowlog-max-len", "1000")
	c := url(server.Addr())
	c.Prefix, c.DedupeTTL, c.StatusTTL, c.KeepCompleted, c.KeepFailed, c.MaxCrashes, c.OnUncertain = "bench", 24*time.Hour, 24*time.Hour, 100, 50, 5, Resend
	store, err := Open(c, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	producer, deliveries := store.Producer(prometheus.NewRegistry()), store.Deliveries(prometheus.NewRegistry())
	b.Cleanup(producer.Close)
	own := mailed(b, store, producer, 400)
	accept := func(u report.Update, keep func(report.Report) bool) {
		u.Reports = slices.DeleteFunc(u.Reports, func(r report.Report) bool { return !keep(r) })
		if err := deliveries.Accept(b.Context(), u); err != nil {
			b.Fatal(err)
		}
	}
	apply := func(channel message.Channel) {
		if err := deliveries.applyAll(b.Context(), channel); err != nil {
			b.Fatal(err)
		}
	}
	for n := range 60 {
		accept(floodOf(own, n, 1000), func(r report.Report) bool { return r.Channel == message.WhatsApp })
	}
	apply(message.WhatsApp)
	const size, after = 1000, 1 << 20 // other events than the flood's
	before, n := cpuOf(server), 0
	for b.Loop() {
		accept(floodOf(own, after+n, size), func(r report.Report) bool { return r.Channel == message.Email && r.State == report.Delivered })
		apply(message.Email)
		n++
	}
	b.ReportMetric(float64((cpuOf(server)-before).Nanoseconds())/1e3/float64(n*size), "redis-µs/report")
	b.ReportMetric(float64(longest(server.Client()).Nanoseconds())/1e3, "longest-script-µs")
}
