package api

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestCache: it has what was put last, for ten minutes, and no more than 200 objects.
func TestCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c Cache[int]
		if c.Get("a") != nil {
			t.Error("an empty cache has something")
		}
		one, two := 1, 2
		c.Put("a", &one)
		time.Sleep(cacheFor - time.Second) //nolint:forbidigo // the bubble's clock
		c.Put("a", &two)
		c.Put("b", &one)
		time.Sleep(cacheFor - time.Second) //nolint:forbidigo // the bubble's clock
		if got := c.Get("a"); got != &two {
			t.Errorf("%v", got)
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if len(c.all) != 0 {
			t.Errorf("%d objects after their time", len(c.all))
		}
		for i := range 3 * cacheSize {
			c.Put(strconv.Itoa(i), &one)
			if len(c.all) > cacheSize || c.Get(strconv.Itoa(i)) == nil {
				t.Fatalf("%d objects after %d", len(c.all), i)
			}
		}
	})
}
