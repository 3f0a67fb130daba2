package redisstore

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
)

// The bodies of messages that may fall back: each is in Redis once per channel, however many recipients it has, and for as long as a job or a redelivery copy
// refers to it.

// order enqueues a webhook with WhatsApp messages to a customer and to the staff, and a body of some size that says which one it is.
func (a *after) order(recipients, size int) (e string) {
	a.Helper()
	a.ids++
	s := &queue.Submission{Event: queuetest.Event(fmt.Sprint("order", a.ids)), Priority: 3, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{{Channel: message.WhatsApp}}}
	s.Event.Customer.Phone, s.Event.Customer.Name = customerOf(a.ids), nameOf(a.ids)
	s.Event.Extra = `{"x":"` + strings.Repeat("x", size) + `"}`
	for i := range recipients {
		to := message.Recipient{Address: message.Address(fmt.Sprintf("+1555030%04d", i)), Audience: message.Staff}
		if i == 0 {
			to = message.Recipient{Address: message.Address(customerOf(a.ids)), Audience: message.Customer}
		}
		s.Channels[0].Recipients = append(s.Channels[0].Recipients, to)
	}
	_, err := a.producer.Enqueue(a.Context(), s)
	a.must(err)
	return s.Event.ID
}

func customerOf(order int) string { return fmt.Sprintf("+1555020%04d", order) }
func nameOf(order int) string     { return fmt.Sprintf("Jane Roe of order %d.", order) }

// holders are the keys that have what an order says.
func (a *after) holders(order int) []string {
	a.Helper()
	return (&archive{T: a.T, store: a.store}).mentions(nameOf(order))
}

// everything claims all jobs of a channel.
func (a *after) everything(channel message.Channel) (all []*queue.Claimed) {
	a.Helper()
	consumer := a.consumes(channel, ConsumerConfig{})
	for {
		claimed := a.claim(consumer)
		if all = append(all, claimed...); len(claimed) == 0 {
			return all
		}
	}
}

// end settles claimed jobs of a channel in one way.
func (a *after) end(channel message.Channel, claimed []*queue.Claimed, outcome func(*queue.Claimed) queue.Outcome) {
	a.Helper()
	for some := range slices.Chunk(claimed, 10) {
		var settlements []queue.Settlement
		for _, one := range some {
			settlements = append(settlements, queue.Settlement{Claimed: one, Outcome: outcome(one)})
		}
		_, _, err := a.consumes(channel, ConsumerConfig{}).Exchange(a.Context(), settlements, nil, nil)
		a.must(err)
	}
}

// mayFallBack is the outcome of a message that was sent and may fall back.
func mayFallBack(*queue.Claimed) queue.Outcome {
	return queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}, Redelivery: &queue.Redelivery{FallBack: true, Within: 15 * time.Minute}}
}

