// Package job has the unit of work, one message to one recipient about one event, and its bytes in Redis.
package job

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// Limits of what a job can hold. Ingest refuses what is larger, so that a worker never meets it.
const (
	MaxWebhookID = event.MaxID // bytes of an id from outside; the header's length byte allows for what a fall-back adds to it
	MaxError     = 200         // bytes of the last error that are kept with a job
	MaxReturns   = 32          // Returns begins again here: five bits
)

// maxID is the longest webhook id that fits the bytes: one length byte.
const maxID = 255

// Job is one message to one recipient on one channel.
type Job struct {
	WebhookID  string
	Channel    message.Channel // not in the bytes: a queue is of one channel
	Index      int             // 1 for the webhook's first job on this channel
	Priority   int             // 1 (first) to 4
	Attempts   int             // sends that were started and counted
	Crashes    int             // leases that ended without a settlement
	Uncertain  bool            // an earlier send of it may have gone out
	Returns    int             // how often it was put back, modulo MaxReturns: no two leases of a job have the same bytes
	AcceptedAt time.Time       // millisecond precision
	Audience   message.Audience
	Recipient  message.Address
	LastError  string
	Trace      string // W3C traceparent, "" when tracing is off
	Alternate  bool   // a provider took it, and then reported that it did not arrive: another one is to try
	Type       event.Type
	Store      string // the id of the store
	Group      string // not used yet, and always "": for the key of the sale, when a later message of a sale is to supersede an earlier one
	SharedBody bool   // the body is stored apart from the job (several recipients, or a large one)
	// Body is what Event reads: an encoded event, or, with Version1, a webhook as it came. After a claim it is always set.
	Body []byte
	// Version1 says that ringup 0.1.0 accepted the job: its bytes stay those of version 1.
	Version1 bool
}

// ID names the job for people, logs and providers: "<webhook id>:<channel>:<index>".
func (j *Job) ID() string { return ID(j.WebhookID, j.Channel, j.Index) }

// ID puts a job's id together.
func ID(webhookID string, channel message.Channel, index int) string {
	return webhookID + ":" + string(channel) + ":" + strconv.Itoa(index)
}

// Event returns the event that the job is about. Each call reads it anew; the texts of one event are parts of one copy of the body. Errors:
// ErrCorrupt, also for a job whose body is stored apart and has not been fetched.
func (j *Job) Event() (*event.Event, error) {
	if j.Version1 {
		e, err := event.DecodeVersion1(j.Body)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return e, nil
	}
	e, err := event.Decode(j.Body)
	if err != nil || len(j.Body) == 0 {
		return nil, fmt.Errorf("%w: its event cannot be read", ErrCorrupt)
	}
	e.ID, e.Store, e.Type = j.WebhookID, j.Store, j.Type
	return e, nil
}

// Body returns the body of an event's jobs: the event without what the header of each job has. Errors are of an event beyond its limits.
func Body(e *event.Event) ([]byte, error) {
	rest := *e
	rest.ID, rest.Store, rest.Type = "", "", ""
	return rest.AppendBinary(make([]byte, 0, 512)) // most need less
}

// ParseID takes a job's id apart.
func ParseID(id string) (webhookID string, channel message.Channel, index int, err error) {
	bad := fmt.Errorf("job id %q is not of the form <webhook id>:<channel>:<number>", id)
	rest, number, ok := cutLast(id)
	if !ok {
		return "", "", 0, bad
	}
	webhookID, name, ok := cutLast(rest)
	if !ok || webhookID == "" {
		return "", "", 0, bad
	}
	if channel, err = message.ParseQueue(name); err != nil {
		return "", "", 0, bad
	}
	if index, err = strconv.Atoi(number); err != nil || index < 1 {
		return "", "", 0, bad
	}
	return webhookID, channel, index, nil
}

// Parent returns the job whose message fell back to another channel, where it has the job with this id: a message that falls back is enqueued
// there as a webhook whose id is the id of the job that gives it up. false for every other job.
func Parent(id string) (parent string, ok bool) {
	webhookID, _, _, err := ParseID(id)
	if err != nil {
		return "", false
	}
	if _, _, _, err = ParseID(webhookID); err != nil {
		return "", false
	}
	return webhookID, true
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
