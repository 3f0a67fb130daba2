package redisstore

import (
	"slices"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// TestVersions: a worker of a version that was not there leaves one mark, however many come; a return to an older version is one, and workers that come back after none
// were needed are not.
func TestVersions(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	keys := s.store.keys[message.SMS]
	var want []string
	beat := func(worker, version string, marked bool) {
		t.Helper()
		s.must(s.consumer.heartbeat(t.Context(), &queue.WorkerState{ID: worker, Version: version}))
		if marked {
			want = append(want, "worker "+version)
		}
		marks, err := s.store.Marks(t.Context(), message.SMS)
		s.must(err)
		var got []string
		for _, m := range marks {
			if got = append(got, m.What); m.Kind != queue.MarkVersion || time.Since(m.At).Abs() > time.Minute {
				t.Errorf("%+v", m)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("marks of %q, want %q", got, want)
		}
	}
	silent := func(ago time.Duration, versions ...string) {
		t.Helper()
		for _, v := range versions {
			s.must(s.store.client.HSet(t.Context(), keys.State, "v:"+v, time.Now().Add(-ago).UnixMilli()).Err())
		}
	}
	beat("a", "1", true)
	beat("a", "1", false)
	beat("b", "1", false)
	beat("c", `2 "x"`, true) // a rollout
	beat("a", "1", false)
	silent(time.Minute, "1")
	beat("c", `2 "x"`, false) // its end
	beat("d", "1", true)      // and back
	silent(time.Hour, "1")
	silent(time.Hour, `2 "x"`)
	beat("e", "1", false) // nothing waited for an hour
	silent(-time.Hour, `3`)
	beat("e", "1", false) // the clock went back
	beat("f", "3", true)
	if w := s.state().Workers; len(w) != 6 || w[0].Version != "1" {
		t.Errorf("workers %+v", w)
	}
	s.must(s.store.client.Del(t.Context(), keys.State).Err())
	s.must(s.store.client.Set(t.Context(), keys.State, "another program's", 0).Err())
	beat("f", "4", false) // no mark, and alive
}
