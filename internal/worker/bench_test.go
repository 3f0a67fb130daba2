package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/worker"
)

// endless is a queue that hands out one job again and again, until so many are settled.
type endless struct {
	memory
	job  *job.Job
	left int
	done func()
}

func (e *endless) Exchange(_ context.Context, settlements []queue.Settlement, _ []queue.ProviderHealth, request *queue.ClaimRequest) (*queue.Settled, *queue.Claim, error) {
	if e.left -= len(settlements); e.left <= 0 {
		e.done()
	}
	if request == nil {
		return &queue.Settled{}, nil, nil
	}
	claim := &queue.Claim{Jobs: make([]*queue.Claimed, request.Max)}
	for i := range claim.Jobs {
		claim.Jobs[i] = &queue.Claimed{Job: e.job}
	}
	return &queue.Settled{}, claim, nil
}

// taker takes every message.
type taker struct{}

func (taker) Send(context.Context, message.Message) (provider.Receipt, error) {
	return provider.Receipt{MessageID: "m"}, nil
}

func (taker) Probe(context.Context) error { return nil }

func (taker) Traits() provider.Traits { return provider.Traits{Sender: "sandbox"} }

// BenchmarkJob is what a job costs a worker without Redis and without a provider.
func BenchmarkJob(b *testing.B) {
	for _, channel := range message.Channels {
		b.Run(string(channel), func(b *testing.B) {
			renderer, err := render.New(render.Config{}, envstore.Brand{DefaultLocale: "en", BusinessName: "Luna Coffee"}.Directory())
			if err != nil {
				b.Fatal(err)
			}
			e := event.Sample(event.POSSave)
			// What ringup 0.1.0 knew of it, so that the figures can be compared.
			e.Sale = event.Sale{TransactionID: e.Sale.TransactionID, OrderID: e.Sale.OrderID, Status: e.Sale.Status, Currency: e.Sale.Currency, Total: e.Sale.Total}
			e.Items[0].Options = nil
			body, err := job.Body(e)
			if err != nil {
				b.Fatal(err)
			}
			j := &job.Job{WebhookID: e.ID, Channel: channel, Index: 1, Audience: message.Customer, Recipient: "+12025550143",
				AcceptedAt: time.Now(), Type: e.Type, Store: e.Store, Body: body}
			benchmark(b, j, renderer)
		})
	}
	b.Run("no text", func(b *testing.B) {
		benchmark(b, &job.Job{WebhookID: "webhook_12345", Channel: message.SMS, Index: 1, AcceptedAt: time.Now()}, blank{})
	})
}

// blank makes messages without a text: what remains is the loop.
type blank struct{}

func (blank) Render(*job.Job) (message.Message, error) { return message.Message{}, nil }

func benchmark(b *testing.B, j *job.Job, r worker.Renderer) {
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	metrics := worker.NewMetrics(prometheus.NewRegistry(), message.SMS)
	breakers := worker.NewBreakers([]string{"sandbox"}, metrics, log)
	config := worker.Config{Concurrency: 50, SendTimeout: 10 * time.Second, RetryBackoff: []time.Duration{time.Second}}
	checks, err := gate.New(gate.Config{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	deliver := worker.NewDeliver(worker.DeliverOptions{
		Config: config, Renderer: r, Gate: checks, Senders: []worker.Sender{{Name: "sandbox", Provider: taker{}}}, Breakers: breakers,
		Sources: pricing.NewSources(nil), Metrics: metrics, Log: log,
	})
	w := worker.New(worker.Options{
		Config: config, Lease: 30 * time.Second, Queue: &endless{job: j, left: b.N, done: cancel}, Handler: deliver, Breakers: breakers,
		Metrics: metrics, Log: log,
	})
	b.ResetTimer()
	if err := w.Run(ctx); err != nil {
		b.Error(fmt.Errorf("it ended with %w", err))
	}
}
