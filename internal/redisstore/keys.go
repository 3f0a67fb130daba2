package redisstore

import (
	"strconv"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// Keys are the names of one channel's keys. The lists, retry, inflight, failed, completed and halted are a contract: KEDA and
// people read them.
type Keys struct {
	Base      string    // the hash tag all of them share, as {ringup:sms}
	Queue     [4]string // lists, by priority
	Retry     string    // sorted set, by when due (ms)
	Held      string    // sorted set, by when due (ms)
	Inflight  string    // sorted set, by when the lease ends (ms)
	Failed    string    // sorted set, by when given up (ms)
	Completed string    // sorted set, by when finished (ms)
	Halted    string    // hash: why nothing is claimed
	State     string    // hash: tokens, breakers, turn
	Wake      string    // list: at most one token
	Outbox    string    // list: what the sandbox took
	Totals    string    // hash: how many were settled, by action
	Workers   string    // hash: what each worker says of itself
	Audit     string    // list: what people did, the latest first

	Suppressed string // hash: who gets nothing, and why, by address
	Reports    string // list: what providers said, to be applied
	Moves      string // list: jobs that another channel is to try
}

// NewKeys returns the keys of a channel under a prefix (RINGUP_PREFIX).
func NewKeys(prefix string, channel message.Channel) Keys {
	base := "{" + prefix + ":" + string(channel) + "}"
	k := Keys{
		Base: base, Retry: base + ":retry", Inflight: base + ":inflight", Failed: base + ":failed", Completed: base + ":completed",
		Halted: base + ":halted", State: base + ":state", Wake: base + ":wake", Outbox: base + ":outbox",
		Totals: base + ":totals", Workers: base + ":workers", Audit: base + ":audit",
		Held: base + ":held", Suppressed: base + ":suppressed", Reports: base + ":reports", Moves: base + ":moves",
	}
	for i := range k.Queue {
		k.Queue[i] = base + ":queue:" + strconv.Itoa(i+1)
	}
	return k
}

// body is the key of a body that is stored apart from its jobs.
func (k *Keys) body(j *job.Job) string {
	return k.Base + ":body:" + j.WebhookID + ":" + strconv.FormatInt(j.AcceptedAt.UnixMilli(), 10)
}

// logSpan is the time whose jobs' logs share a hash: what the scripts' log_key divides by.
const logSpan = 256 // ms

// log is the hash, and the field in it, with what happened to a job. What providers reported of it is in a field of its own, with
// ":r" behind it.
func (k *Keys) log(webhookID string, index int, accepted time.Time) (key, field string) {
	return k.logOf(accepted), logName(&job.Job{WebhookID: webhookID, Index: index})
}

func (k *Keys) logOf(accepted time.Time) string {
	return k.Base + ":log:" + strconv.FormatInt(accepted.UnixMilli()/logSpan, 10)
}

// logName is a job's name among those of its channel, as the scripts' log_field has it.
func logName(j *job.Job) string { return j.WebhookID + ":" + strconv.Itoa(j.Index) }

// message is the key that leads from a provider's message id to a job.
func (k *Keys) message(id string) string { return k.Base + ":message:" + id }

// cost is the hash with what was spent on a day, in days since 1970 (UTC).
func (k *Keys) cost(day int64) string { return k.Base + ":cost:" + strconv.FormatInt(day, 10) }

// claim lists the keys of the claim script, in its order.
func (k *Keys) claim() []string {
	return []string{
		k.Queue[0], k.Queue[1], k.Queue[2], k.Queue[3], k.Retry, k.Inflight, k.Failed, k.Halted, k.State, k.Wake,
	}
}
