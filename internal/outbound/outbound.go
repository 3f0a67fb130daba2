// Package outbound has what all requests to the services of others share: the pool of connections, how an address is read, and what an answer's status and headers
// say.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/failure"
)

const (
	// maxRetryAfter bounds what a service can ask for: a quota that opens next month is not waited for silently.
	maxRetryAfter = time.Hour
	// pingAfter is how long a connection of HTTP/2 may be silent before it is asked whether it still works, and pingTimeout how long it may
	// take to answer. A connection that died without a word (a firewall forgot it, a machine went away) would otherwise be used until the kernel
	// gives it up, after a quarter of an hour. Together they are shorter than the retries of the default RETRY_BACKOFF.
	pingAfter   = 5 * time.Second
	pingTimeout = 5 * time.Second
)

// Version is that of the newest release in CHANGELOG.md; a test compares them.
const Version = "0.1.0"

// UserAgent names the program in the form name/1.2.3, which Meta's specification of the Cloud API asks for.
const UserAgent = "ringup/" + Version

// NewPool returns a pool that keeps a connection for each of the requests that are made at a time.
func NewPool(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		// A service that cannot even be connected to is told from one that is slow.
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        2 * concurrency,
		MaxIdleConnsPerHost: concurrency,
		// Shorter than the minute after which most load balancers close a connection, perhaps under a request.
		IdleConnTimeout:        50 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// NoRedirects is the CheckRedirect of a client that follows none: none of the APIs has any, and credentials would go along.
func NoRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Address reads the address of a host, perhaps with a path, from a variable. With http:// credentials and messages can be read on the way, so it is an error, but for
// this machine or with allowHTTP. Errors name the variable.
func Address(variable, value string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%s is not the address of a host: set it as https://proxy.example", variable)
	}
	if u.Scheme == "http" && !allowHTTP && !local(u.Hostname()) {
		return nil, fmt.Errorf("%s begins with http://, by which credentials and messages can be read on the way: set https://, or PROVIDERS_ALLOW_HTTP=true for an emulator", variable)
	}
	return u, nil
}

// local says that a host is this machine.
func local(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// Broken says what a broken exchange means: before anything was written the request was certainly not carried out, afterwards that is unknown.
func Broken(err error, written bool) *failure.Error {
	e := &failure.Error{Class: failure.Transient, Reason: failure.ReasonNetwork, Detail: "no connection"}
	if written {
		e.Class, e.Detail = failure.Ambiguous, "the connection broke before the whole answer had come"
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &timeout) && timeout.Timeout() {
		e.Reason, e.Detail = failure.ReasonTimeout, "no answer in time"
	}
	return e
}

// Passing reports whether a status of the 4xx is about the connection and not about the request: 408, 421 and 425 (RFC 9110, sections 15.5.9
// and 15.5.20; RFC 8470). Nothing was done with the request.
func Passing(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusMisdirectedRequest || status == http.StatusTooEarly
}

// RetryAfter reads the header of that name (RFC 9110, section 10.2.3: seconds, or a date); 0 when there is none. A fraction, which some write, counts as
// well.
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); seconds > 0 && (err == nil || errors.Is(err, strconv.ErrRange)) {
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return bound(at.Sub(date(h)))
	}
	return 0
}

// Until is the pause until a Unix time in a header, in seconds; 0 when there is none.
func Until(h http.Header, name string) time.Duration {
	seconds, err := strconv.ParseInt(h.Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return bound(time.Unix(seconds, 0).Sub(date(h)))
}

// date is when the answer was made, by the clock that its other times are of, which may not agree with this machine's.
func date(h http.Header) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return time.Now()
}

func bound(d time.Duration) time.Duration { return max(0, min(d, maxRetryAfter)) }
