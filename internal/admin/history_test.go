package admin

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// TestAggregate has the borders: nothing, gaps, minutes before and behind the range, hours and days that begin in it.
func TestAggregate(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(minute int, accepted int64) queue.Minute {
		return queue.Minute{At: midnight.Add(time.Duration(minute) * time.Minute), Accepted: accepted}
	}
	for name, tt := range map[string]struct {
		minutes  []queue.Minute
		from, to int // minutes from midnight on
		step     time.Duration
		first    int // of the points
		want     []int64
	}{
		"nothing":                       {nil, -6, 6, time.Minute, 6, nil},
		"one":                           {[]queue.Minute{at(0, 7)}, -2, 3, time.Minute, 0, []int64{7, 0, 0}},
		"a gap is zero":                 {[]queue.Minute{at(-2, 1), at(2, 5)}, -4, 3, time.Minute, -2, []int64{1, 0, 0, 0, 5}},
		"known before the range":        {[]queue.Minute{at(-100, 1)}, -4, 0, 2 * time.Minute, -4, []int64{0, 0}},
		"over midnight":                 {[]queue.Minute{at(-1, 1), at(0, 2), at(1, 4)}, -10, 10, 5 * time.Minute, -5, []int64{1, 6, 0}},
		"the borders":                   {[]queue.Minute{at(-10, 1), at(9, 2), at(10, 4), at(-11, 8)}, -10, 10, 10 * time.Minute, -10, []int64{1, 2}},
		"only later, as a clock jumped": {[]queue.Minute{at(50, 3)}, -10, 10, 10 * time.Minute, 10, nil},
		"in no order, and twice":        {[]queue.Minute{at(3, 1), at(1, 2), at(3, 4)}, 0, 4, time.Minute, 1, []int64{2, 0, 5}},
	} {
		points, sum := aggregate(tt.minutes, midnight.Add(time.Duration(tt.from)*time.Minute), midnight.Add(time.Duration(tt.to)*time.Minute), tt.step)
		var got []int64
		var all int64
		for i, p := range points {
			got, all = append(got, p.Accepted), all+p.Accepted
			if want := midnight.Add(time.Duration(tt.first)*time.Minute + time.Duration(i)*tt.step); !p.At.Equal(want) {
				t.Errorf("%s: point %d is at %s, want %s", name, i, p.At, want)
			}
		}
		if !slices.Equal(got, tt.want) || sum.Accepted != all {
			t.Errorf("%s: %v, in all %d", name, got, sum.Accepted)
		}
	}
}

// TestAggregateLosesNothing: the sums of the minutes in a range are those of its points, whatever the minutes and the range.
func TestAggregateLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(HistoryRanges).Draw(t, "range")
		to := noon.Add(time.Duration(rapid.IntRange(-100000, 100000).Draw(t, "to")) * time.Minute).Truncate(r.Step)
		from := to.Add(-r.Back)
		var minutes []queue.Minute
		var want queue.Minute
		for range rapid.IntRange(0, 30).Draw(t, "minutes") {
			n := func(what string) int64 { return rapid.Int64Range(0, 1<<40).Draw(t, what) }
			m := queue.Minute{At: to.Add(-time.Duration(rapid.IntRange(-70, 3000).Draw(t, "ago")) * time.Minute), Accepted: n("accepted"), Sent: n("sent"), Failed: n("failed"),
				Retried: n("retried"), Dropped: n("dropped"), Evicted: n("evicted"), Delivered: n("delivered"), Undelivered: n("undelivered"), Micros: n("micros"),
				Waiting: n("waiting"), Oldest: time.Duration(n("oldest")) * time.Millisecond}
			m.Delays[rapid.IntRange(0, 7).Draw(t, "delay")] = m.Sent
			minutes = append(minutes, m)
			if !m.At.Before(from) && m.At.Before(to) {
				want.Add(&m)
			}
		}
		points, sum := aggregate(minutes, from, to, r.Step)
		var got queue.Minute
		for i, p := range points {
			got.Add(&queue.Minute{Accepted: p.Accepted, Sent: p.Sent, Failed: p.Failed, Retried: p.Retried, Dropped: p.Dropped, Evicted: p.Evicted, Delivered: p.Delivered,
				Undelivered: p.Undelivered, Micros: p.Micros, Delays: [8]int64(p.Delays), Waiting: p.Waiting, Oldest: time.Duration(p.OldestMS) * time.Millisecond})
			if p.At.Before(from) || !p.At.Before(to) || i > 0 && p.At.Sub(points[i-1].At) != r.Step {
				t.Errorf("point %d is at %s", i, p.At)
			}
		}
		if got != want {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
		if last := len(points) - 1; last >= 300 || last >= 0 && !points[last].At.Add(r.Step).Equal(to) {
			t.Errorf("%d points, up to %s", len(points), points[last].At)
		}
		want.At = sum.At
		if !reflect.DeepEqual(historyPoint(&want), sum) {
			t.Errorf("the sum is %+v", sum)
		}
	})
}

