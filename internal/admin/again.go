package admin

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// againPrefix begins the ids of webhooks that an operator sent again.
const againPrefix = "again-"

// onceID is what rand.Text makes.
var onceID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// Again returns the id of the job that a send-again adds; "" for any other action.
func (x *Action) Again() string {
	if x.Name != ActionSendAgain {
		return ""
	}
	return job.ID(againPrefix+x.Once, x.Channel, 1)
}

// validateAgain checks a send-again as far as it can be without the queue.
func (x *Action) validateAgain() error {
	if len(x.IDs) != 1 || x.State != "" {
		return refuse("send-again is for one job: ids")
	}
	if _, channel, _, err := job.ParseID(x.IDs[0]); err != nil || channel != x.Channel || !slices.Contains(message.Channels, channel) {
		return refuse("%q is no job of %s", x.IDs[0], x.Channel)
	}
	if x.Once != "" && !onceID.MatchString(x.Once) {
		return refuse("once is 26 characters of A to Z and 2 to 7, chosen at random, or left out")
	}
	return nil
}

// completed finds the completed job of a send-again, and refuses any other one.
func (a *Admin) completed(ctx context.Context, x *Action) (*queue.Stored, error) {
	k, err := a.Queues.Locate(ctx, x.IDs[0], time.Time{})
	switch {
	case err != nil:
		return nil, err
	case k == nil:
		return nil, refuse("job %s is not in the queue any more, and its message went with it (KEEP_COMPLETED)", x.IDs[0])
	case k.State != queue.Completed:
		return nil, refuse("job %s is %s: a message is sent again once it was sent. Failed, retrying and scheduled ones are retried", x.IDs[0], StateName(k.State))
	}
	return k, nil
}

// sendAgain puts the message of a completed job into the queue once more, as the job of a webhook of its own, to the same recipient. The workers treat it as any other: the suppression list, quiet hours,
// limits and caps hold. It is of no sale, so it takes no other message's place. It returns 0 where that was done before with the same Once.
func (a *Admin) sendAgain(ctx context.Context, x *Action) (int, error) {
	if strings.TrimSpace(x.Why) == "" {
		return 0, refuse("say why it is sent again: it goes into the audit log")
	}
	k, err := a.completed(ctx, x)
	if err != nil {
		return 0, err
	}
	e, err := k.Job.Event()
	if err != nil {
		return 0, refuse("the body of job %s is not in the queue any more", x.IDs[0])
	}
	e.ID = againPrefix + x.Once
	accepted, err := a.Tests.Enqueue(ctx, &queue.Submission{Event: e, Priority: k.Job.Priority, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{
		{Channel: x.Channel, Recipients: []message.Recipient{{Address: k.Job.Recipient, Audience: k.Job.Audience}}}}})
	var full *queue.FullError
	switch {
	case errors.As(err, &full):
		return 0, refuse("%v: nothing was sent", full)
	case err != nil:
		return 0, err
	case accepted.Duplicate:
		return 0, nil
	}
	return 1, nil
}
