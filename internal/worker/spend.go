package worker

import (
	"context"
	"strings"
	"time"

	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// costsOf are the parts of a day's costs that a message adds to.
func costsOf(cost pricing.Micros, event, sourceLabel string) []queue.Cost {
	if cost == 0 {
		return nil
	}
	return []queue.Cost{
		{Field: queue.CostTotal, Micros: int64(cost)},
		{Field: queue.CostSource + sourceLabel, Micros: int64(cost)},
		{Field: queue.CostEvent + event + "|" + sourceLabel, Micros: int64(cost)},
	}
}

// settleCosts tells the budget that a job's costs are stored.
func settleCosts(b *pricing.Budget, o queue.Outcome) {
	done, sent := o.(queue.Done)
	if !sent {
		return
	}
	for _, cost := range done.Costs {
		if label, is := strings.CutPrefix(cost.Field, queue.CostSource); is {
			b.Settle(label, pricing.Micros(cost.Micros))
		}
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
