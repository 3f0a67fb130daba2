package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// settleArgs are the arguments of settle.lua.
type settleArgs struct {
	jobKeys
	Completed     string        `key:"completed"`
	Totals        string        `key:"totals"`
	Base          string        `lua:"base"`
	KeepCompleted int           `lua:"keep_completed"`
	KeepFailed    int           `lua:"keep_failed"`
	StatusTTL     time.Duration `lua:"status_ttl"`
	CostTTL       time.Duration `lua:"cost_ttl"`
	CopySlack     time.Duration `lua:"copy_slack"`
	BreakerConfig
	Tokens    int          `lua:"tokens"` // to debit beside those that the claims took
	Providers []string     `lua:"provider"`
	Health    []healthArgs `lua:"health"`

	Done         []doneArgs        `lua:"done"`
	Ended        []endedArgs       `lua:"ended"`
	Costs        []costArgs        `lua:"cost"`
	Suppressions []suppressionArgs `lua:"suppression"`
	Links        []linkArgs        `lua:"link"`
	Copies       []copyArgs        `lua:"copy"`
	Aliases      []aliasArgs       `lua:"alias"`
	AliasTTL     time.Duration     `lua:"alias_ttl"`
}

// doneArgs is a job that is complete.
type doneArgs struct {
	Raw      []byte `lua:"raw"`
	LogKey   string `lua:"log_key"` // "" where there is a log already
	LogField string `lua:"log_field"`
	Line     string `lua:"line"`
}

// endedArgs is any other job.
type endedArgs struct {
	Outcome string        `lua:"outcome"`
	Raw     []byte        `lua:"raw"`
	Next    []byte        `lua:"next"` // the bytes from now on
	Delay   time.Duration `lua:"delay"`
	Lines   string        `lua:"lines"`
}

// costArgs is a part of a day's costs. Of is the number of its settlement, from 1, as in the others below.
type costArgs struct {
	Of     int    `lua:"of"`
	Field  string `lua:"field"`
	Micros int64  `lua:"micros"`
}

// suppressionArgs is an entry of the suppression list.
type suppressionArgs struct {
	Of    int    `lua:"of"`
	Names string `lua:"names"` // the person's, with spaces between
	Entry string `lua:"entry"`
}

// linkArgs leads from a provider's message id to a job.
type linkArgs struct {
	Of      int    `lua:"of"`
	Message string `lua:"message"`
	Job     string `lua:"job"`
}

// copyArgs is a redelivery copy.
type copyArgs struct {
	Of     int           `lua:"of"`
	Job    string        `lua:"job"`
	Copy   []byte        `lua:"copy"`
	Body   string        `lua:"body"` // the key of the shared body that the copy refers to; "" where it has the body in it
	Within time.Duration `lua:"within"`
}

// aliasArgs leads from one name of a person to another.
type aliasArgs struct {
	Of    int    `lua:"of"`
	Name  string `lua:"name"`
	Other string `lua:"other"`
}

// aliasTTL is how long after the latest message to a number a word from the provider's other number for it is still understood.
const aliasTTL = 90 * 24 * time.Hour

// settleAnswer is the answer of settle.lua.
type settleAnswer struct {
	Lost     []int           `lua:"lost"` // numbers, from 1
	Evicted  []string        `lua:"evicted"`
	Breakers []breakerAnswer `lua:"breakers"`
}

// settleBatch is a call of the settle script.
type settleBatch struct {
	channel message.Channel
	args    settleArgs
	order   []int       // which settlement has the number i+1 in the script: first the complete ones
	namer   personNamer // for new entries of the suppression list; nil makes none
}

// settleBatch encodes settlements. moved has the channels that the messages of failed jobs have fallen back to.
func (c *Consumer) settleBatch(ctx context.Context, settlements []queue.Settlement, health []queue.ProviderHealth, moved fallenBack) (*settleBatch, error) {
	config := &c.store.config
	b := &settleBatch{channel: c.channel, order: make([]int, 0, len(settlements)), args: settleArgs{
		jobKeys: c.keys.jobs(), Completed: c.keys.Completed, Totals: c.keys.Totals, Base: c.keys.Base, BreakerConfig: c.config.Breaker,
		KeepCompleted: config.KeepCompleted, KeepFailed: config.KeepFailed, AliasTTL: aliasTTL, StatusTTL: config.StatusTTL, CostTTL: costTTL, CopySlack: copySlack, Providers: c.providers,
		Health: make([]healthArgs, 0, len(health)), Done: make([]doneArgs, 0, len(settlements)),
	}}
	for _, h := range health {
		b.args.Health = append(b.args.Health, healthArgs(h))
	}
	names := func(s queue.Settlement) bool {
		failed, _ := s.Outcome.(queue.Fail)
		done, _ := s.Outcome.(queue.Done)
		return failed.Suppress != nil || renames(&s, &done)
	}
	if slices.ContainsFunc(settlements, names) {
		var err error
		if b.namer, err = c.store.namer(ctx); err != nil {
			// The others' settlements do not wait for a key. The next message to the address makes up for it.
			c.store.log.Error("address not put on the suppression list, or under its other name", "channel", c.channel, "error", err)
		}
	}
	now := time.Now()
	for _, complete := range []bool{true, false} {
		for i := range settlements {
			if _, done := settlements[i].Outcome.(queue.Done); done != complete {
				continue
			}
			b.order = append(b.order, i)
			if err := c.encode(b, now, &settlements[i], moved); err != nil {
				return nil, err
			}
		}
	}
	if c.config.RateLimit == 0 {
		b.args.Tokens = 0
	}
	return b, nil
}

