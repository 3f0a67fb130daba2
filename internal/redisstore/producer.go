package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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
	// jobOverhead is what a job's bytes take besides its texts.
	jobOverhead = 28
	// groupWebhooks and groupBytes bound what shares one round trip, so that no script holds Redis for long: some 2 ms.
	groupWebhooks = 256
	groupBytes    = 4 << 20
	// gatherFor is how long, after a group of several webhooks, the next one gathers: where some came together more will. One that comes
	// alone never waits.
	gatherFor = time.Millisecond
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
	sales saleMetrics
	namer atomic.Pointer[personNamer] // nil until the first group, and where Redis has none for this program

	mu       sync.Mutex
	waiting  []*pending
	flushing bool
	closed   bool
	idle     sync.WaitGroup
}

// pending is a submission on its way.
type pending struct {
	submission *queue.Submission
	shares     [][]any // by slot: the arguments of the enqueue script; nil when there is nothing for the slot
	entry      []byte  // of the log of accepted webhooks; nil for none
	bytes      int
	waits      bool // its jobs are scheduled (queue.Submission.Coalesce)
	done       chan struct{}
	acceptance *queue.Acceptance
	err        error
	parent     *job.Job // whose message falls back; nil for a webhook
	places     []int    // by slot: where the numbers of its jobs begin (record.go); nil for 0 everywhere
	taken      []taken  // the slots where another event has its place
}

// taken says that an event of another type has a webhook's id at its place, and which one is free.
type taken struct {
	slot, place int
	latest      time.Time // when the latest such event was accepted
}

// place returns where the numbers of the webhook's jobs in a slot begin.
func (p *pending) place(slot int) int {
	if p.places == nil {
		return 0
	}
	return p.places[slot]
}

// Producer returns a producer whose metrics are registered with reg.
func (s *Store) Producer(reg prometheus.Registerer) *Producer {
	p := &Producer{store: s, size: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "ringup_enqueue_group_webhooks", Help: "Webhooks that shared one round trip to Redis.",
		Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
	})}
	reg.MustRegister(p.size)
	p.sales = newSaleMetrics(reg)
	return p
}

// Enqueue adds the jobs of a webhook, each channel's atomically, and returns when Redis has them all. The same webhook again,
// by its id and event type, within DEDUPE_TTL, adds what an earlier try left out, or nothing. Errors: queue.ErrUnavailable, *queue.FullError; some channels may
// have taken their jobs then, and a repetition completes the others.
func (p *Producer) Enqueue(ctx context.Context, s *queue.Submission) (*queue.Acceptance, error) {
	item := &pending{submission: s, shares: make([][]any, len(p.store.slots)), done: make(chan struct{})}
	body, err := job.Body(s.Event)
	if err != nil {
		return nil, fmt.Errorf("webhook cannot become a job: %w", err)
	}
	if namer := p.namer.Load(); namer != nil {
		item.entry = foundEntry(*namer, s)
	}
	for slot := range p.store.slots {
		if err := p.store.encodeWebhook(item, body, slot); err != nil {
			return nil, err
		}
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
		p.abandon(item)
		return nil, fmt.Errorf("%w: %w", queue.ErrUnavailable, ctx.Err())
	}
}

// abandon drops a webhook whose caller has gone, if it is not on its way yet. While Redis does not answer, webhooks come faster than groups end,
// and those that were answered long ago would fill the memory.
func (p *Producer) abandon(item *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, item); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
}

// Close waits for what is on its way; later calls of Enqueue fail.
func (p *Producer) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.idle.Wait()
}

// entryAt is the place of the log's entry among a webhook's arguments.
const entryAt = 4

