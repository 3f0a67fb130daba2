package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
)

const jane, janesMail, staff = "+15550104242", "jane.roe@example.com", "+15550100001"

// archive is a queue with the jobs of many people in every state, on all channels.
type archive struct {
	*testing.T
	store     *Store
	producer  *Producer
	consumers map[message.Channel]*Consumer
}

func openArchive(t *testing.T, c Config) *archive {
	store := open(t, c, func(c *Config) { c.KeepCompleted, c.KeepFailed = 10_000, 10_000 })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	a := &archive{t, store, producer, map[message.Channel]*Consumer{}}
	for _, channel := range message.Channels {
		a.consumers[channel] = store.Consumer(channel, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Hour}, []string{"p"})
	}
	return a
}

func (a *archive) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// accept enqueues a webhook of a customer, with a message to them and one to the staff on every channel.
func (a *archive) accept(id, phone, email string) {
	a.Helper()
	s := &queue.Submission{Event: queuetest.Event(id), Priority: 1 + len(id)%4, AcceptedAt: time.Now()}
	s.Event.Customer.Phone, s.Event.Customer.Email = phone, email
	for _, channel := range message.Channels {
		to, other := message.Address(phone), message.Address(staff)
		if channel == message.Email {
			to, other = message.Address(email), "staff@example.com"
		}
		recipients := []message.Recipient{{Address: other, Audience: message.Staff}}
		if to != "" {
			recipients = append(recipients, message.Recipient{Address: to, Audience: message.Customer})
		}
		s.Channels = append(s.Channels, queue.ChannelSubmission{Channel: channel, Recipients: recipients})
	}
	_, err := a.producer.Enqueue(a.Context(), s)
	a.must(err)
}

// settle claims the waiting jobs of every channel and settles them all in one way.
func (a *archive) settle(outcome queue.Outcome) {
	a.Helper()
	for _, channel := range message.Channels {
		_, claim, err := a.consumers[channel].Exchange(a.Context(), nil, nil, &queue.ClaimRequest{Max: maxBatch})
		a.must(err)
		var settlements []queue.Settlement
		for _, one := range claim.Jobs {
			settlements = append(settlements, queue.Settlement{Claimed: one, Outcome: outcome})
		}
		_, _, err = a.consumers[channel].Exchange(a.Context(), settlements, nil, nil)
		a.must(err)
	}
}

func (a *archive) forget(who string, dry bool) queue.Forgotten {
	a.Helper()
	p, err := admin.ParsePerson(who, "US")
	a.must(err)
	var all queue.Forgotten
	for from := ""; ; {
		part, err := a.store.Forget(a.Context(), queue.ForgetRequest{Person: p, DryRun: dry, From: from, AtMost: 100})
		a.must(err)
		from = part.Next
		all.Add(part)
		if from == "" {
			return all
		}
	}
}

// mentions lists the keys under which something is found, whatever it is.
func (a *archive) mentions(texts ...string) (found []string) {
	a.Helper()
	for key, value := range a.dump() {
		for _, text := range texts {
			if strings.Contains(value, text) {
				found = append(found, key)
			}
		}
	}
	return found
}

// dump reads everything that the store has in Redis.
func (a *archive) dump() map[string]string {
	a.Helper()
	out := map[string]string{}
	bases := []string{a.store.senderKeys().base}
	for _, channel := range message.Channels {
		bases = append(bases, a.store.keys[channel].Base)
	}
	for _, base := range bases {
		for _, name := range a.allKeys(base + ":*") {
			var value string
			switch kind := a.store.client.Type(a.Context(), name).Val(); kind {
			case "list":
				value = strings.Join(a.store.client.LRange(a.Context(), name, 0, -1).Val(), "\n")
			case "zset":
				value = strings.Join(a.store.client.ZRange(a.Context(), name, 0, -1).Val(), "\n")
			case "hash":
				value = fmt.Sprint(a.store.client.HGetAll(a.Context(), name).Val())
			case "string":
				value = a.store.client.Get(a.Context(), name).Val()
			case "none":
				continue // its time has come meanwhile
			default:
				a.Errorf("%s is a %s", name, kind)
			}
			out[name] = value
		}
	}
	return out
}

func (a *archive) allKeys(pattern string) []string {
	a.Helper()
	var mu sync.Mutex // the masters are asked side by side
	var names []string
	err := eachMaster(a.Context(), a.store.client, func(found []string) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, found...)
	}, pattern)
	a.must(err)
	return names
}

