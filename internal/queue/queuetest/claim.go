package queuetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
)

func priorities(_ *testing.T, f *fixture) {
	var want [4][]string
	for i := range 12 {
		p := 4 - i%4
		want[p-1] = append(want[p-1], f.enqueue(p))
	}
	var got []string
	for range 3 {
		got = append(got, f.webhookIDs(f.claim(4))...)
	}
	f.want(got, slices.Concat(want[0], want[1], want[2], want[3]))
}

func aging(_ *testing.T, f *fixture) {
	old := []string{f.enqueue(4), f.enqueue(4), f.enqueue(4)}
	last := time.Now()
	f.eventually("all of them have aged", func() bool { return time.Since(last) > 80*time.Millisecond })
	fresh := []string{f.enqueue(1), f.enqueue(1)}
	var got []string
	for range 5 {
		got = append(got, f.webhookIDs(f.claim(1))...)
	}
	f.want(got, []string{old[0], fresh[0], old[1], fresh[1], old[2]})
}

func rates(_ *testing.T, f *fixture) {
	for range 12 {
		f.enqueue(1)
	}
	start := time.Now()
	claim := f.claim(10)
	if n := len(claim.Jobs); n < 5 || n > 6 || !claim.Throttled || claim.Wait <= 0 {
		f.Fatalf("claimed %d, throttled %t, wait %s: want the burst of 5 and a wait", n, claim.Throttled, claim.Wait)
	}
	got := len(claim.Jobs)
	f.eventually("all are claimed", func() bool {
		got += len(f.claim(10).Jobs)
		if allowed := 5 + int(20*time.Since(start).Seconds()) + 1; got > allowed {
			f.Fatalf("%d jobs after %s: %d are allowed", got, time.Since(start), allowed)
		}
		return got == 12
	})
}

func debits(_ *testing.T, f *fixture) {
	for range 4 {
		f.enqueue(1)
	}
	c := f.claimOne()
	f.settle(nil, queue.Settlement{Claimed: c, Outcome: queue.Done{Attempt: queue.Attempt{ExtraTokens: 6}}})
	claim := f.claim(3)
	f.want(len(claim.Jobs), 0)
	if claim.Wait < time.Second {
		f.Fatalf("wait %s: the extra segments were not debited", claim.Wait)
	}
}

func pauses(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.must(f.Pause(f.Context()))
	claim := f.claim(1)
	f.want(len(claim.Jobs), 0)
	if claim.Halted == "" || f.depth().Halted.Kind != queue.HaltedPause {
		f.Fatal("the channel is not said to be paused")
	}
	f.must(f.Resume(f.Context()))
	f.want(len(f.claim(1).Jobs), 1)
	f.want(f.depth().Halted.String(), "")
}

func wakes(_ *testing.T, f *fixture) {
	f.claim(1)
	woken := make(chan error, 1)
	go func() { woken <- f.Consumer.Wait(context.Background(), 20*time.Second) }()
	f.enqueue(1)
	select {
	case err := <-woken:
		f.must(err)
	case <-time.After(10 * time.Second):
		f.Fatal("an enqueue did not wake the consumer")
	}
}
