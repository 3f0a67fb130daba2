package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
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
	first := int64(math.MaxInt64) // until when those waited whose place is taken
	for _, j := range fresh {
		for _, other := range c.taken {
			if j.happened != 0 && other.due >= c.now && other.status == queue.StatusQueued && sameSale(j, other) && other.channel == j.channel && other.to == j.to && follows(j, other) {
				other.status, other.by = queue.StatusSuperseded, s.Event.ID
				changed = append(changed, other.of.Event.ID)
				first = min(first, other.due)
			}
		}
	}
	for _, j := range fresh {
		j.due = min(j.due, first)
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

// TestSalesWaitOnce: however often a till tells of an order, what it says goes out in the time to coalesce after the first event that waits, and no more often.
func TestSalesWaitOnce(t *testing.T) {
	t.Parallel()
	const wait, every, last = 20 * time.Second, 3 * time.Second, 2 * time.Minute
	base := url(miniredis.RunT(t).Addr())
	base.Prefix, base.DedupeTTL, base.StatusTTL, base.KeepFailed, base.MaxCrashes, base.OnUncertain = "once", 24*time.Hour, 24*time.Hour, 1, 5, Resend
	c := &counter{reporter: t, base: base, now: time.Now().UnixMilli()}
	c.replicas = []*salesReplica{c.begin()}
	defer c.replicas[0].end()
	c.pass(0)
	var sent []int64
	for at := time.Duration(0); at < last; at += every {
		s := following(fmt.Sprint("w", at), event.OrderUpdate, time.UnixMilli(c.now), wait)
		s.AcceptedAt = time.UnixMilli(c.now)
		_, err := c.replicas[0].producer.Enqueue(t.Context(), s)
		c.must(err)
		for _, ms := range []int64{1000, 2000} {
			c.pass(ms)
			_, claim, err := c.replicas[0].store.Consumer(message.SMS, ConsumerConfig{Lease: time.Hour, PriorityAging: time.Minute}, []string{"p"}).Exchange(
				t.Context(), nil, nil, &queue.ClaimRequest{Max: 9})
			c.must(err)
			for range claim.Jobs {
				sent = append(sent, c.now)
			}
		}
	}
	for i := 1; i < len(sent); i++ {
		if apart := time.Duration(sent[i]-sent[i-1]) * time.Millisecond; apart < wait || apart > wait+2*every {
			t.Errorf("two messages are %s apart", apart)
		}
	}
	if most, least := int(last/wait), int(last/(wait+2*every))-1; len(sent) > most || len(sent) < least {
		t.Errorf("%d messages in %s", len(sent), last)
	}
}

// following returns an event of a sale.
func following(id string, kind event.Type, happened time.Time, wait time.Duration) *queue.Submission {
	w := webhook(id)
	w.Event.Type, w.Priority, w.HappenedAt, w.Coalesce = kind, queueOf(kind), happened, wait
	w.Event.Sale.OrderID = "1007"
	return w
}

// TestSalesOutliveTheirRedis: what is stale, and what is superseded, is so after a restart of Redis and on a replica that was promoted.
func TestSalesOutliveTheirRedis(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(*redistest.Server) *redistest.Server{
		"restart": func(server *redistest.Server) *redistest.Server {
			server.Kill()
			server.Restart()
			return server
		},
		"promotion": func(server *redistest.Server) *redistest.Server {
			replica := redistest.Start(t, "--replicaof", "127.0.0.1", fmt.Sprint(server.Port()))
			redistest.Eventually(t, "the replica has everything", func() bool { return server.Client().Wait(t.Context(), 1, time.Second).Val() == 1 })
			server.Kill()
			if err := replica.Client().ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
				t.Error(err)
			}
			return replica
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			begin, prefix := time.Now().Add(-time.Minute), ""
			post := func(id string, kind event.Type, after time.Duration) *queue.Acceptance {
				t.Helper()
				store := open(t, url(server.Addr()), func(c *Config) {
					if prefix != "" {
						c.Prefix = prefix
					}
					prefix = c.Prefix
				})
				producer := store.Producer(prometheus.NewRegistry())
				defer producer.Close()
				a, err := producer.Enqueue(t.Context(), following(id, kind, begin.Add(after), time.Minute))
				if err != nil || a.Duplicate {
					t.Fatalf("%s: %+v, %v", id, a, err)
				}
				return a
			}
			post("a", event.OrderUpdate, 2*time.Second)
			server = next(server)
			if a := post("before", event.OrderUpdate, time.Second); len(a.Stale) != 1 || a.Stale[0].By != "a" {
				t.Errorf("%+v", a)
			}
			post("b", event.OrderUpdate, 3*time.Second)
			store := open(t, url(server.Addr()), func(c *Config) { c.Prefix = prefix })
			n, err := store.Notifications(t.Context(), "a")
			if err != nil || n.Notifications[0].Status != queue.StatusSuperseded || n.Notifications[0].By != "b" {
				t.Errorf("%+v, %v", n, err)
			}
			if d, err := store.Depth(t.Context(), message.SMS); err != nil || d.Held != 1 {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

// TestSalesAtOnce: where many events of a sale come at once, each message is in one place, and that of the latest event is not lost.
func TestSalesAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	begin := time.Now().Add(-time.Minute)
	const events = 300
	errs := make(chan error, events)
	for i := range events {
		go func() {
			_, err := s.producer.Enqueue(t.Context(), following(fmt.Sprint("w", i), event.OrderUpdate, begin.Add(time.Duration(i)*time.Millisecond), 20*time.Second))
			errs <- err
		}()
	}
	for range events {
		s.must(<-errs)
	}
	d := s.state()
	if d.Held != 1 {
		t.Errorf("%+v", d)
	}
	count := map[queue.Status]int{}
	for i := range events {
		n, err := s.store.Notifications(t.Context(), fmt.Sprint("w", i))
		s.must(err)
		status := n.Notifications[0].Status
		if count[status]++; (i == events-1) != (status == queue.StatusQueued) {
			t.Errorf("event %d is %s", i, status)
		}
	}
	if count[queue.StatusStale]+count[queue.StatusSuperseded] != events-1 {
		t.Errorf("%v", count)
	}
}

// TestSalesBesideOtherKeys: where a sale's key is another program's, the event goes out as if it were of no sale; where the scheduled set is, nothing is taken.
func TestSalesBesideOtherKeys(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	k := s.store.keys[message.SMS]
	first := following("a", event.OrderUpdate, time.Now(), 20*time.Second)
	key, _ := s.store.sale(first, 0)[0].(string)
	s.must(s.store.client.LPush(t.Context(), key, "x").Err())
	_, err := s.producer.Enqueue(t.Context(), first)
	s.must(err)
	if d := s.state(); d.Waiting[2]+d.Waiting[3] != 1 || d.Held != 0 {
		t.Errorf("%+v", d)
	}
	s.must(s.store.client.Del(t.Context(), key).Err())
	s.must(s.store.client.Set(t.Context(), k.Held, "x", 0).Err())
	second := following("b", event.OrderUpdate, time.Now(), 20*time.Second)
	if _, err := s.producer.Enqueue(t.Context(), second); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("the scheduled set is another program's: %v", err)
	}
	s.must(s.store.client.Del(t.Context(), k.Held).Err())
	if a, err := s.producer.Enqueue(t.Context(), second); err != nil || a.Duplicate || s.state().Held != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}
