package redisstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
)

// clockKey holds what the scripts of a model take for the time.
const clockKey = "model:clock"

// shim stands before a script, and between it and Redis: TIME is answered from clockKey, so that a test lets time pass as it likes. The
// second part is for damage.
const shim = `local real = redis
local function through(way) return function(name, ...)
  if name == 'TIME' then
    local ms = tonumber(real.call('GET', '%s'))
    return {math.floor(ms / 1000), ms %% 1000 * 1000}
  end
  %s
  return real[way](name, ...)
end end
local redis = setmetatable({call = through('call'), pcall = through('pcall')}, {__index = real})
`

// all are the scripts of a store.
func (s *scripts) all() []*script {
	return []*script{&s.enqueue, &s.claim, &s.settle, &s.renew, &s.heartbeat, &s.clock, &s.restore, &s.take, &s.report, &s.operate, &s.purge, &s.forget, &s.retain, &s.recipients, &s.rekey, &s.bodies, &s.ready, &s.suppress, &s.aside, &s.noted, &s.sample, &s.find}
}

// moveClock puts the shim before every script of a store.
func moveClock(s *Store, damage string) {
	for _, one := range s.scripts.all() {
		one.source = fmt.Sprintf(shim, clockKey, strings.ReplaceAll(damage, "SCRIPT", one.name)) + one.source
		*one = one.named()
	}
}

// drawRules draws settings.
func drawRules(t *rapid.T) rules {
	pick := func(name string, of ...int) int { return rapid.SampledFrom(of).Draw(t, name) }
	r := rules{
		maxDepth: pick("MAX_QUEUE_DEPTH", 0, 0, 3), maxCrashes: pick("MAX_CRASHES", 2, 1, 3), keepFailed: pick("KEEP_FAILED", 3, 1),
		keepCompleted: pick("KEEP_COMPLETED", 2, 0), failUncertain: pick("ON_UNCERTAIN=fail", 0, 0, 1) == 1,
		dedupe: time.Duration(pick("DEDUPE_TTL", 3600, 5)) * time.Second, lease: time.Second,
		aging: time.Duration(pick("PRIORITY_AGING", 3600, 1)) * time.Second,
		rate:  pick("RATE_LIMIT", 0, 0, 4), burst: 2,
		failures: 2, window: 10 * time.Second, openMin: 500 * time.Millisecond, openMax: 2 * time.Second, workers: 3,
		providers: []string{"first", "second"}[:pick("providers", 1, 2)],
	}
	return r
}

// drawLeases draws some of what a worker believes to hold.
func drawLeases(t *rapid.T, w *modelWorker, atLeast int) []*modelLease {
	if len(w.believes) < atLeast {
		t.Skip("it believes to hold nothing")
	}
	var out []*modelLease
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, max(0, len(w.believes)-1)), min(atLeast, 1), min(3, len(w.believes)), rapid.ID).Draw(t, "leases") {
		out = append(out, w.believes[i])
	}
	return out
}

// drawSettlement draws what becomes of a claim.
func drawSettlement(t *rapid.T, l *modelLease) queue.Settlement {
	delay := func() time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 250, 2000}).Draw(t, "delay")) * time.Millisecond
	}
	attempt := func() queue.Attempt {
		return queue.Attempt{ExtraTokens: rapid.SampledFrom([]int{0, 0, 2}).Draw(t, "extra tokens")}
	}
	const outage = "transient: outage"
	outcomes := map[string]func() queue.Outcome{
		"completed": func() queue.Outcome { return queue.Done{Attempt: attempt()} },
		"deferred": func() queue.Outcome {
			return queue.Defer{Attempt: attempt(), Delay: delay(), Error: outage, Uncertain: rapid.Bool().Draw(t, "uncertain")}
		},
		"retry": func() queue.Outcome {
			return queue.Retry{Attempt: attempt(), Delay: delay(), Error: outage, Uncertain: rapid.Bool().Draw(t, "uncertain")}
		},
		"released":   func() queue.Outcome { return queue.Release{} },
		"failed":     func() queue.Outcome { return queue.Fail{Attempt: attempt(), Error: "permanent: invalid_recipient"} },
		"dropped":    func() queue.Outcome { return queue.Drop{} },
		"held":       func() queue.Outcome { return queue.Hold{Delay: delay(), Error: "quiet hours"} },
		"suppressed": func() queue.Outcome { return queue.Suppress{} },
	}
	name := rapid.SampledFrom([]string{"completed", "deferred", "retry", "released", "failed", "dropped", "held", "suppressed"}).Draw(t, "outcome")
	return queue.Settlement{Claimed: l.claimed, Outcome: outcomes[name]()}
}

