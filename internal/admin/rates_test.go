package admin

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

func TestRates(t *testing.T) {
	t.Parallel()
	var s samples
	at := func(second int, sent, failed, retried int64) {
		s.add(message.SMS, sample{noon.Add(time.Duration(second) * time.Second), queue.Totals{Sent: sent, Failed: failed, Retried: retried}})
	}
	at(0, 100, 5, 0)
	if now := s.rate(message.SMS); now != (Rate{}) {
		t.Errorf("of one sample: %v", now)
	}
	at(2, 120, 5, 4)
	if now := s.rate(message.SMS); now != (Rate{10, 2}) {
		t.Errorf("%v", now)
	}
	at(4, 90, 6, 5) // a backup was restored
	if now := s.rate(message.SMS); now != (Rate{0, 1.5}) {
		t.Errorf("%v", now)
	}
	if now := s.rate(message.Email); now != (Rate{}) {
		t.Errorf("another channel's: %v", now)
	}
	for i := range 2 * maxSamples {
		at(10+2*i, int64(1000+2*i), 6, 5)
	}
	if now := s.rate(message.SMS); now != (Rate{Sent: 1}) {
		t.Errorf("%v", now)
	}
}

// TestMaxText: texts are as long as the providers of the workers that live take.
func TestMaxText(t *testing.T) {
	t.Parallel()
	a := &Admin{}
	for _, tt := range []struct {
		workers []queue.WorkerState
		want    message.Limit
	}{
		{nil, message.Limit{}}, {[]queue.WorkerState{{Providers: []string{"business"}}}, message.Limit{Units: 4096}}, {[]queue.WorkerState{{Providers: []string{"business"}}, {Providers: []string{"twilio"}}}, message.Limit{Units: 1600}},
		{[]queue.WorkerState{{Providers: []string{"sandbox"}}}, message.Limit{}},
	} {
		a.samples.use(message.WhatsApp, inUse(&queue.ChannelState{Workers: tt.workers, Breakers: map[string]queue.BreakerState{"aws": {}}}))
		if got := a.MaxText(message.WhatsApp); got != tt.want {
			t.Errorf("of %v: %+v, want %+v", tt.workers, got, tt.want)
		}
	}
}
