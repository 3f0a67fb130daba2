package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/internal/worker"
)

// TestTheGateIsAsked: what the gate says becomes the job's outcome, and nothing is sent.
func TestTheGateIsAsked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		setup  func(*setup)
		change func(*queue.Claimed)
		want   queue.Outcome
	}{
		"suppression": {nil, func(c *queue.Claimed) { c.Suppressed = []suppress.Entry{{Why: suppress.StopWord}} },
			queue.Suppress{Error: "the recipient is on the suppression list: stop"}},
		"OPT_OUT_SCOPE=sender, by the provider's sender": {func(s *setup) { s.gate.OptOutScope = "sender" },
			func(c *queue.Claimed) {
				c.Suppressed = []suppress.Entry{{Why: suppress.StopWord, Sender: "+15005550006"}}
			},
			queue.Suppress{Error: "the recipient is on the suppression list: stop"}},
		"recipient's limit": {nil, func(c *queue.Claimed) { c.LimitedUntil = time.Now().Add(20 * time.Minute) },
			queue.Hold{Delay: 20 * time.Minute, Error: "the customer got RECIPIENT_LIMIT messages within an hour, until 2000-01-01T00:20:00Z"}},
		"quiet hours": {func(s *setup) {
			s.gate.Quiet.Window, s.gate.Quiet.Events, s.gate.Quiet.DefaultTimezone = "00:00-06:00", []event.Type{event.POSSave}, "UTC"
		}, func(c *queue.Claimed) { c.Job.Audience = message.Customer },
			queue.Hold{Delay: 6 * time.Hour, Error: "quiet hours where the customer is, until 2000-01-01T06:00:00Z"}},
		"daily cap": {func(s *setup) { s.dailyCap = "sms=0.001" }, func(*queue.Claimed) {},
			queue.Hold{Delay: 24 * time.Hour, Error: "the daily cap of sms is reached, until 2000-01-02T00:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var change []func(*setup)
				if tt.setup != nil {
					change = append(change, tt.setup)
				}
				b := open(renderer{}, 1, change...)
				claimed := b.queue.waiting[0]
				tt.change(claimed)
				b.run(t, time.Second)
				if got := b.queue.settled[claimed]; len(got) != 1 || got[0].Outcome != tt.want {
					t.Errorf("%+v, want %+v", got, tt.want)
				}
				if b.sender.total() != 0 {
					t.Error("it was sent")
				}
			})
		})
	}
}

// TestLongMessageIDs: whatever a provider calls its messages, what is stored of it is short, and two ids stay two.
func TestLongMessageIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 5, func(*setup) {})
		b.sender.padding = strings.Repeat("x", 900_000)
		b.run(t, time.Minute)
		ids := map[string]bool{}
		for _, settlements := range b.queue.settled {
			done, is := settlements[0].Outcome.(queue.Done)
			if !is || len(done.MessageID) > message.MaxProviderID || done.MessageID == "" {
				t.Errorf("%T with an id of %d bytes", settlements[0].Outcome, len(done.MessageID))
			}
			ids[done.MessageID] = true
		}
		if len(ids) != 5 {
			t.Errorf("%d ids of 5 messages", len(ids))
		}
	})
}

// TestDailyCap: all messages of a day together stay below the cap, and what did not go out costs nothing.
func TestDailyCap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 20, func(s *setup) { s.dailyCap = "sms=0.15" }) // 0.01 for each
		b.queue.spent = map[string]int64{"total": 100_000, "source:none": 100_000}
		b.run(t, time.Minute)
		if got := b.queue.outcomes(t); got["completed"] != 5 || got["held"] != 15 {
			t.Errorf("%v, want the 5 that fit beside what other workers spent", got)
		}

		b = open(renderer{}, 20, func(s *setup) { s.dailyCap = "sms=0.05" })
		b.sender.err = &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
		b.run(t, time.Minute)
		if got := b.queue.outcomes(t); got["failed"] != 20 {
			t.Errorf("%v, want all of them tried", got)
		}
	})
}

