package main

import (
	"context"
	"fmt"
	"strconv"
)

// contender is a system that takes webhooks.
type contender struct {
	name    string
	serve   func(b *bench, port int) (*process, error)
	work    func(b *bench, channel string) (*process, error) // nil: it only accepts
	pending func(b *bench) int64                             // jobs that are not done
}

var channels = []string{"sms", "email", "whatsapp"}

func contenders(bin string) []contender {
	ctx := context.Background()
	return []contender{
		{
			name: "ringup",
			serve: func(b *bench, port int) (*process, error) {
				return start("ingest", bin+"/ingest", "REDIS_URL=redis://"+b.redisAddr, fmt.Sprintf("PORT=%d", port), b.operators("ingest"),
					"PPROF="+strconv.FormatBool(*profiles != ""), "WEBHOOK_SECRET="+secret, "LOG_LEVEL=warn")
			},
			work: func(b *bench, channel string) (*process, error) {
				return start("worker", bin+"/worker", "REDIS_URL=redis://"+b.redisAddr, "CHANNEL="+channel, b.operators(channel), "LOG_LEVEL=warn",
					"PPROF="+strconv.FormatBool(*profiles != ""),
					"SMS_PROVIDER=sandbox", "EMAIL_PROVIDER=sandbox", "WHATSAPP_PROVIDER=sandbox", "SANDBOX_OUTBOX_SIZE=0")
			},
			pending: func(b *bench) (n int64) {
				for _, c := range channels {
					for _, list := range []string{"queue:1", "queue:2", "queue:3", "queue:4"} {
						n += b.client.LLen(ctx, "{ringup:"+c+"}:"+list).Val()
					}
					n += b.client.ZCard(ctx, "{ringup:"+c+"}:inflight").Val()
				}
				return n
			},
		},
		{
			name: "chi + asynq",
			serve: func(b *bench, port int) (*process, error) {
				return start("ingest", bin+"/asynq", "REDIS_ADDR="+b.redisAddr, fmt.Sprintf("PORT=%d", port), "WEBHOOK_SECRET="+secret)
			},
			work: func(b *bench, channel string) (*process, error) {
				return start("worker", bin+"/asynq", "REDIS_ADDR="+b.redisAddr, "CHANNEL="+channel)
			},
			pending: func(b *bench) (n int64) {
				for _, c := range channels {
					for _, p := range []string{"1", "2", "3", "4"} {
						n += b.client.LLen(ctx, "asynq:{"+c+":"+p+"}:pending").Val() + b.client.LLen(ctx, "asynq:{"+c+":"+p+"}:active").Val()
					}
				}
				return n
			},
		},
		{
			name: "bare handler, one RPUSH",
			serve: func(b *bench, port int) (*process, error) {
				return start("ingest", bin+"/bare", "REDIS_ADDR="+b.redisAddr, fmt.Sprintf("PORT=%d", port), "WEBHOOK_SECRET="+secret)
			},
		},
		{
			name: "bare handler, no Redis",
			serve: func(_ *bench, port int) (*process, error) {
				return start("ingest", bin+"/bare", fmt.Sprintf("PORT=%d", port), "WEBHOOK_SECRET="+secret)
			},
		},
	}
}
