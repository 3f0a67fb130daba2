// Package transport is the one way out to the providers: a pool of connections that all adapters share, and a Call, which sends one
// request of an SDK (or of our own), bounds and keeps its answer, and says what kind of failure there was when none came.
package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/outbound"
)

// maxAnswer is how much of an answer is read. The largest that a provider documents have some kilobytes.
const maxAnswer = 1 << 20

// Client has the pool. It is safe for concurrent use.
type Client struct {
	pool *http.Transport
	// probes has no connection that is used again: what a probe finds out is how the provider is now, and not an old connection.
	probes *http.Transport
	// AllowHTTP lets BaseURL take http:// at other hosts than this machine.
	AllowHTTP bool
}

// New returns a pool that keeps a connection for each of the sends that a worker makes at a time.
func New(concurrency int) *Client {
	c := &Client{pool: outbound.NewPool(concurrency), probes: outbound.NewPool(1)}
	c.probes.DisableKeepAlives = true
	return c
}

// BaseURL reads a variable that names another host in a provider's place; standard when it is empty, nil when that is empty too. Errors: those of outbound.Address.
func (c *Client) BaseURL(variable, value, standard string) (*url.URL, error) {
	if value == "" {
		value = standard
	}
	if value == "" {
		return nil, nil
	}
	return outbound.Address(variable, value, c.AllowHTTP)
}

// Call is one request: it is made for a send, handed to the SDK as its HTTP client, and asked afterwards what happened on the wire.
// A second request through the same Call, an SDK's own retry, is refused.
type Call struct {
	client *http.Transport
	ctx    context.Context //nolint:containedctx // some SDKs take no context, so the call brings it
	base   *url.URL
	sent   bool

	// Status, Header and Body are those of the answer; Status is 0 when there was none.
	Status int
	Header http.Header
	Body   []byte
	// Failure is why there was no whole answer; nil when there was.
	Failure *failure.Error
}

// Call prepares a request that ends with ctx. base, if it is not nil, takes the place of the scheme and host that the SDK knows.
func (c *Client) Call(ctx context.Context, base *url.URL) *Call {
	return &Call{client: c.pool, ctx: ctx, base: base}
}

// Probe prepares a request as Call does, over a connection of its own. Connections that are idle are closed, so that the messages after a probe
// have new ones, too.
func (c *Client) Probe(ctx context.Context, base *url.URL) *Call {
	c.pool.CloseIdleConnections()
	return &Call{client: c.probes, ctx: ctx, base: base}
}

// HTTPClient returns the call in the form that SDKs take.
func (c *Call) HTTPClient() *http.Client {
	return &http.Client{Transport: c, CheckRedirect: outbound.NoRedirects}
}

// Sent says whether the SDK has come as far as making a request.
func (c *Call) Sent() bool { return c.sent }

// Do sends a request, for SDKs that ask for no more than this.
func (c *Call) Do(r *http.Request) (*http.Response, error) { return c.RoundTrip(r) }

// errSecond ends an SDK's own retry.
var errSecond = errors.New("a message is handed over once: retries are the queue's")