// TestDailyCapAtMidnight: yesterday's costs, which the queue tells after midnight, count towards no cap of the new day.
func TestDailyCapAtMidnight(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before time.Duration // midnight, when the queue is asked
		want   string
	}{
		"asked and told before midnight":      {time.Hour, "held"},
		"asked before and told at midnight":   {300 * time.Millisecond, "completed"},
		"asked before and told past midnight": {100 * time.Millisecond, "completed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(24*time.Hour - tt.before) //nolint:forbidigo // the bubble's clock begins at midnight
				b := open(renderer{}, 1, func(s *setup) { s.dailyCap = "sms=0.05" })
				b.queue.spent, b.queue.spentTakes = map[string]int64{"total": 50_000}, 300*time.Millisecond
				b.run(t, 5*time.Second)
				if got := b.queue.outcomes(t); got[tt.want] != 1 {
					t.Errorf("%v, want it %s", got, tt.want)
				}
			})
		})
	}
}

// TestFallBack: that another channel takes over, and for how long, goes along with a message that was sent and with one that failed.
func TestFallBack(t *testing.T) {
	t.Parallel()
	permanent := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	for name, tt := range map[string]struct {
		fallBack bool
		err      error
		want     queue.Outcome
	}{
		"sent, with FALLBACK_CHANNEL": {true, nil, queue.Done{Redelivery: &queue.Redelivery{FallBack: true, Within: 15 * time.Minute}}},
		"sent, without":               {false, nil, queue.Done{}},
		"failed, with":                {true, permanent, queue.Fail{Error: permanent.Error(), FallBack: true}},
		"failed, without":             {false, permanent, queue.Fail{Error: permanent.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := open(renderer{}, 1, func(s *setup) {
					s.fallBack = tt.fallBack
					s.providers[0].Provider.(*sender).reports = true //nolint:forcetypeassert // as open has it
				})
				b.sender.err = tt.err
				claimed := b.queue.waiting[0]
				b.run(t, time.Second)
				got := b.queue.settled[claimed]
				if len(got) != 1 {
					t.Fatalf("%+v", got)
				}
				if diff := cmp.Diff(tt.want, got[0].Outcome, cmpopts.IgnoreTypes(queue.Attempt{}, queue.Cost{})); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestAnotherProvider: a message that one provider took, and that did not arrive, goes to the next provider, if its breaker is closed.
func TestAnotherProvider(t *testing.T) {
	t.Parallel()
	for name, isOpen := range map[string]bool{"the next provider's breaker is closed": false, "the next provider's breaker is open": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				second := &sender{sent: map[string]int{}}
				b := open(renderer{}, 2, func(s *setup) { s.providers = append(s.providers, worker.Sender{Name: "aws", Provider: second}) })
				b.queue.breakers = map[string]queue.BreakerState{}
				if isOpen {
					b.queue.breakers["aws"] = queue.BreakerState{State: "open", Reason: "HTTP 500"}
				}
				first, again := b.queue.waiting[0], b.queue.waiting[1]
				b.queue.waiting = []*queue.Claimed{first}
				again.Job.Alternate = true
				go func() {
					time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
					b.queue.mu.Lock()
					defer b.queue.mu.Unlock()
					b.queue.waiting = []*queue.Claimed{again}
				}()
				b.run(t, time.Minute)
				want := "aws"
				if isOpen {
					want = "twilio"
					if !strings.Contains(b.log.String(), `"msg":"breaker open","provider":"aws","reason":"HTTP 500"`) {
						t.Error(b.log.String())
					}
					if strings.Contains(b.log.String(), `"msg":"breaker closed"`) {
						t.Errorf("it has not closed:\n%s", b.log.String())
					}
				}
				for claimed, provider := range map[*queue.Claimed]string{first: "twilio", again: want} {
					if done, sent := b.queue.settled[claimed][0].Outcome.(queue.Done); !sent || done.Provider != provider {
						t.Errorf("%s: %+v, want it to go to %s", claimed.Raw, b.queue.settled[claimed], provider)
					}
				}
			})
		})
	}
}

// TestBreakerOpen: an error of a provider whose breaker is open spends no attempt, since it is the provider that is tried.
func TestBreakerOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 1)
		b.sender.err = &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
		first := b.queue.waiting[0]
		b.queue.breakers = map[string]queue.BreakerState{"twilio": {State: "open"}}
		// The second is under way when the first one's settlement says that the breaker is open.
		var slow atomic.Bool
		b.sender.before = func() {
			if slow.Swap(true) {
				time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
			}
		}
		second := *first
		second.Raw = []byte("second")
		b.queue.waiting = append(b.queue.waiting, &second)
		b.run(t, 5*time.Second)
		if got := b.queue.outcomes(t); got["retry"] != 1 || got["deferred"] != 1 {
			t.Errorf("%v, want a retry and then a deferred job", got)
		}
	})
}

