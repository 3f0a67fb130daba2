package pages

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/verdict"
)

// historyEvery is how often (s) an open page of the history is fetched again: it has up to some 250 KiB, and changes by the minute.
const historyEvery = 10

// historyView is the page History.
type historyView struct {
	*admin.History
	Ranges, Of []choice // what else can be looked at: a time, a channel
	Parts      []historyPart
	Numbers    *numbers // of the channel that was chosen; nil for all
}

// choice is a link to another part of the history.
type choice struct {
	Text, To string
	Current  bool
}

// historyPart is a channel on the page.
type historyPart struct {
	admin.ChannelHistory
	Link   string // to the channel alone
	Graphs []graph
}

// numbers are the points of a channel in which something happened, the latest first.
type numbers struct {
	Currency string
	Points   []numbersRow
}

type numbersRow struct {
	admin.HistoryPoint
	End            time.Time
	Failures, Find string // links
	OldestText     string
}

func (p *pages) history(w http.ResponseWriter, r *http.Request) {
	q, err := admin.ParseHistoryRequest(r.URL.Query().Get("range"), r.URL.Query().Get("channel"))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	h := p.History(r.Context(), q)
	v := historyView{History: h}
	for _, one := range admin.HistoryRanges {
		v.Ranges = append(v.Ranges, choice{one.Name, link("/admin/history", "range", one.Name, "channel", string(q.Channel)), one == q.Range})
	}
	v.Of = append(v.Of, choice{"All channels", link("/admin/history", "range", q.Range.Name), q.Channel == ""})
	for _, name := range message.Channels {
		v.Of = append(v.Of, choice{verdict.Title(name), link("/admin/history", "range", q.Range.Name, "channel", string(name)), q.Channel == name})
	}
	for i := range h.Channels {
		v.Parts = append(v.Parts, partOf(h, &h.Channels[i], q.Channel != ""))
	}
	if q.Channel != "" && len(h.Channels) > 0 {
		v.Numbers = numbersOf(h, &h.Channels[0])
	}
	at := page{Title: "History", Section: "history", Live: true, Every: historyEvery, Data: v}
	if len(h.Unavailable) > 0 {
		at.Problem = unavailable(h.Unavailable)
	}
	p.show(w, r, http.StatusOK, "history", at)
}

// partOf draws a channel: alone with all that is known, and with a link at each point.
func partOf(h *admin.History, c *admin.ChannelHistory, alone bool) historyPart {
	part := historyPart{ChannelHistory: *c, Link: link("/admin/history", "range", h.Range, "channel", string(c.Channel))}
	v := newCanvas(h, c)
	part.Graphs = append(part.Graphs, v.messages(c, alone))
	if !alone {
		return part
	}
	part.Graphs = append(part.Graphs, v.timeToSent(c))
	waits := v.graph("Waiting jobs, at most")
	top := roundUp(c.Sum.Waiting)
	waits.countScale(top)
	waits.Sum = "At most " + admin.Thousands(c.Sum.Waiting) + " waited."
	waits.Shapes = []shape{{"waiting", v.line(v.values(func(p *admin.HistoryPoint) int64 { return p.Waiting }), float64(top), true)}}
	oldest := v.graph("The longest wait")
	most := time.Duration(c.Sum.OldestMS) * time.Millisecond
	oldest.Sum = "At most " + length(most) + "."
	oldest.Shapes = []shape{{"waiting", v.line(v.values(func(p *admin.HistoryPoint) int64 { return p.OldestMS }), oldest.timeScale(most), true)}}
	part.Graphs = append(part.Graphs, waits, oldest)
	if c.Sum.Delivered+c.Sum.Undelivered > 0 {
		part.Graphs = append(part.Graphs, v.reports(c))
	}
	if c.Sum.Micros > 0 {
		costs := v.graph("Costs per " + v.per() + ", " + h.Currency)
		values := v.values(func(p *admin.HistoryPoint) int64 { return p.Micros })
		top := roundUp(int64(slices.Max(values)))
		costs.costScale(top)
		costs.Sum = c.Sum.Cost + " " + h.Currency + " in all."
		costs.Shapes = []shape{{"accepted", v.line(values, float64(top), true)}}
		part.Graphs = append(part.Graphs, costs)
	}
	return part
}

// per is the time of a point, as in "per minute".
func (v *canvas) per() string {
	if v.step == time.Minute {
		return "minute"
	}
	return length(v.step)
}

// highest is the scale for several rows of values.
func highest(rows ...[]float64) int64 {
	most := 0.0
	for _, values := range rows {
		for _, n := range values {
			most = max(most, n)
		}
	}
	return roundUp(int64(most))
}

