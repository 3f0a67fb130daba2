package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// verdictError is what a run found wrong with ringup, unlike what kept the run from being made.
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

// ledger has what was accepted.
type ledger struct {
	mu       sync.Mutex
	accepted map[int]bool // webhooks by number; false: posted, but never answered 202
	answers  map[int]int  // by HTTP status; 0: none
}

func (l *ledger) post(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.accepted[i] {
		l.accepted[i] = false
	}
}

func (l *ledger) answer(i, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[status]++
	if status == http.StatusAccepted {
		l.accepted[i] = true
	}
}

func id(i int) string { return fmt.Sprintf("chaos_%06d", i) }

// recipient is who a webhook's message on a channel goes to.
func recipient(channel message.Channel, i int) string {
	if channel == message.Email {
		return fmt.Sprintf("c%d@example.com", i)
	}
	return fmt.Sprintf("+1555%07d", i)
}

// audit compares what was accepted with what arrived, and returns what is wrong.
func (r *world) audit(ctx context.Context) (found []string, err error) {
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	taken := map[string]map[string]int{"sms": {}, "email": {}, "whatsapp": {}}
	messages := r.providers.Messages()
	for _, m := range messages {
		taken[m.Channel][m.To]++
	}
	failed := map[string]string{}
	for _, channel := range message.Channels {
		raws, err := r.client.ZRange(ctx, "{ringup:"+string(channel)+"}:failed", 0, -1).Result()
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
	var accepted, sent, inFailed, twice, explained int
	for i, ok := range r.ledger.accepted {
		if ok {
			accepted++
		}
		var history *queue.Notifications
		for _, channel := range message.Channels {
			name := job.ID(id(i), channel, 1)
			n := taken[string(channel)][recipient(channel, i)]
			delete(taken[string(channel)], recipient(channel, i))
			reason, gaveUp := failed[name]
			switch {
			case n > 0:
				sent++
			case gaveUp:
				inFailed++
			case ok:
				wrong("lost: %s was accepted, did not arrive and is not in failed", name)
			}
			if gaveUp && reason == "" {
				wrong("%s is in failed without a reason", name)
			}
			if n <= 1 {
				continue
			}
			twice += n - 1
			if history == nil {
				if history, err = r.notifications(ctx, i); err != nil {
					return nil, err
				}
			}
			reasons := 0
			for _, one := range history.Notifications {
				for _, e := range one.History {
					if one.ID == name && (e.What == "lost" || strings.HasPrefix(e.Error, "ambiguous")) {
						reasons++
					}
				}
			}
			if reasons < n-1 {
				wrong("sent %d times: %s, and its history has a reason for %d", n, name, 1+reasons)
			} else {
				explained += n - 1
			}
		}
	}
	for channel, others := range taken {
		for to := range others {
			wrong("a message on %s to %s, who is nobody's customer", channel, to)
		}
	}
	r.say("webhooks posted %d, accepted %d; answers %v", len(r.ledger.accepted), accepted, r.ledger.answers)
	r.say("messages taken by providers %d: %d jobs arrived, %d are in failed with a reason, %d were sent twice (%d of these with the reason in their history)",
		len(messages), sent, inFailed, twice, explained)
	r.say("counted by the programs that still ran: %s", r.counted(ctx))
	return found, nil
}

func (r *world) notifications(ctx context.Context, i int) (*queue.Notifications, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.urls[0]+"/v1/notifications/"+id(i), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer token")
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

// counted are the metrics that tell of duplicates.
func (r *world) counted(ctx context.Context) string {
	var texts []string
	for _, metric := range []string{"ringup_leases_reaped_total", "ringup_leases_lost_total", "ringup_sends_uncertain_total"} {
		total := 0.0
		for _, p := range append(append([]*process{}, r.workers...), r.ingests...) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", p.ops), nil)
			if err != nil {
				continue
			}
			resp, err := http.DefaultClient.Do(request)
			if err != nil {
				continue
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			for line := range strings.Lines(string(text)) {
				var value float64
				if name, rest, found := strings.Cut(line, " "); found && strings.HasPrefix(name, metric) {
					_, _ = fmt.Sscan(rest, &value)
					total += value
				}
			}
		}
		texts = append(texts, fmt.Sprintf("%s %.0f", metric, total))
	}
	return strings.Join(texts, ", ")
}

// leftovers returns what should not be there once everything has arrived and every program has ended.
func (r *world) leftovers(ctx context.Context) (found []string, err error) {
	for _, channel := range message.Channels {
		base := "{ringup:" + string(channel) + "}"
		kept := map[string]bool{}
		for _, set := range []string{"failed", "completed"} {
			raws, err := r.client.ZRange(ctx, base+":"+set, 0, -1).Result()
			if err != nil {
				return nil, err
			}
			for _, raw := range raws {
				if j, err := job.Decode(channel, []byte(raw)); err == nil {
					kept[fmt.Sprintf("%s:body:%s:%d", base, j.WebhookID, j.AcceptedAt.UnixMilli())] = true
				}
			}
		}
		keys := r.client.Scan(ctx, 0, base+":*", 1000).Iterator()
		for keys.Next(ctx) {
			key := keys.Val()
			kind, _, _ := strings.Cut(strings.TrimPrefix(key, base+":"), ":")
			switch kind {
			case "queue", "retry", "inflight":
				found = append(found, "left behind: "+key)
			case "body":
				if !kept[key] {
					found = append(found, "a body that nobody holds: "+key)
				}
			case "seen", "status":
				if r.client.TTL(ctx, key).Val() < 0 {
					found = append(found, "kept for ever: "+key)
				}
			}
		}
		if err := keys.Err(); err != nil {
			return nil, err
		}
	}
	if !waitUntil(ctx, 5*time.Second, func() bool {
		return strings.Count(r.client.ClientList(ctx).Val(), "id=") <= 2
	}) {
		found = append(found, "connections to Redis are left: "+r.client.ClientList(ctx).Val())
	}
	return found, nil
}
