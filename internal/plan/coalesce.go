package plan

import (
	"fmt"
	"time"
)

// Coalesce says how long messages wait for a later event of the same sale.
type Coalesce struct {
	// Webhooks is how long the messages of an order_create or order_update from POST /webhooks/pos wait for a later event of the same order, which takes their place; 0 for not at all.
	Webhooks time.Duration `env:"WEBHOOK_COALESCE, default=0s"`
	// Native is the same for the senders with a form of their own, as Shopify, which tell of one change in several webhooks.
	Native time.Duration `env:"COALESCE, default=20s"`
}

// maxCoalesce is the longest that a message waits for a later one: the customer waits, too.
const maxCoalesce = 10 * time.Minute

// Validate reports every setting that cannot work, each with its variable.
func (c *Coalesce) Validate() error {
	if longest := max(c.Webhooks, c.Native); min(c.Webhooks, c.Native) < 0 || longest > maxCoalesce {
		return fmt.Errorf("WEBHOOK_COALESCE is %s and COALESCE %s: set 0s to %s", c.Webhooks, c.Native, maxCoalesce)
	}
	return nil
}
