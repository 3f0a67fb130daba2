// Package job has the unit of work, one message to one recipient, and its bytes in Redis.
package job

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
)

// Limits of what a job can hold. Ingest refuses what is larger, so that a worker never meets it.
const (
	MaxWebhookID = 200 // bytes of an id from outside; the header's length byte allows for what a fall-back adds to it
	MaxRecipient = 254 // bytes; RFC 5321 limits a forward-path to 256 with its brackets
	MaxError     = 200 // bytes of the last error that are kept with a job
	MaxReturns   = 32  // Returns begins again here: five bits
)

// maxID is the longest webhook id that fits the bytes: one length byte.
const maxID = 255

// Job is one message to one recipient on one channel.
type Job struct {
	WebhookID  string
	Channel    message.Channel // not in the bytes: a queue is of one channel
	Index      int             // 1 for the webhook's first job on this channel
	Priority   int             // 1 (first) to 4
	Attempts   int             // sends that were begun and counted
	Crashes    int             // leases that ended while a worker held the job
	Uncertain  bool            // an earlier send of it may have gone out
	Returns    int             // how often somebody who had it put it back, modulo MaxReturns: no two leases of a job have the same bytes
	AcceptedAt time.Time       // millisecond precision
	Audience   message.Audience
	Recipient  message.Address
	LastError  string
	Trace      string // W3C traceparent, "" when tracing is off
	Alternate  bool   // a provider took it, and then reported that it did not arrive: another one is to try
	SharedBody bool   // the body is stored apart from the job (several recipients, or a large one)
	Body       []byte // the webhook as it came; after a claim always set
}

// ID names the job for people, logs and providers: "<webhook id>:<channel>:<index>".
func (j *Job) ID() string { return ID(j.WebhookID, j.Channel, j.Index) }

