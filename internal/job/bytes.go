package job

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// The bytes of a job. What the scripts in Redis read or change stands at fixed places.
//
//	0     version: 1 or 2
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
//	+     from version 2 on: length of the event type, then the type; the same of the store and of the group
//	+     the body, to the end; absent when it is stored apart
//
// The body of version 2 is an event, encoded without id, store and type. That of version 1, which ringup 0.1.0 wrote, is the webhook's JSON; a
// job that was read in version 1 is written in version 1, so that 0.1.0 can still send it after a rollback.
const (
	version1    = 1
	version2    = 2
	headerBytes = 12

	flagSharedBody = 1
	flagUncertain  = 2
	flagAlternate  = 4
	knownFlags     = flagSharedBody | flagUncertain | flagAlternate
	oneReturn      = 8
)

// version1Types are the event types of 0.1.0, whose priority was their place in this list.
var version1Types = [4]event.Type{event.PaymentComplete, event.OrderCreate, event.POSSave, event.OrderUpdate}

// ErrVersion means that the bytes are of a version this program does not know.
var ErrVersion = errors.New("job is of an unknown version")

// ErrCorrupt means that the bytes are no job.
var ErrCorrupt = errors.New("job cannot be read")

// AppendBinary appends the job's bytes to dst. A body that is stored apart is left out.
func (j *Job) AppendBinary(dst []byte) ([]byte, error) {
	if err := j.validate(); err != nil {
		return dst, err
	}
	version := byte(version2)
	if j.Version1 {
		version = version1
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
	dst = append(dst, version, byte(j.Priority), byte(min(j.Attempts, 255)), byte(min(j.Crashes, 255)), flags,
		byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms))
	dst = appendString(dst, j.WebhookID)
	dst = appendString(dst, lastError)
	dst = binary.AppendUvarint(dst, uint64(j.Index))
	dst = append(dst, byte(j.Audience))
	dst = appendString(dst, string(j.Recipient))
	dst = appendString(dst, j.Trace)
	if !j.Version1 {
		dst = appendString(dst, string(j.Type))
		dst = appendString(dst, j.Store)
		dst = appendString(dst, j.Group)
	}
	if !j.SharedBody {
		dst = append(dst, j.Body...)
	}
	return dst, nil
}

// validate says what of a job its bytes cannot hold.
func (j *Job) validate() error {
	if len(j.WebhookID) == 0 || len(j.WebhookID) > maxID {
		return fmt.Errorf("webhook id of %d bytes: 1 to %d are possible", len(j.WebhookID), maxID)
	}
	if len(j.Recipient) == 0 || len(j.Recipient) > message.MaxAddress {
		return fmt.Errorf("recipient of %d bytes: 1 to %d are possible", len(j.Recipient), message.MaxAddress)
	}
	if j.Priority < 1 || j.Priority > 4 || len(j.Trace) > 255 || j.Index < 1 {
		return fmt.Errorf("job with priority %d, index %d, trace of %d bytes", j.Priority, j.Index, len(j.Trace))
	}
	if !j.Version1 && (len(j.Type) == 0 || len(j.Type) > 255 || len(j.Store) == 0 || len(j.Store) > 255 || len(j.Group) > 255) {
		return fmt.Errorf("job with an event type of %d bytes, a store of %d, a group of %d: 1 to 255 are possible, for the group 0 too",
			len(j.Type), len(j.Store), len(j.Group))
	}
	return nil
}

// Returned returns a job's bytes as they are after it was put back to its list unchanged. Bytes of no known version stay as they are.
func Returned(raw []byte) []byte {
	if len(raw) < headerBytes || raw[0] != version1 && raw[0] != version2 {
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
	if data[0] != version1 && data[0] != version2 {
		return nil, fmt.Errorf("%w: %d, this program knows %d and %d", ErrVersion, data[0], version1, version2)
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
		Version1:   data[0] == version1,
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
	if j.Version1 {
		j.Type, j.Store = version1Types[j.Priority-1], event.DefaultStore
	} else {
		j.Type, j.Store, j.Group = eventType(r.bytes()), store(r.bytes()), r.string()
	}
	if r.short || j.WebhookID == "" || j.Recipient == "" || j.Index < 1 || j.Type == "" || j.Store == "" {
		return nil, fmt.Errorf("%w: it ends too early or lacks a field", ErrCorrupt)
	}
	if !j.SharedBody {
		j.Body = r.data
	}
	return j, nil
}

// eventType and store return the texts that nearly every job has without a copy of their own.
func eventType(b []byte) event.Type {
	for _, known := range event.Types {
		if string(b) == string(known) {
			return known
		}
	}
	return event.Type(b)
}

func store(b []byte) string {
	if string(b) == event.DefaultStore {
		return event.DefaultStore
	}
	return string(b)
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

// bytes returns a field that begins with its length, as a part of data.
func (r *reader) bytes() []byte {
	n := int(r.byte())
	if n > len(r.data) {
		r.short = true
		r.data = nil
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) string() string { return string(r.bytes()) }

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
