package admin

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// sampleEvery is how often the totals are read: some thirty commands for all channels, far below 1% of a Redis core.
	sampleEvery = 2 * time.Second
	// maxSamples are five minutes.
	maxSamples = 150
)

// sample is what the totals of a channel were.
type sample struct {
	at     time.Time
	totals queue.Totals
}

// samples are the latest, by channel.
type samples struct {
	mu   sync.Mutex
	list map[message.Channel][]sample
}

func (s *samples) add(channel message.Channel, one sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[message.Channel][]sample{}
	}
	list := append(s.list[channel], one)
	if len(list) > maxSamples {
		list = append(list[:0:0], list[len(list)-maxSamples:]...)
	}
	s.list[channel] = list
}

// rates is what was sent, and not sent, a second.
type rates struct {
	Sent, Errors float64 // over the last ten seconds
	Chart        chart
}

// chart is five minutes as points of an SVG polyline, 300 by 48.
type chart struct {
	Sent, Errors string
	Max          float64 // a second: the top
}

const chartWidth, chartHeight = 300, 48

func (s *samples) rates(channel message.Channel) rates {
	s.mu.Lock()
	list := s.list[channel]
	s.mu.Unlock()
	var r rates
	if len(list) < 2 {
		return r
	}
	between := func(a, b sample) (sent, errors float64) {
		seconds := max(b.at.Sub(a.at).Seconds(), 0.001)
		failed := b.totals.Failed + b.totals.Retried - a.totals.Failed - a.totals.Retried
		return max(0, float64(b.totals.Sent-a.totals.Sent)/seconds), max(0, float64(failed)/seconds)
	}
	last := list[len(list)-1]
	r.Sent, r.Errors = between(list[max(0, len(list)-6)], last)
	var sent, errors []float64
	for i := 1; i < len(list); i++ {
		a, b := between(list[i-1], list[i])
		sent, errors = append(sent, a), append(errors, b)
		r.Chart.Max = max(r.Chart.Max, a, b)
	}
	points := func(values []float64) string {
		var b strings.Builder
		for i, v := range values {
			x := chartWidth - float64(len(values)-1-i)*chartWidth/(maxSamples-2)
			_, _ = fmt.Fprintf(&b, "%.1f,%.1f ", x, chartHeight-1-v/max(r.Chart.Max, 1)*(chartHeight-2))
		}
		return b.String()
	}
	r.Chart.Sent, r.Chart.Errors = points(sent), points(errors)
	return r
}

// Run reads the totals until ctx ends, for the charts.
func (a *Admin) Run(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		for _, channel := range message.Channels {
			call, cancel := context.WithTimeout(ctx, sampleEvery)
			state, err := a.Queues.State(call, channel)
			cancel()
			if err == nil {
				a.samples.add(channel, sample{time.Now(), state.Totals})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
