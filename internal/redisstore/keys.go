package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
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
	Held      string    // sorted set: scheduled jobs, by when due (ms)
	Inflight  string    // sorted set, by when the lease ends (ms)
	Failed    string    // sorted set, by when given up (ms)
	Completed string    // sorted set, by when finished (ms)
	Halted    string    // hash: why nothing may be claimed
	State     string    // hash: tokens, breakers, turn
	Wake      string    // list: at most one token
	Outbox    string    // list: the messages that the sandbox took
	Totals    string    // hash: how many jobs were settled, by outcome
	Workers   string    // hash: the workers' heartbeats
	Audit     string    // list: the audit log, the latest entry first

	Suppressed string // hash: the suppression list, by address
	Reports    string // list: delivery reports, to be applied; programs of 0.1 put preferences there, too
	Taken      string // sorted set: reports that ingest has taken from the list, by when (ms) they are looked at again
	Moves      string // list: written by programs of 0.1 alone, see drainMoves
}

// NewKeys returns the keys of a channel under a prefix (RINGUP_PREFIX).
func NewKeys(prefix string, channel message.Channel) Keys {
	base := "{" + prefix + ":" + string(channel) + "}"
	k := Keys{
		Base: base, Retry: base + ":retry", Inflight: base + ":inflight", Failed: base + ":failed", Completed: base + ":completed",
		Halted: base + ":halted", State: base + ":state", Wake: base + ":wake", Outbox: base + ":outbox",
		Totals: base + ":totals", Workers: base + ":workers", Audit: base + ":audit",
		Held: base + ":held", Suppressed: base + ":suppressed", Reports: base + ":reports", Taken: base + ":reports:taken", Moves: base + ":moves",
	}
	for i := range k.Queue {
		k.Queue[i] = base + ":queue:" + strconv.Itoa(i+1)
	}
	return k
}

// body is the key of a shared body.
func (k *Keys) body(j *job.Job) string {
	return k.Base + ":body:" + j.WebhookID + ":" + strconv.FormatInt(j.AcceptedAt.UnixMilli(), 10)
}

// bodyOf is the key of the bytes of a body that all messages share which fell back from one event: by what it says, since the ids of webhooks are anybody's.
// Unlike the keys of bodies it does not end in a time.
func (k *Keys) bodyOf(body []byte) string {
	sum := sha256.Sum256(body)
	return k.Base + ":body:" + hex.EncodeToString(sum[:])
}

// logSpan is the time whose jobs' logs share a hash: the divisor of the scripts' log_key.
const logSpan = 256 // ms

// log returns the hash and the field of a job's log. Delivery reports are in a field of their own, with ":r" behind it.
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

// alias is the key that leads from one name of a person to the name of another number, by which a provider knows them.
func (k *Keys) alias(name string) string { return k.Base + ":alias:" + name }

// cost is the hash with the costs of a day, in days since 1970 (UTC).
func (k *Keys) cost(day int64) string { return k.Base + ":cost:" + strconv.FormatInt(day, 10) }

// jobKeys are those of the keys that most scripts work on.
type jobKeys struct {
	Queue    [4]string `key:"queue"`
	Retry    string    `key:"retry"`
	Held     string    `key:"held"`
	Inflight string    `key:"inflight"`
	Failed   string    `key:"failed"`
	Halted   string    `key:"halted"`
	State    string    `key:"state"`
	Wake     string    `key:"wake"`
}

func (k *Keys) jobs() jobKeys {
	return jobKeys{Queue: k.Queue, Retry: k.Retry, Held: k.Held, Inflight: k.Inflight, Failed: k.Failed, Halted: k.Halted, State: k.State, Wake: k.Wake}
}
