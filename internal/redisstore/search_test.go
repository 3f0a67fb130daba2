package redisstore

import (
	"fmt"
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
)

func TestLocateAmongMany(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	at := map[string]time.Time{}
	for i := range 3000 {
		id := fmt.Sprint("w", i)
		w := webhook(id)
		w.AcceptedAt = time.UnixMilli(1_700_000_000_000 + int64(i))
		at[id] = w.AcceptedAt
		_, err := s.producer.Enqueue(t.Context(), w)
		s.must(err)
	}
	for _, id := range []string{"w0", "w1500", "w2999"} {
		k, err := s.store.Locate(t.Context(), id+":sms:1", at[id])
		s.must(err)
		if k == nil || k.State != queue.Waiting {
			t.Errorf("%s: %+v", id, k)
		}
	}
	if k, err := s.store.Locate(t.Context(), "unknown:sms:1", time.Now()); err != nil || k != nil {
		t.Errorf("found what is not there: %+v, %v", k, err)
	}
}