func testForget(t *testing.T, c Config) {
	a := openArchive(t, c)
	others := 0
	fill := func(place string, n int) {
		for i := range n {
			a.accept(fmt.Sprint("other-", place, i), fmt.Sprintf("+1555010%04d", 5000+i), fmt.Sprintf("other%d@example.com", i))
			others++
		}
	}
	for _, place := range []struct {
		name    string
		outcome queue.Outcome
	}{{"failed", queue.Fail{Error: "an error"}}, {"completed", queue.Done{Attempt: queue.Attempt{MessageID: "SM1"}}}, {"retry", queue.Retry{Delay: time.Hour, Error: "an error"}}} {
		fill(place.name, 30)
		a.accept("jane-"+place.name, jane, janesMail)
		a.settle(place.outcome)
	}
	// Being sent.
	a.accept("jane-sending", jane, janesMail)
	_, claim, err := a.consumers[message.SMS].Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	a.must(err)
	// Waiting, among many, at both ends and in the middle; once as the POS wrote it, once by e-mail alone.
	fill("waiting-a", 700)
	a.accept("jane-waiting", "(555) 010-4242", janesMail)
	a.accept("jane-waiting2", jane, "")
	fill("waiting-b", 700)
	a.accept("jane-waiting-last", jane, "Jane.Roe@example.com")
	for _, channel := range message.Channels {
		a.must(a.store.Outbox(100).Put(t.Context(), sandbox.Entry{Channel: channel, To: jane, Text: "to Jane", SentAt: time.Now()}))
		a.must(a.store.Outbox(100).Put(t.Context(), sandbox.Entry{Channel: channel, To: staff, Text: "to the staff", SentAt: time.Now()}))
	}
	before := a.dump()
	want := queue.Forgotten{Waiting: 5 + 6 + 5 + 6, Retry: 6, Failed: 6, Completed: 6, Outbox: 3}
	if dry := a.forget(jane, true); dry.Waiting != want.Waiting || dry.Retry != 6 || dry.Failed != 6 || dry.Completed != 6 || dry.Outbox != 3 || len(dry.Sending) != 1 {
		t.Errorf("a dry run found %+v, want %+v", dry, want)
	}
	if after := a.dump(); len(after) != len(before) {
		t.Errorf("a dry run changed something: %d keys, %d before", len(after), len(before))
	}
	got := a.forget(jane, false)
	if got.Waiting != want.Waiting || got.Retry != 6 || got.Failed != 6 || got.Completed != 6 || got.Outbox != 3 || got.Found() != want.Found() {
		t.Errorf("found %+v, want %+v", got, want)
	}
	if len(got.Sending) != 1 || got.Sending[0] != "jane-sending:sms:1" {
		t.Errorf("being sent: %q", got.Sending)
	}
	// When the worker has ended, the rest goes too.
	_, _, err = a.consumers[message.SMS].Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Done{}}}, nil, nil)
	a.must(err)
	if rest := a.forget(jane, false); rest.Completed != 1 || rest.Found() != 1 || len(rest.Sending) != 0 {
		t.Errorf("the rest: %+v", rest)
	}
	if rest := a.forget(janesMail, false); rest.Found() != 0 {
		t.Errorf("by the other address: %+v", rest)
	}
	if left := a.mentions(jane, janesMail, "Jane.Roe", "010-4242", "to Jane"); len(left) != 0 {
		t.Errorf("it is still in %q", left)
	}
	for key := range a.dump() {
		if strings.Contains(key, ":body:jane") || strings.Contains(key, ":status:jane") {
			t.Errorf("%s is left", key)
		}
	}
	// All others have lost nothing.
	for _, channel := range message.Channels {
		k := a.store.keys[channel]
		state, err := a.store.State(t.Context(), channel)
		a.must(err)
		waiting := state.Waiting[0] + state.Waiting[1] + state.Waiting[2] + state.Waiting[3]
		if waiting != 2800 || state.Retry != 60 || state.Failed != 60 || state.Completed != 60 {
			t.Errorf("%s: %+v", channel, state.Depth)
		}
		if n := len(a.allKeys(k.Base + ":body:other*")); n != others {
			t.Errorf("%s: %d bodies of %d others", channel, n, others)
		}
	}
	// A member of the staff is in every job on SMS and WhatsApp, and forgetting them deletes no customer's job.
	if got := a.forget(staff, false); got.Waiting != 2*1400 || got.Failed != 60 || got.Outbox != 3 {
		t.Errorf("the staff: %+v", got)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	testForget(t, url(redistest.Start(t).Addr()))
}

func TestForgetInACluster(t *testing.T) {
	t.Parallel()
	testForget(t, Config{Addrs: redistest.StartCluster(t)})
}

