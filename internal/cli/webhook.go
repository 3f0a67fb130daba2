package cli

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"ringup.dev/ringup/internal/config/secret"
)

// webhookConfig is the credentials that a sender posts webhooks with. Of several values separated by commas, the first is used.
type webhookConfig struct {
	// Token goes along as Authorization: Bearer.
	Token secret.Keys `env:"WEBHOOK_AUTH_TOKEN"`
	// Secret signs the body.
	Secret secret.Keys `env:"WEBHOOK_SECRET"`
}

// webhookAnswer is ingest's.
type webhookAnswer struct {
	Status int
	Body   []byte
}

// webhookTimeout bounds one request.
const webhookTimeout = 30 * time.Second

// postWebhook sends a payload to ingest at a base address, with the token and signed. An error says that there was no answer.
func postWebhook(ctx context.Context, c webhookConfig, base string, payload []byte) (webhookAnswer, error) {
	u, err := ingestAddress(base)
	if err != nil {
		return webhookAnswer{}, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if token := c.Token.First(); token != "" {
		header.Set("Authorization", "Bearer "+token.Reveal())
	}
	if key := c.Secret.First(); key != "" {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write(payload)
		header.Set("X-Webhook-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return post(ctx, u.JoinPath("/webhooks/pos").String(), header, payload)
}

// ingestAddress reads --url of send.
func ingestAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("--url %q is not the address of ingest: give one as http://localhost:3000", text)
	}
	return u, nil
}

// post sends a body to an endpoint of ingest. An error says that there was no answer.
func post(ctx context.Context, endpoint string, header http.Header, body []byte) (webhookAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return webhookAnswer{}, err
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		var of *url.Error // its text has the whole address, which may have a key at its end
		if errors.As(err, &of) {
			err = of.Err
		}
		return webhookAnswer{}, fmt.Errorf("ingest does not answer at %s://%s: %w", r.URL.Scheme, r.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return webhookAnswer{}, fmt.Errorf("ingest's answer broke off: %w", err)
	}
	return webhookAnswer{Status: resp.StatusCode, Body: text}, nil
}
