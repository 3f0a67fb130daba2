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
	action queue.Action  // Hold, Drop or Suppress
	delay  time.Duration // Hold
	reason string        // a label: expired, suppressed, quiet_hours, recipient_limit, daily_cap
	text   string        // for people
}

// permit says whether a message may go out now; nil says that it may, and then its cost is set aside within the daily cap.
func (w *Worker) permit(one *queue.Claimed, m *message.Message, sender string, cost pricing.Micros, now time.Time) *refusal {
	age, ttl := now.Sub(one.Job.AcceptedAt), w.Config.MessageTTL[m.EventType]
	if ttl > 0 && age > ttl {
		return &refusal{action: queue.Drop, reason: "expired", text: "older than MESSAGE_TTL"}
	}
	if one.Suppressed != nil && w.heeds(one.Suppressed, m.EventType, sender) {
		return &refusal{action: queue.Suppress, reason: "suppressed", text: "the recipient gets nothing on this channel: " + string(one.Suppressed.Why)}
	}
	hold := func(until time.Time, reason, text string) *refusal {
		delay := max(until.Sub(now), time.Second)
		if ttl > 0 && age+delay > ttl {
			return &refusal{action: queue.Drop, reason: "expired", text: "it would be older than MESSAGE_TTL when it may go out: " + text}
		}
		return &refusal{action: queue.Hold, delay: delay, reason: reason, text: text + ", until " + until.UTC().Format(time.RFC3339)}
	}
	if until, quiet := w.Quiet.Opens(m.EventType, one.Job.Audience, one.Job.Recipient, m.Timezone, now); quiet {
		return hold(until, "quiet_hours", "quiet hours where the customer is")
	}
	if until := one.LimitedUntil; !until.IsZero() {
		if w.Config.RecipientLimitAction == LimitDrop {
			return &refusal{action: queue.Drop, reason: "recipient_limit", text: "the customer got RECIPIENT_LIMIT messages within an hour"}
		}
		return hold(until, "recipient_limit", "the customer got RECIPIENT_LIMIT messages within an hour")
	}
	if reached, over := w.budget.take(m.Channel, m.Source, cost, now); over {
		w.Metrics.capped.WithLabelValues(reached.Name()).Set(1)
		return hold(pricing.DayEnds(now), "daily_cap", "the daily cap of "+reached.Name()+" is reached")
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
func (w *Worker) refuse(s *queue.Settlement, r *refusal) {
	s.Action, s.Delay, s.Error = r.action, r.delay, r.text
	if r.action == queue.Suppress {
		w.Metrics.suppressed.Inc()
	}
	if r.action == queue.Hold {
		w.Metrics.heldTotal.WithLabelValues(r.reason).Inc()
	}
}

// after adds what goes with the settlement of a send: what it cost, what is known of its delivery, and what follows if there is none.
func (w *Worker) after(s *queue.Settlement, r *result) {
	j := s.Claimed.Job
	switch s.Action {
	case queue.Complete:
		w.spend(s, &r.message, r.cost)
		traits := w.traits[r.provider]
		s.Unreported, s.Named = !traits.Reports, traits.Reports && traits.NamesMessage
		if traits.Reports && (w.Config.RetryUndelivered > 0 || w.Moves) {
			again := &queue.Again{Move: w.Moves, Within: w.Config.RetryUndelivered}
			if w.Moves {
				again.Within = max(again.Within, w.MoveWithin)
			}
			if retry := j.Attempts; w.Config.RetryUndelivered > 0 && retry < len(w.Config.RetryBackoff) {
				again.Retry, again.Delay = true, w.Config.RetryBackoff[retry]
			}
			s.Again = again
		}
	case queue.Fail:
		w.budget.giveBack(r.message.Channel, r.message.Source, r.cost)
		if r.err != nil && r.err.Suppress {
			s.Unwelcome = &suppress.Entry{Channel: j.Channel, Address: j.Recipient, Why: suppress.Refused, By: r.provider,
				Sender: w.traits[r.provider].Sender, At: time.Now()}
		}
		// Whoever does not want to hear from us here is not written to elsewhere, and what may have gone out is not sent again.
		s.Move = w.Moves && r.err != nil && !r.err.Suppress && !s.Uncertain
	default:
		w.budget.giveBack(r.message.Channel, r.message.Source, r.cost)
	}
}

// spend counts what a message cost.
func (w *Worker) spend(s *queue.Settlement, m *message.Message, cost pricing.Micros) {
	if cost == 0 {
		return
	}
	source := w.sources.Label(m.Source)
	w.Metrics.cost.WithLabelValues(m.EventType, source).Add(cost.Units())
	s.Spent = []queue.Spend{
		{Field: queue.SpendTotal, Micros: int64(cost)},
		{Field: queue.SpendSource + source, Micros: int64(cost)},
		{Field: queue.SpendEvent + m.EventType + "|" + source, Micros: int64(cost)},
	}
}