// encode adds one settlement to a batch. This is the only place where outcomes become arguments and lines of a log; settle.lua is the only
// place where they are read.
func (c *Consumer) encode(b *settleBatch, now time.Time, s *queue.Settlement, moved fallenBack) error {
	switch o := s.Outcome.(type) {
	case queue.Done:
		return c.encodeDone(b, now, s, &o)
	case queue.Retry:
		return b.end(now, s, end{outcome: "retry", attempt: o.Attempt, delay: o.Delay, error: o.Error, uncertain: o.Uncertain, spends: true, numbered: true})
	case queue.Defer:
		return b.end(now, s, end{outcome: "defer", attempt: o.Attempt, delay: o.Delay, error: o.Error, uncertain: o.Uncertain, numbered: true})
	case queue.Hold:
		return b.end(now, s, end{outcome: "hold", delay: o.Delay, error: o.Error, until: now.Add(o.Delay)})
	case queue.Fail:
		if o.Suppress != nil && b.namer != nil {
			entry, err := encodeSuppression(o.Suppress)
			if err != nil {
				return err
			}
			b.args.Suppressions = append(b.args.Suppressions, suppressionArgs{len(b.order), strings.Join(b.namer.names(o.Suppress.Address), " "), entry})
		}
		return b.end(now, s, end{outcome: "fail", attempt: o.Attempt, error: o.Error, uncertain: o.Uncertain, spends: true, numbered: true,
			moved: moved[s.Claimed]})
	case queue.Drop:
		return b.end(now, s, end{outcome: "drop", error: o.Error, numbered: true})
	case queue.Suppress:
		return b.end(now, s, end{outcome: "suppress", error: o.Error})
	case queue.Release:
		return b.end(now, s, end{outcome: "release"})
	}
	return fmt.Errorf("a settlement has the outcome %T", s.Outcome)
}

// end is the fate of a job that is not complete.
type end struct {
	outcome   string // as settle.lua has it
	attempt   queue.Attempt
	delay     time.Duration
	error     string
	uncertain bool
	spends    bool            // an attempt
	numbered  bool            // the line of the log says which attempt it was, or would have been
	until     time.Time       // when a scheduled job is due
	moved     message.Channel // that the message has fallen back to; "" for none
}

// end adds a job that is not complete.
func (b *settleBatch) end(now time.Time, s *queue.Settlement, e end) error {
	b.args.Tokens += e.attempt.ExtraTokens
	args := endedArgs{Outcome: e.outcome, Raw: s.Claimed.Raw, Delay: e.delay}
	var err error
	if args.Next, err = e.next(s.Claimed); err != nil {
		return err
	}
	if j := s.Claimed.Job; j != nil && e.outcome != "release" {
		line := entryOf(now, s, e.attempt)
		line.Error = e.error
		if e.numbered {
			line.Attempt = j.Attempts + 1
		}
		if !e.until.IsZero() {
			line.Until = e.until.UnixMilli()
		}
		args.Lines = line.String()
		if e.moved != "" {
			args.Lines += logEntry{At: now.UnixMilli(), State: stateMoved, Channel: e.moved}.String()
		}
	}
	b.args.Ended = append(b.args.Ended, args)
	return nil
}

// next returns the job's bytes from now on; nil for a job that is gone then.
func (e *end) next(claimed *queue.Claimed) ([]byte, error) {
	switch {
	case e.outcome == "drop" || e.outcome == "suppress":
		return nil, nil
	case e.outcome == "release":
		return job.Returned(claimed.Raw), nil
	case claimed.Job == nil:
		return claimed.Raw, nil // no job: as it is, for an operator to look at, or for a program that can read it
	}
	next := *claimed.Job
	next.LastError = e.error
	next.Returns++
	if e.spends {
		next.Attempts++
	}
	next.Uncertain = next.Uncertain || e.uncertain
	return next.AppendBinary(make([]byte, 0, len(claimed.Raw)+job.MaxError))
}

