// Command till posts webhooks as a POS does: several at a time, each until it is accepted. It prints the number of answers by status, as
// JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Summary is the output.
type summary struct {
	Accepted int            `json:"accepted"`
	Answers  map[string]int `json:"answers"` // by status, or "error"
	Seconds  float64        `json:"seconds"`
	Last     string         `json:"last_refusal,omitempty"`
}

func main() {
	url := flag.String("url", "http://ringup-ingest", "where ingest is")
	token := flag.String("token", "", "WEBHOOK_AUTH_TOKEN")
	first := flag.Int("first", 0, "number of the first webhook: ids, telephone numbers and addresses follow from it")
	n := flag.Int("n", 100, "how many webhooks")
	rate := flag.Float64("rate", 0, "webhooks a second; 0 for as fast as they are accepted")
	channels := flag.String("channels", "sms,email,whatsapp", "whose addresses the customers have; sms and whatsapp are one")
	flag.Parse()

	var mu sync.Mutex
	s := summary{Answers: map[string]int{}}
	next := make(chan int)
	var all sync.WaitGroup
	start := time.Now()
	for range 16 {
		all.Go(func() {
			for i := range next {
				for {
					answer, text := post(*url, *token, *channels, i)
					mu.Lock()
					s.Answers[answer]++
					if answer == "202" {
						s.Accepted++
					} else {
						s.Last = text
					}
					mu.Unlock()
					if answer == "202" {
						break
					}
					<-time.After(250 * time.Millisecond)
				}
			}
		})
	}
	for i := *first; i < *first+*n; i++ {
		next <- i
		if *rate > 0 {
			<-time.After(time.Until(start.Add(time.Duration(float64(i-*first+1) / *rate * float64(time.Second)))))
		}
	}
	close(next)
	all.Wait()
	s.Seconds = time.Since(start).Seconds()
	_ = json.NewEncoder(os.Stdout).Encode(s)
}

var events = []string{"payment_complete", "order_create", "pos_save", "order_update"}

func post(url, token, channels string, i int) (answer, text string) {
	address := ""
	if strings.Contains(channels, "sms") {
		address += fmt.Sprintf(`,"customerPhone":"+1555%07d"`, i)
	}
	if strings.Contains(channels, "email") {
		address += fmt.Sprintf(`,"customerEmail":"c%d@example.com"`, i)
	}
	body := fmt.Sprintf(`{"id":"w%d","event_type":%q,"timestamp":"2024-01-01T12:00:00Z","data":{"orderId":"O%d","amount":1.5,"currency":"USD"%s}}`,
		i, events[i%4], i, address)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/webhooks/pos", strings.NewReader(body))
	if err != nil {
		return "error", err.Error()
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "error", err.Error()
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return fmt.Sprint(resp.StatusCode), string(said)
}
