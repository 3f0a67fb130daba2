package worker

import (
	"context"
	"strings"
	"time"

	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// costOf is the cost of a message that was sent.
func costOf(a *attempt) queue.Cost {
	if a.cost == 0 {
		return queue.Cost{}
	}
	return queue.Cost{Event: a.message.EventType, Source: a.source, Micros: int64(a.cost)}
}

// settleCost tells the budget that a job's cost is stored.
func settleCost(b *pricing.Budget, o queue.Outcome) {
	if done, sent := o.(queue.Done); sent {
		b.Settle(done.Cost.Source, pricing.Micros(done.Cost.Micros))
	}
}

// refreshSpend asks what all workers have spent today, where there is a cap on it. When the queue does not answer, the caps go by the
// figures before.
func (w *Worker) refreshSpend(ctx context.Context) {
	if w.Budget == nil || w.state.failures > 0 {
		return
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	now := time.Now() // before the question: an answer that comes after midnight is of the day before
	spent, err := w.Queue.Spent(call)
	if err != nil {
		w.Log.Warn("spend refresh failed", "error", err)
		return
	}
	bySource := map[string]pricing.Micros{}
	for field, micros := range spent {
		if label, is := strings.CutPrefix(field, queue.CostSource); is {
			bySource[label] = pricing.Micros(micros)
		}
	}
	w.Budget.Refresh(pricing.Micros(spent[queue.CostTotal]), bySource, now)
	w.Metrics.capped.Reset()
	for _, one := range w.Budget.Reached() {
		w.Metrics.capped.WithLabelValues(one.Name()).Set(1)
	}
}
