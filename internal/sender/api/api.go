// Package api asks the senders' APIs for what their webhooks leave out.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender/fields"
)

const (
	// maxAnswer is more bytes than an order of event.MaxItems takes.
	maxAnswer = 16 << 20
	// maxRetryAfter bounds the pause that a sender asks for.
	maxRetryAfter = time.Hour
	// idle is shorter than the minute after which most load balancers close a connection, perhaps under a request.
	idle = 50 * time.Second
)

// Client asks one sender's API. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	token  secret.String
	header http.Header
	client *http.Client
}

// Options are what a client is made of.
type Options struct {
	Variable  string // that has the address, for errors
	URL       string // of the API
	AllowHTTP bool   // http:// at other hosts than this machine
	Token     secret.String
	Header    http.Header // of every request; nil for none
}

// New returns a client. The error names the variable of an address that cannot be used.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%s is not the address of a host: set it as https://api.example", o.Variable)
	}
	if u.Scheme == "http" && !o.AllowHTTP && !local(u.Hostname()) {
		return nil, fmt.Errorf("%s begins with http://, by which the token can be read on the way: set https://, or PROVIDERS_ALLOW_HTTP=true for an emulator", o.Variable)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.IdleConnTimeout = idle
	return &Client{base: u, token: o.Token, header: o.Header, client: &http.Client{
		Transport: transport,
		// A redirect would take the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// local says that a host is this machine.
func local(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// Get reads the object at a path into a struct of members (package fields). path is of parts, each of which is escaped; query may be nil. Errors: *failure.Error. It is
// permanent for an object that is not there (its Status is 404) and for a request that the API calls wrong, and never ambiguous: to ask again does no harm.
func (c *Client) Get(ctx context.Context, into any, query url.Values, header http.Header, path ...string) error {
	u := *c.base
	for i, part := range path {
		path[i] = url.PathEscape(part)
	}
	full := c.base.JoinPath(path...)
	u.Path, u.RawPath, u.RawQuery = full.Path, full.RawPath, query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "an id that cannot be part of an address"}
	}
	for _, headers := range []http.Header{c.header, header} {
		for name, values := range headers {
			r.Header[name] = values
		}
	}
	r.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "ringup")
	resp, err := c.client.Do(r)
	if err != nil {
		return broken(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
		return refused(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return broken(err)
	}
	if len(body) > maxAnswer || fields.Decode(body, into) != nil {
		return &failure.Error{Class: failure.Transient, Reason: failure.ReasonUnreadable, Status: resp.StatusCode, Detail: "the answer is not the sender's: look at the proxy on the way"}
	}
	return nil
}

// broken is the error of a request without an answer. The text of the error has the address, and is left out.
func broken(err error) *failure.Error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return &failure.Error{Class: failure.Transient, Reason: failure.ReasonTimeout}
	}
	return &failure.Error{Class: failure.Transient, Reason: failure.ReasonNetwork}
}

// refused is the error of an answer other than 200.
func refused(resp *http.Response) *failure.Error {
	e := &failure.Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests:
		e.Class, e.Reason = failure.Throttled, failure.ReasonRateLimit
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.Class, e.Reason, e.Detail = failure.Account, failure.ReasonCredentials, "the token is refused, or lacks a permission"
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Class, e.Reason, e.Detail = failure.Permanent, failure.ReasonRequest, "the sender has no such object"
	case s == http.StatusRequestTimeout, s == http.StatusMisdirectedRequest, s == http.StatusTooEarly, s >= 500:
		e.Class, e.Reason = failure.Transient, failure.ReasonOutage
	case s >= 400:
		e.Class, e.Reason = failure.Permanent, failure.ReasonRequest
	default:
		e.Class, e.Reason, e.Detail = failure.Transient, failure.ReasonUnreadable, "the answer is not the sender's: look at the proxy on the way"
	}
	return e
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 for neither.
func retryAfter(text string) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = time.Until(at)
	}
	return max(0, min(wait, maxRetryAfter))
}

// Missing says that the sender has no such object.
func Missing(err error) bool {
	var e *failure.Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}
