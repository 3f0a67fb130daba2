package generic

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Verifier checks requests with keys that can be replaced meanwhile. It is safe for concurrent use.
type Verifier struct {
	now  func() time.Time
	keys atomic.Pointer[keys]
}

// New returns a verifier; now is the clock.
func New(c Config, now func() time.Time) (*Verifier, error) {
	v := &Verifier{now: now}
	return v, v.Use(c)
}

// Use replaces the keys for the requests that come from now on. With a configuration that is invalid it returns the problem, and changes
// nothing.
func (v *Verifier) Use(c Config) error {
	k, err := newKeys(c, v.now)
	if err != nil {
		return err
	}
	v.keys.Store(k)
	return nil
}

// Token checks the bearer token of a webhook, before the body is read; where none is configured, its signature is what counts. Errors:
// *Error.
func (v *Verifier) Token(h http.Header) error { return v.keys.Load().Token(h) }

// Bearer checks the bearer token of a request that nothing else vouches for. Errors: *Error.
func (v *Verifier) Bearer(h http.Header) error { return v.keys.Load().Bearer(h) }

// Signature checks the signatures of a body. Each one that is present has to be right; one has to be present where a signature is
// required. Errors: *Error.
func (v *Verifier) Signature(h http.Header, body []byte) error {
	return v.keys.Load().Signature(h, body)
}