// afterOneBody: orders with several recipients are sent, reported as undelivered, and fall back. At each step an order's body is in Redis once per channel, and
// at the end it goes.
func afterOneBody(a *after) {
	const orders, recipients = 5, 4
	for _, size := range []int{10, 20_000} {
		for _, keep := range []int{0, 3} {
			a.store.config.KeepCompleted = keep
			first := a.ids + 1
			for range orders {
				a.order(recipients, size)
			}
			last := a.ids
			hold := func(step string, want ...string) {
				a.Helper()
				for order := first; order <= last; order++ {
					var on []string
					for _, key := range a.holders(order) {
						on = append(on, strings.TrimPrefix(key, "{"+a.store.config.Prefix+":")[:3]+" "+kindOfKey(key))
					}
					slices.Sort(on)
					a.want([]any{step, size, keep, on}, []any{step, size, keep, want})
				}
			}
			hold("accepted", "wha body")
			sent := a.everything(message.WhatsApp)
			a.want(len(sent), orders*recipients)
			a.end(message.WhatsApp, sent, mayFallBack)
			hold("sent, with redelivery copies", "wha body")
			a.want(len(a.bodies()), 0)
			for _, one := range sent {
				a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{unreachable(one, "1")}}))
			}
			a.apply()
			hold("fallen back", "sms body", "wha body")
			for _, again := range []string{"", "again"} { // sent on the other channel, reported as undelivered, and sent there once more
				over := a.everything(message.SMS)
				a.want(len(over), orders*recipients)
				for _, one := range over {
					order, err := strconv.Atoi(strings.TrimPrefix(strings.Split(one.Job.WebhookID, ":")[0], "order"))
					a.must(err)
					e, err := one.Job.Event()
					a.must(err)
					a.want(e.Customer.Name, nameOf(order))
				}
				if found, err := a.store.Locate(a.Context(), over[0].Job.ID(), over[0].Job.AcceptedAt); err != nil || found == nil || string(found.Job.Body) != string(over[0].Job.Body) {
					a.Errorf("an operator finds %+v, %v", found, err)
				}
				if again != "" {
					a.end(message.SMS, over, func(*queue.Claimed) queue.Outcome { return queue.Drop{} })
					break
				}
				a.end(message.SMS, over, func(*queue.Claimed) queue.Outcome {
					return queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "m1"}, Redelivery: &queue.Redelivery{Retry: true, Within: 15 * time.Minute}}
				})
				hold("sent on the other channel", "sms body", "wha body")
				a.want(len(a.bodies()), 0)
				for _, one := range over {
					passing := unreachable(one, "2")
					passing.Channel, passing.Err = message.SMS, &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
					a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{passing}}))
				}
				a.apply()
				a.want(len(a.bodies()), 0)
			}
			completed, err := a.store.List(a.Context(), message.SMS, queue.Completed, 0, 0, 100)
			a.must(err)
			_, err = a.store.Delete(a.Context(), completed, "a test")
			a.must(err)
			a.copiesEnd()
			hold("dropped on the other channel", "wha body")
			failed, err := a.store.List(a.Context(), message.WhatsApp, queue.Failed, 0, 0, 100)
			a.must(err)
			_, err = a.store.Delete(a.Context(), failed, "a test")
			a.must(err)
			a.want(len(a.bodies()), 0)
			if keep == 0 {
				a.copiesEnd()
				hold("deleted")
			}
		}
	}
}

// afterCopiesOfOlderReleases: redelivery copies that an older release wrote have the whole body in them. They fall back, and are sent again, as ever.
func afterCopiesOfOlderReleases(a *after) {
	k := a.store.keys[message.WhatsApp]
	for i, version1 := range []bool{false, true} {
		for _, err := range []*failure.Error{{Class: failure.Permanent, Reason: failure.ReasonRecipient}, {Class: failure.Transient, Reason: failure.ReasonOutage}} {
			id := a.order(2, 20_000)
			both := a.everything(message.WhatsApp)
			a.end(message.WhatsApp, both, func(*queue.Claimed) queue.Outcome {
				return queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}}
			})
			old := *both[0].Job
			old.SharedBody, old.Attempts, old.Returns, old.Version1 = false, 1, 1, version1
			if version1 {
				old.Body = fmt.Appendf(nil, `{"id":%q,"event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"customerName":%q}}`, id, nameOf(a.ids))
			}
			raw, encodeErr := old.AppendBinary([]byte("0 1 m1 "))
			a.must(encodeErr)
			a.must(a.store.client.Set(a.Context(), k.Base+":kept:"+logName(&old), raw, time.Minute).Err())
			r := unreachable(both[0], fmt.Sprint(i))
			r.Err = err
			a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{r}}))
			a.apply()
			back := a.everything(message.WhatsApp)
			over := a.everything(message.SMS)
			again := append(slices.Clone(back), over...)
			if len(again) != 1 || (len(over) == 1) != (err.Class == failure.Permanent) {
				a.Fatalf("version 1: %t, %s: %d are sent again, %d fell back", version1, err.Reason, len(back), len(over))
			}
			e, eventErr := again[0].Job.Event()
			a.must(eventErr)
			a.want(e.Customer.Name, nameOf(a.ids))
			a.end(message.WhatsApp, back, mayFallBack)
			a.end(message.SMS, over, mayFallBack)
		}
	}
	a.want(len(a.bodies()), 0)
}