// RoundTrip sends the request and keeps the answer. The body that it returns is read and closed already.
func (c *Call) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.sent {
		return nil, errSecond
	}
	r, err := replayable(r)
	if err != nil {
		return nil, err
	}
	c.sent = true
	// The pool sets it from another goroutine, perhaps after an answer that came early.
	var written atomic.Bool
	ctx := httptrace.WithClientTrace(c.ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }})
	r = r.Clone(ctx)
	r.Header.Set("User-Agent", outbound.UserAgent)
	if c.base != nil {
		r.URL.Scheme, r.URL.Host, r.Host = c.base.Scheme, c.base.Host, c.base.Host
		r.URL.Path = joinPath(c.base.Path, r.URL.Path)
	}
	resp, err := c.client.RoundTrip(r)
	if err != nil {
		c.Failure = outbound.Broken(err, written.Load())
		return nil, c.Failure
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close()
	if err != nil && resp.StatusCode < 300 {
		c.Failure = outbound.Broken(err, true)
		return nil, c.Failure
	}
	// Of a refusal the status has come, and says what there is to say, where the rest is cut off.
	c.Status, c.Header = resp.StatusCode, resp.Header
	if len(body) > maxAnswer {
		body = nil // an answer that no provider gives: as good as unreadable
	}
	c.Body = body
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// replayable returns the request with a body that can be read again, which not every SDK provides: the pool makes a request once more where
// the server said that it did not start on it (HTTP/2's GOAWAY and REFUSED_STREAM), or where nothing of it was written.
func replayable(r *http.Request) (*http.Request, error) {
	if r.Body == nil || r.Body == http.NoBody || r.GetBody != nil {
		return r, nil
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return nil, err
	}
	again := *r
	again.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	again.Body = io.NopCloser(bytes.NewReader(body))
	return &again, nil
}

func joinPath(base, path string) string {
	if base == "" || base == "/" {
		return path
	}
	joined, err := url.JoinPath(base, path)
	if err != nil {
		return path
	}
	return joined
}

// Known is the error that a provider's own code stands for, with the code, the status and, when it asks to wait, the pause. Unknown codes,
// and statuses where a provider has no codes, go by Refused. No code makes a status permanent that is about the connection.
func (c *Call) Known(meaning failure.Error, code string) *failure.Error {
	if meaning.Class == failure.Permanent && outbound.Passing(c.Status) {
		meaning = unserved
	}
	meaning.Code, meaning.Status = code, c.Status
	if meaning.Class != failure.Permanent && meaning.RetryAfter == 0 {
		meaning.RetryAfter = c.RetryAfter()
	}
	return &meaning
}

// Unclear is the error of an answer that is no clear one: a 5xx without the provider's own body, or a 2xx that cannot be read. The
// message may have been taken. A request that the SDK refused to make was certainly not.
func (c *Call) Unclear() *failure.Error {
	switch {
	case c.Failure != nil:
		return c.Failure
	case !c.sent:
		return &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "the request could not be made"}
	}
	e := failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonUnreadable}
	if c.Status >= 500 {
		e.Reason = failure.ReasonOutage
	}
	return c.Known(e, "")
}

// Refused is the error of an answer in the provider's own form whose code says nothing more than the status: only such an answer can be
// permanent.
func (c *Call) Refused(code string) *failure.Error {
	e := failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}
	switch {
	case c.Failure != nil || !c.sent:
		return c.Unclear()
	case c.Status == http.StatusUnauthorized, c.Status == http.StatusForbidden:
		e = failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}
	case c.Status >= 500:
		e = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage} // it knows that it failed
	case c.Status == http.StatusTooManyRequests:
		e = failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}
	case c.Status < 400:
		return c.Foreign()
	}
	return c.Known(e, code)
}

// Foreign is the error of an answer that is not in the provider's own form: one of a proxy, a firewall or a load balancer on the way. It says
// nothing about the message, which a request that was refused or redirected there has not reached the provider with; so it is never permanent. Behind a
// 5xx or a 303 the message may have been taken, except behind a 503, which says that the request was not handled (RFC 9110, sections 15.4.4 and 15.6.4).
func (c *Call) Foreign() *failure.Error {
	switch {
	case c.Failure != nil || !c.sent:
		return c.Unclear()
	case c.Status == http.StatusTooManyRequests:
		return c.Known(failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}, "")
	case c.Status == http.StatusServiceUnavailable:
		return c.Known(failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}, "")
	case outbound.Passing(c.Status):
		return c.Known(unserved, "")
	case c.Status >= 300 && c.Status < 500 && c.Status != http.StatusSeeOther:
		return c.Known(failure.Error{Class: failure.Transient, Reason: failure.ReasonUnreadable,
			Detail: "the answer is not the provider's: look at the proxy on the way"}, "")
	}
	return c.Unclear()
}

// unserved is the error of a status that is about the connection.
var unserved = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage, Detail: "the connection was not served"}

// RetryAfter is the pause that the answer asks for; 0 where it asks for none.
func (c *Call) RetryAfter() time.Duration { return outbound.RetryAfter(c.Header) }

// Until is the pause until a Unix time in a header, in seconds; 0 when there is none.
func (c *Call) Until(header string) time.Duration { return outbound.Until(c.Header, header) }
