package catalog

import (
	"slices"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/clover"
	"ringup.dev/ringup/internal/sender/lightspeed"
	"ringup.dev/ringup/internal/sender/loyverse"
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
	// Other is another key, which turns the sender on as well, for webhooks that are signed in another way or not at all; most have no such key.
	Other Key
}

// Key is a key of a sender.
type Key struct {
	Variable string
	Keys     func(*Config) *secret.Keys
	InPath   bool   // it is the last part of the address: the webhook is not signed
	Topic    string // of the samples that it is for; "" for all
}

// All returns the sender's keys: that of Variable, and Other where there is one.
func (g *Guide) All() []Key {
	all := []Key{{Variable: g.Variable, Keys: g.Keys}}
	if g.Other.Variable != "" {
		all = append(all, g.Other)
	}
	return all
}

// For returns the key that a sample of a topic is posted with: the one that is for the topic, or else the first that a configuration has; where it has none, the first.
func (g *Guide) For(topic string, c *Config) Key {
	all := g.All()
	best := all[0]
	for _, k := range slices.Backward(all) {
		switch {
		case k.Topic != "" && k.Topic == topic:
			return k
		case k.Topic == "" && len(*k.Keys(c)) > 0:
			best = k
		}
	}
	return best
}

// On reports whether a configuration has a key of the sender.
func (g *Guide) On(c *Config) bool {
	return slices.ContainsFunc(g.All(), func(k Key) bool { return len(*k.Keys(c)) > 0 })
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
	{
		Name: loyverse.Name, Title: "Loyverse", Where: "POST https://api.loyverse.com/v1.0/webhooks, by an app or with an access token", Variable: "LOYVERSE_CLIENT_SECRET",
		Tick:  []string{"receipts.update"},
		Keys:  func(c *Config) *secret.Keys { return &c.Loyverse.Secrets },
		Other: Key{Variable: "LOYVERSE_PATH_KEY", Keys: func(c *Config) *secret.Keys { return &c.Loyverse.PathKeys }, InPath: true},
	},
	{
		Name: clover.Name, Title: "Clover", Where: "Developer Dashboard > your app > App Settings > Webhooks; for Hosted Checkout Settings > Ecommerce > Hosted Checkout", Variable: "CLOVER_AUTH_CODE",
		Tick:  []string{"Orders", "Payments"},
		Keys:  func(c *Config) *secret.Keys { return &c.Clover.AuthCodes },
		Other: Key{Variable: "CLOVER_SIGNING_SECRET", Keys: func(c *Config) *secret.Keys { return &c.Clover.SigningSecrets }, Topic: "hosted_checkout"},
	},
	{
		Name: lightspeed.Name, Title: "Lightspeed Retail (X-Series)", Where: "https://<your store>.retail.lightspeed.app/setup/api, or an app's POST /api/webhooks", Variable: "LIGHTSPEED_CLIENT_SECRET",
		Tick:  []string{"sale.update"},
		Keys:  func(c *Config) *secret.Keys { return &c.Lightspeed.Secrets },
		Other: Key{Variable: "LIGHTSPEED_PATH_KEY", Keys: func(c *Config) *secret.Keys { return &c.Lightspeed.PathKeys }, InPath: true},
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
