package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// recipientsArgs are the arguments of recipients.lua.
type recipientsArgs struct {
	Suppressed     string         `key:"suppressed"`
	Inflight       string         `key:"inflight"`
	Base           string         `lua:"base"`
	RecipientLimit int            `lua:"recipient_limit"`
	Rows           []recipientRow `lua:"job"`
}

// recipientRow is the recipient of a claimed job.
type recipientRow struct {
	Of       int    `lua:"of"`     // the job's number, from 1
	Fields   string `lua:"fields"` // of the suppression list, with spaces between
	Name     string `lua:"name"`
	LogField string `lua:"log_field"`
	Customer bool   `lua:"customer"`
}

// recipientsAnswer is the answer of recipients.lua.
type recipientsAnswer struct {
	Remarks []struct {
		Job        int    `lua:"job"`        // its number, from 1
		Suppressed string `lua:"suppressed"` // the entries on the suppression list
		Limited    int64  `lua:"limited"`    // Unix ms
	} `lua:"remarks"`
}

// looked reads the answer of claim.lua, and looks the jobs' recipients up where that is needed. Jobs whose recipients could not be looked up are
// released, and the error stands for a claim whose answer was lost: if the release fails too, they are reaped when their leases end.
func (c *Consumer) looked(ctx context.Context, answer any) (*queue.Claim, error) {
	claim, lookUp, err := c.readClaim(answer)
	if err != nil || !lookUp || len(claim.Jobs) == 0 {
		return claim, err
	}
	if err := c.lookUp(ctx, claim.Jobs); err != nil {
		settlements := make([]queue.Settlement, len(claim.Jobs))
		for i, one := range claim.Jobs {
			settlements[i] = queue.Settlement{Claimed: one, Outcome: queue.Release{}}
		}
		_, _, releaseErr := c.Exchange(ctx, settlements, nil, nil)
		return nil, errors.Join(err, releaseErr)
	}
	return claim, nil
}

// lookUp notes which of the jobs' recipients are on the suppression list, or over their limit. Errors: queue.ErrUnavailable.
func (c *Consumer) lookUp(ctx context.Context, jobs []*queue.Claimed) error {
	namer, err := c.store.namer(ctx)
	if err != nil {
		return err
	}
	args := recipientsArgs{Suppressed: c.keys.Suppressed, Inflight: c.keys.Inflight, Base: c.keys.Base, RecipientLimit: c.config.RecipientLimit}
	for i, one := range jobs {
		if one.Job == nil {
			continue
		}
		names := namer.names(one.Job.Recipient)
		args.Rows = append(args.Rows, recipientRow{
			Of: i + 1, Fields: strings.Join(append(names, oldFields(one.Job.Recipient)...), " "), Name: names[0],
			LogField: logName(one.Job), Customer: one.Job.Audience == message.Customer,
		})
	}
	var found recipientsAnswer
	if err := c.store.ask(ctx, &c.store.scripts.recipients, &args, &found); err != nil {
		return err
	}
	for _, r := range found.Remarks {
		if r.Job < 1 || r.Job > len(jobs) || jobs[r.Job-1].Job == nil {
			continue
		}
		one := jobs[r.Job-1]
		if r.Limited > 0 {
			one.LimitedUntil = time.UnixMilli(r.Limited)
		} else {
			one.Suppressed = decodeSuppressions(c.channel, "", r.Suppressed)
		}
	}
	return nil
}

// oldFields are those under which 0.1.0 put an entry: an address in small letters. They are heeded until rekeyAll has come to them.
func oldFields(to message.Address) []string {
	old := []string{strings.ToLower(to.Reveal())}
	if key := to.Key().Reveal(); key != old[0] {
		old = append(old, key)
	}
	return old
}
