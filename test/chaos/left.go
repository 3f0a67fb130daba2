package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// metric returns the sum of a metric's series at a program; -1 when the program does not answer.
func metric(ctx context.Context, p *process, name string) float64 {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", p.ops), nil)
	if err != nil {
		return -1
	}
	request.Close = true // this connection is not to be counted as left open
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return -1
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return -1
	}
	total := 0.0
	for line := range strings.Lines(string(text)) {
		var value float64
		series, rest, found := strings.Cut(line, " ")
		if base, _, _ := strings.Cut(series, "{"); found && base == name {
			_, _ = fmt.Sscan(rest, &value)
			total += value
		}
	}
	return total
}

// counted returns the metrics that explain second sends, as a text.
func (r *world) counted(ctx context.Context) string {
	var texts []string
	for _, name := range []string{"ringup_leases_reaped_total", "ringup_leases_lost_total", "ringup_sends_uncertain_total"} {
		total := 0.0
		for _, p := range r.programs() {
			total += max(0, metric(ctx, p, name))
		}
		texts = append(texts, fmt.Sprintf("%s %.0f", name, total))
	}
	return strings.Join(texts, ", ")
}

// level has the resources of an idle program.
type level struct{ goroutines, files, pool float64 }

func levelOf(ctx context.Context, p *process) level {
	return level{metric(ctx, p, "go_goroutines"), float64(p.files()), metric(ctx, p, "ringup_redis_pool_connections")}
}

// levelSlack is the growth that is no leak, in goroutines or files: the request for the metrics needs some itself.
const levelSlack = 4

// settle closes the connections of the run itself. Its first call notes the level of every program; later calls compare it, and return the
// leaks. A program that was restarted is compared with the first of its name. Idle connections in the pool to Redis are not leaks; each has
// one file.
func (r *world) settle(ctx context.Context) (found []string) {
	for _, p := range r.programs() {
		var now level
		before, known := r.levels[p.name]
		holds := func() bool {
			till.CloseIdleConnections()
			r.emulated.CloseClientConnections()
			now = levelOf(ctx, p)
			return now.goroutines >= 0 && now.goroutines <= before.goroutines+levelSlack && now.files-max(0, now.pool) <= before.files-max(0, before.pool)+levelSlack
		}
		if !known {
			r.emulated.CloseClientConnections()
			r.levels[p.name] = levelOf(ctx, p)
			continue
		}
		if !waitUntil(ctx, 20*time.Second, holds) {
			found = append(found, fmt.Sprintf("%s leaks: %.0f goroutines, %.0f files, %.0f connections to Redis; it began with %.0f, %.0f, %.0f",
				p.name, now.goroutines, now.files, now.pool, before.goroutines, before.files, before.pool))
		}
	}
	return found
}

// leftovers returns jobs, bodies, keys without a TTL and connections that should be gone once every message has arrived and every program
// has ended.
func (r *world) leftovers(ctx context.Context) (found []string, err error) {
	looked := map[string]bool{}
	for _, channel := range message.Channels {
		base, client := "{ringup:"+string(channel)+"}", r.redis.master(channel).client
		stored := map[string]bool{} // shared bodies of stored jobs
		for _, set := range []string{"failed", "completed"} {
			raws, err := client.ZRange(ctx, base+":"+set, 0, -1).Result()
			if err != nil {
				return nil, err
			}
			for _, raw := range raws {
				if j, err := job.Decode(channel, []byte(raw)); err == nil {
					stored[fmt.Sprintf("%s:body:%s:%d", base, j.WebhookID, j.AcceptedAt.UnixMilli())] = true
				}
			}
		}
		keys := client.Scan(ctx, 0, base+":*", 1000).Iterator()
		for keys.Next(ctx) {
			key := keys.Val()
			kind, _, _ := strings.Cut(strings.TrimPrefix(key, base+":"), ":")
			looked[kind] = true
			switch kind {
			case "queue", "retry", "held", "inflight":
				found = append(found, "left behind: "+key)
			case "body":
				if !stored[key] {
					found = append(found, "a shared body without a job: "+key)
				}
			case "seen", "log", "message", "kept", "told", "recent", "cost", "reporter", "workers":
				if client.TTL(ctx, key).Val() < 0 {
					found = append(found, "a key without a TTL: "+key)
				}
			}
		}
		if err := keys.Err(); err != nil {
			return nil, err
		}
	}
	for _, kind := range []string{"seen", "log"} {
		if !looked[kind] {
			found = append(found, "no key is a "+kind+" of a channel: the check of keys looks at nothing")
		}
	}
	for _, s := range r.redis.servers {
		var left []string
		if !waitUntil(ctx, 5*time.Second, func() bool {
			left = strangers(s.client.ClientList(ctx).Val())
			return len(left) == 0
		}) {
			found = append(found, fmt.Sprintf("connections to %s are still open: %s", s.name, strings.Join(left, "\n")))
		}
	}
	return found, nil
}

// strangers returns the connections to a Redis that are not the run's own, a sentinel's or another Redis's. list is the answer to CLIENT LIST.
func strangers(list string) (left []string) {
	for line := range strings.Lines(list) {
		of := func(field string) string {
			_, rest, _ := strings.Cut(line, " "+field+"=")
			value, _, _ := strings.Cut(rest, " ")
			return value
		}
		switch of("cmd") {
		case "client|list", "client", "info", "cluster|info", "cluster", "replconf", "psync", "ping", "NULL":
			continue
		}
		if strings.HasPrefix(of("name"), "sentinel-") || strings.ContainsAny(of("flags"), "MS") {
			continue
		}
		left = append(left, strings.TrimSpace(line))
	}
	return left
}
