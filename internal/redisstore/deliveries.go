package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/failure"
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
	// movedIndex is added to the index of a job that comes from another channel, so that it is none of those that the webhook had there.
	movedIndex = 10_000
)

// queuedReport is what a provider said, as it waits to be applied: of a message, or of a person.
type queuedReport struct {
	Received int64        `json:"r"` // Unix ms
	EventID  string       `json:"i"`
	Provider string       `json:"p"`
	At       int64        `json:"t,omitempty"` // Unix ms
	JobID    string       `json:"j,omitempty"`
	Message  string       `json:"m,omitempty"`
	State    report.State `json:"s,omitempty"`
	Error    string       `json:"e,omitempty"`
	Action   string       `json:"a,omitempty"` // of the report script: again, fail, move

	Kind    suppress.Kind `json:"k,omitempty"`
	Address string        `json:"d,omitempty"`
	Sender  string        `json:"f,omitempty"`
	Why     suppress.Why  `json:"w,omitempty"`
}

// events are what a job's log calls the states.
var events = map[report.State]string{report.Sent: "handed_on", report.Delivered: "delivered", report.Read: "read", report.Failed: "undelivered"}

// Deliveries takes what providers say after the send, and applies it. Ingest runs it; any number may run side by side.
type Deliveries struct {
	store              *Store
	woken              chan struct{}
	delivered, results *prometheus.CounterVec
}

// Deliveries returns one whose metrics are registered with reg.
func (s *Store) Deliveries(reg prometheus.Registerer) *Deliveries {
	d := &Deliveries{
		store: s, woken: make(chan struct{}, 1),
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_deliveries_total", Help: "What providers reported of messages after the send: sent (handed on), delivered, read, failed. Each report counts once.",
		}, []string{"channel", "provider", "state"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_reports_applied_total",
			Help: "Reports of providers, by what became of them: applied, repeated, dropped (nothing is known of what they speak of), again (the message is sent again), failed.",
		}, []string{"channel", "result"}),
	}
	reg.MustRegister(d.delivered, d.results)
	return d
}

// Take keeps what a callback said until it is applied, which is soon. Errors: queue.ErrUnavailable.
func (d *Deliveries) Take(ctx context.Context, news report.Update) error {
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
	for _, n := range news.Reports {
		r := queuedReport{EventID: n.EventID, Provider: n.Provider, At: millisOf(n.At, now), JobID: n.JobID, Message: n.MessageID, State: n.State}
		if n.State == report.Failed && n.Err != nil {
			r.Error = errorText(n.Err)
			switch {
			case n.Err.Class != failure.Permanent:
				r.Action = "again"
			case n.Err.Reason == failure.ReasonOptedOut:
				r.Action = "fail" // who does not want to be written to is not written to elsewhere
			default:
				r.Action = "move"
			}
		}
		if err := push(n.Channel, r); err != nil {
			return err
		}
	}
	for _, p := range news.Preferences {
		err := push(p.Channel, queuedReport{
			EventID: p.EventID, Provider: p.Provider, At: millisOf(p.At, now), Kind: p.Kind, Address: foldAddress(p.Address), Sender: p.Sender, Why: p.Why,
		})
		if err != nil {
			return err
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	_, err := pipe.Exec(ctx)
	select {
	case d.woken <- struct{}{}:
	default:
	}
	return unavailable(err)
}

func millisOf(at, otherwise time.Time) int64 {
	if at.IsZero() {
		at = otherwise
	}
	return at.UnixMilli()
}

// errorText is an error as the scripts can keep it: short, and without what would end a JSON string.
func errorText(err error) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' {
			return ' '
		}
		return r
	}, err.Error())
	return strings.ToValidUTF8(text[:min(len(text), job.MaxError)], "")
}

// Run applies reports, and moves jobs from channel to channel, until ctx ends.
func (d *Deliveries) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.woken:
		case <-ticker.C:
		}
		for _, channel := range message.Channels {
			call, cancel := context.WithTimeout(ctx, flushTimeout)
			err := errors.Join(d.applyAll(call, channel), d.move(call, channel))
			cancel()
			if err != nil && ctx.Err() == nil {
				d.store.log.Debug("delivery reports wait: Redis does not answer", "error", err)
				break
			}
		}
	}
}

// applyAll applies the reports that are there now; those that speak of something unknown stay, for a while.
func (d *Deliveries) applyAll(ctx context.Context, channel message.Channel) error {
	k := d.store.keys[channel]
	n, err := d.store.client.LLen(ctx, k.Reports).Result()
	for ; err == nil && n > 0; n -= reportBatch {
		err = d.apply(ctx, channel, min(n, reportBatch))
	}
	return unavailable(err)
}

// where is a job's log.
type where struct{ key, field string }