// copiesEnd lets the time of all redelivery copies pass, and of what is kept for them.
func (a *after) copiesEnd() {
	a.Helper()
	all := &archive{T: a.T, store: a.store}
	for _, k := range a.store.keys {
		for _, key := range append(all.allKeys(k.Base+":kept:*"), all.allKeys(k.Base+":body:*")...) {
			if a.store.client.PTTL(a.Context(), key).Val() > 0 {
				a.must(a.store.client.Del(a.Context(), key).Err())
			}
		}
	}
}

// dump is a script that returns what a channel has: its jobs, its redelivery copies (key, value, ms left) and its bodies (key, count, of, ms left).
const dump = `
local base, jobs, copies, bodies = KEYS[1], {}, {}, {}
for p = 1, 4 do
  for _, raw in ipairs(redis.call('LRANGE', base .. ':queue:' .. p, 0, -1)) do jobs[#jobs + 1] = raw end
end
for _, set in ipairs({'retry', 'held', 'inflight', 'failed', 'completed'}) do
  for _, raw in ipairs(redis.call('ZRANGE', base .. ':' .. set, 0, -1)) do jobs[#jobs + 1] = raw end
end
for _, key in ipairs(redis.call('KEYS', base .. ':kept:*')) do copies[#copies + 1] = {key, redis.call('GET', key), redis.call('PTTL', key)} end
for _, key in ipairs(redis.call('KEYS', base .. ':body:*')) do
  local body = redis.call('HMGET', key, 'n', 'of')
  bodies[#bodies + 1] = {key, tonumber(body[1] or 0), body[2] or '', redis.call('PTTL', key)}
end
return {jobs, copies, bodies}`

// storedBody is a body as Redis has it.
type storedBody struct {
	n   int
	of  string
	ttl time.Duration
}

// bodies holds every shared body against the jobs and the redelivery copies that refer to it, and returns what is wrong: a body is counted by its jobs, it goes by
// itself when no job refers to it, and no earlier than its last copy.
func (a *after) bodies() (wrong []string) {
	a.Helper()
	refer, goes, stored := map[string]int{}, map[string]time.Duration{}, map[string]storedBody{}
	ms := func(v any) time.Duration { n, _ := v.(int64); return time.Duration(n) * time.Millisecond }
	for channel, k := range a.store.keys {
		found, err := a.store.client.Eval(a.Context(), dump, []string{k.Base}).Slice()
		a.must(err)
		jobs, copies, bodies := found[0].([]any), found[1].([]any), found[2].([]any)
		for _, raw := range jobs {
			if j, err := job.Decode(channel, []byte(text(raw))); err == nil && j.SharedBody {
				refer[k.body(j)]++
			}
		}
		for _, one := range copies {
			row := one.([]any)
			raw, _ := copyOf(text(row[1]))
			if j, err := job.Decode(channel, []byte(raw)); err == nil && j.SharedBody {
				goes[k.body(j)] = max(goes[k.body(j)], ms(row[2]))
			}
		}
		for _, one := range bodies {
			row := one.([]any)
			n, _ := row[1].(int64)
			stored[text(row[0])] = storedBody{int(n), text(row[2]), ms(row[3])}
		}
	}
	keys := slices.Concat(slices.Collect(maps.Keys(refer)), slices.Collect(maps.Keys(goes)))
	for key, ttl := range maps.Clone(goes) {
		if of := stored[key].of; of != "" {
			goes[of] = max(goes[of], ttl)
		}
	}
	for key := range maps.Clone(refer) {
		if of := stored[key].of; of != "" {
			refer[of]++
			keys = append(keys, of)
		}
	}
	read := map[string][]byte{}
	a.must(a.store.readBodies(a.Context(), keys, read))
	for _, key := range keys {
		if len(read[key]) == 0 {
			wrong = append(wrong, key+" is gone")
		}
	}
	for key, body := range stored {
		switch {
		case body.n != refer[key]:
			wrong = append(wrong, fmt.Sprintf("%s counts %d, and %d refer to it", key, body.n, refer[key]))
		case (body.n == 0) != (body.ttl > 0):
			wrong = append(wrong, fmt.Sprintf("%s, to which %d refer, goes in %s", key, body.n, body.ttl))
		case body.n == 0 && body.ttl < goes[key]:
			wrong = append(wrong, fmt.Sprintf("%s goes in %s, and its last copy in %s", key, body.ttl, goes[key]))
		}
	}
	return wrong
}

