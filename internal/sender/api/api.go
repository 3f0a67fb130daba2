// Package api asks the senders' APIs for what their webhooks leave out.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/outbound"
	"ringup.dev/ringup/internal/sender/fields"
)

const (
	// maxAnswer is several times what an order of 500 lines takes, which is Square's limit.
	maxAnswer = 4 << 20
	// maxRefusal is more than the error of any of the APIs.
	maxRefusal = 64 << 10
)

// Client asks one sender's API. It is safe for concurrent use.
type Client struct {
	Options
	base   *url.URL
	client *http.Client
}

// Options are what a client is made of.
type Options struct {
	Variable    string // that has the address, for errors
	URL         string // of the API
	AllowHTTP   bool   // http:// at other hosts than this machine
	Concurrency int    // how many requests are made at a time
	Token       secret.String
	Header      http.Header // of every request; nil for none
	ErrorMember string      // the member that the sender's own errors have: an answer without it is a proxy's
}

// New returns a client. Errors: those of outbound.Address.
func New(o Options) (*Client, error) {
	u, err := outbound.Address(o.Variable, o.URL, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	return &Client{Options: o, base: u, client: &http.Client{Transport: outbound.NewPool(o.Concurrency), CheckRedirect: outbound.NoRedirects}}, nil
}

// Get reads the object at a path into a struct of members (package fields). path is of parts, each of which is escaped; query may be nil. Errors: *failure.Error. It is
// permanent for an object that is not there (Missing) and for a request that the API calls wrong, and never ambiguous: to ask again does no harm.
func (c *Client) Get(ctx context.Context, into any, query url.Values, header http.Header, path ...string) error {
	// The pool sets it from another goroutine.
	var written atomic.Bool
	r, err := c.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }}), query, header, path)
	if err != nil {
		return &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "an id that cannot be part of an address"}
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return broken(err, written.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		// Of a refusal the status has come, and says what there is to say, where the rest is cut off.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return c.refused(resp, body)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return broken(err, true)
	}
	if len(body) > maxAnswer || fields.Decode(body, into) != nil {
		return Unreadable(resp.StatusCode)
	}
	return nil
}

func (c *Client) request(ctx context.Context, query url.Values, header http.Header, path []string) (*http.Request, error) {
	escaped := make([]string, len(path))
	for i, part := range path {
		escaped[i] = url.PathEscape(part)
	}
	u := c.base.JoinPath(escaped...)
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, headers := range []http.Header{c.Header, header} {
		for name, values := range headers {
			r.Header[name] = values
		}
	}
	r.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", outbound.UserAgent)
	return r, nil
}

// Probe asks for an object that is not there, and returns nil where the API says so: then it is up, and takes the token. Nothing of a customer is read.
func (c *Client) Probe(ctx context.Context, path ...string) error {
	err := c.Get(ctx, &struct{}{}, nil, nil, path...)
	if failed := (*failure.Error)(nil); errors.As(err, &failed) && failed.Class == failure.Permanent {
		return nil
	}
	return err
}

// broken is the error of a request without a whole answer.
func broken(err error, written bool) *failure.Error {
	e := outbound.Broken(err, written)
	e.Class = failure.Transient
	return e
}

// Unreadable is the error of an answer that is not the sender's, but that of a proxy on the way.
func Unreadable(status int) *failure.Error {
	return &failure.Error{Class: failure.Transient, Reason: failure.ReasonUnreadable, Status: status, Detail: "the answer is not the sender's: look at the proxy on the way"}
}

// refused is the error of an answer other than 200. Only one in the sender's own form can be about the object or the token.
func (c *Client) refused(resp *http.Response, body []byte) *failure.Error {
	e := &failure.Error{Status: resp.StatusCode, RetryAfter: outbound.RetryAfter(resp.Header)}
	var members map[string]json.RawMessage
	own := json.Unmarshal(body, &members) == nil && len(members[c.ErrorMember]) > 0
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests:
		e.Class, e.Reason = failure.Throttled, failure.ReasonRateLimit
	case s >= 500, s == http.StatusConflict, outbound.Passing(s): // 409: of two requests at a time, which both APIs' own clients repeat
		e.Class, e.Reason = failure.Transient, failure.ReasonOutage
	case !own || s < 400:
		return Unreadable(s)
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.Class, e.Reason, e.Detail = failure.Account, failure.ReasonCredentials, "the token is refused, or lacks a permission"
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Class, e.Reason, e.Detail = failure.Permanent, failure.ReasonRequest, "the sender has no such object"
	default:
		e.Class, e.Reason = failure.Permanent, failure.ReasonRequest
	}
	return e
}

// Missing says that the sender has no such object.
func Missing(err error) bool {
	var e *failure.Error
	return errors.As(err, &e) && e.Class == failure.Permanent && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}