// apply applies the first n reports.
func (d *Deliveries) apply(ctx context.Context, channel message.Channel, n int64) error {
	k := d.store.keys[channel]
	raws, err := d.store.client.LRange(ctx, k.Reports, 0, n-1).Result()
	if err != nil || len(raws) == 0 {
		return err
	}
	reports := make([]queuedReport, len(raws))
	for i, raw := range raws {
		_ = json.Unmarshal([]byte(raw), &reports[i]) // what cannot be read is dropped below
	}
	places, err := d.locate(ctx, channel, reports)
	if err != nil {
		return err
	}
	args := []any{k.Base, d.store.config.StatusTTL.Milliseconds(), d.store.config.KeepFailed}
	for i := range reports {
		r, verdict, entry := &reports[i], "apply", ""
		early := time.Since(time.UnixMilli(r.Received)) < reportPatience
		switch unknown := r.Kind == "" && places[i].key == ""; {
		case unknown && early:
			verdict = "later"
		case unknown:
			verdict = "drop"
		case r.Action != "" && early:
			verdict = "await"
		}
		if r.Kind == suppress.OptOut {
			if entry, err = suppressionEntry(&suppress.Entry{Why: r.Why, By: r.Provider, Sender: r.Sender, At: time.UnixMilli(r.At)}); err != nil {
				return err
			}
		}
		sum := sha256.Sum256([]byte(r.Provider + " " + r.EventID))
		id := base64.RawURLEncoding.EncodeToString(sum[:12])
		line, err := json.Marshal(logEntry{At: r.At, State: events[r.State], Provider: r.Provider, MessageID: r.Message, Error: r.Error, EventID: id})
		if err != nil {
			return err
		}
		args = append(args, raws[i], verdict, places[i].key, places[i].field, `"i":"`+id+`"`, string(line)+"\n", r.Action, r.Error, r.Address, entry, r.Message)
	}
	answers, err := d.store.run(ctx, []call{{&d.store.report, append(append([]string{}, k.Queue[:]...), k.Retry, k.Failed, k.Reports, k.Wake), args}})
	if err != nil {
		return err
	}
	results, _ := answers[0].Slice()
	for i := range reports {
		if i >= len(results) {
			break
		}
		switch result := text(results[i]); result {
		case "gone", "later":
		default:
			d.results.WithLabelValues(string(channel), result).Inc()
			if result != "repeated" && result != "dropped" && reports[i].State != "" {
				d.delivered.WithLabelValues(string(channel), reports[i].Provider, string(reports[i].State)).Inc()
			}
		}
	}
	if len(results) > len(reports) {
		c := Consumer{channel: channel}
		LogEvicted(d.store.log, channel, c.decodeAll(results[len(reports)]))
	}
	return nil
}

// locate finds the logs of the jobs that reports speak of: by the job's id, or by what the provider called the message.
func (d *Deliveries) locate(ctx context.Context, channel message.Channel, reports []queuedReport) ([]where, error) {
	s, k := d.store, d.store.keys[channel]
	pipe := s.client.Pipeline()
	names := make([]*redis.StringCmd, len(reports))
	records := make([][]*redis.StringCmd, len(reports))
	jobs := make([]job.Job, len(reports))
	for i := range reports {
		webhookID, of, index, err := job.ParseID(reports[i].JobID)
		switch {
		case err == nil && of == channel:
			jobs[i] = job.Job{WebhookID: webhookID, Index: index}
			records[i] = s.records(ctx, pipe, s.recordKeys(channel), webhookID)
		case reports[i].JobID == "" && reports[i].Message != "":
			names[i] = pipe.Get(ctx, k.message(reports[i].Message))
		}
	}
	out := make([]where, len(reports))
	if pipe.Len() == 0 {
		return out, nil
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	for i := range reports {
		for _, record := range records[i] {
			if text := record.Val(); len(text) >= recordHeader {
				out[i].key, out[i].field = k.log(jobs[i].WebhookID, jobs[i].Index, millis(text[:6]))
				break
			}
		}
		if names[i] == nil {
			continue
		}
		if name, accepted, ok := cutLastSpace(names[i].Val()); ok {
			ms, _ := strconv.ParseInt(accepted, 10, 64)
			out[i] = where{k.logOf(time.UnixMilli(ms)), name}
		}
	}
	return out, nil
}

func cutLastSpace(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// move hands jobs that could not be delivered on this channel to the one that takes over (FALLBACK_CHANNEL).
func (d *Deliveries) move(ctx context.Context, channel message.Channel) error {
	s, k := d.store, d.store.keys[channel]
	raws, err := s.client.LRange(ctx, k.Moves, 0, reportBatch-1).Result()
	if err != nil {
		return unavailable(err)
	}
	for _, raw := range raws {
		event := ""
		to, configured := s.config.fallback(channel)
		j, err := job.Decode(channel, []byte(raw))
		if err == nil && configured && time.Since(j.AcceptedAt) < s.config.FallbackWithin && j.Index < movedIndex {
			moved := *j
			moved.Channel, moved.Index = to, j.Index+movedIndex
			moved.Attempts, moved.Crashes, moved.Uncertain, moved.Returns, moved.LastError, moved.Alternate, moved.SharedBody = 0, 0, false, 0, "", false, false
			bytes, err := moved.AppendBinary(nil)
			if err != nil {
				return err
			}
			there := s.keys[to]
			_, err = s.run(ctx, []call{{&s.arrive, []string{there.Queue[j.Priority-1], there.Wake, there.Base + ":moved:" + logName(&moved)},
				[]any{bytes, s.config.StatusTTL.Milliseconds()}}})
			if err != nil {
				return err
			}
			line, err := json.Marshal(logEntry{At: time.Now().UnixMilli(), State: "moved", Error: moved.ID()})
			if err != nil {
				return err
			}
			event = string(line) + "\n"
			s.log.Info("not delivered: another channel tries", "job", j.ID(), "moved", moved.ID())
		}
		if _, err := s.run(ctx, []call{{&s.depart, []string{k.Moves}, []any{k.Base, s.config.StatusTTL.Milliseconds(), raw, event}}}); err != nil {
			return err
		}
	}
	return nil
}