// TestBodiesLive lives random lives of orders: they are sent, fail, are reported, fall back, are tried again, deleted and forgotten, in any order. After each step
// every body is there for the jobs and copies that refer to it, and no other is there for ever.
func TestBodiesLive(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lives(t, 25, func(r *rapid.T) {
		a := openAfter(t, open(t, url(server.Addr()), func(c *Config) {
			fallsBackToSMS(c)
			c.KeepCompleted, c.KeepFailed = rapid.IntRange(0, 3).Draw(r, "KEEP_COMPLETED"), rapid.IntRange(1, 3).Draw(r, "KEEP_FAILED")
		}))
		defer func() { a.producer.Close(); _ = a.store.Close() }()
		a.must(a.store.empty(t.Context())) // keys are looked for
		claimed, sent := map[message.Channel][]*queue.Claimed{}, []*queue.Claimed{}
		channel := func(r *rapid.T) message.Channel {
			return rapid.SampledFrom([]message.Channel{message.WhatsApp, message.WhatsApp, message.SMS}).Draw(r, "channel")
		}
		r.Repeat(map[string]func(*rapid.T){
			"": func(r *rapid.T) {
				if wrong := a.bodies(); len(wrong) > 0 {
					r.Fatalf("%s", strings.Join(wrong, "\n"))
				}
			},
			"an order": func(r *rapid.T) {
				a.order(rapid.IntRange(1, 3).Draw(r, "recipients"), rapid.SampledFrom([]int{10, 2 * inlineBody}).Draw(r, "size"))
			},
			"a claim": func(r *rapid.T) {
				on := channel(r)
				claimed[on] = append(claimed[on], a.claim(a.consumes(on, ConsumerConfig{}))...)
			},
			"settlements": func(r *rapid.T) {
				on := channel(r)
				n := rapid.IntRange(0, len(claimed[on])).Draw(r, "how many")
				a.end(on, claimed[on][:n], func(one *queue.Claimed) queue.Outcome {
					o := rapid.SampledFrom([]string{"sent", "sent", "sent for good", "failed", "retry", "held", "dropped", "released"}).Draw(r, "outcome")
					if o == "sent" {
						sent = append(sent, one)
					}
					return map[string]queue.Outcome{
						"sent": queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}, Redelivery: &queue.Redelivery{
							Retry: rapid.Bool().Draw(r, "may be tried again"), FallBack: on == message.WhatsApp, Within: time.Duration(rapid.IntRange(1, 9).Draw(r, "minutes")) * time.Minute}},
						"sent for good": queue.Done{Attempt: queue.Attempt{Provider: "business", MessageID: "m1"}}, "failed": fallsBack, "retry": queue.Retry{}, "held": queue.Hold{},
						"dropped": queue.Drop{}, "released": queue.Release{},
					}[o]
				})
				claimed[on] = claimed[on][n:]
			},
			"a report": func(r *rapid.T) {
				if len(sent) == 0 {
					r.Skip("nothing is sent")
				}
				said := unreachable(rapid.SampledFrom(sent).Draw(r, "job"), fmt.Sprint(rapid.IntRange(0, 1000).Draw(r, "event")))
				said.Channel, _ = message.ParseChannel(channelOf(said.JobID))
				if rapid.Bool().Draw(r, "passes") {
					said.Err = &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
				}
				a.must(a.deliveries.Accept(a.Context(), report.Update{Reports: []report.Report{said}}))
				a.apply()
			},
			"an operator": func(r *rapid.T) {
				on, state := channel(r), rapid.SampledFrom([]queue.State{queue.Failed, queue.Completed, queue.Retrying, queue.Scheduled}).Draw(r, "state")
				jobs, err := a.store.List(a.Context(), on, state, 0, 0, 2)
				a.must(err)
				if state != queue.Completed && rapid.Bool().Draw(r, "tries it again") {
					_, err = a.store.Retry(a.Context(), jobs, "a test")
				} else {
					_, err = a.store.Delete(a.Context(), jobs, "a test")
				}
				a.must(err)
			},
			"a customer is forgotten": func(r *rapid.T) {
				if a.ids == 0 {
					r.Skip("there is none")
				}
				order := rapid.IntRange(1, a.ids).Draw(r, "order")
				if left := a.forgotten(order); len(left) > 0 {
					r.Fatalf("order %d is still in %q", order, left)
				}
			},
			"copies end": func(*rapid.T) { a.copiesEnd() },
		})
	})
}