// other handles jobs in another way than by sending.
type other struct{ handled atomic.Int32 }

func (o *other) Handle(context.Context, *queue.Claimed) worker.Result {
	health := queue.ProviderHealth{Provider: "shopify", Healthy: 1}
	if o.handled.Add(1)%2 == 0 {
		return worker.Result{Outcome: queue.Drop{Error: "stale"}, Reason: "stale", Health: health}
	}
	return worker.Result{Outcome: queue.Hold{Delay: time.Minute}, Reason: "coalesce", Health: health}
}

// TestAnotherHandler: the loop settles what any handler says.
func TestAnotherHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 20)
		h := &other{}
		log := slog.New(slog.DiscardHandler)
		metrics := worker.NewMetrics(prometheus.NewRegistry(), message.SMS)
		b.worker = worker.New(worker.Options{
			Config: worker.Config{Concurrency: 3, SendTimeout: time.Second}, Lease: 30 * time.Second, Queue: b.queue, Handler: h,
			Breakers: worker.NewBreakers([]string{"shopify"}, metrics, log), Metrics: metrics, Log: log,
		})
		b.run(t, time.Minute)
		if got := b.queue.outcomes(t); got["held"] != 10 || got["dropped"] != 10 || h.handled.Load() != 20 {
			t.Errorf("%v", got)
		}
		if len(b.queue.reports) == 0 || b.queue.reports[0].Provider != "shopify" {
			t.Errorf("%+v", b.queue.reports)
		}
	})
}

// picky is a provider that fails some jobs, and takes the others.
type picky struct {
	*sender
	fails func(jobID string) error
}

func (p *picky) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	receipt, err := p.sender.Send(ctx, m)
	if failed := p.fails(m.JobID); err == nil && failed != nil {
		return provider.Receipt{}, failed
	}
	return receipt, err
}

func patient(s *setup) { s.config.OutagePatience = time.Hour }

// TestOutageSpendsNoAttempt, and an error of one message does, in the middle of others that the provider takes.
func TestOutageSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	outage := &failure.Error{Class: failure.Transient, Reason: failure.ReasonNetwork}
	for name, tt := range map[string]struct {
		fails func(string) error
		want  map[string]int
	}{
		"an outage":          {func(string) error { return outage }, map[string]int{"deferred": 10}},
		"one of ten":         {func(id string) error { return map[bool]error{true: outage}[strings.HasPrefix(id, "w9:")] }, map[string]int{"completed": 9, "retry": 1}},
		"nothing is certain": {func(string) error { return &failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonOutage} }, map[string]int{"retry": 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &picky{sender: &sender{sent: map[string]int{}, latency: time.Second}, fails: tt.fails}
				b := open(renderer{}, 10, patient, func(s *setup) { s.providers[0].Provider, s.config.Concurrency = p, 3 })
				// It was tried before: the provider has taken others since.
				b.queue.waiting[9].Job.Returns = 1
				b.run(t, time.Minute)
				if got := b.queue.outcomes(t); !cmp.Equal(got, tt.want) {
					t.Errorf("%v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestUncertainMessagesAskFirst: while the provider fails, a message that may have gone out is not sent again before the provider's own probe succeeds.
func TestUncertainMessagesAskFirst(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ill       error
		uncertain bool
		want      map[string]int
		sends     int
	}{
		"it is still ill":    {&failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonOutage}, true, map[string]int{"retry": 1, "deferred": 1}, 1},
		"it is throttled":    {&failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}, true, map[string]int{"retry": 1, "deferred": 1}, 1},
		"it is well":         {nil, true, map[string]int{"retry": 2}, 2},
		"nothing is unclear": {&failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonOutage}, false, map[string]int{"retry": 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := open(renderer{}, 2, patient, func(s *setup) {
					s.config.Concurrency, s.config.RetryBackoff = 1, []time.Duration{time.Second, time.Second}
				})
				b.sender.err, b.sender.ill = &failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonOutage}, tt.ill
				b.queue.waiting[1].Job.Uncertain, b.queue.waiting[1].Job.Returns, b.queue.waiting[1].Job.Attempts = tt.uncertain, 1, 1
				b.run(t, time.Minute)
				if got := b.queue.outcomes(t); !cmp.Equal(got, tt.want) || b.sender.total() != tt.sends {
					t.Errorf("%v with %d sends, want %v with %d", got, b.sender.total(), tt.want, tt.sends)
				}
			})
		})
	}
}

