package admin

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"

	"ringup.dev/ringup/internal/proxies"
)

const (
	// An address may be wrong ten times in a row, and then once in two seconds; all together a hundred times, and then ten times a second.
	clientBurst, clientRate = 10, rate.Limit(0.5)
	allBurst, allRate       = 100, rate.Limit(10)
	// maxClients bounds the addresses that are remembered.
	maxClients = 10_000
	// overallWait is what a wrong token is told when all together are at their limit.
	overallWait = 10 * time.Second
)

// The outcomes of a refused request.
const (
	outcomeWrong   = "wrong"
	outcomeLimited = "limited"
	outcomeDenied  = "denied"
)

// guard is the one place that refuses a sign-in, a token, or a request that its operator may not make. It logs, counts, and slows the clients that guess.
type guard struct {
	log     *slog.Logger
	refused *prometheus.CounterVec
	now     func() time.Time

	mu      sync.Mutex // locked while a token is compared, so that no burst gets past a limit
	clients map[netip.Addr]*rate.Limiter
	all     *rate.Limiter
	swept   time.Time     // when clients were last looked through
	denials *rate.Limiter // of lines in the log
}

func newGuard(log *slog.Logger, registerer prometheus.Registerer) *guard {
	g := &guard{log: log, now: time.Now, clients: map[netip.Addr]*rate.Limiter{}, all: rate.NewLimiter(allRate, allBurst),
		denials: rate.NewLimiter(allRate, allBurst),
		refused: promauto.With(registerer).NewCounterVec(prometheus.CounterOpts{Name: "ringup_admin_refused_total",
			Help: "Requests that admin refused: with a wrong token; limited, because there were too many wrong ones; or denied, because the operator or the page they come from may not make them."}, []string{"outcome"})}
	for _, outcome := range []string{outcomeWrong, outcomeLimited, outcomeDenied} {
		g.refused.WithLabelValues(outcome)
	}
	return g
}

// ask compares what a client gave. wait is how long it has to wait when there were too many wrong ones, 0 otherwise. Where the client itself
// guesses, nothing is compared. Others' guesses never keep out who is right: when all together are at their limit, wrong ones alone are told to
// wait.
func (g *guard) ask(from netip.Addr, name string, compare func() role) (r role, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, key := g.now(), proxies.Whole(from)
	own := g.clients[key]
	if own != nil && own.TokensAt(now) < 1 {
		g.refused.WithLabelValues(outcomeLimited).Inc()
		return nobody, time.Duration((1 - own.TokensAt(now)) / float64(clientRate) * float64(time.Second))
	}
	if r = compare(); r != nobody {
		return r, 0
	}
	if own == nil {
		own = g.remember(key, now)
	}
	own.AllowN(now, 1)
	if !g.all.AllowN(now, 1) {
		g.refused.WithLabelValues(outcomeLimited).Inc()
		return nobody, overallWait
	}
	g.refused.WithLabelValues(outcomeWrong).Inc()
	g.log.Warn("sign-in refused", "from", from, "name", name)
	return nobody, 0
}

// deny logs and counts a request that is not let through although its client gave no wrong token.
func (g *guard) deny(from netip.Addr, name, method, path string) {
	g.refused.WithLabelValues(outcomeDenied).Inc()
	if g.denials.AllowN(g.now(), 1) {
		g.log.Warn("request denied", "from", from, "name", name, "method", method, "path", path)
	}
}

// remember begins to count a client's wrong tokens. When there are too many clients, those go that have not been wrong for a while, looked for once a
// second at most, and then any.
func (g *guard) remember(key netip.Addr, now time.Time) *rate.Limiter {
	if len(g.clients) >= maxClients {
		if now.Sub(g.swept) >= time.Second {
			g.swept = now
			for other, l := range g.clients {
				if l.TokensAt(now) >= clientBurst {
					delete(g.clients, other)
				}
			}
		}
		for other := range g.clients {
			if len(g.clients) < maxClients {
				break
			}
			delete(g.clients, other)
		}
	}
	l := rate.NewLimiter(clientRate, clientBurst)
	g.clients[key] = l
	return l
}
