package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const secret = "bench-secret"

var events = []string{"payment_complete", "order_create", "pos_save", "order_update"}

// payload is a webhook of 390 bytes.
func payload(prefix string, i int) []byte {
	return fmt.Appendf(nil, `{"id":"%s_%08d","event_type":"%s","timestamp":"2024-01-01T12:00:00Z","source":"pos_system","data":{"transactionId":"TXN_%08d",`+
		`"amount":125.50,"currency":"USD","customerName":"John Doe","customerPhone":"+1234567890","customerEmail":"john.doe@example.com",`+
		`"items":[{"name":"Espresso","quantity":2,"price":3.25},{"name":"Moka pot","quantity":1,"price":119.00}],"orderId":"ORD_%08d","status":"ready"}}`,
		prefix, i, events[i%4], i, i)
}

var poster = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

func post(url string, body []byte) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/webhooks/pos", bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Webhook-Signature", hex.EncodeToString(mac.Sum(nil)))
	resp, err := poster.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return nil
}

// load posts n webhooks, 64 at a time, and returns how long it took.
func load(url, prefix string, n int) (time.Duration, error) {
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
				if err := post(url, payload(prefix, i)); err != nil {
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
