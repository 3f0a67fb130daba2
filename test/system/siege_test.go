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

// TestSiege: normal tills beside all of the attacks, in turn and two at a time, and forged requests, bodies that are too large and slow ones to every public route. Each webhook of the tills is
// accepted, at the latest when it is repeated, as tills do, and its message is sent; every program stays within the memory of its pod.
// The time that tills wait is logged and not judged: it is the machine's as well.
func TestSiege(t *testing.T) {
	t.Parallel()
	routes := publicRoutes(t)
	a := attacked(t, routes.env...)
	group := a.group
	limit, goLimit := podLimits(t, "worker")
	a.group = cgroup(t, limit)
	worker := a.worker("sms", "GOMEMLIMIT="+goLimit)
	a.group = group
	until := time.Now().Add(*siege)
	var beside sync.WaitGroup
	beside.Go(func() { a.flood(routes, until) })
	beside.Go(func() { a.drip(routes, until) })
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

// flood makes every forged request over and over, from eight addresses that are not the tills'.
func (a *attack) flood(routes *public, until time.Time) {
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for n := range 8 {
		all.Go(func() {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n))}}
			client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext}}
			defer client.CloseIdleConnections()
			for i := n * len(routes.forged) / 8; time.Now().Before(until); i++ {
				f := routes.forged[i%len(routes.forged)]
				status := a.knock(client, f)
				if status/100 == 2 || f.there && status == http.StatusNotFound {
					a.Errorf("forged: %s %s was answered %d", f.method, f.path, status)
				}
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
	}
	a.Logf("answers to the flood of %d requests in turn: %s (0: none)", len(routes.forged), strings.Join(text, ", "))
}

// knock makes a forged request, and returns the status of its answer; 0 for none.
func (a *attack) knock(client *http.Client, f forged) int {
	header, body := f.make()
	r, err := http.NewRequestWithContext(a.Context(), f.method, a.url+f.path, bytes.NewReader(body))
	if err != nil {
		a.Error(err)
		return 0
	}
	r.Header = header
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// drip posts to every public route from eight other addresses: each body comes byte by byte, until ingest hangs up.
func (a *attack) drip(routes *public, until time.Time) {
	posts := slices.DeleteFunc(slices.Clone(routes.forged), func(f forged) bool { return f.method != http.MethodPost })
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := n * len(posts) / 8; time.Now().Before(until); i++ {
				a.dripOne(posts[i%len(posts)], byte(101+n), until)
			}
		})
	}
	all.Wait()
}

// dripOne sends the head of a request and its body byte by byte, from 127.0.0.n.
func (a *attack) dripOne(f forged, n byte, until time.Time) {
	conn := a.dial(n)
	if conn == nil {
		<-time.After(time.Second / 10)
		return
	}
	defer func() { _ = conn.Close() }()
	header, _ := f.make()
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: ringup\r\nContent-Length: 100000\r\n", f.method, f.path)
	_ = header.Write(&head) // a strings.Builder takes everything
	head.WriteString("\r\n")
	for text := head.String(); time.Now().Before(until); text = "x" {
		if _, err := io.WriteString(conn, text); err != nil {
			return // the connection is closed
		}
		<-time.After(time.Second / 10)
	}
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