// TestForgetUnderTraffic: jobs come and go while the lists are walked, and none of the person's that waited before is missed.
func TestForgetUnderTraffic(t *testing.T) {
	t.Parallel()
	a := openArchive(t, url(redistest.Start(t).Addr()))
	const rounds = 150
	for i := range rounds {
		for k := range 10 {
			a.accept(fmt.Sprintf("other%d-%d", i, k), fmt.Sprintf("+1555011%04d", i), "")
		}
		a.accept(fmt.Sprint("jane", i), jane, "")
	}
	p, err := admin.ParsePerson(jane, "US")
	a.must(err)
	var all queue.Forgotten
	taken := 0
	for from, i := "", 0; ; i++ {
		part, err := a.store.Forget(t.Context(), queue.ForgetRequest{Person: p, From: from, AtMost: 1})
		a.must(err)
		from = part.Next
		all.Add(part)
		if from == "" {
			break
		}
		for k := range 20 {
			a.accept(fmt.Sprintf("new%d-%d", i, k), "+15550119999", "")
		}
		for _, consumer := range a.consumers {
			_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 7})
			a.must(err)
			for _, one := range claim.Jobs {
				if one.Job.Recipient == jane {
					taken++
				}
				_, _, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: one, Outcome: queue.Done{}}}, nil, nil)
				a.must(err)
			}
		}
	}
	if left := a.mentions(jane); len(left) != 0 {
		t.Errorf("%d found, %d sent meanwhile; it is still in %q", all.Found(), taken, left)
	}
	if _, err := a.store.Forget(t.Context(), queue.ForgetRequest{Person: p, From: "99 0"}); err == nil {
		t.Error("goes on from nowhere")
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, url(server.Addr()), func(c *Config) { c.Retention = time.Hour })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	s := &shop{t, store, producer, store.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"first"})}
	k := store.keys[message.SMS]
	for i := range 5 {
		s.enqueue(fmt.Sprint("old", i), 2)
		s.settle(queue.Settlement{Outcome: queue.Fail{Error: "x"}})
		s.settle(queue.Settlement{Outcome: queue.Done{}})
	}
	long := time.Now().Add(-2 * time.Hour)
	for _, key := range []string{k.Failed, k.Completed} {
		for _, z := range store.client.ZRangeWithScores(t.Context(), key, 0, -1).Val() {
			z.Score = float64(long.UnixMilli())
			s.must(store.client.ZAdd(t.Context(), key, z).Err())
		}
	}
	s.must(store.Record(t.Context(), queue.AuditEntry{At: long, By: "ann", Action: "pause", Channel: message.SMS, Why: `"at":"9999-01-01T00:00:00Z"`}))
	s.must(store.Record(t.Context(), queue.AuditEntry{At: time.Now().UTC(), By: "bob", Action: "resume", Channel: message.SMS}))
	s.must(store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: message.SMS, Text: `\"sent_at\":\"9999-01-01T00:00:00Z`, SentAt: long}))
	s.must(store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: message.SMS, Text: "new", SentAt: time.Now()}))
	s.enqueue("new", 2)
	s.settle(queue.Settlement{Outcome: queue.Fail{Error: "x"}})
	s.settle(queue.Settlement{Outcome: queue.Done{}})
	s.enqueue("waits", 1)
	jobs, records, err := store.retain(t.Context(), message.SMS)
	if err != nil || jobs != 10 || records != 2 {
		t.Errorf("deleted %d jobs and %d records, %v", jobs, records, err)
	}
	if jobs, records, err := store.retain(t.Context(), message.SMS); err != nil || jobs+records != 0 {
		t.Errorf("then %d and %d, %v", jobs, records, err)
	}
	if state := s.state(); state.Failed != 1 || state.Completed != 1 || state.Waiting[0] != 1 {
		t.Errorf("%+v", state.Depth)
	}
	if bodies := store.client.Keys(t.Context(), k.Base+":body:old*").Val(); len(bodies) != 0 {
		t.Errorf("bodies without a job: %q", bodies)
	}
	if audit, err := store.Audit(t.Context(), 10); err != nil || len(audit) != 1 || audit[0].By != "bob" {
		t.Errorf("audit %+v, %v", audit, err)
	}
	if sent, err := store.Outbox(10).List(t.Context()); err != nil || len(sent) != 1 || sent[0].Text != "new" {
		t.Errorf("outbox %+v, %v", sent, err)
	}
	off := open(t, url(server.Addr()), nil)
	if jobs, records, err := off.retain(t.Context(), message.SMS); err != nil || jobs+records != 0 {
		t.Errorf("without RETENTION: %d and %d, %v", jobs, records, err)
	}
}

// eachMaster lists the keys that fit a pattern, of every node.
func eachMaster(ctx context.Context, client redis.UniversalClient, found func([]string), pattern string) error {
	list := func(ctx context.Context, node *redis.Client) error {
		names, err := node.Keys(ctx, pattern).Result()
		found(names)
		return err
	}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, list)
	}
	names, err := client.Keys(ctx, pattern).Result()
	found(names)
	return err
}
