package redisstore

import (
	"context"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/message"
)

// day is the time between two starts of a day's spending (UTC).
const day = 24 * time.Hour

// Spending returns what a channel has spent on the day of a time (UTC), in millionths of PRICE_CURRENCY, by the fields of queue.Cost.
// Errors: queue.ErrUnavailable.
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

// Spent returns what the consumer's channel has spent today.
func (c *Consumer) Spent(ctx context.Context) (map[string]int64, error) {
	return c.store.Spending(ctx, c.channel, time.Now())
}
