package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

const (
	// usualDays are those that are shown when nobody says how many.
	usualDays = 7
	// maxDays are as many as the queue keeps.
	maxDays = 40
	// maxSpent is how many lines by event and source are shown; there are as many as sources have labels, times events.
	maxSpent = 200
)

// spentAndSuppressed is what a channel has spent today, and how many addresses get nothing on it.
type spentAndSuppressed struct {
	SpentToday string `json:"spent_today"` // in PRICE_CURRENCY; 0 where PRICES has no price
	Currency   string `json:"currency"`
	Listed     int64  `json:"suppressed_addresses"`
}

func (a *Admin) spentAndSuppressed(ctx context.Context, channel message.Channel) (spentAndSuppressed, error) {
	v := spentAndSuppressed{Currency: a.Currency}
	spent, err := a.Queues.Spending(ctx, channel, time.Now())
	if err != nil {
		return v, err
	}
	v.SpentToday = pricing.Micros(spent[queue.CostTotal]).String()
	v.Listed, err = a.Queues.CountSuppressed(ctx, channel)
	return v, err
}

// spending is what messages have cost: the latest day first.
type spending struct {
	Currency string       `json:"currency"`
	Days     []spentDay   `json:"days"`
	By       []spentBy    `json:"by"` // of all those days together, the most first
	Caps     []spentCap   `json:"caps"`
	More     bool         `json:"more"` // By is not complete
	Choices  []daysChoice `json:"-"`
}

// daysChoice is a link to another number of days.
type daysChoice struct {
	Days    int
	Current bool
}

// spentDay is a day (UTC).
type spentDay struct {
	Day      string            `json:"day"`
	Channels map[string]string `json:"channels"`
	Total    string            `json:"total"`
}

// spentBy is what an event of a source has cost on a channel.
type spentBy struct {
	Channel message.Channel `json:"channel"`
	Event   string          `json:"event"`
	Source  string          `json:"source"`
	Amount  string          `json:"amount"`

	micros pricing.Micros
}

// spentCap is a cap of DAILY_CAP, and how much of it is gone today.
type spentCap struct {
	Name    string `json:"name"`
	Most    string `json:"most"`
	Spent   string `json:"spent"`
	Percent int    `json:"percent"`
}

// readDays reads how many days are asked for.
func readDays(text string) (int, error) {
	if text == "" {
		return usualDays, nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 || days > maxDays {
		return 0, refuse("days is %q: ask for 1 to %d", text, maxDays)
	}
	return days, nil
}

// spending adds up what was spent on the latest days.
func (a *Admin) spending(ctx context.Context, days int, now time.Time) (*spending, error) {
	out := &spending{Currency: a.Currency, Days: []spentDay{}, By: []spentBy{}, Caps: []spentCap{}}
	type key struct {
		channel       message.Channel
		event, source string
	}
	by := map[key]pricing.Micros{}
	for i := range days {
		at := now.AddDate(0, 0, -i)
		one := spentDay{Day: pricing.Day(at), Channels: map[string]string{}}
		var total pricing.Micros
		for _, channel := range message.Channels {
			fields, err := a.Queues.Spending(ctx, channel, at)
			if err != nil {
				return nil, err
			}
			one.Channels[string(channel)] = pricing.Micros(fields[queue.CostTotal]).String()
			total += pricing.Micros(fields[queue.CostTotal])
			for field, micros := range fields {
				if rest, is := strings.CutPrefix(field, queue.CostEvent); is {
					event, source, _ := strings.Cut(rest, "|")
					by[key{channel, event, source}] += pricing.Micros(micros)
				}
			}
			if i == 0 {
				out.Caps = append(out.Caps, a.caps(channel, fields)...)
			}
		}
		one.Total = total.String()
		out.Days = append(out.Days, one)
	}
	for k, micros := range by {
		out.By = append(out.By, spentBy{Channel: k.channel, Event: k.event, Source: k.source, Amount: micros.String(), micros: micros})
	}
	slices.SortFunc(out.By, func(a, b spentBy) int {
		return cmp.Or(cmp.Compare(b.micros, a.micros), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Source, b.Source))
	})
	if out.More = len(out.By) > maxSpent; out.More {
		out.By = out.By[:maxSpent]
	}
	return out, nil
}

// caps says how much of a channel's caps is gone.
func (a *Admin) caps(channel message.Channel, fields map[string]int64) []spentCap {
	var out []spentCap
	for _, one := range a.Caps.List(channel) {
		spent := pricing.Micros(fields[queue.CostTotal])
		if one.Source != "" {
			spent = pricing.Micros(fields[queue.CostSource+one.Source])
		}
		out = append(out, spentCap{Name: one.Name(), Most: one.Most.String(), Spent: spent.String(), Percent: int(spent * 100 / one.Most)})
	}
	return out
}

func (a *Admin) apiSpending(w http.ResponseWriter, r *http.Request) {
	days, err := readDays(r.URL.Query().Get("days"))
	if err != nil {
		a.failed(w, r, err)
		return
	}
	s, err := a.spending(r.Context(), days, time.Now())
	if err != nil {
		a.failed(w, r, err)
		return
	}
	answer(w, s)
}

func (a *Admin) spendingPage(w http.ResponseWriter, r *http.Request) {
	days, err := readDays(r.URL.Query().Get("days"))
	if err != nil {
		a.failed(w, r, err)
		return
	}
	s, err := a.spending(r.Context(), days, time.Now())
	if err != nil {
		a.failed(w, r, err)
		return
	}
	for _, n := range []int{1, usualDays, 30} {
		s.Choices = append(s.Choices, daysChoice{n, n == days})
	}
	a.page(w, r, http.StatusOK, "spending", page{Title: "What it costs", Section: "spending", Data: s})
}