// minutesOnly has the minutes of one channel, and counts how many of their hashes are asked for.
type minutesOnly struct {
	Queues

	minutes map[int64]int64 // Unix minutes
	hashes  int64
}

func (q *minutesOnly) Minutes(_ context.Context, _ message.Channel, from, to time.Time) (out []queue.Minute, _ error) {
	q.hashes += max(0, to.Unix()/600-from.Unix()/600+1)
	for at := from.Unix() / 60; at <= to.Unix()/60; at++ {
		if n := q.minutes[at]; n > 0 {
			out = append(out, queue.Minute{At: time.Unix(at*60, 0).UTC(), Accepted: n})
		}
	}
	return out, nil
}

// TestRecentMinutes: what is read in parts is what is there, however the clock goes; and what is over is not asked for again.
func TestRecentMinutes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := &minutesOnly{minutes: map[int64]int64{}}
		a := &Admin{Options: Options{Queues: q, Log: slog.New(slog.DiscardHandler)}}
		now := noon
		for range rapid.IntRange(1, 12).Draw(t, "readings") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 2, 30, 60, 600, 1700, 3601, 90000, 300000, -60, -1300, -5000, -200000}).Draw(t, "seconds")) * time.Second)
			q.minutes[now.Unix()/60]++
			got, err := a.recentMinutes(t.Context(), message.SMS, now)
			want, _ := q.Minutes(t.Context(), message.SMS, now.Add(-queue.MinutesKept), now.Add(settledAfter))
			if err != nil || !slices.EqualFunc(got, want, func(a, b queue.Minute) bool { return a == b }) {
				t.Fatalf("at %s: %v, want %v; %v", now, got, want, err)
			}
		}
	})
	q := &minutesOnly{}
	a := &Admin{Options: Options{Queues: q}}
	for i := range 1000 { // half an hour of an open page
		if _, err := a.recentMinutes(t.Context(), message.SMS, noon.Add(time.Duration(2*i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if q.hashes > 300+1000*6 { // twenty minutes on either side of now
		t.Errorf("%d hashes were read", q.hashes)
	}
}

func TestParseHistoryRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rang, channel string
		back          time.Duration // 0: refused
	}{
		{"", "", 6 * time.Hour}, {"1h", "sms", time.Hour}, {"48h", "whatsapp", 48 * time.Hour}, {"24h", "email", 24 * time.Hour},
		{"2h", "", 0}, {"1H", "", 0}, {"6h", "resolve", 0}, {"6h", "SMS", 0}, {"<b>", "", 0},
	} {
		r, err := ParseHistoryRequest(tt.rang, tt.channel)
		if (err == nil) != (tt.back > 0) || err == nil && (r.Range.Back != tt.back || string(r.Channel) != tt.channel) || err != nil && !Refused(err) {
			t.Errorf("%q, %q: %+v, %v", tt.rang, tt.channel, r, err)
		}
	}
}
