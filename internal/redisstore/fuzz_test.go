package redisstore

import (
	"slices"
	"testing"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
)

// FuzzStored reads what Redis holds beside jobs, when it is anything: a webhook's record, a job's log, a breaker, and where a search is to
// go on. What can be read makes sense.
func FuzzStored(f *testing.F) {
	s := &queue.Submission{Event: queuetest.Event("w"), Priority: 1, Channels: []queue.ChannelSubmission{{Channel: message.Email, Recipients: []message.Recipient{
		{Address: "jane@example.com", Audience: message.Customer}, {Address: "jane@example.com", Audience: message.Staff}},
		Skipped: []queue.Skipped{{Channel: message.SMS, Address: "•••", Reason: "none"}}}}}
	f.Add(string(encodeRecord(s, []*queue.ChannelSubmission{&s.Channels[0]})), `{"t":1,"s":"sent","n":1,"m":"SM1"}`+"\n", "O 1 2 3 4 5 6 because", "3 500")
	f.Add("\x00\x00\x00\x00\x00\x00\x01\x10\x00", `{"t":1e99}`+"\n[]\n", "O", "-1 0")
	f.Add("\x00\x00\x00\x00\x00\x00\x01\x03\x00", `{`, "H 99999999999999999999 0 0 0 0 0 x", "0 99999999999999999999")
	f.Add("\x00\x00\x00\x00\x00\x00\x01\x08\x05a\x00\x00\x00b\xff", ``, "C 1 1 1 1 1 1 ", "0")
	f.Fuzz(func(t *testing.T, record, log, breaker, next string) {
		jobs, skipped := decodeRecord("w", record)
		for _, j := range jobs {
			if _, channel, index, err := job.ParseID(j.ID); err != nil || channel != j.Channel || index < 1 {
				t.Errorf("an invalid job: %+v", j)
			}
		}
		for _, s := range skipped {
			if _, err := message.ParseChannel(string(s.Channel)); err != nil {
				t.Errorf("%+v", s)
			}
		}
		n := queue.Notification{Status: queue.StatusQueued}
		applyLog(&n, log, log)
		if !slices.Contains([]queue.Status{queue.StatusQueued, queue.StatusSent, queue.StatusFailed, queue.StatusScheduled, queue.StatusSuppressed,
			queue.StatusDelivered, queue.StatusRead}, n.Status) {
			t.Errorf("status %q", n.Status)
		}
		if b, open := parseBreaker(breaker); open && !slices.Contains([]string{queue.BreakerOpen, queue.BreakerHalfOpen, queue.BreakerThrottled, queue.BreakerRecovering}, b.State) {
			t.Errorf("breaker %+v", b)
		}
		if step, at, err := readNext(next); err == nil && (step < 0 || step >= len(forgetSteps) || at >= 1<<62) {
			t.Errorf("goes on at %d, %d", step, at)
		}
	})
}