// entryOf begins the line of the log that a settlement adds.
func entryOf(now time.Time, s *queue.Settlement, a queue.Attempt) logEntry {
	return logEntry{At: now.UnixMilli(), State: s.Outcome.Name(), TookMs: a.Took.Milliseconds(), Provider: a.Provider, MessageID: a.MessageID, Worker: s.Worker}
}

// encodeDone adds a job that is complete, with its costs, its link and its redelivery copy.
func (c *Consumer) encodeDone(b *settleBatch, now time.Time, s *queue.Settlement, o *queue.Done) error {
	j, of := s.Claimed.Job, len(b.order)
	b.args.Tokens += o.ExtraTokens
	line := entryOf(now, s, o.Attempt)
	line.State, line.Attempt, line.Unreported = "sent", j.Attempts+1, o.NoReports
	done := doneArgs{Raw: s.Claimed.Raw, Line: line.String()}
	if j.Attempts == 0 && j.Crashes == 0 && j.LastError == "" { // as untouched in prelude.lua
		done.LogKey, done.LogField = c.keys.log(j.WebhookID, j.Index, j.AcceptedAt)
	}
	b.args.Done = append(b.args.Done, done)
	if cost := o.Cost; cost.Micros != 0 {
		for _, field := range []string{queue.CostTotal, queue.CostSource + cost.Source, queue.CostEvent + cost.Event + "|" + cost.Source} {
			b.args.Costs = append(b.args.Costs, costArgs{of, field, cost.Micros})
		}
	}
	if o.FindByMessageID && o.MessageID != "" {
		b.args.Links = append(b.args.Links, linkArgs{of, o.MessageID, logName(j) + " " + strconv.FormatInt(j.AcceptedAt.UnixMilli(), 10)})
	}
	if b.namer != nil && renames(s, o) {
		name, other := b.namer.names(j.Recipient)[0], b.namer.names(o.KnownAs)[0]
		b.args.Aliases = append(b.args.Aliases, aliasArgs{of, name, other}, aliasArgs{of, other, name})
	}
	if o.Redelivery == nil {
		return nil
	}
	args := copyArgs{Of: of, Job: logName(j), Within: o.Redelivery.Within}
	if refersToBody(j) {
		args.Body = c.keys.body(j)
	}
	var err error
	args.Copy, err = c.redeliveryCopy(s.Claimed, o)
	b.args.Copies = append(b.args.Copies, args)
	return err
}

// renames says whether the provider knows the recipient by a number that is another person's, as far as message.Address.Key knows.
func renames(s *queue.Settlement, o *queue.Done) bool {
	return o.KnownAs != "" && s.Claimed.Job != nil && o.KnownAs.Key() != s.Claimed.Job.Recipient.Key()
}

// copySlack is how much longer than a redelivery copy the body stays that it refers to: ingest reads the one after the other.
const copySlack = time.Minute

// refersToBody says whether the redelivery copy of a job refers to its shared body. Those of jobs of 0.1.0 have it in them: during an upgrade, ingest of 0.1.0
// may read them, which looks for no body.
func refersToBody(j *job.Job) bool { return j.SharedBody && !j.Version1 }

// redeliveryCopy is a sent job as it is when it has to be sent again.
// Before it stand the delay (ms; -1: no attempt is left), whether it may fall back, and the provider's message id: report.lua reads them.
func (c *Consumer) redeliveryCopy(claimed *queue.Claimed, o *queue.Done) ([]byte, error) {
	next := *claimed.Job
	next.SharedBody, next.LastError = refersToBody(claimed.Job), ""
	next.Returns++
	next.Attempts++
	next.Alternate = next.Alternate || len(c.providers) > 1
	delay, fallBack, id := int64(-1), 0, o.MessageID
	if o.Redelivery.Retry {
		delay = o.Redelivery.Delay.Milliseconds()
	}
	if o.Redelivery.FallBack {
		fallBack = 1
	}
	if id == "" || strings.ContainsAny(id, " \t\r\n") {
		id = "-"
	}
	size := len(claimed.Raw) + len(id) + 32
	if !next.SharedBody {
		size += len(next.Body)
	}
	return next.AppendBinary(fmt.Appendf(make([]byte, 0, size), "%d %d %s ", delay, fallBack, id))
}

// read reads the answer to the batch.
func (b *settleBatch) read(answer any) (*queue.Settled, error) {
	var a settleAnswer
	if err := decode(answer, &a); err != nil {
		return nil, err
	}
	settled := &queue.Settled{Evicted: decodeJobs(b.channel, a.Evicted)}
	for _, number := range a.Lost {
		settled.Lost = append(settled.Lost, b.order[number-1])
	}
	for _, one := range a.Breakers {
		if settled.Breakers == nil {
			settled.Breakers = map[string]queue.BreakerState{}
		}
		settled.Breakers[one.Provider] = one.state()
	}
	return settled, nil
}