func channelOf(id string) string {
	parts := strings.Split(id, ":")
	return parts[len(parts)-2]
}

// forgotten forgets the customer of an order, and returns the keys that still have what it says, unless a worker has one of its jobs.
func (a *after) forgotten(order int) []string {
	a.Helper()
	person, err := admin.ParsePerson(customerOf(order), "US")
	a.must(err)
	var sending []string
	for from := ""; ; {
		part, err := a.store.Forget(a.Context(), queue.ForgetRequest{Person: person, From: from, AtMost: 1000})
		a.must(err)
		sending = append(sending, part.Sending...)
		if from = part.Next; from == "" {
			break
		}
	}
	if len(sending) > 0 {
		return nil
	}
	return a.holders(order)
}

// TestBodyOutlivesRedis: a message falls back from its copy after a restart of Redis.
func TestBodyOutlivesRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	a := openAfter(t, open(t, url(server.Addr()), func(c *Config) { fallsBackToSMS(c); c.KeepCompleted = 0 }))
	a.order(2, 20_000)
	sent := a.everything(message.WhatsApp)
	a.end(message.WhatsApp, sent, mayFallBack)
	server.Kill()
	server.Restart()
	a = openAfter(t, a.store)
	redistest.Eventually(t, "Redis answers", func() bool { return a.store.Ping(t.Context()) == nil })
	a.want(len(a.bodies()), 0)
	a.must(a.deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{unreachable(sent[0], "1"), unreachable(sent[1], "1")}}))
	a.apply()
	over := a.everything(message.SMS)
	a.want(len(over), 2)
	for _, one := range over {
		e, err := one.Job.Event()
		a.must(err)
		a.want(e.Customer.Name, nameOf(1))
	}
}

// TestMemoryOfFallBacks: fifty orders of half a megabyte, with four recipients each, take the memory of fifty bodies while their messages may fall back, and of
// twice as many when all of them have.
func TestMemoryOfFallBacks(t *testing.T) {
	t.Parallel()
	const orders, recipients, size = 50, 4, 500_000
	server := redistest.Start(t)
	store := open(t, url(server.Addr()), func(c *Config) {
		fallsBackToSMS(c)
		c.KeepCompleted, c.KeepFailed = 100, 1000
	})
	a := openAfter(t, store)
	used := func() int {
		for line := range strings.Lines(a.store.client.Info(t.Context(), "memory").Val()) {
			if text, is := strings.CutPrefix(line, "used_memory_dataset:"); is {
				n, err := strconv.Atoi(strings.TrimSpace(text))
				a.must(err)
				return n
			}
		}
		t.Fatal("INFO has no used_memory_dataset")
		return 0
	}
	before := used()
	var sent []*queue.Claimed
	for range orders {
		a.order(recipients, size)
		claimed := a.everything(message.WhatsApp)
		a.end(message.WhatsApp, claimed, mayFallBack)
		sent = append(sent, claimed...)
	}
	whole := used() - before
	if limit := orders * size * 3 / 2; whole > limit {
		t.Errorf("%d bytes for %d orders of %d", whole, orders, size)
	}
	for some := range slices.Chunk(sent, fallBackBatch) { // no more than a call has time for
		for _, one := range some {
			a.must(a.deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{unreachable(one, "1")}}))
		}
		a.apply()
	}
	if n := a.store.client.LLen(t.Context(), store.keys[message.SMS].Queue[2]).Val(); int(n) != len(sent) {
		t.Fatalf("%d of %d fell back", n, len(sent))
	}
	both := used() - before
	if limit := 2 * orders * size * 3 / 2; both > limit {
		t.Errorf("%d bytes, %d before they fell back", both, whole)
	}
	t.Logf("%d orders of %d bytes with %d recipients: %d bytes, and %d when all have fallen back", orders, size, recipients, whole, both)
}