// TestOutageIsLeftForTheNextProvider: a message that comes back goes to the next one, where no breaker has opened yet; a new one goes to the first.
func TestOutageIsLeftForTheNextProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := &sender{sent: map[string]int{}, err: &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}}
		second := &sender{sent: map[string]int{}}
		b := open(renderer{}, 3, patient, func(s *setup) {
			s.config.Concurrency = 1
			s.providers = []worker.Sender{{Name: "twilio", Provider: first}, {Name: "aws", Provider: second}}
		})
		b.queue.waiting[1].Job.Returns = 1
		b.run(t, time.Minute)
		if first.total() != 2 || second.total() != 1 || second.sent["w1::0"] != 1 {
			t.Errorf("the first was asked for %v, the second for %v", first.sent, second.sent)
		}
	})
}

// TestProvidersTakeTurnsInAnOutage: while two providers fail, a message that comes back is not left to one of them: whichever is well first takes it.
func TestProvidersTakeTurnsInAnOutage(t *testing.T) {
	t.Parallel()
	for well, name := range []string{"twilio", "aws"} {
		synctest.Test(t, func(t *testing.T) {
			var over atomic.Bool
			b := open(renderer{}, 1, patient, func(s *setup) {
				s.providers = nil
				for i, name := range []string{"twilio", "aws"} {
					p := &picky{sender: &sender{sent: map[string]int{}}, fails: func(string) error {
						if i == well && over.Load() {
							return nil
						}
						return &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
					}}
					s.providers = append(s.providers, worker.Sender{Name: name, Provider: p})
				}
			})
			first := *b.queue.waiting[0].Job
			b.queue.waiting = nil
			go func() {
				for returns := range 10 {
					if returns == 6 {
						over.Store(true)
					}
					again := first
					again.Returns = returns
					b.queue.mu.Lock()
					b.queue.waiting = append(b.queue.waiting, &queue.Claimed{Job: &again, Raw: fmt.Append(nil, returns)})
					b.queue.mu.Unlock()
					time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
				}
			}()
			b.run(t, 11*time.Minute)
			if got := b.queue.outcomes(t); got["completed"] < 2 {
				t.Errorf("%s is well again: %v", name, got)
			}
		})
	}
}

// TestRecipientsOwnLimit: once a provider refuses a person more, further messages to them are scheduled without a call, one after the other.
func TestRecipientsOwnLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 10, func(s *setup) { s.config.Concurrency = 1 })
		for i, c := range b.queue.waiting {
			if c.Job.Recipient = "+12025550143"; i == 9 {
				c.Job.Recipient = "+12025550144"
			}
		}
		b.sender.err = &failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RecipientOnly: true, RetryAfter: 6 * time.Second}
		b.run(t, time.Second)
		if got := b.queue.outcomes(t); got["held"] != 10 || b.sender.total() != 2 {
			t.Errorf("%v with %d calls, want one call per person", got, b.sender.total())
		}
		turns := map[time.Duration]int{}
		for c, settled := range b.queue.settled {
			hold := settled[0].Outcome.(queue.Hold)
			if strings.Contains(hold.Error, "2025550143") {
				t.Errorf("%q gives the recipient away", hold.Error)
			}
			if c.Job.Recipient == "+12025550143" {
				turns[hold.Delay.Round(time.Second)]++
			}
		}
		for i := range 9 {
			if at := time.Duration(i+1) * 6 * time.Second; turns[at] != 1 {
				t.Errorf("%d turns after %s, want 1: %v", turns[at], at, turns)
			}
		}
		for _, h := range b.queue.reports {
			if h.Failed > 0 || h.ThrottleFor > 0 {
				t.Errorf("the provider counts as failing: %+v", h)
			}
		}
	})
}
