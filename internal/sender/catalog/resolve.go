package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/square"
	"ringup.dev/ringup/internal/sender/stripe"
)

// ResolveConfig says to ingest which senders' events are completed. Ingest has no token of theirs.
type ResolveConfig struct {
	// Senders whose events the program resolve completes before they become messages: square, stripe. Without that program and their tokens the messages wait.
	Senders []string `env:"RESOLVE_SENDERS"`
}

// resolvable are the senders that can be asked.
var resolvable = []string{square.Name, stripe.Name}

func (c *ResolveConfig) validate() error {
	var errs []error
	for _, name := range c.Senders {
		if !slices.Contains(resolvable, name) {
			errs = append(errs, fmt.Errorf("RESOLVE_SENDERS has %q: set some of %s", name, strings.Join(resolvable, ", ")))
		}
	}
	return errors.Join(errs...)
}

// APIConfig has what is needed to ask the senders of the store "default". A sender is asked when its token is set.
type APIConfig struct {
	Square square.APIConfig
	Stripe stripe.APIConfig
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
	if len(names) == 0 {
		errs = append(errs, errors.New("SQUARE_ACCESS_TOKEN and STRIPE_API_KEY are empty: set the token of each sender of RESOLVE_SENDERS"))
	}
	return names, resolvers, errors.Join(errs...)
}
