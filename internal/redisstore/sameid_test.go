package redisstore

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// sale is a webhook of a type, with two messages on one channel, one on another where it is an order, and a text of its own.
func sale(id string, kind event.Type, at time.Time) *queue.Submission {
	w := webhook(id)
	w.Event.Type, w.Priority, w.AcceptedAt = kind, queueOf(kind), at
	w.Event.Sale.TransactionID = string(kind)
	w.Channels[0].Recipients = append(w.Channels[0].Recipients, message.Recipient{Address: "+15550100001", Audience: message.Staff})
	if kind == event.OrderCreate || kind == event.OrderUpdate {
		w.Channels = append(w.Channels, queue.ChannelSubmission{Channel: message.Email, Recipients: []message.Recipient{{Address: "jo@example.com", Audience: message.Customer}},
			Skipped: []queue.Skipped{{Channel: message.Email, Address: "•••", Reason: string(kind)}}})
	}
	return w
}

// TestEventsOfOneID: a till names its webhooks by the order. Each event type goes out once, in the same millisecond even, and none takes another's
// jobs, bodies, logs or status.
func TestEventsOfOneID(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func() Config{
		"one Redis": func() Config { return url(redistest.Start(t).Addr()) },
		"cluster":   func() Config { return Config{Addrs: redistest.StartCluster(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openWith(t, config())
			at := time.Now()
			first := map[event.Type][]queue.Accepted{}
			ids := map[string]bool{}
			for repeated := range 2 {
				answers := s.enqueueAll(at.Add(time.Duration(repeated) * time.Second))
				for kind, a := range answers {
					if a.Duplicate != (repeated == 1) {
						t.Errorf("%s, for the time %d: %+v", kind, repeated+1, a)
					}
					slices.SortFunc(a.Jobs, func(x, y queue.Accepted) int { return slices.Compare([]byte(x.ID), []byte(y.ID)) })
					if repeated == 0 {
						first[kind] = a.Jobs
						for _, j := range a.Jobs {
							if ids[j.ID] {
								t.Errorf("%s is the id of two jobs", j.ID)
							}
							ids[j.ID] = true
						}
					} else if !slices.Equal(a.Jobs, first[kind]) || len(a.Skipped) != len(a.Jobs)-2 {
						t.Errorf("%s, again: %+v, first %+v", kind, a, first[kind])
					}
				}
			}
			s.checkJobs(first)
			n, err := s.store.Notifications(t.Context(), "1007")
			s.must(err)
			if len(n.Notifications) != len(ids) || len(n.Skipped) != 2 || n.AcceptedAt.UnixMilli() != at.UnixMilli() {
				t.Errorf("%d notifications, %d skipped, accepted at %s; want %d, 2, %s", len(n.Notifications), len(n.Skipped), n.AcceptedAt, len(ids), at)
			}
			for _, one := range n.Notifications {
				want := queue.StatusQueued
				if one.Channel == message.SMS {
					want = queue.StatusSent
				}
				if !ids[one.ID] || one.Status != want || want == queue.StatusSent && one.MessageID != "of "+one.ID {
					t.Errorf("%+v", one)
				}
				delete(ids, one.ID)
			}
		})
	}
}

func openWith(t *testing.T, config Config) *shop {
	t.Helper()
	store := open(t, config, nil)
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	return &shop{t, store, producer, store.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"first"})}
}

// enqueueAll enqueues a webhook of each type at once, all with the id 1007.
func (s *shop) enqueueAll(at time.Time) map[event.Type]*queue.Acceptance {
	s.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	answers := map[event.Type]*queue.Acceptance{}
	for _, kind := range event.Types {
		all.Go(func() {
			a, err := s.producer.Enqueue(s.Context(), sale("1007", kind, at))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				s.Error(err)
				a = &queue.Acceptance{}
			}
			answers[kind] = a
		})
	}
	all.Wait()
	return answers
}

