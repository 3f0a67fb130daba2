package redisstore

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

func TestLocateAmongMany(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	at := map[string]time.Time{}
	for hundred := range 30 {
		var enqueued sync.WaitGroup // at once, so that they share scripts
		for i := hundred * 100; i < hundred*100+100; i++ {
			id := fmt.Sprint("w", i)
			w := webhook(id)
			w.AcceptedAt = time.UnixMilli(1_700_000_000_000 + int64(i))
			at[id] = w.AcceptedAt
			enqueued.Go(func() {
				if _, err := s.producer.Enqueue(t.Context(), w); err != nil {
					t.Error(err)
				}
			})
		}
		enqueued.Wait()
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

// TestListsLoadNoBodies: a list of jobs with large bodies has none of them, and where they are looked at, some megabytes are read at a time, in order. A body
// that is gone, or another program's key, is looked at as empty.
func TestListsLoadNoBodies(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for i := range 30 {
		w := webhook(fmt.Sprint("w", i))
		w.Event.Extra = fmt.Sprintf(`{"x":"%d %s"}`, i, strings.Repeat("x", 600_000*(i%2)))
		_, err := s.producer.Enqueue(t.Context(), w)
		s.must(err)
	}
	k := s.store.keys[message.SMS]
	jobs, err := s.store.List(t.Context(), message.SMS, queue.Waiting, 0, 0, 100)
	s.must(err)
	s.must(s.store.client.Del(t.Context(), k.body(jobs[5].Job)).Err())
	s.must(s.store.client.Del(t.Context(), k.body(jobs[7].Job)).Err())
	s.must(s.store.client.Set(t.Context(), k.body(jobs[7].Job), "of another program", 0).Err())
	s.must(s.store.client.ConfigResetStat(t.Context()).Err())
	seen := 0
	found, err := s.store.Matching(t.Context(), jobs, func(one *queue.Stored) bool {
		i := seen
		seen++
		if missing := i == 5 || i == 7; len(one.Job.Body) == 0 != missing || !missing && !strings.Contains(string(one.Job.Body), fmt.Sprintf(`"%d `, i)) {
			t.Errorf("job %d has a body of %d bytes", i, len(one.Job.Body))
		}
		return i%3 == 0
	})
	s.must(err)
	if seen != 30 || len(found) != 10 || found[1].Job.WebhookID != "w3" {
		t.Errorf("%d seen, %d found", seen, len(found))
	}
	for _, one := range append(jobs, found...) {
		if one.Job.SharedBody && one.Job.Body != nil {
			t.Errorf("%s has its body of %d bytes", one.Job.ID(), len(one.Job.Body))
		}
	}
	stats := s.store.client.Info(t.Context(), "commandstats").Val()
	if calls := regexp.MustCompile(`cmdstat_evalsha:calls=2,`); !calls.MatchString(stats) { // of 13 × 600 KB
		t.Errorf("bodies were read otherwise than 4 MB at a time: %s", stats)
	}
	if one, err := s.store.Locate(t.Context(), "w9:sms:1", time.Time{}); err != nil || one == nil || len(one.Job.Body) < 600_000 {
		t.Errorf("located: %+v, %v", one, err)
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