// encodeWebhook makes the arguments of the enqueue script for the channels of one slot; body is that of the jobs.
func (s *Store) encodeWebhook(item *pending, body []byte, slot int) error {
	webhook, e, channels := item.submission, item.submission.Event, s.slots[slot]
	parts := make([]*queue.ChannelSubmission, 0, 4)
	jobs := 0
	for i := range webhook.Channels {
		if slices.Contains(channels, webhook.Channels[i].Channel) {
			parts = append(parts, &webhook.Channels[i])
			jobs += len(webhook.Channels[i].Recipients)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	field, bucket := recordPath(e.Key())
	record := encodeRecord(webhook, parts)
	if len(record) > maxRecord {
		return fmt.Errorf("webhook cannot become a job: its record has %d bytes, %d are possible", len(record), maxRecord)
	}
	args := append(make([]any, 0, 10+2*len(parts)+jobs), field, bucket, record, nil, item.entry)
	place := item.place(slot)
	shape := append(make([]byte, 0, 1+4*len(parts)), byte(place))
	if sale := s.sale(webhook, slot); sale != nil && jobs > 0 {
		shape[0] |= ofSale
		args = append(args, sale...)
		item.waits = webhook.Coalesce > 0
	}
	for _, part := range parts {
		if len(part.Recipients) == 0 {
			continue
		}
		if len(part.Recipients) > placeSpan {
			return fmt.Errorf("webhook cannot become a job: it has %d recipients on %s, %d are possible", len(part.Recipients), part.Channel, placeSpan)
		}
		keys := s.keys[part.Channel]
		j := job.Job{
			WebhookID: e.ID, Channel: part.Channel, Priority: webhook.Priority, AcceptedAt: webhook.AcceptedAt, Trace: webhook.Trace, Type: e.Type, Store: e.Store,
			SharedBody: len(part.Recipients) > 1 || len(body) > inlineBody || item.parent != nil && item.parent.SharedBody, Body: body,
		}
		before, size := byte(0), jobOverhead+len(e.ID)+len(webhook.Trace)+len(e.Type)+len(e.Store)
		if j.SharedBody {
			before = 2
			item.bytes += len(body)
			args = append(args, keys.body(&j), body)
			if item.parent != nil {
				before = 3
				args = append(args, keys.bodyOf(body))
			}
		} else {
			size += len(body)
		}
		shape = append(shape, byte(slices.Index(channels, part.Channel)+1), before, byte(len(part.Recipients)>>8), byte(len(part.Recipients)))
		for i, r := range part.Recipients {
			j.Index, j.Recipient, j.Audience = place*placeSpan+i+1, r.Address, r.Audience
			raw, err := j.AppendBinary(make([]byte, 0, size+len(r.Address)))
			if err != nil {
				return fmt.Errorf("webhook cannot become a job: %w", err)
			}
			item.bytes += len(raw)
			args = append(args, raw)
		}
	}
	args[3] = shape
	item.shares[slot] = args
	return nil
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
		if len(group) > 1 {
			<-time.After(gatherFor)
		}
	}
}

// next takes the next group off the waiting webhooks.
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

// namerTimeout is how long a group waits for the key of the log of accepted webhooks: a webhook that no search finds is better than one that comes late.
const namerTimeout = 500 * time.Millisecond

// learn reads the key of the log of accepted webhooks anew, now and then, and makes the entries of those webhooks that came before it was known.
func (p *Producer) learn(group []*pending) {
	ctx, cancel := context.WithTimeout(context.Background(), namerTimeout)
	defer cancel()
	namer, err := p.store.namer(ctx)
	if err != nil {
		return // as above
	}
	p.namer.Store(&namer)
	for _, item := range group {
		if item.entry != nil || item.parent != nil {
			continue
		}
		item.entry = foundEntry(namer, item.submission)
		for _, share := range item.shares {
			if share != nil {
				share[entryAt] = item.entry
			}
		}
	}
}

// flush sends a group in one round trip and tells each webhook its result.
func (p *Producer) flush(group []*pending) {
	p.learn(group)
	var calls []call
	var members [][]*pending // by call
	var slots []int
	for slot, channels := range p.store.slots {
		var in []*pending
		args := p.store.enqueueArgs(channels)
		for _, item := range group {
			if item.shares[slot] != nil {
				in = append(in, item)
				args.Parts = append(args.Parts, item.shares[slot]...)
				args.Waits = args.Waits || item.waits
			}
		}
		if len(in) == 0 {
			continue
		}
		args.Webhooks = len(in)
		calls = append(calls, call{&p.store.scripts.enqueue, args})
		members = append(members, in)
		slots = append(slots, slot)
	}
	for _, item := range group {
		if item.acceptance == nil {
			item.acceptance = &queue.Acceptance{Duplicate: true}
		}
	}
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		answers, err := p.store.run(ctx, calls...)
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
			p.distribute(slots[i], members[i], answers[i].Val())
		}
		break
	}
	var again []*pending
	for _, item := range group {
		if len(item.taken) > 0 && item.err == nil {
			if item.err = p.elsewhere(item); item.err == nil {
				again = append(again, item)
				continue
			}
		}
		close(item.done)
	}
	if len(again) > 0 {
		p.flush(again)
	}
}

// elsewhere makes the arguments of a webhook anew for the slots where an event of another type has its place. It was accepted after that one, so that
// neither their logs nor their shared bodies meet. Each try finds one place taken at most, so it ends.
func (p *Producer) elsewhere(item *pending) error {
	body, err := job.Body(item.submission.Event)
	if err != nil {
		return fmt.Errorf("webhook cannot become a job: %w", err)
	}
	if item.places == nil {
		item.places = make([]int, len(p.store.slots))
	}
	later := *item.submission
	clear(item.shares)
	for _, t := range item.taken {
		item.places[t.slot] = t.place
		if later.AcceptedAt.UnixMilli() <= t.latest.UnixMilli() {
			later.AcceptedAt = t.latest.Add(time.Millisecond)
		}
	}
	item.submission = &later
	for _, t := range item.taken {
		if err := p.store.encodeWebhook(item, body, t.slot); err != nil {
			return err
		}
	}
	item.taken = nil
	return nil
}

// enqueueArgs are the arguments of enqueue.lua. The parts of the webhooks are positional: see encodeWebhook.
type enqueueArgs struct {
	Channels    []string      `key:"channels"`   // five of each
	Base        string        `lua:"base"`       // of the records
	Period      time.Duration `lua:"period"`     // of a generation of records
	Back        int           `lua:"back"`       // how many generations before the current one may have a record that is of use
	Known       int           `lua:"known_back"` // as back, for a record by which a webhook is a duplicate
	Former      time.Duration `lua:"former"`     // the period of 0.1.0
	DedupeTTL   time.Duration `lua:"dedupe_ttl"`
	StatusTTL   time.Duration `lua:"status_ttl"`
	FoundSpan   int           `lua:"found_span"`
	Waits       bool          `lua:"waits"`
	MaxDepth    int           `lua:"max_depth"`    // 0: no limit
	WasAccepted bool          `lua:"was_accepted"` // the messages are of accepted jobs: a full Redis takes them, too
	Webhooks    int           `lua:"webhooks"`
	Parts       []any         `lua:"webhook,rest"`
}

// enqueueAnswer is the answer of enqueue.lua.
type enqueueAnswer struct {
	Results    []any `lua:"results"`    // by webhook
	Depths     []int `lua:"depths"`     // by channel
	Superseded []int `lua:"superseded"` // by channel
	Stale      []any `lua:"stale"`
}

// enqueueArgs makes the arguments of a call for some channels, without webhooks.
func (s *Store) enqueueArgs(channels []message.Channel) *enqueueArgs {
	c := s.config
	args := &enqueueArgs{
		Base: s.keys[channels[0]].Base, DedupeTTL: c.DedupeTTL, StatusTTL: c.StatusTTL, FoundSpan: foundSpan, MaxDepth: c.MaxQueueDepth,
		Period: generationPeriod, Back: generationsIn(c.longestTTL()), Known: generationsIn(c.DedupeTTL), Former: c.longestTTL(),
	}
	for _, channel := range channels {
		k := s.keys[channel]
		args.Channels = append(append(args.Channels, k.Queue[:]...), k.Wake)
	}
	return args
}

// distribute reads the enqueue script's answer.
func (p *Producer) distribute(slot int, members []*pending, reply any) {
	channels := p.store.slots[slot]
	var answer enqueueAnswer
	err := decode(reply, &answer)
	if err == nil && (len(answer.Results) != len(members) || len(answer.Depths) != len(channels)) {
		err = fmt.Errorf("%w: Redis answered %d results for %d webhooks", queue.ErrUnavailable, len(answer.Results), len(members))
	}
	if err != nil {
		for _, item := range members {
			item.err = err
		}
		return
	}
	for i, item := range members {
		switch result := answer.Results[i].(type) {
		case string:
			jobs, skipped := decodeRecord(item.submission.Event.ID, result)
			item.acceptance.Jobs = append(item.acceptance.Jobs, jobs...)
			item.acceptance.Skipped = append(item.acceptance.Skipped, skipped...)
		case int64:
			if result < 0 {
				item.taken = append(item.taken, taken{slot, int(-result % places), time.UnixMilli(-result / places)})
				continue
			}
			if full := int(result); full > 0 {
				item.err = &queue.FullError{Channel: channels[full-1], Depth: answer.Depths[full-1]}
				continue
			}
			item.acceptance.Duplicate = false
			accept(item, channels, item.place(slot))
		default:
			item.err = fmt.Errorf("%w: Redis answered a %s", queue.ErrUnavailable, strconv.Quote(fmt.Sprintf("%T", result)))
		}
	}
	p.takeStale(slot, members, &answer)
}

// accept adds the jobs of some channels, just added at a place, to the acceptance.
func accept(item *pending, channels []message.Channel, place int) {
	for _, c := range item.submission.Channels {
		if !slices.Contains(channels, c.Channel) {
			continue
		}
		for i, r := range c.Recipients {
			item.acceptance.Jobs = append(item.acceptance.Jobs,
				queue.Accepted{ID: job.ID(item.submission.Event.ID, c.Channel, place*placeSpan+i+1), Channel: c.Channel, Recipient: r.Address.String()})
		}
		item.acceptance.Skipped = append(item.acceptance.Skipped, c.Skipped...)
	}
}
