package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// metrics of one program's use of the store.
type metrics struct {
	seconds  *prometheus.HistogramVec
	errors   prometheus.Counter
	restored *prometheus.CounterVec
}

// Instrument registers the metrics of this program's use of Redis. Call it once, before the store is used.
func (s *Store) Instrument(reg prometheus.Registerer) {
	s.metrics = &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ringup_redis_duration_seconds", Help: "Round trips to Redis, by the script that was run (settle: with a claim, mostly).",
			Buckets: []float64{.0002, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 3},
		}, []string{"script"}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{Name: "ringup_redis_errors_total", Help: "Round trips to Redis that failed."}),
		restored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_jobs_restored_total", Help: "Jobs that an older program could not read and set aside, and that this program put back.",
		}, []string{"channel"}),
	}
	pool := func(name, help string, value func(*redis.PoolStats) uint32) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value(s.client.PoolStats())) })
	}
	reg.MustRegister(s.metrics.seconds, s.metrics.errors, s.metrics.restored,
		pool("ringup_redis_pool_connections", "Connections to Redis that are open.", func(p *redis.PoolStats) uint32 { return p.TotalConns }),
		pool("ringup_redis_pool_idle_connections", "Connections to Redis that are idle.", func(p *redis.PoolStats) uint32 { return p.IdleConns }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "ringup_redis_pool_timeouts_total", Help: "Times that no connection to Redis came free in time."},
			func() float64 { return float64(s.client.PoolStats().Timeouts) }))
}

// observe notes a round trip.
func (m *metrics) observe(script string, took time.Duration, err error) {
	if m == nil {
		return
	}
	m.seconds.WithLabelValues(script).Observe(took.Seconds())
	if err != nil {
		m.errors.Inc()
	}
}

// restore counts jobs that were restored.
func (m *metrics) restore(channel message.Channel, jobs int) {
	if m != nil {
		m.restored.WithLabelValues(string(channel)).Add(float64(jobs))
	}
}

const (
	// reporterTerm is how long a program remains the one that reports the state of the queues after its latest scrape; longer than
	// any usual interval of scrapes.
	reporterTerm = 75 * time.Second
	// collectTimeout bounds how long a scrape waits for Redis.
	collectTimeout = 3 * time.Second
)

// queueMetrics are the state of the queues, which all programs share: one of them reports it.
type queueMetrics struct {
	store *Store
	id    string
	desc  map[string]*prometheus.Desc
}

// QueueCollector reports the state of the queues, unless another program with another id does so already.
func (s *Store) QueueCollector(id string) prometheus.Collector {
	q := &queueMetrics{store: s, id: id, desc: map[string]*prometheus.Desc{}}
	for _, d := range []struct {
		name, help string
		labels     []string
	}{
		{"ringup_queue_unknown", "1 while Redis does not say what is in the channel's queue, 0 otherwise.", []string{"channel"}},
		{"ringup_queue_waiting", "Jobs that wait in the lists.", []string{"channel", "priority"}},
		{"ringup_queue_oldest_seconds", "Age of the first job of each list, since it was accepted; 0 when it is empty.", []string{"channel", "priority"}},
		{"ringup_queue_jobs", "Jobs that do not wait in the lists: `retry`, `held`, `sending`, `failed`, `completed`.", []string{"channel", "state"}},
		{"ringup_queue_settled_total", "Jobs that were settled, by outcome: `sent`, `failed`, `retried`, `dropped`, `held` (scheduled for later), `suppressed`.", []string{"channel", "outcome"}},
		{"ringup_queue_paused", "1 while the channel is paused.", []string{"channel"}},
		{"ringup_queue_workers", "Workers that are alive.", []string{"channel"}},
		{"ringup_queue_settings_differ", "Programs that run with other settings than most: workers of the channel, replicas of ingest and of admin.", []string{"channel"}},
		{"ringup_queue_breaker_open", "1 for each provider whose breaker is open or half open.", []string{"channel", "provider"}},
		{"ringup_queue_breaker_recovering", "1 for each provider that has recovered and gets its messages back by degrees (BREAKER_RAMP).", []string{"channel", "provider"}},
		{"ringup_queue_suppressed_addresses", "Addresses on the suppression list.", []string{"channel"}},
		{"ringup_queue_reports_waiting", "Delivery reports that are stored and not yet applied.", []string{"channel"}},
		{"ringup_redis_memory_bytes", "Memory that Redis uses.", nil},
		{"ringup_redis_memory_limit_bytes", "Redis's maxmemory; 0 for none.", nil},
		{"ringup_redis_evicted_keys_total", "Keys that Redis evicted: each may have been a job.", nil},
	} {
		q.desc[d.name] = prometheus.NewDesc(d.name, d.help, d.labels, nil)
	}
	return q
}

