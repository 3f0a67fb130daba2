package worker

import (
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// attempt is all that is known about a job that was to be sent. Its fields are set in the order of the steps, as far as it got.
type attempt struct {
	job         *job.Job
	provider    string
	traits      provider.Traits
	probe       bool // this job is the probe of the provider's half-open breaker
	breakerOpen bool // the provider's breaker was open when last heard of

	renderErr error // the template's error, and then nothing else happened
	message   message.Message
	cost      pricing.Micros
	source    string // the label of the event's source, for costs
	verdict   gate.Verdict

	started, ended time.Time
	probeFailed    bool           // the provider's own probe failed, with err: the message was not handed over
	err            *failure.Error // nil when the provider took the message
	lastTook       time.Time      // when the provider last took a message of another job, as far as this worker knows; zero for never
	turn           time.Time      // of an error that is this recipient's limit: when the message may be tried again
	receipt        provider.Receipt
	jitter         float64 // from 0 to 1, spreads retries: a tenth of the pause at most is added
}

// took is how long the provider took to answer.
func (a *attempt) took() time.Duration { return a.ended.Sub(a.started) }

// policy is what the operator has decided about results.
type policy struct {
	backoff         []time.Duration // the pause before each retry; its length is how many retries a job gets
	patience        time.Duration   // how old a job may become before the provider's outage spends its attempts (OUTAGE_PATIENCE)
	resendUncertain bool            // send again what may have gone out (ON_UNCERTAIN=resend)
	slowSend        time.Duration   // SLOW_SEND; 0 for no limit
	redeliverWithin time.Duration   // RETRY_UNDELIVERED; 0 for never
	fallBack        bool            // another channel takes over failed messages (FALLBACK_CHANNEL)
	fallBackWithin  time.Duration
}

// result says what an attempt means: for the job, for its provider, and for the metrics. It is the only place that does, and it is pure;
// docs/message-lifecycle.md has the table.
func (p *policy) result(a *attempt) Result {
	switch {
	case a.renderErr != nil:
		return Result{Outcome: queue.Fail{Error: a.renderErr.Error()}, Reason: "template", Health: unusedProbe(a.provider, a.probe)}
	case a.verdict.Action != gate.Pass:
		return Result{Outcome: notNow(a.verdict, a.started), Provider: a.provider, Reason: string(a.verdict.Reason), Health: unusedProbe(a.provider, a.probe)}
	case a.err == nil:
		return Result{Outcome: p.done(a), Provider: a.provider, Health: p.health(a)}
	case a.err.Class == failure.Throttled && a.err.RecipientOnly && !a.probeFailed:
		wait := max(a.turn.Sub(a.ended), a.err.RetryAfter, time.Second)
		return Result{Outcome: queue.Hold{Delay: wait, Error: a.err.Error()}, Provider: a.provider, Reason: string(gate.RecipientLimit), Health: p.health(a)}
	case a.probeFailed && !a.probe:
		wait := queue.Defer{Attempt: a.call(), Delay: a.pause(p.growing(a.job.Returns)), Error: a.err.Error()}
		return Result{Outcome: wait, Provider: a.provider, Reason: string(a.err.Reason), Health: p.health(a)}
	case a.probeFailed:
		return Result{Outcome: queue.Release{}, Provider: a.provider, Reason: string(a.err.Reason), Health: p.health(a)}
	}
	return Result{Outcome: p.notSent(a), Provider: a.provider, Reason: string(a.err.Reason), Health: p.health(a)}
}

// notNow is the outcome of a message that the gate does not let pass.
func notNow(v gate.Verdict, now time.Time) queue.Outcome {
	switch v.Action {
	case gate.Hold:
		return queue.Hold{Delay: v.Delay(now), Error: v.Text}
	case gate.Suppress:
		return queue.Suppress{Error: v.Text}
	}
	return queue.Drop{Error: v.Text}
}

// done is the outcome of a message that the provider took.
func (p *policy) done(a *attempt) queue.Done {
	return queue.Done{
		Attempt: a.call(), NoReports: !a.traits.Reports, KnownAs: a.receipt.KnownAs, FindByMessageID: a.traits.Reports && a.traits.NamesMessage,
		Cost: costOf(a), Redelivery: p.redelivery(a),
	}
}

// redelivery says how to go on when the provider reports that the message did not arrive; nil: the report is only logged.
func (p *policy) redelivery(a *attempt) *queue.Redelivery {
	if !a.traits.Reports || p.redeliverWithin == 0 && !p.fallBack {
		return nil
	}
	r := &queue.Redelivery{FallBack: p.fallBack, Within: p.redeliverWithin}
	if p.fallBack {
		r.Within = max(r.Within, p.fallBackWithin)
	}
	if p.redeliverWithin > 0 && a.job.Attempts < len(p.backoff) {
		r.Retry, r.Delay = true, p.backoff[a.job.Attempts]
	}
	return r
}

// notSent is the outcome of a send that did not succeed.
func (p *policy) notSent(a *attempt) queue.Outcome {
	switch a.err.Class {
	case failure.Permanent:
		return p.fail(a, false)
	case failure.Throttled, failure.Account:
		return queue.Defer{Attempt: a.call(), Delay: a.pause(p.pause(0)), Error: a.err.Error()}
	case failure.Transient:
		return p.again(a, false)
	}
	// Ambiguous, and whatever a faulty adapter may have returned.
	if !p.resendUncertain {
		return p.fail(a, true)
	}
	return p.again(a, true)
}

// again is the outcome of an error that may pass. While the provider is down, it is the provider that is tried, not the message: that spends
// no attempt. Where messages are few, an outage does not fill the breaker's window, and only the errors say that there is one.
func (p *policy) again(a *attempt, uncertain bool) queue.Outcome {
	switch {
	case a.breakerOpen || a.probe:
		return queue.Defer{Attempt: a.call(), Delay: a.pause(p.pause(0)), Error: a.err.Error(), Uncertain: uncertain}
	case p.outage(a):
		return queue.Defer{Attempt: a.call(), Delay: a.pause(p.growing(a.job.Returns)), Error: a.err.Error()}
	case a.job.Attempts >= len(p.backoff):
		return p.fail(a, uncertain)
	}
	return queue.Retry{Attempt: a.call(), Delay: a.pause(p.pause(a.job.Attempts)), Error: a.err.Error(), Uncertain: uncertain}
}

// outage reports whether an error is an outage of the provider, and its latest word: since the message was last tried, it took no other one. A
// provider that takes others while it fails this one has something against this one. After OUTAGE_PATIENCE, an outage is an error like another.
func (p *policy) outage(a *attempt) bool {
	if !a.err.Outage() || a.ended.Sub(a.job.AcceptedAt) >= p.patience {
		return false
	}
	since := a.started
	if a.job.Returns > 0 {
		since = since.Add(-p.growing(a.job.Returns - 1))
	}
	return a.lastTook.Before(since)
}

// maxGrowing is the longest pause of a message that waits for the end of an outage: after it, a message is late by as much at most. It is short
// enough for receipts, and a day of it adds some three hundred lines to the job's history.
const maxGrowing = 5 * time.Minute

// growing returns the pause of a message that waits for the end of an outage: twice the one before, each time. A job's returns begin again at
// job.MaxReturns, and so does the pause.
func (p *policy) growing(returns int) time.Duration {
	first := p.pause(0)
	return max(first, min(first<<min(returns, 20), maxGrowing))
}

// fail is the outcome of a message that is given up. A recipient who does not want to hear from us on this channel is not written to on
// another, whether or not the provider's answer is one for the suppression list; and what may have gone out does not go out there too.
func (p *policy) fail(a *attempt, uncertain bool) queue.Outcome {
	unwanted := a.err.Suppress || a.err.Reason == failure.ReasonOptedOut
	f := queue.Fail{Attempt: a.call(), Error: a.err.Error(), Uncertain: uncertain, FallBack: p.fallBack && !unwanted && !uncertain}
	if a.err.Suppress {
		f.Suppress = &suppress.Entry{Channel: a.job.Channel, Address: a.job.Recipient, Why: suppress.Refused, By: a.provider, Sender: a.traits.Sender, At: a.ended}
	}
	return f
}

// pause returns the backoff before a retry.
func (p *policy) pause(retry int) time.Duration {
	if len(p.backoff) == 0 {
		return 2 * time.Second
	}
	return p.backoff[min(retry, len(p.backoff)-1)]
}

// pause spreads a pause a little, and makes it no shorter than the provider asked for.
func (a *attempt) pause(delay time.Duration) time.Duration {
	delay = max(delay, a.err.RetryAfter)
	return delay + time.Duration(a.jitter*float64(delay)/10)
}

// health is what a send, or the provider's own probe, said about the provider. An error about one message proves the provider well.
func (p *policy) health(a *attempt) queue.ProviderHealth {
	h := queue.ProviderHealth{Provider: a.provider, Probed: a.probe}
	switch {
	case a.err == nil && p.slowSend > 0 && a.took() > p.slowSend:
		h.Failed = 1
		h.Reason = "it took " + a.took().Round(time.Millisecond).String() + " to answer (SLOW_SEND)"
	case a.err == nil:
		h.Healthy = 1
	case a.err.Class == failure.Throttled && !a.err.RecipientOnly:
		h.ThrottleFor = max(a.err.RetryAfter, time.Second)
		h.Reason = a.err.Error()
	case a.err.OfProvider() || a.probeFailed:
		h.Failed = 1
		h.Account = a.err.Class == failure.Account
		h.Reason = a.err.Error()
		h.ThrottleFor = a.err.RetryAfter
	default:
		h.Healthy = 1
	}
	return h
}

// call is the attempt as the job's history shows it.
func (a *attempt) call() queue.Attempt {
	return queue.Attempt{Provider: a.provider, MessageID: a.receipt.MessageID, Took: a.took(), ExtraTokens: max(0, a.message.Segments-1)}
}

// details are what the log says of an outcome besides its name: when a retry is due, and whether the message may have gone out.
func details(o queue.Outcome) (delay time.Duration, uncertain bool) {
	switch o := o.(type) {
	case queue.Retry:
		return o.Delay, o.Uncertain
	case queue.Defer:
		return o.Delay, o.Uncertain
	case queue.Fail:
		return 0, o.Uncertain
	}
	return 0, false
}