// ID puts a job's id together.
func ID(webhookID string, channel message.Channel, index int) string {
	return webhookID + ":" + string(channel) + ":" + strconv.Itoa(index)
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
	if channel, err = message.ParseChannel(name); err != nil {
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

// The bytes of a job, version 1. What the scripts in Redis read or change stands at fixed places.
//
//	0     version
//	1     priority, 1 to 4
//	2     attempts
//	3     crashes
//	4     flags: 1 body stored apart, 2 uncertain, 4 for another provider; bits 3-7 returns
//	5-10  accepted at, Unix ms, big endian
//	11    length of the webhook id, then the id
//	+     length of the last error, then the error
//	+     index, uvarint
//	+     audience
//	+     length of the recipient, then the recipient
//	+     length of the trace context, then the trace context
//	+     the body, to the end; absent when it is stored apart
const (
	version1    = 1
	headerBytes = 12

	flagSharedBody = 1
	flagUncertain  = 2
	flagAlternate  = 4
	knownFlags     = flagSharedBody | flagUncertain | flagAlternate
	oneReturn      = 8
)

// ErrVersion means that the bytes are of a version this program does not know.
var ErrVersion = errors.New("job is of an unknown version")

// ErrCorrupt means that the bytes are no job.
var ErrCorrupt = errors.New("job cannot be read")

// AppendBinary appends the job's bytes to dst. A body that is stored apart is left out.
func (j *Job) AppendBinary(dst []byte) ([]byte, error) {
	if len(j.WebhookID) == 0 || len(j.WebhookID) > maxID {
		return dst, fmt.Errorf("webhook id of %d bytes: 1 to %d are possible", len(j.WebhookID), maxID)
	}
	if len(j.Recipient) == 0 || len(j.Recipient) > MaxRecipient {
		return dst, fmt.Errorf("recipient of %d bytes: 1 to %d are possible", len(j.Recipient), MaxRecipient)
	}
	if j.Priority < 1 || j.Priority > 4 || len(j.Trace) > 255 || j.Index < 1 {
		return dst, fmt.Errorf("job with priority %d, index %d, trace of %d bytes", j.Priority, j.Index, len(j.Trace))
	}
	flags := byte(j.Returns%MaxReturns) * oneReturn
	if j.SharedBody {
		flags |= flagSharedBody
	}
	if j.Uncertain {
		flags |= flagUncertain
	}
	if j.Alternate {
		flags |= flagAlternate
	}
	lastError := truncate(j.LastError, MaxError)
	ms := uint64(j.AcceptedAt.UnixMilli())
	dst = append(dst, version1, byte(j.Priority), byte(min(j.Attempts, 255)), byte(min(j.Crashes, 255)), flags,
		byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms))
	dst = appendString(dst, j.WebhookID)
	dst = appendString(dst, lastError)
	dst = binary.AppendUvarint(dst, uint64(j.Index))
	dst = append(dst, byte(j.Audience))
	dst = appendString(dst, string(j.Recipient))
	dst = appendString(dst, j.Trace)
	if !j.SharedBody {
		dst = append(dst, j.Body...)
	}
	return dst, nil
}

// Returned returns a job's bytes as they are once whoever had it has put it back as it was. What is no job stays as it is.
func Returned(raw []byte) []byte {
	if len(raw) < headerBytes || raw[0] != version1 {
		return raw
	}
	raw = bytes.Clone(raw)
	raw[4] += oneReturn // beyond the last it begins again
	return raw
}

// Decode reads a job's bytes. The body of a job whose body is stored apart stays nil. Errors: ErrVersion, ErrCorrupt. The
// job keeps no reference to data but in Body.
func Decode(channel message.Channel, data []byte) (*Job, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrCorrupt)
	}
	if data[0] != version1 {
		return nil, fmt.Errorf("%w: %d, this program knows %d", ErrVersion, data[0], version1)
	}
	if len(data) < headerBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(data))
	}
	j := &Job{
		Channel:    channel,
		Priority:   int(data[1]),
		Attempts:   int(data[2]),
		Crashes:    int(data[3]),
		SharedBody: data[4]&flagSharedBody != 0,
		Uncertain:  data[4]&flagUncertain != 0,
		Alternate:  data[4]&flagAlternate != 0,
		Returns:    int(data[4] / oneReturn),
	}
	if j.Priority < 1 || j.Priority > 4 || data[4]%oneReturn&^knownFlags != 0 {
		return nil, fmt.Errorf("%w: priority %d, flags %#x", ErrCorrupt, j.Priority, data[4])
	}
	ms := int64(data[5])<<40 | int64(data[6])<<32 | int64(data[7])<<24 | int64(data[8])<<16 | int64(data[9])<<8 | int64(data[10])
	j.AcceptedAt = time.UnixMilli(ms)
	r := reader{data: data[11:]}
	j.WebhookID = r.string()
	j.LastError = r.string()
	j.Index = r.uvarint()
	j.Audience = message.Audience(r.byte())
	j.Recipient = message.Address(r.string())
	j.Trace = r.string()
	if r.short || j.WebhookID == "" || j.Recipient == "" || j.Index < 1 {
		return nil, fmt.Errorf("%w: it ends too early or lacks a field", ErrCorrupt)
	}
	if !j.SharedBody {
		j.Body = r.data
	}
	return j, nil
}

// reader takes fields off the front of data; short says that one was not whole.
type reader struct {
	data  []byte
	short bool
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.short = true
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) string() string {
	n := int(r.byte())
	if n > len(r.data) {
		r.short = true
		r.data = nil
		return ""
	}
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}

func (r *reader) uvarint() int {
	v, n := binary.Uvarint(r.data)
	if n <= 0 || v > 1<<31 {
		r.short = true
		return 0
	}
	r.data = r.data[n:]
	return int(v)
}

func appendString(dst []byte, s string) []byte {
	dst = append(dst, byte(len(s)))
	return append(dst, s...)
}

// truncate cuts s to at most n bytes, never inside a rune.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
