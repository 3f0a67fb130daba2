package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// contender is a system that accepts webhooks.
type contender struct {
	name    string
	serve   func(b *bench, port int) (*process, error)
	work    func(b *bench, channel string) (*process, error) // nil: it only accepts
	pending func(b *bench) int64                             // jobs that wait or are in flight
}

// nest is the program with NestJS and BullMQ. Node runs it.
const nest = "baseline/bullmq/main.js"

// redisEnv returns the variable that names ringup's Redis.
func (b *bench) redisEnv() string {
	if b.shards > 0 {
		return "REDIS_ADDRS=" + b.redisAddr
	}
	return "REDIS_URL=redis://" + b.redisAddr
}

// staff returns the variable with a channel's default recipients: one fewer than the setting's, since the customer is one.
func (b *bench) staff(channel, form string) string {
	var all []string
	for i := 1; i < b.recipients; i++ {
		all = append(all, fmt.Sprintf(form, i))
	}
	return channel + "_DEFAULT_RECIPIENTS=" + strings.Join(all, ",")
}

func (b *bench) providerURL() string {
	if b.provider == nil {
		return "PROVIDER_URL="
	}
	return "PROVIDER_URL=" + b.provider.URL
}

// providers returns the variables that name the providers of all channels.
func (b *bench) providers() []string {
	if b.provider == nil {
		return []string{"SMS_PROVIDER=sandbox", "EMAIL_PROVIDER=sandbox", "WHATSAPP_PROVIDER=sandbox", "SANDBOX_OUTBOX_SIZE=0"}
	}
	return []string{
		"SMS_PROVIDER=twilio", "TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001", "TWILIO_AUTH_TOKEN=tokentokentokentoken", "TWILIO_SMS_FROM=+15005550006", "TWILIO_BASE_URL=" + b.provider.URL,
		"EMAIL_PROVIDER=sendgrid", "SENDGRID_API_KEY=key", "EMAIL_FROM=shop@example.com", "SENDGRID_BASE_URL=" + b.provider.URL,
		"WHATSAPP_PROVIDER=business", "WHATSAPP_PHONE_NUMBER_ID=100000000000001", "WHATSAPP_ACCESS_TOKEN=token", "WHATSAPP_BASE_URL=" + b.provider.URL,
	}
}

var channels = []string{"sms", "email", "whatsapp"}

// contest has the contenders that are compared.
type contest struct{ ringup, asynq, bullmq, bare, floor contender }

// all returns the contenders that can run. BullMQ is left out where npm is not installed.
func (c *contest) all() []contender {
	if !npm() {
		return []contender{c.ringup, c.asynq, c.bare, c.floor}
	}
	return []contender{c.ringup, c.asynq, c.bullmq, c.bare, c.floor}
}

func npm() bool {
	_, err := exec.LookPath("npm")
	return err == nil
}

func contenders(bin string) contest {
	ctx := context.Background()
	return contest{
		ringup: contender{
			name: "ringup",
			serve: func(b *bench, port int) (*process, error) {
				return start("ingest", bin+"/ingest", append([]string{b.redisEnv(), b.staff("SMS", "+1555010%04d"), b.staff("EMAIL", "staff%d@example.com"), b.staff("WHATSAPP", "+1555020%04d"), fmt.Sprintf("PORT=%d", port), b.operators("ingest"),
					"PPROF=" + strconv.FormatBool(*profiles != ""), "WEBHOOK_SECRET=" + secret, "LOG_LEVEL=warn"}, nativeEnv...)...)
			},
			work: func(b *bench, channel string) (*process, error) {
				return start("worker", bin+"/worker", append(b.providers(), b.redisEnv(), "CHANNEL="+channel, b.operators(channel), "LOG_LEVEL=warn",
					"PPROF="+strconv.FormatBool(*profiles != ""))...)
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
		asynq: contender{
			name: "chi + asynq",
			serve: func(b *bench, port int) (*process, error) {
				return start("ingest", bin+"/asynq", "REDIS_ADDR="+b.redisAddr, fmt.Sprintf("PORT=%d", port), "WEBHOOK_SECRET="+secret)
			},
			work: func(b *bench, channel string) (*process, error) {
				return start("worker", bin+"/asynq", "REDIS_ADDR="+b.redisAddr, "CHANNEL="+channel, b.providerURL())
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
		bullmq: contender{
			name: "NestJS + BullMQ",
			serve: func(b *bench, port int) (*process, error) {
				return start("ingest", nest, "REDIS_ADDR="+b.redisAddr, fmt.Sprintf("PORT=%d", port), "WEBHOOK_SECRET="+secret, "NODE_ENV=production")
			},
			work: func(b *bench, channel string) (*process, error) {
				return start("worker", nest, "REDIS_ADDR="+b.redisAddr, "CHANNEL="+channel, b.providerURL(), "NODE_ENV=production")
			},
			pending: func(b *bench) (n int64) {
				for _, c := range channels {
					n += b.client.LLen(ctx, "bull:"+c+":wait").Val() + b.client.LLen(ctx, "bull:"+c+":active").Val() + b.client.ZCard(ctx, "bull:"+c+":prioritized").Val()
				}
				return n
			},
		},
		bare: contender{
			name: "bare handler, one RPUSH",
			serve: func(b *bench, port int) (*process, error) {
				return start("ingest", bin+"/bare", "REDIS_ADDR="+b.redisAddr, fmt.Sprintf("PORT=%d", port), "WEBHOOK_SECRET="+secret)
			},
		},
		floor: contender{
			name: "bare handler, no Redis",
			serve: func(_ *bench, port int) (*process, error) {
				return start("ingest", bin+"/bare", fmt.Sprintf("PORT=%d", port), "WEBHOOK_SECRET="+secret)
			},
		},
	}
}
