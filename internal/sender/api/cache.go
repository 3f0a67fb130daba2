package api

import (
	"sync"
	"time"
)

const (
	cacheFor  = 10 * time.Minute
	cacheSize = 1000
)

// Cache keeps what the webhooks of one sale ask for several times, as its customer: a thousand objects at most, for ten minutes, in memory. The zero value is empty. It is
// safe for concurrent use.
type Cache[T any] struct {
	mu  sync.Mutex
	all map[string]cached[T]
}

type cached[T any] struct {
	value T
	at    time.Time
}

// Get returns what Put has kept under a name.
func (c *Cache[T]) Get(name string) (value T, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, found := c.all[name]
	if !found || time.Since(one.at) > cacheFor {
		return value, false
	}
	return one.value, true
}

// Put keeps a value. A full cache is emptied first: what is left out is asked for again.
func (c *Cache[T]) Put(name string, value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) >= cacheSize {
		c.all = map[string]cached[T]{}
	}
	c.all[name] = cached[T]{value, time.Now()}
}
