package admin

import (
	"context"
	"slices"
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/verdict"
)

// Health is what a verdict needs beside the channels' states.
type Health interface {
	// Minutes returns what happened on a channel, minute by minute, the oldest first.
	Minutes(ctx context.Context, channel message.Channel, from, to time.Time) ([]queue.Minute, error)
	// Marks returns when breakers opened and closed by themselves, the oldest first.
	Marks(ctx context.Context, channel message.Channel) ([]queue.Mark, error)
	// Memory returns what the store uses, and its limit; 0 for none, and where it does not say.
	Memory(ctx context.Context) (used, limit int64, err error)
}

const (
	// verdictAge is how old a verdict may be that is shown: any number of open pages cost one.
	verdictAge = 2 * time.Second
	// failuresAsked is how many of the latest failed jobs are asked for why they failed.
	failuresAsked = 20
	// settledAfter is how old minutes are that do not change any more, whatever the clocks of Redis and of this program say.
	settledAfter = 20 * time.Minute
)

// health is the latest verdict, what it is about, and the operators' part of the history.
type health struct {
	mu      sync.Mutex
	verdict verdict.Verdict
	state   verdict.State
	minutes map[message.Channel]recent
	byHand  []HistoryMark
	audited time.Time // when byHand was read
}

// recent are the minutes of a channel that do not change any more.
type recent struct {
	minutes []queue.Minute
	upTo    time.Time // before which they began
	whole   time.Time // when all of them were read
}

// Verdict says how ringup is. It has no error: where nothing can be asked, that is the verdict.
func (a *Admin) Verdict(ctx context.Context) verdict.Verdict {
	v, _ := a.look(ctx)
	return v
}

// look returns the verdict, and what it is about, of which nothing may be changed. All open pages share one reading, which does not end with the page that asked first.
func (a *Admin) look(ctx context.Context) (verdict.Verdict, *verdict.State) {
	h := &a.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.verdict.At).Abs() > verdictAge {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*channelTimeout)
		defer cancel()
		h.state = a.state(ctx, now)
		h.verdict = verdict.Of(h.state)
		h.verdict.At = now.UTC() // the state is by the clock of the store
	}
	state := h.state
	return h.verdict, &state
}

// state asks for all that a verdict is about. What does not answer is left out; for a channel that is a verdict of its own.
func (a *Admin) state(ctx context.Context, now time.Time) verdict.State {
	s := verdict.State{Now: now.UTC(), KeepFailed: a.KeepFailed, Channels: make([]verdict.Channel, len(message.Channels), len(message.Queues))}
	channels, err := a.Channels(ctx)
	if err != nil {
		a.Log.Warn("channels not read", "error", err)
	}
	for i, name := range message.Channels {
		s.Channels[i].Name = name
	}
	if used := slices.ContainsFunc(channels, func(c Channel) bool { return c.Name == message.Resolve }); used {
		s.Channels = append(s.Channels, verdict.Channel{Name: message.Resolve})
	}
	for i := range s.Channels {
		name := s.Channels[i].Name
		if at := slices.IndexFunc(channels, func(c Channel) bool { return c.Name == name }); at >= 0 && channels[at].Halted.Kind != queue.HaltedUnknown {
			a.describe(ctx, now, &s.Channels[i], channels[at].ChannelState)
			if redis := channels[at].Now; !redis.IsZero() && i == 0 {
				s.Now = redis.UTC() // which the minutes go by, too
			}
		}
	}
	if err != nil {
		return s
	}
	var errs [3]error
	s.Senders, errs[0] = a.Queues.Senders(ctx)
	aside, asideErr := a.Queues.Aside(ctx)
	s.Aside, errs[1] = len(aside), asideErr
	s.Memory, s.MemoryLimit, errs[2] = a.Queues.Memory(ctx)
	for _, err := range errs {
		if err != nil {
			a.Log.Warn("a part of the verdict is missing", "error", err)
		}
	}
	return s
}

// describe fills in a channel that answers.
func (a *Admin) describe(ctx context.Context, now time.Time, c *verdict.Channel, state *queue.ChannelState) {
	c.State = state
	var err error
	if c.Minutes, err = a.recentMinutes(ctx, c.Name, now); err == nil {
		c.Marks, err = a.Queues.Marks(ctx, c.Name)
	}
	if err == nil && state.Failed > 0 {
		c.Why, err = a.whyFailed(ctx, c.Name)
	}
	if err != nil {
		a.Log.Warn("a part of the verdict is missing", "channel", c.Name, "error", err)
		c.State = nil
	}
}

// recentMinutes returns the minutes of two days. Those that are over are asked for once an hour, in case Redis's clock went back and something was counted in them.
func (a *Admin) recentMinutes(ctx context.Context, channel message.Channel, now time.Time) ([]queue.Minute, error) {
	h := &a.health
	if h.minutes == nil {
		h.minutes = map[message.Channel]recent{}
	}
	begin, settled := now.Add(-queue.MinutesKept), now.Add(-settledAfter).Truncate(time.Minute)
	known := h.minutes[channel]
	if known.upTo.Before(begin) || known.upTo.After(settled) || now.Sub(known.whole).Abs() > time.Hour { // a clock that jumped, too
		known = recent{upTo: begin.Truncate(time.Minute), whole: now}
	}
	fresh, err := a.Queues.Minutes(ctx, channel, known.upTo, now.Add(settledAfter))
	if err != nil {
		return nil, err
	}
	all := slices.Concat(known.minutes, fresh)
	all = slices.DeleteFunc(all, func(m queue.Minute) bool { return m.At.Before(begin.Truncate(time.Minute)) })
	last := len(all)
	for last > 0 && !all[last-1].At.Before(settled) {
		last--
	}
	h.minutes[channel] = recent{all[:last:last], settled, known.whole}
	return all, nil
}

// whyFailed returns the error that most of the latest failed jobs have.
func (a *Admin) whyFailed(ctx context.Context, channel message.Channel) (string, error) {
	jobs, err := a.Queues.List(ctx, channel, queue.Failed, 0, 0, failuresAsked)
	if err != nil {
		return "", err
	}
	count := map[string]int{}
	why := ""
	for _, one := range jobs {
		text := "it cannot be read"
		if one.Job != nil {
			text = one.Job.LastError
		}
		if count[text]++; count[text] > count[why] {
			why = text
		}
	}
	return why, nil
}
