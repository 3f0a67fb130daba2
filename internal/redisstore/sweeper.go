package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// sweepEvery is how often due retries and ended leases are looked for where no worker does it.
	sweepEvery = time.Second
	// reapGrace is how long Redis has to have answered before leases are taken back: when it was away, leases ended that their
	// holders can still renew or settle, and do at once.
	reapGrace = 2 * time.Second
)

// Contact tells for how long Redis has answered without fail.
type Contact struct{ since time.Time }

// Note records an answer, or that there was none.
func (c *Contact) Note(err error, now time.Time) {
	switch {
	case err != nil:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = now
	}
}

// MayReap reports whether leases may be taken back.
func (c *Contact) MayReap(now time.Time) bool {
	return !c.since.IsZero() && now.Sub(c.since) >= reapGrace
}

// Sweep moves a channel's due retries, and with reap its ended leases, back to the lists. It claims nothing.
func (s *Store) Sweep(ctx context.Context, channel message.Channel, reap bool) (*queue.Claim, error) {
	c := s.Consumer(channel, ConsumerConfig{Lease: time.Second}, nil)
	_, claim, err := c.Exchange(ctx, nil, nil, &queue.ClaimRequest{Reap: reap})
	return claim, err
}

// Sweeper moves due retries and ended leases of all channels back to the lists. Ingest runs it, since it always runs: workers may be
// scaled to zero, and what becomes due then has to be in the lists for KEDA to see. Any number may run side by side.
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

// Run sweeps once a second until ctx ends.
func (w *Sweeper) Run(ctx context.Context) {
	s := w.store
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var contact Contact
	var retained time.Time
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
		for _, channel := range message.Channels {
			call, cancel := context.WithTimeout(ctx, flushTimeout)
			back, err := s.followClock(call, channel)
			var swept *queue.Claim
			if err == nil {
				swept, err = s.Sweep(call, channel, contact.MayReap(time.Now()))
			}
			cancel()
			if back > 0 {
				s.log.Warn("Redis's clock has gone back: leases, retries and breakers were moved with it", "channel", channel, "by", back)
			}
			if refused(err) {
				// Redis is there; what is wrong with this channel's keys is no reason to leave the others alone.
				s.log.Error("a channel's due retries and ended leases cannot be looked for", "channel", channel, "error", err)
				continue
			}
			contact.Note(err, time.Now())
			if err != nil {
				break
			}
			w.reaped.WithLabelValues(string(channel)).Add(float64(swept.Reaped))
			w.evicted.WithLabelValues(string(channel)).Add(float64(len(swept.Evicted)))
			if swept.Reaped > 0 {
				s.log.Warn("leases of dead or stalled workers ended; their jobs wait again",
					"channel", channel, "jobs", swept.Reaped, "set_aside", swept.SetAside)
			}
			LogEvicted(s.log, channel, swept.Evicted)
		}
	}
}

// retain deletes what is older than RETENTION.
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
			w.store.log.Info("deleted what was older than RETENTION", "channel", channel, "deleted", n)
		}
		if err != nil && ctx.Err() == nil {
			w.store.log.Warn("what is older than RETENTION was not deleted", "channel", channel, "error", err)
		}
	}
}

// refused says that Redis answered, and that a key of the channel is of another type than ringup's: somebody else's.
func refused(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }
