package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
)

// saleShim is the shim of the other model with a clock per channel, so that it works in a cluster.
const saleShim = `local real = redis
local function through(way) return function(name, ...)
  if name == 'TIME' then
    local ms = tonumber(real.call('GET', string.match(KEYS[1], '^{[^}]*}') .. ':clock'))
    return {math.floor(ms / 1000), ms % 1000 * 1000}
  end
  return real[way](name, ...)
end end
local redis = setmetatable({call = through('call'), pcall = through('pcall')}, {__index = real})
`

// counter is a life of some sales: the queue, and what it has to be like. Of each job it is known what became of it, and why.
type counter struct {
	reporter
	base     Config
	replicas []*salesReplica
	now      int64
	taken    []*takenJob
	posted   []*queue.Submission
}

type salesReplica struct {
	store    *Store
	producer *Producer
}

// takenJob is a message of an event of a sale.
type takenJob struct {
	of       *queue.Submission
	channel  message.Channel
	to       message.Recipient
	id       string
	happened int64 // by Redis's clock at most; 0: the event is of no sale
	due      int64 // it is scheduled until then; 0: it is not
	status   queue.Status
	by       string
}

func (c *counter) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%v", err)
	}
}

// begin opens a replica of ingest.
func (c *counter) begin() *salesReplica {
	c.Helper()
	store, err := Open(c.base, slog.New(slog.DiscardHandler))
	c.must(err)
	for _, one := range store.scripts.all() {
		one.source = saleShim + one.source
		*one = one.named()
	}
	return &salesReplica{store, store.Producer(prometheus.NewRegistry())}
}

func (r *salesReplica) end() {
	r.producer.Close()
	_ = r.store.Close()
}

func (c *counter) pass(ms int64) {
	c.Helper()
	c.now += ms
	for _, k := range c.replicas[0].store.keys {
		c.must(c.replicas[0].store.client.Set(context.Background(), k.Base+":clock", c.now, 0).Err())
	}
}

// outdated is the rule of what is stale, in words of the model.
func outdated(newer, older event.Type) bool {
	switch older {
	case event.OrderCreate:
		return newer != event.POSSave
	case event.OrderUpdate:
		return newer == event.OrderCreate || newer == event.OrderUpdate || newer == event.OrderCancel
	}
	return false
}

// follows says whether an event takes the place of a waiting one.
func follows(newer *takenJob, older *takenJob) bool {
	if newer.happened == older.happened {
		return newer.of.Event.Type != event.OrderCreate || older.of.Event.Type == event.OrderCreate
	}
	return newer.happened > older.happened
}

// post enqueues a webhook at a replica, and does the same in the model.
func (c *counter) post(r *salesReplica, s *queue.Submission) {
	c.Helper()
	a, err := r.producer.Enqueue(context.Background(), s)
	c.must(err)
	c.Logf("%d: %s %s of %s at %s, %d; it may wait %s: %+v", c.now, s.Event.ID, s.Event.Type, s.Event.Sale.OrderID, s.Event.Source, s.HappenedAt.UnixMilli(), s.Coalesce, a)
	if known := slices.ContainsFunc(c.posted, func(one *queue.Submission) bool { return one == s }); known != a.Duplicate {
		c.Fatalf("%s was there: %t; answered %+v", s.Event.ID, known, a)
	} else if known {
		return
	}
	c.posted = append(c.posted, s)
	var fresh, stale []*takenJob
	for _, part := range s.Channels {
		for i, to := range part.Recipients {
			j := &takenJob{of: s, channel: part.Channel, to: to, id: job.ID(s.Event.ID, part.Channel, i+1), status: queue.StatusQueued}
			if by := c.place(j); by != "" {
				j.status, j.by = queue.StatusStale, by
				stale = append(stale, j)
			} else {
				fresh = append(fresh, j)
			}
		}
	}
	changed := []string{s.Event.ID}
	first := map[int]int64{} // until when those waited whose place is taken, of the channels of one slot: in a cluster a script knows no others
	for _, j := range fresh {
		for _, other := range c.taken {
			if j.happened != 0 && other.due >= c.now && other.status == queue.StatusQueued && sameSale(j, other) && other.channel == j.channel && other.to == j.to && follows(j, other) {
				other.status, other.by = queue.StatusSuperseded, s.Event.ID
				changed = append(changed, other.of.Event.ID)
				slot := r.store.slotOf(j.channel)
				if til, known := first[slot]; !known || other.due < til {
					first[slot] = other.due
				}
			}
		}
	}
	for _, j := range fresh {
		if til, known := first[r.store.slotOf(j.channel)]; known {
			j.due = min(j.due, til)
		}
	}
	c.taken = append(c.taken, slices.Concat(fresh, stale)...)
	var accepted, refused []string
	for _, one := range a.Jobs {
		accepted = append(accepted, one.ID)
	}
	for _, one := range a.Stale {
		refused = append(refused, one.ID)
	}
	if diff := cmp.Diff([][]string{ids(fresh), ids(stale)}, [][]string{accepted, refused}); diff != "" {
		c.Fatalf("the jobs and the stale ones should be (-), but are (+):\n%s", diff)
	}
	c.check(r, changed...)
}

// place says when a job's event happened and whether it waits, or by which webhooks it is stale, with spaces around.
func (c *counter) place(j *takenJob) (by string) {
	s := j.of
	if s.Event.Sale.OrderID == "" || s.HappenedAt.IsZero() || s.Event.Type == event.POSSave {
		return ""
	}
	j.happened = min(s.HappenedAt.UnixMilli(), c.now)
	if s.Coalesce > 0 && (s.Event.Type == event.OrderCreate || s.Event.Type == event.OrderUpdate) {
		j.due = c.now + s.Coalesce.Milliseconds()
	}
	for _, other := range c.taken {
		if other.happened > j.happened && other.happened-j.happened <= c.base.DedupeTTL.Milliseconds() && other.status != queue.StatusStale && sameSale(j, other) && other.of.Event.Source == s.Event.Source && other.channel == j.channel &&
			other.to.Audience == j.to.Audience && outdated(other.of.Event.Type, s.Event.Type) {
			by += " " + other.of.Event.ID + " "
		}
	}
	return by
}

func sameSale(a, b *takenJob) bool {
	x, y := a.of.Event, b.of.Event
	return a.happened != 0 && b.happened != 0 && x.Store == y.Store && x.Sender == y.Sender && x.Sale.OrderID == y.Sale.OrderID
}

func ids(jobs []*takenJob) (out []string) {
	for _, j := range jobs {
		out = append(out, j.id)
	}
	return out
}

// check holds the statuses of some webhooks, the lists, the scheduled jobs and the bodies against the model.
func (c *counter) check(r *salesReplica, webhooks ...string) {
	c.Helper()
	ctx := context.Background()
	statuses := map[string]queue.Notification{}
	for _, id := range webhooks {
		n, err := r.store.Notifications(ctx, id)
		c.must(err)
		for _, one := range n.Notifications {
			statuses[one.ID] = one
		}
	}
	want := map[message.Channel]map[string]queue.State{message.SMS: {}, message.Email: {}}
	for _, j := range c.taken {
		got := statuses[j.id]
		if slices.Contains(webhooks, j.of.Event.ID) && (got.Status != j.status || !strings.Contains(" "+j.by+" ", " "+got.By+" ") || (got.By == "") != (j.by == "")) {
			c.Fatalf("%s is %s by %q, want %s by %q", j.id, got.Status, got.By, j.status, j.by)
		}
		switch {
		case j.status != queue.StatusQueued:
		case j.due > 0:
			want[j.channel][j.id] = queue.Scheduled
		default:
			want[j.channel][j.id] = queue.Waiting
		}
	}
	for channel, jobs := range want {
		got := map[string]queue.State{}
		bodies := map[string]bool{}
		k := r.store.keys[channel]
		raws, err := r.store.client.ZRange(ctx, k.Held, 0, -1).Result()
		c.must(err)
		for state, some := range map[queue.State][]string{queue.Scheduled: raws, queue.Waiting: c.waiting(r, k)} {
			for _, raw := range some {
				j, err := job.Decode(channel, []byte(raw))
				c.must(err)
				got[j.ID()] = state
				if j.SharedBody {
					bodies[k.body(j)] = true
				}
			}
		}
		if diff := cmp.Diff(jobs, got); diff != "" {
			c.Fatalf("on %s the jobs should be (-), but are (+):\n%s", channel, diff)
		}
		found, err := c.keys(r, k.Base+":body:*")
		c.must(err)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(bodies)), found); diff != "" && len(bodies)+len(found) > 0 {
			c.Fatalf("on %s the bodies should be (-), but are (+):\n%s", channel, diff)
		}
	}
}

func (c *counter) waiting(r *salesReplica, k Keys) (raws []string) {
	c.Helper()
	for _, list := range k.Queue {
		some, err := r.store.client.LRange(context.Background(), list, 0, -1).Result()
		c.must(err)
		raws = append(raws, some...)
	}
	return raws
}

func (c *counter) keys(r *salesReplica, pattern string) (all []string, err error) {
	base, rest, _ := strings.Cut(pattern, "}")
	for cursor := uint64(0); ; {
		some, next, err := r.store.scanKeys(context.Background(), base+"}", rest, cursor)
		if all = append(all, some...); err != nil || next == 0 {
			slices.Sort(all)
			return all, err
		}
		cursor = next
	}
}

// sendAll claims what may be claimed on a channel, and sends it.
func (c *counter) sendAll(r *salesReplica, channel message.Channel) {
	c.Helper()
	consumer := r.store.Consumer(channel, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"p"})
	for {
		_, claim, err := consumer.Exchange(context.Background(), nil, nil, &queue.ClaimRequest{Max: 100})
		c.must(err)
		if len(claim.Jobs) == 0 {
			break
		}
		var done []queue.Settlement
		for _, one := range claim.Jobs {
			i := slices.IndexFunc(c.taken, func(j *takenJob) bool { return j.id == one.Job.ID() })
			if i < 0 || c.taken[i].status != queue.StatusQueued || c.taken[i].due >= c.now {
				c.Fatalf("%s was claimed at %d: %+v", one.Job.ID(), c.now, c.taken[max(i, 0)])
			}
			e, err := one.Job.Event()
			c.must(err)
			if e.Customer.Name != one.Job.WebhookID {
				c.Fatalf("%s is about %s", one.Job.ID(), e.Customer.Name)
			}
			c.taken[i].status = queue.StatusSent
			done = append(done, queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "p", MessageID: "m"}}})
		}
		_, _, err = consumer.Exchange(context.Background(), done, nil, nil)
		c.must(err)
	}
	for _, j := range c.taken {
		if j.channel == channel && j.status == queue.StatusQueued && j.due < c.now {
			c.Fatalf("%s waits, and no worker gets it", j.id)
		}
	}
	c.check(r)
}

// drawEvent draws an event of one of two sales.
func (c *counter) drawEvent(t *rapid.T) *queue.Submission {
	e := queuetest.Event(fmt.Sprint("w", len(c.posted)+1))
	e.Type = rapid.SampledFrom([]event.Type{event.OrderCreate, event.OrderUpdate, event.OrderUpdate, event.OrderUpdate, event.OrderCancel, event.PaymentComplete, event.RefundComplete, event.POSSave}).Draw(t, "type")
	e.Sale.OrderID = rapid.SampledFrom([]string{"1007", "1007", "1007", "1008", ""}).Draw(t, "order")
	e.Source = rapid.SampledFrom([]string{"till 1", "till 1", "till 2"}).Draw(t, "source")
	e.Customer.Name = e.ID
	s := &queue.Submission{Event: e, Priority: rapid.IntRange(1, 4).Draw(t, "priority"), AcceptedAt: time.UnixMilli(c.now),
		Coalesce: rapid.SampledFrom([]time.Duration{0, 20 * time.Second, 20 * time.Second}).Draw(t, "coalesce")}
	ago := rapid.SampledFrom([]time.Duration{0, 0, time.Second, time.Second, 2 * time.Second, time.Minute, 25 * time.Hour, -time.Hour}).Draw(t, "happened ago")
	if rapid.IntRange(0, 9).Draw(t, "no time") > 0 {
		s.HappenedAt = time.UnixMilli(c.now).Add(-ago)
	}
	if rapid.Bool().Draw(t, "large") {
		e.Extra = strings.Repeat(" ", inlineBody)
	}
	staff := message.Recipient{Address: "+15550100009", Audience: message.Staff}
	sms := []message.Recipient{{Address: message.Address(rapid.SampledFrom([]string{"+15550100001", "+15550100001", "+15550100002"}).Draw(t, "number")), Audience: message.Customer}, staff}
	from, til := rapid.IntRange(0, 1).Draw(t, "from"), rapid.IntRange(1, 2).Draw(t, "til")
	s.Channels = []queue.ChannelSubmission{{Channel: message.SMS, Recipients: sms[min(from, til):til]}}
	if rapid.Bool().Draw(t, "an address") {
		s.Channels = append(s.Channels, queue.ChannelSubmission{Channel: message.Email, Recipients: []message.Recipient{{Address: "jo@example.com", Audience: message.Customer}}})
	}
	return s
}

