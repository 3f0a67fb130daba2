package system

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"ringup.dev/ringup/internal/redistest"
)

// previous returns the folder with the programs of the previous release.
func previous(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("RINGUP_PREVIOUS")
	if folder == "" {
		t.Skip("RINGUP_PREVIOUS does not name the programs of the previous release: `make upgrade-test` builds them, and CI runs it")
	}
	return folder
}

// TestUpgradeAndRollBack runs the programs of the previous release and of this one side by side, under load, with sends that fail and are
// retried. The old programs end; then everything rolls back. Every accepted webhook arrives once.
func TestUpgradeAndRollBack(t *testing.T) {
	t.Parallel()
	old := previous(t)
	s := start(t) // with the new ingest
	newer := s.url
	olderPort := redistest.FreePort(t)
	older := fmt.Sprintf("http://127.0.0.1:%d", olderPort)
	serveOld := func() *process {
		p := s.runFrom(old, "ingest", fmt.Sprint("PORT=", olderPort), "WEBHOOK_AUTH_TOKEN=token-for-the-tests")
		s.url = older
		redistest.Eventually(t, "the old ingest accepts", func() bool { return s.postOne(0) == nil })
		return p
	}
	ill := []string{"SANDBOX_FAIL=transient:0.05", "RETRY_BACKOFF=50ms,100ms,200ms,400ms,800ms,1s,1s,1s",
		"BREAKER_FAILURES=1000", "CONCURRENCY=10", "SANDBOX_LATENCY=2ms"}
	workers := func(folder string) (all []*process) {
		for _, c := range channels {
			all = append(all, s.runFrom(folder, "worker", append([]string{"CHANNEL=" + c}, ill...)...))
		}
		return all
	}
	posted := 1
	load := func(urls ...string) {
		t.Helper()
		const n = 200
		for _, url := range urls {
			s.url = url
			s.post(posted, n)
			s.post(posted-1, 1) // a duplicate, which the other ingest may have accepted
			posted += n
		}
	}
	stop := func(all []*process) {
		t.Helper()
		var stopped sync.WaitGroup
		for _, p := range all {
			stopped.Go(func() { s.stop(p) })
		}
		stopped.Wait()
	}

	oldIngest, oldWorkers := serveOld(), workers(old)
	load(older)
	newWorkers := workers(bin)
	load(newer, older, newer)
	stop(oldWorkers)
	s.stop(oldIngest)
	load(newer)
	// Something went wrong with the new ones: back, ingest first. The new workers finish the jobs that the old ones could not read.
	oldIngest = serveOld()
	load(newer, older)
	s.stop(s.ingest)
	load(older)
	redistest.Eventually(t, "no job of the new version is left", func() bool { return s.newerJobs() == 0 })
	oldWorkersAgain := workers(old)
	load(older)
	stop(newWorkers)
	load(older)
	for _, c := range channels {
		if twice := s.arrives(c, posted); twice != 0 {
			t.Errorf("%d messages sent twice on %s", twice, c)
		}
		s.settled(c)
	}
	stop(oldWorkersAgain)
	s.stop(oldIngest)
	for _, p := range slices.Concat(oldWorkers, oldWorkersAgain, newWorkers) {
		bad := []string{"does not answer", "lease lost"}
		if slices.Contains(newWorkers, p) {
			bad = append(bad, "cannot be read") // an old worker cannot read a new job: it sets it aside, and a new program takes it back
		}
		for _, text := range bad {
			if strings.Contains(p.text(), text) {
				t.Errorf("%q is in a worker's log", text)
			}
		}
	}
}

// newerJobs counts the jobs in Redis that the release before cannot read: their first byte is the version. Completed jobs do not count.
func (s *system) newerJobs() (n int) {
	s.Helper()
	ctx := s.Context()
	for _, c := range channels {
		base := "{ringup:" + c + "}:"
		var raws []string
		for p := 1; p <= 4; p++ {
			raws = append(raws, s.client.LRange(ctx, fmt.Sprint(base, "queue:", p), 0, -1).Val()...)
		}
		for _, set := range []string{"retry", "held", "inflight", "failed"} {
			raws = append(raws, s.client.ZRange(ctx, base+set, 0, -1).Val()...)
		}
		for _, raw := range raws {
			if strings.HasPrefix(raw, "\x02") {
				n++
			}
		}
	}
	return n
}

// TestUpgradeSkipped: a rollback by more than one version leaves jobs that these programs cannot read. They are stored unchanged among the
// failed jobs, logged and counted, and do not delay other jobs.
func TestUpgradeSkipped(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.payload = textOnly
	var want []string
	for i := range 200 {
		raw := fmt.Sprintf("\x03\x01\x00\x00\x00\x01\x8c\xc4\xe5\x22\x7b\x04n%03d and more", i)
		want = append(want, raw)
		s.client.RPush(t.Context(), "{ringup:sms}:queue:1", raw)
	}
	w := s.worker("sms", "KEEP_FAILED=10")
	s.post(0, 300)
	if twice := s.arrives("sms", 300); twice != 0 {
		t.Errorf("%d sent twice", twice)
	}
	var got []string
	redistest.Eventually(t, "all of it is set aside", func() bool {
		got = s.client.ZRange(t.Context(), "{ringup:sms}:failed", 0, -1).Val()
		return len(got) >= len(want) && s.client.ZCard(t.Context(), "{ringup:sms}:inflight").Val() == 0
	})
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d are set aside, of %d; the first is %q", len(got), len(want), got[0])
	}
	if n := s.client.HGet(t.Context(), "{ringup:sms}:totals", "f").Val(); n != "200" {
		t.Errorf("%s are counted", n)
	}
	s.stop(w)
	if n := strings.Count(w.text(), "cannot be read"); n != len(want) {
		t.Errorf("the log names %d: each once, or it goes round", n)
	}
}
