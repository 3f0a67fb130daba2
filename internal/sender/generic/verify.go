// Package generic is the sender of POST /webhooks/pos: a till that posts the payload that ringup documents. It verifies, decodes and validates.
package generic

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
)

// Config has the keys.
type Config struct {
	// Secrets for signatures of POST /webhooks/pos, separated by commas; any of them counts. One of WEBHOOK_SECRET, WEBHOOK_AUTH_TOKEN and the senders' keys has to be set. One that begins with whsec_ is read as Standard Webhooks does.
	Secrets secret.Keys `env:"WEBHOOK_SECRET"`
	// Tokens for Authorization: Bearer, separated by commas; any of them counts.
	Tokens secret.Keys `env:"WEBHOOK_AUTH_TOKEN"`
	// RequireSignature refuses a webhook without a signature even when its token is good.
	RequireSignature bool `env:"WEBHOOK_REQUIRE_SIGNATURE, default=false"`
}

// On reports whether POST /webhooks/pos has a key, and is served.
func (c *Config) On() bool { return len(c.Secrets) > 0 || len(c.Tokens) > 0 }

// Validate refuses a configuration that would let everybody in.
func (c *Config) Validate() error {
	switch {
	case !c.On():
		return errors.New("WEBHOOK_SECRET and WEBHOOK_AUTH_TOKEN are both empty: set at least one for POST /webhooks/pos, or the key of a sender with a form of its own, " +
			"as SHOPIFY_WEBHOOK_SECRET (docs/senders); without any, nobody could send messages")
	case c.RequireSignature && len(c.Secrets) == 0:
		return errors.New("WEBHOOK_REQUIRE_SIGNATURE is true without a WEBHOOK_SECRET: set the secret that the POS signs with")
	}
	for _, s := range c.Secrets {
		if encoded, found := strings.CutPrefix(s.Reveal(), "whsec_"); found {
			key, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return errors.New("WEBHOOK_SECRET has a whsec_ key that is not base64: copy it whole")
			}
			if err := secret.CheckKey(key); err != nil {
				return fmt.Errorf("WEBHOOK_SECRET has a whsec_ key that, decoded, %w", err)
			}
		}
	}
	return nil
}

// Error is a refusal. Its text says which step failed, and nothing about a secret.
type Error struct{ Detail string }

func (e *Error) Error() string { return e.Detail }

// replayWindow is how far a signed timestamp may be from now (Standard Webhooks recommends five minutes).
const replayWindow = 5 * time.Minute

// maxSignatures bounds how often a body is signed to check it.
const maxSignatures = 10

// keys check requests.
type keys struct {
	tokens           [][sha256.Size]byte
	keys             [][]byte // for X-Webhook-Signature
	standardKeys     [][]byte // for Standard Webhooks
	requireSignature bool
	now              func() time.Time
}

// newKeys returns the keys of a configuration; now is the clock.
func newKeys(c Config, now func() time.Time) (*keys, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	// Without a token the signature is all there is.
	v := &keys{now: now, requireSignature: c.RequireSignature || len(c.Tokens) == 0}
	for _, token := range c.Tokens {
		v.tokens = append(v.tokens, sha256.Sum256([]byte(token.Reveal())))
	}
	for _, s := range c.Secrets {
		key := []byte(s.Reveal())
		v.keys = append(v.keys, key)
		if encoded, found := strings.CutPrefix(s.Reveal(), "whsec_"); found {
			key, _ = base64.StdEncoding.DecodeString(encoded) // checked by Validate
		}
		v.standardKeys = append(v.standardKeys, key)
	}
	return v, nil
}

// Token checks the bearer token of a webhook, before the body is read; where none is configured, its signature is what counts. Errors:
// *Error.
func (v *keys) Token(h http.Header) error {
	if len(v.tokens) == 0 {
		return nil
	}
	return v.Bearer(h)
}

// Bearer checks the bearer token of a request that nothing else vouches for. Errors: *Error.
func (v *keys) Bearer(h http.Header) error {
	if len(v.tokens) == 0 {
		return &Error{"nobody may ask this: ingest has no WEBHOOK_AUTH_TOKEN"}
	}
	value := h.Get("Authorization")
	if value == "" {
		return &Error{"the Authorization header is missing: send Authorization: Bearer <token>"}
	}
	scheme, token, _ := strings.Cut(value, " ")
	// Digests have one length, whatever the token's; all of them are compared.
	sum, good := sha256.Sum256([]byte(strings.TrimSpace(token))), 0
	for i := range v.tokens {
		good |= subtle.ConstantTimeCompare(sum[:], v.tokens[i][:])
	}
	if !strings.EqualFold(scheme, "Bearer") || good != 1 {
		return &Error{"the bearer token is not valid"}
	}
	return nil
}

// Signature checks the signatures of a body. Each one that is present has to be right; one has to be present where a signature is
// required. Errors: *Error.
func (v *keys) Signature(h http.Header, body []byte) error {
	if len(v.keys) == 0 {
		return nil
	}
	plain, standard := given(h, "X-Webhook-Signature"), given(h, "Webhook-Signature")
	switch n := len(plain) + len(standard); {
	case n == 0 && v.requireSignature:
		return &Error{"the signature is missing: send X-Webhook-Signature, or the Standard Webhooks headers"}
	case n > maxSignatures:
		return &Error{"there are too many signatures"}
	}
	for _, value := range plain {
		if err := v.plain(value, body); err != nil {
			return err
		}
	}
	for _, value := range standard {
		if err := v.standard(h, value, body); err != nil {
			return err
		}
	}
	return nil
}

// given returns the values of all headers of a name, without those that are empty.
func given(h http.Header, name string) []string {
	var values []string
	for _, value := range h.Values(name) {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values
}

// plain checks X-Webhook-Signature: hex of HMAC-SHA256 over the raw body, with or without sha256= in front.
func (v *keys) plain(value string, body []byte) error {
	given, err := hex.DecodeString(strings.TrimPrefix(value, "sha256="))
	if err != nil || len(given) != sha256.Size {
		return &Error{"X-Webhook-Signature is not the hex of an HMAC-SHA256"}
	}
	good := 0
	for _, key := range v.keys {
		good |= match(key, given, body)
	}
	if good != 1 {
		return &Error{"X-Webhook-Signature does not fit the body"}
	}
	return nil
}

// standard checks the headers of the Standard Webhooks specification: v1,<base64 of HMAC-SHA256 over id.timestamp.body>, several
// separated by spaces.
func (v *keys) standard(h http.Header, value string, body []byte) error {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return &Error{"webhook-signature needs webhook-id, and webhook-timestamp in Unix seconds"}
	}
	if age := v.now().Unix() - seconds; age > int64(replayWindow.Seconds()) || -age > int64(replayWindow.Seconds()) {
		return &Error{fmt.Sprintf("webhook-timestamp is more than %s from now: sign anew, and check the clock", replayWindow)}
	}
	good := 0
	for i, one := range strings.Fields(value) {
		encoded, found := strings.CutPrefix(one, "v1,")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || i >= maxSignatures {
			continue
		}
		for _, key := range v.standardKeys {
			good |= match(key, given, []byte(id), []byte("."), []byte(stamp), []byte("."), body)
		}
	}
	if good != 1 {
		return &Error{"webhook-signature does not fit the body"}
	}
	return nil
}

// match reports, as 1 or 0, whether given is the HMAC of the parts.
func match(key, given []byte, parts ...[]byte) int {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return subtle.ConstantTimeCompare(mac.Sum(make([]byte, 0, sha256.Size)), given)
}
