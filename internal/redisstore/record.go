package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// A webhook's record is what deduplication and the status need of the moment it was accepted. Kept short, so that a bucket stays
// in Redis's compact encoding (values up to 64 bytes).
//
//	0-5   accepted at, Unix ms, big endian
//	6     bits 0-2 the priority; 3-7 the number of the event's type, 0 in a record of 0.1.0
//	then an entry for each job, in the order of their index, and for each message that was skipped:
//	0     bits 0-1 the channel; 2 for staff; 3 skipped; 4 the address is that of an earlier entry
//	+     that entry's number, or the length of the masked address and the address
//	+     of a skipped one: the length of the reason and the reason
//
// Events of different types may have one id: a till that names its webhooks by the order's number tells of the order and then of its payment. They share
// a field. Behind the record of the first, which 0.1.0 would read, stand those of the others as parts, which are read from their end:
//
//	0     255, which ends the record before
//	1     the place, from 1
//	2-    the record
//	+     its length (two bytes), and 255, which no record ends with
//
// The place keeps the jobs of the events apart: their numbers begin at placeSpan times the place. When the first is forgotten, the parts stay alone.
const (
	recordHeader = 7
	// placeSpan is how many jobs an event may have on a channel. The scripts read numbers below 16,384, and there are eight places.
	placeSpan = 2000
	places    = 8
	partEnd   = 255
	partBytes = 5 // around the record
	maxRecord = 1<<16 - 1

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

// generationPeriod is how long a generation of records lasts. It is part of the layout, and no setting: a generation's number is the time divided by
// it, so records are found whatever DEDUPE_TTL and STATUS_TTL were when they were written. 0.1.0 divided by the longer of the two, which is the same by default.
const generationPeriod = 24 * time.Hour

// longestTTL is how long a record is of use.
func (c *Config) longestTTL() time.Duration { return max(c.DedupeTTL, c.StatusTTL) }

// generationsIn is how many generations before the current one may have a record of some time ago.
func generationsIn(ttl time.Duration) int {
	return int((ttl + generationPeriod - 1) / generationPeriod)
}

// generations returns the numbers of the generations that may have a record that is of use now, the latest first. Redis's clock names the generations,
// and ours may be off by some: the one after is among them, too. Those of 0.1.0 stand behind, which can go with release 0.3.
func (c *Config) generations(now time.Time) (numbers []int64) {
	current := now.UnixMilli() / generationPeriod.Milliseconds()
	for g := current + 1; g >= current-int64(generationsIn(c.longestTTL())); g-- {
		numbers = append(numbers, g)
	}
	if former := c.longestTTL(); former != generationPeriod {
		g := now.UnixMilli() / former.Milliseconds()
		numbers = append(numbers, g+1, g, g-1)
	}
	return numbers
}

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
	record = append(record, byte(s.Priority)|typeNumber(s.Event.Type)<<3)
	addresses := make([]string, 0, 8)
	add := func(tag byte, address string) {
		if i := slices.Index(addresses, address); i >= 0 && i < partEnd {
			record = append(record, tag|entryAgain, byte(i))
		} else {
			record = appendShort(append(record, tag), address)
		}
		addresses = append(addresses, address)
	}
	for _, part := range parts {
		channel := byte(slices.Index(message.Queues, part.Channel))
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

// recordTypes are the event types by their numbers in records, from 1. The first four have that of their priority in 0.1.0, which wrote no type.
var recordTypes = []event.Type{event.PaymentComplete, event.OrderCreate, event.POSSave, event.OrderUpdate, event.RefundComplete, event.OrderCancel}

// typeNumber returns a type's number; all types that are not known share the last.
func typeNumber(t event.Type) byte {
	const other = 31
	if i := slices.Index(recordTypes, t); i >= 0 {
		return byte(i + 1)
	}
	return other
}

// recordPart is the record of one event.
type recordPart struct {
	place  int
	record string // recordHeader bytes at least
}

func (p recordPart) acceptedAt() time.Time { return millis(p.record[:6]) }

// has says whether a job of the event can have a number.
func (p recordPart) has(index int) bool { return (index-1)/placeSpan == p.place }

// splitRecord returns the records in a field, that at place 0 first.
func splitRecord(field string) (parts []recordPart) {
	for len(field) >= partBytes && field[len(field)-1] == partEnd {
		end := len(field) - 3
		size := int(field[end])<<8 | int(field[end+1])
		if size < recordHeader || end-size < 2 {
			break
		}
		parts = append(parts, recordPart{int(field[end-size-1]), field[end-size : end]})
		field = field[:end-size-2]
	}
	if len(field) >= recordHeader {
		parts = append(parts, recordPart{0, field})
	}
	slices.SortStableFunc(parts, func(a, b recordPart) int { return a.place - b.place })
	return parts
}

// decodeRecord returns what the records in a field say was accepted and skipped. What cannot be read is left out.
func decodeRecord(webhookID, field string) (jobs []queue.Accepted, skipped []queue.Skipped) {
	for _, part := range splitRecord(field) {
		j, s := part.decode(webhookID)
		jobs, skipped = append(jobs, j...), append(skipped, s...)
	}
	return jobs, skipped
}

// decode returns what the record says was accepted and skipped. What cannot be read is left out.
func (p recordPart) decode(webhookID string) (jobs []queue.Accepted, skipped []queue.Skipped) {
	record := p.record
	rest := record[recordHeader:]
	var addresses []string
	count := map[message.Channel]int{}
	for len(rest) >= 2 {
		tag := rest[0]
		var address string
		if int(tag&entryChannel) >= len(message.Queues) || tag&^entryKnown != 0 {
			break // of a newer version
		}
		channel := message.Queues[tag&entryChannel]
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
			jobs = append(jobs, queue.Accepted{ID: job.ID(webhookID, channel, p.place*placeSpan+count[channel]), Channel: channel, Recipient: address})
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
