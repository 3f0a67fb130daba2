package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/clover"
	"ringup.dev/ringup/internal/sender/lightspeed"
	"ringup.dev/ringup/internal/sender/loyverse"
	"ringup.dev/ringup/internal/sender/square"
	"ringup.dev/ringup/internal/sender/stripe"
	"ringup.dev/ringup/internal/sender/toast"
)

// ResolveConfig says to ingest which senders' events are completed. Ingest has no token of theirs.
type ResolveConfig struct {
	// Senders whose events the program resolve completes before they become messages: square, stripe, loyverse, clover, lightspeed, toast. Without that program and their tokens the messages wait.
	Senders []string `env:"RESOLVE_SENDERS"`
}

// Token is the variable of a sender's token.
type Token struct{ Sender, Variable string }

// Tokens has one for each sender that can be asked.
var Tokens = []Token{
	{square.Name, "SQUARE_ACCESS_TOKEN"}, {stripe.Name, "STRIPE_API_KEY"}, {loyverse.Name, "LOYVERSE_ACCESS_TOKEN"}, {clover.Name, "CLOVER_ACCESS_TOKEN"},
	{lightspeed.Name, "LIGHTSPEED_ACCESS_TOKEN"}, {toast.Name, "TOAST_CLIENT_SECRET"},
}

func (c *ResolveConfig) validate() error {
	var errs []error
	for _, name := range c.Senders {
		if !slices.ContainsFunc(Tokens, func(t Token) bool { return t.Sender == name }) {
			errs = append(errs, fmt.Errorf("RESOLVE_SENDERS has %q: set some of %s", name, listed(func(t Token) string { return t.Sender })))
		}
	}
	return errors.Join(errs...)
}

// APIConfig has what is needed to ask the senders of the store "default". A sender is asked when its token is set.
type APIConfig struct {
	Square     square.APIConfig
	Stripe     stripe.APIConfig
	Loyverse   loyverse.APIConfig
	Clover     clover.APIConfig
	Lightspeed lightspeed.APIConfig
	Toast      toast.APIConfig
}

// Resolvers returns the senders that can be asked, and by the same places their names. The error has every setting that cannot work, each with its variable.
func Resolvers(c APIConfig, o sender.ResolverOptions) (names []string, resolvers []sender.Resolver, err error) {
	var errs []error
	add := func(name string, r sender.Resolver, err error) {
		names, resolvers, errs = append(names, name), append(resolvers, r), append(errs, err)
	}
	if c.Square.Token != "" {
		r, err := square.NewResolver(c.Square, o)
		add(square.Name, r, err)
	}
	if c.Stripe.Key != "" {
		r, err := stripe.NewResolver(c.Stripe, o)
		add(stripe.Name, r, err)
	}
	if c.Loyverse.Token != "" {
		r, err := loyverse.NewResolver(c.Loyverse, o)
		add(loyverse.Name, r, err)
	}
	if c.Clover.Token != "" {
		r, err := clover.NewResolver(c.Clover, o)
		add(clover.Name, r, err)
	}
	if c.Lightspeed.Token != "" {
		r, err := lightspeed.NewResolver(c.Lightspeed, o)
		add(lightspeed.Name, r, err)
	}
	if c.Toast.ClientSecret != "" {
		r, err := toast.NewResolver(c.Toast, o)
		add(toast.Name, r, err)
	}
	if len(names) == 0 {
		errs = append(errs, fmt.Errorf("%s are empty: set the token of each sender of RESOLVE_SENDERS", listed(func(t Token) string { return t.Variable })))
	}
	return names, resolvers, errors.Join(errs...)
}

// listed returns a text of each token, with commas between.
func listed(text func(Token) string) string {
	all := make([]string, len(Tokens))
	for i, t := range Tokens {
		all[i] = text(t)
	}
	return strings.Join(all, ", ")
}