// messages draws the accepted, sent and failed messages.
func (v *canvas) messages(c *admin.ChannelHistory, alone bool) graph {
	g := v.graph("Messages per " + v.per())
	accepted := v.values(func(p *admin.HistoryPoint) int64 { return p.Accepted })
	sent := v.values(func(p *admin.HistoryPoint) int64 { return p.Sent })
	failed := v.values(func(p *admin.HistoryPoint) int64 { return p.Failed })
	top := highest(accepted, sent, failed)
	g.countScale(top)
	g.Sum = fmt.Sprintf("%s accepted, %s sent, %s failed.", admin.Thousands(c.Sum.Accepted), admin.Thousands(c.Sum.Sent), admin.Thousands(c.Sum.Failed))
	g.Legend = []legend{{"accepted", "accepted: area"}, {"sent", "sent: line"}, {"failed", "failed: columns"}}
	g.Shapes = []shape{{"accepted", v.line(accepted, float64(top), true)}, {"sent", v.line(sent, float64(top), false)}, {"failed", v.columns(failed, float64(top))}}
	for i := range v.points {
		p := &v.points[i]
		var to string
		switch {
		case p.Failed > 0:
			to = v.failures(p)
		case alone && p.Accepted > 0:
			to = v.find(p)
		default:
			continue
		}
		title := fmt.Sprintf("%s to %s UTC: %s accepted, %s sent, %s failed", p.At.Format("15:04"), p.At.Add(v.step).Format("15:04"), admin.Thousands(p.Accepted), admin.Thousands(p.Sent), admin.Thousands(p.Failed))
		g.Links = append(g.Links, pointLink{v.offset + i, to, title})
	}
	return g
}

// failures leads to the jobs that failed in the time of a point.
func (v *canvas) failures(p *admin.HistoryPoint) string {
	return link("/admin/queues/"+string(v.channel)+"/failed", "from", p.At.Format(time.RFC3339), "to", p.At.Add(v.step).Format(time.RFC3339))
}

// find leads to a search among the webhooks that were accepted in the time of a point.
func (v *canvas) find(p *admin.HistoryPoint) string {
	return link("/admin/search", "channel", string(v.channel), "from", p.At.Format(time.RFC3339), "to", p.At.Add(v.step).Format(time.RFC3339))
}

// timeToSent draws which shares of the messages went out in which time.
func (v *canvas) timeToSent(c *admin.ChannelHistory) graph {
	g := v.graph("Time from accepted to sent")
	g.Top, g.Middle = "100%", "50%"
	shares := make([][]float64, len(c.Sum.Delays))
	var all int64
	for band, n := range c.Sum.Delays {
		all += n
		shares[band] = make([]float64, len(v.points))
		for i := range v.points {
			var sent int64
			for _, one := range v.points[i].Delays {
				sent += one
			}
			if sent > 0 {
				shares[band][i] = float64(v.points[i].Delays[band]) / float64(sent)
			}
		}
	}
	paths := v.bands(shares)
	for band, n := range c.Sum.Delays {
		if n <= 0 || all <= 0 {
			continue
		}
		name := "longer"
		if band < len(queue.DelayBounds) {
			name = "up to " + length(queue.DelayBounds[band])
		}
		class := fmt.Sprintf("band%d", band)
		g.Shapes = append(g.Shapes, shape{class, paths[band]})
		g.Legend = append(g.Legend, legend{class, fmt.Sprintf("%s: %d%%", name, n*100/all)})
	}
	if all <= 0 {
		g.Sum = "Nothing was sent."
	}
	return g
}

// reports draws the delivery reports.
func (v *canvas) reports(c *admin.ChannelHistory) graph {
	g := v.graph("Delivery reports per " + v.per())
	good := v.values(func(p *admin.HistoryPoint) int64 { return p.Delivered })
	bad := v.values(func(p *admin.HistoryPoint) int64 { return p.Undelivered })
	top := highest(good, bad)
	g.countScale(top)
	g.Sum = fmt.Sprintf("%s delivered, %s not delivered.", admin.Thousands(c.Sum.Delivered), admin.Thousands(c.Sum.Undelivered))
	g.Legend = []legend{{"sent", "delivered: line"}, {"failed", "not delivered: columns"}}
	g.Shapes = []shape{{"sent", v.line(good, float64(top), false)}, {"failed", v.columns(bad, float64(top))}}
	return g
}

// numbersOf lists the points of a channel in which something happened.
func numbersOf(h *admin.History, c *admin.ChannelHistory) *numbers {
	v := newCanvas(h, c)
	out := &numbers{Currency: h.Currency}
	for i := range slices.Backward(v.points) {
		p := &v.points[i]
		if p.Accepted|p.Sent|p.Failed|p.Retried|p.Dropped|p.Evicted|p.Delivered|p.Undelivered|p.Waiting == 0 {
			continue
		}
		row := numbersRow{HistoryPoint: *p, End: p.At.Add(v.step), Failures: v.failures(p), Find: v.find(p)}
		if p.Waiting > 0 {
			row.OldestText = length(time.Duration(p.OldestMS) * time.Millisecond)
		}
		out.Points = append(out.Points, row)
	}
	return out
}
