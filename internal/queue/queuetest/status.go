package queuetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

func notifications(_ *testing.T, f *fixture) {
	s := f.submission(2, 3)
	s.Channels[0].Skipped = []queue.Skipped{{Channel: message.SMS, Address: "•••", Reason: "not a phone number"}}
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	of := func() []queue.Notification {
		n, err := f.Notifications(f.Context(), s.Event.ID)
		f.must(err)
		if len(n.Notifications) != 3 || len(n.Skipped) != 1 || n.Skipped[0].Reason != "not a phone number" || n.AcceptedAt.UnixMilli() != s.AcceptedAt.UnixMilli() {
			f.Fatalf("%+v", n)
		}
		return n.Notifications
	}
	for i, n := range of() {
		f.want(n.Status, queue.StatusQueued)
		f.want(n.ID, fmt.Sprintf("%s:sms:%d", s.Event.ID, i+1))
		f.want(n.Recipient, s.Channels[0].Recipients[i].Address.String())
	}
	claim := f.claim(3)
	for _, n := range of() {
		f.want(n.Status, queue.StatusSending)
	}
	f.settle(nil,
		queue.Settlement{Claimed: claim.Jobs[0], Outcome: queue.Done{Attempt: queue.Attempt{Provider: "first", MessageID: "SM1", Took: 80 * time.Millisecond}}},
		queue.Settlement{Claimed: claim.Jobs[1], Outcome: queue.Retry{Attempt: queue.Attempt{Provider: "first"}, Delay: time.Hour, Error: "transient: outage"}},
		queue.Settlement{Claimed: claim.Jobs[2], Outcome: queue.Fail{Attempt: queue.Attempt{Provider: "second"}, Error: "permanent: invalid_recipient"}},
	)
	got := of()
	f.want(got[0].Status, queue.StatusSent)
	f.want(got[0].MessageID, "SM1")
	f.want(got[0].Provider, "first")
	f.want(got[0].Attempts, 1)
	f.want(got[0].History[1].TookMs, int64(80))
	f.want(got[1].Status, queue.StatusQueued)
	f.want(got[1].Error, "transient: outage")
	f.want(got[2].Status, queue.StatusFailed)
	f.want(got[2].Error, "permanent: invalid_recipient")
	_, err = f.Notifications(f.Context(), "unknown")
	var unknown *queue.NotFoundError
	if !errors.As(err, &unknown) {
		f.Errorf("an id that was never sent: %v", err)
	}
}

func notificationsOfTheDead(_ *testing.T, f *fixture) {
	s := f.submission(2, 2)
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.claim(1) // and its worker dies
	f.eventually("its lease ends", func() bool { f.claim(0); return f.depth().Failed == 1 })
	n, err := f.Notifications(f.Context(), s.Event.ID)
	f.must(err)
	f.want(n.Notifications[0].Status, queue.StatusFailed)
	f.want(n.Notifications[1].Status, queue.StatusQueued)
}
