package redisstore

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// sweepEvery is how often due jobs and ended leases are looked for where no worker does it.
	sweepEvery = time.Second
	// reapGrace is how long Redis has to have answered before leases are reaped: when it was away, leases ended that their
	// holders can still renew or settle, and do at once.
	reapGrace = 2 * time.Second
)

// Uptime is how long Redis has answered without fail, as this program has seen it. The zero value has not seen it yet.
type Uptime struct{ since time.Time }

// Note records an answer, or with err that there was none.
func (u *Uptime) Note(err error, now time.Time) {
	switch {
	case err != nil:
		u.since = time.Time{}
	case u.since.IsZero():
		u.since = now
	}
}

// MayReap reports whether ended leases may be reaped.
func (u *Uptime) MayReap(now time.Time) bool {
	return !u.since.IsZero() && now.Sub(u.since) >= reapGrace
}

// Sweep moves a channel's due jobs, and with reap its ended leases, back to the lists. It claims nothing. Errors: queue.ErrUnavailable.
func (s *Store) Sweep(ctx context.Context, channel message.Channel, reap bool) (*queue.Claim, error) {
	c := s.Consumer(channel, ConsumerConfig{Lease: time.Second}, nil)
	_, claim, err := c.Exchange(ctx, nil, nil, &queue.ClaimRequest{Reap: reap})
	return claim, err
}

// Sweeper moves due jobs and ended leases of all channels back to the lists. Ingest runs it, since it always runs: workers may be
// scaled to zero, and jobs that become due then have to be in the lists for KEDA to see. Any number may run side by side.
type Sweeper struct {
	store                    *Store
	reaped, evicted, expired *prometheus.CounterVec
}

// Sweeper returns a sweeper whose metrics are registered with reg.
func (s *Store) Sweeper(reg prometheus.Registerer) *Sweeper {
	counter := func(name, help string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"channel"})
		reg.MustRegister(v)
		for _, c := range message.Channels {
			v.WithLabelValues(string(c)) // 0 from the start
		}
		return v
	}
	return &Sweeper{
		store: s, reaped: counter("ringup_leases_reaped_total", "Jobs that this program took back from workers that died or stalled."),
		evicted: counter("ringup_failed_evicted_total", "Failed jobs that fell off the end of the failed set (KEEP_FAILED)."),
		expired: counter("ringup_retention_deleted_total", "Ended jobs and records that this program deleted because they were older than RETENTION."),
	}
}

// Run sweeps once per second until ctx ends.
func (w *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var uptime Uptime
	var retained, restored time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if time.Since(retained) >= retainEvery {
			retained = time.Now()
			w.retain(ctx)
		}
		restore := time.Since(restored) >= restoreEvery
		if restore {
			restored = time.Now()
		}
		for _, channel := range message.Channels {
			err := w.sweep(ctx, channel, uptime.MayReap(time.Now()), restore)
			if refused(err) {
				// Redis is there; a foreign key of this channel is no reason to leave the others alone.
				w.store.log.Error("sweep failed", "channel", channel, "error", err)
				continue
			}
			uptime.Note(err, time.Now())
			if err != nil {
				break
			}
		}
	}
}

// sweep sweeps one channel.
func (w *Sweeper) sweep(ctx context.Context, channel message.Channel, reap, restore bool) error {
	s := w.store
	call, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	back, err := s.followClock(call, channel)
	if back > 0 {
		s.log.Warn("Redis's clock has gone back: leases, retries and breakers were moved with it", "channel", channel, "by", back)
		s.looked[channel].Store(0)
	}
	if err != nil {
		return err
	}
	swept, err := s.Sweep(call, channel, reap)
	if err != nil {
		return err
	}
	w.reaped.WithLabelValues(string(channel)).Add(float64(swept.Reaped))
	w.evicted.WithLabelValues(string(channel)).Add(float64(len(swept.Evicted)))
	if swept.Reaped > 0 {
		s.log.Warn("leases of dead or stalled workers ended; their jobs wait again",
			"channel", channel, "jobs", swept.Reaped, "set_aside", swept.SetAside)
	}
	LogEvicted(s.log, channel, swept.Evicted)
	if restore {
		return s.restoreAll(call, channel)
	}
	return nil
}

// retain deletes jobs and records that are older than RETENTION.
func (w *Sweeper) retain(ctx context.Context) {
	if w.store.config.Retention == 0 {
		return
	}
	for _, channel := range message.Channels {
		call, cancel := context.WithTimeout(ctx, retainEvery/4)
		n, err := w.store.retainAll(call, channel)
		cancel()
		w.expired.WithLabelValues(string(channel)).Add(float64(n))
		if n > 0 {
			w.store.log.Info("retention: old jobs and records deleted", "channel", channel, "deleted", n)
		}
		if err != nil && ctx.Err() == nil {
			w.store.log.Warn("retention failed", "channel", channel, "error", err)
		}
	}
}