// drawHealth draws the health of the providers of some jobs; with ill they are often not well.
func drawHealth(t *rapid.T, m *model, leases []*modelLease, ill bool) []queue.ProviderHealth {
	answers := []string{"nothing", "sent"}
	if ill {
		answers = []string{"failed", "account", "nothing", "sent", "hold"}
	}
	var out []queue.ProviderHealth
	for i, name := range m.providers {
		r := queue.ProviderHealth{Provider: name, Reason: "outage"}
		for _, l := range leases {
			r.Probed = r.Probed || l.claimed.Probe && l.claimed.Provider == i
		}
		switch rapid.SampledFrom(answers).Draw(t, "health of "+name) {
		case "nothing":
			if !r.Probed {
				continue
			}
		case "sent":
			r.Healthy = 1
		case "failed":
			r.Failed = 1
		case "account":
			r.Failed, r.Account = 1, true
		case "hold":
			r.ThrottleFor = time.Second
		}
		out = append(out, r)
	}
	return out
}

// life is a random life of a queue whose scripts have a damage.
func life(t *rapid.T, base Config, client *redis.Client, d *damage) {
	settings := drawRules(t)
	if d.where != nil {
		d.where(&settings)
	}
	m, end := newModel(t, base, client, settings, d.lua)
	defer end()
	// Lives differ in what happens in them: in one where everything does, little happens for long enough.
	ill, operators := rapid.Bool().Draw(t, "providers are ill") || d.ill, rapid.Bool().Draw(t, "operators interfere")
	var posted []*queue.Submission
	var seen []queue.Stored
	worker := func(t *rapid.T) *modelWorker { return m.workers[rapid.IntRange(0, len(m.workers)-1).Draw(t, "worker")] }
	claim := func(t *rapid.T) *queue.ClaimRequest {
		return &queue.ClaimRequest{Max: rapid.IntRange(0, 4).Draw(t, "max"), Reap: rapid.SampledFrom([]bool{true, true, false}).Draw(t, "reap")}
	}
	post := func(t *rapid.T) {
		n := len(posted) + 1
		s := &queue.Submission{
			Event: queuetest.Event(fmt.Sprint("w", n)), Priority: rapid.IntRange(1, 4).Draw(t, "priority"), AcceptedAt: time.UnixMilli(m.now),
			Channels: []queue.ChannelSubmission{{Channel: message.SMS}},
		}
		if rapid.SampledFrom([]bool{false, false, true}).Draw(t, "large") {
			s.Event.Extra = strings.Repeat(" ", inlineBody)
		}
		for i := range rapid.SampledFrom([]int{1, 1, 2, 3, 0}).Draw(t, "recipients") {
			s.Channels[0].Recipients = append(s.Channels[0].Recipients,
				message.Recipient{Address: message.Address(fmt.Sprintf("+1555%03d%04d", n, i)), Audience: message.Customer})
		}
		posted = append(posted, s)
		m.enqueue(s)
	}
	settle := func(t *rapid.T) {
		w := worker(t)
		leases := drawLeases(t, w, 1)
		var settlements []queue.Settlement
		for _, l := range leases {
			settlements = append(settlements, drawSettlement(t, l))
		}
		var r *queue.ClaimRequest
		if rapid.Bool().Draw(t, "and claims") {
			r = claim(t)
		}
		deaf := rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "the answer is lost")
		m.exchange(w, leases, settlements, drawHealth(t, m, leases, ill), r, deaf)
	}
	steps := map[string]func(*rapid.T){
		"a webhook": post,
		"a webhook again": func(t *rapid.T) {
			if len(posted) == 0 {
				t.Skip("none yet")
			}
			s := *rapid.SampledFrom(posted).Draw(t, "webhook")
			s.AcceptedAt = time.UnixMilli(m.now)
			m.enqueue(&s)
		},
		"a claim": func(t *rapid.T) {
			m.exchange(worker(t), nil, nil, nil, claim(t), rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "the answer is lost"))
		},
		"a settlement":  settle,
		"a settlement ": settle,
		"a settlement whose answer was lost, again": func(t *rapid.T) {
			w := worker(t)
			for _, l := range w.believes {
				if l.settled != nil {
					m.exchange(w, []*modelLease{l}, []queue.Settlement{*l.settled}, nil, nil, false)
					return
				}
			}
			t.Skip("there is none")
		},
		"a renewal": func(t *rapid.T) {
			w := worker(t)
			m.renew(w, drawLeases(t, w, 1))
		},
		"time": func(t *rapid.T) {
			m.pass(int64(rapid.SampledFrom([]int{250, 500, 1000, 2000, 6000}).Draw(t, "ms")))
			m.check()
		},
		"a sweep": func(t *rapid.T) { m.sweep(rapid.Bool().Draw(t, "reap")) },
		"a crash": func(t *rapid.T) {
			m.Logf("a worker dies, and starts anew")
			worker(t).believes = nil
		},
		"an idle worker": func(t *rapid.T) { m.must(worker(t).consumer.Wait(context.Background(), time.Millisecond)) },
		"an operator": func(t *rapid.T) {
			if !operators {
				t.Skip("no operator is there")
			}
			switch rapid.SampledFrom([]string{"look", "retry", "delete", "purge", "pause", "breaker", "flush"}).Draw(t, "what") {
			case "look":
				seen = m.listed(rapid.SampledFrom([]queue.State{queue.Failed, queue.Retrying, queue.Scheduled, queue.Completed}).Draw(t, "at"))
				m.listed(queue.Waiting)
				m.listed(queue.InFlight)
			case "retry":
				if len(seen) == 0 || seen[0].State == queue.Completed {
					seen = m.listed(queue.Failed)
				}
				m.operate(true, seen)
			case "delete":
				m.operate(false, seen)
			case "purge":
				m.purge(rapid.IntRange(1, 4).Draw(t, "priority"))
			case "pause":
				m.pause(!m.paused)
			case "breaker":
				i := rapid.IntRange(0, len(m.providers)-1).Draw(t, "provider")
				m.breakerByHand(i, m.breakers[i].state == "" && rapid.Bool().Draw(t, "open"))
			case "flush":
				m.must(m.client.ScriptFlush(context.Background()).Err())
				m.flushed = true
			}
		},
	}
	t.Repeat(steps)
	t.Repeat(steps) // a life is long
	m.finish()
}

// TestModel lives many random lives. `-rapid.checks 5000 -rapid.steps 200` for more and longer ones, `-rapid.seed` for the same again.
func TestModel(t *testing.T) {
	t.Parallel()
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		client := server.Client()
		lives(t, 40, func(r *rapid.T) { life(r, url(server.Addr()), client, &damage{}) })
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		addr := miniredis.RunT(t).Addr()
		client := redis.NewClient(&redis.Options{Addr: addr})
		defer func() { _ = client.Close() }()
		lives(t, 15, func(r *rapid.T) { life(r, url(addr), client, &damage{}) })
	})
}
