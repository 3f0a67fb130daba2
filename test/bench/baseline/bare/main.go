// Command bare is the floor: a handler that checks the HMAC, parses the JSON and calls RPUSH once. Without REDIS_ADDR it does not call RPUSH.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9"
)

func main() {
	secret := []byte(os.Getenv("WEBHOOK_SECRET"))
	var client *redis.Client
	if addr := os.Getenv("REDIS_ADDR"); addr != "" {
		client = redis.NewClient(&redis.Options{Addr: addr})
	}
	http.HandleFunc("POST /webhooks/pos", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		var parsed map[string]any
		given, err := hex.DecodeString(r.Header.Get("X-Webhook-Signature"))
		if err != nil || !hmac.Equal(given, mac.Sum(nil)) || json.Unmarshal(body, &parsed) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if client != nil && client.RPush(r.Context(), "jobs", body).Err() != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
