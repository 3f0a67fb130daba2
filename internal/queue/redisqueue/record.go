package redisqueue

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// A webhook's record on a channel: what deduplication and the status need of the moment it was accepted. Kept short, so that
// a bucket stays in Redis's compact encoding (values up to 64 bytes).
//
//	0-5   accepted at, Unix ms, big endian
//	6     priority
//	then  'j', audience, length, masked recipient: a job, in the order of their index
//	or    's', length, masked address, length, reason: a message that was skipped
const (
	recordHeader = 7
	tagJob       = 'j'
	tagSkipped   = 's'

	// buckets is the number of hashes that share a generation's records. Some 30 records are in each at a million webhooks a
	// period. Part of the layout: all programs have to agree on it.
	buckets = 32768
	// fieldBytes of SHA-256 name a webhook: 96 bits, so that nobody finds two ids that collide.
	fieldBytes = 12
)

// dots in a masked address take nine bytes; in a record they are one.
var (
	shortenDots = strings.NewReplacer("•••", "\x00")
	restoreDots = strings.NewReplacer("\x00", "•••")
)

// place says in which field of which bucket a webhook's record is.
func place(webhookID string) (field []byte, bucket string) {
	sum := sha256.Sum256([]byte(webhookID))
	return sum[:fieldBytes], strconv.Itoa(int(binary.BigEndian.Uint16(sum[fieldBytes:])) % buckets)
}

func encodeRecord(s *queue.Submission, c *queue.ChannelSubmission) []byte {
	record := appendMillis(make([]byte, 0, 64), s.AcceptedAt)
	record = append(record, byte(s.Priority))
	for _, r := range c.Recipients {
		record = append(record, tagJob, byte(r.Audience))
		record = appendShort(record, r.To.String())
	}
	for _, skipped := range c.Skipped {
		record = append(record, tagSkipped)
		record = appendShort(record, skipped.Address)
		record = appendShort(record, skipped.Reason)
	}
	return record
}

// decodeRecord returns what a record says was accepted and skipped. What cannot be read is left out.
func decodeRecord(webhookID string, channel message.Channel, record string) (jobs []queue.Accepted, skipped []queue.Skipped) {
	if len(record) < recordHeader {
		return nil, nil
	}
	rest := record[recordHeader:]
	for rest != "" {
		var a, b string
		var ok bool
		switch tag := rest[0]; {
		case tag == tagJob && len(rest) >= 2:
			if a, rest, ok = cutShort(rest[2:]); ok {
				jobs = append(jobs, queue.Accepted{ID: job.ID(webhookID, channel, len(jobs)+1), Channel: channel, Recipient: a})
			}
		case tag == tagSkipped:
			if a, rest, ok = cutShort(rest[1:]); ok {
				if b, rest, ok = cutShort(rest); ok {
					skipped = append(skipped, queue.Skipped{Channel: channel, Address: a, Reason: b})
				}
			}
		default:
			return jobs, skipped
		}
		if !ok {
			break
		}
	}
	return jobs, skipped
}

func appendShort(dst []byte, s string) []byte {
	s = shortenDots.Replace(s)
	s = s[:min(len(s), 255)]
	return append(append(dst, byte(len(s))), s...)
}

func cutShort(s string) (value, rest string, ok bool) {
	if s == "" || len(s) < 1+int(s[0]) {
		return "", "", false
	}
	n := 1 + int(s[0])
	return restoreDots.Replace(s[1:n]), s[n:], true
}

func appendMillis(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	return append(dst, byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms))
}

func millis(b string) time.Time {
	var ms int64
	for i := range 6 {
		ms = ms<<8 | int64(b[i])
	}
	return time.UnixMilli(ms)
}
