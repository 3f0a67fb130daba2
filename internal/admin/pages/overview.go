package pages

import (
	"net/http"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/verdict"
)

// channelView is a channel on the overview.
type channelView struct {
	admin.Channel
	Graph      *graph // of the last hour; nil without counts
	Priorities []priorityView
	Providers  []providerView
	Limit      float64 // messages per second; 0 for none
	Paused     bool
	Verdict    *verdict.ChannelLine // nil for a channel that the verdict leaves out
}

type priorityView struct {
	Number  int
	Event   string
	Waiting int64
	Oldest  string // "" when nothing waits
}

// breakerClosed is the state of a breaker that the queue leaves out.
const breakerClosed = "closed"

type providerView struct {
	Name, State, Reason string
	Closed              bool // messages go out through it
}

func (p *pages) overview(w http.ResponseWriter, r *http.Request) {
	channels, err := p.Channels(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	view := overview{Verdict: p.Verdict(r.Context())}
	history := p.History(r.Context(), admin.HistoryRequest{Range: admin.HistoryRanges[0]})
	for _, c := range channels {
		one := viewChannel(c)
		for i := range history.Channels {
			if of := &history.Channels[i]; of.Channel == c.Name && len(of.Points) > 0 {
				one.Graph = &partOf(history, of, false).Graphs[0]
				one.Graph.Small = true
			}
		}
		for i := range view.Verdict.Channels {
			if view.Verdict.Channels[i].Channel == c.Name {
				one.Verdict = &view.Verdict.Channels[i]
			}
		}
		view.Channels = append(view.Channels, one)
	}
	p.show(w, r, http.StatusOK, "queues", page{Title: "Queues", Section: "queues", Live: true, Trouble: view.trouble(), Data: view})
}

// overview is the first page: how ringup is, and the channels.
type overview struct {
	Verdict  verdict.Verdict
	Channels []channelView
}

// trouble counts the lines that are not well, for the title of the window.
func (o *overview) trouble() (n int) {
	for _, one := range o.Verdict.Channels {
		if one.Level != verdict.Well {
			n++
		}
	}
	return n + len(o.Verdict.Others)
}

// levelTone is how a level is coloured.
func levelTone(l verdict.Level) string {
	return [...]string{verdict.Well: "good", verdict.Attention: "warn", verdict.Failing: "bad", verdict.Unknown: ""}[l]
}

func viewChannel(c admin.Channel) channelView {
	v := channelView{Channel: c, Paused: c.Halted.Kind == queue.HaltedPause}
	for i, n := range c.Waiting {
		one := priorityView{Number: i + 1, Event: admin.EventNames(i + 1), Waiting: n}
		if n > 0 {
			one.Oldest = length(c.Oldest[i])
		}
		v.Priorities = append(v.Priorities, one)
	}
	for _, name := range admin.Providers(c.ChannelState) {
		v.Providers = append(v.Providers, viewProvider(name, c.Breakers))
	}
	for _, w := range c.Workers {
		v.Limit = max(v.Limit, w.RateLimit)
	}
	return v
}

func viewProvider(name string, breakers map[string]queue.BreakerState) providerView {
	b, known := breakers[name]
	if !known {
		b.State = breakerClosed
	}
	return providerView{Name: name, State: admin.BreakerName(b), Reason: b.Reason, Closed: b.State != queue.BreakerOpen && b.State != queue.BreakerHalfOpen}
}

// Tone is how the state is coloured.
func (v providerView) Tone() string {
	switch v.State {
	case admin.BreakerName(queue.BreakerState{State: breakerClosed}):
		return "good"
	case admin.BreakerName(queue.BreakerState{State: queue.BreakerOpen}):
		return "bad"
	}
	return "warn"
}
