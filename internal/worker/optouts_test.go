package worker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/worker"
)

// lister is a provider with a list of its own.
type lister struct {
	*sender
	mu     sync.Mutex
	listed []message.Address
	err    error
	read   int
}

func (l *lister) OptedOut(_ context.Context, each func(message.Address) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read++
	for _, address := range l.listed {
		if err := each(address); err != nil {
			return err
		}
	}
	return l.err
}

func (l *lister) set(err error, listed ...message.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed, l.err = listed, err
}

// suppressions is a suppression list in memory, which workers share.
type suppressions struct {
	mu     sync.Mutex
	turn   time.Time // until when nobody has a turn
	listed map[message.Address]bool
}

func (s *suppressions) SyncOptOuts(ctx context.Context, channel message.Channel, name, sender string, interval time.Duration,
	list func(context.Context, func(message.Address) error) error,
) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if channel != message.SMS || name != "aws" || sender == "" {
		return false, errors.New("asked for " + string(channel) + " of " + name)
	}
	if time.Now().Before(s.turn) {
		return false, nil
	}
	found := map[message.Address]bool{}
	if err := list(ctx, func(a message.Address) error { found[a] = true; return nil }); err != nil {
		return true, err
	}
	s.turn, s.listed = time.Now().Add(interval), found
	return true, nil
}

func (s *suppressions) has() []message.Address {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.listed))
}

// TestOptOutSync: with OPT_OUT_SYNC the suppression list follows the provider's own, one worker at a time; an address that has gone from there
// goes here, too.
func TestOptOutSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		aws := &lister{sender: &sender{}, listed: []message.Address{"+12025550143", "+12025550144"}}
		store := &suppressions{}
		o := worker.OptOuts{Channel: message.SMS, Every: time.Hour, Store: store, Log: slog.New(slog.NewJSONHandler(&locked{w: &log}, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for range 3 {
			workers.Go(func() {
				o.Run(ctx, []worker.Sender{{Name: "twilio", Provider: &sender{}}, {Name: "aws", Provider: aws}})
			})
		}
		wait := func(d time.Duration, want ...message.Address) {
			t.Helper()
			time.Sleep(d) //nolint:forbidigo // the bubble's clock
			synctest.Wait()
			if got := store.has(); !slices.Equal(got, want) {
				t.Errorf("the list has %v, want %v", got, want)
			}
		}
		wait(time.Second, "+12025550143", "+12025550144")
		aws.set(nil, "+12025550144", "+12025550145")
		wait(59*time.Minute, "+12025550143", "+12025550144")
		wait(2*time.Minute, "+12025550144", "+12025550145")
		if aws.read != 2 {
			t.Errorf("three workers read the list %d times within an hour and a minute, want 2", aws.read)
		}
		// A list that cannot be read leaves everything as it is, and is tried again.
		aws.set(errors.New("throttled"), "+12025550146")
		wait(61*time.Minute, "+12025550144", "+12025550145")
		aws.set(nil, "+12025550146")
		wait(2*time.Minute, "+12025550146")
		cancel()
		workers.Wait()
		for _, want := range []string{`"opt-outs synced","provider":"aws"`, `"opt-out sync failed (OPT_OUT_SYNC)","provider":"aws","error":"throttled"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has no %s:\n%s", want, log.String())
			}
		}
		if strings.Contains(log.String(), "20255501") {
			t.Errorf("the log has addresses:\n%s", log.String())
		}
	})
}

// TestNoOptOutSync: OPT_OUT_SYNC=0s, or providers without a list, ask nothing.
func TestNoOptOutSync(t *testing.T) {
	t.Parallel()
	aws := &lister{sender: &sender{}}
	worker.OptOuts{Store: &suppressions{}, Log: slog.New(slog.DiscardHandler)}.Run(t.Context(), []worker.Sender{{Name: "aws", Provider: aws}})
	worker.OptOuts{Store: &suppressions{}, Every: time.Hour, Log: slog.New(slog.DiscardHandler)}.Run(t.Context(), []worker.Sender{{Name: "twilio", Provider: &sender{}}})
	if aws.read != 0 {
		t.Errorf("the list was read %d times", aws.read)
	}
}
