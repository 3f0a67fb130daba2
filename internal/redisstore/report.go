package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

const (
	// reportBatch bounds how many reports one script applies.
	reportBatch = 100
	// reportPatience is how long a report waits for the settlement of the send that it speaks of: providers can be faster than workers.
	reportPatience = time.Minute
)

// rekeyEvery is how often entries that 0.1.0 wrote are put under names, for the first time this long after the start: by then an upgrade is over,
// during which workers of 0.1.0 look entries up by address.
const rekeyEvery = time.Hour

// queuedReport is a delivery report, or a preference, as it waits to be applied. Other releases read it, too.
type queuedReport struct {
	Received int64         `json:"r"` // Unix ms
	EventID  string        `json:"i"`
	Provider string        `json:"p"`
	At       int64         `json:"t,omitempty"` // Unix ms
	JobID    string        `json:"j,omitempty"`
	Message  string        `json:"m,omitempty"`
	State    report.State  `json:"s,omitempty"`
	Error    string        `json:"e,omitempty"`
	Remedy   report.Remedy `json:"a,omitempty"`

	Kind   suppress.Kind `json:"k,omitempty"`
	Person string        `json:"d,omitempty"` // names, with spaces between; an address, of 0.1.0
	Masked string        `json:"x,omitempty"` // the address
	Sender string        `json:"f,omitempty"`
	Also   []string      `json:"g,omitempty"`
	Why    suppress.Why  `json:"w,omitempty"`
}

// events are the names of the states in a job's log.
var events = map[report.State]string{report.Sent: "handed_on", report.Delivered: "delivered", report.Read: "read", report.Failed: "undelivered"}

// Deliveries stores delivery reports and preferences, and applies them. Ingest runs it; any number may run side by side.
type Deliveries struct {
	store              *Store
	woken              chan struct{}
	delivered, results *prometheus.CounterVec
	evicted            evictions
}

// Deliveries returns one whose metrics are registered with reg.
func (s *Store) Deliveries(reg prometheus.Registerer) *Deliveries {
	d := &Deliveries{
		store: s, woken: make(chan struct{}, 1), evicted: s.evictions(reg),
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_deliveries_total", Help: "Delivery reports, by state: sent (handed on), delivered, read, failed. Each report counts once.",
		}, []string{"channel", "provider", "state"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_reports_applied_total",
			Help: "Delivery reports and preferences, by result: applied, repeated, dropped (of an unknown message), again (the message is sent again), failed.",
		}, []string{"channel", "result"}),
	}
	reg.MustRegister(d.delivered, d.results)
	return d
}

// Accept stores the content of a callback until it is applied, which is soon. An update without reports and preferences stores nothing. Errors:
// queue.ErrUnavailable, and unknown channels. After an error a part may be stored; the provider's repetition is harmless.
func (d *Deliveries) Accept(ctx context.Context, update report.Update) error {
	now := time.Now()
	pipe := d.store.client.Pipeline()
	push := func(channel message.Channel, r queuedReport) error {
		k, known := d.store.keys[channel]
		if !known {
			return fmt.Errorf("there is no channel %q", channel)
		}
		r.Received = now.UnixMilli()
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		pipe.RPush(ctx, k.Reports, raw)
		return nil
	}
	for _, n := range update.Reports {
		r := queuedReport{EventID: message.ProviderID(n.EventID), Provider: n.Provider, At: millisOf(n.At, now), JobID: n.JobID, Message: message.ProviderID(n.MessageID), State: n.State, Remedy: n.Remedy()}
		if r.Remedy != "" {
			r.Error = errorText(n.Err)
		}
		if err := push(n.Channel, r); err != nil {
			return err
		}
	}
	for _, p := range update.Preferences {
		said, err := d.queued(ctx, &p, now)
		if err != nil {
			return err
		}
		for _, one := range said {
			if err := push(p.Channel, one); err != nil {
				return err
			}
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	_, err := exec(ctx, pipe)
	select {
	case d.woken <- struct{}{}:
	default:
	}
	return unavailable(err)
}

// queued returns a preference as it is queued, under the person's names, and under each other name that a provider may know them by: each has entries of its
// own, so the wish is an event of its own there. Errors: as of Accept.
func (d *Deliveries) queued(ctx context.Context, p *suppress.Preference, now time.Time) ([]queuedReport, error) {
	if _, known := d.store.keys[p.Channel]; !known {
		return nil, fmt.Errorf("there is no channel %q", p.Channel)
	}
	// An entry by address gets its name now, so that the names are all that it takes to apply the preference.
	if err := d.store.rekey(ctx, p.Channel, addressesOf(oldFields(p.Address))); err != nil {
		return nil, err
	}
	namer, err := d.store.namer(ctx)
	if err != nil {
		return nil, err
	}
	names := namer.names(p.Address)
	others, err := d.store.aliases(ctx, p.Channel, names)
	if err != nil {
		return nil, err
	}
	said := queuedReport{
		EventID: message.ProviderID(p.EventID), Provider: p.Provider, At: millisOf(p.At, now), Kind: p.Kind, Person: strings.Join(names, " "), Masked: p.Address.Key().String(),
		Sender: p.Sender, Also: p.Also, Why: p.Why,
	}
	all := []queuedReport{said}
	for i, other := range others {
		said.Person = other
		all = append(all, said)
		all[i+1].EventID = fmt.Sprintf("%s:alias%d", said.EventID, i)
	}
	return all, nil
}

func millisOf(at, otherwise time.Time) int64 {
	if at.IsZero() {
		at = otherwise
	}
	return at.UnixMilli()
}

// errorText is an error as the scripts can store it: short, and without characters that would end a JSON string.
func errorText(err error) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' {
			return ' '
		}
		return r
	}, err.Error())
	return strings.ToValidUTF8(text[:min(len(text), job.MaxError)], "")
}

// Run applies reports until ctx ends: once per second, and at once after Accept.
func (d *Deliveries) Run(ctx context.Context) {
	ticker, old := time.NewTicker(sweepEvery), time.NewTicker(rekeyEvery)
	defer ticker.Stop()
	defer old.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.woken:
		case <-ticker.C:
		case <-old.C:
			d.rekey(ctx)
			continue
		}
		each(func(channel message.Channel) {
			call, cancel := context.WithTimeout(ctx, flushTimeout)
			err := errors.Join(d.applyAll(call, channel), d.store.drainMoves(call, channel))
			cancel()
			switch {
			case err == nil || ctx.Err() != nil:
			case refused(err):
				// Redis is there; a foreign key of this channel is no reason to leave the others alone.
				d.store.log.Error("delivery reports not applied", "channel", channel, "error", err)
			default:
				d.store.log.Debug("delivery reports wait: Redis does not answer", "channel", channel, "error", err)
			}
		})
	}
}

// rekey puts the entries that 0.1.0 wrote under the names of their persons, on every channel.
func (d *Deliveries) rekey(ctx context.Context) {
	each(func(channel message.Channel) {
		call, cancel := context.WithTimeout(ctx, rekeyTimeout)
		if err := d.store.rekeyAll(call, channel); err != nil && ctx.Err() == nil {
			d.store.log.Warn("suppression list not rewritten", "channel", channel, "error", err)
		}
		cancel()
	})
}

// rekeyTimeout bounds a pass over a channel's list.
const rekeyTimeout = time.Minute
