// Package api asks the senders' APIs for what their webhooks leave out.
package api

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

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

	mu    sync.Mutex // locked while a login is made, so that there is one
	login login      // the latest one
}

// login is the token of a Login.
type login struct {
	token      secret.String
	since, end time.Time
}

// Options are what a client is made of.
type Options struct {
	Variable    string // that has the address, for errors
	URL         string // of the API
	AllowHTTP   bool   // http:// at other hosts than this machine
	Concurrency int    // how many requests are made at a time
	Token       secret.String
	Login       Login       // makes the tokens, where there is no fixed one
	Header      http.Header // of every request; nil for none
	ErrorMember string      // the member that the sender's own errors have: an answer without it is a proxy's
}

// Login asks an API, by Client.Post, for a token and for how long it is valid. Errors: *failure.Error.
type Login func(context.Context, *Client) (secret.String, time.Duration, error)

const (
	// loginEarly is how long before its end a token is replaced: longer than a request takes.
	loginEarly = time.Minute
	// loginAgain is how old a token has to be that is refused before another one is asked for: it was revoked before its end. A new one that is refused lacks a right.
	loginAgain = time.Minute
)

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
	for {
		token, err := c.token(ctx)
		if err != nil {
			return err
		}
		err = c.do(ctx, into, request{http.MethodGet, token, query, header, nil, path})
		if failed := (*failure.Error)(nil); !errors.As(err, &failed) || failed.Status != http.StatusUnauthorized || !c.revoked(token) {
			return err
		}
	}
}

// Post posts a body as JSON to a path, without a token, and reads the answer into a struct of members (package fields): for a Login. Errors: those of Get.
func (c *Client) Post(ctx context.Context, into, body any, path ...string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.do(ctx, into, request{method: http.MethodPost, body: text, header: http.Header{"Content-Type": {"application/json"}}, path: path})
}

// token returns the fixed token, or that of the latest login while it is valid.
func (c *Client) token(ctx context.Context) (secret.String, error) {
	if c.Login == nil {
		return c.Token, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.login.end) {
		return c.login.token, nil
	}
	token, valid, err := c.Login(ctx, c)
	if err != nil {
		return "", err
	}
	c.login = login{token, now, now.Add(valid - loginEarly)}
	return token, nil
}

// revoked forgets a token that was refused, and says whether another one may do better.
func (c *Client) revoked(token secret.String) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	latest := subtle.ConstantTimeCompare([]byte(c.login.token.Reveal()), []byte(token.Reveal())) == 1
	if c.Login == nil || latest && time.Since(c.login.since) < loginAgain {
		return false
	}
	if latest {
		c.login = login{}
	}
	return true
}

// request is one that is made.
type request struct {
	method string
	token  secret.String // "" for none
	query  url.Values
	header http.Header
	body   []byte
	path   []string
}

func (c *Client) do(ctx context.Context, into any, of request) error {
	// The pool sets it from another goroutine.
	var written atomic.Bool
	r, err := c.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }}), of)
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

func (c *Client) request(ctx context.Context, of request) (*http.Request, error) {
	escaped := make([]string, len(of.path))
	for i, part := range of.path {
		escaped[i] = url.PathEscape(part)
	}
	u := c.base.JoinPath(escaped...)
	u.RawQuery = of.query.Encode()
	r, err := http.NewRequestWithContext(ctx, of.method, u.String(), bytes.NewReader(of.body))
	if err != nil {
		return nil, err
	}
	for _, headers := range []http.Header{c.Header, of.header} {
		for name, values := range headers {
			r.Header[name] = values
		}
	}
	if of.token != "" {
		r.Header.Set("Authorization", "Bearer "+of.token.Reveal())
	}
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

// LogIn makes a login anew, and returns its error: a probe, where there is no object to ask for.
func (c *Client) LogIn(ctx context.Context) error {
	c.mu.Lock()
	c.login = login{}
	c.mu.Unlock()
	_, err := c.token(ctx)
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