// checkJobs claims all jobs for SMS and settles them: each is about its own event.
func (s *shop) checkJobs(want map[event.Type][]queue.Accepted) {
	s.Helper()
	_, claim, err := s.consumer.Exchange(s.Context(), nil, nil, &queue.ClaimRequest{Max: 100})
	s.must(err)
	var done []queue.Settlement
	for _, c := range claim.Jobs {
		e, err := c.Job.Event()
		s.must(err)
		if string(c.Job.Type) != e.Sale.TransactionID || !slices.ContainsFunc(want[c.Job.Type], func(a queue.Accepted) bool { return a.ID == c.Job.ID() }) {
			s.Errorf("job %s of %s is about %s", c.Job.ID(), c.Job.Type, e.Sale.TransactionID)
		}
		done = append(done, queue.Settlement{Claimed: c, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "first", MessageID: "of " + c.Job.ID()}}})
	}
	if len(done) != 2*len(event.Types) {
		s.Errorf("%d jobs", len(done))
	}
	_, _, err = s.consumer.Exchange(s.Context(), done, nil, nil)
	s.must(err)
}

// TestReportsFindTheirEvent: a delivery report that names a job leads to the log of that job, whichever event of its id it is about.
func TestReportsFindTheirEvent(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	at := time.Now()
	deliveries := s.store.Deliveries(prometheus.NewRegistry())
	k := s.store.keys[message.SMS]
	for i, kind := range event.Types {
		accepted := at.Add(time.Duration(i) * time.Second)
		a, err := s.producer.Enqueue(t.Context(), sale("1007", kind, accepted))
		s.must(err)
		for j, one := range a.Jobs[:2] {
			paths, err := deliveries.locate(t.Context(), message.SMS, []queuedReport{{JobID: one.ID}})
			s.must(err)
			var want logPath
			if want.key, want.field = k.log("1007", i*placeSpan+j+1, accepted); paths[0] != want {
				t.Errorf("%s: %+v, want %+v", one.ID, paths[0], want)
			}
		}
	}
}

// TestDuplicatesByIDAndType compares the producer with what it should know, over webhooks in any order, over the end of DEDUPE_TTL and of generations.
func TestDuplicatesByIDAndType(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	period := generationPeriod.Milliseconds()
	n := 0
	lives(t, 50, func(t *rapid.T) {
		n++
		id := fmt.Sprint("w", n)
		field, bucket := recordPath(id)
		generation := time.Now().UnixMilli() / period
		key := func(back int64) string {
			return fmt.Sprintf("%s:seen:%d:%s", s.store.keys[message.SMS].Base, generation-back, bucket)
		}
		jobs := map[event.Type]string{} // the first job of each event that counts as known
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			kind := rapid.SampledFrom(event.Types).Draw(t, "type")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0: // it is forgotten
				delete(jobs, kind)
				for back := range int64(2) {
					if value, err := s.store.client.HGet(s.Context(), key(back), string(field)).Result(); err == nil {
						s.must(s.store.client.HSet(s.Context(), key(back), field, aged(value, kind, s.store.config.DedupeTTL+time.Minute)).Err())
					}
				}
			case 1: // a generation begins
				if value, err := s.store.client.HGet(s.Context(), key(0), string(field)).Result(); err == nil {
					s.must(s.store.client.HSet(s.Context(), key(1), field, value).Err())
					s.must(s.store.client.HDel(s.Context(), key(0), string(field)).Err())
				}
			default:
				a, err := s.producer.Enqueue(s.Context(), sale(id, kind, time.Now()))
				s.must(err)
				known := jobs[kind]
				if a.Duplicate != (known != "") || known != "" && a.Jobs[0].ID != known {
					t.Fatalf("%s: %+v; known are %v", kind, a, jobs)
				}
				jobs[kind] = a.Jobs[0].ID
				for other, job := range jobs {
					if other != kind && job == a.Jobs[0].ID {
						t.Fatalf("%s and %s both have the job %s", kind, other, job)
					}
				}
			}
		}
	})
}

// aged is a field in which the event of a type is older by some time.
func aged(value string, kind event.Type, by time.Duration) string {
	out := ""
	for _, p := range splitRecord(value) {
		record := p.record
		if record[6]>>3 == typeNumber(kind) {
			record = string(appendMillis(nil, p.acceptedAt().Add(-by))) + record[6:]
		}
		if p.place == 0 {
			out = record + out
		} else {
			out += string([]byte{partEnd, byte(p.place)}) + record + string([]byte{byte(len(record) >> 8), byte(len(record)), partEnd})
		}
	}
	return out
}
