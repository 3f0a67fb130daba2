package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// A webhook's record is what deduplication and the status need of the moment it was accepted. Kept short, so that a bucket stays
// in Redis's compact encoding (values up to 64 bytes).
//
//	0-5   accepted at, Unix ms, big endian
//	6     priority
//	then an entry for each job, in the order of their index, and for each message that was skipped:
//	0     bits 0-1 the channel; 2 for staff; 3 skipped; 4 the address is that of an earlier entry
//	+     that entry's number, or the length of the masked address and the address
//	+     of a skipped one: the length of the reason and the reason
const (
	recordHeader = 7

	entryChannel = 3
	entryStaff   = 4
	entrySkipped = 8
	entryAgain   = 16
	entryKnown   = entryChannel | entryStaff | entrySkipped | entryAgain

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

// recordPath returns the bucket of an event's record, and the field in it, by the event's key (event.Key).
func recordPath(key string) (field []byte, bucket string) {
	sum := sha256.Sum256([]byte(key))
	return sum[:fieldBytes], strconv.Itoa(int(binary.BigEndian.Uint16(sum[fieldBytes:])) % buckets)
}

// encodeRecord makes a webhook's record out of its parts on some channels.
func encodeRecord(s *queue.Submission, parts []*queue.ChannelSubmission) []byte {
	record := appendMillis(make([]byte, 0, 64), s.AcceptedAt)
	record = append(record, byte(s.Priority))
	addresses := make([]string, 0, 8)
	add := func(tag byte, address string) {
		if i := slices.Index(addresses, address); i >= 0 && i <= 255 {
			record = append(record, tag|entryAgain, byte(i))
		} else {
			record = appendShort(append(record, tag), address)
		}
		addresses = append(addresses, address)
	}
	for _, part := range parts {
		channel := byte(slices.Index(message.Channels, part.Channel))
		for _, r := range part.Recipients {
			tag := channel
			if r.Audience == message.Staff {
				tag |= entryStaff
			}
			add(tag, r.Address.String())
		}
		for _, skipped := range part.Skipped {
			add(channel|entrySkipped, skipped.Address)
			record = appendShort(record, skipped.Reason)
		}
	}
	return record
}

// decodeRecord returns what a record says was accepted and skipped. What cannot be read is left out.
func decodeRecord(webhookID, record string) (jobs []queue.Accepted, skipped []queue.Skipped) {
	if len(record) < recordHeader {
		return nil, nil
	}
	rest := record[recordHeader:]
	var addresses []string
	count := map[message.Channel]int{}
	for len(rest) >= 2 {
		tag := rest[0]
		var address string
		if int(tag&entryChannel) >= len(message.Channels) || tag&^entryKnown != 0 {
			break // of a newer version
		}
		channel := message.Channels[tag&entryChannel]
		if tag&entryAgain == 0 {
			var ok bool
			if address, rest, ok = cutShort(rest[1:]); !ok {
				break
			}
		} else if i := int(rest[1]); i < len(addresses) {
			address, rest = addresses[i], rest[2:]
		} else {
			break
		}
		addresses = append(addresses, address)
		if tag&entrySkipped == 0 {
			count[channel]++
			jobs = append(jobs, queue.Accepted{ID: job.ID(webhookID, channel, count[channel]), Channel: channel, Recipient: address})
			continue
		}
		var reason string
		var ok bool
		if reason, rest, ok = cutShort(rest); !ok {
			break
		}
		skipped = append(skipped, queue.Skipped{Channel: channel, Address: address, Reason: reason})
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
