package worker

import (
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// refusal is why a message does not go out now: it is held until then, or never goes out.
type refusal struct {
	action action        // Hold, Drop or Suppress
	delay  time.Duration // Hold
	reason string        // a label: expired, suppressed, quiet_hours, recipient_limit, daily_cap
	text   string        // for people
}

// permit says whether a message may go out now; nil says that it may, and then its cost is set aside within the daily cap.
func (w *Worker) permit(one *queue.Claimed, m *message.Message, sender string, cost pricing.Micros, now time.Time) *refusal {
	age, ttl := now.Sub(one.Job.AcceptedAt), w.Config.MessageTTL[m.EventType]
	if ttl > 0 && age > ttl {
		return &refusal{action: drop, reason: "expired", text: "older than MESSAGE_TTL"}
	}
	if one.Suppressed != nil && w.heeds(one.Suppressed, m.EventType, sender) {
		return &refusal{action: suppressed, reason: "suppressed", text: "the recipient gets nothing on this channel: " + string(one.Suppressed.Why)}
	}
	wait := func(until time.Time, reason, text string) *refusal {
		delay := max(until.Sub(now), time.Second)
		if ttl > 0 && age+delay > ttl {
			return &refusal{action: drop, reason: "expired", text: "it would be older than MESSAGE_TTL when it may go out: " + text}
		}
		return &refusal{action: hold, delay: delay, reason: reason, text: text + ", until " + until.UTC().Format(time.RFC3339)}
	}
	if until, quiet := w.Quiet.Opens(m.EventType, one.Job.Audience, one.Job.Recipient, m.Timezone, now); quiet {
		return wait(until, "quiet_hours", "quiet hours where the customer is")
	}
	if until := one.LimitedUntil; !until.IsZero() {
		if w.Config.RecipientLimitAction == LimitDrop {
			return &refusal{action: drop, reason: "recipient_limit", text: "the customer got RECIPIENT_LIMIT messages within an hour"}
		}
		return wait(until, "recipient_limit", "the customer got RECIPIENT_LIMIT messages within an hour")
	}
	if reached, over := w.budget.take(m.Channel, m.Source, cost, now); over {
		w.Metrics.capped.WithLabelValues(reached.Name()).Set(1)
		return wait(pricing.DayEnds(now), "daily_cap", "the daily cap of "+reached.Name()+" is reached")
	}
	return nil
}

// heeds says whether an entry of the list of those who get nothing stands in the way of a message.
func (w *Worker) heeds(s *suppress.Entry, event, sender string) bool {
	for _, exempt := range w.Config.SuppressionExempt {
		if exempt == event {
			return false
		}
	}
	return w.Config.OptOutScope != ScopeSender || s.Sender == "" || s.Sender == sender
}

// refuse turns a refusal into a settlement.
func (w *Worker) refuse(s *settlement, r *refusal) {
	s.action, s.delay, s.err = r.action, r.delay, r.text
	if r.action == suppressed {
		w.Metrics.suppressed.Inc()
	}
	if r.action == hold {
		w.Metrics.heldTotal.WithLabelValues(r.reason).Inc()
	}
}

// after adds what goes with the settlement of a send: what it cost, what is known of its delivery, and what follows if there is none.
func (w *Worker) after(s *settlement, r *result) {
	j := s.claimed.Job
	switch s.action {
	case complete:
		w.spend(s, &r.message, r.cost)
		traits := w.traits[r.provider]
		s.noReports, s.byMessageID = !traits.Reports, traits.Reports && traits.NamesMessage
		if traits.Reports && (w.Config.RetryUndelivered > 0 || w.Moves) {
			again := &queue.Redelivery{FallBack: w.Moves, Within: w.Config.RetryUndelivered}
			if w.Moves {
				again.Within = max(again.Within, w.MoveWithin)
			}
			if nth := j.Attempts; w.Config.RetryUndelivered > 0 && nth < len(w.Config.RetryBackoff) {
				again.Retry, again.Delay = true, w.Config.RetryBackoff[nth]
			}
			s.redelivery = again
		}
	case fail:
		w.budget.giveBack(r.message.Channel, r.message.Source, r.cost)
		if r.err != nil && r.err.Suppress {
			s.suppress = &suppress.Entry{Channel: j.Channel, Address: j.Recipient, Why: suppress.Refused, By: r.provider,
				Sender: w.traits[r.provider].Sender, At: time.Now()}
		}
		// Whoever does not want to hear from us here is not written to elsewhere, and what may have gone out is not sent again.
		s.fallBack = w.Moves && r.err != nil && !r.err.Suppress && !s.uncertain
	default:
		w.budget.giveBack(r.message.Channel, r.message.Source, r.cost)
	}
}

// spend counts what a message cost.
func (w *Worker) spend(s *settlement, m *message.Message, cost pricing.Micros) {
	if cost == 0 {
		return
	}
	source := w.sources.Label(m.Source)
	w.Metrics.cost.WithLabelValues(m.EventType, source).Add(cost.Units())
	s.costs = []queue.Cost{
		{Field: queue.CostTotal, Micros: int64(cost)},
		{Field: queue.CostSource + source, Micros: int64(cost)},
		{Field: queue.CostEvent + m.EventType + "|" + source, Micros: int64(cost)},
	}
}
