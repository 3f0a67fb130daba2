package redisstore

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
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

// TestSearchReturnsAtMostItsLimit, however many jobs have the provider's message id.
func TestSearchReturnsAtMostItsLimit(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for i := range 6 {
		s.settleOne(fmt.Sprint("w", i), queue.Done{Attempt: queue.Attempt{Provider: "first", MessageID: "SM1"}})
	}
	s.settleOne("failed", queue.Fail{Error: "of SM1"})
	for limit, want := range map[int]int{1: 1, 2: 2, 6: 6, 7: 7, 10: 7} {
		if found, err := s.store.Search(t.Context(), holds("SM1"), "SM1", limit); err != nil || len(found) != want {
			t.Errorf("at most %d: %d, %v", limit, len(found), err)
		}
	}
}

// holds matches jobs by any text in their bytes.
func holds(text string) func(*queue.Stored) bool {
	return func(k *queue.Stored) bool {
		return k.Job != nil && (bytes.Contains(k.Job.Body, []byte(text)) || bytes.Contains(k.Raw, []byte(text)))
	}
}

// TestSessions: a session is found until it ends or its time is over, and by its own id alone.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	want := func(id, name string) {
		t.Helper()
		if got, err := s.store.Session(t.Context(), id); err != nil || got != name {
			t.Errorf("%s is %q's, %v, want %q", id, got, err, name)
		}
	}
	s.must(s.store.SaveSession(t.Context(), "a", "ann", time.Hour))
	s.must(s.store.SaveSession(t.Context(), "b", "bob", 5*time.Millisecond))
	if ttl := s.store.client.PTTL(t.Context(), s.store.sessionKey("a")).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("it is stored for %s", ttl)
	}
	want("a", "ann")
	want("c", "")
	redistest.Eventually(t, "the session is over", func() bool {
		name, err := s.store.Session(t.Context(), "b")
		return err == nil && name == ""
	})
	s.must(s.store.EndSession(t.Context(), "a"))
	s.must(s.store.EndSession(t.Context(), "a"))
	want("a", "")
}
