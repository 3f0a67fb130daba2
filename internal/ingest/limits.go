package ingest

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The limits of the public server, all of them here. What a POS sends is one small request; everything beyond is a fault or an attack.
const (
	// readHeaderTimeout: a client that dribbles its headers (slowloris) is cut off.
	readHeaderTimeout = 5 * time.Second
	// readTimeout covers headers and body: 1 MiB in 30 s is 35 KB/s, which the worst of shops' lines manage.
	readTimeout = 30 * time.Second
	// writeTimeout runs from the end of the headers, so it covers reading the body, the enqueue and the answer.
	writeTimeout = 45 * time.Second
	// idleTimeout: longer than the usual ingress's own 60 s, so that the ingress closes first and no request meets a closed connection.
	idleTimeout = 75 * time.Second
	// maxHeaderBytes: some ten headers; a token and two signatures fit many times.
	maxHeaderBytes = 16 << 10
	// enqueueTimeout: a POS waits some ten seconds; better it hears 503 and repeats.
	enqueueTimeout = 5 * time.Second
	// retryAfter is what a refused POS is asked to wait, in seconds.
	retryAfter = "5"
	// leastRoom is what a webhook counts for at least (MAX_INFLIGHT_BYTES): its goroutine, buffers and headers. By the default 2,048 are
	// worked on at a time, a quarter of a second's work of one replica; who would have to wait longer hears 503 at once.
	leastRoom = 16 << 10
	// maxSources bounds how many sources the rate limit remembers; beyond, all new ones share one limiter, until some
	// of the others have been quiet for long enough to be forgotten.
	maxSources = 10_000
)

// limits are the rate limits of the sources, for one replica.
type limits struct {
	perSecond float64
	burst     int
	mu        sync.Mutex
	sources   map[string]*rate.Limiter
	cleared   time.Time
}

func (l *limits) allow(source string) bool {
	if l.perSecond == 0 {
		return true
	}
	l.mu.Lock()
	if len(l.sources) >= maxSources && l.sources[source] == nil {
		l.clear(time.Now())
	}
	if len(l.sources) >= maxSources && l.sources[source] == nil {
		source = ""
	}
	limiter := l.sources[source]
	if limiter == nil {
		burst := l.burst
		if burst == 0 {
			burst = max(1, int(l.perSecond))
		}
		limiter = rate.NewLimiter(rate.Limit(l.perSecond), burst)
		l.sources[source] = limiter
	}
	l.mu.Unlock()
	return limiter.Allow()
}

// clear forgets the sources that have all their tokens again, which a new limiter has too. At most once a second: it looks at all of them.
func (l *limits) clear(now time.Time) {
	if now.Sub(l.cleared) < time.Second {
		return
	}
	l.cleared = now
	for source, limiter := range l.sources {
		if limiter.TokensAt(now) >= float64(limiter.Burst()) {
			delete(l.sources, source)
		}
	}
}
