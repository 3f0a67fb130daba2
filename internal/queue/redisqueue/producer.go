package redisqueue

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// inlineBody is the largest body that travels inside its job. Larger ones would make every look at the head of a list, and
	// every settlement, copy them.
	inlineBody = 4096
	// groupWebhooks and groupBytes bound what shares one round trip, so that no script holds Redis for long: some 2 ms.
	groupWebhooks = 256
	groupBytes    = 4 << 20
	// flushTimeout bounds one round trip of a group.
	flushTimeout = 3 * time.Second
	// flushTries: an enqueue whose answer was lost is simply repeated, since a webhook is added once.
	flushTries = 2
	// FlushTime is the longest that a group takes to be answered.
	FlushTime = flushTries * flushTimeout
)

// Producer adds webhooks to the queues. Concurrent calls share round trips: while one is under way the others gather for the next.
type Producer struct {
	store *Store
	size  prometheus.Histogram

	mu       sync.Mutex
	waiting  []*pending
	flushing bool
	closed   bool
	idle     sync.WaitGroup
}

// pending is a submission on its way.
type pending struct {
	submission *queue.Submission
	parts      []part
	bytes      int
	done       chan struct{}
	acceptance *queue.Acceptance
	err        error
}

// part is a submission's share on one channel, ready to be sent.
type part struct {
	channel message.Channel
	args    []any
}

// Producer returns a producer whose metrics are registered with reg.
func (s *Store) Producer(reg prometheus.Registerer) *Producer {
	p := &Producer{store: s, size: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "ringup_enqueue_group_webhooks", Help: "Webhooks that shared one round trip to Redis.",
		Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
	})}
	reg.MustRegister(p.size)
	return p
}

// Enqueue adds the jobs of a webhook, each channel's atomically, and returns when Redis has them all. The same webhook again,
// within DEDUPE_TTL, adds what an earlier try left out, or nothing. Errors: queue.ErrUnavailable, *queue.FullError; some channels may
// have taken their jobs then, and a repetition completes the others.
func (p *Producer) Enqueue(ctx context.Context, s *queue.Submission) (*queue.Acceptance, error) {
	item := &pending{submission: s, done: make(chan struct{})}
	for i := range s.Channels {
		args, size, err := p.encode(s, &s.Channels[i])
		if err != nil {
			return nil, err
		}
		item.bytes += size
		item.parts = append(item.parts, part{channel: s.Channels[i].Channel, args: args})
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, fmt.Errorf("%w: shutting down", queue.ErrUnavailable)
	}
	p.waiting = append(p.waiting, item)
	if !p.flushing {
		p.flushing = true
		p.idle.Go(p.flushAll)
	}
	p.mu.Unlock()
	select {
	case <-item.done:
		return item.acceptance, item.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", queue.ErrUnavailable, ctx.Err())
	}
}

// Close waits for what is on its way; later calls of Enqueue fail.
func (p *Producer) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.idle.Wait()
}

// encode makes the arguments of the enqueue script for one webhook on one channel.
func (p *Producer) encode(s *queue.Submission, c *queue.ChannelSubmission) (args []any, size int, err error) {
	keys := p.store.keys[c.Channel]
	shared := len(c.Recipients) > 1 || len(s.Body) > inlineBody
	field, bucket := place(s.WebhookID)
	bodyKey, body := "", []byte(nil)
	j := job.Job{
		WebhookID: s.WebhookID, Channel: c.Channel, Priority: s.Priority, AcceptedAt: s.AcceptedAt, Trace: s.Trace,
		SharedBody: shared, Body: s.Body,
	}
	if shared && len(c.Recipients) > 0 {
		bodyKey, body = keys.body(&j), s.Body
		size += len(body)
	}
	args = append(make([]any, 0, 6+len(c.Recipients)), field, bucket, encodeRecord(s, c), bodyKey, body, len(c.Recipients))
	for i, r := range c.Recipients {
		j.Index, j.Recipient, j.Audience = i+1, r.To, r.Audience
		raw, err := j.AppendBinary(make([]byte, 0, 64+len(s.Body)))
		if err != nil {
			return nil, 0, fmt.Errorf("webhook cannot become a job: %w", err)
		}
		size += len(raw)
		args = append(args, raw)
	}
	return args, size, nil
}

