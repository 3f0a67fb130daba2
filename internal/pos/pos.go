// Package pos posts webhooks to ingest as a point of sale does: with a token, signed.
package pos

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"ringup.dev/ringup/internal/config/secret"
)

// Config is what a POS is given. Of several values separated by commas, the first is used.
type Config struct {
	// Token goes along as Authorization: Bearer.
	Token secret.List `env:"WEBHOOK_AUTH_TOKEN"`
	// Secret signs the body.
	Secret secret.List `env:"WEBHOOK_SECRET"`
}

// Answer is ingest's.
type Answer struct {
	Status int
	Body   []byte
}

// timeout bounds one request.
const timeout = 30 * time.Second

// Post sends a payload to an ingest's address. The error says that there was no answer.
func Post(ctx context.Context, c Config, base string, payload []byte) (Answer, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return Answer{}, fmt.Errorf("%q is not the address of ingest: give one as http://localhost:3000", base)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath("/webhooks/pos").String(), bytes.NewReader(payload))
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	if token := c.Token.First(); token != "" {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	if key := c.Secret.First(); key != "" {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write(payload)
		r.Header.Set("X-Webhook-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return Answer{}, fmt.Errorf("ingest does not answer at %s: %w", base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return Answer{}, fmt.Errorf("ingest's answer broke off: %w", err)
	}
	return Answer{Status: resp.StatusCode, Body: body}, nil
}
