// Package tracing carries a trace through the queue: as the W3C traceparent that a job has room for.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// carrier is the one header that a job has room for.
type carrier struct{ traceparent string }

// Get, Set and Keys implement propagation.TextMapCarrier.
func (c *carrier) Get(key string) string {
	if key == "traceparent" {
		return c.traceparent
	}
	return ""
}

// Set keeps the value of traceparent.
func (c *carrier) Set(key, value string) {
	if key == "traceparent" {
		c.traceparent = value
	}
}

// Keys lists what there is.
func (c *carrier) Keys() []string { return []string{"traceparent"} }

// Inject returns the W3C traceparent of the span in ctx; "" when there is none.
func Inject(ctx context.Context) string {
	var c carrier
	propagation.TraceContext{}.Inject(ctx, &c)
	return c.traceparent
}

// Extract returns ctx with the span of a W3C traceparent; ctx itself when the traceparent is empty or invalid.
func Extract(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, &carrier{traceparent})
}
