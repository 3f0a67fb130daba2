package admin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// HistoryRange is how far back a history goes, and how much time each of its points has: some 300 points at most.
type HistoryRange struct {
	Name       string
	Back, Step time.Duration
}

// HistoryRanges are those that can be asked for.
var HistoryRanges = []HistoryRange{
	{"1h", time.Hour, time.Minute}, {"6h", 6 * time.Hour, 2 * time.Minute}, {"24h", 24 * time.Hour, 5 * time.Minute}, {"48h", queue.MinutesKept, 10 * time.Minute},
}

// auditAge is how old the operators' marks may be: any number of open pages read the audit log that often.
const auditAge = 10 * time.Second

// HistoryRequest says which part of the history is meant.
type HistoryRequest struct {
	Range   HistoryRange
	Channel message.Channel // "" for all
}

// ParseHistoryRequest reads a request. Empty texts stand for six hours, and for all channels.
func ParseHistoryRequest(rang, channel string) (r HistoryRequest, err error) {
	rang = cmp.Or(rang, "6h")
	at := slices.IndexFunc(HistoryRanges, func(one HistoryRange) bool { return one.Name == rang })
	if at < 0 {
		return r, refuse("range is %q: ask for 1h, 6h, 24h or 48h", rang)
	}
	r.Range = HistoryRanges[at]
	if channel != "" {
		if r.Channel, err = message.ParseChannel(channel); err != nil {
			return r, refuse("%v", err)
		}
	}
	return r, nil
}

// History is what happened on the channels of late.
type History struct {
	Range    string           `json:"range"`
	From     time.Time        `json:"from"`
	To       time.Time        `json:"to"`
	Step     int              `json:"step_seconds"` // the time that a point has
	Currency string           `json:"currency"`
	Bounds   []float64        `json:"delay_bounds"` // of HistoryPoint.Delays, in seconds
	Channels []ChannelHistory `json:"channels"`
	Marks    []HistoryMark    `json:"marks"` // the oldest first
	// Unavailable are the channels whose history cannot be read now.
	Unavailable []message.Channel `json:"unavailable,omitempty"`
}

// ChannelHistory is the history of a channel.
type ChannelHistory struct {
	Channel message.Channel `json:"channel"`
	// Points are one behind the other, each Step after the one before, the oldest first: from the first one of which there are counts up to To.
	Points []HistoryPoint `json:"points"`
	Sum    HistoryPoint   `json:"sum"` // of all points; Waiting and Oldest are the most
}

// HistoryPoint is what happened within the time of a point.
type HistoryPoint struct {
	At          time.Time `json:"at"` // when it began
	Accepted    int64     `json:"accepted"`
	Sent        int64     `json:"sent"`
	Failed      int64     `json:"failed"`
	Retried     int64     `json:"retried"`
	Dropped     int64     `json:"dropped"`
	Evicted     int64     `json:"evicted"`
	Delivered   int64     `json:"delivered"`
	Undelivered int64     `json:"undelivered"`
	Delays      []int64   `json:"delays"`    // of the sent ones, by the time from accepted to sent
	Cost        string    `json:"cost"`      // in Currency
	Waiting     int64     `json:"waiting"`   // the most
	OldestMS    int64     `json:"oldest_ms"` // the longest that one had waited
	Micros      int64     `json:"-"`
}

// HistoryMark is a moment at which something changed that explains a graph.
type HistoryMark struct {
	Channel message.Channel `json:"channel"`
	queue.Mark
}

