package inbound

import (
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxRates bounds how many keys are remembered; beyond, all new ones share one limiter, until some of the others have been quiet for long
// enough to be forgotten. A key of more than maxKey bytes is remembered by its hash.
const (
	maxRates = 10_000
	maxKey   = 64
)

// Rates are rate limits by key, as by a client's address, of one replica and in bounded memory. They are safe for concurrent use.
type Rates struct {
	perSecond rate.Limit
	burst     int
	mu        sync.Mutex
	limiters  map[string]*rate.Limiter
	cleared   time.Time
}

// NewRates returns limits of perSecond events and burst at once for each key. Without a limit, as 0 says, everything is allowed; a burst of 0 is
// one second's worth.
func NewRates(perSecond float64, burst int) *Rates {
	if burst == 0 {
		burst = max(1, int(perSecond))
	}
	return &Rates{perSecond: rate.Limit(perSecond), burst: burst, limiters: map[string]*rate.Limiter{}}
}

// Allow reports whether one more event of a key is within its limit, and counts it if so.
func (l *Rates) Allow(key string) bool {
	if l.perSecond == 0 {
		return true
	}
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = string(sum[:])
	}
	return l.limiter(key).Allow()
}

func (l *Rates) limiter(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.limiters) >= maxRates && l.limiters[key] == nil {
		l.clear(time.Now())
	}
	if len(l.limiters) >= maxRates && l.limiters[key] == nil {
		key = ""
	}
	limiter := l.limiters[key]
	if limiter == nil {
		limiter = rate.NewLimiter(l.perSecond, l.burst)
		l.limiters[strings.Clone(key)] = limiter // it may be a part of a large text
	}
	return limiter
}

// clear forgets the keys that have all their tokens again, which a new limiter has too. At most once a second: it looks at all of them.
func (l *Rates) clear(now time.Time) {
	if now.Sub(l.cleared) < time.Second {
		return
	}
	l.cleared = now
	for key, limiter := range l.limiters {
		if limiter.TokensAt(now) >= float64(limiter.Burst()) {
			delete(l.limiters, key)
		}
	}
}
