package worker

import (
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Metrics of a worker.
type Metrics struct {
	sends       *prometheus.CounterVec
	sendSeconds *prometheus.HistogramVec
	age         prometheus.Histogram
	sending     prometheus.Gauge
	claimed     prometheus.Counter
	lost        prometheus.Counter
	reaped      prometheus.Counter
	uncertain   prometheus.Counter
	evicted     prometheus.Counter
	throttled   prometheus.Counter
	breaker     *prometheus.GaugeVec
	suppressed  prometheus.Counter
	heldTotal   *prometheus.CounterVec
	cost        *prometheus.CounterVec
	capped      *prometheus.GaugeVec

	// sent has the counters of completed sends: to find one by its labels costs as much as to count. There are one or two providers.
	sent []sentBy
}

// sentBy counts what a provider took.
type sentBy struct {
	provider string
	counter  prometheus.Counter
}

// NewMetrics registers a worker's metrics.
func NewMetrics(reg prometheus.Registerer, channel message.Channel) *Metrics {
	labels := prometheus.Labels{"channel": string(channel)}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels})
	}
	m := &Metrics{
		sends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_sends_total", ConstLabels: labels,
			Help: "Sends, by provider, outcome (`completed`, `retry`, `deferred`, `held`, `failed`, `dropped`, `suppressed`, `released`) and the error's reason.",
		}, []string{"provider", "outcome", "reason"}),
		sendSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ringup_send_duration_seconds", Help: "How long the provider took to answer.", ConstLabels: labels,
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, NativeHistogramBucketFactor: 1.1,
		}, []string{"provider"}),
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ringup_accepted_to_sent_seconds", Help: "Time from the acceptance of a webhook to the send of its message.", ConstLabels: labels,
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 3600}, NativeHistogramBucketFactor: 1.1,
		}),
		sending:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "ringup_sending", Help: "Messages in flight.", ConstLabels: labels}),
		claimed:   counter("ringup_claimed_total", "Jobs claimed."),
		lost:      counter("ringup_leases_lost_total", "Jobs whose lease ended before this worker settled them: another worker may send them again."),
		reaped:    counter("ringup_leases_reaped_total", "Jobs that this worker took back from dead or stalled workers."),
		uncertain: counter("ringup_sends_uncertain_total", "Sends without a clear answer: the message may have gone out."),
		evicted:   counter("ringup_failed_evicted_total", "Failed jobs that fell off the end of the failed set (KEEP_FAILED)."),
		throttled: counter("ringup_rate_limited_total", "Claims that the channel's rate limit cut short."),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ringup_breaker_open", Help: "1 while a provider's breaker is open.", ConstLabels: labels,
		}, []string{"provider"}),
		suppressed: counter("ringup_suppressed_total", "Messages that were not sent because their recipient is on the suppression list."),
		heldTotal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_held_total", Help: "Times that a message was scheduled for later, by reason: quiet_hours, recipient_limit, daily_cap.", ConstLabels: labels,
		}, []string{"reason"}),
		cost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_cost_total", Help: "Cost of the messages sent by PRICES, in PRICE_CURRENCY, by event and the webhook's source.", ConstLabels: labels,
		}, []string{"event", "source"}),
		capped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ringup_daily_cap_reached", Help: "1 while a daily cap (DAILY_CAP) holds messages back.", ConstLabels: labels,
		}, []string{"cap"}),
	}
	for _, reason := range gate.Holds {
		m.heldTotal.WithLabelValues(string(reason)) // 0 from the start
	}
	reg.MustRegister(m.suppressed, m.heldTotal, m.cost, m.capped, m.sends, m.sendSeconds, m.age, m.sending, m.claimed, m.lost, m.reaped, m.uncertain, m.evicted, m.throttled, m.breaker)
	return m
}

// count counts the outcome of a job. Only the loop calls it.
func (m *Metrics) count(r *Result) {
	switch r.Outcome.(type) {
	case queue.Done:
		m.completed(r.Provider).Inc()
		return
	case queue.Suppress:
		m.suppressed.Inc()
	case queue.Hold:
		m.heldTotal.WithLabelValues(r.Reason).Inc()
	}
	if _, uncertain := details(r.Outcome); uncertain {
		m.uncertain.Inc()
	}
	m.sends.WithLabelValues(r.Provider, r.Outcome.Name(), r.Reason).Inc()
}

// unreadable counts a job whose bytes cannot be read.
func (m *Metrics) unreadable() {
	m.sends.WithLabelValues("", queue.Fail{}.Name(), "unreadable").Inc()
}

// completed returns the counter of what a provider took.
func (m *Metrics) completed(provider string) prometheus.Counter {
	for _, one := range m.sent {
		if one.provider == provider {
			return one.counter
		}
	}
	counter := m.sends.WithLabelValues(provider, queue.Done{}.Name(), "")
	m.sent = append(m.sent, sentBy{provider, counter})
	return counter
}
