package main

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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const secret = "bench-secret-for-all"

var events = []string{"payment_complete", "order_create", "pos_save", "order_update"}

// updates is the prefix of webhooks of the lowest priority only. With every other prefix the four events take turns.
const updates = "updates"

// payload returns a webhook of some 400 bytes, or of size bytes: notes make it longer, and a short one has only the required fields.
func payload(prefix string, size, i int) []byte {
	event := events[i%4]
	if prefix == updates {
		event = "order_update"
	}
	head := fmt.Sprintf(`{"id":"%s_%08d","event_type":"%s","timestamp":"2024-01-01T12:00:00Z","source":"pos_system","data":{`, prefix, i, event)
	customer := `"customerPhone":"+12025550147","customerEmail":"john.doe@example.com"`
	rest := fmt.Sprintf(`,"transactionId":"TXN_%08d","amount":125.50,"currency":"USD","customerName":"John Doe",`+
		`"items":[{"name":"Espresso","quantity":2,"price":3.25},{"name":"Moka pot","quantity":1,"price":119.00}],"orderId":"ORD_%08d","status":"ready"`, i, i)
	const end, notes = "}}", `,"notes":""`
	switch whole := len(head + customer + rest + end); {
	case size == 0:
		return []byte(head + customer + rest + end)
	case size > whole+len(notes):
		return []byte(head + customer + rest + notes[:len(notes)-1] + strings.Repeat("n", size-whole-len(notes)) + `"` + end)
	}
	return []byte(head + customer + end)
}

// poster has a pool of connections, as an ingress has. Without a bound an open loop that falls behind opens more than MAX_CONNECTIONS; so it waits
// here, and that time counts.
var poster = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1024, MaxConnsPerHost: 1024}}

// errBusy is the answer to a webhook that ingest has no capacity for. The till sends it again.
var errBusy = errors.New("HTTP 503")

// webhook is what a till posts.
type webhook struct {
	path   string
	header http.Header
	body   []byte
}

// signed returns the webhook of a payload for /webhooks/pos.
func signed(body []byte) webhook {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return webhook{"/webhooks/pos", http.Header{"Content-Type": {"application/json"}, "X-Webhook-Signature": {hex.EncodeToString(mac.Sum(nil))}}, body}
}

func post(url string, w webhook) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+w.path, bytes.NewReader(w.body))
	if err != nil {
		return err
	}
	r.Header = w.header
	resp, err := poster.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return errBusy
	}
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK { // 200 is for the senders with a form of their own
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return nil
}

// openLoop posts webhooks at a fixed rate, however long the answers take. It returns the time from the moment at which a webhook was due to
// its answer, and the share of webhooks that were refused with 503.
func openLoop(url, prefix string, perSecond float64, during time.Duration) (p50, p99 time.Duration, busy float64, err error) {
	n := int(perSecond * during.Seconds())
	took, failed := make([]time.Duration, n), make([]error, n)
	var all sync.WaitGroup
	begin := time.Now()
	for i := range n {
		due := begin.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			<-time.After(wait)
		}
		all.Go(func() {
			failed[i] = post(url, signed(payload(prefix, 0, i)))
			took[i] = time.Since(due)
		})
	}
	all.Wait()
	slices.Sort(took)
	refused := 0
	for i, err := range failed {
		if errors.Is(err, errBusy) {
			failed[i] = nil
			refused++
		}
	}
	return took[n/2], took[n*99/100], float64(refused) / float64(n), errors.Join(failed...)
}

// load posts n webhooks, 64 at a time, and returns how long that took.
func load(url string, n int, webhook func(i int) webhook) (time.Duration, error) {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	begin := time.Now()
	for range 64 {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || failed.Load() != nil {
					return
				}
				if err := post(url, webhook(i)); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return time.Since(begin), nil
}
