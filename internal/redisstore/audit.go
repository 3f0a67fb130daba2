package redisstore

import (
	"context"
	"encoding/json"
	"slices"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// maxAudit bounds the entries of one channel's audit log.
const maxAudit = 1000

// Record adds an entry to the audit log, from which the oldest beyond 1,000 falls off. Errors: queue.ErrUnavailable.
func (s *Store) Record(ctx context.Context, e queue.AuditEntry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	key := s.keys[e.Channel].Audit
	pipe := s.client.Pipeline()
	pipe.LPush(ctx, key, text)
	pipe.LTrim(ctx, key, 0, maxAudit-1)
	_, err = exec(ctx, pipe)
	return unavailable(err)
}

// Audit returns the latest entries of all channels, the latest first, at most limit. Errors: queue.ErrUnavailable, *queue.PartialError.
func (s *Store) Audit(ctx context.Context, limit int) ([]queue.AuditEntry, error) {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	lists, err := fromEach(func(channel message.Channel) ([]string, error) {
		texts, err := s.client.LRange(ctx, s.keys[channel].Audit, 0, int64(limit-1)).Result()
		return texts, unavailable(err)
	})
	var out []queue.AuditEntry
	for _, texts := range lists {
		for _, text := range texts {
			var e queue.AuditEntry
			if json.Unmarshal([]byte(text), &e) == nil {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b queue.AuditEntry) int { return b.At.Compare(a.At) })
	return out[:min(len(out), limit)], err
}