// flushAll sends groups until nobody waits.
func (p *Producer) flushAll() {
	for {
		p.mu.Lock()
		group := p.next()
		if len(group) == 0 {
			p.flushing = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		p.size.Observe(float64(len(group)))
		p.flush(group)
	}
}

// next takes the next group off those who wait.
func (p *Producer) next() []*pending {
	bytes, n := 0, 0
	for n < len(p.waiting) && n < groupWebhooks && (n == 0 || bytes+p.waiting[n].bytes <= groupBytes) {
		bytes += p.waiting[n].bytes
		n++
	}
	group := p.waiting[:n:n]
	p.waiting = p.waiting[n:]
	if len(p.waiting) == 0 {
		p.waiting = nil
	}
	return group
}

// flush sends a group in one round trip and tells each webhook what became of it.
func (p *Producer) flush(group []*pending) {
	var calls []call
	var members [][]*pending // by call
	var channels []message.Channel
	for _, channel := range message.Channels {
		var in []*pending
		args := p.header(channel)
		for _, item := range group {
			for _, part := range item.parts {
				if part.channel == channel {
					in = append(in, item)
					args = append(args, part.args...)
				}
			}
		}
		if len(in) == 0 {
			continue
		}
		args[4] = len(in)
		k := p.store.keys[channel]
		calls = append(calls, call{&p.store.enqueue, []string{k.Queue[0], k.Queue[1], k.Queue[2], k.Queue[3], k.Wake}, args})
		members = append(members, in)
		channels = append(channels, channel)
	}
	for _, item := range group {
		item.acceptance = &queue.Acceptance{Duplicate: true}
	}
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		answers, err := p.store.run(ctx, calls)
		cancel()
		if err != nil && try < flushTries {
			continue
		}
		for i := range calls {
			if callErr := answers[i].Err(); callErr != nil {
				for _, item := range members[i] {
					item.err = unavailable(callErr)
				}
				continue
			}
			results, _ := answers[i].Slice()
			p.distribute(channels[i], members[i], results)
		}
		break
	}
	for _, item := range group {
		close(item.done)
	}
}

// header makes the arguments that stand in front of a call's webhooks.
func (p *Producer) header(channel message.Channel) []any {
	c := p.store.config
	// A generation has to outlive both uses of its records.
	period := max(c.DedupeTTL, c.StatusTTL)
	return []any{p.store.keys[channel].Base, period.Milliseconds(), c.DedupeTTL.Milliseconds(), c.MaxQueueDepth, 0}
}

// distribute reads the enqueue script's answer.
func (p *Producer) distribute(channel message.Channel, members []*pending, results []any) {
	if len(results) != len(members)+1 {
		for _, item := range members {
			item.err = fmt.Errorf("%w: Redis answered %d results for %d webhooks", queue.ErrUnavailable, len(results)-1, len(members))
		}
		return
	}
	for i, item := range members {
		switch result := results[i].(type) {
		case string:
			jobs, skipped := decodeRecord(item.submission.WebhookID, channel, result)
			item.acceptance.Jobs = append(item.acceptance.Jobs, jobs...)
			item.acceptance.Skipped = append(item.acceptance.Skipped, skipped...)
		case int64:
			if result == 0 {
				depth, _ := results[len(results)-1].(int64)
				item.err = &queue.FullError{Channel: channel, Depth: int(depth)}
				continue
			}
			item.acceptance.Duplicate = false
			accept(item, channel)
		default:
			item.err = fmt.Errorf("%w: Redis answered a %s", queue.ErrUnavailable, strconv.Quote(fmt.Sprintf("%T", result)))
		}
	}
}

// accept adds a channel's jobs, just added, to the acceptance.
func accept(item *pending, channel message.Channel) {
	for _, c := range item.submission.Channels {
		if c.Channel != channel {
			continue
		}
		for i, r := range c.Recipients {
			item.acceptance.Jobs = append(item.acceptance.Jobs,
				queue.Accepted{ID: job.ID(item.submission.WebhookID, channel, i+1), Channel: channel, Recipient: r.To.String()})
		}
		item.acceptance.Skipped = append(item.acceptance.Skipped, c.Skipped...)
	}
}
