package worker

import (
	"time"

	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// action is what becomes of a job.
type action string

// The actions, by the names of their outcomes.
const (
	complete   = action("completed")
	retry      = action("retry")
	deferral   = action("deferred")
	hold       = action("held")
	fail       = action("failed")
	drop       = action("dropped")
	suppressed = action("suppressed")
	release    = action("released")
)

// settlement is a queue.Settlement in the making.
type settlement struct {
	claimed *queue.Claimed
	action  action
	worker  string
	attempt queue.Attempt

	delay     time.Duration
	err       string
	uncertain bool

	costs       []queue.Cost
	redelivery  *queue.Redelivery
	suppress    *suppress.Entry
	noReports   bool
	byMessageID bool
	fallBack    bool
}

// settle makes the settlement that the queue carries out.
func (s *settlement) settle() queue.Settlement {
	out := queue.Settlement{Claimed: s.claimed, Worker: s.worker}
	switch s.action {
	case complete:
		out.Outcome = queue.Done{Attempt: s.attempt, NoReports: s.noReports, FindByMessageID: s.byMessageID, Costs: s.costs, Redelivery: s.redelivery}
	case retry:
		out.Outcome = queue.Retry{Attempt: s.attempt, Delay: s.delay, Error: s.err, Uncertain: s.uncertain}
	case deferral:
		out.Outcome = queue.Defer{Attempt: s.attempt, Delay: s.delay, Error: s.err, Uncertain: s.uncertain}
	case hold:
		out.Outcome = queue.Hold{Delay: s.delay, Error: s.err}
	case fail:
		out.Outcome = queue.Fail{Attempt: s.attempt, Error: s.err, Uncertain: s.uncertain, Suppress: s.suppress, FallBack: s.fallBack}
	case drop:
		out.Outcome = queue.Drop{Error: s.err}
	case suppressed:
		out.Outcome = queue.Suppress{Error: s.err}
	case release:
		out.Outcome = queue.Release{}
	}
	return out
}
