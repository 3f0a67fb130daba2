// Package otlp exports traces by OTLP over HTTP, in its JSON encoding, to OTEL_EXPORTER_OTLP_ENDPOINT. Without an endpoint nothing is
// recorded: Tracer returns nil, and the code that traces asks for that first.
//
// Span events and the state of a trace (tracestate) are not exported: ringup records neither. A library that adds them to a span has them
// dropped without a word, so what a span has to say belongs in its attributes and its status. Attributes are exported as texts, except for
// whole numbers. docs/decisions/0006 says why this is not OpenTelemetry's own exporter.
package otlp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"ringup.dev/ringup/internal/config/secret"
)

// Config says where traces go. The SDK reads OTEL_TRACES_SAMPLER, OTEL_BSP_…, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES itself.
type Config struct {
	// Endpoint that traces are sent to by OTLP over HTTP, as http://collector:4318. Empty: there is no tracing, and it costs nothing.
	Endpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	// Headers that go along with traces, as Authorization=Bearer%20x,X-Team=shop.
	Headers secret.List `env:"OTEL_EXPORTER_OTLP_HEADERS"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	if c.Endpoint == "" {
		return nil
	}
	if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// An address may have a password in it, so that no error shows it.
		return errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is not the address of a collector: set it as http://collector:4318")
	}
	_, err := c.headers()
	return err
}

// headers reads the W3C Baggage form that the OpenTelemetry specification asks for.
func (c *Config) headers() (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	for i, pair := range c.Headers {
		name, value, found := strings.Cut(pair.Reveal(), "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil {
			// Without a name, what is there may be the secret itself.
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: number %d is not of the form name=value", i+1)
		}
		h.Set(strings.TrimSpace(name), value)
	}
	return h, nil
}

// Tracing exports traces; nil when there is none. Its methods work on nil.
type Tracing struct {
	provider *trace.TracerProvider
	tracer   api.Tracer
	exporter *exporter
}

// exportTimeout bounds one export (OTEL_EXPORTER_OTLP_TIMEOUT's default).
const exportTimeout = 10 * time.Second

// New starts to export as a valid configuration says; it returns nil without an endpoint. It does not wait for the collector. Spans that the
// collector does not take are lost.
func New(ctx context.Context, c Config, service string, attributes ...attribute.KeyValue) (*Tracing, error) {
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // nothing is what was asked for
	}
	headers, err := c.headers()
	if err != nil {
		return nil, err
	}
	own := resource.NewSchemaless(append([]attribute.KeyValue{attribute.String("service.name", service)}, attributes...)...)
	// The operator's own attributes win.
	environment, err := resource.New(ctx, resource.WithFromEnv())
	if err == nil {
		own, err = resource.Merge(own, environment)
	}
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	e := &exporter{url: strings.TrimSuffix(c.Endpoint, "/") + "/v1/traces", client: &http.Client{Timeout: exportTimeout}}
	e.headers.Store(&headers)
	provider := trace.NewTracerProvider(trace.WithBatcher(e), trace.WithResource(own))
	return &Tracing{provider: provider, tracer: provider.Tracer("ringup.dev/ringup"), exporter: e}, nil
}

// Use replaces the headers for the traces that are exported from now on, and nothing else. With a configuration that is invalid it returns the
// problem, and changes nothing.
func (t *Tracing) Use(c Config) error {
	headers, err := c.headers()
	if err == nil && t != nil {
		t.exporter.headers.Store(&headers)
	}
	return err
}

// Close exports the spans that are left, until ctx ends. Spans that end later are dropped.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Tracer starts spans; it is nil when there is no tracing.
func (t *Tracing) Tracer() api.Tracer {
	if t == nil {
		return nil
	}
	return t.tracer
}

// exporter posts spans. It implements trace.SpanExporter.
type exporter struct {
	url     string
	headers atomic.Pointer[http.Header]
	client  *http.Client
}

// The JSON of OTLP (opentelemetry-proto, trace/v1): ids in hexadecimal, times as decimal strings.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource struct {
			Attributes []keyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID      string     `json:"traceId"`
		SpanID       string     `json:"spanId"`
		ParentSpanID string     `json:"parentSpanId,omitempty"`
		Name         string     `json:"name"`
		Kind         int        `json:"kind"`
		Start        string     `json:"startTimeUnixNano"`
		End          string     `json:"endTimeUnixNano"`
		Attributes   []keyValue `json:"attributes,omitempty"`
		Links        []link     `json:"links,omitempty"`
		Status       status     `json:"status"`
	}
	link struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	}
	status struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// ExportSpans posts spans, once: the error says that they are lost. Their events are left out.
func (e *exporter) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	var rs resourceSpans
	rs.Resource.Attributes = attributes(spans[0].Resource().Attributes())
	var ss scopeSpans
	ss.Scope.Name = spans[0].InstrumentationScope().Name
	for _, s := range spans {
		ss.Spans = append(ss.Spans, convert(s))
	}
	rs.ScopeSpans = []scopeSpans{ss}
	body, err := json.Marshal(request{[]resourceSpans{rs}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = e.headers.Load().Clone()
	resp, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the collector of traces answered HTTP %d", resp.StatusCode)
	}
	return nil
}

// Shutdown has nothing to end.
func (e *exporter) Shutdown(context.Context) error { return nil }

func convert(s trace.ReadOnlySpan) span {
	out := span{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), Name: s.Name(),
		Kind: int(s.SpanKind()), // the same numbers
		// Both times are after 1970.
		Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10), Attributes: attributes(s.Attributes()),
	}
	if s.Parent().SpanID().IsValid() {
		out.ParentSpanID = s.Parent().SpanID().String()
	}
	for _, l := range s.Links() {
		out.Links = append(out.Links, link{l.SpanContext.TraceID().String(), l.SpanContext.SpanID().String()})
	}
	switch s.Status().Code {
	case codes.Ok:
		out.Status.Code = 1
	case codes.Error:
		out.Status = status{Code: 2, Message: s.Status().Description}
	case codes.Unset:
	}
	return out
}

func attributes(list []attribute.KeyValue) []keyValue {
	out := make([]keyValue, 0, len(list))
	for _, a := range list {
		value := map[string]any{"stringValue": a.Value.String()}
		if a.Value.Type() == attribute.INT64 {
			value = map[string]any{"intValue": a.Value.String()}
		}
		out = append(out, keyValue{string(a.Key), value})
	}
	return out
}
