package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// verdictError lists the mistakes of ringup that a run found. Every other error means that the run itself failed.
type verdictError struct{ found []string }

func (e *verdictError) Error() string {
	shown := e.found[:min(len(e.found), 10)]
	text := fmt.Sprintf("%d things are wrong:\n  %s", len(e.found), strings.Join(shown, "\n  "))
	if len(shown) < len(e.found) {
		text += "\n  …"
	}
	return text
}

func isVerdict(err error) bool {
	var v *verdictError
	return errors.As(err, &v)
}

// ledger has the posted webhooks and their answers.
type ledger struct {
	mu       sync.Mutex
	accepted map[int]time.Time // by number of the webhook, the time of its answer 202; zero for a webhook that was never answered 202
	answers  map[int]int       // number of answers by HTTP status; 0 is no answer
}

func (l *ledger) post(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, posted := l.accepted[i]; !posted {
		l.accepted[i] = time.Time{}
	}
}

func (l *ledger) answer(i, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[status]++
	if status == http.StatusAccepted {
		l.accepted[i] = time.Now()
	}
}

func id(i int) string { return fmt.Sprintf("chaos_%06d", i) }

// recipient returns the address that webhook i has for a channel.
func recipient(channel message.Channel, i int) string {
	if channel == message.Email {
		return fmt.Sprintf("c%d@example.com", i)
	}
	return fmt.Sprintf("+1555%07d", i)
}

// totals are what a run's audit counted.
type totals struct {
	posted, accepted, messages, sent, failed int
	twice, explained, byPromotion            int // second sends: all; with a reason in the job's history; after a promotion that lost a settlement
	lost                                     int // jobs that a promoted replica had not received
}

// promotionSlack is the longest time after a promotion's window at which a send that was claimed within it may end: SEND_TIMEOUT and a second.
const promotionSlack = 3 * time.Second

// audit compares the accepted webhooks with the messages at the providers, and returns every mistake that it finds.
func (r *world) audit(ctx context.Context) (found []string, err error) {
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	taken := map[string]map[string][]time.Time{"sms": {}, "email": {}, "whatsapp": {}}
	messages := r.providers.Messages()
	for _, m := range messages {
		taken[m.Channel][m.To] = append(taken[m.Channel][m.To], m.At)
	}
	failed := map[string]string{}
	for _, channel := range message.Channels {
		raws, err := r.redis.master(channel).client.ZRange(ctx, "{ringup:"+string(channel)+"}:failed", 0, -1).Result()
		if err != nil {
			return nil, err
		}
		for _, raw := range raws {
			j, err := job.Decode(channel, []byte(raw))
			if err != nil {
				wrong("a failed job cannot be read: %v", err)
				continue
			}
			failed[j.ID()] = j.LastError
		}
	}
	why := map[string]int{}
	for _, reason := range failed {
		why[reason]++
	}
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		r.say("%d in failed: %s", why[reason], reason)
	}
	r.redis.watch.blame("no fault of this run")
	promotions := r.redis.watch.seenPromotions()
	r.totals = totals{posted: len(r.ledger.accepted), messages: len(messages)}
	t := &r.totals
	for i, at := range r.ledger.accepted {
		if !at.IsZero() {
			t.accepted++
		}
		var history *queue.Notifications
		for _, channel := range message.Channels {
			name := job.ID(id(i), channel, 1)
			times := taken[string(channel)][recipient(channel, i)]
			delete(taken[string(channel)], recipient(channel, i))
			reason, gaveUp := failed[name]
			switch {
			case len(times) > 0:
				t.sent++
			case gaveUp:
				t.failed++
			case !at.IsZero() && forgotten(promotions, r.redis.shardOf[channel], at, id(i)) != nil:
				t.lost++
				forgotten(promotions, r.redis.shardOf[channel], at, id(i)).lost++
			case !at.IsZero():
				wrong("lost: %s was accepted at %.3fs, did not arrive and is not in failed", name, at.Sub(r.began).Seconds())
			}
			if gaveUp && reason == "" {
				wrong("%s is in failed without a reason", name)
			}
			again := len(times) - 1
			if again <= 0 {
				continue
			}
			t.twice += again
			if history == nil {
				if history, err = r.notifications(ctx, i); err != nil {
					return nil, err
				}
			}
			known := min(again, reasons(history, name))
			within := min(again-known, undone(promotions, r.redis.shardOf[channel], times))
			t.explained += known
			t.byPromotion += within
			if known+within < again {
				wrong("sent %d times: %s, and its history has a reason for %d", len(times), name, 1+known)
			}
		}
	}
	for channel, others := range taken {
		for to := range others {
			wrong("a message on %s to %s, which no webhook names", channel, to)
		}
	}
	r.say("webhooks posted %d, accepted %d; answers %v", t.posted, t.accepted, r.ledger.answers)
	r.say("messages accepted by providers %d: %d jobs arrived, %d are in failed with a reason, %d were sent twice (%d of these with the reason in their history)",
		t.messages, t.sent, t.failed, t.twice, t.explained)
	if r.redis.kind != standalone {
		for _, cause := range slices.Sorted(maps.Keys(causes(promotions))) {
			c := causes(promotions)[cause]
			r.say("%4d replicas promoted, %4d jobs lost with the old master: %s", c.times, c.hit, cause)
		}
		r.say("replicas promoted %d: %d jobs lost that had not reached a promoted replica, %d sent twice because their settlement had not reached it",
			len(promotions), t.lost, t.byPromotion)
	}
	r.say("counted by the programs that still ran: %s", r.counted(ctx))
	return found, nil
}

// causes returns, by fault, how many promotions followed it and how many jobs they lost.
func causes(promotions []promotion) map[string]counted {
	all := map[string]counted{}
	for _, p := range promotions {
		c := all[p.cause]
		all[p.cause] = counted{c.times + 1, c.hit + p.lost}
	}
	return all
}

// reasons returns the number of reasons for another send in a job's own history.
func reasons(n *queue.Notifications, name string) (found int) {
	for _, one := range n.Notifications {
		for _, e := range one.History {
			if one.ID == name && (e.What == "lost" || strings.HasPrefix(e.Error, "ambiguous")) {
				found++
			}
		}
	}
	return found
}

// forgotten returns the promotion that lost a webhook. The webhook was acknowledged, at, within the promotion's window, and the deposed
// master has its id. It returns nil for a webhook that no promotion lost.
func forgotten(promotions []promotion, shard int, at time.Time, id string) *promotion {
	for i := range promotions {
		if p := &promotions[i]; p.shard == shard && p.covers(at, 0) && p.deposed(id) {
			return p
		}
	}
	return nil
}

// undone returns how many of a job's sends ended within a promotion's window. The promotion may have lost their settlement.
func undone(promotions []promotion, shard int, sends []time.Time) (n int) {
	for _, at := range sends {
		for _, p := range promotions {
			if p.shard == shard && p.covers(at, promotionSlack) {
				n++
				break
			}
		}
	}
	return n
}

func (r *world) notifications(ctx context.Context, i int) (*queue.Notifications, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.urls[0]+"/v1/notifications/"+id(i), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer token-for-the-tests")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	n := &queue.Notifications{}
	if resp.StatusCode != http.StatusOK {
		return n, nil
	}
	return n, json.NewDecoder(resp.Body).Decode(n)
}
