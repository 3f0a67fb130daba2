package redisstore

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

func TestSweepMovesDueRetriesWithoutAWorker(t *testing.T) {
	t.Parallel()
	_, store, producer, consumer := fixture(t)
	if _, err := producer.Enqueue(t.Context(), webhook("w")); err != nil {
		t.Fatal(err)
	}
	_, claim, _ := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	if _, _, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Retry{Delay: time.Millisecond}}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, "the retry waits in its list", func() bool {
		if _, err := store.Sweep(t.Context(), message.SMS, true); err != nil {
			t.Fatal(err)
		}
		d, _ := store.Depth(t.Context(), message.SMS)
		return d.Waiting[0] == 1 && d.Retry == 0
	})
}