// History returns what happened on the channels in the time up to now, from the same reading as the verdict.
func (a *Admin) History(ctx context.Context, r HistoryRequest) *History {
	_, state := a.look(ctx)
	end := state.Now.Truncate(r.Range.Step).Add(r.Range.Step)
	h := &History{Range: r.Range.Name, From: end.Add(-r.Range.Back), To: end, Step: int(r.Range.Step.Seconds()), Currency: a.Currency, Channels: []ChannelHistory{}, Marks: []HistoryMark{}}
	for _, bound := range queue.DelayBounds {
		h.Bounds = append(h.Bounds, bound.Seconds())
	}
	byHand := a.byHand(ctx, state.Now)
	for i := range state.Channels {
		c := &state.Channels[i]
		if r.Channel != "" && c.Name != r.Channel {
			continue
		}
		if c.State == nil {
			h.Unavailable = append(h.Unavailable, c.Name)
			continue
		}
		one := ChannelHistory{Channel: c.Name}
		one.Points, one.Sum = aggregate(c.Minutes, h.From, h.To, r.Range.Step)
		h.Channels = append(h.Channels, one)
		for _, m := range c.Marks {
			h.Marks = append(h.Marks, HistoryMark{c.Name, m})
		}
		for _, m := range byHand {
			if m.Channel == c.Name {
				h.Marks = append(h.Marks, m)
			}
		}
	}
	h.Marks = slices.DeleteFunc(h.Marks, func(m HistoryMark) bool { return m.At.Before(h.From) || !m.At.Before(h.To) })
	slices.SortStableFunc(h.Marks, func(a, b HistoryMark) int { return a.At.Compare(b.At) })
	return h
}

// aggregate sums up minutes, in any order, in steps from a time, which is a multiple of the step, up to another. The points begin with the first minute that there is,
// be it before from: nothing is known of the time before it, and afterwards what is not counted did not happen.
func aggregate(minutes []queue.Minute, from, to time.Time, step time.Duration) ([]HistoryPoint, HistoryPoint) {
	first := to
	for i := range minutes {
		if at := minutes[i].At.Truncate(step); at.Before(first) {
			first = at
		}
	}
	if first.Before(from) {
		first = from
	}
	var sum queue.Minute
	sums := make([]queue.Minute, max(0, to.Sub(first)/step))
	for i := range minutes {
		if m := &minutes[i]; !m.At.Before(first) && m.At.Before(to) {
			sums[m.At.Sub(first)/step].Add(m)
			sum.Add(m)
		}
	}
	points := make([]HistoryPoint, len(sums))
	for i := range sums {
		sums[i].At = first.Add(time.Duration(i) * step)
		points[i] = historyPoint(&sums[i])
	}
	sum.At = first
	return points, historyPoint(&sum)
}

func historyPoint(m *queue.Minute) HistoryPoint {
	return HistoryPoint{At: m.At, Accepted: m.Accepted, Sent: m.Sent, Failed: m.Failed, Retried: m.Retried, Dropped: m.Dropped, Evicted: m.Evicted, Delivered: m.Delivered,
		Undelivered: m.Undelivered, Delays: m.Delays[:], Cost: pricing.Micros(m.Micros).String(), Waiting: m.Waiting, OldestMS: m.Oldest.Milliseconds(), Micros: m.Micros}
}

// markedActions are the actions of operators that explain a graph.
var markedActions = map[string]queue.MarkKind{
	ActionPause: queue.MarkPaused, ActionResume: queue.MarkResumed, ActionOpenBreaker: queue.MarkOpened, ActionCloseBreaker: queue.MarkClosed,
}

// byHand returns the marks that operators made. Where the audit log of a channel cannot be read, they are missing.
func (a *Admin) byHand(ctx context.Context, now time.Time) []HistoryMark {
	h := &a.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Sub(h.audited).Abs() < auditAge {
		return h.byHand
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), channelTimeout) // it is for all open pages
	defer cancel()
	entries, err := a.Queues.Audit(ctx, auditRead)
	if err != nil {
		a.Log.Warn("audit log not read", "error", err)
	}
	h.audited, h.byHand = now, nil
	for _, e := range entries {
		if kind := markedActions[e.Action]; kind != "" && now.Sub(e.At) < queue.MinutesKept+time.Hour {
			h.byHand = append(h.byHand, HistoryMark{e.Channel, queue.Mark{At: e.At, Kind: kind, What: cmp.Or(e.Target, e.Why), By: e.By}})
		}
	}
	return h.byHand
}
