package system

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"ringup.dev/ringup/internal/redistest"
)

// span is a span in OTLP's JSON.
type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	Links                               []struct{ TraceID string }
	raw                                 string
}

// collect is a collector of traces, by OTLP over HTTP.
type collect struct {
	*httptest.Server
	mu    sync.Mutex
	spans map[string]*span // by service and name
}

func collecting(t *testing.T) *collect {
	c := &collect{spans: map[string]*span{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			ResourceSpans []struct {
				Resource struct {
					Attributes []struct {
						Key   string
						Value struct{ StringValue string }
					}
				}
				ScopeSpans []struct{ Spans []json.RawMessage }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Team") != "the shop" {
			t.Errorf("%s %s for %q: %v", r.Method, r.URL.Path, r.Header.Get("X-Team"), err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, from := range request.ResourceSpans {
			service := ""
			for _, a := range from.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.StringValue
				}
			}
			for _, scope := range from.ScopeSpans {
				for _, raw := range scope.Spans {
					one := &span{raw: string(raw)}
					if err := json.Unmarshal(raw, one); err != nil {
						t.Error(err)
					}
					c.spans[service+": "+one.Name] = one
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collect) span(name string) *span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans[name]
}

// TestTracing follows one webhook from a POS with traces of its own to the provider.
func TestTracing(t *testing.T) {
	t.Parallel()
	c := collecting(t)
	s := start(t)
	s.stop(s.ingest)
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_HEADERS=X-Team=the%20shop", "OTEL_BSP_SCHEDULE_DELAY=100"}
	s.serve(env...)
	s.worker("sms", env...)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/webhooks/pos", strings.NewReader(everyChannel(1)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer token-for-the-tests")
	r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	redistest.Eventually(t, "all the spans are there", func() bool {
		return c.span("ringup-ingest: POST /webhooks/pos") != nil && c.span("ringup-worker: send sms") != nil && c.span("ringup-worker: sandbox") != nil &&
			c.span("ringup-worker: claim") != nil
	})
	accepted, sent, called := c.span("ringup-ingest: POST /webhooks/pos"), c.span("ringup-worker: send sms"), c.span("ringup-worker: sandbox")
	for name, one := range map[string]*span{"ingest": accepted, "send": sent, "provider": called} {
		if one.TraceID != trace {
			t.Errorf("%s is in the trace %s", name, one.TraceID)
		}
	}
	if accepted.ParentSpanID != "b7ad6b7169203331" || sent.ParentSpanID != accepted.SpanID || called.ParentSpanID != sent.SpanID {
		t.Errorf("the spans are not one path: %v, %v, %v", accepted, sent, called)
	}
	claim := c.span("ringup-worker: claim")
	if len(claim.Links) != 1 || claim.Links[0].TraceID != trace {
		t.Errorf("the claim is linked with %v", claim.Links)
	}
	for _, one := range []*span{accepted, sent, called, claim} {
		if text := one.raw; strings.Contains(text, "1234567890") || strings.Contains(text, "@example.com") {
			t.Errorf("a customer's address is in a trace: %s", text)
		}
	}
}
