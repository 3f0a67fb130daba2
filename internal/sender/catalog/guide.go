package catalog

import (
	"slices"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/shopify"
	"ringup.dev/ringup/internal/sender/square"
	"ringup.dev/ringup/internal/sender/stripe"
	"ringup.dev/ringup/internal/sender/toast"
	"ringup.dev/ringup/internal/sender/woocommerce"
)

// Guide is how a sender is set up in short; docs/senders/<name>.md has it step by step.
type Guide struct {
	Name     string                     // in paths, events and metrics
	Title    string                     // as its maker writes it
	Where    string                     // the page of the sender that takes the address
	Tick     []string                   // the topics to choose there, as that page calls them
	IDs      []string                   // more of them, which have ids only: for a sender that is asked (RESOLVE_SENDERS)
	Variable string                     // has the key
	Keys     func(*Config) *secret.Keys // those of a configuration
}

// Guides has one for each sender, the most common first.
var Guides = []Guide{
	{
		Name: shopify.Name, Title: "Shopify", Where: "Settings > Notifications > Webhooks", Variable: "SHOPIFY_WEBHOOK_SECRET",
		Tick: []string{"Order creation", "Order payment", "Order fulfillment", "Order cancellation", "Order update"},
		Keys: func(c *Config) *secret.Keys { return &c.Shopify.Secrets },
	},
	{
		Name: woocommerce.Name, Title: "WooCommerce", Where: "WooCommerce > Settings > Advanced > Webhooks", Variable: "WOOCOMMERCE_WEBHOOK_SECRET",
		Tick: []string{"Order created", "Order updated (a second webhook)"},
		Keys: func(c *Config) *secret.Keys { return &c.WooCommerce.Secrets },
	},
	{
		Name: square.Name, Title: "Square", Where: "Developer Console > your application > Webhooks > Subscriptions", Variable: "SQUARE_SIGNATURE_KEY",
		Tick: []string{"payment.created", "payment.updated"}, IDs: []string{"order.created", "order.updated", "order.fulfillment.updated"},
		Keys: func(c *Config) *secret.Keys { return &c.Square.Keys },
	},
	{
		Name: stripe.Name, Title: "Stripe", Where: "Dashboard > Developers > Webhooks", Variable: "STRIPE_WEBHOOK_SECRET",
		Tick: []string{"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed", "charge.succeeded", "charge.captured", "charge.refunded"},
		Keys: func(c *Config) *secret.Keys { return &c.Stripe.Secrets },
	},
	{
		Name: toast.Name, Title: "Toast", Where: "Toast Web > Integrations > Toast API access > Manage credentials", Variable: "TOAST_WEBHOOK_SECRET",
		Tick: []string{"order_updated", "channel_order_updated"},
		Keys: func(c *Config) *secret.Keys { return &c.Toast.Secrets },
	},
}

// GuideOf returns a sender's guide; nil for an unknown name.
func GuideOf(name string) *Guide {
	for i := range Guides {
		if Guides[i].Name == name {
			return &Guides[i]
		}
	}
	return nil
}

// Topics returns the topics to choose with a configuration.
func (g *Guide) Topics(c *Config) []string {
	if !c.resolves(g.Name) {
		return g.Tick
	}
	return append(slices.Clip(g.Tick), g.IDs...)
}

// Path returns where the sender of the store "default" posts, below the public address of ingest.
func (g *Guide) Path() string { return "/webhooks/" + g.Name + "/" + event.DefaultStore }