// Describe implements prometheus.Collector.
func (q *queueMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range q.desc {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (q *queueMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	each(func(channel message.Channel) {
		chosen, err := q.chosen(ctx, channel)
		if err == nil && chosen {
			err = q.collect(ctx, ch, channel)
		}
		if unknown := 0.0; err != nil || chosen {
			if err != nil {
				unknown = 1
			}
			q.gauge(ch, "ringup_queue_unknown", unknown, string(channel))
		}
	})
}

func (q *queueMetrics) gauge(ch chan<- prometheus.Metric, name string, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(q.desc[name], prometheus.GaugeValue, value, labels...)
}

func (q *queueMetrics) counter(ch chan<- prometheus.Metric, name string, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(q.desc[name], prometheus.CounterValue, value, labels...)
}

// collect reports a channel; for the first, Redis too. With an error, nothing of the channel was reported.
func (q *queueMetrics) collect(ctx context.Context, ch chan<- prometheus.Metric, channel message.Channel) error {
	state, err := q.store.State(ctx, channel)
	if err != nil {
		return err
	}
	suppressed, reports, err := q.store.afterTheSend(ctx, channel)
	if err != nil {
		return err
	}
	c := string(channel)
	for i := range state.Waiting {
		priority := strconv.Itoa(i + 1)
		q.gauge(ch, "ringup_queue_waiting", float64(state.Waiting[i]), c, priority)
		q.gauge(ch, "ringup_queue_oldest_seconds", state.Oldest[i].Seconds(), c, priority)
	}
	for name, n := range map[string]int64{"retry": state.Retry, "held": state.Held, "sending": state.Inflight, "failed": state.Failed, "completed": state.Completed} {
		q.gauge(ch, "ringup_queue_jobs", float64(n), c, name)
	}
	t := state.Totals
	for name, n := range map[string]int64{"sent": t.Sent, "failed": t.Failed, "retried": t.Retried, "dropped": t.Dropped, "held": t.Held, "suppressed": t.Suppressed} {
		q.counter(ch, "ringup_queue_settled_total", float64(n), c, name)
	}
	paused := 0.0
	if state.Halted.Kind == queue.HaltedPause {
		paused = 1
	}
	q.gauge(ch, "ringup_queue_paused", paused, c)
	q.gauge(ch, "ringup_queue_workers", float64(len(state.Workers)), c)
	q.gauge(ch, "ringup_queue_settings_differ", float64(len(state.SettingsDiffer)), c)
	for provider, b := range state.Breakers {
		switch b.State {
		case queue.BreakerOpen, queue.BreakerHalfOpen:
			q.gauge(ch, "ringup_queue_breaker_open", 1, c, provider)
		case queue.BreakerRecovering:
			q.gauge(ch, "ringup_queue_breaker_recovering", 1, c, provider)
		}
	}
	q.gauge(ch, "ringup_queue_suppressed_addresses", float64(suppressed), c)
	q.gauge(ch, "ringup_queue_reports_waiting", float64(reports), c)
	if channel == message.Channels[0] {
		q.collectRedis(ctx, ch)
	}
	return nil
}

// collectRedis reports Redis's memory, if this program's user may ask.
func (q *queueMetrics) collectRedis(ctx context.Context, ch chan<- prometheus.Metric) {
	info, err := infoOf(ctx, q.store.client)
	if err != nil {
		return
	}
	for name, metric := range map[string]string{"used_memory": "ringup_redis_memory_bytes", "maxmemory": "ringup_redis_memory_limit_bytes"} {
		if value, known := info[name]; known {
			q.gauge(ch, metric, float64(value))
		}
	}
	if value, known := info["evicted_keys"]; known {
		q.counter(ch, "ringup_redis_evicted_keys_total", float64(value))
	}
}

// afterTheSend counts the addresses on the suppression list, and the reports that wait.
func (s *Store) afterTheSend(ctx context.Context, channel message.Channel) (suppressed, waiting int64, err error) {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	addresses, reports, taken := pipe.HLen(ctx, k.Suppressed), pipe.LLen(ctx, k.Reports), pipe.ZCard(ctx, k.Taken)
	_, err = exec(ctx, pipe)
	return addresses.Val(), reports.Val() + taken.Val(), unavailable(err)
}

// chosen says whether this program is the one that reports a channel: the first that was scraped, as long as it goes on being scraped. Who reports is
// noted beside each channel, so that the channels of other shards are reported when one is down.
func (q *queueMetrics) chosen(ctx context.Context, channel message.Channel) (bool, error) {
	key := q.store.keys[channel].Base + ":reporter"
	pipe := q.store.client.Pipeline()
	pipe.SetNX(ctx, key, q.id, reporterTerm)
	holder := pipe.Get(ctx, key)
	if _, err := exec(ctx, pipe); err != nil {
		return false, err
	}
	if holder.Val() != q.id {
		return false, nil
	}
	return true, q.store.client.PExpire(ctx, key, reporterTerm).Err()
}
