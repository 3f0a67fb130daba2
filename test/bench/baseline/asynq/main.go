// Command asynq is the same service written with chi and asynq. Ingest verifies and validates a webhook, and enqueues one task per channel
// with the webhook's id as its unique id. The worker of each channel has a send that does nothing.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-chi/chi/v5"
	"github.com/hibiken/asynq"
)

type hook struct {
	ID        string          `json:"id"`
	EventType string          `json:"event_type"`
	Timestamp string          `json:"timestamp"`
	Source    string          `json:"source"`
	Data      json.RawMessage `json:"data"`
}

var priorities = map[string]string{"payment_complete": "1", "order_create": "2", "pos_save": "3", "order_update": "4"}

func main() {
	redis := asynq.RedisClientOpt{Addr: os.Getenv("REDIS_ADDR")}
	if channel := os.Getenv("CHANNEL"); channel != "" {
		work(redis, channel)
		return
	}
	serve(redis)
}

func work(redis asynq.RedisClientOpt, channel string) {
	server := asynq.NewServer(redis, asynq.Config{
		Concurrency: 50, StrictPriority: true, LogLevel: asynq.ErrorLevel,
		Queues: map[string]int{channel + ":1": 4, channel + ":2": 3, channel + ":3": 2, channel + ":4": 1},
	})
	mux := asynq.NewServeMux()
	provider := os.Getenv("PROVIDER_URL") // "": the send does nothing
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	mux.HandleFunc("send", func(ctx context.Context, t *asynq.Task) error {
		var h hook
		if err := json.Unmarshal(t.Payload(), &h); err != nil || provider == "" {
			return err
		}
		return post(ctx, client, provider, t.Payload())
	})
	if err := server.Run(mux); err != nil {
		log.Fatal(err)
	}
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode/100 != 2 {
		err = errors.New(resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

func serve(redis asynq.RedisClientOpt) {
	client := asynq.NewClient(redis)
	secret := []byte(os.Getenv("WEBHOOK_SECRET"))
	r := chi.NewRouter()
	r.Post("/webhooks/pos", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		if given, err := hex.DecodeString(r.Header.Get("X-Webhook-Signature")); err != nil || !hmac.Equal(given, mac.Sum(nil)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var h hook
		if json.Unmarshal(body, &h) != nil || h.ID == "" || priorities[h.EventType] == "" || len(h.Data) == 0 {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		for _, channel := range []string{"sms", "email", "whatsapp"} {
			_, err := client.EnqueueContext(r.Context(), asynq.NewTask("send", body), asynq.TaskID(h.ID+":"+channel),
				asynq.Queue(channel+":"+priorities[h.EventType]), asynq.MaxRetry(3))
			if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": h.ID, "status": "accepted"})
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: r}
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
