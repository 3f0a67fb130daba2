package redisstore

import (
	"context"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/message"
)

const (
	// day is how long one hash takes up costs (UTC).
	day = 24 * time.Hour
	// costTTL is how long a day's costs are stored.
	costTTL = 40 * day
)

// Spending returns the costs of a channel on the day of a time (UTC), in millionths of PRICE_CURRENCY, by the fields of queue.CostTotal and its like; none for a
// day without costs, or more than forty days ago. Errors: queue.ErrUnavailable.
func (s *Store) Spending(ctx context.Context, channel message.Channel, at time.Time) (map[string]int64, error) {
	k := s.keys[channel]
	fields, err := s.client.HGetAll(ctx, k.cost(at.UnixMilli()/day.Milliseconds())).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string]int64, len(fields))
	for field, text := range fields {
		out[field], _ = strconv.ParseInt(text, 10, 64)
	}
	return out, nil
}

// Spent returns today's costs of the consumer's channel: see Spending.
func (c *Consumer) Spent(ctx context.Context) (map[string]int64, error) {
	return c.store.Spending(ctx, c.channel, time.Now())
}
