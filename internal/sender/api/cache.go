package api

import (
	"sync"
	"time"
)

const (
	cacheFor  = 10 * time.Minute
	cacheSize = 200
)

// Cache keeps what the webhooks of one sale ask for several times, as its customer: 200 objects at most, for ten minutes, in memory. The zero value is empty. It is
// safe for concurrent use.
type Cache[T any] struct {
	mu  sync.Mutex
	all map[string]cached[T]
}

type cached[T any] struct {
	object *T
	end    *time.Timer // so that nothing of a person stays longer where no webhook comes
}

// Get returns what Put has kept under a name, which must not be changed; nil for nothing.
func (c *Cache[T]) Get(name string) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[name].object
}

// Put keeps an object. A full cache is emptied first: what is left out is asked for again.
func (c *Cache[T]) Put(name string, object *T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]cached[T]{}
	}
	c.remove(name)
	if len(c.all) >= cacheSize {
		for other := range c.all {
			c.remove(other)
		}
	}
	c.all[name] = cached[T]{object, time.AfterFunc(cacheFor, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.remove(name)
	})}
}

// remove forgets an object. A timer that has gone off meanwhile may take the next one along, which is asked for again.
func (c *Cache[T]) remove(name string) {
	if one, found := c.all[name]; found {
		one.end.Stop()
		delete(c.all, name)
	}
}
