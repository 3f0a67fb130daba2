package worker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// series returns the counters and gauges that are not 0, each by its name and its labels but for the channel.
func series(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				if label.GetName() != "channel" {
					name += " " + label.GetName() + "=" + label.GetValue()
				} else if label.GetValue() != "sms" {
					t.Errorf("%s of the channel %s", name, label.GetValue())
				}
			}
			if value := m.GetCounter().GetValue() + m.GetGauge().GetValue(); value != 0 {
				out[name] = value
			}
		}
	}
	return out
}

// TestMetrics: each outcome is counted once, with its provider and reason, and whatever else there is to count of it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	const sends, cost = "ringup_sends_total outcome=", "ringup_cost_total event=pos_save source=none"
	fails := func(class failure.Class, reason failure.Reason) func(*bench) {
		return func(b *bench) { b.sender.err = &failure.Error{Class: class, Reason: reason} }
	}
	tested := map[string]bool{}
	for name, tt := range map[string]struct {
		render renderer
		setup  func(*setup)
		change func(*bench)
		want   map[string]float64 // beside ringup_claimed_total
	}{
		"sent":      {want: map[string]float64{sends + "completed provider=twilio reason=": 1, cost: 0.01}},
		"retry":     {change: fails(failure.Transient, failure.ReasonOutage), want: map[string]float64{sends + "retry provider=twilio reason=outage": 1}},
		"throttled": {change: fails(failure.Throttled, failure.ReasonRateLimit), want: map[string]float64{sends + "deferred provider=twilio reason=rate_limit": 1}},
		"failed":    {change: fails(failure.Permanent, failure.ReasonRecipient), want: map[string]float64{sends + "failed provider=twilio reason=invalid_recipient": 1}},
		"uncertain": {change: fails(failure.Ambiguous, failure.ReasonTimeout),
			want: map[string]float64{sends + "retry provider=twilio reason=timeout": 1, "ringup_sends_uncertain_total": 1}},
		"uncertain, without retries": {setup: func(s *setup) { s.config.RetryBackoff = nil }, change: fails(failure.Ambiguous, failure.ReasonTimeout),
			want: map[string]float64{sends + "failed provider=twilio reason=timeout": 1, "ringup_sends_uncertain_total": 1}},
		"not rendered": {render: renderer{err: true}, want: map[string]float64{sends + "failed provider= reason=template": 1}},
		"not readable": {change: func(b *bench) { b.queue.waiting[0].Job, b.queue.waiting[0].Err = nil, job.ErrCorrupt },
			want: map[string]float64{sends + "failed provider= reason=unreadable": 1}},
		"expired": {setup: func(s *setup) { s.gate.MessageTTL = map[event.Type]time.Duration{event.POSSave: 30 * time.Second} },
			want: map[string]float64{sends + "dropped provider=twilio reason=expired": 1}},
		"suppressed": {change: func(b *bench) { b.queue.waiting[0].Suppressed = []suppress.Entry{{Why: suppress.StopWord}} },
			want: map[string]float64{sends + "suppressed provider=twilio reason=suppressed": 1, "ringup_suppressed_total": 1}},
		"recipient's limit": {change: func(b *bench) { b.queue.waiting[0].LimitedUntil = time.Now().Add(time.Minute) },
			want: map[string]float64{sends + "held provider=twilio reason=recipient_limit": 1, "ringup_held_total reason=recipient_limit": 1}},
		"a daily cap that the message would exceed": {setup: func(s *setup) { s.dailyCap = "sms=0.005" },
			want: map[string]float64{sends + "held provider=twilio reason=daily_cap": 1, "ringup_held_total reason=daily_cap": 1, "ringup_daily_cap_reached cap=sms": 1}},
		"a daily cap that other workers reached": {setup: func(s *setup) { s.dailyCap = "sms=1 sms/till-1=0.05" },
			change: func(b *bench) { b.queue.spent = map[string]int64{"total": 50_000, "source:till-1": 50_000} },
			want:   map[string]float64{sends + "completed provider=twilio reason=": 1, cost: 0.01, "ringup_daily_cap_reached cap=sms/till-1": 1}},
		"a probe that failed": {change: func(b *bench) {
			b.queue.waiting[0].Probe, b.sender.ill = true, &failure.Error{Class: failure.Account, Reason: failure.ReasonBalance}
		}, want: map[string]float64{sends + "released provider=twilio reason=balance": 1}},
		"a lease lost": {change: func(b *bench) { b.queue.lose = true },
			want: map[string]float64{sends + "completed provider=twilio reason=": 1, cost: 0.01, "ringup_leases_lost_total": 1}},
		"a breaker opens": {change: func(b *bench) { b.queue.breakers = map[string]queue.BreakerState{"twilio": {State: queue.BreakerOpen}} },
			want: map[string]float64{sends + "completed provider=twilio reason=": 1, cost: 0.01, "ringup_breaker_open provider=twilio": 1}},
		"a provider recovers": {change: func(b *bench) {
			b.queue.breakers = map[string]queue.BreakerState{"twilio": {State: queue.BreakerRecovering}}
		},
			want: map[string]float64{sends + "completed provider=twilio reason=": 1, cost: 0.01}},
		"the claim's and the settlement's own": {change: func(b *bench) {
			b.queue.answers = func(s *queue.Settled, c *queue.Claim) {
				switch {
				case c == nil:
					s.Evicted = []*job.Job{{WebhookID: "old"}}
				case len(c.Jobs) > 0:
					c.Reaped, c.Throttled, c.Evicted = 3, true, []*job.Job{{WebhookID: "older"}, {WebhookID: "oldest"}}
				}
			}
		}, want: map[string]float64{sends + "completed provider=twilio reason=": 1, cost: 0.01, "ringup_leases_reaped_total": 3, "ringup_failed_evicted_total": 3,
			"ringup_rate_limited_total": 1}},
	} {
		for one := range tt.want {
			if outcome, is := strings.CutPrefix(one, sends); is {
				tested[strings.Fields(outcome)[0]] = true
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var change []func(*setup)
				if tt.setup != nil {
					change = append(change, tt.setup)
				}
				b := open(tt.render, 1, change...)
				if tt.change != nil {
					tt.change(b)
				}
				b.run(t, 5*time.Second) // time for round trips that only claim
				tt.want["ringup_claimed_total"] = 1
				if diff := cmp.Diff(tt.want, series(t, b.registry)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
	for _, o := range []queue.Outcome{queue.Done{}, queue.Retry{}, queue.Defer{}, queue.Hold{}, queue.Fail{}, queue.Drop{}, queue.Suppress{}, queue.Release{}} {
		if !tested[o.Name()] {
			t.Errorf("no row ends with %s", o.Name())
		}
	}
}
