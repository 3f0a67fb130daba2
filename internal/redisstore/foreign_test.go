package redisstore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// take takes a key away: another program has a value of another type there. The function that it returns gives it back as it was.
func (s *shop) take(key string) (giveBack func()) {
	s.Helper()
	client := s.store.client
	was := client.Dump(s.Context(), key).Val()
	s.must(client.Del(s.Context(), key).Err())
	s.must(client.GeoAdd(s.Context(), key+"x", &redis.GeoLocation{Name: "x"}).Err())
	s.must(client.PFAdd(s.Context(), key, "x").Err()) // a string
	if strings.Contains(key, ":status:") {
		s.must(client.Del(s.Context(), key).Err())
		s.must(client.HSet(s.Context(), key, "a", "b").Err())
	}
	return func() {
		s.Helper()
		s.must(client.Del(s.Context(), key).Err())
		if was != "" {
			s.must(client.Restore(s.Context(), key, 0, was).Err())
		}
	}
}

// claim asks for one job; nil when none waits.
func (s *shop) claim(reap bool) (*queue.Claimed, error) {
	_, claim, err := s.consumer.Exchange(s.Context(), nil, nil, &queue.ClaimRequest{Max: 1, Reap: reap})
	if err != nil || len(claim.Jobs) == 0 {
		return nil, err
	}
	return claim.Jobs[0], nil
}

// all counts the jobs of every state.
func (s *shop) all() int64 {
	s.Helper()
	d, err := s.store.Depth(s.Context(), message.SMS)
	s.must(err)
	n := d.Retry + d.Inflight + d.Failed + d.Completed
	for _, w := range d.Waiting {
		n += w
	}
	return n
}

// TestKeysOfAnotherProgram: a key has another type than ringup's, since another program uses the same Redis and prefix. Nothing that was
// accepted gets lost, nothing is accepted that is not there, and when the key is gone all goes on.
func TestKeysOfAnotherProgram(t *testing.T) {
	t.Parallel()
	k := NewKeys("any", message.SMS)
	names := []string{":wake", ":retry", ":held", ":suppressed", ":inflight", ":failed", ":completed", ":halted", ":state", ":totals", ":workers", ":audit", ":outbox", ":reporter", ":status:a:1"}
	for i := range k.Queue {
		names = append(names, strings.TrimPrefix(k.Queue[i], k.Base))
	}
	for _, name := range names {
		for _, outcome := range []queue.Outcome{queue.Done{}, queue.Retry{Delay: time.Hour, Error: "x"}, queue.Fail{Error: "x"}, queue.Release{}, queue.Drop{Error: "x"}} {
			t.Run(name+" "+outcome.Name(), func(t *testing.T) {
				t.Parallel()
				s := openShop(t)
				base := s.store.keys[message.SMS].Base
				// One waits, one is to be settled, one is due again, one has lost its worker.
				for _, id := range []string{"due", "lost", "a", "waits"} {
					s.enqueue(id, 1)
				}
				due, err := s.claim(false)
				s.must(err)
				_, _, err = s.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: due, Outcome: queue.Retry{Delay: time.Millisecond}}}, nil, nil)
				s.must(err)
				lost, err := s.claim(false)
				s.must(err)
				s.must(s.store.client.ZAdd(t.Context(), base+":inflight", redis.Z{Score: 1, Member: lost.Raw}).Err())
				busy, err := s.claim(false)
				s.must(err)
				if busy == nil || lost.Job.WebhookID == busy.Job.WebhookID {
					t.Fatal("the premise is wrong")
				}
				giveBack := s.take(base + name)
				submission := webhook("new")
				_, enqueueErr := s.producer.Enqueue(t.Context(), submission)
				_, _, settleErr := s.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: busy, Outcome: outcome}}, nil, nil)
				var held []*queue.Claimed
				for range 6 {
					if one, err := s.claim(true); err == nil && one != nil {
						held = append(held, one)
					}
				}
				state, err := s.store.State(t.Context(), message.SMS)
				if err != nil {
					t.Fatalf("the channel cannot be looked at: %v", err)
				}
				if looked := !slices.Contains([]string{":wake", ":suppressed", ":audit", ":outbox", ":reporter", ":status:a:1"}, name); looked != strings.Contains(state.Halted.String(), name) {
					t.Errorf("halted %q", state.Halted)
				}
				giveBack()
				// What was refused is done now, and no webhook counts as seen that is not there.
				if enqueueErr != nil {
					if a, err := s.producer.Enqueue(t.Context(), submission); err != nil || a.Duplicate || len(a.Jobs) != 1 {
						t.Errorf("the webhook again: %+v, %v", a, err)
					}
				}
				if settleErr != nil {
					settled, _, err := s.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: busy, Outcome: outcome}}, nil, nil)
					if err != nil || len(settled.Lost) != 0 {
						t.Errorf("the settlement again: %+v, %v", settled, err)
					}
				}
				want := int64(5)
				if outcome.Name() == "dropped" {
					want--
				}
				if n := s.all(); n != want {
					d, _ := s.store.Depth(t.Context(), message.SMS)
					t.Errorf("%d jobs are left of %d (enqueue %v, settle %v, %d claimed): %+v", n, want, enqueueErr, settleErr, len(held), d)
				}
			})
		}
	}
}

