package system

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringup.dev/ringup/internal/redistest"
)

var (
	siege  = flag.Duration("siege", 10*time.Second, "how long TestSiege attacks")
	normal = flag.Int("siege-rate", 50, "webhooks per second of normal tills in TestSiege")
)

// calm is how long the connections of an attack stay open.
const calm = 5 * time.Second

// publicRoutes are posted to and asked without a key, as fast as the attackers can.
var publicRoutes = []struct{ method, path, body string }{
	{http.MethodPost, "/webhooks/pos", webhookOf("forged")},
	{http.MethodPost, "/callbacks/whatsapp", `{"object":"whatsapp_business_account","entry":[{"changes":[{"value":{"statuses":[{"id":"wamid.forged","status":"failed"}]}}]}]}`},
	{http.MethodPost, "/callbacks/twilio/status", "MessageSid=SM1&MessageStatus=failed"},
	{http.MethodPost, "/callbacks/sendgrid", `[{"event":"bounce","email":"customer@example.com"}]`},
	{http.MethodPost, "/callbacks/ses", `{"Type":"Notification","TopicArn":"arn:aws:sns:us-east-1:1:forged"}`},
	{http.MethodGet, "/v1/notifications/forged", ""},
	{http.MethodPost, "/unsubscribe?a=forged&s=forged", "List-Unsubscribe=One-Click"},
	{http.MethodPost, "/webhooks/forged/default", "{}"},
	{http.MethodGet, "/nothing", ""},
}

// TestSiege: normal tills beside all of the attacks, in turn and two at a time, floods on every public route, and forged callbacks. Each webhook of the tills is
// accepted, at the latest when it is repeated, as tills do, and its message is sent; every program stays within the memory of its pod.
// The time that tills wait is logged and not judged: it is the machine's as well.
func TestSiege(t *testing.T) {
	t.Parallel()
	a := attacked(t, callbackKeys, "UNSUBSCRIBE_SECRET=an unsubscribe secret", "PUBLIC_URL=http://localhost")
	group := a.group
	limit, goLimit := podLimits(t, "worker")
	a.group = cgroup(t, limit)
	worker := a.worker("sms", "GOMEMLIMIT="+goLimit)
	a.group = group
	until := time.Now().Add(*siege)
	var beside sync.WaitGroup
	beside.Go(func() { a.flood(until) })
	for first := range 2 {
		beside.Go(func() { a.storm(first, until) })
	}
	took, repeated := a.tills(until)
	beside.Wait()
	a.end()
	slices.Sort(took)
	t.Logf("%d webhooks in %s, %d of them repeated; accepted after %s (median), %s (p99), %s (the longest)", len(took), *siege, repeated,
		took[len(took)/2].Round(time.Millisecond), took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	redistest.Eventually(t, "all messages are sent", func() bool { return len(a.missing(len(took))) == 0 })
	a.survived()
	a.within("worker", worker, limit)
}

// tills posts webhooks at the normal rate, each again until it is accepted, and returns how long each took from when it was due.
func (a *attack) tills(until time.Time) (took []time.Duration, repeated int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := time.Now()
	for i := 0; time.Now().Before(until); i++ {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(*normal))
		<-time.After(time.Until(due))
		all.Go(func() {
			tries := 0
			for err := a.postSigned(i); err != nil; err = a.postSigned(i) {
				if tries++; tries > 60 {
					a.Errorf("webhook %d was not accepted in a minute: %v", i, err)
					return
				}
				<-time.After(time.Second)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due))
			repeated += min(tries, 1)
		})
	}
	all.Wait()
	return took, repeated
}

// storm makes one attack after the other, in an order of its own.
func (a *attack) storm(seed int, until time.Time) {
	order := strangers()
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	for time.Now().Before(until) {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, one := range order {
			if time.Now().After(until) {
				return
			}
			one.do(a)
			<-time.After(calm)
			a.end()
		}
	}
}

// flood asks every public route over and over, from eight addresses that are not the tills'.
func (a *attack) flood(until time.Time) {
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for n := range 8 {
		all.Go(func() {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n))}}
			client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext}}
			defer client.CloseIdleConnections()
			for i := n; time.Now().Before(until); i++ {
				status := a.knock(client, publicRoutes[i%len(publicRoutes)].method, publicRoutes[i%len(publicRoutes)].path, publicRoutes[i%len(publicRoutes)].body)
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	var text []string
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		text = append(text, fmt.Sprintf("%d: %d", status, answers[status]))
		if status/100 == 2 {
			a.Errorf("%d forged requests were answered %d", answers[status], status)
		}
	}
	a.Logf("answers to the flood: %s (0: none)", strings.Join(text, ", "))
}

// knock makes a request without a key, and returns the status of its answer; 0 for none.
func (a *attack) knock(client *http.Client, method, path, body string) int {
	r, err := http.NewRequestWithContext(a.Context(), method, a.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		a.Error(err)
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	if strings.Contains(body, "=") && !strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// missing returns the webhooks, of the first n, whose message is not in the outbox.
func (a *attack) missing(n int) (numbers []int) {
	_, order := a.sent("sms")
	there := map[string]bool{}
	for _, e := range order {
		there[e.EventID] = true
	}
	for i := range n {
		if !there[fmt.Sprintf("w%d", i)] {
			numbers = append(numbers, i)
		}
	}
	return numbers
}
