package redisstore

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// sweepEvery is how often due jobs and ended leases are looked for where no worker does it.
const sweepEvery = time.Second

// uptime is how long Redis has answered without fail, as this program has seen it. The zero value has not seen it yet.
type uptime struct{ since time.Time }

// note records an answer, or with err that there was none.
func (u *uptime) note(err error, now time.Time) {
	switch {
	case err != nil:
		u.since = time.Time{}
	case u.since.IsZero():
		u.since = now
	}
}

// mayReap reports whether ended leases may be reaped.
func (u *uptime) mayReap(now time.Time) bool {
	return !u.since.IsZero() && now.Sub(u.since) >= queue.ReapGrace
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
	store           *Store
	reaped, expired *prometheus.CounterVec
	evicted         evictions
	seen            map[message.Channel]*uptime
}

// Sweeper returns a sweeper whose metrics are registered with reg.
func (s *Store) Sweeper(reg prometheus.Registerer) *Sweeper {
	counter := func(name, help string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"channel"})
		reg.MustRegister(v)
		for _, c := range message.Queues {
			v.WithLabelValues(string(c)) // 0 from the start
		}
		return v
	}
	seen := map[message.Channel]*uptime{}
	for _, c := range message.Queues {
		seen[c] = &uptime{}
	}
	return &Sweeper{
		store: s, seen: seen, reaped: counter("ringup_leases_reaped_total", "Jobs that this program took back from workers that died or stalled."),
		evicted: s.evictions(reg),
		expired: counter("ringup_retention_deleted_total", "Ended jobs and records that this program deleted because they were older than RETENTION."),
	}
}

// Run sweeps once per second until ctx ends.
func (w *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
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
		w.sweepAll(ctx, restore)
	}
}

// sweepAll sweeps every channel, and with restore puts back jobs that an older program set aside. Each channel is on its own: in a cluster, the shard of
// another may be down.
func (w *Sweeper) sweepAll(ctx context.Context, restore bool) {
	each(func(channel message.Channel) {
		seen := w.seen[channel]
		err := w.sweep(ctx, channel, seen.mayReap(time.Now()))
		if refused(err) {
			// Redis is there, and the key is another program's.
			w.store.log.Error("sweep failed", "channel", channel, "error", err)
			return
		}
		if err != nil && !seen.since.IsZero() && ctx.Err() == nil {
			w.store.log.Warn("sweep failed: trying again each second", "channel", channel, "error", err)
		}
		seen.note(err, time.Now())
		if err == nil && restore {
			w.restore(ctx, channel)
		}
	})
}

// restore puts a channel's jobs back that an older program set aside. When that fails, sweeps and leases go on as before.
func (w *Sweeper) restore(ctx context.Context, channel message.Channel) {
	call, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := w.store.restoreAll(call, channel); err != nil && ctx.Err() == nil {
		w.store.log.Warn("restore failed", "channel", channel, "error", err)
	}
}

// sweep sweeps one channel.
func (w *Sweeper) sweep(ctx context.Context, channel message.Channel, reap bool) error {
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
	if swept.Reaped > 0 {
		s.log.Warn("leases of dead or stalled workers ended; their jobs wait again",
			"channel", channel, "jobs", swept.Reaped, "set_aside", swept.SetAside)
	}
	w.evicted.note(channel, swept.Evicted)
	return nil
}

// retain deletes jobs and records that are older than RETENTION.
func (w *Sweeper) retain(ctx context.Context) {
	if w.store.config.Retention == 0 {
		return
	}
	call, cancel := context.WithTimeout(ctx, retainEvery/4)
	if _, err := w.store.aside(call, "", nil, nil); err != nil && ctx.Err() == nil {
		w.store.log.Warn("retention failed", "of", "webhooks set aside", "error", err)
	}
	cancel()
	each(func(channel message.Channel) {
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
	})
}