// TestSales lives random lives of sales: events in any order, at several replicas, again, with time, workers and replicas that begin anew in between. What is sent,
// superseded and stale is what the rules say, and each job is in one place.
func TestSales(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) Config{
		"Redis":    func(t *testing.T) Config { return url(redistest.Start(t).Addr()) },
		"cluster":  func(t *testing.T) Config { return Config{Addrs: redistest.StartCluster(t)} },
		"embedded": func(t *testing.T) Config { return url(miniredis.RunT(t).Addr()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := start(t)
			base.DedupeTTL, base.StatusTTL, base.KeepFailed, base.MaxCrashes, base.OnUncertain = 24*time.Hour, 24*time.Hour, 1, 5, Resend
			lives(t, 25, func(t *rapid.T) { salesLife(t, base) })
		})
	}
}

func salesLife(t *rapid.T, base Config) {
	base.Prefix = fmt.Sprint("sales", prefixes.Add(1))
	c := &counter{reporter: t, base: base, now: time.Now().UnixMilli()}
	c.replicas = []*salesReplica{c.begin()}
	c.replicas = append(c.replicas, c.begin())
	defer func() {
		for _, r := range c.replicas {
			r.end()
		}
	}()
	c.must(c.replicas[0].store.empty(context.Background())) // keys are looked for
	c.pass(0)
	replica := func(t *rapid.T) *salesReplica { return rapid.SampledFrom(c.replicas).Draw(t, "replica") }
	post := func(t *rapid.T) { c.post(replica(t), c.drawEvent(t)) }
	t.Repeat(map[string]func(*rapid.T){
		"an event": post, "an event ": post, "an event  ": post,
		"an event, again, since its answer was lost": func(t *rapid.T) {
			if len(c.posted) > 0 {
				c.post(replica(t), rapid.SampledFrom(c.posted).Draw(t, "event"))
			}
		},
		"time": func(t *rapid.T) { c.pass(int64(rapid.SampledFrom([]int{1, 500, 5000, 20_000, 20_001}).Draw(t, "ms"))) },
		"a worker": func(t *rapid.T) {
			c.sendAll(replica(t), rapid.SampledFrom([]message.Channel{message.SMS, message.Email}).Draw(t, "channel"))
		},
		"a replica begins anew": func(t *rapid.T) {
			i := rapid.IntRange(0, 1).Draw(t, "replica")
			c.replicas[i].end()
			c.replicas[i] = c.begin()
		},
	})
	c.pass(60_000)
	for _, channel := range []message.Channel{message.SMS, message.Email} {
		c.sendAll(c.replicas[0], channel)
	}
	var all []string
	for _, s := range c.posted {
		all = append(all, s.Event.ID)
	}
	c.check(c.replicas[0], all...)
	left, err := c.keys(c.replicas[0], c.replicas[0].store.keys[message.SMS].Base+":sale:*")
	c.must(err)
	for _, key := range left {
		if ttl := c.replicas[0].store.client.PTTL(context.Background(), key).Val(); ttl <= 0 || ttl > base.DedupeTTL {
			c.Fatalf("%s lives for %s", key, ttl)
		}
		text := c.replicas[0].store.client.Get(context.Background(), key).Val()
		if strings.Contains(text, "+1") || strings.Contains(text, "@") {
			c.Fatalf("a sale has a person in it: %q", text)
		}
	}
}
