package worker

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/telemetry/tracing"
)

// traceClaim records a claim that gave jobs. It is of many webhooks, so it is linked with the trace of each.
func (w *Worker) traceClaim(ctx context.Context, began time.Time, claim *queue.Claim) {
	if w.Tracer == nil || claim == nil || len(claim.Jobs) == 0 {
		return
	}
	var links []trace.Link
	for _, one := range claim.Jobs {
		if one.Job != nil && one.Job.Trace != "" {
			links = append(links, trace.LinkFromContext(tracing.Extract(context.Background(), one.Job.Trace)))
		}
	}
	_, span := w.Tracer.Start(ctx, "claim", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began), trace.WithLinks(links...),
		trace.WithAttributes(attribute.Int("ringup.jobs", len(claim.Jobs))))
	span.End()
}

// traceJob begins the span of a job, in the trace of its webhook.
func traceJob(ctx context.Context, tracer trace.Tracer, j *job.Job) (context.Context, trace.Span) {
	name := "send " + string(j.Channel)
	if j.Channel == message.Resolve {
		name = string(j.Channel)
	}
	return tracer.Start(tracing.Extract(ctx, j.Trace), name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("ringup.job", j.ID()), attribute.String("ringup.webhook", j.WebhookID), attribute.Int("ringup.attempt", j.Attempts+1)))
}

// endJob ends the span of a job, with the error of its template or of its send.
func (a *attempt) endJob(span trace.Span) {
	switch {
	case a.renderErr != nil:
		span.SetStatus(codes.Error, a.renderErr.Error())
	case a.err != nil:
		span.SetStatus(codes.Error, a.err.Error())
	}
	span.End()
}

// traceCall begins the span of a call of a provider.
func traceCall(ctx context.Context, tracer trace.Tracer, name string) (context.Context, trace.Span) {
	return tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("ringup.provider", name)))
}

// endCall ends the span of a call of a provider.
func endCall(span trace.Span, receipt provider.Receipt, err error) {
	if err != nil {
		e := failure.AsError(err)
		span.SetAttributes(attribute.String("ringup.error.class", e.Class.String()), attribute.String("ringup.error.reason", string(e.Reason)))
		span.SetStatus(codes.Error, e.Error())
	} else {
		span.SetAttributes(attribute.String("ringup.message_id", receipt.MessageID))
	}
	span.End()
}