// TestBodyOfAnotherProgram: the key of a shared body has another type. The job is handed out without one, to be set aside.
func TestBodyOfAnotherProgram(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 2)
	s.enqueue("b", 1)
	for _, key := range s.store.client.Keys(t.Context(), s.store.keys[message.SMS].Base+":body:*").Val() {
		s.take(key)
	}
	_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
	s.must(err)
	if len(claim.Jobs) != 3 || len(claim.Jobs[0].Job.Body) != 0 || len(claim.Jobs[2].Job.Body) == 0 {
		t.Fatalf("claimed %+v", claim)
	}
	for _, one := range claim.Jobs {
		_, _, err := s.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: one, Outcome: queue.Fail{Error: "no payload"}}}, nil, nil)
		s.must(err)
	}
	jobs, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, 10)
	s.must(err)
	if n, err := s.store.Delete(t.Context(), jobs, "ann"); err != nil || n != 3 {
		t.Errorf("deleted %d, %v", n, err)
	}
}

// junk are bytes that are no job of this version, in many ways.
func junk() []string {
	out := []string{"", "x", "\x00", "\x01", "\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x01c\x01+\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff", "\x01\x09\x00\x00\x80\x00\x00\x00\x00\x00\x00\x01a\x00\x01c\x01+\x00",
		"\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a", "\x01\x01\xff\xff\x03\xff\xff\xff\xff\xff\xff\x01a\xff", `{"id":"a job of another program"}`}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 30 {
		b := make([]byte, 1<<(i%13))
		for j := range b {
			b[j] = byte(random.Uint32())
		}
		if i%2 == 0 {
			b[0] = 1
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestJunkEverywhere: bytes that are no job, or one of a newer version, lie in every list and set. They end in the failed set, once, with
// the jobs around them served, and everything that looks at them goes on.
func TestJunkEverywhere(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.store.config.KeepFailed, s.store.config.KeepCompleted, s.store.config.MaxCrashes = 1000, 1000, 2
	k := s.store.keys[message.SMS]
	client := s.store.client
	all := junk()
	pipe := client.Pipeline()
	for i, one := range all {
		for p, name := range k.Queue {
			pipe.RPush(t.Context(), name, one+fmt.Sprint("list", p))
			pipe.RPush(t.Context(), name, one)
		}
		for _, name := range []string{k.Retry, k.Inflight, k.Failed, k.Completed} {
			pipe.ZAdd(t.Context(), name, redis.Z{Score: float64(i), Member: one + name})
		}
	}
	_, err := exec(t.Context(), pipe)
	s.must(err)
	s.enqueue("good", 3)
	fields := map[string]string{"b:first": "what", "b:second": "O x y", "tokens": "many", "at": "never", "turn": "?"}
	s.must(client.HSet(t.Context(), k.State, fields).Err())
	good, round := 0, 0
	for ; round < 1000; round++ {
		_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 50, Reap: true})
		s.must(err)
		var settlements []queue.Settlement
		for _, one := range claim.Jobs {
			var outcome queue.Outcome = queue.Fail{Error: "it cannot be read"}
			if one.Err == nil && one.Job.WebhookID == "good" {
				outcome = queue.Done{}
				good++
			}
			settlements = append(settlements, queue.Settlement{Claimed: one, Outcome: outcome})
		}
		if len(settlements) == 0 && claim.Promoted+claim.Reaped == 0 {
			break
		}
		_, _, err = s.consumer.Exchange(t.Context(), settlements, nil, nil)
		s.must(err)
	}
	d, err := s.store.Depth(t.Context(), message.SMS)
	s.must(err)
	if good != 3 || round >= 1000 || d.Waiting != [4]int64{} || d.Retry+d.Inflight != 0 {
		t.Errorf("after %d rounds, %d good jobs sent: %+v", round, good, d)
	}
	// In the lists: one of its own each, and the same in all of them.
	if unique := int64(len(all)); d.Failed != (4+1+1+1+1)*unique || d.Completed != unique+3 {
		t.Errorf("%d failed and %d completed of %d pieces of junk in each place", d.Failed, d.Completed, unique)
	}
	// Everything that operators do goes on.
	for _, place := range queue.States {
		_, err := s.store.List(t.Context(), message.SMS, place, 0, 0, 1000)
		s.must(err)
	}
	s.must(client.HSet(t.Context(), k.Workers, "pod", "junk", "pod2", "99999999999999999999 {}").Err())
	s.must(client.LPush(t.Context(), k.Audit, "junk", "{}", "[1]").Err())
	s.must(client.LPush(t.Context(), k.Outbox, "junk", "{}", "[1]").Err())
	_, err = s.store.State(t.Context(), message.SMS)
	s.must(err)
	_, err = s.store.Search(t.Context(), holds("good"), "good", 10)
	s.must(err)
	_, err = s.store.Locate(t.Context(), "good:sms:1", time.Now())
	s.must(err)
	_, err = s.store.Audit(t.Context(), 10)
	s.must(err)
	_, err = s.store.Outbox(10).List(t.Context())
	s.must(err)
	p, err := admin.ParsePerson("+15550100000", "US")
	s.must(err)
	if _, err := s.store.Forget(t.Context(), queue.ForgetRequest{Person: p, AtMost: 100_000}); err != nil {
		t.Error(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.store.QueueCollector("x"))
	if _, err := registry.Gather(); err != nil {
		t.Error(err)
	}
	failed, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, 1000)
	s.must(err)
	unreadable := slices.DeleteFunc(slices.Clone(failed), func(k queue.Stored) bool { return k.Err == nil })
	if len(unreadable) == 0 {
		t.Fatal("all junk can be read: the premise is wrong")
	}
	if n, err := s.store.Delete(t.Context(), failed, "ann"); err != nil || n != len(failed) {
		t.Errorf("deleted %d of %d, %v", n, len(failed), err)
	}
	for _, one := range unreadable {
		if bytes.Contains(one.Raw, []byte("good")) {
			t.Errorf("%q", one.Raw)
		}
	}
}

// TestRecordOfAnotherProgram: the record of a webhook cannot be read, or is of a newer version. It stands for its webhook all the same, so
// nothing is sent twice.
func TestRecordOfAnotherProgram(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 2)
	for _, key := range s.store.client.Keys(t.Context(), s.store.keys[message.SMS].Base+":seen:*").Val() {
		for field, record := range s.store.client.HGetAll(t.Context(), key).Val() {
			s.must(s.store.client.HSet(t.Context(), key, field, record[:recordHeader]+"\xff\xff\xff").Err())
		}
	}
	a, err := s.producer.Enqueue(t.Context(), webhook("a"))
	if err != nil || !a.Duplicate {
		t.Errorf("again: %+v, %v", a, err)
	}
	if _, err := s.store.Notifications(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}
