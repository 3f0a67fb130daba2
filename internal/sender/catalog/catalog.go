// Package catalog has every sender that ringup knows, with its settings.
package catalog

import (
	"errors"
	"slices"
	"sync/atomic"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/clover"
	"ringup.dev/ringup/internal/sender/lightspeed"
	"ringup.dev/ringup/internal/sender/loyverse"
	"ringup.dev/ringup/internal/sender/shopify"
	"ringup.dev/ringup/internal/sender/square"
	"ringup.dev/ringup/internal/sender/stripe"
	"ringup.dev/ringup/internal/sender/toast"
	"ringup.dev/ringup/internal/sender/woocommerce"
)

// Config has the settings of every sender of the store "default". A sender is on when its key is set.
type Config struct {
	Shopify     shopify.Config
	WooCommerce woocommerce.Config
	Stripe      stripe.Config
	Toast       toast.Config
	Square      square.Config
	Loyverse    loyverse.Config
	Clover      clover.Config
	Lightspeed  lightspeed.Config
	Resolve     ResolveConfig
}

// On reports whether any sender has a key.
func (c *Config) On() bool {
	return slices.ContainsFunc(Guides, func(g Guide) bool { return g.On(c) })
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	return errors.Join(c.Square.Validate(), c.Loyverse.Validate(), c.Lightspeed.Validate(), c.Resolve.validate())
}

func (c *Config) resolves(name string) bool { return slices.Contains(c.Resolve.Senders, name) }

// Senders are the senders of the stores. They are safe for concurrent use, also while their keys are replaced.
type Senders struct {
	byName atomic.Pointer[map[string]sender.Sender]
}

// New returns the senders of a configuration.
func New(c Config) (*Senders, error) {
	s := &Senders{}
	return s, s.Use(c)
}

// Use replaces the keys for the webhooks that come from now on. With a configuration that is invalid it returns the problem, and changes nothing.
func (s *Senders) Use(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	byName := map[string]sender.Sender{}
	if keys := bytesOf(c.Shopify.Secrets); len(keys) > 0 {
		byName[shopify.Name] = shopify.New(event.DefaultStore, keys)
	}
	if keys := bytesOf(c.WooCommerce.Secrets); len(keys) > 0 {
		byName[woocommerce.Name] = woocommerce.New(event.DefaultStore, keys)
	}
	if keys := bytesOf(c.Stripe.Secrets); len(keys) > 0 {
		byName[stripe.Name] = stripe.New(stripe.Options{Store: event.DefaultStore, Keys: keys, PaymentIntents: c.Stripe.PaymentIntents, Resolve: c.resolves(stripe.Name)})
	}
	if keys := bytesOf(c.Toast.Secrets); len(keys) > 0 {
		byName[toast.Name] = toast.New(toast.Options{Store: event.DefaultStore, Keys: keys, Resolve: c.resolves(toast.Name)})
	}
	if keys := bytesOf(c.Square.Keys); len(keys) > 0 {
		byName[square.Name] = square.New(square.Options{Store: event.DefaultStore, Keys: keys, NotificationURL: c.Square.NotificationURL, Resolve: c.resolves(square.Name)})
	}
	c.more(byName)
	s.byName.Store(&byName)
	return nil
}

// more adds the senders that have two kinds of keys.
func (c *Config) more(to map[string]sender.Sender) {
	if signed, paths := bytesOf(c.Loyverse.Secrets), bytesOf(c.Loyverse.PathKeys); len(signed)+len(paths) > 0 {
		to[loyverse.Name] = loyverse.New(loyverse.Options{Store: event.DefaultStore, Keys: signed, PathKeys: paths, Resolve: c.resolves(loyverse.Name)})
	}
	if signed, paths := bytesOf(c.Lightspeed.Secrets), bytesOf(c.Lightspeed.PathKeys); len(signed)+len(paths) > 0 {
		to[lightspeed.Name] = lightspeed.New(lightspeed.Options{Store: event.DefaultStore, Keys: signed, PathKeys: paths, Resolve: c.resolves(lightspeed.Name)})
	}
	if codes, secrets := bytesOf(c.Clover.AuthCodes), bytesOf(c.Clover.SigningSecrets); len(codes)+len(secrets) > 0 {
		to[clover.Name] = clover.New(clover.Options{Store: event.DefaultStore, AuthCodes: codes, SigningSecrets: secrets, MerchantID: c.Clover.MerchantID, Resolve: c.resolves(clover.Name)})
	}
}

// Get returns a store's sender by its name; false where the store is not known, or the sender is not on.
func (s *Senders) Get(store, name string) (sender.Sender, bool) {
	if store != event.DefaultStore {
		return nil, false
	}
	one, found := (*s.byName.Load())[name]
	return one, found
}

func bytesOf(keys secret.Keys) [][]byte {
	out := make([][]byte, len(keys))
	for i, key := range keys {
		out[i] = []byte(key.Reveal())
	}
	return out
}
