package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

func roundTrip(_ *testing.T, f *fixture) {
	s := f.submission(2, 1)
	s.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	accepted, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(*accepted, queue.Acceptance{Jobs: []queue.Accepted{{ID: "webhook_1:sms:1", Channel: message.SMS, Recipient: "+•••0000"}}})
	claim := f.claim(10)
	f.want(len(claim.Jobs), 1)
	j := claim.Jobs[0].Job
	f.want(j.ID(), "webhook_1:sms:1")
	f.want([]any{j.Priority, j.Attempts, j.Crashes, j.Uncertain, j.Audience, j.Recipient.Reveal(), j.Type, j.Store, *f.about(j), j.Trace},
		[]any{2, 0, 0, false, message.Customer, "+15550100000", s.Event.Type, s.Event.Store, *s.Event, s.Trace})
	f.want(j.AcceptedAt.UnixMilli(), s.AcceptedAt.UnixMilli())
	f.want(f.depth().Inflight, 1)
	f.want(len(f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Outcome: queue.Done{}}).Lost), 0)
	d := f.depth()
	f.want([]int64{d.Inflight, d.Completed, d.Waiting[1]}, []int64{0, 1, 0})
}

func duplicate(_ *testing.T, f *fixture) {
	s := f.submission(1, 2)
	s.Channels[0].Skipped = []queue.Skipped{{Channel: message.SMS, Address: "•••", Reason: "not a phone number"}}
	first, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	s.Channels[0].Recipients = s.Channels[0].Recipients[:1] // the configuration changed in between
	s.Channels[0].Skipped = nil
	second, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(first.Duplicate, false)
	f.want(second.Duplicate, true)
	f.want(second.Jobs, first.Jobs)
	f.want(second.Skipped, first.Skipped)
	f.want(f.depth().Waiting[0], 2)
}

func byType(_ *testing.T, f *fixture) {
	s := f.submission(1, 2)
	ids := map[string]event.Type{}
	for repeated := range 2 {
		for _, kind := range event.Types {
			s.Event.Type, s.Event.Sale.Status = kind, string(kind)
			a, err := f.Producer.Enqueue(f.Context(), s)
			f.must(err)
			f.want(a.Duplicate, repeated == 1)
			for _, j := range a.Jobs {
				if repeated == 1 {
					f.want(ids[j.ID], kind)
				}
				ids[j.ID] = kind
			}
		}
	}
	f.want(len(ids), 2*len(event.Types))
	claim := f.claim(100)
	f.want(len(claim.Jobs), len(ids))
	for _, c := range claim.Jobs { // they share bodies two by two
		f.want([]any{ids[c.Job.ID()], f.about(c.Job).Sale.Status, c.Job.WebhookID}, []any{c.Job.Type, c.Job.Type, s.Event.ID})
	}
}

func forgets(_ *testing.T, f *fixture) {
	s := f.submission(1, 1)
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.eventually("the id is forgotten", func() bool {
		s.AcceptedAt = time.Now()
		a, err := f.Producer.Enqueue(f.Context(), s)
		f.must(err)
		return !a.Duplicate
	})
	f.want(f.depth().Waiting[0], 2)
}

func completes(_ *testing.T, f *fixture) {
	f.enqueue(1)
	s := f.submission(1, 1)
	s.Channels = append(s.Channels, queue.ChannelSubmission{Channel: message.Email, Recipients: []message.Recipient{{Address: "a@example.com", Audience: message.Staff}}})
	_, err := f.Producer.Enqueue(f.Context(), s)
	var fullErr *queue.FullError
	if !errors.As(err, &fullErr) || fullErr.Channel != message.SMS {
		f.Fatalf("got %v, want a FullError of sms alone", err)
	}
	f.claim(1)
	a, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(a.Duplicate, false)
	f.want(len(a.Jobs), 2)
	f.want(f.depth().Waiting[0], 1)
	a, err = f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(a.Duplicate, true)
	f.want(len(a.Jobs), 2)
	f.want(f.depth().Waiting[0], 1)
}

func concurrent(_ *testing.T, f *fixture) {
	const n = 300
	errs := make(chan error, n)
	for i := range n {
		s := f.submission(1+i%4, 1+i%3)
		go func() {
			a, err := f.Producer.Enqueue(context.Background(), s)
			if err == nil && (a.Duplicate || len(a.Jobs) != len(s.Channels[0].Recipients) || a.Jobs[0].ID != s.Event.ID+":sms:1") {
				err = fmt.Errorf("%s was answered %+v", s.Event.ID, a)
			}
			errs <- err
		}()
	}
	for range n {
		f.must(<-errs)
	}
	seen := map[string]bool{}
	for len(seen) < 2*n {
		claim := f.claim(1000)
		if len(claim.Jobs) == 0 {
			f.Fatalf("%d jobs, want %d", len(seen), 2*n)
		}
		for _, c := range claim.Jobs {
			f.must(c.Err)
			if seen[c.Job.ID()] || string(c.Job.Body) == "" {
				f.Fatalf("job %s twice, or without its body", c.Job.ID())
			}
			seen[c.Job.ID()] = true
		}
	}
}

func full(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.enqueue(1)
	s := f.submission(1, 1)
	_, err := f.Producer.Enqueue(f.Context(), s)
	var fullErr *queue.FullError
	if !errors.As(err, &fullErr) || fullErr.Channel != message.SMS || fullErr.Depth != 2 {
		f.Fatalf("got %v, want a FullError of sms with 2 waiting", err)
	}
	f.claim(1)
	a, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(a.Duplicate, false)
}
