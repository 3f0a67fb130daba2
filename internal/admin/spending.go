package admin

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

const (
	// UsualDays are shown where a request does not say how many.
	UsualDays = 7
	// maxDays are as many as the queue stores.
	maxDays = 40
	// maxCosts is how many lines by event and source are listed. There are as many as sources have labels, times events.
	maxCosts = 200
)

// Spending is the costs of some days. Amounts are decimals of the currency, as "12.3456".
type Spending struct {
	Currency string     `json:"currency"`
	Days     []SpentDay `json:"days"` // the latest first
	By       []SpentBy  `json:"by"`   // of those days together, the most first
	Caps     []SpentCap `json:"caps"` // today's
	More     bool       `json:"more"` // By is not complete
}

// SpentDay is the costs of a day (UTC).
type SpentDay struct {
	Day      string            `json:"day"` // 2026-01-31
	Channels map[string]string `json:"channels"`
	Total    string            `json:"total"`
}

// SpentBy is the costs of an event of a source on a channel.
type SpentBy struct {
	Channel message.Channel `json:"channel"`
	Event   string          `json:"event"`
	Source  string          `json:"source"`
	Amount  string          `json:"amount"`

	micros pricing.Micros
}

// SpentCap is a cap of DAILY_CAP, and how much of it is used.
type SpentCap struct {
	Name    string `json:"name"`
	Most    string `json:"most"`
	Spent   string `json:"spent"`
	Percent int    `json:"percent"`
}

// ParseDays reads how many days are asked for: UsualDays when the text is empty.
func ParseDays(text string) (int, error) {
	if text == "" {
		return UsualDays, nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 || days > maxDays {
		return 0, refuse("days is %q: ask for 1 to %d", text, maxDays)
	}
	return days, nil
}

// Spending adds up the costs of the latest days, today among them.
func (a *Admin) Spending(ctx context.Context, days int) (*Spending, error) {
	now := time.Now()
	out := &Spending{Currency: a.Currency, Days: []SpentDay{}, By: []SpentBy{}, Caps: []SpentCap{}}
	by := map[SpentBy]pricing.Micros{} // without amounts
	for i := range days {
		at := now.AddDate(0, 0, -i)
		one := SpentDay{Day: pricing.Day(at), Channels: map[string]string{}}
		var total pricing.Micros
		for _, channel := range message.Channels {
			fields, err := a.Queues.Spending(ctx, channel, at)
			if err != nil {
				return nil, err
			}
			one.Channels[string(channel)] = pricing.Micros(fields[queue.CostTotal]).String()
			total += pricing.Micros(fields[queue.CostTotal])
			addByEvent(by, channel, fields)
			if i == 0 {
				out.Caps = append(out.Caps, a.caps(channel, fields)...)
			}
		}
		one.Total = total.String()
		out.Days = append(out.Days, one)
	}
	out.By, out.More = dearest(by)
	return out, nil
}

// addByEvent adds the fields of a channel's day that are by event and source.
func addByEvent(by map[SpentBy]pricing.Micros, channel message.Channel, fields map[string]int64) {
	for field, micros := range fields {
		if rest, is := strings.CutPrefix(field, queue.CostEvent); is {
			event, source, _ := strings.Cut(rest, "|")
			by[SpentBy{Channel: channel, Event: event, Source: source}] += pricing.Micros(micros)
		}
	}
}

// dearest lists sums by event and source, the most first, up to maxCosts; more says that there are others.
func dearest(by map[SpentBy]pricing.Micros) (list []SpentBy, more bool) {
	list = []SpentBy{}
	for one, micros := range by {
		one.Amount, one.micros = micros.String(), micros
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b SpentBy) int {
		return cmp.Or(cmp.Compare(b.micros, a.micros), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Source, b.Source))
	})
	if len(list) > maxCosts {
		return list[:maxCosts], true
	}
	return list, false
}

// caps says how much of a channel's caps is used.
func (a *Admin) caps(channel message.Channel, fields map[string]int64) []SpentCap {
	var out []SpentCap
	for _, one := range a.Caps.List(channel) {
		spent := pricing.Micros(fields[queue.CostTotal])
		if one.Source != "" {
			spent = pricing.Micros(fields[queue.CostSource+one.Source])
		}
		out = append(out, SpentCap{Name: one.Name(), Most: one.Most.String(), Spent: spent.String(), Percent: int(spent * 100 / one.Most)})
	}
	return out
}
